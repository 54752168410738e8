package bundle

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The imports of packages in esbuild's own output, whose form is known: one statement per line start, double
// quotes, only what the code really uses (types and unused imports are gone).
var (
	fromImport    = regexp.MustCompile(`(?m)^(import|export) ([^;"']*?)\s*from "/(assets/packages-[^"]+)";`)
	bareImport    = regexp.MustCompile(`(?m)^import "/(assets/packages-[^"]+)";`)
	dynamicImport = regexp.MustCompile(`\bimport\("/(assets/packages-[^"]+)"\)`)
)

// wanted lists what the app's bundle imports from packages.
func (b *build) wanted(r api.BuildResult) wants {
	w := wants{}
	for _, f := range r.OutputFiles {
		if !strings.HasSuffix(f.Path, ".js") {
			continue
		}
		src := string(f.Contents)
		for _, m := range fromImport.FindAllStringSubmatch(src, -1) {
			w.add(b.vendorID(m[3]), importedNames(m[2])...)
		}
		for _, m := range bareImport.FindAllStringSubmatch(src, -1) {
			w.add(b.vendorID(m[1])) // for its effects
		}
		for _, m := range dynamicImport.FindAllStringSubmatch(src, -1) {
			w.add(b.vendorID(m[1]), "*")
		}
	}
	return w
}

// vendorID is the import that a file of the packages' bundle stands for.
func (b *build) vendorID(sitePath string) string {
	return b.vendorIDs[strings.TrimPrefix(sitePath, vendorRoot(b.vendorKey)+"/")]
}

// importedNames reads the clause of an import or export statement. "*" stands for all names.
func importedNames(clause string) []string {
	var out []string
	if open := strings.IndexByte(clause, '{'); open >= 0 {
		inner := clause[open+1:]
		if end := strings.IndexByte(inner, '}'); end >= 0 {
			inner = inner[:end]
		}
		for part := range strings.SplitSeq(inner, ",") {
			if f := strings.Fields(part); len(f) > 0 {
				out = append(out, f[0])
			}
		}
		clause = clause[:open]
	}
	for part := range strings.SplitSeq(clause, ",") {
		switch f := strings.Fields(part); {
		case len(f) == 0:
		case f[0] == "*":
			out = append(out, "*")
		default:
			out = append(out, "default")
		}
	}
	return out
}

// The ways in which CommonJS modules of the registry say what they export.
var (
	assigned  = regexp.MustCompile(`\bexports\.([A-Za-z_$][\w$]*)\s*=[^=]`)
	defined   = regexp.MustCompile(`defineProperty\(\s*exports\s*,\s*["']([A-Za-z_$][\w$]*)["']`)
	annotated = regexp.MustCompile(`0\s*&&\s*\(module\.exports\s*=\s*\{([^}]*)\}`)
	literal   = regexp.MustCompile(`module\.exports\s*=\s*\{([^{}]*)\}`)
	reexport  = regexp.MustCompile(`(?:module\.exports\s*=\s*|__exportStar\(|__reExport\([^,]*,\s*)require\(["'](\.[^"']+)["']\)`)
	plainName = regexp.MustCompile(`^\s*([A-Za-z_$][\w$]*)\s*(?:[:(]|$)`)
)

// maxReexports bounds how far commonJSNames follows files that only pass on others.
const maxReexports = 40

// commonJSNames reads from a module's text the names that it exports, "default" not among them. It follows
// modules that are passed on as a whole. Where a name is missed, a namespace import lacks it, in development
// builds only.
func commonJSNames(file string) []string {
	names := map[string]bool{}
	seen := map[string]bool{}
	queue := []string{file}
	for len(queue) > 0 && len(seen) < maxReexports {
		f := queue[0]
		queue = queue[1:]
		src, err := os.ReadFile(f)
		if err != nil || seen[f] {
			continue
		}
		seen[f] = true
		for _, re := range []*regexp.Regexp{assigned, defined} {
			for _, m := range re.FindAllSubmatch(src, -1) {
				names[string(m[1])] = true
			}
		}
		for _, re := range []*regexp.Regexp{annotated, literal} {
			for _, m := range re.FindAllSubmatch(src, -1) {
				for part := range strings.SplitSeq(string(m[1]), ",") {
					if n := plainName.FindStringSubmatch(part); n != nil {
						names[n[1]] = true
					}
				}
			}
		}
		for _, m := range reexport.FindAllSubmatch(src, -1) {
			at := filepath.Join(filepath.Dir(f), string(m[1]))
			for _, ext := range []string{"", ".js", ".cjs", "/index.js"} {
				if i, err := os.Stat(at + ext); err == nil && i.Mode().IsRegular() {
					queue = append(queue, at+ext)
					break
				}
			}
		}
	}
	delete(names, "default")
	out := make([]string, 0, len(names)) // not nil: nil means "no CommonJS"
	for n := range names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
