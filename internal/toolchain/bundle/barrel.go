package bundle

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// barrelNamespace holds packages' entries that only pass on what other files export, shortened to what the app uses.
const barrelNamespace = "barrel"

// An icon package is one file that passes on 1,700 others. esbuild drops what nobody uses, but only after it has parsed
// it all, which is most of the time of a small app's build. Where a package declares that its files have no side
// effects, and its entry holds nothing but such statements, the entry that the app gets names only what occurs in
// the files that import it.
var (
	passesOn  = regexp.MustCompile(`^export\s*\{([^{}]*)\}\s*from\s*["'][^"'\n]+["'];?$`)
	namesAll  = regexp.MustCompile(`^import\s*\*\s*as\s+([\w$]+)\s+from\s*["'][^"'\n]+["'];?$`)
	exportsIt = regexp.MustCompile(`^export\s*\{\s*([\w$]+)(?:\s+as\s+([\w$]+))?\s*\};?$`)
	word      = regexp.MustCompile(`[A-Za-z_$][\w$]*`)
	comments  = regexp.MustCompile(`(?s)/\*.*?\*/|(?m:^[ \t]*//[^\n]*$)`)
)

// minBarrel is the size in bytes below which shortening is not worth it.
const minBarrel = 8 << 10

// resolveBarrel answers an app's import of a package whose entry can be shortened.
func (b *build) resolveBarrel(pb api.PluginBuild, id string, a api.OnResolveArgs) (api.OnResolveResult, bool) {
	if a.Kind != api.ResolveJSImportStatement {
		return api.OnResolveResult{}, false
	}
	b.barrelMu.Lock()
	defer b.barrelMu.Unlock()
	short, seen := b.barrels[id]
	if !seen {
		short = b.shorten(pb, id, a)
		b.barrels[id] = short
	}
	if short == nil {
		return api.OnResolveResult{}, false
	}
	return api.OnResolveResult{Path: short.path, Namespace: barrelNamespace, PluginData: short, SideEffects: api.SideEffectsFalse}, true
}

// barrel is a shortened entry.
type barrel struct {
	path     string // relative to the folder of node_modules
	dir      string
	contents string
}

// shorten returns nil where an entry has to stay as it is.
func (b *build) shorten(pb api.PluginBuild, id string, a api.OnResolveArgs) *barrel {
	r := pb.Resolve(id, api.ResolveOptions{
		Importer: a.Importer, Namespace: a.Namespace, ResolveDir: b.in.Dir, Kind: a.Kind, PluginData: bypass{},
	})
	if len(r.Errors) > 0 || r.External || r.SideEffects || r.Namespace != "file" {
		return nil
	}
	rel, err := filepath.Rel(b.in.Dir, r.Path)
	if err != nil || !strings.HasPrefix(filepath.ToSlash(rel), "node_modules/") {
		return nil
	}
	src, err := os.ReadFile(r.Path)
	if err != nil || len(src) < minBarrel {
		return nil
	}
	used, ok := b.wordsBeside(id)
	if !ok {
		return nil
	}
	contents, ok := shortenBarrel(string(src), used)
	if !ok {
		return nil
	}
	return &barrel{path: filepath.ToSlash(rel), dir: filepath.Dir(r.Path), contents: contents}
}

// shortenBarrel keeps the statements that export a used name; ok is false if there are other statements.
func shortenBarrel(src string, used map[string]bool) (short string, ok bool) {
	var out strings.Builder
	all := map[string]string{} // local name of a whole module -> its import
	for line := range strings.Lines(comments.ReplaceAllString(src, "")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, `"use `), strings.HasPrefix(line, `'use `):
		case namesAll.MatchString(line):
			all[namesAll.FindStringSubmatch(line)[1]] = line
		case passesOn.MatchString(line):
			if exportsUsed(passesOn.FindStringSubmatch(line)[1], used) {
				out.WriteString(line + "\n")
			}
		case exportsIt.MatchString(line):
			m := exportsIt.FindStringSubmatch(line)
			name := m[2]
			if name == "" {
				name = m[1]
			}
			if all[m[1]] == "" {
				return "", false
			}
			if used[name] {
				out.WriteString(all[m[1]] + "\n" + line + "\n")
			}
		default:
			return "", false
		}
	}
	return out.String(), true
}

// exportsUsed reports whether a list such as "default as A, b" exports a used name.
func exportsUsed(list string, used map[string]bool) bool {
	for spec := range strings.SplitSeq(list, ",") {
		words := strings.Fields(spec)
		if len(words) > 0 && used[words[len(words)-1]] {
			return true
		}
	}
	return false
}

// wordsBeside returns every word of the files that import a package: more than what they import, never less. ok is
// false if one of them takes the package as a whole.
func (b *build) wordsBeside(id string) (words map[string]bool, ok bool) {
	whole := regexp.MustCompile(`(?:\*(?:\s*as\s+[\w$]+)?\s*from|import\s*\(|require\s*\(|import)\s*["']` + regexp.QuoteMeta(id) + `["']`)
	words = map[string]bool{}
	for _, p := range b.in.Tree.Paths() {
		if scripts[strings.ToLower(path.Ext(p))] == api.LoaderNone {
			continue
		}
		src, _ := b.in.Tree.Get(p)
		text := string(src)
		if !strings.Contains(text, `"`+id+`"`) && !strings.Contains(text, `'`+id+`'`) {
			continue
		}
		if whole.MatchString(text) {
			return nil, false
		}
		for _, w := range word.FindAllString(text, -1) {
			words[w] = true
		}
	}
	for _, text := range b.inline {
		if strings.Contains(text, id) {
			return nil, false
		}
	}
	return words, len(words) > 0
}

// loadBarrel gives esbuild a shortened entry.
func loadBarrel(a api.OnLoadArgs) (api.OnLoadResult, error) {
	short := a.PluginData.(*barrel)
	return api.OnLoadResult{Contents: &short.contents, Loader: api.LoaderJS, ResolveDir: short.dir}, nil
}
