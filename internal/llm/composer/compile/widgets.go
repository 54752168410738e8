package compile

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// stat is one figure of the dashboard: a column of the function dashboard_stats.
type stat struct {
	spec.Widget
	Entity *entity
	Field  *field // of a sum or an average
	Col    string
}

// chart is one chart of the dashboard: a view with a bucket and a value.
type chart struct {
	spec.Widget
	Entity *entity
	Field  *field // nil counts rows
	By     *field // nil is created_at
	View   string

	Component string // "ExpensesByCategoryChart"
	Fetch     string // "fetchExpensesByCategory"
}

// listWidget is one list of the dashboard.
type listWidget struct {
	spec.Widget
	Entity *entity
	Due    *field // nil shows the newest
	Stem   string // "recent_orders": begins the names of what shows it
	Fetch  string
}

// resolveWidgets decides the dashboard. An app without widgets gets a count of each list and what is new.
func (a *app) resolveWidgets(byName map[string]*entity, relations taken) error {
	widgets := a.Dashboard
	if len(widgets) == 0 {
		for _, e := range a.Entities {
			if e.Menu && len(widgets) < 4 {
				widgets = append(widgets, spec.Widget{Kind: spec.Count, Label: e.LabelPlural, Entity: e.Name})
			}
		}
		first := a.Entities[0]
		widgets = append(widgets, spec.Widget{Kind: spec.Recent, Label: "Recently added", Entity: first.Name})
	}
	cols := taken{}.reserve("total")
	fetching := func(kind, plural string) (stem, fetch string) {
		stem = a.ids.claim(kind+"_"+plural, "list", func(s string) []string {
			return []string{"fetch" + pascal(s), pascal(s) + "Card"}
		})
		return stem, "fetch" + pascal(stem)
	}
	for _, w := range widgets {
		e := byName[w.Entity]
		if _, err := e.where("t", w); err != nil {
			return fmt.Errorf("widget %q: %w", w.Label, err)
		}
		f := e.field(w.Field)
		switch w.Kind {
		case spec.Count, spec.Sum, spec.Average:
			if w.Kind != spec.Count && (f == nil || !f.isNumber()) {
				return fmt.Errorf("widget %q: %s needs a number field", w.Label, w.Kind)
			}
			a.Stats = append(a.Stats, &stat{w, e, f, cols.pick(clip(string(w.Kind) + "_" + e.Plural))})
		case spec.Recent:
			stem, fetch := fetching("recent", e.Plural)
			a.Lists = append(a.Lists, &listWidget{w, e, nil, stem, fetch})
		case spec.Due:
			if f == nil || !f.isDate() {
				f = e.DueField()
			}
			if f == nil {
				return fmt.Errorf("widget %q: due needs a date field", w.Label)
			}
			stem, fetch := fetching("due", e.Plural)
			a.Lists = append(a.Lists, &listWidget{w, e, f, stem, fetch})
		case spec.Chart:
			by, name := e.field(w.By), w.By
			if by == nil {
				name = "month"
			}
			if f != nil && !f.isNumber() {
				return fmt.Errorf("widget %q: a chart adds up numbers, not %q", w.Label, w.Field)
			}
			if by != nil && by.Type != spec.Select && by.Type != spec.Ref && by.Type != spec.Boolean && !by.isDate() {
				return fmt.Errorf("widget %q: a chart groups by a select, a ref or a date, not %q", w.Label, w.By)
			}
			name = clip(e.Plural) + "_by_" + name
			view := relations.pick(strings.TrimRight(name[:min(len(name), 44)], "_"))
			stem := a.ids.claim(view, "bars", func(s string) []string { return []string{"fetch" + pascal(s), pascal(s) + "Chart"} })
			a.Charts = append(a.Charts, &chart{w, e, f, by, view, pascal(stem) + "Chart", "fetch" + pascal(stem)})
		default:
			return fmt.Errorf("widget %q: unknown kind %q", w.Label, w.Kind)
		}
	}
	return nil
}

// where writes a widget's condition as SQL over a row of the entity's view; "" is every row.
// $1 is today in the person's time zone.
func (e *entity) where(alias string, w spec.Widget) (string, error) {
	date := func() string {
		f := e.field(w.Field)
		if f == nil || !f.isDate() {
			f = nil
			for _, other := range e.Fields {
				if other.isDate() {
					f = other
					break
				}
			}
		}
		if f == nil {
			return alias + ".created_at::date"
		}
		if f.Type == spec.DateTime {
			return alias + "." + column(f.Col) + "::date"
		}
		return alias + "." + column(f.Col)
	}
	switch w.Where {
	case "":
		return "", nil
	case "open":
		if !e.HasOpen() {
			return "", nil
		}
		return alias + ".is_open", nil
	case "low_stock":
		if !e.Low() {
			return "", fmt.Errorf("%s has no low_stock action", e.Name)
		}
		return alias + ".below_minimum", nil
	case "overdue":
		due := e.DueField()
		if due == nil {
			return "", fmt.Errorf("%s has no due date", e.Name)
		}
		cond := alias + "." + column(due.Col) + " < $1"
		if e.HasOpen() {
			cond += " and " + alias + ".is_open"
		}
		return cond, nil
	case "this_week":
		return fmt.Sprintf("%s >= date_trunc('week', $1)::date and %[1]s < date_trunc('week', $1)::date + 7", date()), nil
	case "this_month":
		return fmt.Sprintf("date_trunc('month', %s) = date_trunc('month', $1)", date()), nil
	}
	name, value, ok := strings.Cut(w.Where, "=")
	f := e.field(name)
	switch {
	case !ok || f == nil:
		return "", fmt.Errorf("unknown condition %q", w.Where)
	case f.Type == spec.Boolean:
		if value == "true" || value == "yes" {
			return alias + "." + column(f.Col), nil
		}
		return "not " + alias + "." + column(f.Col), nil
	case f.Type == spec.Select && !slices.ContainsFunc(f.Options, func(o spec.Option) bool { return o.Value == value }):
		return "", fmt.Errorf("%s has no option %q", name, value)
	case f.Type == spec.Select || f.isText():
		return alias + "." + column(f.Col) + " = " + quote(value), nil
	}
	return "", fmt.Errorf("a condition compares a select, a text or a boolean, not %q", name)
}

// query is the list behind a widget: the part of its address after "?", or "".
func (e *entity) query(w spec.Widget) string {
	switch w.Where {
	case "open":
		if e.HasOpen() {
			return "?only=open"
		}
	case "low_stock":
		return "?only=low"
	case "overdue":
		if e.Overdue() {
			return "?only=overdue"
		}
	default:
		name, value, ok := strings.Cut(w.Where, "=")
		if f := e.field(name); ok && f != nil && slices.Contains(e.Filters(), f) {
			if f.Type == spec.Boolean {
				value = map[bool]string{true: "yes", false: "no"}[value == "true" || value == "yes"]
			}
			return "?" + f.Param + "=" + url.QueryEscape(value)
		}
	}
	return ""
}
