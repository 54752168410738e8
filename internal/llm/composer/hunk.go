package composer

import (
	"slices"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
)

// hunk is a run of lines to be replaced, with 1-based line numbers, both included.
type hunk struct {
	first, last     int
	search, replace string
}

// Bounds within which a change is written as line replacements.
const (
	maxHunks = 24
	gap      = 2  // unchanged lines between two hunks that are not worth a second edit
	maxEdits = 50 // that one call takes
)

// hunksOf returns the replacements that turn before into after. Every hunk holds at least one line of before that
// is not blank, since the tool finds its place by it; an insertion takes the line above it along.
func hunksOf(before, after string) []hunk {
	old := strings.SplitAfter(strings.TrimSuffix(before, "\n"), "\n")
	if n := len(old); n > 0 && !strings.HasSuffix(old[n-1], "\n") {
		old[n-1] += "\n"
	}
	type span struct {
		from, to int // lines of before, to excluded
		text     string
	}
	offset := make(map[int]int, len(old)+1) // byte offset -> line
	at := 0
	for i, l := range old {
		offset[at] = i
		at += len(l)
	}
	offset[at] = len(old)
	norm := strings.Join(old, "")
	goal := strings.TrimSuffix(after, "\n") + "\n"
	var spans []span
	for _, e := range udiff.Lines(norm, goal) {
		from, okFrom := offset[e.Start]
		to, okTo := offset[e.End]
		if !okFrom || !okTo { // cannot happen with whole lines; one hunk is always right
			return []hunk{{1, len(old), strings.TrimSuffix(norm, "\n"), strings.TrimSuffix(goal, "\n")}}
		}
		if n := len(spans); n > 0 && from-spans[n-1].to <= gap {
			last := &spans[n-1]
			last.text += strings.Join(old[last.to:from], "") + e.New
			last.to = to
			continue
		}
		spans = append(spans, span{from, to, e.New})
	}
	out := make([]hunk, 0, len(spans))
	for i := 0; i < len(spans); i++ {
		s := &spans[i]
		low := 0
		if i > 0 {
			low = spans[i-1].to
		}
		blank := func() bool { return strings.TrimSpace(strings.Join(old[s.from:s.to], "")) == "" }
		up := func() {
			s.from--
			s.text = old[s.from] + s.text
		}
		down := func() bool {
			switch {
			case i+1 < len(spans) && spans[i+1].from == s.to: // the next one begins there: they become one
				s.text += spans[i+1].text
				s.to = spans[i+1].to
				spans = slices.Delete(spans, i+1, i+2)
			case s.to < len(old):
				s.text += old[s.to]
				s.to++
			default:
				return false
			}
			return true
		}
		for s.from > low && blank() {
			up()
		}
		for blank() && down() {
		}
		if s.text == "\n" { // one blank line would read as a deletion: it takes a neighbour along
			if s.from > low {
				up()
			} else {
				down()
			}
		}
		out = append(out, hunk{
			first: s.from + 1, last: s.to,
			search:  strings.TrimSuffix(strings.Join(old[s.from:s.to], ""), "\n"),
			replace: strings.TrimSuffix(s.text, "\n"),
		})
	}
	return out
}

// editsOf writes hunks as os-line-replace takes them. The last line is left out where the search tells it; it does not
// if it ends in a blank line, or has a line that the tool would read as "lines are left out here".
func editsOf(hunks []hunk) []editInput {
	out := make([]editInput, len(hunks))
	for i, h := range hunks {
		out[i] = editInput{FirstLine: h.first, Search: h.search, Replace: h.replace}
		if strings.HasSuffix(h.search, "\n") || strings.Contains(h.search, "...") || h.last-h.first != strings.Count(h.search, "\n") {
			out[i].LastLine = h.last
		}
	}
	return out
}

// small reports whether replacing lines is shorter than writing the file anew.
func small(hunks []hunk, before, after string) bool {
	if len(hunks) == 0 || len(hunks) > maxHunks {
		return false
	}
	n := 0
	for _, h := range hunks {
		n += len(h.search) + len(h.replace) + 40
	}
	return n < len(after)*7/10 && strings.TrimSpace(before) != ""
}
