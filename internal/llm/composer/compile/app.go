package compile

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// app is a spec with every name, column and relation decided. All files are written from it, so that SQL,
// types and pages cannot disagree.
type app struct {
	spec.Spec
	Entities []*entity // shadows the spec's
	Stats    []*stat
	Charts   []*chart
	Lists    []*listWidget
	ids      taken // identifiers in the code
}

// entity is a spec.Entity with its names and relations.
type entity struct {
	spec.Entity
	app *app

	Table, View string // short names in the database
	Type        string // "StockMovement": begins the names of types and components
	Many        string // "StockMovements": begins the names of list functions
	Dir         string // "@/features/" + Dir
	Fields      []*field
	TitleField  *field
	Children    []*field // the refs of other entities, or of this one, that name this entity
	VoteTable   string   // "" without votes
	CheckTable  string   // "" without check-ins
	MovedName   string   // the trigger function of its movements
	PublicView  string   // "" unless everybody may read

	cols taken // columns of the view
}

// field is a spec.Field with its column.
type field struct {
	spec.Field
	Entity   *entity
	Target   *entity // of a ref
	Col      string  // its column
	TitleCol string  // of a ref: the view's column with the title of what it names
	TypeName string  // of a select: the TypeScript type
	Choices  string  // of a select: the TypeScript constant

	Key        string // in forms
	Param      string // in the address of a list
	Setter     string // under which the actions hook changes it
	OptionsVar string // of a ref: what a list offers to filter by
}

//go:embed icons.txt
var iconNames string

// icons are the names that the pinned version of the icon package knows; importing another one would not compile.
var icons = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(iconNames) {
		m[name] = true
	}
	return m
}()

// icon returns the component's name for an icon of a spec: "Wrench" is imported as WrenchIcon, which cannot
// collide with a component of the app. An unknown icon becomes the fallback.
func icon(name, fallback string) string {
	if icons[name] {
		return name + "Icon"
	}
	return fallback + "Icon"
}

// reservedTables are tables and views that the foundation of a tenancy makes.
var reservedTables = []string{
	"workspaces", "workspace_members", "workspace_invites", "site", "dashboard", "dashboard_stats",
}

// resolve decides all names of a spec. It reports what cannot be compiled.
func resolve(s spec.Spec) (*app, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s = cleaned(s)
	a := &app{Spec: s, ids: newIdentifiers().reserve(foundationPlaces...)}
	relations := taken{}.reserve(reservedTables...)
	dirs := taken{}.reserve(foundationDirs...)
	functions := taken{}
	byName := map[string]*entity{}
	for i := range s.Entities {
		e := &entity{Entity: s.Entities[i], app: a}
		e.Table = relations.pick(clip(e.Plural), clip(e.Plural)+"_items")
		e.Type = pascal(a.ids.claim(e.Name, "record", singularIdentifiers))
		e.Many = pascal(a.ids.claim(e.Plural, "items", pluralIdentifiers))
		e.Dir = dirs.pick(kebab(e.Plural), kebab(e.Plural)+"-list")
		e.MovedName = functions.pick(clip(e.Name) + "_moved")
		a.Entities = append(a.Entities, e)
		byName[e.Name] = e
	}
	for _, e := range a.Entities {
		e.View = relations.pick(clip(e.Name)+"_list", clip(e.Name)+"_lines")
		if e.action(spec.Vote) != nil {
			e.VoteTable = relations.pick(clip(e.Name)+"_votes", clip(e.Name)+"_cast")
		}
		if e.action(spec.CheckIn) != nil {
			e.CheckTable = relations.pick(clip(e.Name)+"_check_ins", clip(e.Name)+"_days")
		}
		if e.Public == spec.PublicRead {
			e.PublicView = relations.pick("public_" + clip(e.Plural))
		}
		e.resolveFields(byName)
		if e.Public == spec.PublicSubmit && len(e.publicFields()) == 0 {
			e.Public = spec.PublicNone // a form without fields
		}
	}
	for _, e := range a.Entities {
		if err := e.checkActions(byName); err != nil {
			return nil, fmt.Errorf("entity %q: %w", e.Name, err)
		}
	}
	return a, a.resolveWidgets(byName, relations)
}

// resolveFields decides the columns of an entity's table and view.
func (e *entity) resolveFields(byName map[string]*entity) {
	e.cols = taken{}.reserve("id", "user_id", "workspace_id", "created_at", "updated_at", "author", "mine",
		"row_title", "search_text", "is_open", "vote_count", "voted", "check_in_days", "below_minimum").reserve(systemColumns...)
	locals, params := newIdentifiers(), taken{}.reserve(listParams...)
	for _, sf := range e.Entity.Fields {
		f := &field{Field: sf, Entity: e, Col: sf.Name}
		switch sf.Type {
		case spec.Money:
			f.Col += "_cents"
		case spec.Ref:
			if !strings.HasSuffix(f.Col, "_id") {
				f.Col += "_id"
			}
			f.Target = byName[sf.Ref]
			f.Target.Children = append(f.Target.Children, f)
		case spec.Select:
			stem := e.app.ids.claim(sf.Name, "choice", func(s string) []string {
				return []string{e.Type + pascal(s), camel(e.Type+"_"+s) + "Choices"}
			})
			f.TypeName = e.Type + pascal(stem)
			f.Choices = camel(e.Type+"_"+stem) + "Choices"
		}
		if e.cols[f.Col] || f.asked() && queryWords[f.Col] {
			f.Col = e.cols.pick(f.Col+"_value", f.Col+"_field")
		}
		e.cols[f.Col] = true
		e.nameInCode(f, locals, params)
		e.Fields = append(e.Fields, f)
		if sf.Name == e.Title {
			e.TitleField = f
		}
	}
	for _, f := range e.Fields {
		if f.Type == spec.Ref {
			base := strings.TrimSuffix(f.Col, "_id")
			f.TitleCol = e.cols.pick(base+"_title", base+"_row_title")
		}
	}
}

// nameInCode decides what the code of the entity's pages calls a field.
func (e *entity) nameInCode(f *field, locals, params taken) {
	f.Key = f.Name
	if slices.Contains(systemColumns, f.Name) {
		f.Key = f.Col
	}
	f.Param = params.pick(f.Col, f.Col+"_is")
	stem := locals.claim(f.Name, "value", func(s string) []string { return []string{"set" + pascal(s), camel(s) + "Options"} })
	f.Setter, f.OptionsVar = "set"+pascal(stem), camel(stem)+"Options"
}

// asked reports whether lists compare the column with a value.
func (f *field) asked() bool {
	return f.Type == spec.Select || f.Type == spec.Boolean || f.isDate()
}

// checkActions reports an action whose field or entity does not fit its kind.
func (e *entity) checkActions(byName map[string]*entity) error {
	for _, act := range e.Actions {
		f := e.field(act.Field)
		switch act.Kind {
		case spec.Toggle:
			if f == nil || f.Type != spec.Boolean {
				return fmt.Errorf("toggle needs a boolean field, not %q", act.Field)
			}
		case spec.Movement:
			child := byName[act.Entity]
			if f == nil || !f.isNumber() || child == nil || child.refTo(e) == nil ||
				child.field("direction") == nil || child.field("quantity") == nil {
				return fmt.Errorf("movement needs a number field and a child with direction and quantity, not %q and %q", act.Field, act.Entity)
			}
			if d, q := child.field("direction"), child.field("quantity"); d.Type != spec.Select || !q.isNumber() {
				return fmt.Errorf("the movement %q needs a select for its direction and a number for its quantity", act.Entity)
			}
		case spec.LowStock:
			if low := e.field(act.Entity); f == nil || low == nil || !f.isNumber() || !low.isNumber() {
				return fmt.Errorf("low_stock needs two number fields, not %q and %q", act.Field, act.Entity)
			}
		case spec.Vote, spec.CheckIn:
		default:
			return fmt.Errorf("unknown action %q", act.Kind)
		}
	}
	if f := e.field(e.Board); e.Board != "" && f.Type != spec.Select {
		return fmt.Errorf("the board's field %q is not a select", e.Board)
	}
	return nil
}

func (e *entity) field(name string) *field {
	for _, f := range e.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// refTo returns the first ref of e that names the other entity.
func (e *entity) refTo(other *entity) *field {
	for _, f := range e.Fields {
		if f.Target == other {
			return f
		}
	}
	return nil
}

func (e *entity) action(kind spec.ActionKind) *spec.Action {
	for i := range e.Actions {
		if e.Actions[i].Kind == kind {
			return &e.Actions[i]
		}
	}
	return nil
}

// toggleOf returns the toggle of a boolean field, or nil.
func (f *field) toggleOf() *spec.Action {
	for i, act := range f.Entity.Actions {
		if act.Kind == spec.Toggle && act.Field == f.Name {
			return &f.Entity.Actions[i]
		}
	}
	return nil
}

func (f *field) isNumber() bool {
	return slices.Contains([]spec.FieldType{spec.Integer, spec.Decimal, spec.Money, spec.Percent, spec.Rating}, f.Type)
}

func (f *field) isDate() bool { return f.Type == spec.Date || f.Type == spec.DateTime }

func (f *field) isLong() bool { return f.Type == spec.LongText || f.Type == spec.Lines }

// isText reports whether a value is words that people search for.
func (f *field) isText() bool {
	switch f.Type {
	case spec.Text, spec.LongText, spec.Lines, spec.Email, spec.Phone, spec.URL:
		return true
	}
	return false
}

// notNull reports whether the column always has a value.
func (f *field) notNull() bool {
	switch {
	case f.Type == spec.Boolean, f.Type == spec.Select, f.moved():
		return true
	case f.Type == spec.Ref && f.Entity.Public == spec.PublicSubmit:
		return false // the public form cannot offer rows that its visitors may not see
	}
	return f.Required
}

// moved reports whether the field is a stock that movements change.
func (f *field) moved() bool {
	act := f.Entity.action(spec.Movement)
	return act != nil && act.Field == f.Name
}

// stays are the booleans that say nothing about being finished.
var stays = regexp.MustCompile(`favou?rite|pin|star|public|publish|active|available|featur|enabled|recurring|vegan|vegetarian|billable|call|notif|contacted|inform|remind|confirm|invited|insured|vip`)

// doneFields are the fields that say when a row is finished: its states, and only without them what is ticked off.
func (e *entity) doneFields() (out []*field) {
	for _, f := range e.Fields {
		if f.Type == spec.Select && slices.ContainsFunc(f.Options, func(o spec.Option) bool { return o.Done }) {
			out = append(out, f)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, f := range e.Fields {
		if f.Type == spec.Boolean && f.toggleOf() != nil && !stays.MatchString(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// HasOpen reports whether rows can be finished; the view then has the column is_open.
func (e *entity) HasOpen() bool { return len(e.doneFields()) > 0 }

// DoneField is the boolean that crosses a row out, or nil.
func (e *entity) DoneField() *field {
	for _, f := range e.doneFields() {
		if f.Type == spec.Boolean {
			return f
		}
	}
	return nil
}

var dueName = regexp.MustCompile(`due|deadline|return_by|remind|next_|promised|expires`)

// DueField is the date by which a row should be finished: what a widget says, else what it is called.
func (e *entity) DueField() *field {
	for _, w := range e.app.Dashboard {
		if f := e.field(w.Field); w.Entity == e.Name && (w.Kind == spec.Due || w.Where == "overdue") && f != nil && f.isDate() {
			return f
		}
	}
	for _, f := range e.Fields {
		if f.isDate() && dueName.MatchString(f.Name) {
			return f
		}
	}
	return nil
}

// Overdue reports whether rows can be late.
func (e *entity) Overdue() bool { return e.HasOpen() && e.DueField() != nil }

// Low reports whether rows can be below their minimum.
func (e *entity) Low() bool { return e.action(spec.LowStock) != nil }

func (a *app) team() bool      { return a.Tenancy == spec.Team }
func (a *app) community() bool { return a.Tenancy == spec.Community }

// tenant is the column by which rows are kept apart, or "" where everybody sees everything.
func (a *app) tenant() string {
	switch a.Tenancy {
	case spec.Personal:
		return "user_id"
	case spec.Team:
		return "workspace_id"
	}
	return ""
}

// public reports whether anything can be done without an account.
func (a *app) public() bool {
	return slices.ContainsFunc(a.Entities, func(e *entity) bool { return e.Public != spec.PublicNone })
}

// site reports whether the public pages belong to one tenant among several.
func (a *app) site() bool { return a.public() && !a.community() }

// Topics are the queries that a write to this entity makes stale: its own, those that show its title or its
// numbers, and the dashboard.
func (e *entity) Topics() []string {
	seen := taken{}
	var out []string
	var add func(x *entity)
	add = func(x *entity) {
		if seen[x.Table] {
			return
		}
		seen[x.Table] = true
		out = append(out, x.Table)
		for _, c := range x.Children {
			add(c.Entity)
		}
	}
	add(e)
	for _, parent := range e.app.Entities {
		if act := parent.action(spec.Movement); act != nil && act.Entity == e.Name {
			add(parent)
		}
	}
	return append(out, "dashboard")
}
