package repair

import (
	"regexp"
	"slices"
	"strings"
)

// imports cures the imports of one file.
func (c *cure) imports(src *source, f *facts) {
	w := &rewriting{cure: c, src: src, f: f, now: slices.Clone(src.imports), todo: make([]action, len(src.imports))}
	for i := range w.now {
		if w.now[i].specAt > 0 { // its place in the text is known
			w.one(i)
		}
	}
	for _, name := range f.unknown {
		if pr, ok := c.provider(src, name); ok && !w.has(name) {
			pr.local = name
			w.add(pr)
			c.note(src.path, "Added the import of %s from %s.", name, pr.spec)
		}
	}
	if f.react && !w.has("React") {
		w.fresh = append(w.fresh, importRef{spec: "react", namespace: "React"})
		c.note(src.path, "Added the import of React.")
	}
	c.todo[src.path] = append(c.todo[src.path], w.replacements()...)
}

// rewriting is the imports of one file while they change.
type rewriting struct {
	*cure
	src   *source
	f     *facts
	now   []importRef // as they shall be, in the order of src.imports
	todo  []action
	fresh []importRef // further ones
}

// action is what becomes of an import.
type action int

const (
	keep    action = iota
	respell        // only the path changes
	rewrite
)

// one looks at one import.
func (w *rewriting) one(i int) {
	imp := w.now[i]
	imp.names = slices.Clone(imp.names)
	if unused, ok := w.p.unusedReact(w.src); ok && unused.at == imp.at {
		imp.def, imp.namespace = "", ""
		w.now[i], w.todo[i] = imp, rewrite
		w.note(w.src.path, "Removed the unused import of React.")
		return
	}
	if rest, dropped := imp.without(w.f.unused); len(dropped) > 0 && !imp.export && !imp.bare {
		w.note(w.src.path, "Removed the unused import of %s.", strings.Join(dropped, ", "))
		w.now[i], w.todo[i], imp = rest, rewrite, rest
		if imp.String() == "" {
			return
		}
	}
	target, ours := w.p.resolve(w.src.path, imp.spec)
	switch dst := w.p.byPath[target]; {
	case target == "":
		w.path(i, ours)
	case dst != nil && !imp.bare:
		w.names(i, dst)
	}
	if len(w.f.types) > 0 && !imp.bare {
		w.types(i)
	}
}

// path cures an import of a file or package that is not there.
func (w *rewriting) path(i int, ours bool) {
	imp := w.now[i]
	spec := ""
	if target := w.p.onlyCandidate(w.src, imp, ours); target != "" {
		spec = w.p.specFor(w.src.path, target, imp.spec)
	} else if ours {
		w.elsewhere(i)
		return
	} else if spec = w.p.twin(imp, w.opt); spec == "" {
		w.packageNames(i)
		return
	}
	w.note(w.src.path, "Import of %s now reads %s.", imp.spec, spec)
	w.now[i].spec = spec
	w.todo[i] = max(w.todo[i], respell)
	// Its names are looked at in the next pass.
}

// elsewhere cures an import of a file that is not there by the one file that exports all that it asks for.
func (w *rewriting) elsewhere(i int) {
	imp := w.now[i]
	if imp.bare || imp.export || imp.namespace != "" || imp.def == "" && len(imp.names) == 0 {
		return
	}
	asked := slices.Clone(imp.names)
	if imp.def != "" {
		asked = append(asked, importName{name: imp.def, local: imp.def, isType: imp.typeOnly})
	}
	var found provider
	for k, n := range asked {
		pr, ok := w.p.fileWith(w.src, n.name)
		if !ok || k > 0 && pr.file != found.file || pr.def && imp.def == "" || pr.isType && !n.isType && !imp.typeOnly {
			return
		}
		found = pr
	}
	old := imp.spec
	imp.spec = w.p.specFor(w.src.path, found.file, imp.spec)
	if imp.def != "" && !found.def {
		imp.names = append([]importName{{name: imp.def, local: imp.def}}, imp.names...)
		imp.def = ""
	} else if len(imp.names) > 0 && found.def {
		return // a default and names of a file that is guessed: too much
	}
	w.now[i], w.todo[i] = imp, rewrite
	w.note(w.src.path, "Import of %s now reads %s, which exports %s.", old, imp.spec, asked[0].name)
}

// names cures an import of names that a file does not export.
func (w *rewriting) names(i int, dst *source) {
	imp := w.now[i]
	exports, known := w.p.exports(dst)
	if !known {
		return
	}
	if cured, what, ok := w.p.cureNames(imp, dst, exports); ok {
		w.now[i], w.todo[i] = cured, rewrite
		w.note(w.src.path, "%s", what)
		return
	}
	if imp.export {
		return
	}
	var stay []importName
	for _, n := range imp.names {
		if exports[n.name] {
			stay = append(stay, n)
			continue
		}
		pr, there := w.p.fileWith(w.src, n.name)
		at, local := dst.declares(n.name)
		switch near := nearName(n.name, exports); {
		case local && there: // which of the two?
		case local:
			w.cure.todo[dst.path] = append(w.cure.todo[dst.path], replacement{at, at, "export "})
			w.note(dst.path, "%s is exported now: %s imports it.", n.name, w.src.path)
			exports[n.name] = true
		case there && (!pr.isType || n.isType || imp.typeOnly):
			pr.local, pr.isType = n.local, pr.isType || n.isType || imp.typeOnly
			w.add(pr)
			w.todo[i] = rewrite
			w.note(w.src.path, "%s is imported from %s, not %s.", n.name, pr.spec, imp.spec)
			continue
		case near != "" && !there:
			w.note(w.src.path, "%s exports %s, not %s.", dst.path, near, n.name)
			n.name, w.todo[i] = near, rewrite
		}
		stay = append(stay, n)
	}
	w.now[i].names = stay
}

// packageNames cures names that a package does not export, as far as a diagnostic said so.
func (w *rewriting) packageNames(i int) {
	imp := w.now[i]
	if imp.bare || imp.export {
		return
	}
	exports, known := w.opt.exports(imp.spec)
	if imp.def != "" && w.f.nowhere[imp.spec] && known && exports[imp.def] && !exports["default"] && imp.namespace == "" {
		imp.names = append([]importName{{name: imp.def, local: imp.def}}, imp.names...)
		imp.def = ""
		w.now[i], w.todo[i] = imp, rewrite
		w.note(w.src.path, "%s has no default export: %s is imported by name.", imp.spec, imp.names[0].name)
		return
	}
	for k, n := range w.now[i].names {
		hint, absent := w.f.absent[n.name]
		if !absent || known && exports[n.name] {
			continue
		}
		real := ""
		switch {
		case known && isIcons(imp.spec):
			real = nearIcon(n.name, exports)
		case known:
			real = nearName(n.name, exports)
		}
		if real == "" && hint != "" && (isIcons(imp.spec) || sameMember(n.name, hint, "")) && (!known || exports[hint]) {
			real = hint
		}
		if real == "" {
			continue
		}
		names := slices.Clone(w.now[i].names)
		names[k].name = real
		w.now[i].names, w.todo[i] = names, rewrite
		w.note(w.src.path, "%s has no %s: it is %s now.", imp.spec, n.name, real)
	}
}

// types marks the names that must be imported, or passed on, as types.
func (w *rewriting) types(i int) {
	imp := w.now[i]
	if imp.typeOnly {
		return
	}
	names := slices.Clone(imp.names)
	all, marked := imp.namespace == "" && !imp.star, ""
	for k, n := range names {
		if (w.f.types[n.local] || w.f.types[n.name]) && !n.isType {
			names[k].isType, marked = true, n.local
		}
		all = all && names[k].isType
	}
	switch {
	case imp.def != "" && w.f.types[imp.def]:
		if len(names) > 0 || imp.namespace != "" {
			return
		}
		imp.typeOnly, marked = true, imp.def
	case marked == "":
		return
	case all && imp.def == "":
		imp.typeOnly = true
		for k := range names {
			names[k].isType = false
		}
	}
	imp.names = names
	w.now[i], w.todo[i] = imp, rewrite
	w.note(w.src.path, "%s is a type, and is imported as one.", marked)
}

// has reports whether the file imports something under a local name.
func (w *rewriting) has(local string) bool {
	return slices.ContainsFunc(append(slices.Clone(w.now), w.fresh...), func(imp importRef) bool { return slices.Contains(imp.locals(), local) })
}

// add imports a name, together with others from the same place if there are any.
func (w *rewriting) add(pr provider) {
	fits := func(imp importRef) bool {
		same := imp.spec == pr.spec
		if target, _ := w.p.resolve(w.src.path, imp.spec); pr.file != "" {
			same = target == pr.file
		}
		return same && !imp.bare && !imp.export && imp.namespace == "" && (!imp.typeOnly || pr.isType && !pr.def) && (!pr.def || imp.def == "") &&
			(imp.def == "" || !imp.typeOnly)
	}
	join := func(imp *importRef) {
		if pr.def {
			imp.def = pr.local
			return
		}
		n := importName{name: pr.name, local: pr.local, isType: pr.isType && !imp.typeOnly}
		imp.names = append(slices.Clone(imp.names), n)
	}
	if i := slices.IndexFunc(w.now, fits); i >= 0 && w.now[i].specAt > 0 && w.now[i].String() != "" {
		join(&w.now[i])
		w.todo[i] = rewrite
		return
	}
	if i := slices.IndexFunc(w.fresh, fits); i >= 0 {
		join(&w.fresh[i])
		return
	}
	imp := importRef{spec: pr.spec, typeOnly: pr.isType}
	join(&imp)
	w.fresh = append(w.fresh, imp)
}

// replacements writes down what became of the imports.
func (w *rewriting) replacements() []replacement {
	var out []replacement
	last, quote, end := 0, "", ""
	for i, imp := range w.now {
		was := w.src.imports[i]
		switch {
		case w.todo[i] == respell || w.todo[i] == rewrite && imp.bare:
			out = append(out, replacement{was.specAt, was.specAt + len(was.spec), imp.spec})
		case w.todo[i] == rewrite:
			out = append(out, w.src.rewrite(imp))
		}
		if !was.bare && !was.export && was.end > last {
			rest := lineRest.FindString(w.src.text[was.end:])
			last, quote = was.end+len(rest), was.quote
			end = ""
			if strings.Contains(rest, ";") {
				end = ";"
			}
			if !strings.HasSuffix(rest, "\n") { // something else on the line, or the end of the file: before it, then
				last = 1 + strings.LastIndexByte(w.src.text[:was.at], '\n')
			}
		}
	}
	if len(w.fresh) == 0 {
		return out
	}
	text := ""
	if quote == "" {
		last, quote, end = len(directives.FindString(w.src.text)), `"`, ";"
	}
	for _, imp := range w.fresh {
		imp.quote = quote
		text += imp.String() + end + "\n"
	}
	return append(out, replacement{last, last, text})
}

// directives are the lines that must stay first: "use client" and its kind, with comments before them.
var directives = regexp.MustCompile(`^(?:(?:\s*//[^\n]*\n|\s*/\*(?s:.*?)\*/[ \t]*\n)*\s*["']use \w+["'];?[ \t]*\n)*`)
