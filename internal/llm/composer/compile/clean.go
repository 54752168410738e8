package compile

import (
	"slices"
	"strings"
	"unicode"

	"overskill/internal/llm/composer/spec"
)

// clean drops the characters that no person types: they would be invisible in a label, two of them mark text while
// a file is written, and Postgres refuses NUL.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// cleaned returns a copy of a spec with all of its text clean.
func cleaned(s spec.Spec) spec.Spec {
	s.Name, s.Tagline = clean(s.Name), clean(s.Tagline)
	s.Entities = slices.Clone(s.Entities)
	for i := range s.Entities {
		e := &s.Entities[i]
		e.Label, e.LabelPlural, e.Description = clean(e.Label), clean(e.LabelPlural), clean(e.Description)
		e.Fields = slices.Clone(e.Fields)
		for n := range e.Fields {
			f := &e.Fields[n]
			f.Label, f.Unit, f.Default, f.Hint = clean(f.Label), clean(f.Unit), clean(f.Default), clean(f.Hint)
			f.Options = slices.Clone(f.Options)
			for o := range f.Options {
				f.Options[o].Label, f.Options[o].Value = clean(f.Options[o].Label), clean(f.Options[o].Value)
			}
		}
		e.Actions = slices.Clone(e.Actions)
		for n := range e.Actions {
			e.Actions[n].Label = clean(e.Actions[n].Label)
		}
	}
	s.Dashboard = slices.Clone(s.Dashboard)
	for i := range s.Dashboard {
		s.Dashboard[i].Label, s.Dashboard[i].Where = clean(s.Dashboard[i].Label), clean(s.Dashboard[i].Where)
	}
	return s
}
