// Stands in front of a dispatch namespace and hands each request to the script that answers for its host. Which one
// that is says the object routes/<host>; it is kept for a few seconds, so that a promotion is seen everywhere soon and a
// busy host costs a read now and then. When R2 does not answer, what was known goes on serving.
const SECONDS = 5;
const known = new Map();

async function scriptOf(host, env) {
  const now = Date.now();
  const hit = known.get(host);
  if (hit && now < hit.until) return hit.name;
  try {
    const object = await env.BUCKET.get("routes/" + host);
    const name = object ? await object.text() : "";
    if (known.size > 5000) known.clear();
    known.set(host, { name, until: now + SECONDS * 1000 });
    return name;
  } catch (error) {
    if (hit) return hit.name;
    throw error;
  }
}

function page(status, text) {
  return new Response(text + "\n", { status, headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" } });
}

export default {
  async fetch(request, env) {
    let name;
    try {
      name = await scriptOf(new URL(request.url).hostname, env);
    } catch (error) {
      console.error("routes: " + error);
      return page(503, "This app cannot be reached right now.");
    }
    if (!name) return page(404, "There is no app at this address.");
    try {
      return await env.APPS.get(name).fetch(request);
    } catch (error) {
      if (String(error.message).startsWith("Worker not found")) return page(404, "There is no app at this address.");
      console.error(name + ": " + error);
      return page(500, "This app failed.");
    }
  },
};
