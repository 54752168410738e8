package repair

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// rewrite replaces a whole import; without anything left to import, its line goes as well.
func (s *source) rewrite(imp importRef) replacement {
	r := replacement{imp.at, imp.end, imp.String()}
	if r.text == "" {
		r.to += len(lineRest.FindString(s.text[r.to:]))
	}
	return r
}

var lineRest = regexp.MustCompile(`^[ \t]*;?[ \t]*\r?\n?`)

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
