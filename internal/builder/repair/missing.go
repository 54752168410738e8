package repair

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// foreign are packages that a web page cannot use, though its author may think so. Adding them cures nothing.
var foreign = []string{
	"next", "expo", "react-native", "vue", "svelte", "solid-js", "express", "fastify", "koa", "pg", "mysql2", "mongoose", "mongodb", "sqlite3", "better-sqlite3",
	"prisma", "nodemailer", "dotenv", "bcrypt", "jsonwebtoken", "server-only", "electron",
}

// folders are what parts of an app are called: an import of them is a path without its alias.
var folders = []string{
	"src", "app", "components", "ui", "lib", "libs", "hooks", "utils", "util", "helpers", "pages", "views", "features", "types", "assets", "styles", "context",
	"contexts", "store", "stores", "services", "config", "constants", "data", "api", "routes", "layouts", "public", "shared", "common",
}

var packageName = regexp.MustCompile(`^(?:@[a-z0-9-][a-z0-9._-]*/)?[a-z0-9-][a-z0-9._-]*$`)

// Missing returns the packages, in order, that files with a diagnostic of a missing package import and package.json
// does not declare, for the caller to add. Names that nobody should install unseen are left out: modules of Node,
// what looks like a path of the app with its alias mistyped, what is one letter away from a declared package (a favourite
// of those who publish malware under such names; Fix writes the declared name instead) and packages that only run on a
// server.
func Missing(tree filetree.Tree, diags []model.Diagnostic) []string {
	p := newProject(tree)
	p.declared, _, p.haveManifest = readManifest(tree)
	if !p.haveManifest {
		return nil
	}
	var files []string
	for _, d := range diags {
		if d.Class == missingPackage && !d.Warning {
			files = append(files, d.File)
		}
	}
	p.load(files)
	var out []string
	for _, src := range p.sources {
		for _, imp := range src.imports {
			if name, ok := packageOf(imp.spec); ok && p.plausible(src, imp, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// plausible reports whether a package can be added because a file imports it.
func (p *project) plausible(src *source, imp importRef, name string) bool {
	if _, ours := p.localBase(src.path, imp.spec); ours || p.declared[name] || imp.typeOnly && p.declared[typesOf(name)] {
		return false
	}
	return strings.Contains(src.path, "/") && packageName.MatchString(name) && len(name) <= 214 &&
		!slices.Contains(builtins, name) && !slices.Contains(foreign, name) &&
		!p.aliasLike(name) && p.declaredTwin(name) == "" && p.unaliased(src, imp) == ""
}

// aliasLike reports whether a name is rather a folder of the app: "components", "@lib/utils".
func (p *project) aliasLike(name string) bool {
	first, _, scoped := strings.Cut(strings.TrimPrefix(name, "@"), "/")
	if strings.HasPrefix(name, "@") != scoped {
		return true
	}
	if slices.Contains(folders, strings.ToLower(first)) {
		return true
	}
	return slices.ContainsFunc(p.tree.Paths(), func(file string) bool {
		rest, ok := strings.CutPrefix(file, "src/")
		folder, _, inside := strings.Cut(rest, "/")
		return ok && (inside && strings.EqualFold(folder, first) || !inside && strings.TrimSuffix(folder, path.Ext(folder)) == first)
	})
}

// declaredTwin returns the declared package whose name differs from this one by a letter, a dash or a dot; "" if there
// is none. Short names are all near each other.
func (p *project) declaredTwin(name string) string {
	bare := strings.NewReplacer("-", "", "_", "", ".", "")
	return only(p.declared, func(d string) bool {
		return len(name) > 3 && (bare.Replace(d) == bare.Replace(name) || distance(d, name) <= 1)
	})
}

// twin returns the specifier by which a package is declared that an import names wrongly: a name nearly the same, or
// the router's other name.
func (p *project) twin(imp importRef, opt options) string {
	name, ok := packageOf(imp.spec)
	if !ok || !p.haveManifest || p.declared[name] {
		return ""
	}
	real := p.declaredTwin(name)
	for _, pair := range [][2]string{{"react-router-dom", "react-router"}, {"react-router", "react-router-dom"}} {
		if name == pair[0] && p.declared[pair[1]] {
			real = pair[1]
		}
	}
	if real == "" {
		return ""
	}
	spec := real + strings.TrimPrefix(imp.spec, name)
	if exports, known := opt.exports(spec); known && slices.ContainsFunc(imp.names, func(n importName) bool {
		return !exports[n.name] && !n.isType && !imp.typeOnly
	}) {
		return ""
	}
	return spec
}
