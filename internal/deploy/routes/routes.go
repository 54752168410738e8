// Package routes finds the pages of a single-page app in its source. It is pure.
package routes

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
)

var (
	// A route as react-router takes it: <Route path="/orders"> or { path: "/orders" }.
	route = regexp.MustCompile(`\bpath\s*([=:])\s*\{?\s*["'` + "`" + `](/?[A-Za-z0-9_\-./]*)["'` + "`" + `]`)
	// The same by a name: path: paths.orders.
	named = regexp.MustCompile(`\bpath\s*([=:])\s*\{?\s*([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?)\b`)
	// A route as TanStack Router takes it.
	created = regexp.MustCompile(`\bcreate(?:Lazy)?(?:File)?Route\s*\(\s*["'` + "`" + `](/[A-Za-z0-9_\-./]*)["'` + "`" + `]`)
	// Constants: const orders = "/orders".
	constant = regexp.MustCompile(`\bconst\s+([A-Za-z_$][\w$]*)[^={;]*=\s*["'` + "`" + `](/[^"'` + "`" + `]*)["'` + "`" + `]`)
	// An object of constants, and what it holds: const paths = { orders: "/orders" }.
	object   = regexp.MustCompile(`\bconst\s+([A-Za-z_$][\w$]*)[^={;]*=\s*\{`)
	property = regexp.MustCompile(`([A-Za-z_$][\w$]*)\s*:\s*["'` + "`" + `](/[^"'` + "`" + `]*)["'` + "`" + `]`)
	// A nested route is relative; without its parent it cannot be opened.
	absolute = regexp.MustCompile(`^/[A-Za-z0-9_\-./]*$`)
)

// most is how many routes are returned: more than any check opens.
const most = 40

// Of returns the static routes that the source names, "/" first, then the shorter ones, at most 40. Routes with
// parameters are left out: nobody can say what to put in their place. A path counts only where something is said to be
// shown at it: the path of a cookie, a picture or an API's endpoint is no page.
func Of(tree filetree.Tree) []string {
	var sources []code
	constants := map[string]string{} // by name, such as paths.orders or orders
	for _, p := range tree.Paths() {
		if !strings.HasPrefix(p, "src/") || !isCode(p) {
			continue
		}
		content, _ := tree.Get(p)
		c := read(content)
		sources = append(sources, c)
		for _, m := range constant.FindAllSubmatch(c.text, -1) {
			constants[string(m[1])] = string(m[2])
		}
		for _, o := range object.FindAllSubmatchIndex(c.text, -1) {
			for _, kv := range property.FindAllSubmatch(c.own(c.text, o[1]), -1) {
				constants[string(c.text[o[2]:o[3]])+"."+string(kv[1])] = string(kv[2])
			}
		}
	}
	seen := map[string]bool{"/": true, "": true}
	var out []string
	add := func(r string) {
		if r = strings.TrimRight(r, "/"); !seen[r] && absolute.MatchString(r) && !strings.Contains(r, "//") && !strings.Contains(r, "..") {
			seen[r] = true
			out = append(out, r)
		}
	}
	for _, c := range sources {
		for _, m := range route.FindAllSubmatchIndex(c.text, -1) {
			if c.isRoute(m) {
				add(string(c.text[m[4]:m[5]]))
			}
		}
		for _, m := range named.FindAllSubmatchIndex(c.text, -1) {
			if c.isRoute(m) {
				add(constants[string(c.text[m[4]:m[5]])])
			}
		}
		for _, m := range created.FindAllSubmatch(c.text, -1) {
			add(string(m[1]))
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
	})
	return append([]string{"/"}, out[:min(len(out), most-1)]...)
}

// isRoute reports whether a match of route or named stands where a router reads it.
func (c code) isRoute(match []int) bool {
	if c.shapes[match[0]] != 'p' { // in a string
		return false
	}
	if c.text[match[2]] == '=' {
		return c.isRouteTag(match[0])
	}
	return c.isRouteObject(match[0])
}

func isCode(p string) bool {
	for _, ext := range []string{".tsx", ".ts", ".jsx", ".js"} {
		if strings.HasSuffix(p, ext) {
			return !strings.Contains(p, ".test.") && !strings.HasSuffix(p, ".d.ts")
		}
	}
	return false
}
