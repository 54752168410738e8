package repair

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/model"
)

// resolve finds the file that a specifier means, as Vite does. ours is false for packages, URLs and the like.
func (p *project) resolve(from, spec string) (target string, ours bool) {
	base, ours := p.localBase(from, spec)
	if !ours {
		return "", false
	}
	for _, candidate := range spellings(base) {
		if p.tree.Has(candidate) {
			return candidate, true
		}
	}
	if strings.HasPrefix(spec, "/") && p.tree.Has("public"+path.Clean(spec)) {
		return "public" + path.Clean(spec), true
	}
	return "", true
}

// localBase turns a specifier into a path of the app, extension and index left open. A path that leaves the app
// is ours and not there.
func (p *project) localBase(from, spec string) (base string, ours bool) {
	spec, _, _ = strings.Cut(spec, "?")
	switch {
	case spec == "." || spec == ".." || strings.HasPrefix(spec, "./") || strings.HasPrefix(spec, "../"):
		return path.Join(path.Dir(from), spec), true
	case strings.HasPrefix(spec, "//"):
		return "", false
	case strings.HasPrefix(spec, "/"):
		return strings.TrimPrefix(path.Clean(spec), "/"), true
	}
	for _, a := range p.aliases {
		if a.exact && spec == a.prefix {
			return a.target, true
		}
		if rest, ok := strings.CutPrefix(spec, a.prefix); ok && !a.exact && a.prefix != "" {
			return path.Join(a.target, rest), true
		}
	}
	return "", false
}

var resolveExtensions = []string{".mjs", ".js", ".mts", ".ts", ".jsx", ".tsx", ".json", ".d.ts"}

// spellings lists the files that a path may mean, the likeliest first.
func spellings(base string) []string {
	out := []string{base}
	for _, ext := range resolveExtensions {
		out = append(out, base+ext)
	}
	for js, ts := range map[string][]string{".js": {".ts", ".tsx"}, ".jsx": {".tsx"}, ".mjs": {".mts"}} {
		if stem, ok := strings.CutSuffix(base, js); ok { // TypeScript's own spelling of its output
			for _, ext := range ts {
				out = append(out, stem+ext)
			}
		}
	}
	for _, ext := range resolveExtensions {
		out = append(out, path.Join(base, "index"+ext))
	}
	return out
}

var notInStem = regexp.MustCompile(`[^a-z0-9]+`)

// stem is a file's name without what people and models get wrong: case, dashes, extension.
func stem(name string) string {
	base := path.Base(name)
	if isCode(path.Ext(base)) {
		base = strings.TrimSuffix(strings.TrimSuffix(base, path.Ext(base)), ".d")
	}
	if base == "index" && path.Dir(name) != "." {
		base = path.Base(path.Dir(name))
	}
	return notInStem.ReplaceAllString(strings.ToLower(base), "")
}

func isCode(ext string) bool { return slices.Contains(moduleExtensions, ext) || ext == ".json" }

// candidates lists the files that a path that does not exist may have been meant for: first those that differ in
// extension or spelling only; failing that, files of the same name elsewhere.
func (p *project) candidates(from, base string) []string {
	want := stem(base)
	if want == "" {
		return nil
	}
	asset := !isCode(path.Ext(base)) && path.Ext(base) != ""
	var same, elsewhere []string
	for _, name := range p.tree.Paths() {
		code := p.byPath[name] != nil && strings.Contains(name, "/") || path.Ext(name) == ".json" && strings.HasPrefix(name, "src/")
		if name == from || stem(name) != want || !code && !(asset && path.Ext(name) == path.Ext(base)) {
			continue
		}
		dir := path.Dir(name)
		if strings.TrimSuffix(path.Base(name), path.Ext(name)) == "index" {
			dir = path.Dir(dir)
		}
		if strings.EqualFold(dir, path.Dir(base)) {
			same = append(same, name)
		} else {
			elsewhere = append(elsewhere, name)
		}
	}
	if len(same) > 0 {
		return same
	}
	return elsewhere
}

// nearText is the cure for a missing file, as far as it is known.
func (p *project) nearText(base string) string {
	switch near := p.candidates("", base); len(near) {
	case 0:
		return "Write the file, or import what exists."
	case 1:
		return fmt.Sprintf("The nearest file is %s.", near[0])
	default:
		return fmt.Sprintf("Files of that name: %s.", strings.Join(near[:min(3, len(near))], ", "))
	}
}

// specFor writes the specifier of a file in the style of the one that it replaces.
func (p *project) specFor(from, target, old string) string {
	query := ""
	if i := strings.IndexByte(old, '?'); i >= 0 {
		old, query = old[:i], old[i:]
	}
	if ext := path.Ext(target); isCode(ext) && ext != ".json" {
		target = strings.TrimSuffix(strings.TrimSuffix(target, ext), ".d")
		if path.Base(target) == "index" && path.Dir(target) != "." {
			target = path.Dir(target)
		}
	}
	if !strings.HasPrefix(old, ".") {
		for _, a := range p.aliases {
			if rest, ok := strings.CutPrefix(target, a.target); ok && !a.exact {
				return a.prefix + rest + query
			}
		}
	}
	return relative(path.Dir(from), target) + query
}

// relative writes the way from a folder to a file, beginning with "./" or "../".
func relative(dir, target string) string {
	var here []string
	if dir != "." {
		here = strings.Split(dir, "/")
	}
	there := strings.Split(target, "/")
	for len(here) > 0 && len(there) > 1 && here[0] == there[0] {
		here, there = here[1:], there[1:]
	}
	if len(here) == 0 {
		return "./" + strings.Join(there, "/")
	}
	return strings.Repeat("../", len(here)) + strings.Join(there, "/")
}

// importProblems checks one import: does its file or package exist, and does it export what is asked of it?
func (p *project) importProblems(src *source, imp importRef) []model.Diagnostic {
	target, ours := p.resolve(src.path, imp.spec)
	switch {
	case !ours:
		return p.packageProblems(src, imp)
	case target == "":
		base, _ := p.localBase(src.path, imp.spec)
		return []model.Diagnostic{src.problem(imp.specAt, model.Diagnostic{
			Class: missingFile, Message: fmt.Sprintf("%s imports %s, which does not exist.", src.path, imp.spec), Cure: p.nearText(base),
		})}
	}
	return p.exportProblems(src, imp, p.byPath[target])
}

// exportProblems compares what is imported with what the module exports.
func (p *project) exportProblems(src *source, imp importRef, target *source) []model.Diagnostic {
	if target == nil || imp.bare {
		return nil
	}
	exports, known := p.exports(target)
	if !known {
		return nil
	}
	var out []model.Diagnostic
	missing := func(name, message string) {
		at := imp.at
		if i := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).FindStringIndex(src.text[imp.at:imp.end]); i != nil {
			at += i[0]
		}
		out = append(out, src.problem(at, model.Diagnostic{Class: missingExport, Message: message, Cure: p.exportCure(imp, target, exports, name)}))
	}
	if imp.def != "" && !exports["default"] {
		missing(imp.def, fmt.Sprintf("%s has no default export.", target.path))
	}
	for _, n := range imp.names {
		if !exports[n.name] {
			missing(n.name, fmt.Sprintf("%s does not export %s.", target.path, n.name))
		}
	}
	return out
}

func (p *project) exportCure(imp importRef, target *source, exports map[string]bool, name string) string {
	if cured, _, ok := p.cureNames(imp, target, exports); ok {
		return "Write " + cured.String() + "."
	}
	var names []string
	for n := range exports {
		if n == "default" {
			n = "a default"
		}
		names = append(names, n)
	}
	if len(names) == 0 {
		return fmt.Sprintf("It exports nothing: add an export of %s.", name)
	}
	slices.Sort(names)
	if len(names) > 12 {
		names = append(names[:12], "...")
	}
	return fmt.Sprintf("It exports %s.", strings.Join(names, ", "))
}
