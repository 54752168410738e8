package gate

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"overskill/internal/model"
)

// malicious lists releases that were made to do harm; its head says how it is written.
//
//go:embed malicious.txt
var malicious string

// popular lists packages whose names are imitated.
//
//go:embed popular.txt
var popular string

// packages looks at what the app is built from.
func packages(in Input) (out []model.Finding) {
	if len(in.Packages) == 0 {
		return nil
	}
	if in.Unchecked != "" {
		out = append(out, unchecked(in.Unchecked))
	}
	bad := map[string][]warning{}
	for _, a := range append(advisories(), in.Advisories...) {
		bad[a.Package] = append(bad[a.Package], warningOf(a))
	}
	names, asked := popularNames(), askedFor(in)
	for _, p := range in.Packages {
		if f, ok := weaknesses(p, bad[p.Name], in.Releases[p.Name], asked); ok {
			out = append(out, f)
		}
		if f, ok := licenceOf(p); ok {
			out = append(out, f)
		}
		if like := imitated(p.Name, names); p.Direct && like != "" {
			out = append(out, model.Finding{
				Rule: "typosquat", Severity: model.SeverityWarn, File: "package.json",
				Title:  fmt.Sprintf("%s is not %s, though it is called nearly the same.", p.Name, like),
				Why:    "Malicious packages are often named like popular ones with one letter changed.",
				Cure:   fmt.Sprintf("Look at who publishes %s. If %s was meant, use that.", p.Name, like),
				Prompt: fmt.Sprintf("package.json asks for %s. Replace it by %s, and correct the imports.", p.Name, like),
			})
		}
	}
	return out
}

// licenceOf words a finding about a licence that asks for more than its notice. What another package brings along is
// perhaps a tool that is not published, and so told for information only.
func licenceOf(p Package) (model.Finding, bool) {
	f := model.Finding{Rule: "licence", Severity: model.SeverityWarn, File: "package.json"}
	if !p.Direct {
		f.Severity, f.File = model.SeverityInfo, "package-lock.json"
	}
	switch licence(p.License) {
	case free:
		return f, false
	case reciprocal:
		f.Title = fmt.Sprintf("The licence of %s, %s, may ask you to publish your app's source.", p.Name, clipped(p.License))
		f.Why = "Who distributes code that is combined with it, or with AGPL lets people use it over a network, must give them the source of the whole under the same licence."
		f.Cure = "Use another package, or publish the source, or buy another licence where its authors sell one."
		f.Prompt = fmt.Sprintf("Replace the package %s by one with a permissive licence, such as MIT, that does the same.", p.Name)
	case forbidden:
		f.Title = fmt.Sprintf("%s may not be used without its owner's agreement: its licence is %s.", p.Name, clipped(p.License))
		f.Why = "Publishing it may infringe its owner's rights."
		f.Cure = "Use another package, unless you have an agreement."
		f.Prompt = fmt.Sprintf("Replace the package %s by one with a permissive licence, such as MIT, that does the same.", p.Name)
	default:
		f.Title = fmt.Sprintf("%s does not say under which licence it may be used.", p.Name)
		if p.License != "" {
			f.Title = fmt.Sprintf("The licence of %s, %q, is none that is known here.", p.Name, clipped(p.License))
		}
		f.Why = "Without a licence nobody but its author may publish it."
		f.Cure = "Look into its repository, or use another package."
	}
	return f, true
}

func clipped(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// advisories reads malicious.txt.
func advisories() (out []Advisory) {
	for line := range strings.Lines(malicious) {
		part := strings.Split(strings.TrimSpace(line), " | ")
		if strings.HasPrefix(line, "#") || len(part) != 5 {
			continue
		}
		out = append(out, Advisory{Package: part[0], Versions: strings.Fields(part[1]), Why: part[2], Date: part[3], Source: part[4]})
	}
	return out
}

func popularNames() []string {
	var out []string
	for line := range strings.Lines(popular) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.Fields(line)...)
		}
	}
	return out
}

// minImitated is the length of a name from which one letter more or less is a coincidence no more.
const minImitated = 5

// imitated returns the popular package whose name differs by one letter; "" when there is none, or when the package is
// popular itself.
func imitated(name string, popular []string) string {
	if len(name) < minImitated-1 || slices.Contains(popular, name) {
		return ""
	}
	for _, p := range popular {
		if len(p) >= minImitated && oneApart(name, p) {
			return p
		}
	}
	return ""
}

// oneApart reports whether two names differ by one letter that is added, left out or another, or by two neighbours that
// changed places.
func oneApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		if i == len(a) {
			return false
		}
		if a[i+1:] == b[i+1:] {
			return true
		}
		return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	case 1:
		return a[i:] == b[i+1:]
	}
	return false
}
