package repair

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/testing/golden"
)

var update = flag.Bool("update", false, "write the results into the txtar cases")

// TestCases runs testdata/*.txtar. The files of a case are laid over a small sound app; "- path" in the comment
// removes one of it. "problems" is what Validate says, "fixed" what Fix did about it, "after/..." the files that it
// changed, "left" what Validate says then.
func TestCases(t *testing.T) {
	golden.Cases(t, "testdata/*.txtar", *update, isResult, func(t *testing.T, given *txtar.Archive) []txtar.File {
		files := soundApp()
		for _, path := range golden.Removed(given.Comment) {
			delete(files, path)
		}
		for _, f := range given.Files {
			files[f.Name] = f.Data
		}
		return examine(t, files)
	})
}

func isResult(name string) bool {
	return name == "problems" || name == "fixed" || name == "left" || strings.HasPrefix(name, "after/")
}

// results are the files that a case ends with; empty ones are left out.
type results []txtar.File

func (r *results) put(name, text string) {
	if text != "" {
		*r = append(*r, txtar.File{Name: name, Data: []byte(text)})
	}
}

func examine(t *testing.T, files map[string][]byte) (out results) {
	t.Helper()
	tree := newTree(t, files)
	problems := Validate(tree)
	out.put("problems", listOf(problems))
	after, fixed := Fix(tree, problems, Options{})
	var b strings.Builder
	for _, f := range fixed {
		fmt.Fprintf(&b, "%s: %s\n", f.File, f.What)
	}
	out.put("fixed", b.String())
	for _, c := range after.Diff(tree) {
		content, _ := after.Get(c.Path)
		out.put("after/"+c.Path, string(content))
	}
	if len(fixed) > 0 {
		out.put("left", listOf(Validate(after)))
	}
	return out
}

func listOf(diags []model.Diagnostic) string {
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintf(&b, "%s:%d:%d: %s", d.File, d.Line, d.Column, d.Class)
		if d.Code != "" {
			b.WriteString(" (" + d.Code + ")")
		}
		if d.Warning {
			b.WriteString(" warning")
		}
		fmt.Fprintf(&b, ": %s %s\n", d.Message, d.Cure)
	}
	return b.String()
}

func newTree(t testing.TB, files map[string][]byte) filetree.Tree {
	t.Helper()
	tree, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func soundApp() map[string][]byte {
	return map[string][]byte{
		"index.html":                   []byte("<!doctype html>\n<div id=\"root\"></div>\n<script type=\"module\" src=\"/src/main.tsx\"></script>\n"),
		"package.json":                 []byte(`{"dependencies":{"react":"19","react-dom":"19","clsx":"2"},"devDependencies":{"vite":"8","@types/geojson":"7946"}}`),
		"tsconfig.json":                []byte("{\n  // settings\n  \"compilerOptions\": { \"jsx\": \"react-jsx\", \"paths\": { \"@/*\": [\"./src/*\"] } },\n}\n"),
		"vite.config.ts":               []byte("import { defineConfig } from \"vite\";\nimport path from \"node:path\";\nexport default defineConfig({ root: path.resolve(\".\") });\n"),
		"src/main.tsx":                 []byte("import { createRoot } from \"react-dom/client\";\nimport { App } from \"@/App\";\nimport \"@/index.css\";\n\ncreateRoot(document.body).render(<App />);\n"),
		"src/App.tsx":                  []byte("import { Button } from \"@/components/ui/button\";\n\nexport function App() {\n  return <Button>it's</Button>;\n}\n"),
		"src/index.css":                []byte("body { margin: 0 }\n"),
		"src/components/ui/button.tsx": []byte("import { clsx } from \"clsx\";\nimport type { ReactNode } from \"react\";\n\nexport type ButtonProps = { children: ReactNode };\n\nexport function Button(p: ButtonProps) {\n  return <button className={clsx(\"b\")}>{p.children}</button>;\n}\n"),
		"src/hooks/useAuth.tsx":        []byte("export default function useAuth() {\n  return null;\n}\n"),
		"src/lib/index.ts":             []byte("export * from \"./format\";\n"),
		"src/lib/format.ts":            []byte("export const formatDay = (d: string) => d;\nexport interface Day {\n  at: string;\n}\n"),
		"public/logo.svg":              []byte("<svg/>\n"),
	}
}

func TestSoundAppHasNoProblems(t *testing.T) {
	tree := newTree(t, soundApp())
	if got := Validate(tree); len(got) > 0 {
		t.Errorf("%s", listOf(got))
	}
	after, fixed := Fix(tree, []model.Diagnostic{{File: "src/App.tsx"}, {File: ""}, {File: "no/such.ts"}}, Options{})
	if len(fixed) > 0 || after.Hash() != tree.Hash() {
		t.Errorf("there was nothing to fix: %v", fixed)
	}
}

// Fix keeps its hands off files that no diagnostic names.
func TestFixOnlyNamedFiles(t *testing.T) {
	files := soundApp()
	files["src/a.ts"] = []byte("import { formatDay } from \"./formatt\";\nimport { useAuth } from \"@/hooks/useAuth\";\nuseAuth(formatDay);\n")
	files["src/b.ts"] = files["src/a.ts"]
	tree := newTree(t, files)
	after, fixed := Fix(tree, []model.Diagnostic{{Class: "type", Code: "TS2614", File: "src/b.ts"}}, Options{})
	if len(fixed) != 2 || fixed[0].File != "src/b.ts" || fixed[1].File != "src/b.ts" {
		t.Errorf("%v", fixed)
	}
	if diff := after.Diff(tree); len(diff) != 1 || diff[0].Path != "src/b.ts" {
		t.Errorf("%v", diff)
	}
}

func TestSignature(t *testing.T) {
	base := []model.Diagnostic{
		{Class: "type", File: "src/a.ts", Line: 3, Column: 4, Code: "TS2304", Message: "Cannot find name 'foo'."},
		{Class: "missing_file", File: "src/b.ts", Line: 9, Message: "src/b.ts imports ./c, which does not exist."},
	}
	with := func(change func([]model.Diagnostic) []model.Diagnostic) []model.Diagnostic {
		return change(append([]model.Diagnostic(nil), base...))
	}
	same := map[string][]model.Diagnostic{
		"lines and snippets": with(func(d []model.Diagnostic) []model.Diagnostic {
			d[0].Line, d[0].Column, d[0].Snippet, d[0].Cure = 30, 1, "foo()", "other"
			return d
		}),
		"order and repetition": with(func(d []model.Diagnostic) []model.Diagnostic { return []model.Diagnostic{d[1], d[0], d[1]} }),
		"further warnings": with(func(d []model.Diagnostic) []model.Diagnostic {
			return append(d, model.Diagnostic{Message: "big", Warning: true})
		}),
	}
	for name, d := range same {
		if Signature(d) != Signature(base) {
			t.Errorf("%s change the signature", name)
		}
	}
	other := map[string][]model.Diagnostic{
		"name": with(func(d []model.Diagnostic) []model.Diagnostic { d[0].Message = "Cannot find name 'bar'."; return d }),
		"file": with(func(d []model.Diagnostic) []model.Diagnostic { d[0].File = "src/z.ts"; return d }),
		"code": with(func(d []model.Diagnostic) []model.Diagnostic { d[0].Code = "TS1005"; return d }),
		"less": base[:1],
	}
	for name, d := range other {
		if Signature(d) == Signature(base) {
			t.Errorf("another %s has the same signature", name)
		}
	}
	if Signature(nil) != "" {
		t.Error("no problems have no signature")
	}
	if Signature([]model.Diagnostic{{Message: "a", Warning: true}}) == "" {
		t.Error("warnings count when there is nothing else")
	}
}

// What means nothing goes, what means something stays.
func TestNormalise(t *testing.T) {
	for _, m := range [][2]string{
		{"Error at /tmp/build-123/src/a.ts:12:5", "Error at /tmp/build-987/src/a.ts:1:55"},
		{"Module '\"/tmp/typecheck-1/src/lib/utils\"' has no default export.", "Module '\"/var/data/tmp/typecheck-22/src/lib/utils\"' has no default export."},
		{"/home/x/.cache/trees/ab12/node_modules/react/index.js lacks it", "/srv/other/node_modules/react/index.js lacks it"},
		{"index-Bx12_Zd9.js failed after 120 ms", "index-Cy34-Ae0.js failed after 80 ms"},
		{"Bundle has 912,345 bytes", "Bundle has 1,012,399 bytes"},
		{"TypeError on line 12, column 4", "TypeError on line 9, column 14"},
		{"src/a.ts(3,4): wrong", "src/a.ts(30,14): wrong"},
		{"hash 0123456789abcdef differs", "hash fedcba9876543210 differs"},
		{"row 6f9619ff-8b86-d011-b42d-00c04fc964ff is not there", "row 0e37df36-f698-11e6-8dd4-cb9ced3df976 is not there"},
		{"at 2026-11-23T20:15:00.123Z it failed", "at 2026-11-24 08:01:59 it failed"},
		{"GET http://127.0.0.1:41233/x answered 500", "GET http://127.0.0.1:8080/x answered 500"},
		{`Cannot find "foo"`, "Cannot find 'foo'"},
		{"Cannot find ‘foo’", "Cannot find `foo`"},
		{"x is missing, y is missing ... and 3 more", "x is missing, y is missing ... and 12 more"},
		{"x is missing and 3 more errors.", "x is missing and 4 more errors."},
		{"\x1b[31merror\x1b[0m:  two\n lines", "error: two lines"},
		{"at 0x7ffe12 and 0x99", "at 0x1 and 0x2"},
	} {
		if a, b := normalise(m[0]), normalise(m[1]); a != b {
			t.Errorf("%q and %q", a, b)
		}
	}
	for _, m := range [][2]string{
		{"Error at /tmp/build-123/src/a.ts:12:5", "Error at /tmp/build-123/src/b.ts:12:5"},
		{"Cannot find name 'Step2'.", "Cannot find name 'Step3'."},
		{"a is not assignable to b", "b is not assignable to a"},
		{"Module \"@/lib/a\" has no exported member 'x'.", "Module \"@/lib/b\" has no exported member 'x'."},
		{"relation \"todos\" does not exist", "relation \"todo\" does not exist"},
		{"onClick is missing", "onChange is missing"},
	} {
		if a, b := normalise(m[0]), normalise(m[1]); a == b {
			t.Errorf("%q and %q are the same: %q", m[0], m[1], a)
		}
	}
}

func TestRelative(t *testing.T) {
	tests := []struct{ dir, target, want string }{
		{"src", "src/App", "./App"},
		{"src/pages", "src/lib/x", "../lib/x"},
		{".", "src/App", "./src/App"},
		{"src/a/b", "src/a/b/c", "./c"},
		{"src/a/b", "lib/c", "../../../lib/c"},
		{"src/lib", "src/lib", "../lib"},
	}
	for _, test := range tests {
		if got := relative(test.dir, test.target); got != test.want {
			t.Errorf("relative(%s, %s) = %s", test.dir, test.target, got)
		}
	}
}

// FuzzNames checks that a list of imports, read and written again, reads the same.
func FuzzNames(f *testing.F) {
	f.Add("a, b as c, type D, type E as F", "G")
	f.Add("/* x */ a, // y\n type, type as t", "")
	f.Add("default as x,, as, as as as", "$_")
	f.Fuzz(func(t *testing.T, list, def string) {
		first := importRef{spec: "./x", def: def, names: parseNames(list), quote: "'"}
		text := first.String()
		if text == "" {
			return
		}
		_, inside, ok := strings.Cut(text, "{ ")
		if !ok {
			return
		}
		inside, _, _ = strings.Cut(inside, " }")
		if diff := cmp.Diff(first.names, parseNames(inside), cmp.AllowUnexported(importName{})); diff != "" && !strings.ContainsAny(list+def, "{}/*") {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// FuzzFix feeds arbitrary text as a module: nothing panics, positions are within the file, a module that parses still
// does after a fix, and fixing twice changes nothing more.
func FuzzFix(f *testing.F) {
	f.Add("import useAuth, { Button as B } from \"./components/ui/buton\";\nimport React from 'react'\nB(useAuth)")
	f.Add("import { useAuth, /* x */ type Day } from \"@/lib\";\n`import x from \"y\"`")
	f.Add("export { Button } from './button'\nexport * from \".\"\nimport(\"./x\"); require('../../..')")
	f.Fuzz(func(t *testing.T, text string) {
		files := soundApp()
		files["src/x.tsx"] = []byte(text)
		tree, err := filetree.New(files)
		if err != nil {
			return
		}
		problems := Validate(tree)
		lines := strings.Count(text, "\n") + 1
		broken := false
		for _, d := range problems {
			if d.File == "src/x.tsx" && (d.Line < 0 || d.Line > lines) {
				t.Fatalf("line %d of %d", d.Line, lines)
			}
			broken = broken || d.Class == syntaxClass && d.Code == "" && d.File == "src/x.tsx"
		}
		after, _ := Fix(tree, problems, Options{})
		left := Validate(after)
		for _, d := range left {
			if !broken && d.Class == syntaxClass && d.Code == "" && d.File == "src/x.tsx" {
				content, _ := after.Get("src/x.tsx")
				t.Fatalf("%q became %q: %s", text, content, d.Message)
			}
		}
		if again, _ := Fix(after, left, Options{}); again.Hash() != after.Hash() {
			a, _ := after.Get("src/x.tsx")
			b, _ := again.Get("src/x.tsx")
			t.Fatalf("%q, then %q, then %q", text, a, b)
		}
	})
}

// BenchmarkValidate checks an app of 80 modules.
func BenchmarkValidate(b *testing.B) {
	files := soundApp()
	for i := range 80 {
		files[fmt.Sprintf("src/m%d.tsx", i)] = []byte("import { Button } from \"@/components/ui/button\";\nimport { formatDay } from \"@/lib\";\n\nexport function M() {\n" +
			strings.Repeat("  formatDay(\"2026-11-23\");\n", 80) + "  return <Button>m</Button>;\n}\n")
	}
	tree := newTree(b, files)
	for b.Loop() {
		if d := Validate(tree); len(d) > 0 {
			b.Fatal(listOf(d))
		}
	}
}
