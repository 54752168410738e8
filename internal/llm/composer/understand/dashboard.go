package understand

import (
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// maxWidgets is how much fits on a dashboard before it stops being read.
const maxWidgets = 8

// widgets derives the dashboard from the data: figures first, then what is due, then a chart.
func (b *builder) widgets() []spec.Widget {
	var figures, lists, charts []spec.Widget
	for _, c := range b.charts {
		if w, ok := b.chartFor(c); ok && !slices.Contains(charts, w) {
			charts = append(charts, w)
		}
	}
	ranked := b.ranked()
	for i, e := range ranked {
		f, l, c := b.describe(e, i == 0)
		if i > 0 && len(f) > 2 {
			f = f[:2]
		}
		figures = append(figures, f...)
		lists = append(lists, l...)
		if len(charts) < 2 && i < 2 {
			for _, w := range c {
				if len(charts) < 2 && !slices.ContainsFunc(charts, func(x spec.Widget) bool { return x.Entity == w.Entity && x.By == w.By }) {
					charts = append(charts, w)
				}
			}
		}
	}
	if len(lists) == 0 {
		lists = append(lists, spec.Widget{Kind: spec.Recent, Label: "Latest " + lowerFirst(ranked[0].LabelPlural), Entity: ranked[0].Name})
	}
	out := append(figures[:min(len(figures), 4)], lists[:min(len(lists), 2)]...)
	out = append(out, charts[:min(len(charts), 2)]...)
	return out[:min(len(out), maxWidgets)]
}

// ranked puts the main entity first, then those with a menu entry.
func (b *builder) ranked() []*entity {
	out := []*entity{b.main}
	for _, e := range b.entities {
		if e != b.main && e.Menu {
			out = append(out, e)
		}
	}
	return out[:min(len(out), 4)]
}

// describe returns the figures, lists and charts that one entity is good for.
func (b *builder) describe(e *entity, main bool) (figures, lists, charts []spec.Widget) {
	things := lowerFirst(e.LabelPlural)
	status, due, when := doneField(e), dueField(e), dateField(e)
	add := func(kind spec.WidgetKind, label, field, by, where string) spec.Widget {
		return spec.Widget{Kind: kind, Label: sentenceCase(label), Entity: e.Name, Field: field, By: by, Where: where}
	}
	for _, a := range e.Actions {
		if a.Kind == spec.LowStock {
			figures = append(figures, add(spec.Count, "low on stock", a.Field, "", "low_stock"))
		}
	}
	switch {
	case status != nil && status.Type == spec.Select:
		figures = append(figures, add(spec.Count, "open "+things, "", "", "open"))
	case status != nil:
		figures = append(figures, add(spec.Count, things+" not "+lowerFirst(status.Label), "", "", status.Name+"=false"))
	case main || len(figures) == 0:
		figures = append(figures, add(spec.Count, things, "", "", ""))
	}
	if due != nil && status != nil && deadline(due) {
		figures = append(figures, add(spec.Count, "overdue "+things, due.Name, "", "overdue"))
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case f.Type == spec.Money && summable(f, b.lex.classOf(e.noun)):
			label, where := "total "+lowerFirst(f.Label), ""
			if status != nil && status.Type == spec.Select {
				label, where = "open "+lowerFirst(f.Label), "open"
				if status.Name == "stage" {
					label = "pipeline " + lowerFirst(f.Label)
				}
			} else if when != nil {
				label, where = lowerFirst(f.Label)+" this month", "this_month"
				if b.lex.classOf(e.noun) == "money" {
					label = things + " this month"
				}
			}
			figures = append(figures, add(spec.Sum, label, f.Name, "", where))
			charts = append(charts, b.moneyCharts(e, f, when)...)
		case f.Name == "hours":
			figures = append(figures, add(spec.Sum, "hours this month", f.Name, "", "this_month"))
		case f.Type == spec.Rating && (main || e.noun == "review"):
			figures = append(figures, add(spec.Average, "average "+lowerFirst(f.Label), f.Name, "", ""))
		}
	}
	if due != nil {
		lists = append(lists, add(spec.Due, "coming up: "+things, due.Name, "", ""))
	} else if main {
		lists = append(lists, add(spec.Recent, "latest "+things, "", "", ""))
	}
	if main {
		if by := groupField(e); by != nil && len(charts) == 0 {
			where := ""
			if status != nil && status.Type == spec.Select && by != status {
				where = "open"
			}
			charts = append(charts, add(spec.Chart, e.LabelPlural+" by "+lowerFirst(by.Label), "", by.Name, where))
		}
	}
	return figures, lists, charts
}

// summable reports whether the total of a money field means something: that of prices and salaries does not.
func summable(f *spec.Field, class string) bool {
	for _, w := range []string{"unit", "rate", "salary", "wage", "target", "limit", "hourly", "per_"} {
		if strings.Contains(f.Name, w) {
			return false
		}
	}
	return f.Name != "price" || class == "event" || class == "money"
}

// deadline reports whether a date that passed means that something is late.
func deadline(f *spec.Field) bool {
	for _, w := range []string{"due", "deadline", "next", "expir", "renew", "until", "return", "venc", "frist", "echeance", "fallig"} {
		if strings.Contains(f.Name, w) {
			return true
		}
	}
	return false
}

func (b *builder) moneyCharts(e *entity, f, when *spec.Field) []spec.Widget {
	var out []spec.Widget
	if when != nil {
		out = append(out, spec.Widget{Kind: spec.Chart, Label: sentenceCase(lowerFirst(f.Label) + " by month"), Entity: e.Name, Field: f.Name, By: when.Name})
	}
	if g := groupField(e); g != nil {
		out = append(out, spec.Widget{Kind: spec.Chart, Label: sentenceCase(lowerFirst(f.Label) + " by " + lowerFirst(g.Label)), Entity: e.Name, Field: f.Name, By: g.Name})
	}
	return out
}

// chartFor answers a chart that the prompt asks for: "open tickets by priority", "hours by project this month".
func (b *builder) chartFor(c chart) (spec.Widget, bool) {
	e := b.main
	for _, o := range b.entities {
		if o.noun != "" && o != b.main && containsWord(c.what, lastWord(o.noun)) && !strings.HasSuffix(c.what, "by "+o.noun) && !strings.HasSuffix(c.what, "per "+o.noun) {
			e = o
		}
	}
	w := spec.Widget{Kind: spec.Chart, Label: sentenceCase(strings.TrimSpace(c.what)), Entity: e.Name}
	for _, f := range e.Fields {
		if (f.Type == spec.Money || f.Type == spec.Decimal || f.Type == spec.Integer) && (containsWord(c.what, lastWord(lemmaOf(f.Label))) || strings.Contains(c.what, "progress") || f.Type == spec.Money && strings.Contains(c.what, "total")) {
			w.Field = f.Name
			if f.Name == "weight" || f.Type == spec.Money {
				break
			}
		}
	}
	if c.by != "" && c.by != "month" && c.by != "time" && c.by != "day" {
		for _, f := range e.Fields {
			if (f.Type == spec.Select || f.Type == spec.Ref) && (containsWord(c.by, lastWord(lemmaOf(f.Label))) || f.Ref != "" && containsWord(c.by, lemmaOf(f.Ref))) {
				w.By = f.Name
			}
		}
	}
	if when := dateField(e); w.By == "" && when != nil && (c.by == "month" || c.by == "time" || strings.Contains(c.what, "month") || strings.Contains(c.what, "over") || strings.Contains(c.what, "progress")) {
		w.By = when.Name
	}
	if g := groupField(e); w.By == "" && g != nil {
		w.By = g.Name
	}
	if when := dateField(e); w.By == "" && when != nil {
		w.By = when.Name
	}
	switch {
	case strings.Contains(c.what, "open") && doneField(e) != nil && doneField(e).Type == spec.Select:
		w.Where = "open"
	case strings.Contains(c.what, "this month"):
		w.Where = "this_month"
	}
	if w.By == "" {
		for _, o := range b.entities {
			if g := groupField(o); g != nil && o != b.main && o != e {
				return spec.Widget{Kind: spec.Chart, Label: o.LabelPlural + " by " + lowerFirst(g.Label), Entity: o.Name, By: g.Name}, true
			}
		}
		return w, false
	}
	f, _ := e.Entity.Field(w.By)
	switch {
	case w.Field == "" && w.By == "created_at":
		w.Label = e.LabelPlural
	case f != nil && (f.Type == spec.Date || f.Type == spec.DateTime):
		w.Label = valueLabel(e, w.Field) + " by month"
	case f != nil:
		w.Label = valueLabel(e, w.Field) + " by " + lowerFirst(f.Label)
	}
	if w.Where == "open" {
		w.Label = "Open " + lowerFirst(w.Label)
	}
	if w.Where == "this_month" {
		w.Label += " this month"
	}
	return w, true
}

func valueLabel(e *entity, field string) string {
	if f, ok := e.Entity.Field(field); ok {
		return f.Label
	}
	return e.LabelPlural
}

func containsWord(phrase, w string) bool {
	return w != "" && slices.Contains(strings.Fields(phrase), w)
}

func lastWord(s string) string { return s[strings.LastIndex(s, " ")+1:] }

// doneField is the field that says that a row is finished: a select with finished options, or a toggle.
func doneField(e *entity) *spec.Field {
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type == spec.Select && slices.ContainsFunc(f.Options, func(o spec.Option) bool { return o.Done }) {
			return f
		}
	}
	for _, a := range e.Actions {
		if a.Kind == spec.Toggle {
			if f, ok := e.Entity.Field(a.Field); ok && f.Type == spec.Boolean {
				return f
			}
		}
	}
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Type == spec.Boolean && (f.Name == "done" || f.Name == "completed" || f.Name == "paid" || f.Name == "returned") {
			return f
		}
	}
	return nil
}

// dueField is the first date that lies ahead.
func dueField(e *entity) *spec.Field {
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Type == spec.Date || f.Type == spec.DateTime {
			if ahead(&field{Field: *f, key: vocabulary().key(f.Label)}) {
				return f
			}
		}
	}
	return nil
}

// dateField is the date by which rows are counted per month.
func dateField(e *entity) *spec.Field {
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Type == spec.Date || f.Type == spec.DateTime {
			return f
		}
	}
	return nil
}

// groupField is the select or ref that rows are best counted by.
func groupField(e *entity) *spec.Field {
	for _, t := range []spec.FieldType{spec.Select, spec.Ref} {
		for i := range e.Fields {
			if f := &e.Fields[i]; f.Type == t && f.Ref != e.Name {
				return f
			}
		}
	}
	return nil
}
