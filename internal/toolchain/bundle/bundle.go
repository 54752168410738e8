package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Alias maps imports that begin with Prefix to files that begin with Target, such as "@/" to "src/".
// Exact aliases map one import only.
type Alias struct {
	Prefix, Target string
	Exact          bool
}

// Styles compiles a stylesheet that needs more than a bundler, such as Tailwind's. ok is false if it does not.
// An error is the app's problem unless it wraps the context's.
type Styles interface {
	Compile(ctx context.Context, sheet string) (css []byte, ok bool, err error)
}

// Input is one app to bundle.
type Input struct {
	Dir        string // absolute folder that holds node_modules
	Tree       filetree.Tree
	Production bool
	Env        map[string]string // import.meta.env; only names that begin with VITE_ are used
	Aliases    []Alias           // tried in order
	Tsconfig   string            // JSON of the compilerOptions that esbuild needs to know, "" for none
	Styles     Styles            // may be nil
	Vendor     *Vendor           // development only: where packages are bundled; nil bundles them in
	SourceMaps bool              // keep the maps of the outputs, for Output.Maps
}

// Output is a bundle. Paths are relative to the site's root.
type Output struct {
	Files    map[string][]byte
	Entry    []string // what index.html loads at once: scripts, stylesheets, then preloaded chunks
	Modules  int      // source files that took part, those of packages included
	Maps     *Maps    // with Input.SourceMaps
	Warnings []model.Diagnostic
}

// Build bundles the app. Problems of the app's code are the diagnostics; if there are any, Output is empty.
// The error is for everything else, such as an ended context.
func Build(ctx context.Context, in Input) (Output, []model.Diagnostic, error) {
	b := &build{ctx: ctx, in: in, mode: "development", vendorIDs: map[string]string{}, barrels: map[string]*barrel{}}
	if in.Production {
		b.mode = "production"
	}
	page, problems := b.readPage()
	if len(problems) > 0 {
		return Output{}, problems, nil
	}
	var result api.BuildResult
	var packages map[string][]byte
	var err error
	if b.vendored() {
		result, packages, problems, err = b.runVendored(page.entries)
	} else {
		result, problems, err = b.run(page.entries)
	}
	if len(problems) > 0 || err != nil {
		return Output{}, problems, err
	}
	if problems = outside(result.Metafile); len(problems) > 0 {
		return Output{}, problems, nil
	}
	out, err := b.collect(result, page, packages)
	if err != nil {
		return Output{}, nil, err
	}
	out.Warnings = append(b.warnings, b.diagnose(result.Warnings, true)...)
	return out, nil, nil
}

// build is the state of one call of Build.
type build struct {
	ctx      context.Context
	in       Input
	mode     string
	warnings []model.Diagnostic // found before esbuild ran
	inline   map[string]string  // inline module scripts of index.html

	vendorKey string            // the packages' bundle that is imported from
	vendorIDs map[string]string // the imports of packages, by file of that bundle
	vendorMu  sync.Mutex

	barrelMu sync.Mutex
	barrels  map[string]*barrel // by import; nil for a package that cannot be shortened
}

// run bundles the page's scripts and styles.
func (b *build) run(entries []string) (api.BuildResult, []model.Diagnostic, error) {
	return b.esbuild(b.options(entries))
}

// esbuild calls it, and stops it when the context ends.
func (b *build) esbuild(o api.BuildOptions) (api.BuildResult, []model.Diagnostic, error) {
	bc, cerr := api.Context(o)
	if cerr != nil {
		return api.BuildResult{}, nil, fmt.Errorf("configure esbuild: %w", cerr)
	}
	defer bc.Dispose()
	stop := context.AfterFunc(b.ctx, bc.Cancel)
	defer stop()
	r := bc.Rebuild()
	if err := b.ctx.Err(); err != nil {
		return r, nil, err
	}
	return r, b.diagnose(r.Errors, false), nil
}

// outDir is where esbuild believes to write; nothing is written.
const outDir = "/out"

// options are Vite's defaults in esbuild's words.
func (b *build) options(entries []string) api.BuildOptions {
	o := api.BuildOptions{
		EntryPoints: entries, Bundle: true, Outdir: outDir, AbsWorkingDir: b.in.Dir, Metafile: true,
		Format: api.FormatESModule, Platform: api.PlatformBrowser, Splitting: true, TreeShaking: api.TreeShakingTrue,
		Engines: engines, JSX: api.JSXAutomatic, JSXDev: !b.in.Production,
		MainFields: []string{"browser", "module", "jsnext:main", "jsnext", "main"},
		Conditions: []string{"module", b.mode},
		Define:     b.defines(), PublicPath: "/", Loader: assetLoaders(),
		EntryNames: "assets/[name]-[hash]", ChunkNames: "assets/[name]-[hash]", AssetNames: "assets/[name]-[hash]",
		TsconfigRaw: b.in.Tsconfig, Plugins: []api.Plugin{{Name: "app", Setup: b.plugin}},
		LogLevel: api.LogLevelSilent, LogLimit: 0, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
	}
	if o.TsconfigRaw == "" {
		o.TsconfigRaw = "{}"
	}
	if b.in.Production {
		o.MinifyIdentifiers, o.MinifySyntax, o.MinifyWhitespace = true, true, true
	} else {
		o.Sourcemap = api.SourceMapLinked
	}
	if b.in.SourceMaps {
		o.Sourcemap, o.SourcesContent = api.SourceMapExternal, api.SourcesContentExclude
	}
	return o
}

// engines are the browsers that Vite calls "baseline widely available".
var engines = []api.Engine{
	{Name: api.EngineChrome, Version: "111"},
	{Name: api.EngineEdge, Version: "111"},
	{Name: api.EngineFirefox, Version: "114"},
	{Name: api.EngineSafari, Version: "16.4"},
}

// defines replaces import.meta.env and process.env by constants, each member and the whole.
func (b *build) defines() map[string]string {
	env := map[string]any{"MODE": b.mode, "DEV": !b.in.Production, "PROD": b.in.Production, "SSR": false, "BASE_URL": "/"}
	for k, v := range b.in.Env {
		if strings.HasPrefix(k, "VITE_") {
			env[k] = v
		}
	}
	d := map[string]string{
		"import.meta.env": quote(env), "import.meta.hot": "undefined",
		"process.env": "{}", "process.env.NODE_ENV": quote(b.mode),
	}
	for k, v := range env {
		if identifier.MatchString(k) {
			d["import.meta.env."+k] = quote(v)
		}
	}
	return d
}

func quote(v any) string {
	s, err := json.Marshal(v)
	if err != nil { // strings, booleans and maps of them
		panic(err)
	}
	return string(s)
}

// metafile is the part of esbuild's report that is used here.
type metafile struct {
	Inputs  map[string]json.RawMessage `json:"inputs"`
	Outputs map[string]output          `json:"outputs"`
}

type output struct {
	EntryPoint string `json:"entryPoint"`
	CSSBundle  string `json:"cssBundle"`
	Imports    []struct {
		Path     string `json:"path"`
		Kind     string `json:"kind"`
		External bool   `json:"external"`
	} `json:"imports"`
}

// collect makes the site of esbuild's outputs, index.html and public/.
func (b *build) collect(r api.BuildResult, page *page, packages map[string][]byte) (Output, error) {
	var meta metafile
	if err := json.Unmarshal([]byte(r.Metafile), &meta); err != nil {
		return Output{}, fmt.Errorf("read esbuild's metafile: %w", err)
	}
	out := Output{Files: make(map[string][]byte, len(r.OutputFiles)+8), Modules: len(meta.Inputs)}
	for _, p := range b.in.Tree.Paths() {
		if rest, ok := strings.CutPrefix(p, "public/"); ok {
			out.Files[rest], _ = b.in.Tree.Get(p)
		}
	}
	for _, f := range r.OutputFiles {
		out.Files[sitePath(f.Path)] = f.Contents
	}
	load := loadOrder(meta, page.entries)
	for _, p := range slices.Sorted(maps.Keys(packages)) {
		out.Files[p] = packages[p]
		if path.Ext(p) == ".css" {
			load.styles = append([]string{p}, load.styles...)
		}
	}
	if b.in.SourceMaps {
		out.Maps = newMaps(out.Files)
	}
	html, extra := page.render(load, b.in.Env, b.mode, out.Files)
	out.Files["index.html"] = html
	out.Entry = append(load.list(), extra...)
	return out, nil
}

// outside refuses bundles that hold files from outside of the app and its packages: neither an app's import nor a
// package's may reach what else lies on this machine's disk.
func outside(metadata string) []model.Diagnostic {
	var meta metafile
	if err := json.Unmarshal([]byte(metadata), &meta); err != nil {
		return []model.Diagnostic{{Class: "missing_file", Message: "The list of bundled files cannot be read: " + err.Error()}}
	}
	for p := range meta.Inputs {
		ns, _, named := strings.Cut(p, ":")
		own := named && ownNamespaces[ns] || strings.HasPrefix(p, "node_modules/")
		generated := strings.HasPrefix(p, "<") || strings.HasPrefix(p, "(disabled):") // by esbuild itself
		if !own && !generated {
			return []model.Diagnostic{{
				Class: "missing_file", Message: fmt.Sprintf("An import reaches a file outside of the app and its packages (%s).", path.Base(p)),
				Cure: "Remove the import.",
			}}
		}
	}
	return nil
}

// sitePath turns an output's path, absolute or relative to Dir, into one relative to the site's root.
func sitePath(p string) string {
	if i := strings.LastIndex(p, "assets/"); i >= 0 {
		return p[i:]
	}
	return strings.TrimPrefix(p, outDir+"/")
}

// loads is what index.html has to load.
type loads struct {
	scripts, styles, preloads []string
	byEntry                   map[string]string // entry point -> its output
}

func (l loads) list() []string { return slices.Concat(l.scripts, l.styles, l.preloads) }

// loadOrder finds the outputs of the entry points, the chunks they import, and all stylesheets. Stylesheets of
// lazy chunks are loaded at once too: esbuild leaves loading them to the page, and a page that loads them late
// flickers.
func loadOrder(meta metafile, entries []string) loads {
	l := loads{byEntry: map[string]string{}}
	byEntry := map[string]string{}
	var lazy []string
	for p, o := range meta.Outputs {
		if o.EntryPoint == "" {
			continue
		}
		byEntry[strings.TrimPrefix(o.EntryPoint, namespace+":")] = p
		if !slices.Contains(entries, strings.TrimPrefix(o.EntryPoint, namespace+":")) && o.CSSBundle != "" {
			lazy = append(lazy, sitePath(o.CSSBundle))
		}
	}
	seen := map[string]bool{}
	var follow func(p string)
	follow = func(p string) {
		for _, i := range meta.Outputs[p].Imports {
			s := sitePath(i.Path)
			if i.Kind != "import-statement" || seen[s] || i.External && !strings.HasPrefix(s, vendorRoot("")) {
				continue
			}
			seen[s] = true
			l.preloads = append(l.preloads, s)
			follow(i.Path)
		}
	}
	for _, e := range entries {
		p, ok := byEntry[e]
		if !ok {
			continue
		}
		l.byEntry[e] = sitePath(p)
		if path.Ext(p) == ".css" {
			l.styles = append(l.styles, sitePath(p))
			continue
		}
		l.scripts = append(l.scripts, sitePath(p))
		if css := meta.Outputs[p].CSSBundle; css != "" {
			l.styles = append(l.styles, sitePath(css))
		}
		follow(p)
	}
	slices.Sort(lazy)
	for _, s := range lazy {
		if !slices.Contains(l.styles, s) {
			l.styles = append(l.styles, s)
		}
	}
	return l
}
