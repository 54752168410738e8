package gate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"deps.dev/util/semver"

	"overskill/internal/model"
)

// Level is how serious an advisory is, in npm's words.
type Level string

const (
	Malicious Level = "" // the release was made to do harm; the others are mistakes
	Critical  Level = "critical"
	High      Level = "high"
	Moderate  Level = "moderate"
	Low       Level = "low"
)

// rank orders levels, the most serious first.
func (l Level) rank() int {
	switch l {
	case Malicious:
		return 0
	case Critical:
		return 1
	case High:
		return 2
	case Moderate:
		return 3
	case Low:
		return 4
	}
	return 5
}

func (l Level) severity() model.Severity {
	switch l.rank() {
	case 0, 1, 2:
		return model.SeverityBlock
	case 3, 4:
		return model.SeverityWarn
	}
	return model.SeverityInfo
}

// warning is an advisory with its range read once: it is compared with thousands of releases.
type warning struct {
	Advisory
	within *semver.Constraint // nil where Range is "" or cannot be read
}

func warningOf(a Advisory) warning {
	w := warning{Advisory: a}
	if c, err := semver.NPM.ParseConstraint(a.Range); err == nil && a.Range != "" {
		w.within = c
	}
	return w
}

// affects reports whether the warning is about a version. A range that nobody can read is about all: its publisher
// meant some. Prereleases of what is within the range are too, as npm audit has it.
func (w warning) affects(version string) bool {
	if slices.Contains(w.Versions, version) || slices.Contains(w.Versions, "*") {
		return true
	}
	if w.within == nil {
		return w.Range != "" || len(w.Versions) == 0
	}
	v, err := semver.NPM.Parse(version)
	return err != nil || w.within.MatchVersionPrerelease(v)
}

// anyAffects reports whether one of the warnings is about a version.
func anyAffects(known []warning, version string) bool {
	return slices.ContainsFunc(known, func(w warning) bool { return w.affects(version) })
}

// weaknesses words what advisories say about one package: the worst first, all in one finding, because one change of
// version is to cure them all. known are those of the package, whichever version they are about.
func weaknesses(p Package, known []warning, releases []string, asked map[string]string) (model.Finding, bool) {
	var hit []warning
	for _, a := range known {
		if a.affects(p.Version) && !slices.ContainsFunc(hit, func(b warning) bool { return a.Source != "" && a.Source == b.Source }) {
			hit = append(hit, a)
		}
	}
	if len(hit) == 0 {
		return model.Finding{}, false
	}
	slices.SortStableFunc(hit, func(a, b warning) int { return cmp.Compare(a.Level.rank(), b.Level.rank()) })
	worst := hit[0]
	f := model.Finding{Rule: "weak_package", Severity: worst.Level.severity(), File: "package-lock.json"}
	if p.Direct {
		f.File = "package.json"
	}
	switch {
	case worst.Level == Malicious:
		f.Rule = "bad_package"
		f.Title = fmt.Sprintf("%s %s is malicious: it %s.", p.Name, p.Version, worst.Why)
		if worst.Title != "" {
			f.Title = fmt.Sprintf("%s %s is malicious. Its report is called %q.", p.Name, p.Version, worst.Title)
		}
	case len(hit) == 1:
		f.Title = fmt.Sprintf("%s %s has a known weakness, of severity %s: %s.", p.Name, p.Version, worst.Level, strings.TrimRight(worst.Title, ". "))
	default:
		f.Title = fmt.Sprintf("%s %s has %d known weaknesses; the worst is of severity %s: %s.", p.Name, p.Version, len(hit), worst.Level, strings.TrimRight(worst.Title, ". "))
	}
	f.Why = reports(hit)
	f.Cure, f.Prompt = remedy(p, known, releases, asked)
	if worst.Level == Malicious {
		f.Cure += " What it could reach where it ran must be replaced: nothing of it ran here while it was installed, because install scripts are never run."
	}
	return f, true
}

// reports names where to read on, three at most.
func reports(hit []warning) string {
	var out []string
	for _, a := range hit[:min(3, len(hit))] {
		switch {
		case a.Date != "":
			out = append(out, fmt.Sprintf("Known since %s: %s", a.Date, a.Source))
		case a.Source != "":
			out = append(out, fmt.Sprintf("%s: %s", strings.TrimRight(a.Title, ". "), a.Source))
		default:
			out = append(out, strings.TrimRight(a.Title, ". ")+".")
		}
	}
	if len(hit) > 3 {
		out = append(out, fmt.Sprintf("and %d more", len(hit)-3))
	}
	return strings.Join(out, "; ")
}

// remedy returns what to do and the request that does it. The prompt holds nothing that a registry's reports say: it is
// sent to a model as a person's wish.
func remedy(p Package, known []warning, releases []string, asked map[string]string) (cure, prompt string) {
	to, compatible := cured(p.Version, known, releases)
	switch {
	case to == "" && len(releases) == 0:
		return "Use a version that the report calls cured, or another package.",
			fmt.Sprintf("%s %s has known weaknesses. Update it to a version without them, or replace it by another package that does the same.", p.Name, p.Version)
	case to == "":
		return fmt.Sprintf("No release of %s is known to be without it. Read in the report whether your app is concerned, or use another package.", p.Name),
			fmt.Sprintf("%s has known weaknesses, and no release is known to be without them. Replace it by another package that does the same.", p.Name)
	case !compatible:
		cure = fmt.Sprintf("Change to %s %s. It may not be compatible with the present one: the app may have to be changed with it.", p.Name, to)
	default:
		cure = fmt.Sprintf("Change to %s %s.", p.Name, to)
	}
	rng := rangeOf(asked[p.Name], to, known, releases)
	if p.Direct && asked[p.Name] != "" {
		prompt = fmt.Sprintf("Change the version of %s in package.json from %s to %s, by adding the dependency again with that version.", p.Name, asked[p.Name], rng)
	} else {
		prompt = fmt.Sprintf("Another package brings %s %s along, which has known weaknesses. Add %s with the version %s to the dependencies, so that the packages which accept that version share it. If %s is in package-lock.json still, update the packages that bring it along.",
			p.Name, p.Version, p.Name, rng, p.Version)
		cure += " Another package brings it along."
	}
	if !compatible {
		prompt += " That version may not be compatible with the present one: correct what has changed in how it is used."
	}
	return cure, prompt
}

// cured returns the release to change to: the lowest one above the installed version that is compatible with it; else
// the highest such below it, as when a release is malicious and the one before was not; else the lowest above that is
// not compatible, or the highest below. It is "" when no release is free of what is known.
func cured(version string, known []warning, releases []string) (to string, compatible bool) {
	have, err := semver.NPM.Parse(version)
	if err != nil {
		return "", false
	}
	var above, below, later, earlier *semver.Version
	for _, r := range releases {
		v, err := semver.NPM.Parse(r)
		if err != nil || v.IsPrerelease() || anyAffects(known, r) {
			continue
		}
		same := alike(have, v)
		switch up := v.Compare(have) > 0; {
		case up && same:
			above = lower(above, v)
		case up:
			later = lower(later, v)
		case same:
			below = higher(below, v)
		default:
			earlier = higher(earlier, v)
		}
	}
	best := cmp.Or(above, below, later, earlier)
	if best == nil {
		return "", false
	}
	return best.Canon(true), best == above || best == below
}

// alike reports whether one version promises to be compatible with the other: before 1.0.0 the second number is what
// the first one is later on.
func alike(a, b *semver.Version) bool {
	_, diff := a.Difference(b)
	major, _ := a.Major()
	return diff != semver.DiffMajor && (major > 0 || diff != semver.DiffMinor)
}

func lower(a, b *semver.Version) *semver.Version {
	if a == nil || b.Compare(a) < 0 {
		return b
	}
	return a
}

func higher(a, b *semver.Version) *semver.Version {
	if a == nil || b.Compare(a) > 0 {
		return b
	}
	return a
}

// rangeOf writes a version the way package.json has it: exactly, or with the sign for what is compatible. Where the
// sign would let in a release that is as bad, it is left out.
func rangeOf(before, to string, known []warning, releases []string) string {
	rng := "^" + to
	if strings.HasPrefix(before, "~") {
		rng = "~" + to
	}
	if _, err := semver.NPM.Parse(before); err == nil && before != "" {
		return to
	}
	c, err := semver.NPM.ParseConstraint(rng)
	if err != nil || slices.ContainsFunc(releases, func(r string) bool {
		return c.Match(r) && anyAffects(known, r)
	}) {
		return to
	}
	return rng
}

// askedFor reads which ranges the app's package.json asks for. What cannot be read asks for nothing: the build says so.
func askedFor(in Input) map[string]string {
	b, _ := in.Source.Get("package.json")
	var m struct {
		Dependencies         map[string]string `json:"dependencies"`
		OptionalDependencies map[string]string `json:"optionalDependencies"`
	}
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	out := m.Dependencies
	if out == nil {
		out = map[string]string{}
	}
	for name, rng := range m.OptionalDependencies {
		out[name] = rng
	}
	return out
}

// unchecked says that advisories were not looked up: that none were found means nothing then.
func unchecked(why string) model.Finding {
	return model.Finding{
		Rule: NotChecked, Severity: model.SeverityInfo,
		Title: "Known weaknesses of the app's packages were not looked up, or not all.",
		Why:   why,
		Cure:  "This keeps nothing back, and malicious releases that this program knows were looked for. To look the others up too, whoever runs this server can name a registry that answers in npm's configuration.",
	}
}
