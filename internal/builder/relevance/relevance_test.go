package relevance

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
	"overskill/internal/llm"
)

func newTree(t testing.TB, files map[string]string) filetree.Tree {
	t.Helper()
	b := map[string][]byte{}
	for name, content := range files {
		b[name] = []byte(content)
	}
	tree, err := filetree.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func small(t testing.TB) filetree.Tree {
	return newTree(t, map[string]string{
		"index.html":           "<title>Plants</title>",
		"package.json":         "{}",
		"src/pages/Plants.tsx": "import { PlantTable } from \"@/features/plants/PlantTable\";\nexport default function Plants() {\n  return <PlantTable title=\"Your plants\" />;\n}\n",
		"src/features/plants/PlantTable.tsx": "import { fetchPlants } from \"./plant-data\";\nimport { Button } from \"@/components/ui/button\";\n" +
			"export function PlantTable() {\n  fetchPlants();\n  return <Button>Water all of them</Button>;\n}\n",
		"src/features/plants/plant-data.ts": "import { db } from \"@/lib/supabase\";\nimport type { Plant } from \"@/types/database\";\nexport const fetchPlants = () => db as unknown as Plant;\n",
		"src/features/pots/pot-data.ts":     "export const fetchPots = () => 1;\n",
		"src/types/database.ts":             "export type Plant = { id: string };\n",
		"src/components/ui/button.tsx":      "export function Button() {\n  return <button>water</button>;\n}\n",
		"src/components/ui/week-dots.tsx":   "export function WeekDots() {\n  return <p>week</p>;\n}\n",
		"src/lib/supabase.ts":               "export const db = 1;\n",
		"src/logo.png":                      "\x00\x01",
	})
}

func paths(picks []Pick) []string {
	var out []string
	for _, p := range picks {
		out = append(out, p.Path)
	}
	return out
}

func TestRank(t *testing.T) {
	tree := small(t)
	tests := []struct {
		name, request string
		first         string
		with, without []string
	}{
		{name: "what is on the screen", request: "Please remove \"Water all of them\"", first: "src/features/plants/PlantTable.tsx", without: []string{"src/components/ui/button.tsx"}},
		{name: "neighbours", request: "plants need a sort order", with: []string{"src/pages/Plants.tsx", "src/features/plants/plant-data.ts", "src/types/database.ts"}, without: []string{"src/features/pots/pot-data.ts"}},
		{name: "a path", request: "look at @/features/pots/pot-data.ts", first: "src/features/pots/pot-data.ts"},
		{name: "a file name in another case", request: "Fix POT-DATA.TS", first: "src/features/pots/pot-data.ts"},
		{name: "a foundation component by its whole name", request: "bigger week dots", first: "src/components/ui/week-dots.tsx"},
		{name: "all of a kind", request: "every button round", first: "src/components/ui/button.tsx"},
		{name: "plural, camel case", request: "PLANT TABLES", first: "src/features/plants/PlantTable.tsx"},
		{name: "nothing shared", request: "xyzzy"},
		{name: "only stop words", request: "please change it so that it is more like this"},
		{name: "empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			picks := Rank(tree, test.request, 10_000)
			got := paths(picks)
			if test.first == "" && test.with == nil && len(got) > 0 {
				t.Fatalf("got %v for nothing", got)
			}
			if test.first != "" && (len(got) == 0 || got[0] != test.first) {
				t.Errorf("%v, not %s first", picks, test.first)
			}
			for _, p := range test.with {
				if !slices.Contains(got, p) {
					t.Errorf("%v lacks %s", picks, p)
				}
			}
			for _, p := range test.without {
				if slices.Contains(got, p) {
					t.Errorf("%v has %s", picks, p)
				}
			}
		})
	}
}

func TestRankKeepsToTheBudget(t *testing.T) {
	tree := composed(t)[2]
	for _, budget := range []int64{-1, 0, 50, 400, 3_000, 20_000} {
		picks := Rank(tree, "tickets with a priority and comments, assignees and the dashboard", budget)
		text, shown := Render(tree, picks)
		if got := llm.EstimateTokens(text); got > max(budget, 1) {
			t.Errorf("%d tokens in a budget of %d", got, budget)
		}
		if diff := cmp.Diff(paths(picks), shown); diff != "" {
			t.Error(diff)
		}
		if budget >= 3_000 && len(picks) < 2 {
			t.Errorf("only %v in %d tokens", picks, budget)
		}
	}
	once, again := Rank(tree, "urgent tickets", 8_000), Rank(tree, "urgent tickets", 8_000)
	if diff := cmp.Diff(once, again); diff != "" {
		t.Errorf("not always the same: %s", diff)
	}
	if once[0].Score != 1 {
		t.Errorf("the best has %v", once[0])
	}
}

func TestRender(t *testing.T) {
	tree := newTree(t, map[string]string{"src/a.ts": "one\r\n\ttwo\n\nfour", "src/empty.ts": "", "src/x.png": "\x00"})
	text, shown := Render(tree, []Pick{{Path: "src/a.ts"}, {Path: "src/none.ts"}, {Path: "src/x.png"}, {Path: "src/empty.ts"}})
	want := "== src/a.ts (4 lines)\n1| one\n2| \ttwo\n3| \n4| four\n== src/empty.ts (1 lines)\n1| \n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"src/a.ts", "src/empty.ts"}, shown); diff != "" {
		t.Error(diff)
	}
}

func TestTerms(t *testing.T) {
	tests := []struct{ text, want string }{
		{"The customers' Repairs, sorted", "the customer repair sort"},
		{"useQueryParams PAGE_SIZE htmlFor2 XMLHttp", "use query param pag siz html for xmlhttp"},
		{"dragging boxes and categories; addresses", "drag box and category address"},
		{"Käufe straße 日本", "käuf straß 日本"},
		{"it's the customer’s", "it the customer"},
		{"a b c", ""},
	}
	for _, test := range tests {
		if got := strings.Join(terms(test.text), " "); got != test.want {
			t.Errorf("%s: %s, not %s", test.text, got, test.want)
		}
	}
	for _, same := range []string{"sort sorts sorted sorting", "category categories", "colour colors color coloured", "filter filtered filters", "tick ticked ticks"} {
		t1 := terms(same)
		if slices.ContainsFunc(t1, func(w string) bool { return w != t1[0] }) {
			t.Errorf("%s are %v", same, t1)
		}
	}
}

func TestNotes(t *testing.T) {
	if got := Notes(newTree(t, map[string]string{"src/NOTES.md": "no"})); got != "" {
		t.Errorf("%q", got)
	}
	if got := Notes(newTree(t, map[string]string{"NOTES.md": "\n# Notes\nMoney is cents.\n"})); got != "# Notes\nMoney is cents." {
		t.Errorf("%q", got)
	}
	if got := Notes(newTree(t, map[string]string{"NOTES.md": "\x00"})); got != "" {
		t.Errorf("%q", got)
	}
	got := Notes(newTree(t, map[string]string{"NOTES.md": strings.Repeat("a line of notes, ö\n", 2000)}))
	if len(got) > maxNotes || !strings.HasSuffix(got, "notes, ö\n(cut here)") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-40:])
	}
	if got := Notes(newTree(t, map[string]string{"NOTES.md": strings.Repeat("ö", 9000)})); len(got) > maxNotes {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzRank(f *testing.F) {
	f.Add("show the price in the walk form", "export const a = <p title=\"x\">Price</p>;\nimport('./b')")
	f.Add("src/b.ts ''s 𝒳 ünï", "`${`}${}`' \" >a< \xff")
	f.Fuzz(func(t *testing.T, request, content string) {
		tree, err := filetree.New(map[string][]byte{"src/a.tsx": []byte(content), "src/b.ts": []byte("export const price = 1;\n")})
		if err != nil {
			return
		}
		const budget = 200
		text, shown := Render(tree, Rank(tree, request, budget))
		if llm.EstimateTokens(text) > budget || len(shown) > 2 {
			t.Fatalf("%d bytes, %v", len(text), shown)
		}
	})
}
