package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain/npm"
)

// cache is shared by the package's tests, so that real packages are downloaded once.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "toolchain-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cache = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func open(t testing.TB) *Toolchain {
	t.Helper()
	tc, err := New(Config{Dir: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tc.Close() })
	return tc
}

// fixture is the app in testdata, with an .env file that a .gitignore would keep out of the repository.
func fixture(t testing.TB) filetree.Tree {
	t.Helper()
	files := map[string][]byte{".env": []byte("VITE_GREETING=\"Hello\"\nSECRET=never-in-the-bundle\n")}
	root := filepath.Join("testdata", "app")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func with(t testing.TB, tree filetree.Tree, p, content string) filetree.Tree {
	t.Helper()
	changed, err := tree.With(p, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func build(t testing.TB, tc *Toolchain, tree filetree.Tree, mode Mode) Dist {
	t.Helper()
	dist, err := tc.Build(t.Context(), BuildInput{Tree: tree, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return dist
}

func TestProductionBuild(t *testing.T) {
	tc, tree := open(t), fixture(t)
	dist := build(t, tc, tree, Production)

	if again := build(t, tc, tree, Production); cmp.Diff(dist.Files, again.Files) != "" {
		t.Error("two builds of the same tree differ")
	}
	var script, style int
	for p, b := range dist.Files {
		switch path := filepath.Ext(p); path {
		case ".js":
			script += len(b)
		case ".css":
			style += len(b)
		}
		if strings.Contains(string(b), "never-in-the-bundle") {
			t.Errorf("%s holds a variable without VITE_", p)
		}
	}
	// Vite 8.3.8 makes 302 kB of scripts and 4.6 kB of styles of this app.
	if script < 200_000 || script > 330_000 || style < 3_500 || style > 6_500 {
		t.Errorf("%d bytes of scripts, %d of styles", script, style)
	}
	html := string(dist.Files["index.html"])
	for _, want := range []string{
		`<title>Fixture in production</title>`, `href="/favicon.svg"`, `<script type="module" crossorigin src="/` + dist.Entry[0] + `">`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("index.html lacks %s:\n%s", want, html)
		}
	}
	if strings.Contains(html, "/src/") {
		t.Errorf("index.html still names a source file:\n%s", html)
	}
	for _, p := range dist.Entry {
		if dist.Files[p] == nil {
			t.Errorf("the entry %s is not a file of the site", p)
		}
	}
	if dist.Files["favicon.svg"] == nil {
		t.Error("public/favicon.svg is not in the site")
	}
}

func TestTailwindIsExact(t *testing.T) {
	tc, tree := open(t), fixture(t)
	css := func(tree filetree.Tree) string {
		var all strings.Builder
		dist := build(t, tc, tree, Production)
		for _, p := range slices.Sorted(maps.Keys(dist.Files)) {
			if strings.HasSuffix(p, ".css") {
				all.Write(dist.Files[p])
			}
		}
		return all.String()
	}
	before := css(tree)
	for _, want := range []string{`.text-brand`, `max-w-\[713px\]`, `hover\:underline:hover`, `md\:grid-cols-\[1fr_auto\]`, `.panel`, `#ccfbf1`, `.details`} {
		if !strings.Contains(before, want) {
			t.Errorf("the styles lack %s", want)
		}
	}
	app, _ := tree.Get("src/App.tsx")
	more := css(with(t, tree, "src/App.tsx", strings.Replace(string(app), "max-w-[713px]", "max-w-[713px] bg-lime-300", 1)))
	if !strings.Contains(more, ".bg-lime-300") {
		t.Error("a new class is missing")
	}
	if after := css(tree); after != before { // the class is gone, and the rule with it
		t.Errorf("the styles of the same tree changed: %s", cmp.Diff(before, after))
	}
	changed := css(with(t, tree, "src/brand.js", `export const brand = { DEFAULT: "#123456", soft: "#abcdef" };`))
	if !strings.Contains(changed, "#abcdef") {
		t.Error("a change of a file that the configuration imports was not seen")
	}
}

func TestProblems(t *testing.T) {
	tc, tree := open(t), fixture(t)
	tests := []struct {
		name, file, content string
		want                model.Diagnostic
	}{
		{
			"missing file", "src/settings-page.tsx", "",
			model.Diagnostic{
				Class: "missing_file", File: "src/App.tsx", Line: 1, Column: 15, Snippet: `import x from "./pages/details.tsx"; import * as React from "react";`,
				Message: `There is no file for the import "./pages/details.tsx" (looked for src/pages/details.tsx).`, Cure: "Create it, or import src/pages/Details.tsx, which exists.",
			},
		},
		{
			"missing package", "", `import "left-pad";`,
			model.Diagnostic{
				Class: "missing_package", File: "src/main.tsx", Line: 1, Column: 8, Snippet: `import "left-pad";`,
				Message: "The package left-pad is not among the app's dependencies.", Cure: "Add left-pad to the dependencies, or remove the import.",
			},
		},
		{
			"missing export", "", `import { nothing } from "./App"; console.log(nothing);`,
			model.Diagnostic{
				Class: "missing_export", File: "src/main.tsx", Line: 1, Column: 10, Snippet: `import { nothing } from "./App"; console.log(nothing);`,
				Message: `src/App.tsx does not export "nothing".`, Cure: "Export nothing from src/App.tsx, or correct the name. If it is a type, write import type.",
			},
		},
		{
			"a part of Node", "", `import fs from "node:fs"; console.log(fs);`,
			model.Diagnostic{
				Class: "missing_package", File: "src/main.tsx", Line: 1, Column: 16, Snippet: `import fs from "node:fs"; console.log(fs);`,
				Message: `"node:fs" is a part of Node.js, which browsers do not have.`, Cure: "Use the browser's own functions instead.",
			},
		},
		{
			"syntax", "", "const a = {\n  b: 1,,\n};",
			model.Diagnostic{
				Class: "syntax", File: "src/main.tsx", Line: 2, Column: 8, Snippet: "b: 1,,", Message: `Expected identifier but found ","`,
			},
		},
		{
			"glob", "", "const pages = import.meta.glob(\"./pages/*.tsx\");\nconsole.log(pages);",
			model.Diagnostic{
				Class: "syntax", File: "src/main.tsx", Line: 1, Column: 15, Snippet: `const pages = import.meta.glob("./pages/*.tsx");`,
				Message: "import.meta.glob is not available here.", Cure: "Import the files one by one, or list them in a module of their own.",
			},
		},
		{
			"styles", "src/index.css", "@import \"tailwindcss\";\n.a { @apply no-such-class; }",
			model.Diagnostic{Class: "css", File: "src/index.css"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range []Mode{Production, Development} {
				var broken filetree.Tree
				switch test.file {
				case "":
					broken = with(t, tree, "src/main.tsx", test.content)
				case "src/settings-page.tsx":
					app, _ := tree.Get("src/App.tsx")
					broken = with(t, tree, "src/App.tsx", `import x from "./pages/details.tsx"; `+string(app)+"\nconsole.log(x);")
				default:
					broken = with(t, tree, test.file, test.content)
				}
				_, err := tc.Build(t.Context(), BuildInput{Tree: broken, Mode: mode})
				var problems *ProblemsError
				if !errors.As(err, &problems) || len(problems.Diagnostics) == 0 {
					t.Fatalf("%s: got %v", mode, err)
				}
				got := problems.Diagnostics[0]
				if test.want.Class == "css" {
					if got.Class != "css" || got.File != test.want.File || !strings.Contains(got.Message, "no-such-class") {
						t.Errorf("%s: got %+v", mode, got)
					}
					continue
				}
				if d := cmp.Diff(test.want, got); d != "" {
					t.Errorf("%s: %s", mode, d)
				}
			}
		})
	}
}

func TestMissingExportOfPackage(t *testing.T) {
	tc := open(t)
	tree := with(t, fixture(t), "src/main.tsx", "\nimport { nothing } from \"clsx\";\nconsole.log(nothing);")
	for _, mode := range []Mode{Production, Development} {
		_, err := tc.Build(t.Context(), BuildInput{Tree: tree, Mode: mode})
		var problems *ProblemsError
		if !errors.As(err, &problems) {
			t.Fatalf("%s: got %v", mode, err)
		}
		got := problems.Diagnostics[0]
		if got.Class != "missing_export" || got.File != "src/main.tsx" || got.Line != 2 {
			t.Errorf("%s: got %+v", mode, got)
		}
	}
}

// TestNothingFromOutside: an app must not be able to bundle files of the machine that builds it.
func TestNothingFromOutside(t *testing.T) {
	tc, tree := open(t), fixture(t)
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`{"token": "do-not-leak"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 12) + strings.TrimPrefix(filepath.ToSlash(secret), "/")
	for name, files := range map[string]map[string]string{
		"absolute":        {"src/main.tsx": `import s from "` + filepath.ToSlash(secret) + `"; console.log(s);`},
		"relative":        {"src/main.tsx": `import s from "` + up + `"; console.log(s);`},
		"through package": {"src/main.tsx": `import s from "react/` + up + `"; console.log(s);`},
		"styles":          {"src/index.css": `@import "tailwindcss"; @import "` + up + `";`},
		"configuration":   {"tailwind.config.js": `import s from "` + up + `"; export default { theme: { extend: { colors: { x: s.token } } } };`},
		"configuration through package": {
			"tailwind.config.js": `import s from "react/` + up + `"; export default { theme: { extend: { colors: { brand: s.token } } } };`,
		},
	} {
		for _, mode := range []Mode{Production, Development} {
			evil := tree
			for p, s := range files {
				evil = with(t, evil, p, s)
			}
			dist, err := tc.Build(t.Context(), BuildInput{Tree: evil, Mode: mode})
			var problems *ProblemsError
			if !errors.As(err, &problems) {
				t.Errorf("%s, %s: got %v", name, mode, err)
			}
			for p, b := range dist.Files {
				if strings.Contains(string(b), "do-not-leak") {
					t.Errorf("%s, %s: %s holds the secret", name, mode, p)
				}
			}
		}
	}
}

func TestInstallWithoutLock(t *testing.T) {
	tc := open(t)
	bare := with(t, filetree.Tree{}, "package.json", `{"name": "bare", "dependencies": {"clsx": "^2.0.0"}}`)
	var lines []string
	dir, err := tc.Install(t.Context(), bare, func(level model.LogLevel, text string) { lines = append(lines, string(level)+" "+text) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "clsx", "package.json")); err != nil {
		t.Error(err)
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "warn There is no package-lock.json") {
		t.Errorf("the log says %q", lines)
	}
	for name, content := range map[string]string{"package.json": "{", "package-lock.json": "[]"} {
		if _, err := tc.Install(t.Context(), with(t, fixture(t), name, content), nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := tc.Install(t.Context(), filetree.Tree{}, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestCanceledBuild(t *testing.T) {
	tc, tree := open(t), fixture(t)
	build(t, tc, tree, Production)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tc.Build(ctx, BuildInput{Tree: tree, Mode: Production}); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	endless := with(t, tree, "tailwind.config.js", "for (;;) {}")
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := tc.Build(ctx, BuildInput{Tree: endless, Mode: Production}); err == nil || time.Since(start) > 15*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
	build(t, tc, tree, Production) // nothing is stuck
}

func TestInstallIsShared(t *testing.T) {
	tc, tree := open(t), fixture(t)
	var wg sync.WaitGroup
	dirs := make([]string, 4)
	for i := range dirs {
		wg.Go(func() {
			var err error
			if dirs[i], err = tc.Install(t.Context(), tree, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, d := range dirs {
		if d != dirs[0] {
			t.Errorf("one lock in two folders: %v", dirs)
		}
	}
	for _, p := range []string{"react/package.json", "tailwindcss/index.css", "typescript/package.json"} {
		if _, err := os.Stat(filepath.Join(dirs[0], "node_modules", p)); err != nil {
			t.Error(err)
		}
	}
	matches, err := filepath.Glob(filepath.Join(dirs[0], "node_modules", "@rolldown", "binding-*"))
	if err != nil || len(matches) > 0 {
		t.Errorf("native addons were installed: %v %v", matches, err)
	}
}

func TestTypecheck(t *testing.T) {
	tc, tree := open(t), fixture(t)
	found, err := tc.Typecheck(t.Context(), tree, nil)
	if err != nil || len(found) > 0 {
		t.Fatalf("got %v, %v", found, err)
	}
	broken := with(t, tree, "src/extra.ts", "import { x } from \"./nowhere\";\nimport y from \"no-such-package\";\nexport const n: number = \"one\";\nx(y);\n")
	found, err = tc.Typecheck(t.Context(), broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, fmt.Sprintf("%s %s:%d:%d %s %s", d.Class, d.File, d.Line, d.Column, d.Code, d.Snippet))
	}
	want := []string{
		`missing_file src/extra.ts:1:19 TS2307 import { x } from "./nowhere";`,
		`missing_package src/extra.ts:2:15 TS2307 import y from "no-such-package";`,
		`type src/extra.ts:3:14 TS2322 export const n: number = "one";`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTypecheckWithoutCompiler(t *testing.T) {
	tree := with(t, with(t, filetree.Tree{}, "package.json", `{"name":"bare","version":"1.0.0"}`), "tsconfig.json", "{}")
	found, err := open(t).Typecheck(t.Context(), tree, nil)
	if err != nil || len(found) != 1 || !found[0].Warning {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestChangeDependencies(t *testing.T) {
	tc, tree := open(t), fixture(t)
	lockBefore := locked(t, tree)
	added, version, err := tc.AddDependency(t.Context(), tree, "react-is", "^19.0.0", false)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _ := added.Get("package.json")
	if !strings.Contains(string(manifest), `"react-is": "^19.0.0"`) || !strings.HasPrefix(version, "19.") {
		t.Errorf("%s in\n%s", version, manifest)
	}
	lock, _ := added.Get("package-lock.json")
	if strings.Contains(string(lock), "resolved") || strings.Contains(string(lock), "://registry") {
		t.Error("the lock names a registry")
	}
	after := locked(t, added)
	delete(after, "node_modules/react-is")
	if d := cmp.Diff(lockBefore, after); d != "" {
		t.Errorf("versions of other packages moved: %s", d)
	}
	if _, err := tc.Install(t.Context(), added, nil); err != nil {
		t.Error(err)
	}
	removed, err := tc.RemoveDependency(t.Context(), added, "react-is")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lockBefore, locked(t, removed)); d != "" {
		t.Error(d)
	}
	if _, err := tc.RemoveDependency(t.Context(), removed, "react-is"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, _, err := tc.AddDependency(t.Context(), tree, "react", "^900.0.0", false); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

// locked returns place -> version and flags.
func locked(t testing.TB, tree filetree.Tree) map[string]string {
	t.Helper()
	b, _ := tree.Get("package-lock.json")
	l, err := npm.ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for p, e := range l.Packages {
		m[p] = fmt.Sprintf("%s dev=%t optional=%t devOptional=%t peer=%t", e.Version, e.Dev, e.Optional, e.DevOptional, e.Peer)
	}
	return m
}

// TestResolveAsNpm resolves the fixture without its lock and compares the result with npm's.
func TestResolveAsNpm(t *testing.T) {
	tc, tree := open(t), fixture(t)
	want := locked(t, tree)
	pkg, lock, err := tc.lockOf(t.Context(), tree.Without("package-lock.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	changed, _, err := tc.relock(t.Context(), tree, pkg, lock)
	if err != nil {
		t.Fatal(err)
	}
	got := locked(t, changed)
	// The registry moves on: compare the places, not the versions of what package.json does not pin.
	missing := 0
	for p := range want {
		if _, ok := got[p]; !ok {
			missing++
			t.Logf("npm also has %s", p)
		}
	}
	if missing > len(want)/10 {
		t.Errorf("%d of %d places of npm's lock are missing", missing, len(want))
	}
}

func TestPackageIsVerified(t *testing.T) {
	tc := open(t)
	b, _ := fixture(t).Get("package-lock.json")
	lock, err := npm.ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	e := lock.Packages["node_modules/clsx"]
	dir, err := tc.Package(t.Context(), "clsx", e.Version, e.Integrity, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		t.Error(err)
	}
	other := lock.Packages["node_modules/react"].Integrity
	if _, err := tc.Package(t.Context(), "clsx", e.Version, other, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a package with another sha512 was accepted: %v", err)
	}
	for _, name := range []string{"../evil", "", "a/b/c", "@/x"} {
		if _, err := tc.Package(t.Context(), name, "1.0.0", e.Integrity, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestExportsOfPackages(t *testing.T) {
	tc, tree := open(t), fixture(t)
	for name, want := range map[string]string{"react": "useState", "zod": "object", "clsx": "clsx", "no-such-package": ""} {
		got, err := tc.Exports(t.Context(), tree, name)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && got != nil || want != "" && !slices.Contains(got, want) {
			t.Errorf("%s exports %d names, without %q", name, len(got), want)
		}
	}
}

// TestLocate: what a browser says about a minified bundle is told in terms of the source.
func TestLocate(t *testing.T) {
	tc, tree := open(t), fixture(t)
	tree = with(t, tree, "src/late.ts", "export function late(list?: string[]): number {\n  // a comment\n  return list!.map((s) => \"needle\" + s).length;\n}\n")
	main, _ := tree.Get("src/main.tsx")
	tree = with(t, tree, "src/main.tsx", string(main)+"\nimport { late } from \"./late\";\nsetTimeout(() => late(undefined), 5);\n")
	in := BuildInput{Tree: tree, Mode: Production}
	dist := build(t, tc, tree, Production)
	file, line, column := "", 0, 0
	for p, content := range dist.Files {
		if i := bytes.Index(content, []byte("needle")); i >= 0 && strings.HasSuffix(p, ".js") {
			file, line = p, 1+bytes.Count(content[:i], []byte("\n"))
			column = i - bytes.LastIndexByte(content[:i], '\n')
		}
	}
	at := fmt.Sprintf("%s:%d:%d", file, line, column)
	got, err := tc.Locate(t.Context(), in, dist.Files, []model.Diagnostic{
		{Class: "runtime", File: file, Line: line, Column: column, Message: "TypeError: no\n    at http://preview-x.localhost:80/" + at + ")"},
		{Class: "runtime", Message: "TypeError: no\n    at e (http://preview-x.localhost/" + at + ")\n    at https://elsewhere/assets/x.js:1:2"},
		{Class: "blank", Message: "The page stays blank."},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range got[:2] {
		if d.File != "src/late.ts" || d.Line != 3 || !strings.Contains(d.Snippet, "needle") || !strings.Contains(d.Message, "src/late.ts:3:") {
			t.Errorf("%d: %+v", i, d)
		}
	}
	if !strings.Contains(got[1].Message, "elsewhere/assets/x.js:1:2") || got[2].File != "" {
		t.Errorf("%+v", got[1:])
	}
}
