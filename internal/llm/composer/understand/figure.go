package understand

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// figure handles what people ask of the dashboard: "show the total price on the dashboard", "add a chart of expenses
// by category", "show the number of members".
func (e *editor) figure(ts []token) bool {
	has := func(words ...string) bool {
		return slices.ContainsFunc(ts, func(t token) bool { return t.is(words...) })
	}
	chart := has("chart", "graph", "diagram", "plot")
	if !chart && !has("dashboard", "overview", "homepage") || has("field", "column") || !ts[0].is("show", "add", "display", "put", "include", "give", "see", "have", "chart") {
		return false
	}
	x, _, _ := e.entityAt(ts)
	if chart {
		return e.plot(ts, x)
	}
	kind, word := spec.Count, "number of "
	switch {
	case has("total", "sum"):
		kind, word = spec.Sum, "total "
	case has("average", "mean"):
		kind, word = spec.Average, "average "
	}
	if kind != spec.Count {
		y, f := e.amountIn(ts, x)
		if f == nil {
			e.cannot = append(e.cannot, "A total or an average needs a field that holds a number, and none was named. For example: \"Show the total price on the dashboard\".")
			return true
		}
		label := sentenceCase(word + lowerFirst(f.Label))
		e.widget(spec.Widget{Kind: kind, Label: label, Entity: y.Name, Field: f.Name})
		e.did("The dashboard shows the %s of %s.", word+lowerFirst(f.Label), lowerFirst(y.LabelPlural))
		e.version = label + " on the dashboard"
		return true
	}
	if x == nil {
		return false
	}
	if has("latest", "newest", "recent", "last") {
		e.widget(spec.Widget{Kind: spec.Recent, Label: "Latest " + lowerFirst(x.LabelPlural), Entity: x.Name})
		e.did("The dashboard shows the latest %s.", lowerFirst(x.LabelPlural))
	} else {
		e.widget(spec.Widget{Kind: spec.Count, Label: x.LabelPlural, Entity: x.Name})
		e.did("The dashboard shows how many %s there are.", lowerFirst(x.LabelPlural))
	}
	e.version = x.LabelPlural + " on the dashboard"
	return true
}

// plot adds a chart of an entity by a choice, a reference or a date.
func (e *editor) plot(ts []token, x *spec.Entity) bool {
	by := slices.IndexFunc(ts, func(t token) bool { return t.is("by", "per", "over") })
	var group *spec.Field
	if by > 0 {
		y, f := e.fieldIn(ts[by+1:], x)
		if f != nil && (f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Date || f.Type == spec.DateTime) {
			x, group = y, f
		} else if slices.ContainsFunc(ts[by:], func(t token) bool { return t.is("month", "time") }) {
			if x == nil {
				x = e.main()
			}
			group = dateField(&entity{Entity: *x})
		}
	}
	if x == nil {
		x = e.main()
	}
	if by < 0 {
		group = groupField(&entity{Entity: *x})
	}
	if group == nil {
		e.cannot = append(e.cannot, fmt.Sprintf("A chart counts by a choice, a date or another list; %s have none by that name.", lowerFirst(x.LabelPlural)))
		return true
	}
	w := spec.Widget{Kind: spec.Chart, Label: x.LabelPlural + " by " + lowerFirst(group.Label), Entity: x.Name, By: group.Name}
	if y, f := e.amountIn(ts[:max(by, 1)], x); f != nil && y == x {
		w.Field, w.Label = f.Name, f.Label+" by "+lowerFirst(group.Label)
	}
	if group.Type == spec.Date || group.Type == spec.DateTime {
		w.Label = strings.TrimSuffix(w.Label, lowerFirst(group.Label)) + "month"
	}
	e.widget(w)
	e.did("The dashboard has a chart: %s.", lowerFirst(w.Label))
	e.version = "Chart: " + lowerFirst(w.Label)
	return true
}

// amountIn finds the field with a number that the words name; of a lone candidate the name may be left out.
func (e *editor) amountIn(ts []token, x *spec.Entity) (*spec.Entity, *spec.Field) {
	number := func(f *spec.Field) bool {
		return f.Type == spec.Integer || f.Type == spec.Decimal || f.Type == spec.Money
	}
	if y, f := e.fieldIn(ts, x); f != nil && number(f) {
		return y, f
	}
	if x == nil || !slices.ContainsFunc(ts, func(t token) bool { return t.is("total", "sum", "average") }) {
		return nil, nil
	}
	var only *spec.Field
	for i := range x.Fields {
		if f := &x.Fields[i]; number(f) {
			if only != nil {
				return nil, nil
			}
			only = f
		}
	}
	return x, only
}
