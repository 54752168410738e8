package repair

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// project is an app's files, read once.
type project struct {
	tree             filetree.Tree
	sources          []*source
	byPath           map[string]*source
	declared         map[string]bool // packages in package.json
	haveManifest     bool
	aliases          []alias
	manifestProblems []model.Diagnostic
	syntaxProblems   []model.Diagnostic
	automaticJSX     bool
}

// source is one module of the app.
type source struct {
	path    string
	text    string
	imports []importRef
	values  map[string]bool // exported values, "default" among them
	types   map[string]bool // exported types
	stars   []string        // specifiers of "export * from"
	open    bool            // its exports are not known, for it does not parse
}

// alias is one entry of compilerOptions.paths.
type alias struct {
	prefix, target string
	exact          bool // without a star
}

func analyse(tree filetree.Tree) *project {
	p := newProject(tree)
	p.declared, p.manifestProblems, p.haveManifest = readManifest(tree)
	p.load(tree.Paths())
	return p
}

// newProject knows the settings of an app, and none of its modules yet.
func newProject(tree filetree.Tree) *project {
	p := &project{tree: tree, byPath: map[string]*source{}}
	p.readTSConfig()
	return p
}

// load reads and parses those of the files that are modules and were not read before.
func (p *project) load(names []string) {
	var fresh []*source
	for _, name := range names {
		if !isModule(name) || p.byPath[name] != nil {
			continue
		}
		content, ok := p.tree.Get(name)
		if !ok || !filetree.IsText(content) {
			continue
		}
		src := &source{path: name, text: string(content), values: map[string]bool{}, types: map[string]bool{}}
		fresh = append(fresh, src)
		p.byPath[name] = src
	}
	p.sources = append(p.sources, fresh...)
	p.scan(fresh)
}

var moduleExtensions = []string{".mjs", ".js", ".mts", ".ts", ".jsx", ".tsx", ".cjs", ".cts"}

// isModule reports whether a file is a module of the app: not a test, not a server function for another
// runtime, not something that is served as it is.
func isModule(name string) bool {
	switch {
	case !slices.Contains(moduleExtensions, path.Ext(name)),
		isDeclaration(name),
		strings.HasPrefix(name, "supabase/"), strings.HasPrefix(name, "public/"), strings.HasPrefix(name, "dist/"),
		strings.HasPrefix(name, "e2e/"), strings.HasPrefix(name, "tests/"), strings.HasPrefix(name, "scripts/"),
		strings.Contains(name, "__tests__/"), strings.Contains(name, ".test."), strings.Contains(name, ".spec."), strings.Contains(name, ".stories."):
		return false
	}
	return true
}

func isDeclaration(name string) bool { return strings.HasSuffix(name, ".d.ts") }

var (
	pathsOption  = regexp.MustCompile(`"paths"\s*:\s*\{([^{}]*)\}`)
	pathsEntry   = regexp.MustCompile(`"([^"]+)"\s*:\s*\[\s*"([^"]+)"`)
	jsxAutomatic = regexp.MustCompile(`"jsx"\s*:\s*"(?:react-jsx|react-jsxdev|preserve)"`)
	lineComment  = regexp.MustCompile(`(?m)^\s*//.*$`)
)

// readTSConfig takes the two things that matter here: the aliases of imports and who compiles JSX. These files
// are JSON with comments and trailing commas, split over several files in some projects.
func (p *project) readTSConfig() {
	for _, name := range []string{"tsconfig.json", "tsconfig.app.json", "jsconfig.json"} {
		content, ok := p.tree.Get(name)
		if !ok {
			continue
		}
		text := lineComment.ReplaceAllString(string(content), "")
		p.automaticJSX = p.automaticJSX || jsxAutomatic.MatchString(text)
		m := pathsOption.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		for _, e := range pathsEntry.FindAllStringSubmatch(m[1], -1) {
			prefix, star := strings.CutSuffix(e[1], "*")
			p.aliases = append(p.aliases, alias{
				prefix: prefix, target: strings.TrimPrefix(strings.TrimSuffix(e[2], "*"), "./"), exact: !star,
			})
		}
	}
	if len(p.aliases) == 0 {
		p.aliases = []alias{{prefix: "@/", target: "src/"}}
	}
}

// problem completes a diagnostic with its place in the source.
func (s *source) problem(offset int, d model.Diagnostic) model.Diagnostic {
	b := []byte(s.text)
	d.File, d.Line, d.Snippet = s.path, lineAt(b, offset), lineText(b, offset)
	d.Column = offset - strings.LastIndexByte(s.text[:offset], '\n')
	return d
}

// exports returns the names that a module exports, those of "export * from" among them. known is false when
// some of them come from outside, or cannot be read.
func (p *project) exports(src *source) (names map[string]bool, known bool) {
	names = map[string]bool{}
	return names, p.collect(src, names, map[*source]bool{})
}

func (p *project) collect(src *source, into map[string]bool, seen map[*source]bool) (known bool) {
	if seen[src] {
		return true
	}
	seen[src] = true
	for n := range src.values {
		if len(seen) == 1 || n != "default" { // "export *" leaves the default out
			into[n] = true
		}
	}
	for n := range src.types {
		into[n] = true
	}
	known = !src.open
	for _, spec := range src.stars {
		target, _ := p.resolve(src.path, spec)
		next := p.byPath[target]
		if next == nil || !p.collect(next, into, seen) {
			known = false
		}
	}
	return known
}
