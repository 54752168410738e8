package repair

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"overskill/internal/testing/golden"
)

// TestLostExports runs testdata/lost/*.txtar. The files of a case are the app before, those below after/ are
// written over it, "- path" in the comment deletes. "lost" is what LostExports says about all that was touched.
func TestLostExports(t *testing.T) {
	isResult := func(name string) bool { return name == "lost" }
	golden.Cases(t, "testdata/lost/*.txtar", *update, isResult, func(t *testing.T, given *txtar.Archive) []txtar.File {
		before, changed := soundApp(), map[string][]byte{}
		for _, f := range given.Files {
			if path, ok := strings.CutPrefix(f.Name, "after/"); ok {
				changed[path] = f.Data
			} else {
				before[f.Name] = f.Data
			}
		}
		after := maps.Clone(before)
		maps.Copy(after, changed)
		for _, path := range golden.Removed(given.Comment) {
			delete(after, path)
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
		var out results
		out.put("lost", b.String())
		return out
	})
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
