package bundle

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/model"
)

// MaxServer is what an app's server code may weigh, in bytes, packages included.
const MaxServer = 1_000_000

// ServerOutput is an app's server code.
type ServerOutput struct {
	// Code is one ES module that exports `async function handle(request, env, ctx)`, which answers what is below /api.
	// It imports nothing but what the runtime has: node: and cloudflare: modules.
	Code     []byte
	Modules  int // source files that took part
	Warnings []model.Diagnostic
}

// Namespaces of generated modules.
const (
	entryNamespace = "server-entry" // the table of routes, and what reads it
	nodeNamespace  = "server-node"  // a Node module that a CommonJS package requires
)

//go:embed server_entry.js
var serverEntry string

// methods are the exports that answer requests; default answers all that have none of their own.
var methods = []string{"default", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// BuildServer bundles worker/ for Cloudflare's runtime. routes are those of Routes; there must be one at least.
// Problems of the app's code are the diagnostics; if there are any, the output is empty. Input.Env, Styles, Vendor and
// SourceMaps are not used: server code reads its values when it runs.
func BuildServer(ctx context.Context, in Input, routes []Route) (ServerOutput, []model.Diagnostic, error) {
	in.Vendor, in.Env, in.Styles, in.SourceMaps = nil, nil, nil, false
	s := &server{build: &build{ctx: ctx, in: in, mode: "development"}, routes: routes, nodes: map[string]bool{}}
	if in.Production {
		s.mode = "production"
	}
	result, problems, err := s.esbuild(s.options())
	if len(problems) > 0 || err != nil {
		return ServerOutput{}, problems, err
	}
	if problems = outside(result.Metafile); len(problems) > 0 {
		return ServerOutput{}, problems, nil
	}
	warnings, problems := s.handlers(result.Warnings)
	if len(problems) > 0 {
		return ServerOutput{}, problems, nil
	}
	out := ServerOutput{Warnings: append(s.warnings, s.diagnose(warnings, true)...)}
	for _, f := range result.OutputFiles {
		if path.Ext(f.Path) == ".js" {
			out.Code = f.Contents
		}
	}
	var report serverReport
	if err := json.Unmarshal([]byte(result.Metafile), &report); err != nil {
		return ServerOutput{}, nil, fmt.Errorf("read esbuild's metafile: %w", err)
	}
	if len(out.Code) > MaxServer {
		return ServerOutput{}, []model.Diagnostic{tooHeavy(len(out.Code), report.weights())}, nil
	}
	out.Modules = len(report.Inputs)
	return out, nil, nil
}

// server is the state of one call of BuildServer.
type server struct {
	*build
	routes []Route

	nodeMu sync.Mutex
	nodes  map[string]bool // Node modules that were warned of
}

// options are those with which Cloudflare's own tools bundle, so that a package brings the same files.
func (s *server) options() api.BuildOptions {
	o := api.BuildOptions{
		EntryPoints: []string{"index.js"}, Bundle: true, Outdir: outDir, AbsWorkingDir: s.in.Dir, Metafile: true,
		Format: api.FormatESModule, Platform: api.PlatformNeutral, Target: api.ES2024, TreeShaking: api.TreeShakingTrue,
		MainFields: []string{"browser", "module", "main"},
		Conditions: []string{"workerd", "worker", "browser", "module", "import", s.mode},
		Define:     map[string]string{"process.env.NODE_ENV": quote(s.mode), "import.meta.hot": "undefined"},
		JSX:        api.JSXAutomatic, JSXDev: !s.in.Production, TsconfigRaw: s.in.Tsconfig,
		Loader:   map[string]api.Loader{".css": api.LoaderEmpty}, // a component's styles are the page's
		Plugins:  []api.Plugin{{Name: "server", Setup: s.plugin}},
		LogLevel: api.LogLevelSilent, LogLimit: 0, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
	}
	if o.TsconfigRaw == "" {
		o.TsconfigRaw = "{}"
	}
	if s.in.Production {
		o.MinifyIdentifiers, o.MinifySyntax, o.MinifyWhitespace = true, true, true
	}
	return o
}

// entry writes the module that all others hang from. Each export stands on a line of its own, which exportAt reads
// back: esbuild warns of those that a file does not have.
func (s *server) entry() string {
	var b strings.Builder
	for i, r := range s.routes {
		fmt.Fprintf(&b, "import * as r%d from %s;\n", i, quote(r.File))
	}
	b.WriteString("const TABLE = [\n")
	for i, r := range s.routes {
		fmt.Fprintf(&b, "[%s, { __proto__: null,\n", quote(strings.TrimPrefix(r.Path, "/api")))
		for _, m := range methods {
			fmt.Fprintf(&b, "%s: r%d.%s,\n", m, i, m)
		}
		b.WriteString("}],\n")
	}
	b.WriteString("];\n" + serverEntry)
	return b.String()
}

// exportAt returns the route and the export that stand on a line of the entry, counted from 1.
func (s *server) exportAt(line int) (route int, method string, ok bool) {
	first := len(s.routes) + 3 // behind the imports and the lines that open the table and its first row
	each := len(methods) + 2
	if line < first {
		return 0, "", false
	}
	route, at := (line-first)/each, (line-first)%each
	if route >= len(s.routes) || at >= len(methods) {
		return 0, "", false
	}
	return route, methods[at], true
}

// handlers takes from esbuild's warnings those of missing exports, and finds the files that answer nothing at all.
func (s *server) handlers(warnings []api.Message) (rest []api.Message, problems []model.Diagnostic) {
	missing := make([]int, len(s.routes))
	for _, w := range warnings {
		if w.ID == "import-is-undefined" && w.Location != nil && strings.HasPrefix(w.Location.File, entryNamespace+":") {
			if r, _, ok := s.exportAt(w.Location.Line); ok {
				missing[r]++
				continue
			}
		}
		rest = append(rest, w)
	}
	for i, n := range missing {
		if n == len(methods) {
			problems = append(problems, model.Diagnostic{
				Class: "missing_export", File: s.routes[i].File, Line: 1, Message: s.routes[i].File + " exports nothing that answers a request.",
				Cure: "Export functions named GET, POST, PUT, PATCH or DELETE, or a default function (request: Request, env: Env) that returns a Response. Begin the file's name with _ if it is a helper.",
			})
		}
	}
	return rest, problems
}

// plugin serves the app's files to esbuild.
func (s *server) plugin(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return s.resolve(a), nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		return s.load(a), nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: entryNamespace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		text := s.entry()
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS, ResolveDir: s.in.Dir}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: nodeNamespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text := fmt.Sprintf("import it from %s; module.exports = it;", quote(a.Path))
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS, ResolveDir: s.in.Dir}, nil
	})
}

func (s *server) resolve(a api.OnResolveArgs) api.OnResolveResult {
	switch {
	case a.Kind == api.ResolveEntryPoint:
		return api.OnResolveResult{Path: a.Path, Namespace: entryNamespace}
	case a.Namespace == entryNamespace:
		return api.OnResolveResult{Path: a.Path, Namespace: namespace}
	case strings.HasPrefix(a.Path, "cloudflare:"), a.Namespace == nodeNamespace:
		return api.OnResolveResult{Path: a.Path, External: true}
	case strings.HasPrefix(a.Path, "node:"), builtins[a.Path]:
		return s.resolveNode(a)
	case a.Namespace != namespace, strings.HasPrefix(a.Path, "data:"):
		return api.OnResolveResult{} // esbuild knows how
	}
	refuse := func(d model.Diagnostic) api.OnResolveResult {
		return api.OnResolveResult{Errors: []api.Message{{Text: d.Message, Detail: d}}}
	}
	if strings.Contains(a.Path, "://") {
		return refuse(model.Diagnostic{
			Class: "missing_package", Message: fmt.Sprintf("Server code cannot import from an address (%s).", a.Path),
			Cure: "Add the package to the app's dependencies and import it by name.",
		})
	}
	id, query, _ := strings.Cut(a.Path, "?")
	target, local := s.target(id, a)
	if !local {
		return api.OnResolveResult{}
	}
	p, ok := s.find(target)
	if !ok {
		return refuse(s.missingFile(a.Path, target))
	}
	r := api.OnResolveResult{Path: p, Namespace: namespace}
	if query != "" {
		r.Suffix = "?" + query
	}
	return r
}

// resolveNode leaves a Node module to the runtime, which has them with its flag nodejs_compat.
func (s *server) resolveNode(a api.OnResolveArgs) api.OnResolveResult {
	name := strings.TrimPrefix(a.Path, "node:")
	if first, _, _ := strings.Cut(name, "/"); !builtins[first] {
		d := model.Diagnostic{
			Class: "missing_package", Message: fmt.Sprintf("There is no module %q.", a.Path), Cure: "Correct the name, or use what Workers offer themselves.",
		}
		return api.OnResolveResult{Errors: []api.Message{{Text: d.Message, Detail: d}}}
	}
	r := api.OnResolveResult{Path: "node:" + name, External: true}
	if a.Kind == api.ResolveJSRequireCall { // a module of ES cannot require, so it is imported for it
		r = api.OnResolveResult{Path: "node:" + name, Namespace: nodeNamespace}
	}
	s.nodeMu.Lock()
	defer s.nodeMu.Unlock()
	if a.Namespace == namespace && !s.nodes[name] {
		s.nodes[name] = true
		d := model.Diagnostic{
			Class: "missing_package", Message: fmt.Sprintf("node:%s is a part of Node.js, which Workers have only with the flag nodejs_compat. It is on where we deploy.", name),
			Cure: "Prefer what Workers have themselves, such as fetch and crypto.subtle.",
		}
		r.Warnings = []api.Message{{Text: d.Message, Detail: d}}
	}
	return r
}

// load returns an app's file in the form in which esbuild shall see it.
func (s *server) load(a api.OnLoadArgs) api.OnLoadResult {
	src, _ := s.in.Tree.Get(a.Path)
	ext := strings.ToLower(path.Ext(a.Path))
	r := api.OnLoadResult{ResolveDir: s.in.Dir}
	problem := func(d model.Diagnostic) api.OnLoadResult {
		r.Errors = []api.Message{{Text: d.Message, Detail: d}}
		return r
	}
	text := string(src)
	r.Contents = &text
	switch {
	case a.Suffix == "?raw":
		r.Loader = api.LoaderText
	case a.Suffix != "":
		return problem(model.Diagnostic{
			Class: "missing_file", Message: fmt.Sprintf("The import suffix %s is not available in server code.", a.Suffix), Cure: "?raw is: it gives the file's text.",
		})
	case ext == ".json":
		r.Loader = api.LoaderJSON
	case scripts[ext] == api.LoaderNone:
		return problem(model.Diagnostic{
			Class: "missing_file", Message: fmt.Sprintf("Server code cannot import %s: only scripts and JSON.", a.Path),
			Cure: "Add ?raw to the import for the file's text. Pictures and styles belong to the page.",
		})
	default:
		for _, find := range []func(string, []byte) (model.Diagnostic, bool){unsupported, environmentUse} {
			if d, bad := find(a.Path, src); bad {
				return problem(d)
			}
		}
		text = string(zodNamespace.ReplaceAll(src, []byte("import * as z from $1")))
		r.Loader = scripts[ext]
	}
	return r
}

// serverOnPage tells of an import that would put server code, and what it knows, into everybody's browser.
func serverOnPage(id, p string) api.Message {
	d := model.Diagnostic{
		Class: "syntax", Message: fmt.Sprintf("The page cannot import %q: %s is server code and must not reach browsers.", id, p),
		Cure: `Call it with fetch("/api/..."). What both need belongs into src/, types come with import type.`,
	}
	return api.Message{Text: d.Message, Detail: d}
}
