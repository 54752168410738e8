package gate

import (
	"slices"
	"strings"
)

// token is a word, a text, a number or a sign of SQL. Comments are none.
type token struct {
	kind tokenKind
	text string // of words in lower case, of the others without their quotes
	line int
}

type tokenKind byte

const (
	word   tokenKind = 'w' // unquoted: names, keywords, numbers
	quoted tokenKind = 'q' // a name in double quotes
	text   tokenKind = 's' // in single quotes, or between dollar signs
	sign   tokenKind = 'p' // one character
)

// lexer reads SQL as Postgres does (sections 4.1.1 to 4.1.5 of its manual). What is not closed reaches to the end.
type lexer struct {
	src  string
	pos  int
	line int
}

// statements splits SQL into statements, without their semicolons. Those inside of a function's begin atomic ... end
// belong to the function.
func statements(src string, line int) (out [][]token) {
	l := lexer{src: src, line: line}
	var now []token
	atomic := 0
	for {
		t, ok := l.next()
		if !ok {
			break
		}
		switch {
		case atomic > 0 && (t.is("begin") || t.is("case")):
			atomic++
		case atomic > 0 && t.is("end"):
			atomic--
		case t.is("atomic") && len(now) > 0 && now[len(now)-1].is("begin"):
			atomic = 1
		}
		if atomic == 0 && t.kind == sign && t.text == ";" {
			if len(now) > 0 {
				out = append(out, now)
			}
			now = nil
			continue
		}
		now = append(now, t)
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

func (t token) is(w string) bool { return t.kind == word && t.text == w }

// name reports whether the token can name something.
func (t token) name() bool { return t.kind == word || t.kind == quoted }

// next returns the next token.
func (l *lexer) next() (token, bool) {
	l.skip()
	if l.pos >= len(l.src) {
		return token{}, false
	}
	t := token{line: l.line}
	begin := l.pos
	rest := l.src[begin:]
	switch c := rest[0]; {
	case c == '\'':
		t.kind, t.text = text, l.quote('\'', false)
	case c == '"':
		t.kind, t.text = quoted, l.quote('"', false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		l.pos++
		t.kind, t.text = text, l.quote('\'', true)
	case strings.IndexByte("bBxXnN", c) >= 0 && strings.HasPrefix(rest[1:], "'"):
		l.pos++
		t.kind, t.text = text, l.quote('\'', false)
	case c == '$' && dollarTag(rest) != "":
		t.kind, t.text = text, l.dollar(dollarTag(rest))
	case nameByte(c):
		for l.pos < len(l.src) && (nameByte(l.src[l.pos]) || l.src[l.pos] == '$') {
			l.pos++
		}
		t.kind, t.text = word, strings.ToLower(l.src[begin:l.pos])
	default:
		l.pos++
		t.kind, t.text = sign, rest[:1]
	}
	l.line += strings.Count(l.src[begin:l.pos], "\n")
	return t, true
}

// nameByte reports whether a byte can be part of a name. The braces are those of {{APP_ID}}, which stands for a number.
func nameByte(c byte) bool { return wordByte(c) || c >= 0x80 || c == '{' || c == '}' }

// skip passes over blanks and comments, which nest when they are between /* and */.
func (l *lexer) skip() {
	begin := l.pos
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				l.pos += end
			} else {
				l.pos = len(l.src)
			}
		case strings.HasPrefix(rest, "/*"):
			l.comment()
		default:
			l.line += strings.Count(l.src[begin:l.pos], "\n")
			return
		}
	}
	l.line += strings.Count(l.src[begin:l.pos], "\n")
}

func (l *lexer) comment() {
	for depth := 0; l.pos < len(l.src); {
		switch rest := l.src[l.pos:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return
			}
		default:
			l.pos++
		}
	}
}

// quote reads to the closing quote; a doubled one stands for itself.
func (l *lexer) quote(q byte, escapes bool) string {
	l.pos++
	var out strings.Builder
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		l.pos++
		switch {
		case escapes && c == '\\' && l.pos < len(l.src):
			out.WriteByte(l.src[l.pos])
			l.pos++
			continue
		case c == q && l.pos < len(l.src) && l.src[l.pos] == q:
			l.pos++
		case c == q:
			return out.String()
		}
		out.WriteByte(c)
	}
	return out.String()
}

// dollarTag returns the tag with which a text between dollar signs begins, such as $$ or $body$; or "".
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case i == 1 && c >= '0' && c <= '9' || !wordByte(c) && c < 0x80:
			return ""
		}
	}
	return ""
}

func (l *lexer) dollar(tag string) string {
	l.pos += len(tag)
	body := l.src[l.pos:]
	if end := strings.Index(body, tag); end >= 0 {
		body = body[:end]
		l.pos += len(tag)
	}
	l.pos += len(body)
	return body
}

// cursor reads the tokens of a statement.
type cursor struct {
	tokens []token
	at     int
}

func (c *cursor) peek() token {
	if c.at < len(c.tokens) {
		return c.tokens[c.at]
	}
	return token{}
}

// take passes over words when all of them come next, in this order.
func (c *cursor) take(words ...string) bool {
	for i, w := range words {
		if c.at+i >= len(c.tokens) || !c.tokens[c.at+i].is(w) {
			return false
		}
	}
	c.at += len(words)
	return true
}

// any passes over each of the words that comes next, in any order.
func (c *cursor) any(words ...string) {
	for c.at < len(c.tokens) && c.tokens[c.at].kind == word && slices.Contains(words, c.tokens[c.at].text) {
		c.at++
	}
}

// sign passes over a sign when it comes next.
func (c *cursor) sign(s string) bool {
	if t := c.peek(); t.kind == sign && t.text == s {
		c.at++
		return true
	}
	return false
}

// name reads the name of something with its schema, which is public when none is written.
func (c *cursor) name() (schema, name string) {
	if !c.peek().name() {
		return "", ""
	}
	schema, name = "public", c.peek().text
	c.at++
	for c.at+1 < len(c.tokens) && c.tokens[c.at].text == "." && c.tokens[c.at].kind == sign && c.tokens[c.at+1].name() {
		schema, name = name, c.tokens[c.at+1].text
		c.at += 2
	}
	return schema, name
}

// parens reads what stands between a parenthesis that comes next and the one that closes it.
func (c *cursor) parens() []token {
	if !c.sign("(") {
		return nil
	}
	begin := c.at
	for depth := 1; c.at < len(c.tokens); c.at++ {
		if t := c.tokens[c.at]; t.kind == sign {
			switch t.text {
			case "(":
				depth++
			case ")":
				depth--
			}
			if depth == 0 {
				c.at++
				return c.tokens[begin : c.at-1]
			}
		}
	}
	return c.tokens[begin:]
}

// seek moves behind the first place where the words stand, and reports whether there is one.
func (c *cursor) seek(words ...string) bool {
	for ; c.at < len(c.tokens); c.at++ {
		if c.take(words...) {
			return true
		}
	}
	return false
}
