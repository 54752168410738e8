// The part of an app's server code that nobody wrote: it finds the file that answers a request. TABLE stands above it,
// a row for each file: the path below /api and what the file exports, the deepest paths first.

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function refuse(status, error, headers) {
  return new Response(JSON.stringify({ error }) + "\n", {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}

// The methods that a file answers, one way or the other.
const allowed = (file) => METHODS.filter((m) => file[m] || (m === "HEAD" && file.GET));

export async function handle(request, env, ctx) {
  const { pathname } = new URL(request.url);
  const rest = pathname.slice("/api".length) || "/";
  const row = (pathname + "/").startsWith("/api/") && TABLE.find(([path]) => rest === path || rest.startsWith(path + "/"));
  if (!row) return refuse(404, `Nothing answers ${pathname}.`);
  const file = row[1];
  const bodiless = request.method === "HEAD" && !file.HEAD && file.GET;
  const answer = bodiless || file[request.method] || file.default;
  if (!answer) {
    return refuse(405, `${pathname} does not answer ${request.method}.`, { allow: allowed(file).join(", ") });
  }
  // A default export may also be an object with a method fetch, as routers for Workers are.
  const response = await (typeof answer === "function" ? answer(request, env, ctx) : answer.fetch(request, env, ctx));
  return bodiless ? new Response(null, response) : response;
}
