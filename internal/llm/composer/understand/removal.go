package understand

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// remove handles "remove the phone field from clients", "delete suppliers", "remove the streaks".
func (e *editor) remove(ts []token) bool {
	if !ts[0].is("remove", "delete", "drop", "no", "without") && find(ts, "get rid of") != 0 {
		return false
	}
	what, x := ts[1:], (*spec.Entity)(nil)
	if find(ts, "get rid of") == 0 {
		what = ts[3:]
	}
	if i := slices.IndexFunc(what, func(t token) bool { return t.is("from", "of", "in") }); i > 0 {
		if x, _, _ = e.entityAt(what[i+1:]); x != nil {
			what = what[:i]
		}
	}
	what = trimLead(what)
	if e.removeAction(what) {
		return true
	}
	if ent, ok := e.entity(what); ok && x == nil {
		e.removeEntity(ent)
		return true
	}
	if slices.ContainsFunc(what, func(t token) bool { return t.is("chart", "graph", "widget") }) {
		n := len(e.s.Dashboard)
		e.s.Dashboard = slices.DeleteFunc(e.s.Dashboard, func(w spec.Widget) bool { return w.Kind == spec.Chart })
		if len(e.s.Dashboard) < n {
			e.did("The charts are gone from the dashboard.")
		}
		return true
	}
	ent, f := e.field(what, x)
	if f == nil {
		e.cannot = append(e.cannot, fmt.Sprintf("There is nothing called %q to remove.", text(what)))
		return true
	}
	if f.Name == ent.Title || len(ent.Fields) == 1 {
		e.cannot = append(e.cannot, fmt.Sprintf("%s names each %s, so it has to stay. It can be renamed.", f.Label, lowerFirst(ent.Label)))
		return true
	}
	label, name := f.Label, f.Name
	ent.Fields = slices.DeleteFunc(ent.Fields, func(g spec.Field) bool { return g.Name == name })
	e.did("%s no longer have %s; what was stored in it is deleted.", ent.LabelPlural, lowerFirst(label))
	e.version = fmt.Sprintf("Remove %s from %s", lowerFirst(label), lowerFirst(ent.LabelPlural))
	return true
}

// removeAction removes votes, streaks and stock warnings.
func (e *editor) removeAction(what []token) bool {
	kinds := map[string]spec.ActionKind{"streak": spec.CheckIn, "check in": spec.CheckIn, "vote": spec.Vote, "voting": spec.Vote, "upvote": spec.Vote, "low stock": spec.LowStock, "warning": spec.LowStock}
	kind, ok := kinds[lemma(what)]
	if !ok {
		return false
	}
	for i := range e.s.Entities {
		x := &e.s.Entities[i]
		n := len(x.Actions)
		x.Actions = slices.DeleteFunc(x.Actions, func(a spec.Action) bool { return a.Kind == kind })
		if len(x.Actions) < n {
			e.did("%s no longer have %s.", x.LabelPlural, strings.ToLower(text(what)))
			e.version = "Remove " + strings.ToLower(text(what))
		}
	}
	return len(e.understood) > 0
}

func (e *editor) removeEntity(ent *spec.Entity) {
	if len(e.s.Entities) == 1 {
		e.cannot = append(e.cannot, "The app keeps nothing but "+lowerFirst(ent.LabelPlural)+", so they have to stay.")
		return
	}
	name, label := ent.Name, ent.LabelPlural
	for i := range e.s.Entities {
		x := &e.s.Entities[i]
		if x.Name == name {
			continue
		}
		if f, ok := x.Field(x.Title); ok && f.Ref == name || len(x.Fields) == 1 && x.Fields[0].Ref == name {
			e.cannot = append(e.cannot, fmt.Sprintf("%s belong to %s. Remove %s first.", x.LabelPlural, lowerFirst(label), lowerFirst(x.LabelPlural)))
			return
		}
	}
	for i := range e.s.Entities {
		x := &e.s.Entities[i]
		x.Fields = slices.DeleteFunc(x.Fields, func(f spec.Field) bool { return f.Ref == name })
	}
	e.s.Entities = slices.DeleteFunc(e.s.Entities, func(x spec.Entity) bool { return x.Name == name })
	e.last = nil
	e.did("%s are gone, with everything that was stored in them.", label)
	e.version = "Remove " + lowerFirst(label)
}

// tidy removes what points at things that are gone.
func (e *editor) tidy() {
	s := e.s
	for i := range s.Entities {
		x := &s.Entities[i]
		if _, ok := x.Field(x.Sort.Field); !ok && x.Sort.Field != "created_at" {
			x.Sort = spec.Sort{Field: "created_at", Desc: true}
		}
		if f, ok := x.Field(x.Board); x.Board != "" && (!ok || f.Type != spec.Select) {
			x.Board = ""
		}
		x.Actions = slices.DeleteFunc(x.Actions, func(a spec.Action) bool {
			if a.Kind == spec.Movement {
				_, there := s.Entity(a.Entity)
				_, has := x.Field(a.Field)
				return !there || !has
			}
			if a.Kind == spec.LowStock || a.Kind == spec.Toggle {
				f, ok := x.Field(a.Field)
				_, level := x.Field(a.Entity)
				return !ok || a.Kind == spec.LowStock && !level || a.Kind == spec.Toggle && f.Type != spec.Boolean
			}
			return false
		})
	}
	s.Dashboard = slices.DeleteFunc(s.Dashboard, func(w spec.Widget) bool {
		x, ok := s.Entity(w.Entity)
		if !ok {
			return true
		}
		for _, n := range []string{w.Field, w.By} {
			if _, ok := x.Field(n); n != "" && n != "created_at" && !ok {
				return true
			}
		}
		if n, _, isCondition := strings.Cut(w.Where, "="); isCondition {
			if _, ok := x.Field(n); !ok {
				return true
			}
		}
		if w.Where == "low_stock" && !slices.ContainsFunc(x.Actions, func(a spec.Action) bool { return a.Kind == spec.LowStock }) {
			return true
		}
		return (w.Where == "open" || w.Where == "overdue") && doneField(&entity{Entity: *x}) == nil
	})
}
