package bundle

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// serverRoot is the folder of the server code.
const serverRoot = "worker/"

// Route is a file of worker/ that answers requests.
type Route struct {
	Path string // what it answers, such as /api/orders, with everything below; /api for the rest
	File string // such as worker/orders.ts
}

// isServerFile reports whether a file belongs to the server code.
func isServerFile(p string) bool { return strings.HasPrefix(p, serverRoot) }

var routeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// Routes lists the files of worker/ that answer requests, the deepest paths first, so that the first that fits a
// request is the right one. Each .ts and .js file is one, at its own place below /api; index answers for its folder,
// and what begins with _ is a helper. Files that cannot be given a path, or that share one, are the diagnostics.
func Routes(tree filetree.Tree) ([]Route, []model.Diagnostic) {
	var routes []Route
	var problems []model.Diagnostic
	taken := map[string]string{}
	for _, p := range tree.Paths() {
		rel, inside := strings.CutPrefix(p, serverRoot)
		if !inside || scripts[path.Ext(p)] == 0 || isDeclaration(p) || isHelper(rel) {
			continue
		}
		if d, bad := badRoute(p, rel); bad {
			problems = append(problems, d)
			continue
		}
		at := "/" + strings.TrimSuffix(rel, path.Ext(rel))
		r := Route{Path: "/api" + strings.TrimSuffix(at, "/index"), File: p}
		if other, twice := taken[r.Path]; twice {
			problems = append(problems, model.Diagnostic{
				Class: "syntax", File: p, Message: fmt.Sprintf("%s and %s both answer %s.", other, p, r.Path),
				Cure: "Keep one of them, or begin the other's name with _ if it is a helper.",
			})
			continue
		}
		taken[r.Path] = p
		routes = append(routes, r)
	}
	slices.SortStableFunc(routes, func(a, b Route) int {
		return cmp.Or(strings.Count(b.Path, "/")-strings.Count(a.Path, "/"), strings.Compare(a.Path, b.Path))
	})
	return routes, problems
}

// isDeclaration reports whether a file holds only types.
func isDeclaration(p string) bool {
	return strings.HasSuffix(p, ".d.ts") || strings.HasSuffix(p, ".d.mts") || strings.HasSuffix(p, ".d.cts")
}

// isHelper reports whether a file, or a folder that it lies in, is set apart by an underscore.
func isHelper(rel string) bool { return strings.HasPrefix(rel, "_") || strings.Contains(rel, "/_") }

// badRoute finds out why a file cannot answer requests.
func badRoute(p, rel string) (model.Diagnostic, bool) {
	d := model.Diagnostic{Class: "syntax", File: p}
	if strings.ContainsAny(rel, "[]$:") {
		d.Message = fmt.Sprintf("%s: names that stand for any value are not supported in worker/.", p)
		d.Cure = "A file answers everything below its path: let worker/orders.ts take the part behind /api/orders/ from new URL(request.url).pathname."
		return d, true
	}
	if ext := path.Ext(p); ext != ".ts" && ext != ".js" {
		d.Message = fmt.Sprintf("%s: files of worker/ that answer requests end in .ts or .js.", p)
		d.Cure = "Rename it, or begin its name with _ if it is a helper."
		return d, true
	}
	if below, twice := strings.CutPrefix(rel, "api/"); twice {
		d.Message = fmt.Sprintf("%s would answer below /api/api: worker/ is /api already.", p)
		d.Cure = fmt.Sprintf("Move it to %s%s.", serverRoot, below)
		return d, true
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(rel, path.Ext(rel)), "/") {
		if !routeName.MatchString(name) {
			d.Message = fmt.Sprintf("%s: %q cannot be a part of an address.", p, name)
			d.Cure = "Use letters, digits, - and _ only, or begin the name with _ if it is a helper."
			return d, true
		}
	}
	return model.Diagnostic{}, false
}
