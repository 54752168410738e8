package toolchain

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/toolchain/bundle"
)

// tsconfig is what the bundler and the type checker need to know of an app's tsconfig files.
type tsconfig struct {
	aliases  []bundle.Alias
	options  string   // compilerOptions for esbuild, as a tsconfig of its own
	projects []string // what to type-check
}

type tsconfigFile struct {
	Extends         json.RawMessage            `json:"extends"`
	Files           *[]string                  `json:"files"`
	Include         []string                   `json:"include"`
	References      []struct{ Path string }    `json:"references"`
	CompilerOptions map[string]json.RawMessage `json:"compilerOptions"`
}

// readTsconfig reads tsconfig.json, what it extends, and the projects that it refers to: Vite's templates keep
// the app's own settings in tsconfig.app.json. Files that cannot be read count as empty; the type checker will
// complain about them in its own words.
func readTsconfig(tree filetree.Tree) tsconfig {
	var c tsconfig
	root := parseTsconfig(tree, "tsconfig.json", 0)
	files := []string{"tsconfig.json"}
	for _, r := range root.References {
		p := path.Clean(r.Path)
		if path.Ext(p) != ".json" {
			p = path.Join(p, "tsconfig.json")
		}
		if tree.Has(p) {
			files = append(files, p)
		}
	}
	if !tree.Has("tsconfig.json") {
		files = []string{"jsconfig.json"}
	} else if root.Files != nil && len(*root.Files) == 0 && len(root.Include) == 0 && len(files) > 1 {
		c.projects = files[1:]
	} else {
		c.projects = files[:1]
	}
	options := map[string]json.RawMessage{}
	seen := map[string]bool{}
	for _, f := range files {
		t := parseTsconfig(tree, f, 0)
		for _, a := range aliasesOf(t, path.Dir(f)) {
			if !seen[a.Prefix] {
				seen[a.Prefix] = true
				c.aliases = append(c.aliases, a)
			}
		}
		for _, k := range []string{"jsxImportSource", "experimentalDecorators", "useDefineForClassFields", "verbatimModuleSyntax"} {
			if v, ok := t.CompilerOptions[k]; ok && options[k] == nil {
				options[k] = v
			}
		}
	}
	if !seen["@/"] && !seen["@"] { // many projects tell only Vite's configuration about it
		c.aliases = append(c.aliases, bundle.Alias{Prefix: "@/", Target: "src/"})
	}
	slices.SortStableFunc(c.aliases, func(a, b bundle.Alias) int { return len(b.Prefix) - len(a.Prefix) })
	options["jsx"] = json.RawMessage(`"react-jsx"`)
	if b, err := json.Marshal(map[string]any{"compilerOptions": options}); err == nil {
		c.options = string(b)
	}
	return c
}

// maxExtends bounds how deep configurations may extend each other.
const maxExtends = 5

func parseTsconfig(tree filetree.Tree, p string, depth int) tsconfigFile {
	var t tsconfigFile
	b, ok := tree.Get(p)
	if !ok || json.Unmarshal(plainJSON(b), &t) != nil {
		return tsconfigFile{}
	}
	var bases []string
	if one := ""; json.Unmarshal(t.Extends, &one) == nil {
		bases = []string{one}
	} else if json.Unmarshal(t.Extends, &bases) != nil {
		bases = nil
	}
	for _, base := range slices.Backward(bases) {
		if !strings.HasPrefix(base, ".") || depth >= maxExtends {
			continue
		}
		at := path.Join(path.Dir(p), base)
		if path.Ext(at) != ".json" {
			at += ".json"
		}
		merged := maps.Clone(parseTsconfig(tree, at, depth+1).CompilerOptions)
		if merged == nil {
			merged = map[string]json.RawMessage{}
		}
		maps.Copy(merged, t.CompilerOptions)
		t.CompilerOptions = merged
	}
	return t
}

// aliasesOf turns paths and baseUrl into aliases.
func aliasesOf(t tsconfigFile, dir string) []bundle.Alias {
	base := ""
	_ = json.Unmarshal(t.CompilerOptions["baseUrl"], &base) // not a string: as if it were not there
	var paths map[string][]string
	if json.Unmarshal(t.CompilerOptions["paths"], &paths) != nil {
		paths = nil
	}
	var out []bundle.Alias
	for _, from := range slices.Sorted(maps.Keys(paths)) {
		if len(paths[from]) == 0 {
			continue
		}
		to := path.Join(dir, base, paths[from][0])
		prefix, star := strings.CutSuffix(from, "*")
		target, _ := strings.CutSuffix(to, "*")
		out = append(out, bundle.Alias{Prefix: prefix, Target: target, Exact: !star})
	}
	if base != "" {
		out = append(out, bundle.Alias{Prefix: "", Target: path.Join(dir, base) + "/"})
	}
	return out
}

// plainJSON removes what TypeScript allows in its configuration and JSON does not: comments and trailing commas.
func plainJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			start := i
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			out = append(out, b[start:min(i+1, len(b))]...)
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '/':
			for i < len(b) && b[i] != '\n' {
				i++
			}
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '*':
			for i += 2; i+1 < len(b) && !(b[i] == '*' && b[i+1] == '/'); i++ {
			}
			i++
		case b[i] == '}' || b[i] == ']':
			for n := len(out); n > 0; n-- {
				if c := out[n-1]; c == ',' {
					out = append(out[:n-1], out[n:]...)
				} else if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
					continue
				}
				break
			}
			out = append(out, b[i])
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// environment reads the tree's .env files as Vite does: later ones win, and the caller's values win over all.
func environment(tree filetree.Tree, mode Mode, over map[string]string) map[string]string {
	env := map[string]string{}
	for _, f := range []string{".env", ".env.local", ".env." + string(mode), ".env." + string(mode) + ".local"} {
		b, _ := tree.Get(f)
		maps.Copy(env, parseEnv(string(b)))
	}
	maps.Copy(env, over)
	maps.DeleteFunc(env, func(k, _ string) bool { return !strings.HasPrefix(k, "VITE_") })
	return env
}

// parseEnv reads NAME=value lines; values may be quoted, and # starts a comment.
func parseEnv(s string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(s) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		k, v, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		v = strings.TrimSpace(v)
		if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'' || v[0] == '`') && strings.IndexByte(v[1:], v[0]) >= 0 {
			quoted := v[1 : 1+strings.IndexByte(v[1:], v[0])]
			if v[0] == '"' {
				quoted = strings.ReplaceAll(quoted, `\n`, "\n")
			}
			v = quoted
		} else if i := strings.Index(v, " #"); i >= 0 {
			v = strings.TrimSpace(v[:i])
		}
		env[strings.TrimSpace(k)] = v
	}
	return env
}
