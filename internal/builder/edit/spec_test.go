package edit

import (
	"slices"
	"strings"
)

// The specification of an edit, written once more and in another manner: a text is a list of lines with their
// ends, every candidate place is tried with every reading of the search at every strictness, and the first
// strictness with a candidate decides. It is slow, explains nothing, and leaves out what needs a parser.

// specLine is a line and how it ended.
type specLine struct{ text, end string }

func specLines(text string) []specLine {
	var out []specLine
	for text != "" {
		i := strings.IndexByte(text, '\n')
		switch {
		case i < 0:
			return append(out, specLine{text, ""})
		case i > 0 && text[i-1] == '\r':
			out = append(out, specLine{text[:i-1], "\r\n"})
		default:
			out = append(out, specLine{text[:i], "\n"})
		}
		text = text[i+1:]
	}
	return out
}

// specWrote is what a model wrote, as lines, without or with its final newline as a blank line.
func specWrote(text string, blankEnd bool) []string {
	text = strings.TrimPrefix(text, "\uFEFF")
	var out []string
	lines := specLines(text)
	for i, l := range lines {
		if i == len(lines)-1 && l.end == "" {
			l.text = strings.TrimSuffix(l.text, "\r")
		}
		out = append(out, l.text)
	}
	if blankEnd {
		out = append(out, "")
	}
	return out
}

// specPrefix tells by what the file's line is indented more than the search's (a), or less (b).
func specPrefix(file, search string) (a, b string, ok bool) {
	strip := func(s string) (space, rest string) {
		rest = strings.TrimLeft(s, " \t")
		return s[:len(s)-len(rest)], rest
	}
	fs, fr := strip(strings.TrimRight(file, " \t"))
	ss, sr := strip(strings.TrimRight(search, " \t"))
	if fr != sr {
		return "", "", false
	}
	if strings.HasSuffix(fs, ss) {
		return fs[:len(fs)-len(ss)], "", true
	}
	if strings.HasSuffix(ss, fs) {
		return "", ss[:len(ss)-len(fs)], true
	}
	return "", "", false
}

// specSame compares stretches at strictness 0, 1 or 2, and returns the shift of the last.
func specSame(file []specLine, search []string, strict int) (add, cut string, ok bool) {
	if len(file) != len(search) {
		return "", "", false
	}
	first := true
	for i, l := range file {
		f, s := l.text, search[i]
		if strict > 0 {
			f, s = strings.TrimRight(f, " \t"), strings.TrimRight(s, " \t")
		}
		if strict < 2 {
			if f != s {
				return "", "", false
			}
			continue
		}
		if f == "" && s == "" {
			continue
		}
		a, b, fits := specPrefix(f, s)
		if f == "" || s == "" || !fits || !first && (a != add || b != cut) {
			return "", "", false
		}
		add, cut, first = a, b, false
	}
	return add, cut, strict < 2 || !first
}

// specReading is one way to read a search: dots < 0 reads it literally, else line dots is an ellipsis.
type specReading struct {
	lines    []string
	dots     int
	blankEnd bool
}

func specReadings(search string) []specReading {
	var out []specReading
	ends := []bool{false}
	if strings.HasSuffix(search, "\n") {
		ends = append(ends, true)
	}
	for _, blankEnd := range ends {
		lines := specWrote(search, blankEnd)
		out = append(out, specReading{lines, -1, blankEnd})
		var dots []int
		for i, l := range specWrote(search, false) {
			if strings.Trim(l, " \t\f\v\r") == "..." {
				dots = append(dots, i)
			}
		}
		if len(dots) == 1 && dots[0] > 0 && dots[0] < len(specWrote(search, false))-1 {
			out = append(out, specReading{lines, dots[0], blankEnd})
		}
	}
	return out
}

// fits tells whether a reading matches file[from:to] at a strictness.
func (r specReading) fits(file []specLine, from, to, strict int) (add, cut string, ok bool) {
	if from < 0 || to > len(file) || from >= to {
		return "", "", false
	}
	part := file[from:to]
	if r.dots < 0 {
		return specSame(part, r.lines, strict)
	}
	head, tail := r.dots, len(r.lines)-r.dots-1
	if len(part) < head+tail+1 {
		return "", "", false
	}
	ends := append(slices.Clone(part[:head]), part[len(part)-tail:]...)
	quoted := append(slices.Clone(r.lines[:head]), r.lines[r.dots+1:]...)
	return specSame(ends, quoted, strict)
}

// specPlace is where an edit goes and what its lines become; ok is false when it must be refused.
func specPlace(file []specLine, e Edit) (from, to int, with []string, ok bool) {
	if len(file) == 0 || len(specWrote(e.Search, false)) == 0 || e.FirstLine < 1 || e.LastLine < e.FirstLine {
		return
	}
	type place struct {
		from, to int
		add, cut string
		blankEnd bool
	}
	var found []place
	asked := e.LastLine - e.FirstLine + 1
	for strict := 0; strict < 3 && found == nil; strict++ {
		for _, r := range specReadings(e.Search) {
			if e.LastLine > len(file) || found != nil {
				continue
			}
			if a, c, fits := r.fits(file, e.FirstLine-1, e.LastLine, strict); fits {
				found = []place{{e.FirstLine - 1, e.LastLine, a, c, r.blankEnd}}
			}
		}
	}
	for strict := 0; strict < 3 && found == nil; strict++ {
		for _, r := range specReadings(e.Search) {
			known := slices.ContainsFunc(r.lines, func(s string) bool {
				return strings.TrimSpace(s) != "" && (r.dots < 0 || strings.TrimSpace(s) != "..." || s != r.lines[r.dots])
			})
			if r.blankEnd || !known || found != nil {
				continue
			}
			length := len(r.lines)
			if r.dots >= 0 {
				length = asked
			}
			for i := 0; length <= len(file) && i <= len(file)-length; i++ {
				if a, c, fits := r.fits(file, i, i+length, strict); fits {
					found = append(found, place{i, i + length, a, c, false})
				}
			}
		}
	}
	if len(found) != 1 {
		return
	}
	p := found[0]
	same := true
	lines := specWrote(e.Replace, p.blankEnd && strings.HasSuffix(e.Replace, "\n"))
	for i, l := range lines {
		if strings.Trim(l, " \t") != "" {
			if !strings.HasPrefix(l, p.cut) {
				return
			}
			l = p.add + l[len(p.cut):]
		}
		with = append(with, l)
		same = same && p.from+i < p.to && file[p.from+i].text == l
	}
	if same && len(with) == p.to-p.from {
		return
	}
	return p.from, p.to, with, true
}

// spec is the whole batch on a file without a parser: the result, and which edits are made.
func spec(content string, edits []Edit) (out string, made []bool) {
	file := specLines(strings.TrimPrefix(content, "\uFEFF"))
	made = make([]bool, len(edits))
	taken := make([]bool, len(file))
	for i, e := range edits {
		from, to, _, ok := specPlace(file, e)
		if made[i] = ok && !slices.Contains(taken[from:to], true); made[i] {
			for l := from; l < to; l++ {
				taken[l] = true
			}
		}
	}
	out = specText(content, edits, made, len(edits))
	if strings.TrimSpace(strings.TrimPrefix(out, "\uFEFF")) == "" {
		return content, make([]bool, len(edits))
	}
	return out, made
}

// specText is the text with those of the first n edits that are made.
func specText(content string, edits []Edit, made []bool, n int) string {
	if !slices.Contains(made[:n], true) {
		return content
	}
	body, bom := strings.CutPrefix(content, "\uFEFF")
	file := specLines(body)
	windows, ends := 0, 0
	for _, l := range file {
		if l.end != "" {
			ends++
		}
		if l.end == "\r\n" {
			windows++
		}
	}
	newline := "\n"
	if windows*2 > ends {
		newline = "\r\n"
	}
	owner := make([]int, len(file)) // by line: the edit that replaces it, plus one
	lines := make([][]string, len(edits))
	for i, e := range edits[:n] {
		if !made[i] {
			continue
		}
		from, to, with, _ := specPlace(file, e)
		lines[i] = with
		for l := from; l < to; l++ {
			owner[l] = i + 1
		}
	}
	var b strings.Builder
	if bom {
		b.WriteString("\uFEFF")
	}
	for i, l := range file {
		switch o := owner[i]; {
		case o == 0:
			b.WriteString(l.text + l.end)
		case i == 0 || owner[i-1] != o:
			for _, w := range lines[o-1] {
				b.WriteString(w + newline)
			}
		}
	}
	out := b.String()
	if file[len(file)-1].end == "" { // it ended without a newline
		if cut, ok := strings.CutSuffix(out, "\n"); ok {
			return strings.TrimSuffix(cut, "\r")
		}
	}
	return out
}
