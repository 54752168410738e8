package codesearch

import (
	"fmt"
	"strings"
)

const (
	maxText = 40_000 // bytes of an answer
	maxLine = 300    // bytes of a line in an answer
)

// Text renders the result for a model to read: per file, the matching lines behind ">" and the lines
// around them, numbered as everywhere else. It is bounded, and says what it leaves out.
func (r Result) Text() string {
	var b strings.Builder
	if r.Total == 0 {
		if r.Searched == 0 {
			b.WriteString("No file was searched: the globs leave none.")
		} else {
			fmt.Fprintf(&b, "No line of the %d files searched matches.", r.Searched)
		}
		b.WriteString(r.skippedText())
		return b.String()
	}
	fmt.Fprintf(&b, "%s in %s.", count(r.Total, "matching line"), count(r.Files, "file"))
	b.WriteString(r.skippedText())
	b.WriteByte('\n')
	shown := r.writeMatches(&b)
	if shown < r.Total {
		fmt.Fprintf(&b, "\nOnly the first %d are listed. Narrow the expression or the globs to see the rest.", shown)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// writeMatches lists matches until the answer is full, and returns how many it listed.
func (r Result) writeMatches(b *strings.Builder) int {
	path, next := "", 0 // next: the first line of the file that is not written yet
	for i, m := range r.Matches {
		if b.Len() > maxText {
			return i
		}
		if m.Path != path {
			path, next = m.Path, 1
			fmt.Fprintf(b, "\n%s\n", path)
		}
		first := m.Line - len(m.Before)
		if first > next && next > 1 {
			b.WriteString("  ...\n")
		}
		for j, line := range m.Before {
			if first+j >= next {
				writeLine(b, ' ', first+j, line)
			}
		}
		writeLine(b, '>', m.Line, m.Text)
		next = m.Line + 1
		for _, line := range m.After { // up to the next match, which shows itself
			if i+1 < len(r.Matches) && r.Matches[i+1].Path == path && r.Matches[i+1].Line <= next {
				break
			}
			writeLine(b, ' ', next, line)
			next++
		}
	}
	return len(r.Matches)
}

func writeLine(b *strings.Builder, mark byte, n int, line string) {
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + " (cut)"
	}
	fmt.Fprintf(b, "%c %d| %s\n", mark, n, line)
}

func (r Result) skippedText() string {
	if len(r.Skipped) == 0 {
		return ""
	}
	return fmt.Sprintf(" Not searched, because larger than 1 MB: %s.", strings.Join(r.Skipped, ", "))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
