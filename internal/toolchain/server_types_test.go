package toolchain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/docs"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/templates"
)

func TestTypecheckServer(t *testing.T) {
	tc, tree := open(t), withServer(t, serverFiles)
	if found, err := tc.Typecheck(t.Context(), tree, nil); err != nil || len(found) > 0 {
		t.Fatalf("got %v, %v", found, err)
	}
	broken, err := tree.WithAll(map[string][]byte{
		"worker/index.ts":        []byte("export default function (request: Request) {\n  return { ok: request.ok };\n}\n"),
		"worker/admin/page.ts":   []byte("import { title } from \"@/title\";\nexport const GET = (r: Request, env: Env) => new Response(env.SUPABASE_URL.nope + title() + r.method);\nlocalStorage.clear();\n"),
		"worker/admin/none.ts":   []byte("export const get = 1;\n"),
		"worker/admin/text.ts":   []byte("// says hello\nexport async function GET() {\n  return \"hello\";\n}\n"),
		"worker/admin/script.ts": []byte("console.log(1);\n"),
		"worker/admin/object.ts": []byte("\nexport default { fetch: () => 1 };\n"),
		"worker/admin/own.ts":    []byte("export const GET = (_: Request, env: Env) => Response.json({ key: env.KEY.length });\ndeclare global { interface Env { KEY: string } }\n"),
		"worker/admin/maybe.ts":  []byte("export const POST = (_: Request, env: Env) => new Response(env.OTHER.trim());\n"),
		"src/title.ts":           []byte("export const title = () => document.title;\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	wide := with(t, broken, "tsconfig.json", strings.Replace(content(t, broken, "tsconfig.json"), `"include": ["src"]`, `"include": ["src", "worker"]`, 1))
	for name, tree := range map[string]filetree.Tree{"a tsconfig without worker/": broken, "one that covers it": wide} {
		found, err := tc.Typecheck(t.Context(), tree, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]model.Diagnostic{}
		for _, d := range found {
			key := fmt.Sprintf("%s:%d:%d %s", d.File, d.Line, d.Column, d.Code)
			if _, twice := got[key]; twice {
				t.Errorf("%s: %s twice", name, key)
			}
			got[key] = d
		}
		for _, want := range []struct{ key, part string }{
			{"worker/index.ts:1:1 TS2344", "The export default of worker/index.ts cannot answer requests"},
			{"worker/index.ts:2:24 TS2339", "'ok'"},
			{"worker/admin/page.ts:2:76 TS2339", "'nope'"},
			{"worker/admin/page.ts:3:1 TS2304", "no page"},
			{"worker/admin/none.ts:1:0 TS2559", "nothing that answers"},
			{"worker/admin/text.ts:2:1 TS2344", "The export GET of worker/admin/text.ts cannot answer requests: Type 'string' is not"},
			{"worker/admin/script.ts:1:0 TS2306", "nothing that answers"},
			{"worker/admin/object.ts:2:1 TS2344", "The export default"},
			{"worker/admin/maybe.ts:1:60 TS18048", "undefined"},
			{"src/title.ts:1:28 TS2584", "no page"},
		} {
			d, ok := got[want.key]
			if !ok || !strings.Contains(d.Message+d.Cure, want.part) {
				t.Errorf("%s: %s: got %+v", name, want.key, d)
			}
			delete(got, want.key)
		}
		for key, d := range got {
			t.Errorf("%s: also %s %s", name, key, d.Message)
		}
	}
}

// TestServerExample: what the standards show to authors is right, on the foundation that their apps have.
func TestServerExample(t *testing.T) {
	_, rest, ok := strings.Cut(docs.AIAppStandards, "```ts\n// ")
	example, _, closed := strings.Cut(rest, "```")
	file, _, named := strings.Cut(example, ";")
	if !ok || !closed || !named {
		t.Fatal("the standards have no example")
	}
	files, err := templates.Foundation(templates.Values{AppName: "Notes", AppSlug: "notes", AppID: 1, TeamID: 1})
	if err != nil {
		t.Fatal(err)
	}
	files[file] = []byte("// " + example)
	files["worker/mine.ts"] = []byte(`import { createClient } from "@supabase/supabase-js";
import { AppScopedDatabase } from "@/lib/app-scoped-db";
import type { Database } from "@/types/database";
export const GET = (_: Request, env: Env) =>
  Response.json(new AppScopedDatabase(createClient<Database>(env.SUPABASE_URL, "key"), "1").physicalName("notes"));
`)
	tc := open(t)
	foundation, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := tc.Typecheck(t.Context(), foundation, nil); err != nil || len(found) > 0 {
		t.Errorf("got %v, %v", found, err)
	}
	s := buildServer(t, tc, foundation, Production)
	if len(s.Warnings) > 0 || len(s.Code) > 300_000 {
		t.Errorf("%d bytes, %+v", len(s.Code), s.Warnings)
	}
	got := ask(t, s.Code, "POST /api/invite {}", "GET /api/invite", "GET /api/mine")
	want := []string{
		`401 application/json {"error":"Sign in first."}`, `405 POST application/json {"error":"/api/invite does not answer GET."}`,
		`200 application/json "app_1_notes"`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// A file of the foundation that needs a page is refused, by its name.
	page := with(t, foundation, "worker/mine.ts", "import { applyTheme } from \"@/lib/theme\"; export const GET = () => new Response(typeof applyTheme);")
	found, err := tc.Typecheck(t.Context(), page, nil)
	if err != nil || !slices.ContainsFunc(found, func(d model.Diagnostic) bool {
		return d.File == "src/lib/theme.ts" && strings.Contains(d.Cure, "no page")
	}) {
		t.Errorf("got %v, %v", found, err)
	}
}

func content(t *testing.T, tree filetree.Tree, p string) string {
	t.Helper()
	b, ok := tree.Get(p)
	if !ok {
		t.Fatalf("there is no %s", p)
	}
	return string(b)
}
