package repair

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/model"
)

// The shapes of imports and re-exports, each at the beginning of a line. What matches is a suspicion: it counts
// when esbuild's parser met an import of the same path in the same file.
var (
	importFrom = regexp.MustCompile(`(?m)^[ \t]*import\s+(type\s+)?(?:([\w$]+)\s*)?(?:,\s*)?(\{[^{}]*\}|\*\s*as\s+[\w$]+)?\s*from\s*["']([^"'\n]+)["']`)
	exportFrom = regexp.MustCompile(`(?m)^[ \t]*export\s+(type\s+)?()(\{[^{}]*\}|\*(?:\s*as\s+[\w$]+)?)\s*from\s*["']([^"'\n]+)["']`)
	typeExport = regexp.MustCompile(`(?m)^[ \t]*export\s+(?:declare\s+)?(?:type|interface|(?:const\s+)?enum|abstract\s+class|namespace)\s+([\w$]+)`)
	typeList   = regexp.MustCompile(`(?m)^[ \t]*export\s+type\s*\{([^{}]*)\}`)
)

// scan parses sources at once, with every import left alone, and fills in their imports and exports.
func (p *project) scan(sources []*source) {
	seen, res := p.parse(sources)
	var good []*source
	for _, m := range res.Errors {
		p.syntaxProblems = append(p.syntaxProblems, syntaxProblem(m))
		if m.Location != nil && p.byPath[fileOf(m)] != nil {
			p.byPath[fileOf(m)].open = true
		}
	}
	for _, src := range sources {
		if !src.open {
			good = append(good, src)
		}
	}
	if len(res.Errors) > 0 { // esbuild says what a module exports only if all of them parse
		_, res = p.parse(good)
	}
	exports := exportsOf(res.Metafile)
	for _, src := range good {
		names, ok := exports[src.path]
		src.open = !ok
		for _, n := range names {
			src.values[n] = true
		}
		src.readTypes()
		src.readImports(seen[src.path])
	}
}

const namespace = "app"

// parse runs esbuild over modules in memory. seen holds the paths that each module imports.
func (p *project) parse(sources []*source) (seen map[string][]string, res api.BuildResult) {
	if len(sources) == 0 {
		return nil, api.BuildResult{}
	}
	seen = map[string][]string{}
	var mu sync.Mutex // esbuild parses in parallel
	memory := api.Plugin{Name: "memory", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Kind == api.ResolveEntryPoint {
				return api.OnResolveResult{Path: a.Path, Namespace: namespace}, nil
			}
			mu.Lock()
			seen[a.Importer] = append(seen[a.Importer], a.Path)
			mu.Unlock()
			return api.OnResolveResult{Path: a.Path, External: true}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text := valueImports(p.byPath[a.Path].text)
			return api.OnLoadResult{Contents: &text, Loader: loaderOf(a.Path)}, nil
		})
	}}
	entries := make([]api.EntryPoint, len(sources))
	for i, src := range sources {
		entries[i] = api.EntryPoint{InputPath: src.path, OutputPath: "m" + strconv.Itoa(i)}
	}
	res = api.Build(api.BuildOptions{
		EntryPointsAdvanced: entries, Bundle: true, Format: api.FormatESModule, Outdir: "/", Metafile: true,
		JSX: api.JSXPreserve, TsconfigRaw: `{"compilerOptions":{"verbatimModuleSyntax":true}}`,
		TreeShaking: api.TreeShakingFalse, LogLevel: api.LogLevelSilent, Plugins: []api.Plugin{memory},
	})
	return seen, res
}

func loaderOf(name string) api.Loader {
	switch name[strings.LastIndexByte(name, '.'):] {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	}
	return api.LoaderJSX // .js files with JSX are common
}

// valueImports turns "import type" into "import" without moving anything: esbuild drops type imports unseen,
// but a missing file is missing for types as well.
func valueImports(text string) string {
	b := []byte(text)
	for _, re := range []*regexp.Regexp{importFrom, exportFrom} {
		for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
			if m[2] >= 0 {
				copy(b[m[2]:m[2]+len("type")], "    ")
			}
		}
	}
	return string(b)
}

func fileOf(m api.Message) string { return strings.TrimPrefix(m.Location.File, namespace+":") }

func syntaxProblem(m api.Message) model.Diagnostic {
	d := model.Diagnostic{Class: syntaxClass, Message: m.Text}
	if m.Location != nil {
		d.File, d.Line, d.Column = fileOf(m), m.Location.Line, m.Location.Column+1
		d.Snippet = strings.TrimSpace(m.Location.LineText)
	}
	for _, n := range m.Notes { // "The opening tag is here:" needs its place
		note := n.Text
		if n.Location != nil {
			note = fmt.Sprintf("%s line %d.", note, n.Location.Line)
		}
		d.Cure = strings.TrimSpace(d.Cure + " " + note)
	}
	return d
}

// exportsOf reads the names that each entry point exports.
func exportsOf(metafile string) map[string][]string {
	var meta struct {
		Outputs map[string]struct {
			EntryPoint string   `json:"entryPoint"`
			Exports    []string `json:"exports"`
		} `json:"outputs"`
	}
	out := map[string][]string{}
	if metafile == "" || json.Unmarshal([]byte(metafile), &meta) != nil {
		return out
	}
	for _, o := range meta.Outputs {
		out[strings.TrimPrefix(o.EntryPoint, namespace+":")] = o.Exports
	}
	return out
}

// readTypes adds the exports that TypeScript erases.
func (s *source) readTypes() {
	for _, m := range typeExport.FindAllStringSubmatch(s.text, -1) {
		s.types[m[1]] = true
	}
	for _, m := range typeList.FindAllStringSubmatch(s.text, -1) {
		for _, n := range parseNames(m[1]) {
			s.types[n.local] = true
		}
	}
}

// readImports pairs what the parser saw with where it stands in the text.
func (s *source) readImports(seen []string) {
	real, placed := map[string]bool{}, map[string]bool{}
	for _, spec := range seen {
		real[spec] = true
	}
	for _, re := range []*regexp.Regexp{importFrom, exportFrom} {
		for _, m := range re.FindAllStringSubmatchIndex(s.text, -1) {
			imp := s.importAt(m, re == exportFrom)
			if !real[imp.spec] {
				continue // in a comment or a text
			}
			placed[imp.spec] = true
			s.imports = append(s.imports, imp)
			if imp.star {
				s.stars = append(s.stars, imp.spec)
			}
		}
	}
	for _, spec := range seen { // dynamic imports, side effects, and whatever is written in an unusual way
		if placed[spec] {
			continue
		}
		placed[spec] = true
		imp := importRef{spec: spec, bare: true}
		for _, quote := range []string{`"`, `'`, "`"} {
			if at := strings.Index(s.text, quote+spec+quote); at >= 0 {
				imp.at, imp.specAt = at, at+1
				break
			}
		}
		s.imports = append(s.imports, imp)
	}
}

func (s *source) importAt(m []int, export bool) importRef {
	group := func(n int) string {
		if m[2*n] < 0 {
			return ""
		}
		return s.text[m[2*n]:m[2*n+1]]
	}
	start := m[0] + len(s.text[m[0]:m[1]]) - len(strings.TrimLeft(s.text[m[0]:m[1]], " \t\r\n"))
	imp := importRef{
		spec: group(4), at: start, end: m[1], specAt: m[8], export: export, typeOnly: group(1) != "", def: group(2),
		quote: s.text[m[1]-1 : m[1]],
	}
	switch list := group(3); {
	case strings.HasPrefix(list, "{"):
		imp.braces, imp.multiline = true, strings.Contains(list, "\n")
		imp.names = parseNames(strings.Trim(list, "{}"))
	case list == "*":
		imp.star = true
	case list != "":
		_, imp.namespace, _ = strings.Cut(strings.Join(strings.Fields(list), " "), "as ")
	}
	return imp
}
