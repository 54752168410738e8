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
)

const (
	noun  = `(?:code|file|component|function|implementation|imports|content|logic|functions|methods|components|page)`
	after = `(?: (?:goes here|here|above|below|unchanged|omitted|continues|(?:is|are) unchanged|(?:stays?|remains?) (?:the same|unchanged)|for brevity|omitted for brevity|as before|as is))`
)

// IsOmission reports whether a line of the file stands for code that was left out, such as
// "// ... existing code ..." or "{/* rest of the component */}".
func IsOmission(name, line string) bool {
	re := comment
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".sql", ".sh", ".py", ".yml", ".yaml", ".toml", ".env":
		re = hash
	case ".md", ".txt", ".svg": // prose may say what it likes
		return false
	}
	if _, code := loaders[ext]; code && ellipsisLine.MatchString(line) {
		return true // no language of these means anything by it, save inside a text
	}
	if re == comment && !strings.Contains(line, "//") && !strings.Contains(line, "/*") && !strings.Contains(line, "<!--") {
		return false // most lines: spare them the expression
	}
	m := re.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	words := strings.ToLower(m[1])
	bare := strings.Trim(dots.ReplaceAllString(words, " "), " -[]()*/")
	if undotted.MatchString(bare) {
		return true
	}
	return dots.MatchString(words) && len(bare) <= 80 && (bare == "" || dotted.MatchString(bare))
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
