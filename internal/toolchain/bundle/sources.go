package bundle

import (
	"fmt"
	"mime"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/model"
)

// namespace holds the app's own files; esbuild's default namespace, "file", holds the packages.
const namespace = "app"

// Namespaces of generated modules.
const (
	publicNamespace  = "public"  // import of a file of public/: its address
	builtinNamespace = "builtin" // a package's import of a Node module: an empty object, as with Vite
	inlineNamespace  = "inline"  // a module script that stands in index.html itself
)

var ownNamespaces = map[string]bool{
	namespace: true, publicNamespace: true, builtinNamespace: true, inlineNamespace: true, vendorNamespace: true, barrelNamespace: true,
	entryNamespace: true, nodeNamespace: true,
}

// inlineLimit is the size below which an asset becomes a data URL, as with Vite.
const inlineLimit = 4096 // bytes

var identifier = regexp.MustCompile(`^[A-Za-z_$][\w$]*$`)

// extensions are tried in order where an import names none.
var extensions = []string{"", ".tsx", ".ts", ".jsx", ".js", ".mjs", ".mts", ".json", "/index.tsx", "/index.ts", "/index.jsx", "/index.js"}

// find returns the app's file that an import without or with extension means.
func (b *build) find(p string) (string, bool) {
	for _, e := range extensions {
		if b.in.Tree.Has(p + e) {
			return p + e, true
		}
	}
	// TypeScript's convention: "./x.js" may mean ./x.ts or ./x.tsx.
	if stem, ok := strings.CutSuffix(p, ".js"); ok {
		for _, e := range []string{".ts", ".tsx"} {
			if b.in.Tree.Has(stem + e) {
				return stem + e, true
			}
		}
	}
	return "", false
}

// plugin serves the app's files to esbuild.
func (b *build) plugin(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return b.resolve(pb, a), nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		return b.load(a)
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: barrelNamespace}, loadBarrel)
	literal := func(ns, format string, arg func(string) string) {
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: ns}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			s := fmt.Sprintf(format, arg(a.Path))
			return api.OnLoadResult{Contents: &s, Loader: api.LoaderTSX, ResolveDir: b.in.Dir}, nil
		})
	}
	literal(publicNamespace, "export default %s;", func(p string) string { return quote("/" + p) })
	literal(builtinNamespace, "module.exports = {}; // %s", func(p string) string { return p })
	literal(inlineNamespace, "%s", func(p string) string { return b.inline[p] })
}

// bypass marks a resolution that this plugin asked esbuild for, so that it does not answer itself.
type bypass struct{}

func (b *build) resolve(pb api.PluginBuild, a api.OnResolveArgs) api.OnResolveResult {
	if _, own := a.PluginData.(bypass); own {
		return api.OnResolveResult{}
	}
	if a.Kind == api.ResolveEntryPoint {
		if _, ok := b.inline[a.Path]; ok {
			return api.OnResolveResult{Path: a.Path, Namespace: inlineNamespace}
		}
		if isServerFile(a.Path) {
			return api.OnResolveResult{Errors: []api.Message{serverOnPage(a.Path, a.Path)}}
		}
		return api.OnResolveResult{Path: a.Path, Namespace: namespace}
	}
	if a.Namespace != namespace && a.Namespace != inlineNamespace {
		return b.resolveInPackage(pb, a)
	}
	if strings.HasPrefix(a.Path, "data:") || strings.Contains(a.Path, "://") || strings.HasPrefix(a.Path, "//") || strings.HasPrefix(a.Path, "#") {
		return api.OnResolveResult{Path: a.Path, External: true}
	}
	id, query, _ := strings.Cut(a.Path, "?")
	target, local := b.target(id, a)
	if !local {
		if b.vendors(id, a.Kind) {
			b.vendorMu.Lock()
			b.vendorIDs[vendorFile(id)] = id
			b.vendorMu.Unlock()
			return api.OnResolveResult{Path: "/" + vendorRoot(b.vendorKey) + "/" + vendorFile(id), External: true}
		}
		if r, ok := b.resolveBarrel(pb, id, a); ok {
			return r
		}
		return api.OnResolveResult{} // a package: esbuild knows how
	}
	if p, ok := b.find(target); ok {
		if isServerFile(p) {
			return api.OnResolveResult{Errors: []api.Message{serverOnPage(a.Path, p)}}
		}
		r := api.OnResolveResult{Path: p, Namespace: namespace}
		if query != "" {
			r.Suffix = "?" + query
		}
		return r
	}
	if p := strings.TrimPrefix(id, "/"); strings.HasPrefix(id, "/") && b.in.Tree.Has("public/"+p) {
		if a.Kind == api.ResolveCSSURLToken || a.Kind == api.ResolveCSSImportRule {
			return api.OnResolveResult{Path: id, External: true}
		}
		return api.OnResolveResult{Path: p, Namespace: publicNamespace}
	}
	d := b.missingFile(a.Path, target)
	if a.Kind == api.ResolveCSSURLToken { // as with Vite: it may exist on the server
		d.Warning = true
		return api.OnResolveResult{Path: a.Path, External: true, Warnings: []api.Message{{Text: d.Message, Detail: d}}}
	}
	return api.OnResolveResult{Errors: []api.Message{{Text: d.Message, Detail: d}}}
}

// vendors reports whether an import belongs into the packages' bundle. What is not installed does not: esbuild
// shall complain about the place where it is imported.
func (b *build) vendors(id string, kind api.ResolveKind) bool {
	switch {
	case !b.vendored(), kind != api.ResolveJSImportStatement && kind != api.ResolveJSDynamicImport, path.Ext(id) == ".css":
		return false
	case builtins[strings.TrimPrefix(id, "node:")]:
		return false
	}
	return b.installed(packageName(id))
}

// target returns the app path that an import of an app's file means; local is false for a package.
func (b *build) target(id string, a api.OnResolveArgs) (target string, local bool) {
	dir := path.Dir(a.Importer)
	if a.Namespace == inlineNamespace {
		dir = "."
	}
	switch {
	case strings.HasPrefix(id, "/"):
		return path.Clean(strings.TrimPrefix(id, "/")), true
	case id == "." || id == ".." || strings.HasPrefix(id, "./") || strings.HasPrefix(id, "../"):
		return path.Join(dir, id), true
	}
	for _, al := range b.in.Aliases {
		if al.Exact && id == al.Prefix {
			return path.Clean(al.Target), true
		}
		if rest, ok := strings.CutPrefix(id, al.Prefix); ok && !al.Exact {
			if t := path.Join(al.Target, rest); al.Prefix != "" {
				return t, true
			} else if _, ok := b.find(t); ok { // "*" or baseUrl: packages have the same form
				return t, true
			}
		}
	}
	if a.Kind == api.ResolveCSSURLToken || a.Kind == api.ResolveCSSImportRule {
		if p := path.Join(dir, id); b.in.Tree.Has(p) {
			return p, true
		}
	}
	return "", false
}

// resolveInPackage leaves packages to esbuild, except that an import of a Node module gives an empty one.
func (b *build) resolveInPackage(pb api.PluginBuild, a api.OnResolveArgs) api.OnResolveResult {
	if !builtins[strings.TrimPrefix(a.Path, "node:")] {
		return api.OnResolveResult{}
	}
	r := pb.Resolve(a.Path, api.ResolveOptions{
		Importer: a.Importer, Namespace: a.Namespace, ResolveDir: a.ResolveDir, Kind: a.Kind, PluginData: bypass{},
	})
	if len(r.Errors) == 0 && !r.External {
		return api.OnResolveResult{Path: r.Path, Namespace: r.Namespace, Suffix: r.Suffix}
	}
	return api.OnResolveResult{Path: a.Path, Namespace: builtinNamespace}
}

// builtins are Node's modules. Vite gives packages that import them an empty module, and so do we.
var builtins = setOf(`assert async_hooks buffer child_process cluster console constants crypto dgram
	diagnostics_channel dns domain events fs fs/promises http http2 https inspector module net os path perf_hooks
	process punycode querystring readline repl stream stream/promises stream/web string_decoder sys timers tls tty
	url util util/types v8 vm wasi worker_threads zlib`)

func setOf(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// zodNamespace: esbuild cannot see through zod's exported object z, and would keep all of zod (370 kB). The
// namespace import means the same and can be shaken.
var zodNamespace = regexp.MustCompile(`import\s*\{\s*z\s*\}\s*from\s*(["']zod["'])`)

// load returns an app's file in the form in which esbuild shall see it.
func (b *build) load(a api.OnLoadArgs) (api.OnLoadResult, error) {
	src, _ := b.in.Tree.Get(a.Path)
	r := api.OnLoadResult{ResolveDir: b.in.Dir}
	text := func(s []byte, l api.Loader) (api.OnLoadResult, error) {
		c := string(s)
		r.Contents, r.Loader = &c, l
		return r, nil
	}
	problem := func(d model.Diagnostic) (api.OnLoadResult, error) {
		m := api.Message{Text: d.Message, Detail: d}
		m.Location = &api.Location{File: a.Path, Namespace: namespace, Line: d.Line, LineText: d.Snippet}
		r.Errors = append(r.Errors, m)
		return r, nil
	}
	query := strings.Split(strings.TrimPrefix(a.Suffix, "?"), "&")
	switch {
	case slices.Contains(query, "raw"):
		return text(src, api.LoaderText)
	case slices.Contains(query, "url"):
		return text(src, api.LoaderFile)
	}
	if d, bad := unsupportedQuery(a.Path, a.Suffix); bad {
		return problem(d)
	}
	ext := strings.ToLower(path.Ext(a.Path))
	if scripts[ext] != api.LoaderNone {
		if d, bad := unsupported(a.Path, src); bad {
			return problem(d)
		}
		return text(zodNamespace.ReplaceAll(src, []byte("import * as z from $1")), scripts[ext])
	}
	switch ext {
	case ".json":
		return text(src, api.LoaderJSON)
	case ".css":
		return b.loadCSS(a.Path, src, slices.Contains(query, "inline"), text, problem)
	case ".scss", ".sass", ".less", ".styl", ".vue", ".svelte", ".astro":
		return problem(model.Diagnostic{
			Class: "syntax", File: a.Path, Message: fmt.Sprintf("%s files need a compiler that is not available here.", ext),
			Cure: "Write plain CSS (nesting works) or React components instead.",
		})
	}
	if len(src) < inlineLimit && mime.TypeByExtension(ext) != "" {
		return text(src, api.LoaderDataURL)
	}
	return text(src, api.LoaderFile)
}

func (b *build) loadCSS(p string, src []byte, inline bool, text func([]byte, api.Loader) (api.OnLoadResult, error),
	problem func(model.Diagnostic) (api.OnLoadResult, error),
) (api.OnLoadResult, error) {
	if b.in.Styles != nil {
		css, ok, err := b.in.Styles.Compile(b.ctx, p)
		if err != nil {
			return problem(model.Diagnostic{Class: "css", File: p, Message: err.Error()})
		}
		if ok {
			src = css
		}
	}
	switch {
	case inline:
		return text(src, api.LoaderText)
	case strings.HasSuffix(p, ".module.css"):
		return text(src, api.LoaderLocalCSS)
	}
	return text(src, api.LoaderCSS)
}

// scripts maps extensions to loaders. Vite allows JSX in .js files of React projects only by configuration;
// allowing it always harms nobody.
var scripts = map[string]api.Loader{
	".tsx": api.LoaderTSX, ".ts": api.LoaderTS, ".mts": api.LoaderTS, ".cts": api.LoaderTS,
	".jsx": api.LoaderJSX, ".js": api.LoaderJSX, ".mjs": api.LoaderJSX, ".cjs": api.LoaderJSX,
}

// assetLoaders are for assets inside of packages.
func assetLoaders() map[string]api.Loader {
	m := map[string]api.Loader{}
	for ext := range strings.FieldsSeq(".png .jpg .jpeg .gif .webp .avif .svg .ico .woff .woff2 .ttf .otf .eot .mp3 .mp4 .webm .ogg .wav .pdf .wasm .glb .gltf") {
		m[ext] = api.LoaderFile
	}
	return m
}
