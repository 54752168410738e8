package query

import "strings"

// split cuts s at each sep that stands outside of quotes, parentheses and braces. A backslash inside quotes
// escapes the next byte. An empty s gives no parts.
func split(s string, sep byte) []string {
	if s == "" {
		return nil
	}
	var parts []string
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '{':
			depth++
		case c == ')' || c == '}':
			depth--
		case c == sep && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// index returns where sub first stands outside of quotes in s, or -1.
func index(s, sub string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], sub):
			return i
		}
	}
	return -1
}

// unquote takes the double quotes off a name or value, if it wears them.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parens returns what stands between the parentheses that enclose all of s.
func parens(s string) (string, bool) {
	if len(s) < 2 || s[0] != '(' || s[len(s)-1] != ')' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// list reads the comma separated values of an in (...) or any {...} list.
func list(s string) []string {
	parts := split(s, ',')
	for i, p := range parts {
		parts[i] = unquote(p)
	}
	return parts
}

// arrayLiteral writes values as the text form of a Postgres array. Each value is quoted, so that the word
// null stays a word.
func arrayLiteral(values []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
