package edit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the results into the txtar cases")

// TestCases runs testdata/*.txtar. A case is a file, edits named "edit 3-5" whose text is the search, a line of
// equals signs and the replacement, and then what comes of it: the file after ("out"), what was applied
// ("applied") and the error ("error"). A missing section means: unchanged, nothing, none. What no one can see in
// a text is written as a picture, see visible.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := archive.Files[0]
			in.Data = []byte(invisible.Replace(string(in.Data)))
			var edits []Edit
			want := map[string]string{}
			given := 1
			for _, f := range archive.Files[1:] {
				if lines, ok := strings.CutPrefix(f.Name, "edit "); ok {
					edits = append(edits, parseEdit(t, lines, invisible.Replace(string(f.Data))))
					given++
					continue
				}
				want[f.Name] = string(f.Data)
			}
			got := outcome(in.Name, in.Data, edits)
			if *update {
				archive.Files = archive.Files[:given]
				for _, section := range []string{"applied", "error", "out"} {
					if text, ok := got[section]; ok {
						archive.Files = append(archive.Files, txtar.File{Name: section, Data: []byte(text)})
					}
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func parseEdit(t *testing.T, lines, text string) Edit {
	t.Helper()
	search, replace, ok := strings.Cut("\n"+text, "\n=======\n")
	dash := strings.IndexByte(lines[1:], '-') + 1 // a number may be negative
	a, err1 := strconv.Atoi(lines[:dash])
	b, err2 := strconv.Atoi(lines[dash+1:])
	if !ok || err1 != nil || err2 != nil {
		t.Fatalf("bad edit section %q", lines)
	}
	return Edit{Search: strings.TrimPrefix(search, "\n"), FirstLine: a, LastLine: b, Replace: replace}
}

func outcome(path string, content []byte, edits []Edit) map[string]string {
	out, applied, err := Apply(path, content, edits)
	got := map[string]string{}
	var b strings.Builder
	for _, r := range applied {
		fmt.Fprintf(&b, "%d: %s\n", r.Edit+1, r)
	}
	if b.Len() > 0 {
		got["applied"] = b.String()
	}
	if err != nil {
		got["error"] = err.Error() + "\n"
	}
	if string(out) != string(content) {
		got["out"] = string(out)
	}
	for section, text := range got {
		if !strings.HasSuffix(text, "\n") {
			text += "\x03"
		}
		got[section] = visible.Replace(text)
	}
	return got
}

// How control characters are written in a case. End-of-text stands for a final newline that is not there.
var (
	visible   = strings.NewReplacer("\r", "␍", "\x00", "␀", "\uFEFF", "␂", "\x03", "␃\n", "\u00A0", "⍽")
	invisible = strings.NewReplacer("␍", "\r", "␀", "\x00", "␂", "\uFEFF", "␃\n", "", "⍽", "\u00A0")
)

func TestLineEndingsAreKept(t *testing.T) {
	tests := []struct{ name, content, search, replace, want string }{
		{"windows", "a\r\nb\r\nc\r\n", "b", "x\ny", "a\r\nx\r\ny\r\nc\r\n"},
		{"windows search", "a\nb\nc\n", "b\r\n", "x\r\ny\r\n", "a\nx\ny\nc\n"},
		{"mostly unix", "a\nb\r\nc\n", "b", "x", "a\nx\nc\n"},
		{"no final newline", "a\nb", "b", "x\ny\n", "a\nx\ny"},
		{"no final newline, windows", "a\r\nb", "b", "x", "a\r\nx"},
		{"last line deleted", "a\nb", "b", "", "a"},
		{"last line deleted, newline kept", "a\nb\n", "b\n", "", "a\n"},
		{"blank line written", "a\nb\nc\n", "b", "\n", "a\n\nc\n"},
		{"byte order mark", "\uFEFFa\nb\n", "a", "x", "\uFEFFx\nb\n"},
		{"lone carriage return is text", "a\rb\nc\n", "c", "x", "a\rb\nx\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := 1 + strings.Count(test.content[:strings.Index(test.content, strings.TrimSpace(test.search))], "\n")
			out, _, err := Apply("notes.txt", []byte(test.content), []Edit{{test.search, n, n, test.replace}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(out)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A blank line is found where it is said to be, and nowhere else: it says nothing by which to know it.
func TestBlankSearch(t *testing.T) {
	out, _, err := Apply("a.txt", []byte("a\n\nb\n"), []Edit{{"\n", 2, 2, "x\n"}})
	if err != nil || string(out) != "a\nx\nb\n" {
		t.Errorf("at its line: %q, %v", out, err)
	}
	out, _, err = Apply("a.txt", []byte("a\n\nb\n"), []Edit{{"\n", 3, 3, "x\n"}})
	if e, ok := err.(*Error); !ok || e.Failures[0].Reason != NotFound || string(out) != "a\n\nb\n" {
		t.Errorf("elsewhere: %q, %v", out, err)
	}
}

func TestContentOfFirstEdits(t *testing.T) {
	b := Plan("a.txt", []byte("1\n2\n3\n"), []Edit{{"3", 3, 3, "three"}, {"1", 1, 1, "one\nand a half"}, {"9", 2, 2, "nine"}})
	var got []string
	for n := range 4 {
		got = append(got, string(b.Content(n)))
	}
	want := []string{"1\n2\n3\n", "1\n2\nthree\n", "one\nand a half\n2\nthree\n", "one\nand a half\n2\nthree\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var failed []int
	for _, f := range b.Err().(*Error).Failures {
		failed = append(failed, f.Edit)
	}
	if diff := cmp.Diff([]int{2}, failed); diff != "" {
		t.Errorf("failures: %s", diff)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		path, content string
		broken        bool
	}{
		{"a.tsx", "export const A = () => <p>it's {1}</p>;", false},
		{"a.tsx", "export const A = () => <p>", true},
		{"a.ts", "const a = <string>b;", false},
		{"a.jsx", "const a = <b />", false},
		{"a.css", "@theme { --a: 1px } .b { @apply p-2; }", false},
		{"a.css", ".a { color: red", true},
		{"a.json", `{"a": 1}`, false},
		{"a.json", `{"a": 1,}`, true},
		{"a.sql", "selec", false},
	}
	for _, test := range tests {
		if p := Check(test.path, []byte(test.content)); (p != nil) != test.broken {
			t.Errorf("Check(%s, %s) = %v", test.path, test.content, p)
		}
	}
}

// BenchmarkApply changes one line of a file of 400.
func BenchmarkApply(b *testing.B) {
	var src strings.Builder
	for i := range 400 {
		fmt.Fprintf(&src, "export const value%d = %d;\n", i, i)
	}
	content := []byte(src.String())
	edits := []Edit{{"export const value200 = 200;", 201, 201, "export const value200 = 0;"}}
	for b.Loop() {
		if _, _, err := Apply("a.ts", content, edits); err != nil {
			b.Fatal(err)
		}
	}
}
