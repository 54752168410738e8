package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Vendor bundles packages for development builds, once per installation and set of imports. All imported
// packages go through one build with splitting, so that what they share, React above all, exists once in the
// page. Only the names that apps import are exported: a library of 1,700 icons gives the five that are used.
//
// Finished bundles lie on disk; in memory a Vendor holds only what each was made for. It is safe for concurrent
// use.
type Vendor struct {
	dir string

	mu   sync.Mutex
	sets map[string]*vendorSet // by the folder that holds node_modules
}

// vendorSet is the newest bundle of an installation.
type vendorSet struct {
	mu    sync.Mutex
	Key   string // names the bundle's folder
	Wants wants
}

// NewVendor keeps bundles in dir, which is made when needed.
func NewVendor(dir string) *Vendor { return &Vendor{dir: dir, sets: map[string]*vendorSet{}} }

// wants are the imports of packages: the names by import, true for a name. "*" means all names.
type wants map[string]map[string]bool

func (w wants) add(id string, names ...string) {
	if w[id] == nil {
		w[id] = map[string]bool{}
	}
	for _, n := range names {
		w[id][n] = true
	}
}

// covers reports whether everything in other is in w.
func (w wants) covers(other wants) bool {
	for id, names := range other {
		have, ok := w[id]
		if !ok {
			return false
		}
		for n := range names {
			if !have[n] {
				return false
			}
		}
	}
	return true
}

func (w wants) union(other wants) wants {
	u := wants{}
	for _, from := range []wants{w, other} {
		for id, names := range from {
			if u[id] == nil {
				u[id] = map[string]bool{}
			}
			maps.Copy(u[id], names)
		}
	}
	return u
}

// key names a bundle by its content's causes.
func (w wants) key(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "vendor 1 %s\n", filepath.Base(dir))
	for _, id := range slices.Sorted(maps.Keys(w)) {
		fmt.Fprintln(&b, id, slices.Sorted(maps.Keys(w[id])))
	}
	return filetree.HashOf([]byte(b.String()))[:12]
}

// set returns the newest bundle's description for an installation, from disk after a restart.
func (v *Vendor) set(dir string) *vendorSet {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sets[dir]
	if s == nil {
		s = &vendorSet{Wants: wants{}}
		b, err := os.ReadFile(v.indexFile(dir))
		if err != nil || json.Unmarshal(b, s) != nil || !v.complete(s.Key) {
			s.Key, s.Wants = "", wants{}
		}
		v.sets[dir] = s
	}
	return s
}

func (v *Vendor) indexFile(dir string) string {
	return filepath.Join(v.dir, filepath.Base(dir)+".json")
}

func (v *Vendor) complete(key string) bool {
	i, err := os.Stat(filepath.Join(v.dir, key))
	return key != "" && err == nil && i.IsDir()
}

// vendorFile is the file of a bundle that stands for an import.
func vendorFile(id string) string { return strings.ReplaceAll(id, "/", "__") + ".js" }

// vendorRoot is the folder of the site in which a bundle lies.
func vendorRoot(key string) string { return "assets/packages-" + key }

// ensure makes sure that a bundle with these wants exists and returns its key and files, by site path.
func (v *Vendor) ensure(ctx context.Context, dir string, need wants) (string, map[string][]byte, []api.Message, error) {
	s := v.set(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Wants.covers(need) || !v.complete(s.Key) {
		all := s.Wants.union(need)
		key := all.key(dir)
		if !v.complete(key) {
			problems, err := v.make(ctx, dir, key, all)
			if len(problems) > 0 && len(s.Wants) > 0 { // perhaps what another app wanted is at fault
				all, key = need, need.key(dir)
				problems, err = v.make(ctx, dir, key, all)
			}
			if len(problems) > 0 || err != nil {
				return "", nil, problems, err
			}
		}
		s.Key, s.Wants = key, all
		if b, err := json.Marshal(s); err == nil {
			_ = os.WriteFile(v.indexFile(dir), b, 0o644) // without it the next start bundles once more
		}
	}
	files, err := v.read(s.Key)
	return s.Key, files, nil, err
}

func (v *Vendor) read(key string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := filepath.Join(v.dir, key)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files[path.Join(vendorRoot(key), filepath.ToSlash(rel))], err = os.ReadFile(p)
		return err
	})
	return files, err
}

// make bundles the packages and writes the result under its key, whole or not at all.
func (v *Vendor) make(ctx context.Context, dir, key string, w wants) ([]api.Message, error) {
	star, err := v.allNames(dir, w)
	if err != nil {
		return nil, err
	}
	var entries []api.EntryPoint
	for _, id := range slices.Sorted(maps.Keys(w)) {
		entries = append(entries, api.EntryPoint{InputPath: id, OutputPath: strings.TrimSuffix(vendorFile(id), ".js")})
	}
	b := &build{ctx: ctx, in: Input{Dir: dir}, mode: "development"}
	o := b.options(nil)
	o.EntryPoints, o.EntryPointsAdvanced, o.Outdir = nil, entries, outDir
	o.Sourcemap, o.EntryNames, o.ChunkNames, o.AssetNames = api.SourceMapNone, "[name]", "chunk-[hash]", "[name]-[hash]"
	o.PublicPath = "/" + vendorRoot(key)
	o.Plugins = []api.Plugin{{Name: "vendor", Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			switch {
			case a.Kind == api.ResolveEntryPoint:
				return api.OnResolveResult{Path: a.Path, Namespace: vendorNamespace}, nil
			case a.Namespace == vendorNamespace:
				return api.OnResolveResult{}, nil
			}
			if _, own := a.PluginData.(bypass); own {
				return api.OnResolveResult{}, nil
			}
			return b.resolveInPackage(pb, a), nil
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: vendorNamespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			s := vendorEntry(a.Path, w[a.Path], star[a.Path])
			return api.OnLoadResult{Contents: &s, ResolveDir: dir, Loader: api.LoaderJS}, nil
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: builtinNamespace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			s := "module.exports = {};"
			return api.OnLoadResult{Contents: &s, Loader: api.LoaderJS}, nil
		})
	}}}
	bc, cerr := api.Context(o)
	if cerr != nil {
		return nil, fmt.Errorf("configure esbuild: %w", cerr)
	}
	defer bc.Dispose()
	stop := context.AfterFunc(ctx, bc.Cancel)
	defer stop()
	r := bc.Rebuild()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(r.Errors) > 0 {
		return r.Errors, nil
	}
	if d := outside(r.Metafile); len(d) > 0 {
		return []api.Message{{Text: d[0].Message, Detail: d[0]}}, nil
	}
	return nil, v.write(key, r.OutputFiles)
}

const vendorNamespace = "vendor"

// vendorEntry is a module that exports what apps import from a package. commonJS lists the names of a CommonJS
// package; it is nil for ECMAScript packages, whose names esbuild knows.
func vendorEntry(id string, names map[string]bool, commonJS []string) string {
	var b strings.Builder
	from := quote(id)
	fmt.Fprintf(&b, "import %s;\n", from)
	list := slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(n string) bool {
		return n == "*" || n == "default" && names["*"]
	})
	if names["*"] {
		// A default that does not exist is undefined in this form, where "export { default }" would be an error.
		fmt.Fprintf(&b, "import * as all from %s;\nexport default all.default;\n", from)
		if commonJS == nil {
			fmt.Fprintf(&b, "export * from %s;\n", from)
		}
		for _, n := range commonJS {
			if !names[n] {
				list = append(list, n)
			}
		}
	}
	if len(list) > 0 {
		fmt.Fprintf(&b, "export { %s } from %s;\n", strings.Join(list, ", "), from)
	}
	return b.String()
}

// write stores a bundle under its key.
func (v *Vendor) write(key string, files []api.OutputFile) error {
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(v.dir, "tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	for _, f := range files {
		at := filepath.Join(tree, filepath.FromSlash(strings.TrimPrefix(f.Path, outDir)))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, f.Contents, 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(tree, filepath.Join(v.dir, key)); err != nil && !v.complete(key) {
		return err
	}
	return nil
}

// allNames finds, for packages of which all names are wanted, the names that esbuild cannot see because the
// package is CommonJS. ECMAScript packages are not in the result.
func (v *Vendor) allNames(dir string, w wants) (map[string][]string, error) {
	all := map[string][]string{}
	for id, names := range w {
		if !names["*"] {
			continue
		}
		file, commonJS, err := entryOf(dir, id)
		if err != nil {
			return nil, err
		}
		if commonJS {
			all[id] = commonJSNames(file)
		}
	}
	return all, nil
}

// entryOf returns the file that an import of a package means, and whether it is CommonJS.
func entryOf(dir, id string) (file string, commonJS bool, err error) {
	b := &build{in: Input{Dir: dir}, mode: "development"}
	o := b.options(nil)
	o.EntryPoints = nil
	o.Stdin = &api.StdinOptions{Contents: "export * from " + quote(id), ResolveDir: dir, Sourcefile: "stdin"}
	o.Plugins = []api.Plugin{{Name: "first file only", Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{External: a.Path != id || a.Importer != "<stdin>" && path.Base(a.Importer) != "stdin"}, nil
		})
	}}}
	o.Write = false
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return "", false, nil // the bundle itself will tell
	}
	var meta struct {
		Inputs map[string]struct {
			Format string `json:"format"`
		} `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(r.Metafile), &meta); err != nil {
		return "", false, fmt.Errorf("read esbuild's metafile: %w", err)
	}
	for p, in := range meta.Inputs {
		if strings.HasPrefix(p, "node_modules/") {
			return filepath.Join(dir, p), in.Format == "cjs", nil
		}
	}
	return "", false, nil
}

// vendored reports whether packages are bundled apart.
func (b *build) vendored() bool { return b.in.Vendor != nil }

// runVendored builds the app against the newest bundle of packages, and again if that lacks something.
func (b *build) runVendored(entries []string) (api.BuildResult, map[string][]byte, []model.Diagnostic, error) {
	b.vendorKey = "new"
	if s := b.in.Vendor.set(b.in.Dir); s.mu.TryLock() {
		if s.Key != "" {
			b.vendorKey = s.Key
		}
		s.mu.Unlock()
	}
	for range 3 {
		r, problems, err := b.run(entries)
		if len(problems) > 0 || err != nil {
			return r, nil, problems, err
		}
		key, files, messages, err := b.in.Vendor.ensure(b.ctx, b.in.Dir, b.wanted(r))
		if len(messages) > 0 || err != nil {
			return r, nil, b.blame(messages), err
		}
		if key == b.vendorKey {
			return r, files, nil, nil
		}
		b.vendorKey = key
	}
	return api.BuildResult{}, nil, nil, errors.New("the packages' bundle kept changing under the build")
}

// blame finds the app's import that is behind a problem of the packages' bundle.
func (b *build) blame(messages []api.Message) []model.Diagnostic {
	problems := b.diagnose(messages, false)
	for i := range problems {
		d := &problems[i]
		id, ok := strings.CutPrefix(d.File, vendorNamespace+":")
		if !ok {
			continue
		}
		d.File, d.Line, d.Column, d.Snippet = "", 0, 0, ""
		name := ""
		if m := noExport.FindStringSubmatch(messages[i].Text); m != nil {
			name = m[2]
		}
		importer := regexp.MustCompile(`import\s[^;"']*?` + regexp.QuoteMeta(name) + `[^;"']*?from\s*["']` + regexp.QuoteMeta(id) + `["']`)
		for _, p := range b.in.Tree.Paths() {
			src, _ := b.in.Tree.Get(p)
			if at := importer.FindIndex(src); at != nil && scripts[path.Ext(p)] != api.LoaderNone {
				d.File = p
				d.Line, d.Column, d.Snippet = position(src, at[0])
				d.Snippet = strings.TrimSpace(d.Snippet)
				break
			}
		}
	}
	return problems
}
