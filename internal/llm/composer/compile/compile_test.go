package compile

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm/composer/spec"
	"overskill/templates"
)

// specs reads the hand-written specs: together they hold every field type, action, widget and tenancy, and one
// whose names and labels try to break out of every place they land in.
func specs(t testing.TB) map[string]spec.Spec {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) < 9 {
		t.Fatalf("found %d specs: %v", len(paths), err)
	}
	out := map[string]spec.Spec{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := spec.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		out[strings.TrimSuffix(filepath.Base(p), ".json")] = s
	}
	return out
}

// build returns a whole app: the foundation with the spec's own files over it.
func build(t testing.TB, s spec.Spec) (all, own map[string][]byte) {
	t.Helper()
	own, err := Files(s)
	if err != nil {
		t.Fatal(err)
	}
	v := templates.Values{AppName: s.Name, AppSlug: "app", AppID: 12, TeamID: 1}
	if all, err = templates.Foundation(v); err != nil {
		t.Fatal(err)
	}
	for p, c := range own {
		all[p] = templates.Fill(c, v)
	}
	return all, own
}

func TestSyntaxOfEveryFile(t *testing.T) {
	for name, s := range specs(t) {
		t.Run(name, func(t *testing.T) {
			all, own := build(t, s)
			for p := range own { // the foundation's files are checked where they live
				checkSyntax(t, p, all[p])
			}
		})
	}
}

func checkSyntax(t testing.TB, p string, c []byte) {
	t.Helper()
	loader, ok := map[string]api.Loader{".ts": api.LoaderTS, ".tsx": api.LoaderTSX, ".css": api.LoaderCSS, ".json": api.LoaderJSON}[filepath.Ext(p)]
	if !ok || p == "tsconfig.json" {
		return
	}
	r := api.Transform(string(c), api.TransformOptions{Loader: loader, JSX: api.JSXAutomatic, LogLevel: api.LogLevelSilent})
	for _, e := range r.Errors {
		t.Errorf("%s:%d: %s\n%s", p, e.Location.Line, e.Text, e.Location.LineText)
	}
	if bytes.ContainsAny(c, textStart+textEnd) {
		t.Errorf("%s holds a marker that should have been removed", p)
	}
}

var (
	importPattern = regexp.MustCompile(`import (type )?\{([^}]+)\} from "([^"]+)";`)
	lazyPattern   = regexp.MustCompile(`import\("(@/[^"]+)"\)`)
	wordPattern   = regexp.MustCompile(`\w+`)
	exportPattern = regexp.MustCompile(`export (?:default )?(?:async )?(?:function|const|type|class|let) (\w+)`)
)

func TestImportsExistAndAreUsed(t *testing.T) {
	for name, s := range specs(t) {
		t.Run(name, func(t *testing.T) {
			all, own := build(t, s)
			checkImports(t, all, own)
		})
	}
}

// checkImports reports an import of what is not there or not used: neither would compile.
func checkImports(t *testing.T, all, own map[string][]byte) {
	t.Helper()
	module := func(m string) ([]byte, bool) {
		p := "src/" + strings.TrimPrefix(m, "@/")
		for _, ending := range []string{"", ".ts", ".tsx"} {
			if c, ok := all[p+ending]; ok {
				return c, true
			}
		}
		return nil, false
	}
	for p := range own {
		src := string(all[p])
		for _, m := range lazyPattern.FindAllStringSubmatch(src, -1) {
			if _, ok := module(m[1]); !ok {
				t.Errorf("%s loads %s, which does not exist", p, m[1])
			}
		}
		for _, m := range importPattern.FindAllStringSubmatch(src, -1) {
			rest := strings.Replace(src, m[0], "", 1)
			target, found := module(m[3])
			if strings.HasPrefix(m[3], "@/") && !found {
				t.Errorf("%s imports %s, which does not exist", p, m[3])
			}
			for n := range strings.SplitSeq(m[2], ",") {
				n = strings.TrimPrefix(strings.TrimSpace(n), "type ")
				if n == "" {
					continue
				}
				if !slices.Contains(wordPattern.FindAllString(rest, -1), n) {
					t.Errorf("%s imports %s and does not use it", p, n)
				}
				if found && !slices.ContainsFunc(exportPattern.FindAllSubmatch(target, -1), func(e [][]byte) bool { return string(e[1]) == n }) {
					t.Errorf("%s imports %s from %s, which does not export it", p, n, m[3])
				}
			}
		}
	}
}

func TestFilesAreDeterministicAndOrdered(t *testing.T) {
	for name, s := range specs(t) {
		first, err := Files(s)
		if err != nil {
			t.Fatal(err)
		}
		second, _ := Files(s)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s: the same spec gave other files:\n%s", name, diff)
		}
		order := Order(first)
		if got := slices.Sorted(slices.Values(order)); !slices.Equal(got, slices.Sorted(maps.Keys(first))) {
			t.Errorf("%s: Order has lost or doubled files", name)
		}
		if slices.Index(order, "src/types/database.ts") > slices.Index(order, "src/pages/Dashboard.tsx") ||
			order[len(order)-1] != "src/routes/route-config.ts" {
			t.Errorf("%s: order is %v", name, order)
		}
		for p, c := range first {
			if strings.Contains(string(c), "{{APP_") || strings.Contains(string(c), "{{TEAM_") {
				t.Errorf("%s: %s holds a placeholder", name, p)
			}
			if p != spec.Path && strings.HasSuffix(p, ".tsx") && strings.Count(string(c), "\n") > 400 {
				t.Errorf("%s: %s has %d lines", name, p, strings.Count(string(c), "\n"))
			}
		}
		back, err := spec.Decode(first[spec.Path])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Errorf("%s: the spec in the app is another one:\n%s", name, diff)
		}
	}
}

func TestAChangedLabelChangesOnlyItsFiles(t *testing.T) {
	s := specs(t)["crm"]
	before, _ := Files(s)
	s.Entities[1].Fields[1].Label = "Worth"
	after, err := Files(s)
	if err != nil {
		t.Fatal(err)
	}
	for p := range after {
		if !bytes.Equal(before[p], after[p]) && p != spec.Path && !strings.Contains(p, "Deal") {
			t.Errorf("%s changed", p)
		}
	}
}

func TestFilesRefuseWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*spec.Spec)
	}{
		{"board that is no select", "is not a select", func(s *spec.Spec) { s.Entities[1].Board = "title" }},
		{"toggle of a text", "boolean", func(s *spec.Spec) {
			s.Entities[0].Actions = []spec.Action{{Kind: spec.Toggle, Field: "name"}}
		}},
		{"sum of a text", "number field", func(s *spec.Spec) {
			s.Dashboard = []spec.Widget{{Kind: spec.Sum, Label: "x", Entity: "deal", Field: "title"}}
		}},
		{"unknown condition", "unknown condition", func(s *spec.Spec) {
			s.Dashboard = []spec.Widget{{Kind: spec.Count, Label: "x", Entity: "deal", Where: "sunny"}}
		}},
		{"movement without its child", "movement needs", func(s *spec.Spec) {
			s.Entities[0].Actions = []spec.Action{{Kind: spec.Movement, Field: "name", Entity: "deal"}}
		}},
	} {
		s := specs(t)["crm"]
		c.change(&s)
		if _, err := Files(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// FuzzLabels puts any text where people's words go: every file must still parse.
func FuzzLabels(f *testing.F) {
	for _, seed := range []string{"Title", `"><b>`, "`${x}`", "*/ x", "{{APP_ID}}", "\\", "</script>", "a\nb", "Ünïcode ☕"} {
		f.Add(seed)
	}
	base := specs(f)["inventory"]
	f.Fuzz(func(t *testing.T, text string) {
		s := base
		s.Name = "N"
		s.Tagline = text
		s.Entities = slices.Clone(base.Entities)
		e := &s.Entities[1]
		e.Label, e.LabelPlural, e.Description = text, text, text
		e.Fields = slices.Clone(e.Fields)
		for i := range e.Fields {
			e.Fields[i].Label, e.Fields[i].Hint, e.Fields[i].Unit, e.Fields[i].Default = text, text, text, text
		}
		files, err := Files(s)
		if err != nil {
			return // refused, with a reason
		}
		for p, c := range files {
			checkSyntax(t, p, c)
		}
	})
}
