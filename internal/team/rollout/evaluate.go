package rollout

import (
	"slices"
	"time"

	"overskill/internal/fault"
)

// Subject is who a choice is made for.
type Subject struct {
	TeamID   int64
	Internal bool // one of our own teams
	Beta     bool // it asked to be early
}

// Reason says why a team got an arm.
type Reason string

// The reasons, in the order in which they are looked for: the first that holds decides.
const (
	Unknown     Reason = "unknown"     // nobody declared such a toggle
	Killed      Reason = "killed"      // the kill switch; it wins over everything
	Denied      Reason = "denied"      // the team is on the list of those left out; it wins over the list of those let in
	Unscheduled Reason = "unscheduled" // it is too early, or too late
	Unmet       Reason = "unmet"       // another toggle did not give the arm that this one needs
	Allowed     Reason = "allowed"     // the team is on the list of those let in
	Reached     Reason = "reached"     // the stage reaches the team
	Outside     Reason = "outside"     // the stage does not reach it
)

// In reports whether a team with this reason is in the rollout, and not just given the default.
func (r Reason) In() bool { return r == Allowed || r == Reached }

// Assignment is the arm that a team got.
type Assignment struct {
	Toggle string
	Arm    string // "" for an unknown toggle
	Value  string // of the arm
	Reason Reason
}

// Set is a snapshot of all toggles. It does not change, and may be used by any number of goroutines.
type Set struct {
	index   map[string]int
	toggles []compiled // what one needs stands before it
}

// compiled is a toggle as it is evaluated.
type compiled struct {
	Toggle
	fallback    int // the default arm
	in, out     map[int64]struct{}
	needs       []link
	total       uint64 // of the weights
	place, pick uint64 // seeds of the two hashes
}

// link is a Need whose toggle was found; toggle is -1 when there is none, which is never met.
type link struct{ toggle, arm int }

// Compile checks toggles and makes a Set of them. Toggles that need each other in a circle are refused.
func Compile(toggles []Toggle) (*Set, error) {
	sorted := slices.SortedFunc(slices.Values(toggles), byName)
	known := make(map[string]Toggle, len(sorted))
	for _, t := range sorted {
		if err := t.Validate(); err != nil {
			return nil, err
		}
		if _, twice := known[t.Name]; twice {
			return nil, fault.New(fault.Invalid, "There are two toggles %s.", t.Name)
		}
		known[t.Name] = t
	}
	s := &Set{index: make(map[string]int, len(sorted))}
	under := map[string]bool{}
	for _, t := range sorted {
		if err := s.place(t, known, under); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// place adds a toggle after those that it needs. under holds those that are being placed.
func (s *Set) place(t Toggle, known map[string]Toggle, under map[string]bool) error {
	if _, done := s.index[t.Name]; done {
		return nil
	}
	if under[t.Name] {
		return fault.New(fault.Invalid, "%s needs itself, by way of the toggles that it needs.", t.Name)
	}
	under[t.Name] = true
	defer delete(under, t.Name)
	c := compiled{Toggle: t, fallback: t.arm(t.Default), in: setOf(t.Allow), out: setOf(t.Deny), place: seed(t.Name, "place"), pick: seed(t.Name, "arm")}
	for _, a := range t.Arms {
		c.total += uint64(a.Weight)
	}
	for _, n := range t.Needs {
		other, ok := known[n.Toggle]
		if !ok {
			c.needs = append(c.needs, link{-1, -1})
			continue
		}
		if other.arm(n.Arm) < 0 {
			return fault.New(fault.Invalid, "%s needs the arm %q of %s, which has no such arm.", t.Name, n.Arm, n.Toggle)
		}
		if err := s.place(other, known, under); err != nil {
			return err
		}
		c.needs = append(c.needs, link{s.index[n.Toggle], other.arm(n.Arm)})
	}
	s.index[t.Name] = len(s.toggles)
	s.toggles = append(s.toggles, c)
	return nil
}

func setOf(ids []int64) map[int64]struct{} {
	out := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		out[id] = struct{}{}
	}
	return out
}

// Evaluate returns the arm of a team at a time.
func (s *Set) Evaluate(name string, who Subject, at time.Time) Assignment {
	i, ok := s.index[name]
	if !ok {
		return Assignment{Toggle: name, Reason: Unknown}
	}
	arm, why := s.decide(i, who, at)
	t := &s.toggles[i]
	return Assignment{t.Name, t.Arms[arm].Name, t.Arms[arm].Value, why}
}

// EvaluateAll returns the arm of a team for every toggle, in the order of their names.
func (s *Set) EvaluateAll(who Subject, at time.Time) []Assignment {
	out := make([]Assignment, 0, len(s.toggles))
	for _, t := range s.toggles {
		out = append(out, s.Evaluate(t.Name, who, at))
	}
	slices.SortFunc(out, func(a, b Assignment) int { return byName(Toggle{Name: a.Toggle}, Toggle{Name: b.Toggle}) })
	return out
}

// decide returns the index of an arm, and why.
func (s *Set) decide(i int, who Subject, at time.Time) (arm int, why Reason) {
	t := &s.toggles[i]
	if why = s.reason(t, who, at); !why.In() {
		return t.fallback, why
	}
	n := hash(t.pick, who.TeamID) % t.total
	for k := range t.Arms {
		w := uint64(t.Arms[k].Weight)
		if n < w {
			return k, why
		}
		n -= w
	}
	return t.fallback, why // not reached: the weights sum up to total
}

func (s *Set) reason(t *compiled, who Subject, at time.Time) Reason {
	if t.Killed {
		return Killed
	}
	if _, out := t.out[who.TeamID]; out {
		return Denied
	}
	if at.Before(t.From) || !t.Until.IsZero() && !at.Before(t.Until) {
		return Unscheduled
	}
	for _, n := range t.needs {
		if n.toggle < 0 {
			return Unmet
		}
		if arm, _ := s.decide(n.toggle, who, at); arm != n.arm {
			return Unmet
		}
	}
	if _, in := t.in[who.TeamID]; in {
		return Allowed
	}
	if t.reaches(who) {
		return Reached
	}
	return Outside
}

func (t *compiled) reaches(who Subject) bool {
	switch t.Stage {
	case Internal:
		return who.Internal
	case Beta:
		return who.Internal || who.Beta
	case Percentage:
		return who.Internal || who.Beta || hash(t.place, who.TeamID)%WholeShare < uint64(t.Share)
	case All:
		return true
	}
	return false
}

// seed is where the hash of a toggle for a purpose begins: FNV-1a of both names.
func seed(name, purpose string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, part := range []string{name, "\x00", purpose} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * prime
		}
	}
	return h
}

// hash spreads teams evenly: the seed and the team, mixed by the finalizer of MurmurHash3, in which each bit of the input
// changes each bit of the output with about even chances. It must never change: teams would change sides.
func hash(seed uint64, team int64) uint64 {
	h := seed ^ uint64(team)*0x9e3779b97f4a7c15
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h
}
