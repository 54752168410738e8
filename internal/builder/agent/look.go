package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"overskill/internal/builder/codesearch"
	"overskill/internal/fault"
	"overskill/internal/filetree"
)

// Bounds of what os-view shows at once. They are above every file that people or the Composer write by hand.
const (
	maxViewLines = 3000
	maxViewBytes = 50_000
)

func viewTool() tool {
	return tool{
		name: "os-view",
		description: "Shows a text file with line numbers (12| text), whole or the lines asked for. " +
			"Given a folder, it lists the files in it. View a file before you edit it.",
		schema: `{"type":"object","additionalProperties":false,"required":["path"],"properties":{
			"path":{"type":"string","description":"the file, such as src/App.tsx"},
			"first_line":{"type":"integer","minimum":1},
			"last_line":{"type":"integer","minimum":1,"description":"inclusive"}}}`,
		look: true,
		run:  runView,
	}
}

func runView(_ context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Path      string `json:"path"`
		FirstLine int    `json:"first_line"`
		LastLine  int    `json:"last_line"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	content, there := s.tree.Get(input.Path)
	switch {
	case !there:
		if below := s.below(input.Path); len(below) > 0 {
			return outcome{path: bounded(input.Path, filetree.MaxPathLen), text: strings.Join(below, "\n")}
		}
		return s.noSuchFile(input.Path)
	case !filetree.IsText(content):
		return failed(input.Path, "%s is not text: %d bytes of another kind. It can be imported, but not viewed.", input.Path, len(content))
	case len(content) == 0:
		return outcome{path: input.Path, text: "(" + input.Path + " is empty)"}
	}
	return s.showLines(input.Path, content, input.FirstLine, input.LastLine)
}

func (s *session) showLines(p string, content []byte, first, last int) outcome {
	lines := textLines(content)
	room := s.window.bytes(resultPart, maxViewBytes) * 9 / 10
	if first == 0 {
		first = 1
	}
	if last == 0 || last > len(lines) {
		last = len(lines)
	}
	if first < 1 || first > last {
		return failed(p, "%s has %d lines; lines %d to %d are no range of it.", p, len(lines), first, last)
	}
	var b strings.Builder
	for n := first; n <= last; n++ {
		if n-first == maxViewLines || b.Len() > room {
			fmt.Fprintf(&b, "(the file has %d lines; ask for more with first_line %d)\n", len(lines), n)
			break
		}
		fmt.Fprintf(&b, "%d| %s\n", n, lines[n-1])
	}
	return outcome{path: p, text: strings.TrimSuffix(b.String(), "\n"), shows: true}
}

// below lists the files of a folder; "" and "." are the root.
func (s *session) below(folder string) []string {
	prefix := strings.TrimSuffix(folder, "/") + "/"
	if folder == "" || folder == "." {
		prefix = ""
	}
	var out []string
	for _, p := range s.tree.Paths() {
		if strings.HasPrefix(p, prefix) {
			out = append(out, p)
		}
	}
	return out
}

// noSuchFile answers a wrong path with the paths that it may have been meant for.
func (s *session) noSuchFile(p string) outcome {
	p = bounded(p, filetree.MaxPathLen)
	if near := s.near(p); len(near) > 0 {
		return failed(p, "There is no file %s. Did you mean %s?", p, strings.Join(near, " or "))
	}
	return failed(p, "There is no file %s. Search for it with os-search-files, or list a folder with os-view.", p)
}

// near returns up to three files with the same name, whatever their folder, case and extension.
func (s *session) near(p string) []string {
	stem := func(p string) string {
		base := strings.ToLower(path.Base(p))
		return strings.TrimSuffix(base, path.Ext(base))
	}
	var out []string
	for _, other := range s.tree.Paths() {
		if stem(other) == stem(p) && len(out) < 3 {
			out = append(out, other)
		}
	}
	return out
}

func searchTool() tool {
	return tool{
		name: "os-search-files",
		description: "Finds the lines that match a regular expression (RE2), with two lines around each, at most 100. " +
			"Globs choose the files: src/**/*.tsx, *.css, src/features/.",
		schema: `{"type":"object","additionalProperties":false,"required":["pattern"],"properties":{
			"pattern":{"type":"string","description":"regular expression, matched against each line"},
			"include":{"type":"array","items":{"type":"string"},"description":"globs of files to search; all by default"},
			"exclude":{"type":"array","items":{"type":"string"},"description":"globs of files to leave out"},
			"case_sensitive":{"type":"boolean","default":false}}}`,
		look: true,
		run:  runSearch,
	}
}

func runSearch(_ context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Pattern       string  `json:"pattern"`
		Include       strList `json:"include"`
		Exclude       strList `json:"exclude"`
		CaseSensitive bool    `json:"case_sensitive"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	res, err := codesearch.Search(s.tree, codesearch.Query{
		Pattern: input.Pattern, Include: input.Include, Exclude: input.Exclude, CaseSensitive: input.CaseSensitive,
	})
	if err != nil {
		return failed(input.Pattern, "%s", fault.Text(err))
	}
	return outcome{path: input.Pattern, text: res.Text()}
}

// strList is a list of strings; models now and then write a single one without the brackets.
type strList []string

func (l *strList) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*l = make(strList, 1)
		return json.Unmarshal(b, &(*l)[0])
	}
	return json.Unmarshal(b, (*[]string)(l))
}
