package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

// serverFiles are server code as apps have it.
var serverFiles = map[string]string{
	"worker/index.ts": `export default async (request: Request) => new Response("rest " + new URL(request.url).pathname);`,
	"worker/orders.ts": `
import { z } from "zod";
import { clean } from "./_lib/clean";
import type { Order } from "@/order";

const order = z.object({ name: z.string().min(1) });
const kept: Order[] = [];

export function GET() {
  return Response.json(kept);
}

export async function POST(request: Request, env: Env, ctx: ExecutionContext) {
  const got = order.safeParse(await request.json());
  if (!got.success) return Response.json({ error: "A name is needed." }, { status: 400 });
  ctx.waitUntil(Promise.resolve());
  kept.push({ name: clean(got.data.name), by: env.SHOP });
  return Response.json(kept, { status: 201 });
}
`,
	"worker/_lib/clean.ts": `import { upper } from "../../src/lib/upper"; export const clean = (s: string) => upper(s.trim());`,
	"src/lib/upper.ts":     `export const upper = (s: string) => s.toUpperCase();`,
	"src/order.ts":         `export type Order = { name: string; by: string | undefined };`,
	"worker/admin/index.ts": `
import { createHash } from "node:crypto";
import note from "./note.md?raw";
export default { fetch: async (_: Request, env: Env) => new Response(createHash("sha256").update(env.SUPABASE_URL).digest("hex").slice(0, 8) + note) };
`,
	"worker/admin/note.md": "!",
	"worker/admin/boom.js": `export function GET() { throw new Error("boom"); }`,
	"worker/types.d.ts":    `interface Unused { a: string }`,
	"worker/data.json":     `{}`,
}

func withServer(t testing.TB, files map[string]string) filetree.Tree {
	t.Helper()
	m := map[string][]byte{}
	for p, s := range files {
		m[p] = []byte(s)
	}
	tree, err := fixture(t).WithAll(m)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func buildServer(t testing.TB, tc *Toolchain, tree filetree.Tree, mode Mode) Server {
	t.Helper()
	s, err := tc.BuildServer(t.Context(), BuildInput{Tree: tree, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask answers requests with built server code in Node: "METHOD path [body]" each. An answer is a line: its status, the
// headers Allow and Content-Type, its body, or what was thrown.
func ask(t *testing.T, code []byte, requests ...string) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is needed to run server code: ", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.mjs"), code, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ask.mjs"), []byte(`
globalThis.WebSocket ??= class {}; // Workers have it, Node from 22 on
const { handle } = await import("./server.mjs");
const env = { SUPABASE_URL: "http://data", SUPABASE_ANON_KEY: "anon", SHOP: "corner" };
const answers = [];
for (const line of JSON.parse(process.argv[2])) {
	const [method, path, ...body] = line.split(" ");
	const request = new Request("https://app.example" + path, { method, body: body.length ? body.join(" ") : undefined });
	try {
		const r = await handle(request, env, { waitUntil() {} });
		answers.push([r.status, r.headers.get("allow"), r.headers.get("content-type"), (await r.text()).trim()].filter((x) => x !== null).join(" "));
	} catch (e) {
		answers.push("threw " + e.message);
	}
}
console.log(JSON.stringify(answers));
`), 0o644); err != nil {
		t.Fatal(err)
	}
	lines, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "ask.mjs"), string(lines))
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return answers
}

func TestServerAnswers(t *testing.T) {
	tc, tree := open(t), withServer(t, serverFiles)
	for _, mode := range []Mode{Production, Development} {
		t.Run(string(mode), func(t *testing.T) {
			s := buildServer(t, tc, tree, mode)
			if again := buildServer(t, tc, tree, mode); string(again.Code) != string(s.Code) {
				t.Error("two builds of the same tree differ")
			}
			if d := cmp.Diff([]string{"/api/admin/boom", "/api/admin", "/api/orders", "/api"}, s.Routes); d != "" {
				t.Error(d)
			}
			const text, jsonType = "text/plain;charset=UTF-8", "application/json"
			tests := []struct{ request, want string }{
				{"GET /api/orders", "200 " + jsonType + " []"},
				{`POST /api/orders {"name":" tea "}`, `201 ` + jsonType + ` [{"name":"TEA","by":"corner"}]`},
				{`POST /api/orders/7?x=1 {}`, `400 ` + jsonType + ` {"error":"A name is needed."}`},
				{"HEAD /api/orders", "200 " + jsonType + " "},
				{"DELETE /api/orders/1", `405 GET, HEAD, POST ` + jsonType + ` {"error":"/api/orders/1 does not answer DELETE."}`},
				{"constructor /api/orders", `405 GET, HEAD, POST ` + jsonType + ` {"error":"/api/orders does not answer constructor."}`},
				{"GET /api/ordersX", "200 " + text + " rest /api/ordersX"},
				{"PUT /api", "200 " + text + " rest /api"},
				{"GET /api/", "200 " + text + " rest /api/"},
				{"GET /api/_lib/clean", "200 " + text + " rest /api/_lib/clean"},
				{"GET /api/admin/who", "200 " + text + " 69326075!"},
				{"GET /api/admin/boom", "threw boom"},
				{"GET /apix", `404 ` + jsonType + ` {"error":"Nothing answers /apix."}`},
			}
			var requests, want []string
			for _, test := range tests {
				requests, want = append(requests, test.request), append(want, test.want)
			}
			if d := cmp.Diff(want, ask(t, s.Code, requests...)); d != "" {
				t.Error(d)
			}
			if len(s.Warnings) != 1 || s.Warnings[0].File != "worker/admin/index.ts" || s.Warnings[0].Line != 2 || !strings.Contains(s.Warnings[0].Message, "nodejs_compat") {
				t.Errorf("warnings: %+v", s.Warnings)
			}
			if strings.Contains(string(s.Code), "sourceMappingURL") {
				t.Error("the code names a source map, which is nowhere")
			}
		})
	}
}

func TestServerWithoutRest(t *testing.T) {
	s := buildServer(t, open(t), withServer(t, map[string]string{"worker/hook.js": "export const POST = () => new Response('ok');"}), Production)
	got := ask(t, s.Code, "POST /api/hook", "GET /api/hook", "GET /api/else", "GET /api")
	want := []string{
		"200 text/plain;charset=UTF-8 ok", `405 POST application/json {"error":"/api/hook does not answer GET."}`,
		`404 application/json {"error":"Nothing answers /api/else."}`, `404 application/json {"error":"Nothing answers /api."}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestServerRequires: a CommonJS package may require Node's modules, which an ES module cannot.
func TestServerRequires(t *testing.T) {
	tree := withServer(t, map[string]string{
		"worker/_old.cjs": `const { EventEmitter } = require("events"); const Emitter = require("node:events"); module.exports = EventEmitter === Emitter.EventEmitter && typeof Emitter;`,
		"worker/old.ts":   `import old from "./_old.cjs"; export const GET = () => new Response(String(old));`,
	})
	s := buildServer(t, open(t), tree, Production)
	if got := ask(t, s.Code, "GET /api/old"); got[0] != "200 text/plain;charset=UTF-8 function" {
		t.Errorf("got %q", got)
	}
}

func TestNoServer(t *testing.T) {
	tc := open(t)
	tree := with(t, with(t, filetree.Tree{}, "worker/_helper.ts", "export const a = 1;"), "worker/README.md", "#")
	if HasServer(tree) {
		t.Error("helpers alone are no server code")
	}
	if s := buildServer(t, tc, tree, Production); s.Code != nil || s.Routes != nil || s.Warnings != nil { // and no package.json is missed
		t.Errorf("got %+v", s)
	}
	if !HasServer(withServer(t, serverFiles)) {
		t.Error("server code was not seen")
	}
	if _, err := tc.BuildServer(t.Context(), BuildInput{Tree: tree, Mode: "other"}); err == nil {
		t.Error("an unknown mode is accepted")
	}
}

func TestServerProblems(t *testing.T) {
	tc := open(t)
	const ok = "export const GET = () => new Response('ok');"
	tests := []struct {
		name  string
		files map[string]string
		want  string // class file:line:column, then parts of the message and the cure
		parts []string
	}{
		{"dynamic name", map[string]string{"worker/[id].ts": ok}, "syntax worker/[id].ts:0:0", []string{"not supported", "everything below"}},
		{"dynamic folder", map[string]string{"worker/[...all]/x.ts": ok}, "syntax worker/[...all]/x.ts:0:0", []string{"not supported"}},
		{"tsx", map[string]string{"worker/page.tsx": ok}, "syntax worker/page.tsx:0:0", []string{".ts or .js", "_"}},
		{"a name with a dot", map[string]string{"worker/a.test.ts": ok}, "syntax worker/a.test.ts:0:0", []string{`"a.test"`}},
		{"two files, one path", map[string]string{"worker/a.ts": ok, "worker/a/index.js": ok}, "syntax worker/a/index.js:0:0", []string{"worker/a.ts and worker/a/index.js both answer /api/a"}},
		{"no handler", map[string]string{"worker/a.ts": "export const get = 1;\n"}, "missing_export worker/a.ts:1:0", []string{"nothing that answers", "GET"}},
		{"missing file", map[string]string{"worker/a.ts": "\nimport x from './b';\nexport const GET = () => x;"}, "missing_file worker/a.ts:2:15", []string{"worker/b"}},
		{"missing package", map[string]string{"worker/a.ts": "import x from 'stripe';\nexport const GET = () => x;"}, "missing_package worker/a.ts:1:15", []string{"stripe is not among"}},
		{"missing export", map[string]string{"worker/a.ts": "import { nope } from '@/lib/upper';\nexport const GET = () => nope;", "src/lib/upper.ts": "export {};"}, "missing_export worker/a.ts:1:10", []string{"nope"}},
		{"address", map[string]string{"worker/a.ts": "import x from 'https://example.com/x.js';\nexport const GET = () => x;"}, "missing_package worker/a.ts:1:15", []string{"from an address"}},
		{"unknown Node module", map[string]string{"worker/a.ts": "import x from 'node:nope';\nexport const GET = () => x;"}, "missing_package worker/a.ts:1:15", []string{"node:nope"}},
		{"settings of Vite", map[string]string{"worker/a.ts": "// not import.meta.env\nexport const GET = () =>\n  new Response(import.meta.env.VITE_X);"}, "syntax worker/a.ts:3:16", []string{"import.meta.env", "env.VITE_X"}},
		{"settings of Node", map[string]string{"worker/a.ts": "export const GET = () => new Response(process.env.NODE_ENV + process.env.KEY);"}, "syntax worker/a.ts:1:62", []string{"process.env", "env.KEY"}},
		{"settings in src", map[string]string{"worker/a.ts": "import { u } from '@/u';\nexport const GET = () => new Response(u);", "src/u.ts": "export const u = import.meta.env.VITE_U;"}, "syntax src/u.ts:1:18", []string{"worker/ imports this file"}},
		{"a picture", map[string]string{"worker/a.ts": "import x from '../src/assets/mark.svg';\nexport const GET = () => x;"}, "missing_file worker/a.ts:1:15", []string{"?raw"}},
		{"suffix", map[string]string{"worker/a.ts": "import x from '../src/assets/mark.svg?url';\nexport const GET = () => x;"}, "missing_file worker/a.ts:1:15", []string{"?url"}},
		{"syntax", map[string]string{"worker/a.ts": "\nexport const = 1;"}, "syntax worker/a.ts:2:14", nil},
		{"too big", map[string]string{"worker/a.ts": "import { text } from './_big';\nexport const GET = () => new Response(text);", "worker/_big.ts": "export const text = '" + strings.Repeat("x", 1_000_000) + "';"}, "too_big worker:0:0", []string{"1001 kB", "worker/_big.ts 1000 kB", "smaller"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := tc.BuildServer(t.Context(), BuildInput{Tree: withServer(t, test.files), Mode: Production})
			var problems *ProblemsError
			if !errors.As(err, &problems) || len(problems.Diagnostics) != 1 {
				t.Fatalf("got %v", err)
			}
			d := problems.Diagnostics[0]
			if got := fmt.Sprintf("%s %s:%d:%d", d.Class, d.File, d.Line, d.Column); got != test.want {
				t.Errorf("got %s, want %s: %s", got, test.want, d.Message)
			}
			for _, part := range test.parts {
				if !strings.Contains(d.Message+" "+d.Cure, part) {
					t.Errorf("%q is not in %q %q", part, d.Message, d.Cure)
				}
			}
		})
	}
}

// TestSettingsInWords: only code counts, not what comments and strings say.
func TestSettingsInWords(t *testing.T) {
	s := buildServer(t, open(t), withServer(t, map[string]string{"worker/a.ts": `
export const GET = () => new Response("process.env.X"); // never import.meta.env.X
`}), Production)
	if got := ask(t, s.Code, "GET /api/a"); !strings.HasSuffix(got[0], "process.env.X") {
		t.Errorf("got %q", got)
	}
}

// TestServerNothingFromOutside: nor may server code hold files of the machine that builds it.
func TestServerNothingFromOutside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`{"token": "do-not-leak"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 12) + strings.TrimPrefix(filepath.ToSlash(secret), "/")
	for _, id := range []string{filepath.ToSlash(secret), up, "zod/" + up, "file://" + secret} {
		tree := withServer(t, map[string]string{"worker/a.ts": `import s from "` + id + `"; export const GET = () => Response.json(s);`})
		var problems *ProblemsError
		if s, err := open(t).BuildServer(t.Context(), BuildInput{Tree: tree, Mode: Production}); !errors.As(err, &problems) || s.Code != nil {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

// TestServerStaysOffThePage: what server code knows must not reach browsers, but its types may.
func TestServerStaysOffThePage(t *testing.T) {
	tc := open(t)
	app := func(line string) filetree.Tree {
		tree := withServer(t, serverFiles)
		main, _ := tree.Get("src/main.tsx")
		return with(t, with(t, tree, "src/main.tsx", line+"\n"+string(main)), "worker/_types.ts", `export interface Shared { a: string } export const key = "never-on-the-page";`)
	}
	for _, mode := range []Mode{Production, Development} {
		for _, line := range []string{
			`import { key } from "../worker/_types"; console.log(key);`, `import "/worker/orders.ts";`, `void import("../worker/_types");`,
		} {
			_, err := tc.Build(t.Context(), BuildInput{Tree: app(line), Mode: mode})
			var problems *ProblemsError
			if !errors.As(err, &problems) {
				t.Fatalf("%s, %s: got %v", mode, line, err)
			}
			d := problems.Diagnostics[0]
			if d.File != "src/main.tsx" || d.Line != 1 || !strings.Contains(d.Message, "server code") || !strings.Contains(d.Cure, "/api/") {
				t.Errorf("%s, %s: got %+v", mode, line, d)
			}
		}
		html, _ := app("").Get("index.html")
		tree := with(t, app(""), "index.html", strings.Replace(string(html), "/src/main.tsx", "/worker/orders.ts", 1))
		if _, err := tc.Build(t.Context(), BuildInput{Tree: tree, Mode: mode}); err == nil || !strings.Contains(err.Error(), "server code") {
			t.Errorf("%s: a script of index.html: got %v", mode, err)
		}
		dist := build(t, tc, app(`import type { Shared } from "../worker/_types"; export const s: Shared = { a: "" };`), mode)
		for p, b := range dist.Files {
			if strings.HasPrefix(p, "worker") || strings.Contains(string(b), "never-on-the-page") {
				t.Errorf("%s: %s holds server code", mode, p)
			}
		}
	}
}

func TestCanceledServerBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := open(t).BuildServer(ctx, BuildInput{Tree: withServer(t, serverFiles), Mode: Production}); !fault.Is(err, fault.Canceled) || s.Code != nil {
		t.Errorf("got %v", err)
	}
}
