package repair

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestLostExports runs testdata/lost/*.txtar. The files of a case are the app before, those below after/ are
// written over it, "- path" in the comment deletes. "lost" is what LostExports says about all that was touched.
func TestLostExports(t *testing.T) {
	cases, err := filepath.Glob("testdata/lost/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			before, changed, want := soundApp(), map[string][]byte{}, ""
			var given []txtar.File
			for _, f := range archive.Files {
				if f.Name == "lost" {
					want = string(f.Data)
					continue
				}
				given = append(given, f)
				if path, ok := strings.CutPrefix(f.Name, "after/"); ok {
					changed[path] = f.Data
				} else {
					before[f.Name] = f.Data
				}
			}
			after := maps.Clone(before)
			maps.Copy(after, changed)
			for line := range strings.Lines(string(archive.Comment)) {
				if path, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
					delete(after, path)
				}
			}
			old, now := newTree(t, before), newTree(t, after)
			var touched []string
			for _, c := range now.Diff(old) {
				touched = append(touched, c.Path)
			}
			var b strings.Builder
			for _, l := range LostExports(old, now, touched) {
				fmt.Fprintf(&b, "%s: %s, imported by %s\n", l.File, l.Name, strings.Join(l.Importers, ", "))
			}
			if *update {
				archive.Files = given
				if b.Len() > 0 {
					archive.Files = append(given, txtar.File{Name: "lost", Data: []byte(b.String())})
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// BenchmarkLostExports asks about one touched file in an app of 80.
func BenchmarkLostExports(b *testing.B) {
	files := soundApp()
	for i := range 80 {
		files[fmt.Sprintf("src/m%d.tsx", i)] = []byte(fmt.Sprintf("import { formatDay } from \"@/lib\";\n\nexport function M%d() {\n", i) +
			strings.Repeat("  formatDay(\"2026-11-23\");\n", 150) + "  return <p>m</p>;\n}\n")
		files[fmt.Sprintf("src/u%d.tsx", i)] = []byte(fmt.Sprintf("import { M%d } from \"./m%d\";\n\nexport const U%d = M%d;\n", i, i, i, i))
	}
	before := newTree(b, files)
	for name, content := range map[string]string{"kept": "export function M7() {}\n", "lost": "export function Other() {}\n"} {
		after, err := before.With("src/m7.tsx", []byte(content))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if lost := LostExports(before, after, []string{"src/m7.tsx"}); len(lost) > 0 != (name == "lost") {
					b.Fatal(lost)
				}
			}
		})
	}
}
