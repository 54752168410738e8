package compile

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// This file holds what templates ask an app and an entity beyond their fields.

// C begins the names of the entity's values: "stockMovement". CM is its plural.
func (e *entity) C() string  { return camel(e.Type) }
func (e *entity) CM() string { return camel(e.Many) }

// IDs names the ids of the sample rows.
func (e *entity) IDs() string { return e.CM() + "Ids" }

// Path, DetailPath and PublicPath are the names of the entity's addresses.
func (e *entity) Path() string       { return "paths." + e.CM() }
func (e *entity) DetailPath() string { return "paths." + e.C() + "Detail" }
func (e *entity) PublicPath() string { return "paths.public" + e.Many }

func (e *entity) File() string         { return kebab(e.Name) }
func (e *entity) Team() bool           { return e.app.team() }
func (e *entity) Community() bool      { return e.app.community() }
func (e *entity) Child() bool          { return e.isChild() }
func (e *entity) Submit() bool         { return e.Public == spec.PublicSubmit }
func (e *entity) Readable() bool       { return e.Public == spec.PublicRead }
func (e *entity) PublicForm() []*field { return e.publicFields() }
func (e *entity) IconName() string     { return icon(e.Icon, "Circle") }
func (e *entity) Singular() string     { return lowerFirst(e.Label) }
func (e *entity) Plurals() string      { return lowerFirst(e.LabelPlural) }
func (a *app) Team() bool              { return a.team() }
func (a *app) Community() bool         { return a.community() }
func (a *app) Site() bool              { return a.site() }
func (a *app) IconName() string        { return icon(a.Icon, "LayoutGrid") }

// AddLabel is what the button says that opens the form.
func (e *entity) AddLabel() string { return "Add " + e.Singular() }

// AddedText is what is said when the form has added a row elsewhere than in its list.
func (e *entity) AddedText() string { return upperFirst(e.Singular()) + " added." }

// SortableCols are the view's columns by which the list can be sorted.
func (e *entity) SortableCols() []string {
	cols := []string{"row_title", "created_at"}
	for _, f := range e.ListFields() {
		cols = append(cols, f.SortCol())
	}
	if e.VoteTable != "" {
		cols = append(cols, "vote_count")
	}
	if col, _ := e.DefaultSort(); !slices.Contains(cols, col) {
		cols = append(cols, col)
	}
	slices.Sort(cols[2:])
	return slices.Compact(cols)
}

func (e *entity) SortCol() string {
	col, _ := e.DefaultSort()
	return col
}

func (e *entity) SortAscending() bool {
	_, ascending := e.DefaultSort()
	return ascending
}

// HasOnly reports whether the list offers conditions beyond its filters.
func (e *entity) HasOnly() bool { return e.HasOpen() || e.Low() }

// TabField is the select whose options become tabs over the list, or nil.
func (e *entity) TabField() *field {
	for _, f := range e.Filters() {
		if f.Type == spec.Select && len(f.Options) <= 6 {
			return f
		}
	}
	return nil
}

// BarFilters are the filters beside the search.
func (e *entity) BarFilters() []*field {
	var out []*field
	for _, f := range e.Filters() {
		if f != e.TabField() {
			out = append(out, f)
		}
	}
	return out
}

// BoardField is the select that the board's columns are made of, or nil.
func (e *entity) BoardField() *field { return e.field(e.Board) }

// SearchHint says what the search looks at.
func (e *entity) SearchHint() string {
	labels := []string{}
	for _, f := range e.Fields {
		if (f.isText() && f.Type != spec.URL || f.Target != nil || f.Type == spec.Select) && len(labels) < 4 && f.Label != "" {
			labels = append(labels, lowerFirst(f.Label))
		}
	}
	if len(labels) == 0 {
		return "Search"
	}
	return upperFirst(strings.Join(labels, ", "))
}

// LongFields are shown as blocks of their own on the detail page, Facts as pairs beside them.
func (e *entity) LongFields() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.isLong() && f != e.TitleField {
			out = append(out, f)
		}
	}
	return out
}

func (e *entity) FactFields() []*field {
	var out []*field
	for _, f := range e.Fields {
		if !f.isLong() && f.Type != spec.Image && f != e.TitleField && f.toggleOf() == nil {
			out = append(out, f)
		}
	}
	return out
}

// HasBody reports whether the detail page has anything but facts.
func (e *entity) HasBody() bool {
	return len(e.LongFields()) > 0 || len(e.Children) > 0 || e.ImageField() != nil
}

// RefFields are the refs of the entity, RefTargets what they name, once each.
func (e *entity) RefFields() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.Target != nil {
			out = append(out, f)
		}
	}
	return out
}

// Suggested reports whether forms or filters look up rows of the entity.
func (e *entity) Suggested() bool { return len(e.Children) > 0 }

// ChildCols is the TypeScript type of the columns by which the entity is listed under others.
func (e *entity) ChildCols() string {
	var cols []string
	for _, f := range e.RefFields() {
		cols = append(cols, fmt.Sprintf("%q", f.Col))
	}
	return strings.Join(cols, " | ")
}

// Consequence says what else disappears with a row, or "".
func (e *entity) Consequence() string {
	var gone []string
	for _, c := range e.Children {
		if c.notNull() && c.Entity != e && !slices.Contains(gone, lowerFirst(c.Entity.LabelPlural)) {
			gone = append(gone, lowerFirst(c.Entity.LabelPlural))
		}
	}
	if len(gone) == 0 {
		return ""
	}
	return "Its " + strings.Join(gone, " and ") + " are deleted too."
}

// ChildFields are the columns of a list under a parent: at most three, without the parent itself.
func (e *entity) ChildFields() []*field {
	var out []*field
	for _, f := range e.ListFields() {
		if len(out) < 4 {
			out = append(out, f)
		}
	}
	return out
}

// InsertRequired are the columns without which a row cannot be added, as a TypeScript type.
func (e *entity) InsertRequired() string {
	var cols []string
	if e.app.team() && !e.Submit() {
		cols = append(cols, `"workspace_id"`)
	}
	for _, f := range e.Fields {
		if c := f.sqlColumn(); strings.Contains(c.Rest, "not null") && !strings.Contains(c.Rest, "default") {
			cols = append(cols, fmt.Sprintf("%q", f.Col))
		}
	}
	if len(cols) == 0 {
		return "never"
	}
	return strings.Join(cols, " | ")
}

// MenuEntities have a place in the navigation.
func (a *app) MenuEntities() []*entity {
	var out []*entity
	for _, e := range a.Entities {
		if e.Menu {
			out = append(out, e)
		}
	}
	return out
}

// PublicEntities have a page for people without an account.
func (a *app) PublicEntities() []*entity {
	var out []*entity
	for _, e := range a.Entities {
		if e.Public != spec.PublicNone {
			out = append(out, e)
		}
	}
	return out
}

// Landing is where people who are not signed in start.
func (a *app) Landing() string {
	public := a.PublicEntities()
	for _, e := range public {
		if e.Readable() {
			return e.PublicURL()
		}
	}
	if len(public) > 0 {
		return public[0].PublicURL()
	}
	return "/login"
}

// URL and PublicURL are the entity's addresses.
func (e *entity) URL() string       { return "/" + e.Dir }
func (e *entity) PublicURL() string { return "/p/" + e.Dir }

// GateName is what must be settled before the app proper.
func (a *app) GateName() string {
	switch {
	case a.team():
		return "WorkspaceGate"
	case a.site():
		return "SiteGate"
	}
	return "Fragment"
}

// First is the entity that an empty app starts with: the first in the menu.
func (a *app) First() *entity {
	if menu := a.MenuEntities(); len(menu) > 0 {
		return menu[0]
	}
	return a.Entities[0]
}

// To is the list behind a widget.
func (s *stat) To() string       { return link(s.Entity, s.Widget) }
func (l *listWidget) To() string { return link(l.Entity, l.Widget) }

func link(e *entity, w spec.Widget) string {
	if q := e.query(w); q != "" {
		return "`${" + e.Path() + "}" + inner(q) + "`"
	}
	return e.Path()
}

// Format writes the figure.
func (s *stat) Format() string {
	v := "stats.data." + s.Col
	if s.Kind == spec.Count {
		return "stats.data && formatNumber(" + v + ")"
	}
	return "stats.data && " + formatted(s.Field, v, s.Kind == spec.Average)
}

func formatted(f *field, v string, nullable bool) string {
	expr := ""
	switch {
	case f.Type == spec.Money:
		expr = "formatMoney(" + v + ")"
	case f.Type == spec.Rating:
		expr = "formatNumber(Math.round(" + v + " * 10) / 10)"
	default:
		unit := f.Unit
		if f.Type == spec.Percent {
			unit = "%"
		}
		round := v
		if nullable {
			round = "Math.round(" + v + " * 10) / 10"
		}
		expr = "formatNumber(" + round
		if unit != "" {
			expr += ", " + str(unit)
		}
		expr += ")"
	}
	if nullable {
		return "(" + v + ` === null ? "—" : ` + expr + ")"
	}
	return expr
}

// Alert reports whether the figure asks for something to be done.
func (s *stat) Alert() bool { return s.Where == "overdue" || s.Where == "low_stock" }

func (s *stat) TS() string {
	if s.Kind == spec.Average {
		return "number | null"
	}
	return "number"
}

// Label writes a bucket's name from the variable bucket.
func (c *chart) BucketLabel() string {
	switch {
	case c.By == nil || c.By.isDate():
		return "formatMonth(bucket)"
	case c.By.Type == spec.Select:
		return "choiceOf(" + c.By.Choices + ", bucket).label"
	}
	return "bucket"
}

func (c *chart) Dated() bool { return c.By == nil || c.By.isDate() }

func (c *chart) Format() string {
	if c.Field == nil {
		return "formatNumber"
	}
	if c.Field.Type == spec.Money {
		return "formatMoney"
	}
	return "(value) => " + formatted(c.Field, "value", false)
}

func (c *chart) Name() string { return camel(c.View) }

func (l *listWidget) Name() string { return camel(l.Stem) }

// Detail is what stands at the end of a line.
func (l *listWidget) Detail() string {
	if l.Due != nil {
		return l.Due.Cell(false)
	}
	for _, f := range l.Entity.ListFields() {
		if f.Type == spec.Select || f.Type == spec.Money || f.isDate() || f.isNumber() {
			return f.Cell(false)
		}
	}
	return "{formatRelative(row.created_at)}"
}

// Only is the condition of the list in the database's words.
func (l *listWidget) OpenOnly() bool {
	return l.Entity.HasOpen() && (l.Due != nil || l.Where == "open")
}
func (l *listWidget) LowOnly() bool { return l.Where == "low_stock" }

// Main is the entity that the dashboard is mostly about.
func (a *app) Main() *entity {
	best, most := a.First(), 0
	for _, e := range a.MenuEntities() {
		n := 0
		for _, w := range a.Dashboard {
			if w.Entity == e.Name {
				n++
			}
		}
		if n > most {
			best, most = e, n
		}
	}
	return best
}

// TabsOnBoard reports whether the tabs say what the board's columns say already.
func (e *entity) TabsOnBoard() bool { return e.TabField() != nil && e.TabField() == e.BoardField() }

// TabBar writes the tabs over the list.
func (e *entity) TabBar() string {
	f := e.TabField()
	return fmt.Sprintf(`<div className="border-b border-line">
  <Tabs
    label=%s
    panelId="%s"
    tabs={[{ value: "", label: "All" }, ...%s].map(({ value, label }) => ({ id: value, label }))}
    value={wanted.%s}
    onChange={(id) => list.update({ %[4]s: id })}
  />
</div>`, attr(f.Label), e.Dir, f.Choices, f.Param)
}
