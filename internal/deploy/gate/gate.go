// Package gate reads what is about to be published and says what should keep it back: a secret that every visitor would
// download, a table that everybody could read, a package that is known to be malicious.
//
// It is pure and quick, because it runs before each publication and whenever somebody looks at the page for it: bytes
// in, findings out. Nothing is looked up anywhere: what it knows of packages itself is in the files beside this one,
// with the date and the source of each entry, and what a registry knows comes with the input, or the reason why it does
// not. That is a finding too: silence means that all was looked at.
//
// The rules prefer silence to noise. A finding that blocks is one that a person would act on at three in the morning:
// the shape of a key that its issuer documents, a value that the app itself keeps as a secret, SQL that says that
// anyone may write. What is only likely, such as a random-looking text that is assigned to something called token, is a
// warning. No finding holds a secret: it names the kind, the place and at most the first four characters.
package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// NotChecked is the rule of a finding which says that the registry did not tell what is known against the packages.
const NotChecked = "packages_not_checked"

// Input is what is looked at. All of it may be empty. Nothing is modified.
type Input struct {
	Files      map[string][]byte // the build: what visitors can download, by path
	Source     filetree.Tree     // what it was made from
	Server     []byte            // the app's server code, bundled; visitors cannot download it
	Secrets    map[string]string // the app's own secrets: values by name
	Migrations []Migration       // in the order in which they are applied
	Packages   []Package         // what the lock file installs
	Advisories []Advisory        // of packages, besides those that the gate knows itself
	// Releases are versions that one can change to, of packages with advisories; the cure is chosen among them.
	Releases map[string][]string
	// Unchecked says, in a sentence for a person, why Advisories are not all; "" when they are.
	Unchecked string
}

// Migration is one file of SQL.
type Migration struct {
	Name string // of the file, without its folder
	SQL  string
}

// Package is a dependency as it is installed.
type Package struct {
	Name    string
	Version string
	License string // an SPDX expression, as its package.json says it; "" when that says nothing
	Direct  bool   // the app's own package.json asks for it
}

// Advisory is a warning about versions of a package. Without Versions and Range it is about all.
type Advisory struct {
	Package  string
	Versions []string // exact ones; "*" is all
	Range    string   // in npm's words, such as ">=1.0.0 <1.7.4", besides Versions
	Level    Level
	Why      string // what malicious ones do, as a part of a sentence: "steals what is typed into wallets"
	Title    string // what its report is called, where there is no Why
	Date     string // when it became known, such as 2025-09-08; may be ""
	Source   string // address of the report; may be ""
}

// maxFindings is how many are reported one by one: who has more does not read them.
const maxFindings = 50

// Check returns what it finds: the most serious first, then by rule, file and line, each once, and the same for the
// same input. Of more than 50 the last one counts the rest.
func Check(in Input) []model.Finding {
	var found []model.Finding
	found = append(found, secrets(in)...)
	found = append(found, database(in)...)
	found = append(found, source(in)...)
	found = append(found, sourceMaps(in.Files)...)
	found = append(found, packages(in)...)
	return limited(ordered(found))
}

// Blocks reports whether findings keep a version from being published. Only a team that said so publishes in spite of
// serious ones.
func Blocks(policy model.GatePolicy, found []model.Finding) bool {
	if policy == model.GateWarn {
		return false
	}
	return slices.ContainsFunc(found, func(f model.Finding) bool { return f.Severity == model.SeverityBlock })
}

// rank orders severities.
func rank(s model.Severity) int {
	switch s {
	case model.SeverityBlock:
		return 0
	case model.SeverityWarn:
		return 1
	}
	return 2
}

// ordered sorts findings and leaves out those that say the same about the same place.
func ordered(found []model.Finding) []model.Finding {
	slices.SortFunc(found, func(a, b model.Finding) int {
		return cmp.Or(
			cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Title, b.Title))
	})
	return slices.CompactFunc(found, func(a, b model.Finding) bool {
		return a.Rule == b.Rule && a.File == b.File && a.Line == b.Line && a.Title == b.Title
	})
}

// limited replaces what is over maxFindings by one that counts it, as serious as the most serious of them.
func limited(found []model.Finding) []model.Finding {
	if len(found) <= maxFindings {
		return found
	}
	rest := found[maxFindings-1:]
	more := model.Finding{
		Rule: "more", Severity: rest[0].Severity,
		Title: fmt.Sprintf("There are %d more findings.", len(rest)),
		Cure:  "Cure those above first; publishing looks again.",
	}
	return append(slices.Clip(found[:maxFindings-1]), more)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
