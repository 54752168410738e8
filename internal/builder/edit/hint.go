package edit

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// notFoundText explains a search that is nowhere: what is wrong with it, or what differs in the most similar place.
func (f file) notFoundText(search, replace []string, first, last int) string {
	text := fmt.Sprintf("The search is not at %s of %s, nor anywhere else in it.", span(first, last), f.path)
	ellipses := 0
	for _, l := range search {
		if ellipsisLine.MatchString(l) {
			ellipses++
		}
	}
	ways := patterns(search)
	switch at, there := f.standsAt(replace, search); {
	case !slices.ContainsFunc(search, func(l string) bool { return !numberedLine.MatchString(l) }):
		return text + " It holds line numbers, which are not part of the file. Quote the lines without them."
	case ways[0].blank():
		return text + " Blank lines look all alike, so they are found by their number only. Quote a line above or below as well."
	case len(ways) > 1:
		return text + f.ellipsisHint(ways[1], last-first+1)
	case ellipses > 1:
		return text + fmt.Sprintf(" It has %d lines \"...\", and one is understood. Make one edit of each part.", ellipses)
	case ellipses == 1:
		return text + " A \"...\" must have quoted lines before it and after it."
	case there:
		return text + fmt.Sprintf(" The replacement stands at %s already. If this edit was made before, do not send it again.",
			span(at, at+len(replace)-1))
	}
	if at, ok := f.holding(search); ok {
		return text + fmt.Sprintf(" A search quotes whole lines: line %d reads %s.", at+1, quote(f.lines[at]))
	}
	at, ok := f.closest(search)
	if !ok {
		return text + " Look at the file again before the next try."
	}
	text += fmt.Sprintf(" Did you mean %s?", span(at, at+len(search)-1))
	for i, line := range search {
		if real := f.lines[at+i]; trimEnd(line) != trimEnd(real) {
			text += fmt.Sprintf(" Line %d %s.", at+i+1, difference(real, line))
			break
		}
	}
	if at < first-around || at+len(search)-1 > last+around {
		text += "\n" + numbered(f.lines, at-around, at+len(search)-1+around)
	}
	return text
}

// standsAt finds the only place where the replacement can be read already. A lone bracket stands everywhere and
// says nothing, and what the search quotes itself stands there for another reason.
func (f file) standsAt(replace, search []string) (at int, ok bool) {
	if len(strings.Join(replace, "")) < 12 || len(file{lines: search}.places(replace)) > 0 {
		return 0, false
	}
	places := f.places(replace)
	if len(places) != 1 {
		return 0, false
	}
	return places[0], true
}

// holding finds the only line of which a search of one line is a part.
func (f file) holding(search []string) (at int, ok bool) {
	if len(search) != 1 || len(strings.TrimSpace(search[0])) < 4 {
		return 0, false
	}
	count := 0
	for i, l := range f.lines {
		if part := strings.TrimSpace(search[0]); strings.Contains(l, part) && strings.TrimSpace(l) != part {
			at, count = i, count+1
		}
	}
	return at, count == 1
}

// difference says how a line of the file and a line of the search differ, be it by what no one can see.
func difference(real, wrote string) string {
	real, wrote = trimEnd(real), trimEnd(wrote)
	bareReal, bareWrote := strings.TrimLeft(real, " \t"), strings.TrimLeft(wrote, " \t")
	if bareReal == bareWrote {
		return fmt.Sprintf("is indented by %s there, and by %s in the search",
			spaceWords(real[:len(real)-len(bareReal)]), spaceWords(wrote[:len(wrote)-len(bareWrote)]))
	}
	text := fmt.Sprintf("reads %s there, and %s in the search", quote(real), quote(wrote))
	a, b := []rune(bareReal), []rune(bareWrote)
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if a[i] >= utf8.RuneSelf || b[i] >= utf8.RuneSelf {
			text += fmt.Sprintf(" (character %d is %U there, %U in the search)", i+1, a[i], b[i])
		}
		break
	}
	return text
}

// spaceWords names an indentation.
func spaceWords(space string) string {
	tabs := strings.Count(space, "\t")
	word := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	switch spaces := len(space) - tabs; {
	case space == "":
		return "nothing"
	case tabs == 0:
		return word(spaces, "space")
	case spaces == 0:
		return word(tabs, "tab")
	default:
		return word(tabs, "tab") + " and " + word(spaces, "space")
	}
}

// ellipsisHint tells where the two ends of a search with an ellipsis are.
func (f file) ellipsisHint(p pattern, asked int) string {
	if asked <= len(p.head)+len(p.tail) {
		return " The range is too short for the \"...\" in the search: it must include the lines that are left out."
	}
	head, tail := f.places(p.head), f.places(p.tail)
	missing := func(where string, part []string) string {
		if len(f.placesOn(Indentation, part)) > 0 {
			return fmt.Sprintf(" What stands %s the \"...\" is indented differently in the file. Copy it exactly.", where)
		}
		return fmt.Sprintf(" What stands %s the \"...\" is not in the file. Copy it exactly.", where)
	}
	switch {
	case len(head) == 0:
		return missing("before", p.head)
	case len(tail) == 0:
		return missing("after", p.tail)
	case len(head) == 1 && len(tail) == 1 && head[0] < tail[0]:
		return fmt.Sprintf(" What you quote are lines %d to %d. If you mean those, give these numbers.", head[0]+1, tail[0]+len(p.tail))
	}
	return fmt.Sprintf(" What stands before the \"...\" is at %s, what stands after it at %s. Give the numbers of the whole range.",
		list(head), list(tail))
}

// places lists where lines stand in the file, trailing space aside.
func (f file) places(want []string) []int { return f.placesOn(TrailingSpace, want) }

func (f file) placesOn(rung Loosened, want []string) []int {
	var out []int
	for i := 0; i+len(want) <= len(f.lines); i++ {
		if _, ok := sameLines(want, f.lines[i:i+len(want)], rung); ok {
			out = append(out, i)
		}
	}
	return out
}
