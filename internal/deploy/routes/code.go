package routes

import (
	"regexp"
	"slices"
)

// code is a source text prepared for looking around in it. Both forms are as long as the source, so that a place in one
// is the same place in the other.
type code struct {
	text   []byte // without comments
	shapes []byte // also without what strings hold: every bracket in it is one of the code
}

// read blanks comments and strings. It is no parser: an apostrophe in the text of an element hides the rest of its
// line, and no more, because a string ends with its line.
func read(source []byte) code {
	c := code{text: slices.Clone(source), shapes: slices.Clone(source)}
	for i := 0; i < len(source); {
		end, comment := inert(source, i)
		if end == i {
			i++
			continue
		}
		for k := i; k < end; k++ {
			if source[k] == '\n' {
				continue
			}
			c.shapes[k] = ' '
			if comment {
				c.text[k] = ' '
			}
		}
		i = end
	}
	return c
}

// inert returns where the comment or string that begins at i ends; i when none begins there.
func inert(s []byte, i int) (end int, comment bool) {
	switch {
	case s[i] == '/' && i+1 < len(s) && s[i+1] == '/' && (i == 0 || s[i-1] != ':'): // https:// in the text of an element
		for end = i; end < len(s) && s[end] != '\n'; end++ {
		}
		return end, true
	case s[i] == '/' && i+1 < len(s) && s[i+1] == '*':
		for end = i + 2; end < len(s); end++ {
			if s[end] == '/' && s[end-1] == '*' && end > i+2 {
				return end + 1, true
			}
		}
		return end, true
	case s[i] == '\'' && i > 0 && isLetter(s[i-1]): // as in the text "it's"
		return i, false
	case s[i] == '"' || s[i] == '\'' || s[i] == '`':
		for end = i + 1; end < len(s); end++ {
			switch {
			case s[end] == '\\':
				end++
			case s[end] == s[i]:
				return end + 1, false
			case s[end] == '\n' && s[i] != '`':
				return end, false
			}
		}
		return min(end, len(s)), false
	}
	return i, false
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// renders are the properties by which an object with a path says what is shown there: those of react-router, TanStack
// Router and Vue's router, and the names that apps give their own.
var renders = regexp.MustCompile(`(?:^|[,{\s])(?:element|[cC]omponent|lazy|load|loadComponent|page|Page|view|screen|render|children|handle|errorElement|ErrorBoundary)\s*(?:[:,(]|$)`)

// isRouteObject reports whether the property at i belongs to an object that says what is shown at its path.
func (c code) isRouteObject(i int) bool {
	open := c.before(i, func(b byte) bool { return b == '{' })
	if open < 0 {
		return false
	}
	return renders.Match(c.own(c.shapes, open+1))
}

// own returns of one of the forms what an object whose bracket ends at i has itself, without what its values hold in
// brackets.
func (c code) own(form []byte, i int) []byte {
	var out []byte
	depth := 0
	for ; i < len(c.shapes); i++ {
		switch c.shapes[i] {
		case '{', '(', '[':
			if depth == 0 {
				out = append(out, c.shapes[i])
			}
			depth++
		case '}', ')', ']':
			if depth--; depth < 0 {
				return out
			}
		default:
			if depth == 0 {
				out = append(out, form[i])
			}
		}
	}
	return out
}

// tagName is the name of an element at its beginning.
var tagName = regexp.MustCompile(`^<([A-Za-z_$][\w$.]*)`)

// isRouteTag reports whether the attribute at i belongs to an element such as Route or PrivateRoute.
func (c code) isRouteTag(i int) bool {
	open := c.before(i, func(b byte) bool { return b == '<' })
	if open < 0 {
		return false
	}
	m := tagName.FindSubmatch(c.shapes[open:])
	return m != nil && len(m[1]) >= len("Route") && string(m[1][len(m[1])-len("Route"):]) == "Route"
}

// before returns the last place before i, outside of the brackets that are closed before i, that is wanted. It does not
// leave the brackets that i is in, nor the statement.
func (c code) before(i int, wanted func(byte) bool) int {
	depth := 0
	for i--; i >= 0; i-- {
		b := c.shapes[i]
		if depth == 0 && wanted(b) {
			return i
		}
		switch b {
		case '}', ')', ']':
			depth++
		case '{', '(', '[':
			if depth--; depth < 0 {
				return -1
			}
		case ';':
			if depth == 0 {
				return -1
			}
		}
	}
	return -1
}
