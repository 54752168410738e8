// Who may open this site: package access, for a Worker. It repeats the rules of guard.go.
const { guard, withoutAccess } = (() => {
  const PARAM = "_access";
  const HEADER = "Overskill-Access";
  const COOKIE = "__os_access";
  const FORM = "/_access";
  const SESSION = 12 * 60 * 60; // seconds
  const PROOF = /^[A-Za-z0-9_-]{54}$/; // of 40 bytes
  const utf8 = new TextEncoder();

  // The rule of the text that was read last, with its key imported: it changes with a release only.
  let known = { text: null, rule: null };

  async function ruleOf(text) {
    if (known.text === text) return known.rule;
    const rule = JSON.parse(text);
    const key = decoded((rule.key || "").replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""));
    rule.open = !rule.mode || rule.mode === "public";
    rule.signer = key.length < 16 ? null : await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    known = { text, rule };
    return rule;
  }

  function decoded(text) {
    const s = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(s, (c) => c.charCodeAt(0));
  }

  function encoded(bytes) {
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function origin(host) {
    return host.toLowerCase().replace(/:443$|:80$/, "");
  }

  function signed(rule, purpose, host, expires) {
    return utf8.encode(["overskill access 1", purpose, origin(host), rule.epoch || 0, expires].join("\n"));
  }

  async function prove(rule, purpose, host, expires) {
    const raw = new Uint8Array(40);
    const view = new DataView(raw.buffer);
    view.setUint32(0, Math.floor(expires / 2 ** 32));
    view.setUint32(4, expires % 2 ** 32);
    raw.set(new Uint8Array(await crypto.subtle.sign("HMAC", rule.signer, signed(rule, purpose, host, expires))), 8);
    return encoded(raw);
  }

  async function proves(rule, purpose, proof, host) {
    if (!rule.signer || !PROOF.test(proof)) return false;
    const raw = decoded(proof);
    if (encoded(raw) !== proof) return false; // the last character has bits that nobody reads
    const view = new DataView(raw.buffer);
    const expires = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
    if (expires <= Math.floor(Date.now() / 1000)) return false;
    return crypto.subtle.verify("HMAC", rule.signer, raw.subarray(8), signed(rule, purpose, host, expires));
  }

  function cookies(request) {
    return (request.headers.get("cookie") || "").split(";").map((c) => c.trim()).filter((c) => c !== "");
  }

  const isAccess = (cookie) => cookie.split("=", 1)[0].trim() === COOKIE;

  async function admitted(rule, request, host) {
    if (rule.open || await proves(rule, "link", request.headers.get(HEADER) || "", host)) return true;
    for (const c of cookies(request)) {
      if (isAccess(c) && await proves(rule, "session", c.slice(c.indexOf("=") + 1).trim().replace(/^"(.*)"$/, "$1"), host)) return true;
    }
    return false;
  }

  function cutParam(search) {
    const kept = [];
    let token = "";
    for (const part of search.replace(/^\?/, "").split("&")) {
      const [name] = part.split("=", 1);
      if (name !== PARAM) kept.push(part);
      else if (token === "") token = part.slice(name.length + 1);
    }
    return [kept.join("&"), token];
  }

  async function session(rule, request, url) {
    const proof = await prove(rule, "session", url.host, Math.floor(Date.now() / 1000) + SESSION);
    const https = url.protocol === "https:" || (request.headers.get("x-forwarded-proto") || "").toLowerCase() === "https";
    const trusted = https || url.hostname === "localhost" || url.hostname.endsWith(".localhost");
    const rest = trusted ? "; HttpOnly; Secure; SameSite=None; Partitioned" : "; HttpOnly; SameSite=Lax";
    return `${COOKIE}=${proof}; Path=/; Max-Age=${SESSION}${rest}`;
  }

  function headers(extra) {
    return {
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-robots-tag": "noindex",
      ...extra,
    };
  }

  function seeOther(to, cookie) {
    return new Response(null, { status: 303, headers: headers(cookie ? { location: to, "set-cookie": cookie } : { location: to }) });
  }

  // inside writes a path of this site. One that began with two slashes would be another site's name.
  function inside(path, query) {
    return "/" + path.replace(/^[/\\]+/, "") + (query === "" ? "" : "?" + query);
  }

  function safeNext(next) {
    const plain = next.length <= 2048 && /^\/[!-~]*$/.test(next) && !next.startsWith("//") && !next.includes("\\");
    return plain ? next : "/";
  }

  const PASSWORD = {
    status: 401,
    form: true,
    title: "This app asks for a password",
    text: "Whoever gave you the address can tell you the password.",
  };
  const PRIVATE = {
    status: 401,
    title: "This preview is private",
    text: "Open it from the builder, or ask whoever made it for a link.",
  };
  const EXPIRED = {
    status: 401,
    title: "This link does not work any more",
    text: "Its time is over, or it was taken back. Open the preview from the builder, or ask for a new link.",
  };
  const TOO_LARGE = {
    status: 413,
    title: "That was too much",
    text: "The form holds a password and nothing else. Go back and try again.",
  };
  const BROKEN = {
    status: 503,
    title: "This app cannot be opened right now",
    text: "Its server does not know who may open it. Publishing it again helps.",
  };

  const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };

  function html(p) {
    const values = {
      STATUS: p.status, TITLE: p.title, TEXT: p.text, PROBLEM: p.problem || "",
      NEXT: (p.next || "").replace(/[&<>"']/g, (c) => ESCAPES[c]),
    };
    const body = p.form ? ACCESS_PAGE : ACCESS_PAGE.replace(/<!--form-->\n[^]*<!--\/form-->\n/, "");
    return body.replace(/\{\{([A-Z]+)\}\}/g, (_, name) => values[name]);
  }

  function show(request, p, extra) {
    const h = headers(extra);
    if (p.status === 401) h["www-authenticate"] = HEADER;
    const accept = (request.headers.get("accept") || "").toLowerCase();
    const sentence = p.problem || p.title + ". " + p.text;
    let body;
    if (accept.includes("text/html")) {
      h["content-type"] = "text/html; charset=utf-8";
      h["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
      body = html(p);
    } else if (accept.includes("application/json")) {
      h["content-type"] = "application/json";
      body = JSON.stringify({ error: sentence }) + "\n";
    } else {
      h["content-type"] = "text/plain; charset=utf-8";
      body = sentence + "\n";
    }
    return new Response(request.method === "HEAD" ? null : body, { status: p.status, headers: h });
  }

  function refuse(rule, request, url) {
    const [rest, token] = cutParam(url.search);
    if (rule.mode === "password") {
      const here = request.method === "GET" && url.pathname !== FORM;
      return show(request, { ...PASSWORD, next: here ? safeNext(inside(url.pathname, rest)) : "/" });
    }
    return show(request, token !== "" ? EXPIRED : PRIVATE);
  }

  // Wrong passwords by address. There are many isolates, and they come and go: this slows one visitor down at one
  // place, and is no limit for who guesses from many. What protects a site here is the length of its password.
  const attempts = new Map();

  function attempt(visitor) {
    const now = Date.now();
    if (!attempts.has(visitor) && attempts.size >= 1000) {
      for (const [v, t] of attempts) if (now - t.since >= 60_000) attempts.delete(v);
      if (attempts.size >= 1000) return 60;
    }
    let t = attempts.get(visitor);
    if (!t || now - t.since >= 60_000) attempts.set(visitor, t = { since: now, wrong: 0 });
    if (t.wrong >= 5) return Math.max(1, Math.ceil((t.since + 60_000 - now) / 1000));
    t.wrong++;
    return 0;
  }

  async function checkPassword(hash, password) {
    const m = /^pbkdf2-sha256\$([1-9]\d{0,5})\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/.exec(hash || "");
    const bytes = utf8.encode(password);
    if (!m || Number(m[1]) > 100_000 || bytes.length > 200) return false;
    const key = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: decoded(m[2]), iterations: Number(m[1]) };
    const got = new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
    const want = decoded(m[3]);
    let differ = 0;
    for (let i = 0; i < 32; i++) differ |= got[i] ^ want[i];
    return differ === 0;
  }

  // formText reads a form of at most 4096 bytes; null for a longer one.
  async function formText(request) {
    if (!request.body) return "";
    const reader = request.body.getReader();
    const all = new Uint8Array(4096);
    for (let n = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return new TextDecoder().decode(all.subarray(0, n));
      if (n + value.length > all.length) {
        reader.cancel().catch(() => {});
        return null;
      }
      all.set(value, n);
      n += value.length;
    }
  }

  async function form(rule, request, url) {
    if (request.method !== "POST") {
      return await admitted(rule, request, url.host) ? seeOther("/") : refuse(rule, request, url);
    }
    const text = await formText(request);
    if (text === null) return show(request, TOO_LARGE);
    const values = new URLSearchParams(text);
    const next = safeNext(values.get("next") || "");
    const password = values.get("password") || "";
    if (password === "") return show(request, { ...PASSWORD, next });
    // Cloudflare's header can be believed on Cloudflare only; elsewhere the nearest proxy's entry is the last one.
    const visitor = url.host + " " + (request.headers.get(request.cf ? "cf-connecting-ip" : "x-forwarded-for") || "").split(",").pop().trim();
    const wait = attempt(visitor);
    if (wait > 0) {
      return show(request, { ...PASSWORD, status: 429, next, problem: "That was wrong too often. Wait a minute, then try again." }, { "retry-after": String(wait) });
    }
    if (!rule.signer || !await checkPassword(rule.password_hash, password)) {
      return show(request, { ...PASSWORD, next, problem: "That is not the password." });
    }
    attempts.delete(visitor);
    return seeOther(next, await session(rule, request, url));
  }

  async function guard(request, env) {
    if (!env.ACCESS) return null;
    let rule;
    try {
      rule = await ruleOf(env.ACCESS);
    } catch {
      return show(request, BROKEN);
    }
    const url = new URL(request.url);
    if (rule.mode === "password" && url.pathname === FORM) return form(rule, request, url);
    const ok = await admitted(rule, request, url.host);
    const [rest, token] = cutParam(url.search);
    if (token !== "" && (request.method === "GET" || request.method === "HEAD")) {
      if (!rule.open && await proves(rule, "link", token, url.host)) {
        return seeOther(inside(url.pathname, rest), await session(rule, request, url));
      }
      if (ok && (!rule.open || token.length === 54)) return seeOther(inside(url.pathname, rest));
    }
    return ok ? null : refuse(rule, request, url);
  }

  function withoutAccess(request) {
    if (!request.headers.has(HEADER) && !cookies(request).some(isAccess)) return request;
    const h = new Headers(request.headers);
    h.delete(HEADER);
    const kept = cookies(request).filter((c) => !isAccess(c));
    h.delete("cookie");
    if (kept.length > 0) h.set("cookie", kept.join("; "));
    return new Request(request, { headers: h });
  }

  return { guard, withoutAccess };
})();
