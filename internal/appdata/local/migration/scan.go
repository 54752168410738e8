// Package migration reads the SQL of an app's migrations before Postgres does.
//
// It splits a file into statements, refuses what an app may not do with the line and a cure, and turns the shared
// names anon, authenticated and service_role in grants into the app's own roles. It is pure: the database enforces
// the same limits by roles and an event trigger, so this package is about good messages and about what roles
// cannot express, not the last line of defence.
package migration

import "strings"

// Statement is one SQL statement of a file.
type Statement struct {
	SQL    string // from its first token to its last, without the semicolon
	Line   int    // 1-based line of the first token in the file
	Tokens []Token
}

// Token is a word, number, string or symbol. Comments and white space are no tokens.
type Token struct {
	Text   string // a word folded to lower case, an identifier without its quotes, otherwise as written
	Kind   Kind
	Offset int // in bytes, in the statement's SQL
	Len    int // in bytes, quotes included
}

// Kind is the sort of a Token.
type Kind int

const (
	Word   Kind = iota // keyword or unquoted identifier
	Quoted             // "identifier"
	String             // 'literal' or $$literal$$
	Symbol             // anything else, one byte each
)

// Is reports whether t is the keyword or unquoted name word, which is in lower case.
func (t Token) Is(word string) bool { return t.Kind == Word && t.Text == word }

// Name reports whether t may be an identifier.
func (t Token) Name() bool { return t.Kind == Word || t.Kind == Quoted }

// LineAt returns the 1-based line in the file of a byte offset in the statement.
func (s Statement) LineAt(offset int) int {
	offset = max(0, min(offset, len(s.SQL)))
	return s.Line + strings.Count(s.SQL[:offset], "\n")
}

// Split cuts a file into statements at the semicolons that end one: not those in strings, comments, dollar quotes
// and the bodies of functions written as begin atomic ... end. An unclosed string or comment reaches to the end.
func Split(sql string) []Statement {
	var out []Statement
	var tokens []Token
	start, end := 0, 0
	flush := func() {
		if len(tokens) > 0 {
			for i := range tokens {
				tokens[i].Offset -= start
			}
			out = append(out, Statement{SQL: sql[start:end], Line: 1 + strings.Count(sql[:start], "\n"), Tokens: tokens})
		}
		tokens = nil
	}
	depth := 0 // of begin atomic and case, both of which end with "end"
	for i := 0; i < len(sql); {
		tok, n := scan(sql[i:])
		if n == 0 {
			break
		}
		if tok == nil {
			i += n
			continue
		}
		if tok.Text == ";" && tok.Kind == Symbol && depth == 0 {
			flush()
			i += n
			continue
		}
		switch {
		case tok.Is("atomic") && len(tokens) > 0 && tokens[len(tokens)-1].Is("begin"):
			depth = 1
		case depth > 0 && tok.Is("case"):
			depth++
		case depth > 0 && tok.Is("end"):
			depth--
		}
		tok.Offset, tok.Len = i, n
		if len(tokens) == 0 {
			start = i
		}
		tokens = append(tokens, *tok)
		i += n
		end = i
	}
	flush()
	return out
}

// scan reads what s begins with: its length, and a token unless that is white space or a comment.
func scan(s string) (*Token, int) {
	switch c := s[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		return nil, 1
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return nil, i + 1
		}
		return nil, len(s)
	case strings.HasPrefix(s, "/*"):
		return nil, comment(s)
	case c == '\'':
		n := quoted(s, '\'', false)
		return &Token{Text: s[:n], Kind: String}, n
	case (c == 'e' || c == 'E') && len(s) > 1 && s[1] == '\'':
		n := 1 + quoted(s[1:], '\'', true)
		return &Token{Text: s[:n], Kind: String}, n
	case c == '"':
		n := quoted(s, '"', false)
		return &Token{Text: strings.ReplaceAll(strings.Trim(s[:n], `"`), `""`, `"`), Kind: Quoted}, n
	case c == '$':
		if n := dollar(s); n > 0 {
			return &Token{Text: s[:n], Kind: String}, n
		}
	case wordStart(c):
		n := 1
		for n < len(s) && (wordStart(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '$') {
			n++
		}
		return &Token{Text: strings.ToLower(s[:n]), Kind: Word}, n
	}
	return &Token{Text: s[:1], Kind: Symbol}, 1
}

func wordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// comment returns the length of the block comment that s begins with; they nest.
func comment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// quoted returns the length of the quoted text that s begins with; a doubled quote is part of it.
func quoted(s string, quote byte, backslashes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslashes && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollar returns the length of the dollar quoted text that s begins with, or 0 when it is none, such as $1.
func dollar(s string) int {
	n := 1
	for n < len(s) && (wordStart(s[n]) || n > 1 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n >= len(s) || s[n] != '$' {
		return 0
	}
	tag := s[:n+1]
	if i := strings.Index(s[n+1:], tag); i >= 0 {
		return n + 1 + i + len(tag)
	}
	return len(s)
}
