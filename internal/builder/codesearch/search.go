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
	"unicode/utf8"

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
	find, err := compile(q)
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
		case isText(content):
			r.Searched++
			r.file(find, p, content)
		}
	}
	return r, nil
}

// isText is filetree.IsText, at the speed that thousands of files ask for.
func isText(content []byte) bool { return bytes.IndexByte(content, 0) < 0 && utf8.Valid(content) }

// finder is an expression with the filter that spares it most lines.
type finder struct {
	re     *regexp.Regexp
	filter *filter // nil: every line is a candidate
}

// file adds the matches of one file.
func (r *Result) file(find finder, path string, content []byte) {
	filter := find.filter
	if filter != nil && blindTo(content) {
		filter = nil
	}
	found := false
	for at, line := 0, 1; at < len(content); line++ {
		start := at
		if filter != nil {
			if start = filter.next(content, at); start < 0 {
				break
			}
		}
		line += bytes.Count(content[at:start], newline)
		text, end := lineAt(content, start)
		at = end
		if !find.re.Match(text) {
			continue
		}
		found = true
		if r.Total++; r.Total > MaxResults {
			continue
		}
		r.Matches = append(r.Matches, Match{
			Path: path, Line: line, Text: string(text), Before: linesBefore(content, start), After: linesAfter(content, end),
		})
	}
	if found {
		r.Files++
	}
}

var newline = []byte("\n")

// lineAt returns the line that begins at start, without its end, and where the next one begins.
func lineAt(content []byte, start int) (text []byte, next int) {
	length := bytes.IndexByte(content[start:], '\n')
	if length < 0 {
		return content[start:], len(content)
	}
	return bytes.TrimSuffix(content[start:start+length], []byte("\r")), start + length + 1
}

// linesBefore returns up to ContextLines lines above the one that begins at start.
func linesBefore(content []byte, start int) []string {
	var out []string
	for start > 0 && len(out) < ContextLines {
		start = bytes.LastIndexByte(content[:start-1], '\n') + 1
		text, _ := lineAt(content, start)
		out = append(out, string(text))
	}
	slices.Reverse(out)
	return out
}

// linesAfter returns up to ContextLines lines from next on.
func linesAfter(content []byte, next int) []string {
	var out []string
	for next < len(content) && len(out) < ContextLines {
		var text []byte
		text, next = lineAt(content, next)
		out = append(out, string(text))
	}
	return out
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
func compile(q Query) (finder, error) {
	switch {
	case q.Pattern == "":
		return finder{}, fault.New(fault.Invalid, "The expression is empty. Write what to look for, such as useState\\(.")
	case len(q.Pattern) > MaxPattern:
		return finder{}, fault.New(fault.Invalid, "The expression has %d bytes; %d are allowed.", len(q.Pattern), MaxPattern)
	}
	flags := "(?i)"
	if q.CaseSensitive {
		flags = ""
	}
	re, err := regexp.Compile(flags + q.Pattern)
	if err != nil {
		return finder{}, fault.Wrap(err, fault.Invalid, "%s", explain(q.Pattern, err))
	}
	return finder{re, newFilter(flags + q.Pattern)}, nil
}

// explain says what is wrong with an expression in words, and how to search for the text itself.
func explain(pattern string, err error) string {
	reason, part := err.Error(), ""
	if e, ok := err.(*syntax.Error); ok {
		reason, part = e.Code.String(), strings.TrimPrefix(e.Expr, "(?i)")
	}
	text := fmt.Sprintf("%#q is not a regular expression: %s", pattern, reason) // raw, for a model copies what it reads
	if part != "" && part != pattern {
		text += fmt.Sprintf(" at %#q", part)
	}
	text += "."
	if strings.HasPrefix(part, "(?=") || strings.HasPrefix(part, "(?!") || strings.HasPrefix(part, "(?<") {
		text += " Looking ahead or behind, (?=, (?!, (?<= and (?<!, is not supported."
	} else if len(part) == 2 && part[0] == '\\' && part[1] >= '1' && part[1] <= '9' {
		text += " References to groups are not supported."
	}
	return text + fmt.Sprintf(" To find this very text, write %s", regexp.QuoteMeta(pattern))
}
