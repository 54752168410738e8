package codesearch

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

// naiveSearch is what Search promises, in the plainest way: every line is shown to the expression.
func naiveSearch(re *regexp.Regexp, name, content string) (all []Match) {
	if content == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(content, "\r\n", "\n"), "\n"), "\n")
	for i, line := range lines {
		if re.MatchString(line) {
			all = append(all, Match{name, i + 1, line, lines[max(0, i-2):i], lines[i+1 : min(i+3, len(lines))]})
		}
	}
	return all
}

// FuzzSearch holds the search against the naive one, for any expression and text: the filter may not lose a line.
func FuzzSearch(f *testing.F) {
	f.Add("b+", "aaa\nbbb\r\nccc", true)
	f.Add("(?=x)", "x", false)
	f.Add("^$", "\n\n", false)
	f.Add("use(State|Effect)", "a\nuseState\n\nUSEEFFECT\n", false)
	f.Add("k", "\u212A\nK\nk", false)
	f.Add("[a-z]s{2,3}x", "aſſx\nassx\nasx", false)
	f.Add("(a|bc)+d{2}[0-9]x?", "bcdd1\nadd\nadd2x", true)
	f.Add("größe|(?i:É)t", "Größe\nét\nÉT", true)
	f.Add(`\bab\b.$`, "ab c\r\nab!", false)
	f.Add("(?s)a.b|\n", "a\nb", true)
	f.Add("a{0}b{1,}(c)(?:)d", "bcd", true)
	f.Add(`(?m)^x$|[^\x00-\x7f]y`, "x\néy", true)
	f.Fuzz(func(t *testing.T, pattern, content string, sensitive bool) {
		if !filetree.IsText([]byte(content)) {
			return
		}
		res, err := Search(newTree(t, map[string][]byte{"a.txt": []byte(content)}), Query{Pattern: pattern, CaseSensitive: sensitive})
		if err != nil {
			if fault.Text(err) == "" || !fault.Is(err, fault.Invalid) {
				t.Fatalf("no explanation: %v", err)
			}
			return
		}
		if !sensitive {
			pattern = "(?i)" + pattern
		}
		all := naiveSearch(regexp.MustCompile(pattern), "a.txt", content)
		if res.Total != len(all) || res.Files != min(1, len(all)) || res.Searched != 1 {
			t.Fatalf("%d lines in %d files, want %d: %q in %q", res.Total, res.Files, len(all), pattern, content)
		}
		if want := all[:min(len(all), MaxResults)]; !slices.EqualFunc(want, res.Matches, sameMatch) {
			t.Fatalf("%q in %q: %s", pattern, content, cmp.Diff(want, res.Matches))
		}
		if text := res.Text(); len(text) > maxText+5*maxLine {
			t.Fatalf("%d bytes", len(text))
		}
	})
}

func sameMatch(a, b Match) bool {
	return a.Path == b.Path && a.Line == b.Line && a.Text == b.Text && slices.Equal(a.Before, b.Before) && slices.Equal(a.After, b.After)
}

// expand writes a glob's braces out: "a{b,c}" is "ab" and "ac". Ok is false when there are too many.
func expand(glob string) (out []string, ok bool) {
	open, depth := -1, 0
	var commas []int
	for i := 0; i < len(glob); i++ {
		switch glob[i] {
		case '\\':
			i++
		case '[':
			if end := classEnd(glob, i); end >= 0 {
				i = end
			}
		case '{':
			if depth++; depth == 1 {
				open, commas = i, nil
			}
		case ',':
			if depth == 1 {
				commas = append(commas, i)
			}
		case '}':
			if depth == 0 {
				break
			}
			if depth--; depth > 0 {
				break
			}
			from := open + 1
			for _, to := range append(commas, i) {
				more, ok := expand(glob[:open] + glob[from:to] + glob[i+1:])
				if out = append(out, more...); !ok || len(out) > 200 {
					return nil, false
				}
				from = to + 1
			}
			return out, true
		}
	}
	return []string{glob}, true
}

// slowMatch matches part by part: ** tries every number of parts, and path.Match knows the rest.
func slowMatch(glob, name []string) bool {
	if len(glob) == 0 {
		return len(name) == 0
	}
	if glob[0] == "**" {
		if len(glob) == 1 {
			return len(name) > 0
		}
		for i := range len(name) + 1 {
			if slowMatch(glob[1:], name[i:]) {
				return true
			}
		}
		return false
	}
	if len(name) == 0 {
		return false
	}
	ok, err := path.Match(glob[0], name[0])
	return err == nil && ok && slowMatch(glob[1:], name[1:])
}

// FuzzGlob holds globs against the slow matcher where the two read a glob alike, and checks that all others are
// either refused with a reason or work.
func FuzzGlob(f *testing.F) {
	for _, g := range []string{"src/**/*.tsx", "{a,b}/[c]", "a**", `\{`, "**/**/x", "[]]", "*.{ts,tsx}", "src/**", "**/a/**/b", "s?c/*/b.t[r-t]x", "{src/**,a}/b.tsx", "src/", "src"} {
		f.Add(g, "src/a/b.tsx")
	}
	f.Add("**/a/**/b", "a/a/b/b")
	f.Add("{a,{b,c}*}/d", "bx/d")
	f.Fuzz(func(t *testing.T, glob, name string) {
		g, err := ParseGlob(glob)
		if err != nil {
			if fault.Text(err) == "" || !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", glob, err)
			}
			return
		}
		got := g.Match(name)
		if filetree.ValidatePath(name) != nil || strings.ContainsAny(glob, `\[`) || strings.Contains(glob, "//") {
			return // classes and escapes have cases of their own
		}
		pattern := strings.TrimPrefix(strings.TrimPrefix(glob, "./"), "/")
		if inside := regexp.MustCompile(`\{[^{}]*(\*\*|/)|(\*\*|/)[^{}]*\}`); inside.MatchString(pattern) || strings.HasPrefix(pattern, "/") {
			return // a brace that holds parts
		}
		if p, ok := strings.CutSuffix(pattern, "/"); ok {
			pattern = p + "/**"
		} else if !strings.Contains(pattern, "/") {
			pattern = "**/" + pattern
		}
		alternatives, ok := expand(pattern)
		if !ok {
			return
		}
		want := false
		for _, a := range alternatives {
			want = want || slowMatch(strings.Split(a, "/"), strings.Split(name, "/"))
			if !strings.ContainsAny(glob, "*?{") {
				want = want || slowMatch(append(strings.Split(a, "/"), "**"), strings.Split(name, "/"))
			}
		}
		if got != want {
			t.Fatalf("%q matches %q: %v, want %v (%s)", glob, name, got, want, g.re)
		}
	})
}
