package repair

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Fixed is one cure that was applied.
type Fixed struct {
	File string
	What string // a sentence for the build log
}

// maxPasses bounds how often Fix looks again: a corrected path can bring an export to light.
const maxPasses = 4

// Fix cures what needs no thought, in the files that the diagnostics name, whoever found them: imports of a
// wrong path or extension with exactly one candidate, default imports that should be named and the other way round,
// and imports of React that JSX no longer needs. When there is doubt it leaves things as they are. It returns the
// tree unchanged, and no cures, if there is nothing that it can do; it never touches a file that it cannot parse.
func Fix(tree filetree.Tree, diags []model.Diagnostic) (filetree.Tree, []Fixed) {
	named := map[string]bool{}
	for _, d := range diags {
		named[d.File] = true
	}
	var all []Fixed
	for range maxPasses {
		p := analyse(tree)
		changed := map[string][]byte{}
		for _, src := range p.sources {
			if !named[src.path] || src.open {
				continue
			}
			if text, fixed := p.cure(src); text != src.text {
				changed[src.path] = []byte(text)
				all = append(all, fixed...)
			}
		}
		if len(changed) == 0 {
			break
		}
		next, err := tree.WithAll(changed)
		if err != nil { // an import path grew past a bound of the tree; what was cured before stands
			break
		}
		tree = next
	}
	return tree, all
}

// replacement is a piece of text to be put in the place of another.
type replacement struct {
	from, to int
	text     string
}

// cure returns the text of a module with all cures applied that are certain.
func (p *project) cure(src *source) (string, []Fixed) {
	var todo []replacement
	var fixed []Fixed
	note := func(format string, args ...any) {
		fixed = append(fixed, Fixed{File: src.path, What: fmt.Sprintf(format, args...)})
	}
	unused, isUnused := p.unusedReact(src)
	for _, imp := range src.imports {
		if isUnused && imp.at == unused.at {
			imp.def, imp.namespace = "", ""
			todo = append(todo, src.rewrite(imp))
			note("Removed the unused import of React.")
			continue
		}
		if imp.specAt == 0 {
			continue // its place in the text is not known
		}
		target, ours := p.resolve(src.path, imp.spec)
		if target == "" {
			if target = p.onlyCandidate(src, imp, ours); target == "" {
				continue
			}
			spec := p.specFor(src.path, target, imp.spec)
			todo = append(todo, replacement{imp.specAt, imp.specAt + len(imp.spec), spec})
			note("Import of %s now reads %s.", imp.spec, spec)
			continue // names are looked at in the next pass
		}
		if dst := p.byPath[target]; dst != nil && !imp.bare {
			exports, known := p.exports(dst)
			if cured, what, ok := p.cureNames(imp, dst, exports); known && ok {
				todo = append(todo, src.rewrite(cured))
				note("%s", what)
			}
		}
	}
	return apply(src.text, todo), fixed
}

// rewrite replaces a whole import; without anything left to import, its line goes as well.
func (s *source) rewrite(imp importRef) replacement {
	r := replacement{imp.at, imp.end, imp.String()}
	if r.text == "" {
		r.to += len(lineRest.FindString(s.text[r.to:]))
	}
	return r
}

var lineRest = regexp.MustCompile(`^[ \t]*;?[ \t]*\r?\n?`)

// apply makes replacements from the end of the text to its beginning.
func apply(text string, todo []replacement) string {
	slices.SortFunc(todo, func(a, b replacement) int { return b.from - a.from })
	for _, r := range todo {
		text = text[:r.from] + r.text + text[r.to:]
	}
	return text
}

// onlyCandidate returns the one file that an import can mean, which must export what it asks for; else "".
func (p *project) onlyCandidate(src *source, imp importRef, ours bool) string {
	if !ours {
		if name, ok := packageOf(imp.spec); ok && p.declared[name] || !p.haveManifest {
			return ""
		}
		return p.unaliased(src, imp)
	}
	base, _ := p.localBase(src.path, imp.spec)
	var fits []string
	for _, c := range p.candidates(src.path, base) {
		if p.offers(c, imp) {
			fits = append(fits, c)
		}
	}
	if len(fits) != 1 {
		return ""
	}
	return fits[0]
}

// offers reports whether a file exports everything that an import asks for, as it is or after a certain cure.
func (p *project) offers(file string, imp importRef) bool {
	target := p.byPath[file]
	if target == nil || imp.bare {
		return true // an asset, or an import for its effect
	}
	exports, known := p.exports(target)
	if !known {
		return true
	}
	if cured, _, ok := p.cureNames(imp, target, exports); ok {
		imp = cured
	}
	return (imp.def == "" || exports["default"]) &&
		!slices.ContainsFunc(imp.names, func(n importName) bool { return !exports[n.name] })
}

// cureNames corrects an import that names what the module does not export, if it is plain what was meant.
func (p *project) cureNames(imp importRef, target *source, exports map[string]bool) (cured importRef, what string, ok bool) {
	cured = imp
	cured.names = slices.Clone(imp.names)
	if imp.export || imp.bare { // what a re-export is called matters to others
		return imp, "", false
	}
	if imp.def != "" && !exports["default"] {
		real := likeName(imp.def, exports)
		if real == "" {
			return imp, "", false
		}
		if imp.namespace != "" || imp.typeOnly && len(imp.names) > 0 {
			return imp, "", false
		}
		cured.def = ""
		cured.names = append([]importName{{name: real, local: imp.def}}, cured.names...)
		what = fmt.Sprintf("%s has no default export: %s is imported by name.", target.path, real)
	}
	for i := 0; i < len(cured.names); i++ {
		n := cured.names[i]
		if exports[n.name] {
			continue
		}
		switch real := likeName(n.name, exports); {
		case exports["default"] && cured.def == "" && imp.def == "" && imp.namespace == "" && !n.isType && (!imp.typeOnly || len(cured.names) == 1) && target.defaultIs(n.name):
			cured.def = n.local
			cured.names = slices.Delete(cured.names, i, i+1)
			i--
			what = fmt.Sprintf("%s exports %s as its default, and it is imported so.", target.path, n.name)
		case real != "":
			cured.names[i].name = real
			what = fmt.Sprintf("%s exports %s, not %s.", target.path, real, n.name)
		default:
			return imp, "", false // a cure of half an import helps nobody
		}
	}
	return cured, what, what != ""
}

// likeName returns the one export that is the same word: equal, or different in case and underscores only.
func likeName(name string, exports map[string]bool) string {
	if exports[name] && name != "default" {
		return name
	}
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	found := ""
	for e := range exports {
		if e != "default" && plain(e) == plain(name) {
			if found != "" {
				return ""
			}
			found = e
		}
	}
	return found
}

var defaultName = regexp.MustCompile(`(?m)^[ \t]*export\s+default\s+(?:async\s+)?(?:function\s*\*?|class)?\s*([\w$]+)`)

// defaultIs reports whether the default export of a module goes by this name, in its text or by the file's name.
func (s *source) defaultIs(name string) bool {
	if m := defaultName.FindStringSubmatch(s.text); m != nil && m[1] == name {
		return true
	}
	return stem(s.path) == notInStem.ReplaceAllString(strings.ToLower(name), "")
}

var reactWord = regexp.MustCompile(`\bReact\b`)

// unusedReact returns the import of React that nothing in the module uses.
func (p *project) unusedReact(src *source) (importRef, bool) {
	if !p.automaticJSX || !strings.HasSuffix(path.Ext(src.path), "sx") {
		return importRef{}, false
	}
	for _, imp := range src.imports {
		if imp.spec != "react" || imp.bare || imp.def != "React" && imp.namespace != "React" {
			continue
		}
		if !reactWord.MatchString(src.text[:imp.at]) && !reactWord.MatchString(src.text[imp.end:]) {
			return imp, true
		}
	}
	return importRef{}, false
}
