package edit

import (
	"bytes"
	"slices"
	"strings"
)

// breakage is what is wrong with the file that some edits would make.
type breakage struct {
	reason Reason
	text   func(edits int) string // told to so many edits
}

// breakage judges the file that these edits would make, or returns nil.
func (f file) breakage(edits []placed) *breakage {
	out := f.with(edits)
	if strings.TrimSpace(strings.TrimPrefix(string(out), byteOrderMark)) == "" {
		return &breakage{Blank, func(int) string {
			return "Nothing would be left of " + f.path + ". If that is meant, delete the file."
		}}
	}
	if o, ok := NewOmission(f.path, f.original, out); ok {
		return &breakage{Omitted, func(int) string {
			return "The replacement leaves code out (" + quote(o.Text) +
				"). Write every line in full; lines that stay as they are do not belong into the edit."
		}}
	}
	if p := brokenBy(f.path, f.original, out); p != nil {
		return &breakage{Syntax, func(edits int) string { return syntaxText(f.path, p, out, edits) }}
	}
	return nil
}

// guilty finds the edits to blame for a breakage. Two halves of one change, such as an opening and a closing tag,
// each break the file alone and are right together; so the first question is without which one all would be well, and
// only the second which edits are broken by themselves. If the others cannot stand either, all are guilty.
func (f file) guilty(edits []placed, reason Reason) []placed {
	var found []placed
	blame := func(is func(p placed) bool) bool {
		found = nil
		for _, p := range edits {
			if is(p) {
				found = append(found, p)
			}
		}
		return len(found) > 0
	}
	switch {
	case len(edits) == 1 || reason == Blank:
		return slices.Clone(edits)
	case reason == Omitted:
		if blame(f.omits) {
			return found
		}
	case reason == Syntax:
		rest := func() bool { return f.breakage(without(edits, found)) == nil } // do the others stand?
		if blame(func(p placed) bool { return f.breakage(without(edits, []placed{p})) == nil }) && rest() {
			return found
		}
		if blame(func(p placed) bool { return f.breakage([]placed{p}) != nil }) && rest() {
			return found
		}
	}
	return slices.Clone(edits)
}

// omits reports whether an edit by itself puts "rest of code" where code was.
func (f file) omits(p placed) bool {
	_, found := NewOmission(f.path, joinLines(f.lines[p.first:p.last+1]), joinLines(p.replace))
	return found
}

func joinLines(lines []string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// without returns the edits that are not among gone, in order.
func without(edits, gone []placed) []placed {
	var out []placed
	for _, p := range edits {
		if !slices.ContainsFunc(gone, func(g placed) bool { return g.edit == p.edit }) {
			out = append(out, p)
		}
	}
	return out
}
