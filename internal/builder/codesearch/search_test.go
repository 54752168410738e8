package codesearch

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/testing/golden"
)

var update = flag.Bool("update", false, "write the results into the txtar cases")

// TestCases runs testdata/*.txtar. The first file is the query, a line for each member; then come the files that
// are searched, and "want", the answer as the model reads it.
func TestCases(t *testing.T) {
	isResult := func(name string) bool { return name == "want" }
	golden.Cases(t, "testdata/*.txtar", *update, isResult, func(t *testing.T, given *txtar.Archive) []txtar.File {
		q := parseQuery(t, string(given.Files[0].Data))
		files := map[string][]byte{}
		for _, f := range given.Files[1:] {
			files[f.Name] = f.Data
		}
		return []txtar.File{{Name: "want", Data: []byte(answer(t, files, q) + "\n")}}
	})
}

func parseQuery(t *testing.T, text string) Query {
	t.Helper()
	var q Query
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "pattern":
			q.Pattern = value
		case "include":
			q.Include = append(q.Include, value)
		case "exclude":
			q.Exclude = append(q.Exclude, value)
		case "case_sensitive":
			q.CaseSensitive = value == "true"
		default:
			t.Fatalf("unknown member %q of the query", key)
		}
	}
	return q
}

func answer(t *testing.T, files map[string][]byte, q Query) string {
	t.Helper()
	res, err := Search(newTree(t, files), q)
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("kind %s", fault.KindOf(err))
		}
		return "error: " + fault.Text(err)
	}
	return res.Text()
}

func newTree(t testing.TB, files map[string][]byte) filetree.Tree {
	t.Helper()
	tree, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestLimits(t *testing.T) {
	many := strings.Repeat("hit\nmiss\n", 150)
	large := strings.Repeat("hit\n", MaxFileSize/4+1)
	tree := newTree(t, map[string][]byte{
		"many.txt": []byte(many), "large.txt": []byte(large), "picture.png": {0x89, 'h', 'i', 't', 0},
		"windows.txt": []byte("a\r\nhit\r\nb"),
	})
	res, err := Search(tree, Query{Pattern: "^hit$"})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Matches) != MaxResults || res.Total != 151 || res.Files != 2 || res.Searched != 2 {
		t.Errorf("%d matches, %d in all, %d files of %d", len(res.Matches), res.Total, res.Files, res.Searched)
	}
	if diff := cmp.Diff([]string{"large.txt"}, res.Skipped); diff != "" {
		t.Error(diff)
	}
	text := res.Text()
	for _, want := range []string{"151 matching lines in 2 files.", "Not searched, because larger than 1 MB: large.txt.", "Only the first 100 are listed."} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q", want)
		}
	}
	if res, err := Search(tree, Query{Pattern: "hit", Include: []string{"windows.txt"}}); err != nil || len(res.Matches) != 1 || res.Matches[0].Text != "hit" {
		t.Errorf("a line keeps its carriage return: %+v, %v", res.Matches, err)
	}
}

// The answer is bounded even when every line is long.
func TestTextIsBounded(t *testing.T) {
	line := strings.Repeat("é", 5000) + "\n"
	res, err := Search(newTree(t, map[string][]byte{"a.txt": []byte(strings.Repeat(line, 90))}), Query{Pattern: "é"})
	if err != nil {
		t.Fatal(err)
	}
	if text := res.Text(); len(text) > maxText+5*maxLine || !filetree.IsText([]byte(text)) {
		t.Errorf("%d bytes", len(text))
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		glob     string
		match    string // paths that it matches
		mismatch string
	}{
		{"src/**/*.tsx", "src/App.tsx src/pages/Home.tsx src/a/b/c.tsx", "App.tsx src/App.ts lib/src/App.tsx srcx/App.tsx"},
		{"src/**", "src/App.tsx src/a/b.ts", "src lib/a.ts"},
		{"**/*.ts", "a.ts src/a.ts src/b/a.ts", "a.tsx"},
		{"**", "a a/b", ""},
		{"src/*/index.ts", "src/a/index.ts", "src/index.ts src/a/b/index.ts"},
		{"*.css", "a.css src/index.css", "a.css/b"},
		{"App.tsx", "App.tsx src/App.tsx", "MyApp.tsx"},
		{"src/features", "src/features/a.ts src/features", "src/features2/a.ts"},
		{"src/features/", "src/features/a.ts", "src/features"},
		{"./src/*.ts", "src/a.ts", "src/a/b.ts"},
		{"/src/*.ts", "src/a.ts", ""},
		{"src/**/*.{ts,tsx}", "src/a.ts src/b/c.tsx", "src/a.js"},
		{"{src,lib}/**", "src/a lib/b/c", "test/a"},
		{"{src/**,index.html}", "index.html src/a/b", "index.html/x"},
		{"src/?.ts", "src/a.ts src/é.ts", "src/ab.ts src//.ts"},
		{"src/[a-c].ts", "src/b.ts", "src/d.ts"},
		{"src/[!a-c].ts", "src/d.ts", "src/b.ts src//.ts"},
		{"src/[]x].ts", "src/].ts src/x.ts", "src/y.ts"},
		{`src/\*.ts`, "src/*.ts", "src/a.ts"},
		{"a**b/c", "ab/c axyb/c", "a/b/c"},
		{"src/**/test/**/*.ts", "src/test/a.ts src/x/test/y/a.ts", "src/a.ts"},
		{"a+b(c).ts", "a+b(c).ts", "aab(c).ts"},
		{"src/é*.ts", "src/été.ts", "src/ete.ts"},
	}
	for _, test := range tests {
		g, err := ParseGlob(test.glob)
		if err != nil {
			t.Errorf("%s: %v", test.glob, err)
			continue
		}
		for p := range strings.FieldsSeq(test.match) {
			if !g.Match(p) {
				t.Errorf("%s does not match %s (%s)", test.glob, p, g.re)
			}
		}
		for p := range strings.FieldsSeq(test.mismatch) {
			if g.Match(p) {
				t.Errorf("%s matches %s (%s)", test.glob, p, g.re)
			}
		}
	}
	for _, glob := range []string{"", "src/[a", "src/{a,b", `a\`, "[z-a]", strings.Repeat("a", maxGlob+1)} {
		if _, err := ParseGlob(glob); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", glob, err)
		}
	}
}

// BenchmarkSearch looks for one name in an app of 100 files.
func BenchmarkSearch(b *testing.B) {
	files := map[string][]byte{}
	for i := range 100 {
		files[fmt.Sprintf("src/f%d.ts", i)] = []byte(strings.Repeat(fmt.Sprintf("export const value%d = useState(%d);\n", i, i), 100))
	}
	tree := newTree(b, files)
	for b.Loop() {
		if _, err := Search(tree, Query{Pattern: "value77 = "}); err != nil {
			b.Fatal(err)
		}
	}
}
