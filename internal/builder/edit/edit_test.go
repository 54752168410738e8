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
// ("applied") and the error ("error"). A missing section means: unchanged, nothing, none.
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
			var edits []Edit
			want := map[string]string{}
			given := 1
			for _, f := range archive.Files[1:] {
				if lines, ok := strings.CutPrefix(f.Name, "edit "); ok {
					edits = append(edits, parseEdit(t, lines, string(f.Data)))
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
	first, last, ok2 := strings.Cut(lines, "-")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(last)
	if !ok || !ok2 || err1 != nil || err2 != nil {
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
	return got
}

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

func TestIsOmission(t *testing.T) {
	tests := []struct {
		path, line string
		want       bool
	}{
		{"a.tsx", "  // ... existing code ...", true},
		{"a.tsx", "// rest of code", true},
		{"a.tsx", "// rest of the code", true},
		{"a.tsx", "      {/* ... rest of the component ... */}", true},
		{"a.tsx", "{/* rest of the component stays the same */}", true},
		{"a.tsx", "/* ... other imports */", true},
		{"a.tsx", "// … unchanged …", true},
		{"a.tsx", "// ...", true},
		{"a.tsx", "  ...", true},
		{"a.tsx", "// existing code", true},
		{"a.tsx", "// existing imports remain unchanged", true},
		{"a.tsx", "// Your code here", true},
		{"a.tsx", "// everything else stays the same", true},
		{"a.tsx", "return x; // ... remaining logic", true},
		{"a.html", "<!-- ... rest of the page ... -->", true},
		{"a.sql", "-- ... rest of the schema", true},
		{"a.css", "/* ... existing styles ... */", true},

		{"a.tsx", "  {...props}", false},
		{"a.tsx", "const a = [...rest, existing];", false},
		{"a.tsx", "// Keep the existing sort order when the list is filtered.", false},
		{"a.tsx", "{/* Other components */}", false},
		{"a.tsx", "// The rest of the row opens the customer", false},
		{"a.tsx", "// remaining seconds", false},
		{"a.tsx", `const url = "https://x.test/existing";`, false},
		{"a.tsx", "placeholder=\"Search existing customers...\"", false},
		{"a.tsx", "// Loading...", false},
		{"a.sql", "-- existing rows get the default", false},
		{"a.md", "... existing code ...", false},
		{"a.txt", "...", false},
	}
	for _, test := range tests {
		if got := IsOmission(test.path, test.line); got != test.want {
			t.Errorf("IsOmission(%q, %q) = %v", test.path, test.line, got)
		}
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

// FuzzApply checks what holds for every edit: it does not panic, an error without anything applied leaves the
// file as it was, lines that no edit covers stay, and the file ends as it did.
func FuzzApply(f *testing.F) {
	f.Add("a\nb\nc\n", "b", 2, 2, "x", "c", 3, 3, "y")
	f.Add("a\r\n  b\r\nc", "b ", 2, 2, "x\n", "...", 1, 3, "")
	f.Add("f(\n  1,\n  2,\n);\n", "f(\n...\n);", 1, 4, "g();", "", 0, 0, "...")
	f.Fuzz(func(t *testing.T, content, s1 string, f1, l1 int, r1, s2 string, f2, l2 int, r2 string) {
		edits := []Edit{{s1, f1, l1, r1}, {s2, f2, l2, r2}}
		out, applied, err := Apply("a.txt", []byte(content), edits)
		failures := 0
		if err != nil {
			failures = len(err.(*Error).Failures)
		}
		if len(applied)+failures != len(edits) {
			t.Fatalf("%d applied and %d failed of %d", len(applied), failures, len(edits))
		}
		if len(applied) == 0 {
			if string(out) != content {
				t.Fatalf("changed without an edit: %q -> %q", content, out)
			}
			return
		}
		if had, has := strings.HasSuffix(content, "\n"), strings.HasSuffix(string(out), "\n"); had && !has {
			t.Fatalf("lost the final newline: %q -> %q", content, out)
		}
		removed := map[int]bool{}
		for _, r := range applied {
			if r.FirstLine < 1 || r.LastLine < r.FirstLine {
				t.Fatalf("bad range %+v", r)
			}
			for l := r.FirstLine; l <= r.LastLine; l++ {
				if removed[l] {
					t.Fatalf("line %d replaced twice", l)
				}
				removed[l] = true
			}
		}
		n := 0
		rest := string(out)
		for line := range strings.Lines(content) {
			if n++; removed[n] {
				continue
			}
			line = strings.TrimRight(line, "\r\n")
			i := strings.Index(rest, line)
			if i < 0 {
				t.Fatalf("line %d %q is gone: %q -> %q", n, line, content, out)
			}
			rest = rest[i+len(line):]
		}
	})
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
