package edit

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	fence        = regexp.MustCompile("^\\s*(```+|~~~+)\\s*[\\w.+-]*\\s*$")
	numberedLine = regexp.MustCompile(`^\s*(\d+)\|`)
)

// Fenced reports whether a text that is to go into the file is wrapped in a Markdown code fence, as models wrap
// code that they show to people. The parser does not notice: "```tsx" and "```" around TypeScript are a template
// literal, so all the code between them would turn into one unused string.
func Fenced(name, text string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".mdx", ".txt":
		return false
	}
	lines := toLines(strings.Trim(text, "\r\n"))
	return len(lines) > 1 && fence.MatchString(lines[0]) && fence.MatchString(lines[len(lines)-1])
}

// lineNumbers reports whether every line begins with the number under which files are shown, "12| text".
// One line proves nothing, and neither do numbers that do not count up.
func lineNumbers(lines []string) bool {
	last := -1
	for _, l := range lines {
		m := numberedLine.FindStringSubmatch(l)
		if m == nil {
			return false
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || last >= 0 && n != last+1 {
			return false
		}
		last = n
	}
	return len(lines) > 1
}

// wrapped says what is around the replacement that does not belong into the file, or "".
func (f file) wrapped(search, replace []string) string {
	text := strings.Join(replace, "\n")
	switch {
	case Fenced(f.path, text) && !Fenced(f.path, strings.Join(search, "\n")):
		return "The replacement is wrapped in a Markdown fence, which would end up in the file. Write the bare lines."
	case lineNumbers(replace) && !slices.ContainsFunc(f.lines, numberedLine.MatchString):
		return "The replacement holds line numbers, which would end up in the file. Write the bare lines."
	case strings.IndexByte(text, 0) >= 0:
		return "The replacement holds a NUL character, which no text file has."
	}
	return ""
}
