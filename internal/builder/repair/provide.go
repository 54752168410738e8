package repair

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// provider is where a name can be imported from.
type provider struct {
	file   string // of the app; "" for a package
	spec   string
	name   string // as exported
	local  string // as it shall be called
	def    bool   // it is the default export
	isType bool
}

// fileWith returns the one file of the app that exports a name, other than src. Files that only pass it on do not
// count, nor do those outside src/.
func (p *project) fileWith(src *source, name string) (provider, bool) {
	var found []provider
	for _, s := range p.sources {
		pr := provider{file: s.path, name: name, local: name}
		switch {
		case s == src || s.open || !strings.HasPrefix(s.path, "src/") || s.passesOn(name):
			continue
		case s.values[name]:
		case s.types[name]:
			pr.isType = true
		case s.values["default"] && s.defaultNamed(name):
			pr.def = true
		default:
			continue
		}
		found = append(found, pr)
	}
	if len(found) != 1 || name == "default" {
		return provider{}, false
	}
	found[0].spec = p.specFor(src.path, found[0].file, p.style(src))
	return found[0], true
}

// style returns a specifier as the file writes them: relative if all of its own are, else with the alias.
func (p *project) style(src *source) string {
	style := "@/"
	for _, imp := range src.imports {
		if !strings.HasPrefix(imp.spec, ".") {
			if _, ours := p.localBase(src.path, imp.spec); ours {
				return "@/"
			}
			continue
		}
		style = "./"
	}
	return style
}

// passesOn reports whether a module only re-exports a name.
func (s *source) passesOn(name string) bool {
	return slices.ContainsFunc(s.imports, func(imp importRef) bool {
		return imp.export && (imp.namespace == name || slices.ContainsFunc(imp.names, func(n importName) bool { return n.local == name }))
	})
}

// defaultNamed reports whether the default export is declared under this very name.
func (s *source) defaultNamed(name string) bool {
	m := defaultName.FindStringSubmatch(s.text)
	return m != nil && m[1] == name
}

// declares returns where a module declares a name that it does not export, if it does so once and at the top level,
// where lines are not indented.
func (s *source) declares(name string) (at int, ok bool) {
	declaration := regexp.MustCompile(`(?m)^(?:async\s+function\b\s*\*?|function\b\s*\*?|(?:abstract\s+)?class\b|const\b|let\b|type\b|interface\b|(?:const\s+)?enum\b)\s*` +
		regexp.QuoteMeta(name) + `(?:[^\w$]|$)`)
	m := declaration.FindAllStringIndex(s.text, -1)
	if len(m) != 1 {
		return 0, false
	}
	return m[0][0], true
}

// What React and its router export that people forget to import. React's own list is far longer, but these are not
// anything else's names.
var (
	reactValues = []string{
		"useState", "useEffect", "useRef", "useMemo", "useCallback", "useContext", "useReducer", "useId", "useLayoutEffect", "useTransition",
		"useDeferredValue", "useOptimistic", "useActionState", "useSyncExternalStore", "createContext", "forwardRef", "memo", "lazy", "startTransition",
		"Fragment", "Suspense", "StrictMode",
	}
	reactTypes = []string{
		"ReactNode", "ReactElement", "ComponentType", "ComponentProps", "ComponentPropsWithoutRef", "PropsWithChildren", "CSSProperties", "FormEvent",
		"ChangeEvent", "MouseEventHandler", "ChangeEventHandler", "FormEventHandler", "RefObject", "Dispatch", "SetStateAction", "HTMLAttributes",
		"ButtonHTMLAttributes", "InputHTMLAttributes",
	}
	routerValues = []string{
		"Link", "NavLink", "Outlet", "Navigate", "useNavigate", "useParams", "useLocation", "useSearchParams", "useMatch", "useNavigation",
		"useLoaderData", "useRouteError", "generatePath",
	}
	iconTypes = []string{"LucideIcon", "LucideProps"}
)

// provider returns the one place that a name which nothing in the file declares can only have been meant to come from.
func (c *cure) provider(src *source, name string) (provider, bool) {
	file, ours := c.p.fileWith(src, name)
	ours = ours && c.p.meant(src, file)
	pkg := c.packageWith(name)
	switch {
	case ours && pkg.spec != "":
		return provider{}, false // which of the two?
	case ours:
		return file, true
	}
	return pkg, pkg.spec != ""
}

// meant reports whether a name in src is plainly that of an export, rather than of a variable that was forgotten: it is
// written large, called, or an object of which a member is taken.
func (p *project) meant(src *source, pr provider) bool {
	if pr.isType || unicode.IsUpper([]rune(pr.name)[0]) {
		return true
	}
	name := regexp.QuoteMeta(pr.name)
	object := regexp.MustCompile(`(?m)^\s*export\s+const\s+` + name + `\b[^=\n]*=\s*[{\[]`).MatchString(p.byPath[pr.file].text)
	after := `\(`
	if object {
		after = `\.`
	}
	return regexp.MustCompile(`(?:^|[^.\w$])` + name + after).MatchString(src.text)
}

// packageWith returns the package that a name comes from: React, the app's router, or its icons.
func (c *cure) packageWith(name string) provider {
	pr := provider{name: name, local: name}
	router := "react-router"
	if c.p.declared["react-router-dom"] {
		router = "react-router-dom"
	}
	const icons = "lucide-react"
	for _, from := range []struct {
		spec          string
		values, types []string
	}{{"react", reactValues, reactTypes}, {router, routerValues, nil}, {icons, nil, iconTypes}} {
		pr.isType = slices.Contains(from.types, name)
		if c.p.declared[from.spec] && (pr.isType || slices.Contains(from.values, name)) {
			pr.spec = from.spec
			return pr
		}
	}
	if names, _ := c.opt.exports(icons); c.p.declared[icons] && names[name] && name[0] >= 'A' && name[0] <= 'Z' {
		pr.spec, pr.isType = icons, false
	}
	return pr
}
