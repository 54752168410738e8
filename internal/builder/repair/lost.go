package repair

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
)

// LostExport is a name that a file does not export any more although others still import it.
type LostExport struct {
	File      string
	Name      string   // "default" for the default export; WholeFile when nothing but the file itself is asked for
	Importers []string // the files that still import it, in order
}

// WholeFile stands for the name where a file that is gone is imported and no name of it: for its effect, or because
// it is no module at all.
const WholeFile = "*"

// LostExports returns what the files in paths exported in before, do not export in after, and is imported by
// files of after all the same: values, types, defaults and re-exports, by whichever path form, through a namespace
// (x.Name), a dynamic import or an "export *" of another file. A file that is gone has lost all its exports. A file
// that does not parse, before or after, has lost nothing that can be named.
//
// The order is that of paths, then of names. Where nothing is lost only the touched files are read; else those
// of the others that mention them.
func LostExports(before, after filetree.Tree, paths []string) []LostExport {
	var suspects []string
	for _, name := range paths {
		was, had := before.Get(name)
		is, has := after.Get(name)
		if !had || has && (string(was) == string(is) || !isModule(name) || keepsExports(string(was), string(is))) || slices.Contains(suspects, name) {
			continue
		}
		suspects = append(suspects, name)
	}
	if len(suspects) == 0 {
		return nil
	}
	l := loss{before: newProject(before), after: newProject(after)}
	l.before.load(suspects)
	l.after.load(suspects)
	var out []LostExport
	for _, name := range suspects {
		out = append(out, l.of(name)...)
	}
	return out
}

// loss compares two states of an app, of which it parses what it needs.
type loss struct {
	before, after *project
}

// of finds what one file has lost, and who misses it.
func (l *loss) of(file string) []LostExport {
	gone := !l.after.tree.Has(file)
	names := map[string]bool{}
	if was := l.before.byPath[file]; was != nil {
		if was.open {
			return nil
		}
		names = l.before.allExports(was)
		if is := l.after.byPath[file]; is != nil {
			if is.open {
				return nil
			}
			for n := range l.after.allExports(is) {
				delete(names, n)
			}
		}
	}
	if gone {
		names[WholeFile] = true
	}
	missed := map[string][]string{}
	l.miss(file, names, missed, map[string]bool{})
	var out []LostExport
	for name, importers := range missed {
		slices.Sort(importers)
		out = append(out, LostExport{File: file, Name: name, Importers: slices.Compact(importers)})
	}
	slices.SortFunc(out, func(a, b LostExport) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// allExports lists the names of a module, with those of "export * from", whose files it reads.
func (p *project) allExports(src *source) map[string]bool {
	for range 8 { // a chain of barrels longer than this is nobody's
		var more []string
		for _, s := range p.sources {
			for _, spec := range s.stars {
				if target, _ := p.resolve(s.path, spec); target != "" && p.byPath[target] == nil && isModule(target) {
					more = append(more, target)
				}
			}
		}
		if len(more) == 0 {
			break
		}
		p.load(more)
	}
	names, _ := p.exports(src)
	return names
}

// miss records who imports one of the names from file. seen holds the files whose names were followed already.
func (l *loss) miss(file string, names map[string]bool, missed map[string][]string, seen map[string]bool) {
	if seen[file] || len(names) == 0 {
		return
	}
	seen[file] = true
	candidates := l.mentioning(file)
	l.after.load(candidates)
	for _, c := range candidates {
		src := l.after.byPath[c]
		if src == nil || src.open {
			continue
		}
		asked := l.asked(src, file)
		named := false
		for name := range asked {
			if names[name] && name != WholeFile {
				missed[name], named = append(missed[name], c), true
			}
		}
		if asked[WholeFile] && names[WholeFile] && !named {
			missed[WholeFile] = append(missed[WholeFile], c)
		}
		for _, spec := range src.stars {
			if l.target(c, spec) != file {
				continue
			}
			rest := map[string]bool{}
			still := l.after.allExports(src)
			for n := range names {
				if n != "default" && n != WholeFile && !still[n] {
					rest[n] = true
				}
			}
			l.miss(c, rest, missed, seen)
		}
	}
}

// target is the file that a specifier means, or meant as long as it existed.
func (l *loss) target(from, spec string) string {
	if target, ours := l.after.resolve(from, spec); target != "" || !ours {
		return target
	}
	target, _ := l.before.resolve(from, spec)
	return target
}

// mentioning lists the modules whose text holds the name by which file would be imported.
func (l *loss) mentioning(file string) []string {
	base := path.Base(file)
	word := strings.TrimSuffix(base, path.Ext(base))
	needles := []string{word}
	if !isModule(file) {
		needles = []string{base}
	} else if word == "index" { // "@/parts", ".", "./"
		needles = []string{path.Base(path.Dir(file)), `"."`, `'.'`, `".."`, `'..'`, `./"`, `./'`}
	}
	var out []string
	for _, p := range l.after.tree.Paths() {
		if p == file || !isModule(p) {
			continue
		}
		content, _ := l.after.tree.Get(p)
		text := string(content)
		if slices.ContainsFunc(needles, func(n string) bool { return strings.Contains(text, n) }) {
			out = append(out, p)
		}
	}
	return out
}

var (
	dynamicImport = regexp.MustCompile("\\bimport\\(\\s*[\"'`]([^\"'`\n]+)[\"'`]\\s*\\)")
	thenPick      = regexp.MustCompile(`^\s*\)?\s*\.then\(\s*(?:async\s*)?\(?\s*(\{[^{}]*\}|[\w$]+)`)
	awaitPick     = regexp.MustCompile(`(\{[^{}]*\})\s*=\s*await\s*$`)
	memberPick    = regexp.MustCompile(`^\s*\)\s*\.\s*([\w$]+)`)
)

// asked lists the names that a module takes from a file.
func (l *loss) asked(src *source, file string) map[string]bool {
	names := map[string]bool{}
	for _, imp := range src.imports {
		if l.target(src.path, imp.spec) != file {
			continue
		}
		names[WholeFile] = true
		if imp.def != "" {
			names["default"] = true
		}
		for _, n := range imp.names {
			names[n.name] = true
		}
		if imp.namespace != "" && !imp.export {
			for _, m := range regexp.MustCompile(`\b`+regexp.QuoteMeta(imp.namespace)+`\s*\??\.\s*([\w$]+)`).FindAllStringSubmatch(src.text, -1) {
				names[m[1]] = true
			}
		}
	}
	if !names[WholeFile] { // esbuild's parser met no import of it: what looks like one is a comment or a text
		return names
	}
	for _, m := range dynamicImport.FindAllStringSubmatchIndex(src.text, -1) {
		if l.target(src.path, src.text[m[2]:m[3]]) == file {
			picks(src.text[:m[0]], src.text[m[1]:], names)
		}
	}
	return names
}

// picks adds what is taken from import("..."), told by what stands before and after it. Whoever passes the
// module on, as lazy() and the pages of a router do, takes its default export.
func picks(before, after string, names map[string]bool) {
	list := ""
	if m := awaitPick.FindStringSubmatch(before); m != nil {
		list = m[1]
	} else if m := memberPick.FindStringSubmatch(after); m != nil && m[1] != "then" {
		names[m[1]] = true
		return
	} else if m := thenPick.FindStringSubmatch(after); m == nil {
		names["default"] = true
		return
	} else if list = m[1]; !strings.HasPrefix(list, "{") {
		use := regexp.MustCompile(`\b` + regexp.QuoteMeta(list) + `\s*\.\s*([\w$]+)`)
		for _, m := range use.FindAllStringSubmatch(after[:min(len(after), 400)], -1) {
			names[m[1]] = true
		}
		return
	}
	for entry := range strings.SplitSeq(strings.Trim(list, "{}"), ",") {
		name, _, _ := strings.Cut(entry, ":")
		names[strings.TrimSpace(name)] = true
	}
}
