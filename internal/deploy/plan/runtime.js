
// What follows is the same in every Worker. It repeats the rules of plan.Route.
const BASE_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "strict-origin-when-cross-origin",
};
if (DEPLOYMENT.environment !== "production") BASE_HEADERS["x-robots-tag"] = "noindex";
const DATA = ["/auth/v1/", "/rest/v1/", "/storage/v1/", "/realtime/v1/"];

function plain(status, text, head, extra) {
  return new Response(head ? null : text + "\n", {
    status,
    headers: { ...BASE_HEADERS, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...extra },
  });
}

// decoded returns the path as the table writes it, or null for one that is not UTF-8.
function decoded(pathname) {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return null;
  }
}

// find returns the path of the asset that answers, or null.
function find(path, accept) {
  if (FILES.has(path)) return path;
  if (path.endsWith("/") && FILES.has(path + "index.html")) return path + "index.html";
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (dot >= 0 && EXTENSIONS.has(name.slice(dot).toLowerCase())) return null;
  return accept.toLowerCase().includes("text/html") ? "/index.html" : null;
}

function matches(ifNoneMatch, etag) {
  return ifNoneMatch.split(",").some((t) => {
    t = t.trim();
    return t === "*" || t.replace(/^W\//, "") === etag;
  });
}

// range reads a Range header: [first, length], or null for the whole, or false when it cannot be satisfied.
// Several ranges get the whole, as RFC 9110 section 14.2 allows.
function range(header, size) {
  const m = /^bytes=(\d*)-(\d*)$/.exec((header || "").replace(/\s/g, ""));
  if (!m || (m[1] === "" && m[2] === "")) return null;
  if (m[1] === "") {
    const n = Math.min(Number(m[2]), size);
    return n === 0 ? false : [size - n, n];
  }
  const first = Number(m[1]);
  const last = m[2] === "" ? size - 1 : Math.min(Number(m[2]), size - 1);
  if (m[2] !== "" && Number(m[2]) < first) return null;
  return first >= size ? false : [first, last - first + 1];
}

function assetHeaders(request, [key, , type, immutable]) {
  const h = new Headers(BASE_HEADERS);
  h.set("content-type", TYPES[type]);
  h.set("cache-control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
  h.set("etag", '"' + key.slice(0, 32) + '"');
  h.set("accept-ranges", "bytes");
  if (request.url.startsWith("https:")) h.set("strict-transport-security", "max-age=31536000");
  if (TYPES[type].startsWith("text/html")) {
    h.set("cross-origin-opener-policy", "same-origin-allow-popups");
    if (DEPLOYMENT.environment === "production") h.set("content-security-policy", "frame-ancestors 'self'");
  }
  return h;
}

// cut lets through a part of a stream.
function cut(first, length) {
  return new TransformStream({
    transform(chunk, controller) {
      const skip = Math.min(first, chunk.length);
      first -= skip;
      const part = chunk.subarray(skip, skip + length);
      length -= part.length;
      if (part.length > 0) controller.enqueue(part);
      if (length === 0) controller.terminate();
    },
  });
}

// fromAssets reads a file, or a part of it, from Workers static assets. They may answer a range with the whole file.
async function fromAssets(request, env, path, part) {
  const url = new URL(path.split("/").map(encodeURIComponent).join("/"), request.url);
  const headers = part ? { range: `bytes=${part[0]}-${part[0] + part[1] - 1}` } : {};
  const answer = env.ASSETS && await env.ASSETS.fetch(new Request(url, { headers }));
  if (!answer || answer.status !== 200 && !(part && answer.status === 206)) return undefined;
  return part && answer.status === 200 ? answer.body.pipeThrough(cut(...part)) : answer.body;
}

// content returns the bytes of an asset, or of a part of it; undefined when they are missing.
async function content(request, env, path, part) {
  const [key, , , , place] = FILES.get(path);
  if (place === IN_ASSETS) return fromAssets(request, env, path, part);
  if (place !== IN_BUCKET) return part ? place.slice(part[0], part[0] + part[1]) : place;
  const range = part ? { range: { offset: part[0], length: part[1] } } : undefined;
  const object = env.BUCKET && await env.BUCKET.get(`apps/${DEPLOYMENT.app_id}/${key}${path}`, range);
  return object ? object.body : undefined;
}

// serve answers with the asset at path, for a request for asked.
async function serve(request, env, path, asked) {
  const head = request.method === "HEAD";
  const asset = FILES.get(path);
  const size = asset[1];
  const headers = assetHeaders(request, asset);
  applyRules(asked, headers);
  const etag = headers.get("etag");
  const known = request.headers.get("if-none-match");
  if (known && matches(known, etag)) {
    headers.delete("content-type");
    headers.delete("accept-ranges");
    return new Response(null, { status: 304, headers });
  }
  const ifRange = request.headers.get("if-range");
  const part = ifRange && ifRange !== etag ? null : range(request.headers.get("range"), size);
  if (part === false) {
    return plain(416, "The file has " + size + " bytes.", head, { "content-range": "bytes */" + size });
  }
  const length = part ? part[1] : size;
  if (part) headers.set("content-range", `bytes ${part[0]}-${part[0] + length - 1}/${size}`);
  headers.set("content-length", String(length));
  const status = part ? 206 : 200;
  if (head) return new Response(null, { status, headers });
  const body = await content(request, env, path, part);
  if (body === undefined) return plain(503, "A file of this version is missing from storage.", head, { "retry-after": "30" });
  return new Response(body, { status, headers });
}

// forward hands a request for the app's data to where the data is, and its answer back, as they are.
async function forward(request, env, url) {
  const to = new URL(env.DATA_ORIGIN);
  to.pathname = url.pathname;
  to.search = url.search;
  const headers = new Headers(request.headers);
  headers.set("x-forwarded-host", url.host);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  try {
    return await fetch(new Request(to, new Request(request, { headers, redirect: "manual" })));
  } catch (e) {
    console.error(e instanceof Error ? e.stack : String(e));
    return json({ message: "The app's data cannot be reached right now. Try again in a moment." }, request.method === "HEAD", 502);
  }
}

// site answers with what the build holds.
function site(request, env, url, path) {
  const head = request.method === "HEAD";
  if (request.method !== "GET" && !head) {
    return plain(405, "This site is only read.", false, { allow: "GET, HEAD" });
  }
  if (path === null) return plain(404, "Not found.", head);
  if (path === "/_deployment") return json(DEPLOYMENT, head);
  const [to, status] = redirected(path, url.search) || [path, 200];
  if (status !== 200) return new Response(null, { status, headers: { ...BASE_HEADERS, location: to } });
  const found = find(to, request.headers.get("accept") || "");
  return found === null ? plain(404, "Not found.", head) : serve(request, env, found, path);
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const path = decoded(url.pathname);
    if (path === "/_health" && (request.method === "GET" || request.method === "HEAD")) {
      return json({ status: "ok", ...DEPLOYMENT }, request.method === "HEAD");
    }
    const refused = await guard(request, env);
    if (refused) return refused;
    const seen = withoutAccess(request);
    const name = path === null ? url.pathname : path;
    if (DATA.some((prefix) => name.startsWith(prefix))) {
      return env.DATA_ORIGIN ? forward(seen, env, url) : plain(404, "Not found.", request.method === "HEAD");
    }
    if (SERVER && name.startsWith("/api/")) return serverCode(seen, env, ctx);
    return site(seen, env, url, path);
  },
};
