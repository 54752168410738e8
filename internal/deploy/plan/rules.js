
// The app's own rules: what plan.Matcher does. A text is [literal, name, literal, name...].
const quoted = (s) => s.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const escaped = (s) => encodeURI(s).replaceAll("?", "%3F").replaceAll("#", "%23");

// matcher returns a function from a path to what is in the holes of a pattern, or null.
function matcher(text) {
  if (text.length === 1) return (path) => (path === text[0] ? new Map() : null);
  const names = text.filter((_, i) => i % 2 === 1);
  const source = text.map((part, i) => (i % 2 === 0 ? quoted(part) : part === "splat" ? "([^]*)" : "([^/]+)"));
  const re = new RegExp("^" + source.join("") + "$", "u");
  return (path) => {
    const m = re.exec(path);
    return m && new Map(names.map((name, i) => [name, m[i + 1]]));
  };
}

const filled = (text, found, encode) => text.map((part, i) => (i % 2 === 0 ? part : encode(found.get(part)))).join("");

const HEADER_RULES = (RULES.headers || []).map((r) => ({ ...r, match: matcher(r.for) }));
const REDIRECT_RULES = (RULES.redirects || []).map((r) => ({ ...r, match: matcher(r.from) }));
const FIRST_PATTERN = REDIRECT_RULES.findIndex((r) => r.from.length > 1);
const FIXED_REDIRECTS = new Map(
  REDIRECT_RULES.slice(0, FIRST_PATTERN < 0 ? undefined : FIRST_PATTERN).reverse().map((r) => [r.from[0], r]),
);
const PATTERN_REDIRECTS = FIRST_PATTERN < 0 ? [] : REDIRECT_RULES.slice(FIRST_PATTERN);
const PREVIEW_HEADERS = DEPLOYMENT.environment === "production" ? [] : ["x-robots-tag", "x-frame-options"];

// redirected returns [to, status], or null when no rule matches.
function redirected(path, search) {
  let rule = FIXED_REDIRECTS.get(path);
  let found = rule && new Map();
  for (let i = 0; !rule && i < PATTERN_REDIRECTS.length; i++) {
    found = PATTERN_REDIRECTS[i].match(path);
    if (found) rule = PATTERN_REDIRECTS[i];
  }
  if (!rule) return null;
  if (rule.status === 200) return [filled(rule.to, found, (s) => s), 200];
  let to = filled(rule.to, found, escaped);
  if (to.startsWith("/")) to = "/" + to.replace(/^\/+/, "");
  const hash = to.indexOf("#");
  const fragment = hash < 0 ? "" : to.slice(hash);
  if (hash >= 0) to = to.slice(0, hash);
  if (!to.includes("?")) to += search;
  return [to + fragment, rule.status];
}

function applyRules(path, headers) {
  const mine = new Set();
  for (const rule of HEADER_RULES) {
    const found = rule.match(path);
    if (!found) continue;
    for (const name of rule.unset || []) {
      if (!PREVIEW_HEADERS.includes(name)) headers.delete(name);
    }
    for (const { name, value } of rule.set || []) {
      if (PREVIEW_HEADERS.includes(name)) continue;
      const text = filled(value, found, escaped);
      const old = mine.has(name) && headers.get(name);
      headers.set(name, old ? old + ", " + text : text);
      mine.add(name);
    }
  }
}
