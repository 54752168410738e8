package understand

import (
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// tokens cuts a fragment of a request.
func (e *editor) tokens(fragment string) []token {
	var out []token
	for _, s := range tokenize(fragment, e.lang) {
		out = append(out, s...)
	}
	return trimLead(out)
}

// names are the spellings under which something can be meant.
func names(labels ...string) []string {
	var out []string
	for _, l := range labels {
		l = strings.ReplaceAll(fold(l), "_", " ")
		out = append(out, l, lemmaOf(l))
	}
	return out
}

// spelled returns the spellings of the words that were typed.
func spelled(ts []token) []string {
	typed := fold(text(ts))
	return []string{typed, lemmaOf(typed), lemma(ts)}
}

func meets(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return x != "" && slices.Contains(b, x) })
}

// entityAt finds the longest run of words that names an entity, and where it stands. Where names meet, the later
// mention wins: "add a client field to deals" is about deals.
func (e *editor) entityAt(ts []token) (ent *spec.Entity, from, to int) {
	for n := 3; n >= 1; n-- {
		for i := len(ts) - n; i >= 0; i-- {
			for k := range e.s.Entities {
				x := &e.s.Entities[k]
				if meets(spelled(ts[i:i+n]), names(x.Name, x.Label, x.LabelPlural)) {
					return x, i, i + n
				}
			}
		}
	}
	for i := len(ts) - 1; i >= 0; i-- { // "applications" for job applications, "hours" for work hours
		for k := range e.s.Entities {
			x := &e.s.Entities[k]
			if ts[i].kind == word && !functional[ts[i].en] && ts[i].lemma == lastWord(lemmaOf(x.Label)) {
				return x, i, i + 1
			}
		}
	}
	return nil, 0, 0
}

// rows are words for a list or for what stands in it, whatever the app keeps.
var rows = set("list table page entry entrie record row item thing element it them one everything form card")

// pointed returns the entity that "the first list", "each entry" or "it" points at, and how many words do so; nil when
// the words point at nothing.
func (e *editor) pointed(ts []token) (x *spec.Entity, n int) {
	at := 0
	for n < len(ts) && ts[n].is("the", "this", "that", "my", "our", "each", "every", "all", "main", "first", "second", "third", "last") {
		switch {
		case ts[n].is("second"):
			at = 1
		case ts[n].is("third"):
			at = 2
		case ts[n].is("last"):
			at = -1
		case ts[n].is("first"):
			at = -2
		}
		n++
	}
	if n >= len(ts) || !rows[ts[n].lemma] && !ts[n].is("entries") {
		return nil, 0
	}
	var menu []*spec.Entity
	for i := range e.s.Entities {
		if e.s.Entities[i].Menu {
			menu = append(menu, &e.s.Entities[i])
		}
	}
	switch {
	case at == 0 || len(menu) == 0:
		return e.main(), n + 1
	case at == -2:
		return menu[0], n + 1
	case at == -1 || at >= len(menu):
		return menu[len(menu)-1], n + 1
	}
	return menu[at], n + 1
}

// entity returns the entity that the words name, if they name nothing else.
func (e *editor) entity(ts []token) (*spec.Entity, bool) {
	ts = trimLead(ts)
	x, from, to := e.entityAt(ts)
	return x, x != nil && from == 0 && to == len(ts)
}

// main is what the app is about: the entity of the first widget of a dashboard.
func (e *editor) main() *spec.Entity {
	if e.last != nil {
		return e.last
	}
	for _, w := range e.s.Dashboard {
		if x, ok := e.s.Entity(w.Entity); ok {
			return x
		}
	}
	return &e.s.Entities[len(e.s.Entities)-1]
}

// findField returns the field of an entity that the words name, or nil.
func findField(x *spec.Entity, ts []token) *spec.Field {
	ts = trimLead(ts)
	for len(ts) > 1 && ts[len(ts)-1].is("field", "column", "value", "option") {
		ts = ts[:len(ts)-1]
	}
	if len(ts) == 0 {
		return nil
	}
	said := spelled(ts)
	for i := range x.Fields {
		if f := &x.Fields[i]; meets(said, names(f.Name, f.Label)) {
			return f
		}
	}
	key := vocabulary().key(lemma(ts))
	for i := range x.Fields {
		if f := &x.Fields[i]; vocabulary().key(f.Label) == key {
			return f
		}
	}
	for i := range x.Fields { // "date" for the loan date, if it is the only one
		if f := &x.Fields[i]; len(ts) == 1 && lastWord(lemmaOf(f.Label)) == ts[0].lemma {
			return f
		}
	}
	return nil
}

// field finds a field by its words, in x if given, else in the main entity first and then anywhere.
func (e *editor) field(ts []token, x *spec.Entity) (*spec.Entity, *spec.Field) {
	if x != nil {
		return x, findField(x, ts)
	}
	order := []*spec.Entity{e.main()}
	for i := range e.s.Entities {
		order = append(order, &e.s.Entities[i])
	}
	for _, x := range order {
		if f := findField(x, ts); f != nil {
			return x, f
		}
	}
	return nil, nil
}

// fieldIn finds the longest run of words that names a field.
func (e *editor) fieldIn(ts []token, x *spec.Entity) (*spec.Entity, *spec.Field) {
	for n := min(4, len(ts)); n >= 1; n-- {
		for i := 0; i+n <= len(ts); i++ {
			if n == 1 && functional[ts[i].en] {
				continue
			}
			if at, f := e.field(ts[i:i+n], x); f != nil {
				return at, f
			}
		}
	}
	return nil, nil
}
