package toolchain

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
	"overskill/internal/toolchain/bundle"
)

func tree(t *testing.T, files map[string]string) filetree.Tree {
	t.Helper()
	m := map[string][]byte{}
	for p, s := range files {
		m[p] = []byte(s)
	}
	f, err := filetree.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestReadTsconfig(t *testing.T) {
	at := bundle.Alias{Prefix: "@/", Target: "src/"}
	tests := []struct {
		name     string
		files    map[string]string
		aliases  []bundle.Alias
		projects []string
	}{
		{"none", nil, []bundle.Alias{at}, nil},
		{
			"plain",
			map[string]string{"tsconfig.json": `{"compilerOptions": {"paths": {"~/*": ["./app/*"], "lib": ["./x/lib.ts"]}}}`},
			[]bundle.Alias{{Prefix: "lib", Target: "x/lib.ts", Exact: true}, {Prefix: "~/", Target: "app/"}, at},
			[]string{"tsconfig.json"},
		},
		{"references, as in Vite's templates", map[string]string{
			"tsconfig.json":     `{"files": [], "references": [{"path": "./tsconfig.app.json"}, {"path": "./tsconfig.node.json"}]}`,
			"tsconfig.app.json": `{"compilerOptions": {"baseUrl": ".", "paths": {"@/*": ["./src/*"]}}, /* all */ "include": ["src"],}`, "tsconfig.node.json": `{}`,
		}, []bundle.Alias{at, {Prefix: "", Target: "./"}}, []string{"tsconfig.app.json", "tsconfig.node.json"}},
		{"extends", map[string]string{
			"tsconfig.json": `{"extends": "./base"}`, "base.json": `{"compilerOptions": {"paths": {"@/*": ["src/*"]}}}`,
		}, []bundle.Alias{at}, []string{"tsconfig.json"}},
		{"a circle of extends", map[string]string{"tsconfig.json": `{"extends": "./tsconfig.json"}`}, []bundle.Alias{at}, []string{"tsconfig.json"}},
		{"broken", map[string]string{"tsconfig.json": `{`}, []bundle.Alias{at}, []string{"tsconfig.json"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := readTsconfig(tree(t, test.files))
			if d := cmp.Diff(test.aliases, got.aliases); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(test.projects, got.projects); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	files := tree(t, map[string]string{
		".env":            "# comment\nVITE_A=1\nexport VITE_B=\"two words\" # x\nVITE_C='single'\nSECRET=x\nVITE_D=a # note\nVITE_E=\"line\\nbreak\"\nnonsense\n",
		".env.production": "VITE_A=2\n",
	})
	got := environment(files, Production, map[string]string{"VITE_C": "over", "TOKEN": "x"})
	want := map[string]string{"VITE_A": "2", "VITE_B": "two words", "VITE_C": "over", "VITE_D": "a", "VITE_E": "line\nbreak"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzPlainJSON(f *testing.F) {
	for _, s := range []string{`{"a": "//", /* x */ "b": [1,], }`, `"\`, `/*`, `//`, `[,]`, "{ // x\n}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := plainJSON(b)
		if json.Valid(b) && string(out) != string(b) { // what is JSON already stays as it is
			t.Errorf("%q became %q", b, out)
		}
	})
}

func FuzzParseEnv(f *testing.F) {
	f.Add("A=1\nB='x\nC=\"")
	f.Fuzz(func(t *testing.T, s string) { parseEnv(s) })
}
