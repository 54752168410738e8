// Package codesearch is SmartSearch: it finds the lines of an app's files that match a regular expression.
//
// Files are chosen by globs (see Glob), lines by Go's RE2 expressions, which take linear time whatever a
// model or a person writes. The answer is bounded, because a model pays for every line that it reads: it
// holds at most MaxResults matches with ContextLines lines around each, and says how many more there are.
package codesearch

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

// Bounds of a search.
const (
	MaxResults   = 100     // matching lines that are listed
	ContextLines = 2       // lines shown before and after a match
	MaxFileSize  = 1 << 20 // bytes; larger files are skipped, and said to be
	MaxPattern   = 1000    // bytes of an expression
)

// Query says what to look for, and where.
type Query struct {
	Pattern       string   // an RE2 regular expression, matched against each line
	Include       []string // globs; none means all files
	Exclude       []string // globs; they win over Include
	CaseSensitive bool     // the default finds "Button" by "button"
}

// Match is one matching line with its surroundings.
type Match struct {
	Path   string
	Line   int    // 1-based
	Text   string // the line, without its end
	Before []string
	After  []string
}

// Result is what a search found.
type Result struct {
	Matches  []Match  // in path order, lock files last; at most MaxResults
	Total    int      // matching lines in all
	Files    int      // files with a match
	Searched int      // files looked into
	Skipped  []string // files over MaxFileSize
}

// Search looks through the text files of tree. The error is an Invalid fault whose text explains what is
// wrong with the expression or the glob, and how to put it right.
func Search(tree filetree.Tree, q Query) (Result, error) {
	re, err := compile(q)
	if err != nil {
		return Result{}, err
	}
	include, err := globs(q.Include)
	if err != nil {
		return Result{}, err
	}
	exclude, err := globs(q.Exclude)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for _, p := range inOrder(tree.Paths()) {
		if len(include) > 0 && !include.match(p) || exclude.match(p) {
			continue
		}
		content, _ := tree.Get(p)
		switch {
		case len(content) > MaxFileSize:
			r.Skipped = append(r.Skipped, p)
		case filetree.IsText(content):
			r.Searched++
			r.file(re, p, content)
		}
	}
	return r, nil
}

// file adds the matches of one file.
func (r *Result) file(re *regexp.Regexp, path string, content []byte) {
	if !mayMatch(re, content) {
		return
	}
	lines := splitLines(content)
	found := false
	for i, line := range lines {
		if !re.MatchString(line) {
			continue
		}
		found = true
		if r.Total++; r.Total > MaxResults {
			continue
		}
		r.Matches = append(r.Matches, Match{
			Path: path, Line: i + 1, Text: line,
			Before: lines[max(0, i-ContextLines):i],
			After:  lines[i+1 : min(len(lines), i+1+ContextLines)],
		})
	}
	if found {
		r.Files++
	}
}

// mayMatch rules out most files without splitting them into lines. An expression that is anchored, or that
// matches across lines, can behave differently on the whole text, so only plain literals are asked.
func mayMatch(re *regexp.Regexp, content []byte) bool {
	literal, whole := re.LiteralPrefix()
	return !whole || bytes.Contains(content, []byte(literal))
}

func splitLines(content []byte) []string {
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		return nil
	}
	return lines
}

// inOrder moves lock files to the end: a search for a package's name should list the code first.
func inOrder(paths []string) []string {
	lock := func(p string) bool {
		return p == "package-lock.json" || strings.HasSuffix(p, "/package-lock.json") ||
			strings.HasSuffix(p, "yarn.lock") || strings.HasSuffix(p, "pnpm-lock.yaml")
	}
	var last []string
	for _, p := range paths {
		if lock(p) {
			last = append(last, p)
		}
	}
	return append(slices.DeleteFunc(paths, lock), last...)
}

// compile turns the query's expression into a program, or explains why that cannot be.
func compile(q Query) (*regexp.Regexp, error) {
	switch {
	case q.Pattern == "":
		return nil, fault.New(fault.Invalid, "The expression is empty. Write what to look for, such as useState\\(.")
	case len(q.Pattern) > MaxPattern:
		return nil, fault.New(fault.Invalid, "The expression has %d bytes; %d are allowed.", len(q.Pattern), MaxPattern)
	}
	flags := "(?i)"
	if q.CaseSensitive {
		flags = ""
	}
	re, err := regexp.Compile(flags + q.Pattern)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s", explain(q.Pattern, err))
	}
	return re, nil
}

// explain says what is wrong with an expression in words, and how to search for the text itself.
func explain(pattern string, err error) string {
	reason, part := err.Error(), ""
	if e, ok := err.(*syntax.Error); ok {
		reason, part = e.Code.String(), strings.TrimPrefix(e.Expr, "(?i)")
	}
	text := fmt.Sprintf("%q is not a regular expression: %s", pattern, reason)
	if part != "" && part != pattern {
		text += fmt.Sprintf(" at %q", part)
	}
	text += "."
	if strings.HasPrefix(part, "(?=") || strings.HasPrefix(part, "(?!") || strings.HasPrefix(part, "(?<") {
		text += " Looking ahead or behind, (?=, (?!, (?<= and (?<!, is not supported."
	} else if len(part) == 2 && part[0] == '\\' && part[1] >= '1' && part[1] <= '9' {
		text += " References to groups are not supported."
	}
	return text + fmt.Sprintf(" To find this very text, write %s", regexp.QuoteMeta(pattern))
}
