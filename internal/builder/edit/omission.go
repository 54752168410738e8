package edit

import (
	"path"
	"regexp"
	"strings"
)

// A model that is tired of writing leaves "// ... rest of the code" where the code was. Saved, that deletes
// a feature. The expressions below know such a comment by its words: with dots a few suffice; without dots
// the comment must be about nothing but code that is not there, for "{/* Other components */}" may well be
// the honest title of a section.
var (
	comment = regexp.MustCompile(`(?://+|/\*+|<!--|\{/\*+)\s*(.*?)\s*(?:\*+/\}?|-->)?\s*$`)
	hash    = regexp.MustCompile(`(?:^|\s)(?:#+|--)\s*(.*?)\s*$`)
	inBlock = regexp.MustCompile(`^\s*\*+\s+(.*?)\s*(?:\*+/)?\s*$`) // a line inside /* ... */
	bare    = regexp.MustCompile(`^\s*[\[(<]?\s*((?:\.\.\.|…)\s+\S.*\s(?:\.\.\.|…))\s*[\])>]?\s*$`)
	todo    = regexp.MustCompile(`^(?:todo|note)\b:?\s*`)
	dots    = regexp.MustCompile(`\.\.\.|…`)

	dotted = regexp.MustCompile(`\b(?:rest of|existing|remaining|remainder|unchanged|omitted|same as (?:before|above|original)|as before|` +
		`previous (?:code|content|implementation)|` +
		`other (?:code|imports?|components?|functions?|methods?|routes?|fields?|props|state|styles?|items?|cases)|` +
		`keep (?:the )?(?:rest|existing|other)|` +
		`(?:code|implementation|logic|imports|content) (?:here|goes here|continues|remains))\b`)

	undotted = regexp.MustCompile(`^(?:the )?(?:` +
		`rest of (?:the |your |this )?(?:\w+ )?` + noun + after + `*|` +
		`(?:existing|remaining|previous|unchanged) code` + after + `*|` +
		`(?:existing|remaining|previous|other) ` + noun + after + `+|` +
		`(?:add |put |insert )?your ` + noun + after + `+|` +
		noun + ` goes here|` +
		`(?:rest|everything else|all else)(?: \w+)? (?:stays|remains|is) (?:the same|unchanged|as before|as is)` +
		`)[.:!]?$`)

	// alone is said of code only where nothing else is on the line: "size: 1, // unchanged" is honest.
	alone = regexp.MustCompile(`^(?:unchanged|no changes?(?: here| needed)?|same as (?:before|above|original)|` +
		`(?:(?:the )?(?:code|rest|implementation) )?(?:is )?(?:omitted|truncated)(?: for brevity)?|snip(?:ped)?|` +
		`keep (?:the )?(?:rest|existing code|everything else)(?: (?:as is|as before|unchanged|the same))?|` +
		`(?:the )?rest (?:is |stays |remains )?(?:unchanged|as before|as is|the same|here))[.:!]?$`)
)

const (
	noun  = `(?:code|file|component|function|implementation|imports|content|logic|functions|methods|components|page|jsx|markup|styles|schema|script|template)`
	after = `(?: (?:goes here|here|above|below|unchanged|omitted|continues|(?:is|are) unchanged|(?:stays?|remains?) (?:the same|unchanged)|for brevity|omitted for brevity|as before|as is))`
)

// IsOmission reports whether a line of the file stands for code that was left out, such as
// "// ... existing code ..." or "{/* rest of the component */}".
func IsOmission(name, line string) bool {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".md", ".mdx", ".txt", ".svg": // prose may say what it likes
		return false
	}
	if _, code := loaders[ext]; code && ellipsisLine.MatchString(line) {
		return true // no language of these means anything by it, save inside a text
	}
	words, whole, ok := commentIn(ext, line)
	if !ok {
		return false
	}
	words = strings.ToLower(words)
	core := strings.Trim(dots.ReplaceAllString(words, " "), " -[]()*/\"'")
	core = todo.ReplaceAllString(core, "")
	if undotted.MatchString(core) || whole && alone.MatchString(core) {
		return true
	}
	return dots.MatchString(words) && len(core) <= 80 && (core == "" || dotted.MatchString(core))
}

// commentIn returns the words of the comment that a line holds, and whether it holds nothing else.
// A line that dots open and close is as good as a comment: "[... rest of the file ...]".
func commentIn(ext, line string) (words string, whole, ok bool) {
	// Most lines have no comment: spare them the expressions.
	if strings.Contains(line, "//") || strings.Contains(line, "/*") || strings.Contains(line, "<!--") {
		if m := comment.FindStringSubmatchIndex(line); m != nil {
			return line[m[2]:m[3]], strings.TrimSpace(line[:m[0]]) == "", true
		}
	}
	switch ext {
	case ".sql", ".sh", ".py", ".rb", ".yml", ".yaml", ".toml", ".env", ".graphql":
		if m := hash.FindStringSubmatchIndex(line); m != nil {
			return line[m[2]:m[3]], strings.TrimSpace(line[:m[0]]) == "", true
		}
	}
	if strings.Contains(line, "*") {
		if m := inBlock.FindStringSubmatch(line); m != nil {
			return m[1], true, true
		}
	}
	if strings.Contains(line, "...") || strings.Contains(line, "…") {
		if m := bare.FindStringSubmatch(line); m != nil {
			return m[1], true, true
		}
	}
	return "", false, false
}

// Omission is a line that stands for code that was left out.
type Omission struct {
	Line int    // 1-based
	Text string // the line, trimmed
}

// Omissions lists the lines of a file that stand for code that was left out.
func Omissions(name string, content []byte) []Omission {
	var out []Omission
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimRight(line, "\r\n"); IsOmission(name, line) {
			out = append(out, Omission{Line: n, Text: strings.TrimSpace(line)})
		}
	}
	return out
}

// NewOmission returns the first such line that new has and old had not; ok is false when there is none.
// What a file said before is not the doing of whoever edits it now.
func NewOmission(name string, old, new []byte) (o Omission, ok bool) {
	had := map[string]int{}
	for _, o := range Omissions(name, old) {
		had[o.Text]++
	}
	for _, o := range Omissions(name, new) {
		if had[o.Text]--; had[o.Text] < 0 {
			return o, true
		}
	}
	return Omission{}, false
}
