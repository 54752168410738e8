package vm

import (
	"bytes"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// Span is a run of code of one colour. Class is "" for plain code, else one of the classes that
// components.css colours: k keyword, s string, m number, f function, t type or tag, c comment.
type Span struct {
	Class string
	Text  string
}

// CodeLine is one line of a file.
type CodeLine struct {
	Spans   []Span
	Changed bool // added or changed in the version that is shown
}

// maxHighlight is the size in bytes above which a file is shown without colours: chroma's expressions take
// about 4 ms a kilobyte, and longer on a minified line.
const maxHighlight = 64 << 10

// languages names chroma's lexer for each ending that apps use. lexers.Match knows more of them, but tries
// hundreds of patterns for every file.
var languages = map[string]string{
	".ts": "TypeScript", ".tsx": "TypeScript", ".js": "JavaScript", ".jsx": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
	".css": "CSS", ".html": "HTML", ".svg": "XML", ".json": "JSON", ".md": "markdown", ".sql": "PostgreSQL SQL dialect",
	".toml": "TOML", ".yml": "YAML", ".yaml": "YAML", ".sh": "Bash",
}

// Binary reports whether content is no text: it holds a NUL or is no UTF-8.
func Binary(content []byte) bool {
	return bytes.IndexByte(content, 0) >= 0 || !utf8.Valid(content)
}

// Highlight colours a text file by its name. Lines whose 1-based number is in changed are marked.
func Highlight(name string, content []byte, changed map[int]bool) []CodeLine {
	text := strings.TrimSuffix(strings.ReplaceAll(string(content), "\r\n", "\n"), "\n")
	tokens := []chroma.Token{{Type: chroma.Text, Value: text}}
	if language := languages[ending(name)]; language != "" && len(content) <= maxHighlight {
		lexer := lexers.Get(language)
		if it, err := chroma.Coalesce(lexer).Tokenise(nil, text); err == nil {
			tokens = it.Tokens()
		}
	}
	lines := []CodeLine{{Changed: changed[1]}}
	for at, token := range tokens {
		class := classOf(token.Type)
		if token.Type == chroma.NameOther && at+1 < len(tokens) && strings.HasPrefix(tokens[at+1].Value, "(") {
			class = "f" // the TypeScript lexer does not tell a call from a variable
		}
		for i, part := range strings.Split(token.Value, "\n") {
			if i > 0 {
				lines = append(lines, CodeLine{Changed: changed[len(lines)+1]})
			}
			if part != "" {
				last := &lines[len(lines)-1]
				last.Spans = append(last.Spans, Span{Class: class, Text: part})
			}
		}
	}
	// A lexer may end the text with a newline of its own.
	if last := len(lines) - 1; last > 0 && len(lines[last].Spans) == 0 && last == strings.Count(text, "\n")+1 {
		lines = lines[:last]
	}
	return lines
}

func classOf(t chroma.TokenType) string {
	switch {
	case t.InCategory(chroma.Keyword):
		return "k"
	case t.InSubCategory(chroma.LiteralString):
		return "s"
	case t.InSubCategory(chroma.LiteralNumber):
		return "m"
	case t.InCategory(chroma.Comment):
		return "c"
	case t == chroma.NameFunction:
		return "f"
	case t == chroma.NameTag, t == chroma.NameClass, t == chroma.NameBuiltin, t == chroma.NameAttribute:
		return "t"
	}
	return ""
}

// ChangedLines lists the lines of the new file that a diff adds.
func ChangedLines(unified string) map[int]bool {
	changed := map[int]bool{}
	for _, line := range ParseDiff(unified) {
		if line.Kind == "a" {
			changed[line.Number] = true
		}
	}
	return changed
}

// Language names a file's language for people; "" when unknown.
func Language(file string) string {
	switch name := languages[ending(file)]; name {
	case "markdown":
		return "Markdown"
	case "PostgreSQL SQL dialect":
		return "SQL"
	default:
		return name
	}
}

func ending(name string) string { return strings.ToLower(path.Ext(name)) }
