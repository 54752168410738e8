package edit

import (
	"regexp"
	"slices"
	"strings"
)

// ellipsisLine stands for the lines that a search leaves out. "{...props}" is not one.
var ellipsisLine = regexp.MustCompile(`^\s*\.\.\.\s*$`)

// match is where a search was found: lines first to last of the file, from 0.
type match struct {
	first, last int
	shift       int // how many lines below where it was expected; negative is above
	loosened    Loosened
	indent      indent
	final       bool // the final newline of the search is a blank line, and so is that of the replacement
}

// Loosened says what a match had to overlook.
type Loosened string

// The rungs of the ladder.
const (
	Exactly       Loosened = ""
	TrailingSpace Loosened = "trailing space"
	Indentation   Loosened = "indentation"
)

var ladder = []Loosened{Exactly, TrailingSpace, Indentation}

// pattern is a search: all its lines, or the lines before and after an ellipsis.
type pattern struct {
	head, tail []string
	ellipsis   bool
	final      bool // ends in the blank line that a final newline may stand for
}

// patterns returns the ways to read a search: as it stands, and with its one "..." line as an ellipsis.
// A text file may hold such a line, so the literal reading comes first.
func patterns(search []string) []pattern {
	all := []pattern{{head: search}}
	at, count := 0, 0
	for i, line := range search {
		if ellipsisLine.MatchString(line) {
			at, count = i, count+1
		}
	}
	if count == 1 && at > 0 && at < len(search)-1 {
		all = append(all, pattern{head: search[:at], tail: search[at+1:], ellipsis: true})
	}
	return all
}

// withFinal reads the search once more, with its final newline as a blank line. Whoever quotes "a" and the blank
// line below it joins them to "a\n", which is also how one line "a" is written: only the range tells which.
func withFinal(ways []pattern) []pattern {
	var out []pattern
	for _, p := range ways {
		p.final = true
		if p.ellipsis {
			p.tail = append(slices.Clip(p.tail), "")
		} else {
			p.head = append(slices.Clip(p.head), "")
		}
		out = append(out, p)
	}
	return out
}

// at tells whether the pattern matches lines[first:last+1] on a rung.
func (p pattern) at(lines []string, first, last int, rung Loosened) (indent, bool) {
	length := last - first + 1
	if first < 0 || last >= len(lines) {
		return indent{}, false
	}
	if !p.ellipsis {
		if length != len(p.head) {
			return indent{}, false
		}
		return sameLines(p.head, lines[first:last+1], rung)
	}
	if length <= len(p.head)+len(p.tail) { // something must be left out, or it is not an ellipsis
		return indent{}, false
	}
	real := slices.Concat(lines[first:first+len(p.head)], lines[last+1-len(p.tail):last+1])
	return sameLines(slices.Concat(p.head, p.tail), real, rung)
}

// span is how many lines a match covers; with an ellipsis only the asked range can tell.
func (p pattern) span(asked int) int {
	if p.ellipsis {
		return asked
	}
	return len(p.head)
}

// blank reports whether the pattern says nothing by which a place could be known.
func (p pattern) blank() bool {
	return !slices.ContainsFunc(slices.Concat(p.head, p.tail), func(s string) bool { return strings.TrimSpace(s) != "" })
}

// find climbs the ladder. It returns the match, or every place of the rung on which there were several.
func (f file) find(search []string, first, last int, newline bool) (m match, several []int, ok bool) {
	ways := patterns(search)
	here := ways
	if newline {
		here = append(slices.Clip(ways), withFinal(ways)...)
	}
	for _, rung := range ladder {
		for _, p := range here {
			if in, ok := p.at(f.lines, first, last, rung); ok {
				return match{first: first, last: last, loosened: rung, indent: in, final: p.final}, nil, true
			}
		}
	}
	for _, rung := range ladder {
		for _, p := range ways {
			if p.blank() {
				continue
			}
			var found []match
			span := p.span(last - first + 1)
			for i := 0; i+span <= len(f.lines); i++ {
				if in, ok := p.at(f.lines, i, i+span-1, rung); ok {
					found = append(found, match{first: i, last: i + span - 1, shift: i - first, loosened: rung, indent: in})
				}
			}
			if len(found) == 1 {
				return found[0], nil, true
			}
			for _, m := range found {
				several = append(several, m.first)
			}
			if several != nil {
				return match{}, several, false
			}
		}
	}
	return match{}, nil, false
}

// sameLines compares what a model wrote with what the file says.
func sameLines(wrote, real []string, rung Loosened) (indent, bool) {
	switch rung {
	case Exactly:
		return indent{}, slices.Equal(wrote, real)
	case TrailingSpace:
		return indent{}, slices.EqualFunc(wrote, real, func(a, b string) bool { return trimEnd(a) == trimEnd(b) })
	}
	return indentShift(wrote, real)
}

func trimEnd(s string) string { return strings.TrimRight(s, " \t") }

// indent is a shift over all lines: by so much the file is indented more, or less, than the model wrote.
type indent struct {
	add, cut string // at most one is set
}

// indentShift finds the one shift that makes every line of wrote equal to the line of real, blank lines aside.
func indentShift(wrote, real []string) (indent, bool) {
	var in indent
	seen := false
	for i, w := range wrote {
		w, r := trimEnd(w), trimEnd(real[i])
		if w == "" || r == "" {
			if w != r {
				return indent{}, false
			}
			continue
		}
		var this indent
		switch {
		case strings.HasSuffix(r, w) && isSpace(r[:len(r)-len(w)]):
			this.add = r[:len(r)-len(w)]
		case strings.HasSuffix(w, r) && isSpace(w[:len(w)-len(r)]):
			this.cut = w[:len(w)-len(r)]
		default:
			return indent{}, false
		}
		if seen && this != in {
			return indent{}, false
		}
		in, seen = this, true
	}
	return in, true
}

func isSpace(s string) bool { return strings.Trim(s, " \t") == "" }

// apply indents the replacement as the search was. It fails if a line has not enough space to take away.
func (in indent) apply(lines []string) ([]string, bool) {
	out := make([]string, len(lines))
	for i, line := range lines {
		if trimEnd(line) == "" {
			out[i] = line
			continue
		}
		rest, ok := strings.CutPrefix(line, in.cut)
		if !ok {
			return nil, false
		}
		out[i] = in.add + rest
	}
	return out, true
}

// place finds where an edit belongs and prepares its lines.
func (f file) place(e Edit) (placed, *Failure) {
	refuse := func(reason Reason, first, last int, format string, args ...any) (placed, *Failure) {
		fail := f.fail(0, reason, first, last, format, args...)
		return placed{}, &fail
	}
	search, replace := toLines(e.Search), toLines(e.Replace)
	first, last := e.FirstLine-1, e.LastLine-1
	switch {
	case len(f.lines) == 0:
		return refuse(BadEdit, -1, -1, "%s is empty. Write the whole file instead.", f.path)
	case len(search) == 0:
		return refuse(BadEdit, first, last, "The search is empty. Quote the lines to be replaced as they are.")
	case first < 0 || last < first:
		return refuse(BadEdit, -1, -1, "Lines %d to %d are no range: the first line of a file is 1, and the last line of the range is included.",
			e.FirstLine, e.LastLine)
	}
	if problem := f.wrapped(search, replace); problem != "" {
		return refuse(BadEdit, -1, -1, "%s", problem)
	}
	m, several, ok := f.find(search, first, last, strings.HasSuffix(e.Search, "\n"))
	if m.final && strings.HasSuffix(e.Replace, "\n") {
		replace = append(replace, "")
	}
	switch {
	case len(several) > 0:
		return refuse(Ambiguous, first, last, "The search is not at %s, and %d places read like it: lines %s. Give the right numbers, or more lines of context.",
			span(first, last), len(several), list(several))
	case !ok:
		return refuse(NotFound, first, last, "%s", f.notFoundText(search, replace, first, last))
	}
	lines, ok := m.indent.apply(replace)
	if !ok {
		return refuse(NotFound, m.first, m.last, "The search matches %s only with other indentation, and the replacement cannot be indented the same way. Copy the indentation of the file.",
			span(m.first, m.last))
	}
	if slices.Equal(lines, f.lines[m.first:m.last+1]) {
		return refuse(NoChange, m.first, m.last, "The replacement is what stands there already, so nothing was changed.")
	}
	return placed{match: m, asked: last - first + 1, replace: lines}, nil
}
