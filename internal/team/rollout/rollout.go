// Package rollout decides which team gets which arm of a toggle. It is how a change of the pipeline reaches one team in a
// hundred before it reaches all.
//
// A toggle has arms, such as off and on, or three models. One of them is the default: what everybody gets while the toggle
// is off, killed, unknown, or cannot be read. A stage says who is in the rollout and gets another arm: nobody, our own
// teams, those and the beta teams, those and a percentage of all, all.
//
// Who is in, and which arm a team gets, follows from two independent hashes of the toggle and the team. So the same team
// gets the same arm in every process and after every restart, growing the percentage only adds teams, and which teams a
// toggle reaches first has nothing to do with which ones another reaches first.
//
// The package is pure: it has no clock, no store and no network. Whoever uses it gives the time and keeps the toggles.
package rollout

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"overskill/internal/fault"
)

// Stage says who is in a rollout.
type Stage string

// The stages, each of which reaches whom the one before it reaches, and more.
const (
	Off        Stage = "off"
	Internal   Stage = "internal"   // our own teams
	Beta       Stage = "beta"       // and teams that asked to be early
	Percentage Stage = "percentage" // and a share of all teams
	All        Stage = "all"
)

var stages = []Stage{Off, Internal, Beta, Percentage, All}

// WholeShare is a share of all teams: shares are in hundredths of a percent.
const WholeShare = 10_000

// Limits of what a toggle may hold, so that evaluating stays cheap and a form stays readable.
const (
	maxArms  = 12
	maxTeams = 10_000
	maxNeeds = 8
	maxText  = 500
)

// Toggle is a choice that is made for each team.
type Toggle struct {
	Name        string    `json:"name"` // letters, digits and _
	Description string    `json:"description,omitempty"`
	Arms        []Arm     `json:"arms"`
	Default     string    `json:"default"` // the arm of whoever is not in the rollout
	Stage       Stage     `json:"stage"`
	Share       int       `json:"share,omitempty"` // of all teams at the stage percentage, in hundredths of a percent
	Allow       []int64   `json:"allow,omitempty"` // teams that are in at every stage
	Deny        []int64   `json:"deny,omitempty"`  // teams that never are
	Needs       []Need    `json:"needs,omitempty"`
	From        time.Time `json:"from,omitzero"`  // before it, nobody is in; zero: always
	Until       time.Time `json:"until,omitzero"` // from it on, nobody is in; zero: for good
	Killed      bool      `json:"killed,omitempty"`
	Revision    int64     `json:"revision,omitempty"` // of the row; two administrators who edit one revision collide
}

// Arm is one of the things that a toggle chooses from. Teams in the rollout are spread over the arms by weight. The
// default arm has the weight 0 as a rule; with one, it is a control group of the same kind of teams.
type Arm struct {
	Name   string `json:"name"`
	Weight int    `json:"weight"`
	Value  string `json:"value,omitempty"` // what it means to the code that asks, such as a model's name
}

// Need is another toggle that must give an arm first: otherwise the default is given.
type Need struct {
	Toggle string `json:"toggle"`
	Arm    string `json:"arm"`
}

// Validate refuses a toggle that cannot work, with a sentence for the person who edited it.
func (t Toggle) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case !isName(t.Name):
		return bad("The name of a toggle has 1 to 60 lower-case letters, digits and underscores, and begins with a letter.")
	case len(t.Description) > maxText:
		return bad("The description of %s is longer than %d characters.", t.Name, maxText)
	case !slices.Contains(stages, t.Stage):
		return bad("The stage of %s must be off, internal, beta, percentage or all.", t.Name)
	case t.Share < 0 || t.Share > WholeShare:
		return bad("The percentage of %s must be between 0 and 100.", t.Name)
	case !t.Until.IsZero() && !t.From.IsZero() && !t.Until.After(t.From):
		return bad("The schedule of %s ends before it begins.", t.Name)
	case len(t.Allow) > maxTeams || len(t.Deny) > maxTeams:
		return bad("A list of %s has more than %d teams. Use a percentage instead.", t.Name, maxTeams)
	case len(t.Needs) > maxNeeds:
		return bad("%s needs more than %d other toggles.", t.Name, maxNeeds)
	}
	for _, id := range slices.Concat(t.Allow, t.Deny) {
		if id <= 0 {
			return bad("%d is not the number of a team.", id)
		}
	}
	for i, n := range t.Needs {
		if n.Toggle == t.Name {
			return bad("%s cannot need itself.", t.Name)
		}
		if slices.ContainsFunc(t.Needs[:i], func(o Need) bool { return o.Toggle == n.Toggle }) {
			return bad("%s needs %s twice.", t.Name, n.Toggle)
		}
	}
	return t.validateArms()
}

func (t Toggle) validateArms() error {
	if len(t.Arms) < 2 || len(t.Arms) > maxArms {
		return fault.New(fault.Invalid, "%s must have 2 to %d arms.", t.Name, maxArms)
	}
	sum := 0
	for i, a := range t.Arms {
		switch {
		case !isName(a.Name):
			return fault.New(fault.Invalid, "The name of an arm has 1 to 60 lower-case letters, digits and underscores, and begins with a letter.")
		case slices.ContainsFunc(t.Arms[:i], func(o Arm) bool { return o.Name == a.Name }):
			return fault.New(fault.Invalid, "%s has two arms %s.", t.Name, a.Name)
		case a.Weight < 0 || a.Weight > WholeShare:
			return fault.New(fault.Invalid, "The weight of %s must be between 0 and %d.", a.Name, WholeShare)
		case len(a.Value) > maxText:
			return fault.New(fault.Invalid, "The value of %s is longer than %d characters.", a.Name, maxText)
		}
		sum += a.Weight
	}
	if t.arm(t.Default) < 0 {
		return fault.New(fault.Invalid, "%s has no arm %q, which is to be its default.", t.Name, t.Default)
	}
	if sum == 0 {
		return fault.New(fault.Invalid, "No arm of %s has a weight: a team in the rollout would get none.", t.Name)
	}
	return nil
}

// Parse reads a toggle as the store and the API write it. A field that is not known is an error: it was meant to do
// something.
func Parse(b []byte) (Toggle, error) {
	var t Toggle
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(&t); err != nil {
		return Toggle{}, fault.Wrap(err, fault.Invalid, "This is no toggle: %s.", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return Toggle{}, fault.New(fault.Invalid, "Something follows the toggle.")
	}
	return t, t.Validate()
}

// arm returns the index of an arm, or -1.
func (t Toggle) arm(name string) int {
	return slices.IndexFunc(t.Arms, func(a Arm) bool { return a.Name == name })
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 60
}

// byName orders toggles for people.
func byName(a, b Toggle) int { return cmp.Compare(a.Name, b.Name) }
