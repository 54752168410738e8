// The bridge between Tailwind's compiler and Go. It is bundled with the app's own tailwindcss package and
// evaluated once per engine. Go provides __loadStylesheet and __loadModule, and calls __start and __build.
import * as tailwind from "tailwindcss";
import * as plugin from "tailwindcss/plugin";
import * as colors from "tailwindcss/colors";
import * as defaultTheme from "tailwindcss/defaultTheme";
import * as flattenColorPalette from "tailwindcss/lib/util/flattenColorPalette";

// QuickJS has the language but not the host's functions. Tailwind clones plain configuration values.
globalThis.structuredClone ??= (value) => {
  const seen = new Map();
  const clone = (v) => {
    if (typeof v === "function" || typeof v === "symbol") throw new TypeError("a function cannot be cloned");
    if (v === null || typeof v !== "object") return v;
    if (seen.has(v)) return seen.get(v);
    if (v instanceof Date) return new Date(v.getTime());
    if (v instanceof RegExp) return new RegExp(v.source, v.flags);
    const copy = Array.isArray(v) ? [] : v instanceof Map ? new Map() : v instanceof Set ? new Set() : {};
    seen.set(v, copy);
    if (v instanceof Map) for (const [k, e] of v) copy.set(clone(k), clone(e));
    else if (v instanceof Set) for (const e of v) copy.add(clone(e));
    else for (const k of Object.keys(v)) copy[k] = clone(v[k]);
    return copy;
  };
  return clone(value);
};
const silent = () => {};
globalThis.console ??= { log: silent, info: silent, warn: silent, error: silent, debug: silent };

// What a configuration or a plugin may require: Tailwind itself, once, and the little of Node that popular
// plugins touch while they load.
const shared = new Map([
  ["tailwindcss", tailwind],
  ["tailwindcss/plugin", plugin.default],
  ["tailwindcss/colors", colors.default],
  ["tailwindcss/defaultTheme", defaultTheme.default],
  ["tailwindcss/lib/util/flattenColorPalette", flattenColorPalette.default],
  ["util", { deprecate: (f) => f, inspect: String }],
  ["path", { join: (...parts) => parts.join("/"), resolve: (...parts) => parts.join("/") }],
  ["fs", {}],
  ["url", {}],
]);
const require = (id) => {
  const found = shared.get(id.replace(/^node:/, "").replace(/(^tailwindcss\/.*)\.js$/, "$1"));
  if (found === undefined) throw new Error(`"${id}" cannot be loaded in a Tailwind configuration here`);
  return found;
};

let compiler;
let outcome;

globalThis.__start = (request) => {
  const { css, base, from } = JSON.parse(request);
  outcome = { done: false };
  tailwind
    .compile(css, {
      base,
      from,
      loadStylesheet: async (id, base) => JSON.parse(__loadStylesheet(id, base)),
      loadModule: async (id, base) => {
        const loaded = JSON.parse(__loadModule(id, base));
        const module = { exports: {} };
        (0, eval)(`(function (module, exports, require) {${loaded.code}\n})`)(module, module.exports, require);
        const value = module.exports;
        return { path: loaded.path, base: loaded.base, module: value && value.__esModule && "default" in value ? value.default : value };
      },
    })
    .then(
      (c) => {
        compiler = c;
        outcome = { done: true, sources: c.sources ?? [], root: c.root ?? null };
      },
      (e) => {
        outcome = { done: true, error: String((e && e.message) || e) };
      },
    );
};
globalThis.__outcome = () => JSON.stringify(outcome);
globalThis.__build = (names) => compiler.build(JSON.parse(names));
