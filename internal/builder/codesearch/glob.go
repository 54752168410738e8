package codesearch

import (
	"regexp"
	"strings"

	"overskill/internal/fault"
)

// Glob matches paths of a tree.
//
//   - any characters but a slash
//     **      as a whole part: any number of parts, none included, so "src/**/*.tsx" matches "src/App.tsx"
//     ?       one character but a slash
//     [a-z]   one of these; [!a-z] none of these
//     {a,b}   either; may hold other wildcards
//     \x      the character x
//
// A glob without a slash, such as "*.tsx", matches names in every folder. One without wildcards also
// matches everything below the folder that it names, as does one that ends in a slash.
type Glob struct {
	re *regexp.Regexp
}

// Match reports whether the glob matches a slash-separated path.
func (g Glob) Match(path string) bool { return g.re.MatchString(path) }

// maxGlob bounds a glob in bytes. A nested {a,b} needs no bound of its own: it is translated, not expanded.
const maxGlob = 500

// ParseGlob returns the glob, or an Invalid fault that says what is wrong with it.
func ParseGlob(glob string) (Glob, error) {
	bad := func(why string) (Glob, error) {
		return Glob{}, fault.New(fault.Invalid, "%q is not a usable glob: %s.", glob, why)
	}
	pattern := strings.TrimPrefix(strings.TrimPrefix(glob, "./"), "/")
	switch {
	case pattern == "":
		return bad("it is empty")
	case len(glob) > maxGlob:
		return bad("it is too long")
	}
	below := ""
	if !strings.ContainsAny(pattern, `*?[{\`) {
		below = "(?:/.*)?"
	}
	if p, ok := strings.CutSuffix(pattern, "/"); ok {
		pattern, below = p, "/.*"
	} else if !strings.Contains(pattern, "/") {
		pattern = "**/" + pattern
	}
	body, why := translate(pattern)
	if why != "" {
		return bad(why)
	}
	re, err := regexp.Compile(`(?s)\A(?:` + body + `)` + below + `\z`)
	if err != nil {
		return bad(err.Error())
	}
	return Glob{re}, nil
}

// translate writes a glob as a regular expression, or says why it cannot.
func translate(glob string) (expr, why string) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(glob); i++ {
		c := glob[i]
		partStart := i == 0 || glob[i-1] == '/' || depth > 0 && (glob[i-1] == '{' || glob[i-1] == ',')
		switch {
		case partStart && strings.HasPrefix(glob[i:], "**/"):
			b.WriteString(`(?:[^/]+/)*`)
			i += 2
		case partStart && strings.HasPrefix(glob[i:], "**") && (i+2 == len(glob) || depth > 0 && strings.IndexByte(",}", glob[i+2]) >= 0):
			b.WriteString(`.+`)
			i++
		case c == '*':
			for i+1 < len(glob) && glob[i+1] == '*' { // inside a part, ** is *
				i++
			}
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			end := classEnd(glob, i)
			if end < 0 {
				return "", "a [ is not closed"
			}
			b.WriteString(class(glob[i+1 : end]))
			i = end
		case c == '{':
			depth++
			b.WriteString(`(?:`)
		case c == ',' && depth > 0:
			b.WriteString(`|`)
		case c == '}' && depth > 0:
			depth--
			b.WriteString(`)`)
		case c == '\\':
			if i++; i == len(glob) {
				return "", `it ends in a \`
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	if depth > 0 {
		return "", "a { is not closed"
	}
	return b.String(), ""
}

// classEnd finds the ] of the class that begins at glob[start]. A ] in first place stands for itself.
func classEnd(glob string, start int) int {
	i := start + 1
	if i < len(glob) && (glob[i] == '!' || glob[i] == '^') {
		i++
	}
	for first := i; i < len(glob); i++ {
		if glob[i] == ']' && i > first {
			return i
		}
	}
	return -1
}

// class writes the inside of [...] as a class of a regular expression that never matches a slash.
func class(inside string) string {
	negated := false
	if inside[0] == '!' || inside[0] == '^' {
		negated, inside = true, inside[1:]
	}
	inside = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `/`, ``).Replace(inside)
	switch {
	case inside == "":
		return `[^\x00-\x{10FFFF}]` // of nothing but a slash: nothing
	case negated:
		return `[^/` + inside + `]`
	}
	return `[` + inside + `]`
}

// globSet matches what any of its globs matches.
type globSet []Glob

func globs(patterns []string) (globSet, error) {
	var set globSet
	for _, p := range patterns {
		g, err := ParseGlob(p)
		if err != nil {
			return nil, err
		}
		set = append(set, g)
	}
	return set, nil
}

func (s globSet) match(path string) bool {
	for _, g := range s {
		if g.Match(path) {
			return true
		}
	}
	return false
}
