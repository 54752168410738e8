
// What follows is the same in every Worker. It repeats the rules of plan.Route.
const BASE_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "strict-origin-when-cross-origin",
};
if (DEPLOYMENT.environment !== "production") BASE_HEADERS["x-robots-tag"] = "noindex";

function json(body, head) {
  const text = JSON.stringify(body) + "\n";
  return new Response(head ? null : text, {
    headers: { ...BASE_HEADERS, "content-type": "application/json", "cache-control": "no-store" },
  });
}

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
  if (ASSETS.has(path)) return path;
  if (path.endsWith("/") && ASSETS.has(path + "index.html")) return path + "index.html";
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

function assetHeaders(request, [hash, , type, immutable]) {
  const h = new Headers(BASE_HEADERS);
  h.set("content-type", TYPES[type]);
  h.set("cache-control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
  h.set("etag", '"' + hash.slice(0, 32) + '"');
  h.set("accept-ranges", "bytes");
  if (request.url.startsWith("https:")) h.set("strict-transport-security", "max-age=31536000");
  if (TYPES[type].startsWith("text/html")) {
    h.set("cross-origin-opener-policy", "same-origin-allow-popups");
    if (DEPLOYMENT.environment === "production") h.set("content-security-policy", "frame-ancestors 'self'");
  }
  return h;
}

async function serve(request, env, path) {
  const head = request.method === "HEAD";
  const asset = ASSETS.get(path);
  const [hash, size, , , module] = asset;
  const headers = assetHeaders(request, asset);
  const known = request.headers.get("if-none-match");
  if (known && matches(known, headers.get("etag"))) {
    headers.delete("content-type");
    headers.delete("accept-ranges");
    return new Response(null, { status: 304, headers });
  }
  const ifRange = request.headers.get("if-range");
  const part = ifRange && ifRange !== headers.get("etag") ? null : range(request.headers.get("range"), size);
  if (part === false) {
    return plain(416, "The file has " + size + " bytes.", head, { "content-range": "bytes */" + size });
  }
  const [first, length] = part || [0, size];
  if (part) headers.set("content-range", `bytes ${first}-${first + length - 1}/${size}`);
  headers.set("content-length", String(length));
  const status = part ? 206 : 200;
  if (head) return new Response(null, { status, headers });
  if (module) return new Response(part ? module.slice(first, first + length) : module, { status, headers });
  const key = `apps/${DEPLOYMENT.app_id}/${hash}${path}`;
  const object = env.BUCKET && await env.BUCKET.get(key, part ? { range: { offset: first, length } } : undefined);
  if (!object) return plain(503, "A file of this version is missing from storage.", head, { "retry-after": "30" });
  return new Response(object.body, { status, headers });
}

export default {
  async fetch(request, env) {
    const head = request.method === "HEAD";
    if (request.method !== "GET" && !head) {
      return plain(405, "This site is only read.", false, { allow: "GET, HEAD" });
    }
    const path = decoded(new URL(request.url).pathname);
    if (path === "/_health") return json({ status: "ok", ...DEPLOYMENT }, head);
    if (path === "/_deployment") return json(DEPLOYMENT, head);
    const found = path === null ? null : find(path, request.headers.get("accept") || "");
    if (found === null) return plain(404, "Not found.", head);
    return serve(request, env, found);
  },
};
