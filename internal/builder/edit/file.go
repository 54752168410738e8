package edit

import (
	"bytes"
	"strings"
)

const byteOrderMark = "\uFEFF"

// file is a text as lines that remember how they ended, so that what is not edited stays byte for byte.
type file struct {
	path     string
	original []byte
	bom      bool
	lines    []string // without their ends
	ends     []string // "\n", "\r\n", or "" for a last line that has none
	newline  string   // what new lines end in: what most line ends of the file are
}

func parseFile(path string, content []byte) file {
	f := file{path: path, original: content, newline: "\n"}
	text, bom := strings.CutPrefix(string(content), byteOrderMark)
	f.bom = bom
	for line := range strings.Lines(text) {
		end := ""
		if l, ok := strings.CutSuffix(line, "\n"); ok {
			line, end = l, "\n"
			if l, ok := strings.CutSuffix(line, "\r"); ok {
				line, end = l, "\r\n"
			}
		}
		f.lines = append(f.lines, line)
		f.ends = append(f.ends, end)
	}
	if crlf := bytes.Count(content, []byte("\r\n")); crlf*2 > bytes.Count(content, []byte("\n")) {
		f.newline = "\r\n"
	}
	return f
}

// with returns the file's bytes with these edits made. They are in order and do not overlap.
func (f file) with(edits []placed) []byte {
	if len(edits) == 0 {
		return f.original
	}
	var out bytes.Buffer
	if f.bom {
		out.WriteString(byteOrderMark)
	}
	next := 0 // the first line not yet written
	keep := func(until int) {
		for ; next < until; next++ {
			out.WriteString(f.lines[next])
			out.WriteString(f.ends[next])
		}
	}
	for _, e := range edits {
		keep(e.first)
		for _, line := range e.replace {
			out.WriteString(line)
			out.WriteString(f.newline)
		}
		next = e.last + 1
	}
	keep(len(f.lines))
	return f.keepFinalNewline(out.Bytes())
}

// keepFinalNewline makes the new content end the way the old one did, with a newline or without.
func (f file) keepFinalNewline(out []byte) []byte {
	had := f.ends[len(f.ends)-1] != ""
	has := bytes.HasSuffix(out, []byte("\n"))
	switch {
	case had && !has && len(out) > 0:
		return append(out, f.newline...)
	case !had && has:
		out = bytes.TrimSuffix(out, []byte("\n"))
		return bytes.TrimSuffix(out, []byte("\r"))
	}
	return out
}

// toLines splits what a model wrote. "" is no line; one final newline, carriage returns at line ends and a byte
// order mark do not count.
func toLines(text string) []string {
	if text = strings.TrimPrefix(text, byteOrderMark); text == "" {
		return nil
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if t, ok := strings.CutSuffix(text, "\n"); ok {
		text = t
	} else {
		text = strings.TrimSuffix(text, "\r")
	}
	return strings.Split(text, "\n")
}
