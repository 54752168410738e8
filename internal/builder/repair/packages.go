package repair

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/model"
)

// builtins are Node's modules. Packages that support both worlds import them, and bundlers for the browser put
// an empty module in their place; an app that does is warned.
var builtins = []string{
	"assert", "async_hooks", "buffer", "child_process", "crypto", "dns", "events", "fs", "fs/promises", "http", "http2", "https",
	"module", "net", "os", "path", "perf_hooks", "process", "querystring", "readline", "stream", "string_decoder", "timers", "tls",
	"tty", "url", "util", "v8", "vm", "worker_threads", "zlib",
}

// packageProblems checks an import that is not a file of the app.
func (p *project) packageProblems(src *source, imp importRef) []model.Diagnostic {
	setting := !strings.Contains(src.path, "/") // vite.config.ts and its kind run on a developer's machine, not in the app
	if strings.HasPrefix(imp.spec, "node:") || slices.Contains(builtins, imp.spec) && !p.declared[imp.spec] {
		if setting || isServerCode(src.path) { // what server code may import, its bundler says
			return nil
		}
		return []model.Diagnostic{src.problem(imp.specAt, model.Diagnostic{
			Class: missingPackage, Message: fmt.Sprintf("%s is a module of Node, which browsers do not have.", imp.spec),
			Cure: "Use what browsers offer, or a package that does it.", Warning: true,
		})}
	}
	name, ok := packageOf(imp.spec)
	if !ok || !p.haveManifest || p.declared[name] || imp.typeOnly && p.declared[typesOf(name)] {
		return nil
	}
	d := model.Diagnostic{Class: missingPackage, Message: fmt.Sprintf("%s imports %s, which package.json does not have.", src.path, name), Warning: setting}
	d.Cure = fmt.Sprintf("Add %s with os-add-dependency, or do without it.", name)
	if near := p.unaliased(src, imp); near != "" {
		d.Class = missingFile
		d.Message = fmt.Sprintf("%s imports %s, which is neither a package nor a file.", src.path, imp.spec)
		d.Cure = fmt.Sprintf("Write %s.", p.specFor(src.path, near, imp.spec))
	}
	return []model.Diagnostic{src.problem(imp.specAt, d)}
}

// unaliased returns the file that a specifier such as "components/ui/button", "~/lib/format" or "@components/card" means:
// one of src, with the alias forgotten or mistaken.
func (p *project) unaliased(src *source, imp importRef) string {
	if !strings.Contains(imp.spec, "/") {
		return ""
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(strings.TrimLeft(imp.spec, "@~"), "/"), "src/")
	for _, candidate := range spellings("src/" + rest) {
		if p.tree.Has(candidate) && candidate != src.path {
			return candidate
		}
	}
	return ""
}

var packageSpec = regexp.MustCompile(`^(@[a-zA-Z0-9~-][\w.~-]*/)?[a-zA-Z0-9~-][\w.~-]*`)

// packageOf returns the name of the package that a specifier imports. ok is false for what is no package:
// URLs, virtual modules, imports within a package.
func packageOf(spec string) (name string, ok bool) {
	if strings.Contains(spec, ":") || strings.HasPrefix(spec, "#") {
		return "", false
	}
	name = packageSpec.FindString(spec)
	rest := spec[len(name):]
	if name == "" || rest != "" && rest[0] != '/' && rest[0] != '?' || strings.HasPrefix(spec, "@") && !strings.Contains(name, "/") {
		return "", false
	}
	return name, true
}

// typesOf names the package that holds the types of a package without its own.
func typesOf(name string) string {
	return "@types/" + strings.Replace(strings.TrimPrefix(name, "@"), "/", "__", 1)
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssImport  = regexp.MustCompile(`@import\s+(?:url\(\s*)?["']?([^"')\s;]+)`)
)

// styleProblems checks the imports of style sheets.
func (p *project) styleProblems() []model.Diagnostic {
	var out []model.Diagnostic
	for _, name := range p.tree.Paths() {
		if !strings.HasSuffix(name, ".css") || !strings.HasPrefix(name, "src/") {
			continue
		}
		content, _ := p.tree.Get(name)
		text := cssComment.ReplaceAllStringFunc(string(content), func(c string) string { return strings.Repeat("\n", strings.Count(c, "\n")) })
		src := &source{path: name, text: text}
		for _, m := range cssImport.FindAllStringSubmatchIndex(text, -1) {
			imp := importRef{spec: text[m[2]:m[3]], at: m[0], end: m[1], specAt: m[2], bare: true}
			if !strings.Contains(imp.spec, "//") && !p.tree.Has(siblingOf(name, imp.spec)) {
				out = append(out, p.importProblems(src, imp)...)
			}
		}
	}
	return out
}

// siblingOf is a file next to another: style sheets may import it without "./".
func siblingOf(name, spec string) string { return name[:strings.LastIndexByte(name, '/')+1] + spec }
