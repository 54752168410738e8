package tailwind

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/filetree"
)

// files is what Tailwind sees of an app: its own files in memory, laid over the folder that holds node_modules.
type files struct {
	dir  string // absolute; the app's files seem to lie here
	tree filetree.Tree
	used map[string]string // app files read so far, and their hashes
}

func (f *files) abs(p string) string   { return path.Join(f.dir, p) }
func (f *files) dirOf(p string) string { return path.Dir(f.abs(p)) }

// local returns the app path of an absolute one.
func (f *files) local(abs string) (string, bool) {
	p, ok := strings.CutPrefix(abs, f.dir+"/")
	return p, ok && !strings.HasPrefix(p, "node_modules/")
}

// read returns an absolute path's content. Outside of the app and its packages nothing can be read.
func (f *files) read(abs string) ([]byte, error) {
	if p, ok := f.local(abs); ok {
		file, ok := f.tree.File(p)
		if !ok {
			return nil, fmt.Errorf("there is no file %s", p)
		}
		f.used[p] = file.Hash
		return file.Content, nil
	}
	if !strings.HasPrefix(abs, f.dir+"/node_modules/") {
		return nil, fmt.Errorf("%s lies outside of the app", abs)
	}
	return os.ReadFile(abs)
}

// unchanged reports whether the files read so far are the same in another tree.
func (f *files) unchanged(tree filetree.Tree) bool {
	for p, hash := range f.used {
		if file, ok := tree.File(p); !ok || file.Hash != hash {
			return false
		}
	}
	return true
}

type stylesheet struct {
	Path    string `json:"path"`
	Base    string `json:"base"`
	Content string `json:"content"`
}

// stylesheet answers an @import of Tailwind.
func (f *files) stylesheet(id, base string) (any, error) {
	p, err := f.resolveCSS(id, base)
	if err != nil {
		return nil, err
	}
	b, err := f.read(p)
	if err != nil {
		return nil, fmt.Errorf("can't resolve %q: %w", id, err)
	}
	return stylesheet{p, path.Dir(p), string(b)}, nil
}

func (f *files) resolveCSS(id, base string) (string, error) {
	if strings.HasPrefix(id, ".") || strings.HasPrefix(id, "/") {
		p := path.Join(base, id)
		if strings.HasPrefix(id, "/") {
			p = path.Join(f.dir, id)
		}
		return p, nil
	}
	if l, ok := f.local(path.Join(base, id)); ok && f.tree.Has(l) { // @import "theme.css" means the neighbour first
		return path.Join(base, id), nil
	}
	name, rest, _ := strings.Cut(id, "/")
	if strings.HasPrefix(id, "@") {
		scoped, more, _ := strings.Cut(rest, "/")
		name, rest = name+"/"+scoped, more
	}
	pkg := f.findPackage(name, base)
	if pkg == "" {
		return "", fmt.Errorf("can't resolve %q: the package %s is not installed", id, name)
	}
	b, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return "", fmt.Errorf("can't resolve %q: %w", id, err)
	}
	var manifest struct {
		Style   string          `json:"style"`
		Exports json.RawMessage `json:"exports"`
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		return "", fmt.Errorf("can't resolve %q: %w", id, err)
	}
	if target := styleExport(manifest.Exports, rest); target != "" {
		return path.Join(pkg, target), nil
	}
	switch {
	case rest == "" && manifest.Style != "":
		return path.Join(pkg, manifest.Style), nil
	case rest == "":
		return path.Join(pkg, "index.css"), nil
	case path.Ext(rest) == "":
		return path.Join(pkg, rest+".css"), nil
	}
	return path.Join(pkg, rest), nil
}

// findPackage looks for a package as Node does: in node_modules of base and of the folders above it.
func (f *files) findPackage(name, base string) string {
	for d := base; strings.HasPrefix(d, f.dir); d = path.Dir(d) {
		p := path.Join(d, "node_modules", name)
		if i, err := os.Stat(p); err == nil && i.IsDir() {
			return p
		}
	}
	return ""
}

// styleExport finds the target of an export under the conditions that stylesheets use.
func styleExport(exports json.RawMessage, sub string) string {
	key := "."
	if sub != "" {
		key = "./" + sub
	}
	var table map[string]json.RawMessage
	if json.Unmarshal(exports, &table) != nil {
		return ""
	}
	if target, ok := table[key]; ok {
		return styleTarget(target)
	}
	for pattern, target := range table {
		before, after, star := strings.Cut(pattern, "*")
		if star && strings.HasPrefix(key, before) && strings.HasSuffix(key, after) && len(key) >= len(before)+len(after) {
			return strings.ReplaceAll(styleTarget(target), "*", key[len(before):len(key)-len(after)])
		}
	}
	return ""
}

func styleTarget(raw json.RawMessage) string {
	var direct string
	if json.Unmarshal(raw, &direct) == nil {
		return direct
	}
	var byCondition map[string]json.RawMessage
	if json.Unmarshal(raw, &byCondition) == nil {
		for _, condition := range []string{"style", "default"} {
			if t, ok := byCondition[condition]; ok {
				return styleTarget(t)
			}
		}
	}
	return ""
}

type module struct {
	Path string `json:"path"`
	Base string `json:"base"`
	Code string `json:"code"`
}

// module answers @config and @plugin: the file with all that it needs, as one CommonJS script.
func (f *files) module(id, base string) (any, error) {
	r := api.Build(api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents: fmt.Sprintf("module.exports = require(%q)", id), ResolveDir: base, Sourcefile: "config.js",
		},
		Bundle: true, Format: api.FormatCommonJS, Platform: api.PlatformBrowser, Target: api.ES2022,
		MainFields: []string{"main", "module"}, Conditions: []string{"require"},
		Define:   map[string]string{"process.env.NODE_ENV": `"production"`},
		LogLevel: api.LogLevelSilent, TsconfigRaw: "{}", MinifySyntax: true,
		Plugins: []api.Plugin{{Name: "app", Setup: f.overlay}},
	})
	if len(r.Errors) > 0 {
		m := r.Errors[0]
		if m.Location != nil && m.Location.Line > 0 && m.Location.File != "config.js" {
			return nil, fmt.Errorf("%s:%d: %s", strings.TrimPrefix(m.Location.File, "app:"), m.Location.Line, m.Text)
		}
		return nil, fmt.Errorf("can't load %q: %s", id, m.Text)
	}
	p := path.Join(base, id)
	return module{p, path.Dir(p), string(r.OutputFiles[0].Contents)}, nil
}

// nodeModules are what the glue stands in for, besides Tailwind itself.
var nodeModules = map[string]bool{"util": true, "path": true, "fs": true, "url": true}

// overlay lets esbuild see the app's files.
func (f *files) overlay(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if a.Path == "tailwindcss" || strings.HasPrefix(a.Path, "tailwindcss/") || nodeModules[strings.TrimPrefix(a.Path, "node:")] {
			return api.OnResolveResult{Path: a.Path, External: true}, nil
		}
		abs := path.Join(a.ResolveDir, a.Path)
		if !strings.HasPrefix(a.Path, ".") && !strings.HasPrefix(a.Path, "/") {
			abs = path.Join(f.dir, "node_modules", a.Path)
		}
		if !strings.HasPrefix(abs, f.dir+"/") {
			return api.OnResolveResult{}, fmt.Errorf("%q lies outside of the app", a.Path)
		}
		at, ok := f.local(abs)
		if !ok {
			return api.OnResolveResult{}, nil // in a package: esbuild knows how
		}
		for _, ext := range []string{"", ".ts", ".js", ".mjs", ".cjs", ".mts", ".cts", ".json", "/index.ts", "/index.js"} {
			if f.tree.Has(at + ext) {
				return api.OnResolveResult{Path: at + ext, Namespace: "app"}, nil
			}
		}
		return api.OnResolveResult{}, fmt.Errorf("there is no file %s", at)
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "app"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		content, err := f.read(f.abs(a.Path))
		if err != nil {
			return api.OnLoadResult{}, err
		}
		loader := api.LoaderJS
		switch path.Ext(a.Path) {
		case ".ts", ".mts", ".cts":
			loader = api.LoaderTS
		case ".json":
			loader = api.LoaderJSON
		}
		s := string(content)
		return api.OnLoadResult{Contents: &s, Loader: loader, ResolveDir: f.dirOf(a.Path)}, nil
	})
}
