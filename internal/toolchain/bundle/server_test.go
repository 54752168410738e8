package bundle

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
)

func TestRoutes(t *testing.T) {
	tests := []struct {
		name     string
		files    []string
		routes   []string // "path file"
		problems []string // the files
	}{
		{"none", []string{"src/main.tsx", "worker.ts", "src/worker/a.ts"}, nil, nil},
		{
			"the deepest first",
			[]string{"worker/index.ts", "worker/a.ts", "worker/a/index.ts.md", "worker/b/index.ts", "worker/b/c.js", "worker/b-c.ts"},
			[]string{"/api/b/c worker/b/c.js", "/api/a worker/a.ts", "/api/b worker/b/index.ts", "/api/b-c worker/b-c.ts", "/api worker/index.ts"},
			nil,
		},
		{"helpers and others", []string{"worker/_a.ts", "worker/_b/c.ts", "worker/d/_e/f.tsx", "worker/g.d.ts", "worker/h.json", "worker/i.css"}, nil, nil},
		{
			"names that are no address",
			[]string{"worker/[id].ts", "worker/$id.ts", "worker/a b.ts", "worker/é.ts", "worker/-a.ts", "worker/a.b.ts", "worker/.ts", "worker/x.tsx", "worker/y.mjs"},
			nil,
			[]string{"worker/$id.ts", "worker/-a.ts", "worker/.ts", "worker/[id].ts", "worker/a b.ts", "worker/a.b.ts", "worker/x.tsx", "worker/y.mjs", "worker/é.ts"},
		},
		{"the prefix twice", []string{"worker/api/a.ts", "worker/b/api/c.ts"}, []string{"/api/b/api/c worker/b/api/c.ts"}, []string{"worker/api/a.ts"}},
		{"one address, two files", []string{"worker/a.js", "worker/a.ts", "worker/b/index.js", "worker/b.ts"}, []string{"/api/a worker/a.js", "/api/b worker/b.ts"}, []string{"worker/a.ts", "worker/b/index.js"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{}
			for _, p := range test.files {
				files[p] = ""
			}
			routes, found := Routes(treeOf(t, files))
			var got, problems []string
			for _, r := range routes {
				got = append(got, r.Path+" "+r.File)
			}
			for _, d := range found {
				problems = append(problems, d.File)
				if d.Message == "" || d.Cure == "" {
					t.Errorf("%s is left without help: %+v", d.File, d)
				}
			}
			slices.Sort(problems)
			if d := cmp.Diff(test.routes, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(test.problems, problems); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add("a.ts", "b/index.js")
	f.Add("[...x].ts", "_a/b.tsx")
	f.Add("index.ts", "index/index.ts")
	f.Fuzz(func(t *testing.T, a, b string) {
		tree := filetree.Tree{}
		for _, p := range []string{a, b} {
			if with, err := tree.With(serverRoot+p, nil); err == nil {
				tree = with
			}
		}
		routes, problems := Routes(tree)
		if len(routes)+len(problems) > tree.Len() {
			t.Errorf("%d routes and %d problems of %v", len(routes), len(problems), tree.Paths())
		}
		seen := map[string]bool{}
		for _, r := range routes {
			if seen[r.Path] || !strings.HasPrefix(r.Path+"/", "/api/") || strings.ContainsAny(r.Path, "%?# ") || !tree.Has(r.File) {
				t.Errorf("%+v of %v", r, tree.Paths())
			}
			seen[r.Path] = true
		}
	})
}

// TestExportAt: the lines of the entry are where exportAt believes them to be.
func TestExportAt(t *testing.T) {
	s := &server{routes: []Route{{Path: "/api/a", File: "worker/a.ts"}, {Path: "/api", File: "worker/index.ts"}}}
	var got []string
	for i, line := range strings.Split(s.entry(), "\n") {
		if r, m, ok := s.exportAt(i + 1); ok {
			got = append(got, line)
			if want := m + ": r" + string(rune('0'+r)) + "." + m + ","; line != want {
				t.Errorf("line %d is %q, not %q", i+1, line, want)
			}
		}
	}
	if len(got) != len(s.routes)*len(methods) {
		t.Errorf("got %d lines: %q", len(got), got)
	}
}
