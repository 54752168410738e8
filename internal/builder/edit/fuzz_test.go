package edit

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// FuzzApply holds every edit against the specification: what is accepted is what it says, what is refused changes
// nothing, lines that no edit covers stay byte for byte, and saying it twice gives the same answer.
func FuzzApply(f *testing.F) {
	f.Add("a\nb\nc\n", "b", 2, 2, "x", "c", 3, 3, "y")
	f.Add("a\r\n  b\r\nc", "b ", 2, 2, "x\n", "...", 1, 3, "")
	f.Add("f(\n  1,\n  2,\n);\n", "f(\n...\n);", 1, 4, "g();", "", 0, 0, "...")
	f.Add("\uFEFFa\n\nb\n", "a\n", 1, 2, "x\n", "b", 9, 9, "\n\n")
	f.Add("\ta\n\t\tb\n\ta\n", "a\n\tb", 1, 2, "c\n\n\td", "  a", 3, 3, "a")
	f.Add("a\n...\nb\na\nx\nb", "a\n...\nb", 4, 6, "z", "a\n...\nb", 2, 4, "")
	f.Add("a  \na\t\na", "a", 5, 5, "b", " a", 3, math.MaxInt, "b")
	f.Add("\n \n\n", "\n", 2, 2, "x", "\n\n", 1, 1, "y\r")
	f.Add("a\r\nb", "b\n", 2, 2, "x\ny\n", "a\r", 1, 1, "")
	f.Add("x\n  a\n    b\n", "    a\n      b", 1, 2, "    c\nd", "x", 1, 1, "1| x\n2| y")
	f.Fuzz(func(t *testing.T, content, s1 string, f1, l1 int, r1, s2 string, f2, l2 int, r2 string) {
		checkApply(t, content, []Edit{{s1, f1, l1, r1}, {s2, f2, l2, r2}})
	})
}

// FuzzApplyToLines does the same with files of few different lines, from which searches are copied with small
// mistakes: places are ambiguous, ranges overlap, and indentation is off far more often than by chance.
func FuzzApplyToLines(f *testing.F) {
	f.Add([]byte("\x05\x00\x01\x02\x03\x04\x02\x01\x01\x00\x01\x02"))
	f.Add([]byte("\x09\x00\x00\x01\x01\x06\x07\x08\x02\x03\x03\x03\x02\x05\x01\x09\x09\x00\x04\x04\x04"))
	f.Add([]byte("\x0b0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Fuzz(func(t *testing.T, data []byte) {
		content, edits := linesAndEdits(data)
		checkApply(t, content, edits)
	})
}

// choices turns the fuzzer's bytes into decisions; past their end every decision is the first.
type choices []byte

func (c *choices) next(n int) int {
	if len(*c) == 0 {
		return 0
	}
	b := int((*c)[0])
	*c = (*c)[1:]
	return b % n
}

// lines picks n of a few lines that are easily confused.
func (c *choices) lines(n int) (out []string) {
	words := []string{"a", "  a", "a ", "\ta", "b", "", "...", "  b", "{...a}", "    a", " ", "a\rb"}
	for range n {
		out = append(out, words[c.next(len(words))])
	}
	return out
}

// linesAndEdits makes a text and one to four edits of it.
func linesAndEdits(c choices) (content string, edits []Edit) {
	lines := c.lines(c.next(14))
	ends := []string{"\n", "\n", "\n", "\n", "\n", "\r\n"}
	if c.next(8) == 7 {
		content = "\uFEFF"
	}
	end := ends[c.next(len(ends))]
	for i, l := range lines {
		content += l
		if i < len(lines)-1 || c.next(5) != 4 {
			content += end
		}
		if c.next(12) == 11 {
			end = ends[c.next(len(ends))]
		}
	}
	tail := []string{"", "\n", "\r\n"}
	for range 1 + c.next(4) {
		first := c.next(len(lines) + 1)
		last := first + c.next(5)
		search := c.lines(c.next(3))
		if last <= len(lines) && c.next(4) != 3 {
			search = slices.Clone(lines[first:last])
		}
		for range c.next(3) {
			search = c.mistake(search)
		}
		edits = append(edits, Edit{
			Search:    strings.Join(search, "\n") + tail[c.next(3)],
			FirstLine: first + c.next(3), LastLine: last + c.next(3) - 1,
			Replace: strings.Join(c.lines(c.next(4)), "\n") + tail[c.next(3)],
		})
	}
	return content, edits
}

// mistake changes a quotation as models do.
func (c *choices) mistake(search []string) []string {
	if len(search) == 0 {
		return search
	}
	i := c.next(len(search))
	switch c.next(5) {
	case 0:
		search[i] = "..."
	case 1:
		search[i] += " "
	case 2:
		for j := range search {
			search[j] = "  " + search[j]
		}
	case 3:
		for j := range search {
			search[j] = strings.TrimPrefix(search[j], "  ")
		}
	case 4:
		search = slices.Delete(search, i, i+1)
	}
	return search
}

func checkApply(t *testing.T, content string, edits []Edit) {
	t.Helper()
	for _, e := range edits {
		if (file{}).wrapped(toLines(e.Search), toLines(e.Replace)) != "" {
			return // numbers, fences and NUL have cases of their own
		}
	}
	plan := Plan("notes.txt", []byte(content), edits)
	out, applied, err := Apply("notes.txt", []byte(content), edits)
	wantOut, wantMade := spec(content, edits)
	made := make([]bool, len(edits))
	for _, r := range applied {
		made[r.Edit] = true
	}
	if !slices.Equal(made, wantMade) {
		t.Fatalf("made %v, want %v: %q %+v: %v", made, wantMade, content, edits, err)
	}
	if string(out) != wantOut {
		t.Fatalf("%q %+v\n got %q\nwant %q", content, edits, out, wantOut)
	}
	for n := range len(edits) + 1 {
		want := content
		if slices.Contains(made[:n], true) {
			want = specText(content, edits, made, n)
		}
		if got := string(plan.Content(n)); got != want {
			t.Fatalf("Content(%d) of %q %+v\n got %q\nwant %q", n, content, edits, got, want)
		}
	}
	checkReport(t, content, string(out), len(edits), applied, err)
	again, appliedAgain, errAgain := Apply("notes.txt", []byte(content), edits)
	if string(again) != string(out) || !slices.Equal(applied, appliedAgain) || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
		t.Fatal("the same edits get another answer")
	}
}

// checkReport holds what is said about the edits against the bytes.
func checkReport(t *testing.T, content, out string, edits int, applied []Result, err error) {
	t.Helper()
	failures := 0
	if e, ok := err.(*Error); ok {
		failures = len(e.Failures)
		for _, f := range e.Failures {
			if f.Text == "" || f.Reason == "" {
				t.Fatalf("no explanation: %+v", f)
			}
		}
		if !slices.Equal(e.Applied, applied) {
			t.Fatal("the error tells of other edits")
		}
	}
	if len(applied)+failures != edits {
		t.Fatalf("%d applied and %d failed of %d", len(applied), failures, edits)
	}
	before, after := specLines(strings.TrimPrefix(content, "\uFEFF")), specLines(strings.TrimPrefix(out, "\uFEFF"))
	sorted := slices.SortedFunc(slices.Values(applied), func(a, b Result) int { return a.FirstLine - b.FirstLine })
	at, newAt := 0, 0 // the next lines to compare
	keep := func(until int) {
		for ; at < until; at, newAt = at+1, newAt+1 {
			last := at == len(before)-1 || newAt == len(after)-1 // its end follows the file's
			if newAt >= len(after) {
				if newAt == len(after) && before[at].text == "" { // a blank last line without an end is not to be seen
					continue
				}
				t.Fatalf("line %d is gone: %q -> %q", at+1, content, out)
			}
			if before[at].text != after[newAt].text || !last && before[at].end != after[newAt].end {
				t.Fatalf("line %d changed: %q -> %q", at+1, content, out)
			}
		}
	}
	for _, r := range sorted {
		if r.FirstLine < at+1 || r.LastLine < r.FirstLine || r.LastLine > len(before) || r.Removed != r.LastLine-r.FirstLine+1 {
			t.Fatalf("bad range %+v", r)
		}
		keep(r.FirstLine - 1)
		if r.NewFirstLine != newAt+1 || r.NewLastLine != newAt+r.Added {
			t.Fatalf("the new lines begin at %d: %+v", newAt+1, r)
		}
		at, newAt = r.LastLine, newAt+r.Added
	}
	keep(len(before))
}
