// The app's own server code, which is the module server.js: it exports handle(request, env, ctx).
const INTERNAL = new Set(["BUCKET", "ASSETS", "ACCESS", "DATA_ORIGIN"]); // bindings that are the server's, not the app's

function json(body, head, status = 200) {
  const text = JSON.stringify(body) + "\n";
  return new Response(head ? null : text, {
    status,
    headers: { ...BASE_HEADERS, "content-type": "application/json", "cache-control": "no-store" },
  });
}

// serverCode lets the app answer, and answers for it when it fails. What went wrong is for the log only.
async function serverCode(request, env, ctx) {
  const head = request.method === "HEAD";
  try {
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !INTERNAL.has(name)));
    const answer = await SERVER.handle(request, own, ctx);
    if (answer === null || answer === undefined) return json({ error: "Not found." }, head, 404);
    if (answer.status === 101) return answer; // a WebSocket, which cannot be wrapped
    const out = new Response(head ? null : answer.body, answer); // headers of a fetched answer cannot be changed
    for (const [name, value] of Object.entries(BASE_HEADERS)) {
      if (!out.headers.has(name)) out.headers.set(name, value);
    }
    return out;
  } catch (e) {
    console.error(e instanceof Error ? e.stack : String(e));
    return json({ error: "The app's server code failed." }, head, 500);
  }
}
