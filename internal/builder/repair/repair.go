// Package repair finds mistakes in an app's files before a build does, and cures those that need no thought.
//
// A language model invents paths, mixes up default and named exports, and forgets to add the package that it
// imports. Most of these can be found by a parser in milliseconds, and many have exactly one cure:
//
//	Validate     finds them in the files alone
//	Fix          cures those with one candidate and no doubt, a compiler's findings among them, which costs nobody a cent
//	Missing      names the packages to add
//	LostExports  tells what a change took away that others still need, before it is made
//	Message      tells a model about the rest, with the lines and with Advice
//	Signature    tells whether a later attempt met the same problems again, which is when trying has to stop
//
// Everything here is pure: no network, no packages on disk. esbuild's parser, not guesswork over text, decides
// what is an import and what only looks like one.
package repair

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// The classes of diagnostics found here; package model lists them all.
const (
	missingPackage = "missing_package"
	missingFile    = "missing_file"
	missingExport  = "missing_export"
	syntaxClass    = "syntax"
	typeClass      = "type"
	htmlClass      = "html"
)

// The codes of diagnostics whose class does not say it all.
const (
	CodeCase        = "file-name-case"    // two files differ in upper and lower case only
	CodeOmission    = "omission"          // a comment stands for code that is not there
	CodePlaceholder = "placeholder"       // {{APP_ID}} and the like were not filled in
	CodeManifest    = "package-json"      // package.json cannot be read
	CodeUnusedReact = "unused-react"      // React is imported for JSX, which no longer needs it
	CodeEntry       = "entry-not-in-html" // index.html loads no script
)

// Validate returns the problems of an app's files, by file and line. Those marked Warning do not stop a build.
func Validate(tree filetree.Tree) []model.Diagnostic {
	p := analyse(tree)
	var out []model.Diagnostic
	out = append(out, p.entryProblems()...)
	out = append(out, p.manifestProblems...)
	out = append(out, caseProblems(tree)...)
	out = append(out, leftoverProblems(tree)...)
	out = append(out, p.syntaxProblems...)
	for _, src := range p.sources {
		for _, imp := range src.imports {
			out = append(out, p.importProblems(src, imp)...)
		}
		if imp, unused := p.unusedReact(src); unused {
			out = append(out, src.problem(imp.at, model.Diagnostic{
				Class: typeClass, Code: CodeUnusedReact, Message: "React is imported and never used.",
				Cure: "Remove the import: JSX does not need it.", Warning: true,
			}))
		}
	}
	out = append(out, p.styleProblems()...)
	slices.SortStableFunc(out, func(a, b model.Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return out
}

var moduleScript = regexp.MustCompile(`(?i)<script\b[^>]*\bsrc\s*=\s*["']([^"']+)["'][^>]*>`)

// entryProblems checks that a browser finds its way into the app.
func (p *project) entryProblems() []model.Diagnostic {
	html, ok := p.tree.Get("index.html")
	if !ok {
		return []model.Diagnostic{{
			Class: htmlClass, File: "index.html", Message: "index.html is missing: nothing can be opened.",
			Cure: "Write index.html with a root element and a module script that loads /src/main.tsx.",
		}}
	}
	html = blankComments(html)
	var out []model.Diagnostic
	local := 0
	for _, m := range moduleScript.FindAllSubmatchIndex(html, -1) {
		src := string(html[m[2]:m[3]])
		if strings.Contains(src, "//") || !strings.Contains(strings.ToLower(string(html[m[0]:m[1]])), "module") {
			continue // of another host, or a classic script, which is served as it is
		}
		local++
		path, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(src, "."), "/"), "?")
		if !p.tree.Has(path) && !p.tree.Has("public/"+path) {
			out = append(out, model.Diagnostic{
				Class: missingFile, File: "index.html", Line: lineAt(html, m[2]), Snippet: string(html[m[0]:m[1]]),
				Message: fmt.Sprintf("index.html loads %s, which does not exist.", src), Cure: p.nearText(path),
			})
		}
	}
	if local == 0 {
		out = append(out, model.Diagnostic{
			Class: htmlClass, Code: CodeEntry, File: "index.html", Message: "index.html loads no module script, so the app never starts.",
			Cure: `Add <script type="module" src="/src/main.tsx"></script> at the end of the body.`,
		})
	}
	return out
}

var htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)

// blankComments replaces comments by spaces, so that positions stay.
func blankComments(html []byte) []byte {
	return htmlComment.ReplaceAllFunc(html, func(c []byte) []byte {
		return regexp.MustCompile(`[^\n]`).ReplaceAll(c, []byte(" "))
	})
}

// readManifest reads the names that package.json declares. ok is false when there is nothing to compare with.
func readManifest(tree filetree.Tree) (declared map[string]bool, problems []model.Diagnostic, ok bool) {
	broken := func(message, cure string) (map[string]bool, []model.Diagnostic, bool) {
		return nil, []model.Diagnostic{{Class: syntaxClass, Code: CodeManifest, File: "package.json", Message: message, Cure: cure}}, false
	}
	content, there := tree.Get("package.json")
	if !there {
		return broken("package.json is missing.", "Restore package.json from the foundation.")
	}
	var m struct {
		Dependencies, DevDependencies, PeerDependencies, OptionalDependencies map[string]string
	}
	d := json.NewDecoder(bytes.NewReader(content))
	var wrong *json.UnmarshalTypeError
	if err := d.Decode(&m); errors.As(err, &wrong) {
		return broken(fmt.Sprintf("package.json holds a %s at %s.", wrong.Value, wrong.Field), "Dependencies map names to version ranges in quotes.")
	} else if err != nil {
		return broken("package.json cannot be read: "+err.Error()+".", "Put its JSON right; dependencies map names to version ranges.")
	}
	declared = map[string]bool{}
	for _, group := range []map[string]string{m.Dependencies, m.DevDependencies, m.PeerDependencies, m.OptionalDependencies} {
		for name := range group {
			declared[name] = true
		}
	}
	return declared, nil, true
}

// caseProblems finds files that are one and the same on many people's computers.
func caseProblems(tree filetree.Tree) []model.Diagnostic {
	var out []model.Diagnostic
	first := map[string]string{}
	for _, path := range tree.Paths() {
		lower := strings.ToLower(path)
		if other, ok := first[lower]; ok {
			out = append(out, model.Diagnostic{
				Class: missingFile, Code: CodeCase, File: path,
				Message: fmt.Sprintf("%s and %s differ only in upper and lower case.", other, path),
				Cure:    "Keep one of them, and import it by exactly that name.",
			})
			continue
		}
		first[lower] = path
	}
	return out
}

// unfilled are the placeholders of the foundation.
var unfilled = regexp.MustCompile(`\{\{(?:APP_[A-Z]+|TEAM_ID)\}\}`)

// leftoverProblems finds what should not be in finished files: comments in place of code, and placeholders.
func leftoverProblems(tree filetree.Tree) []model.Diagnostic {
	var out []model.Diagnostic
	for _, path := range tree.Paths() {
		content, _ := tree.Get(path)
		if !filetree.IsText(content) || !ours(path) {
			continue
		}
		for _, o := range edit.Omissions(path, content) {
			out = append(out, model.Diagnostic{
				Class: syntaxClass, Code: CodeOmission, File: path, Line: o.Line, Snippet: o.Text,
				Message: "A comment stands here for code that was left out.", Cure: "Write the code itself, or remove the comment if nothing is missing.",
			})
		}
		if m := unfilled.FindIndex(content); m != nil {
			out = append(out, model.Diagnostic{
				Class: syntaxClass, Code: CodePlaceholder, File: path, Line: lineAt(content, m[0]), Snippet: lineText(content, m[0]),
				Message: fmt.Sprintf("The placeholder %s was not filled in.", content[m[0]:m[1]]),
				Cure:    "Write the file again with the tools, which fill placeholders in.",
			})
		}
	}
	return out
}

// ours reports whether a file is written for this app, rather than being a setting or a document.
func ours(path string) bool {
	return path == "index.html" || strings.HasPrefix(path, "src/") || isServerCode(path) || strings.HasPrefix(path, "supabase/migrations/")
}

// isServerCode reports whether a file runs on the server and never in a browser.
func isServerCode(path string) bool { return strings.HasPrefix(path, "worker/") }

func lineAt(content []byte, offset int) int { return 1 + bytes.Count(content[:offset], []byte("\n")) }

func lineText(content []byte, offset int) string {
	start := bytes.LastIndexByte(content[:offset], '\n') + 1
	end := len(content)
	if i := bytes.IndexByte(content[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	return strings.TrimSpace(string(content[start:end]))
}
