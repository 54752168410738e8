// Package spec is the typed description of an app that the Composer understands: what package understand
// reads out of a prompt and what package compile turns into files. It is kept in the app itself, as
// .overskill/spec.json, so that a follow-up starts from what is there.
package spec

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// Path is where an app keeps its spec.
const Path = ".overskill/spec.json"

// Format is the version of this structure.
const Format = 1

// Spec describes one app.
type Spec struct {
	Format    int      `json:"format"`
	Name      string   `json:"name"`    // "Spoke & Wrench": shown everywhere, at most 60 characters
	Tagline   string   `json:"tagline"` // one line, ends in a full stop
	Locale    string   `json:"locale"`  // BCP 47, "en-US"
	Currency  string   `json:"currency"`
	Icon      string   `json:"icon"` // lucide icon name in PascalCase; drawn in the favicon's place
	Theme     Theme    `json:"theme"`
	Tenancy   Tenancy  `json:"tenancy"`
	Entities  []Entity `json:"entities"` // parents before children: a Ref names an earlier entity or itself
	Dashboard []Widget `json:"dashboard"`

	// What the person is told.
	Understood []string `json:"understood"`
	Assumed    []string `json:"assumed"`
	Cannot     []string `json:"cannot"`
}

// Theme holds the prompt's colours as #rrggbb; "" means the default. compile derives the other tokens
// (hover, soft, dark variants) and keeps every text at 4.5:1 or better.
type Theme struct {
	Primary    string `json:"primary"`    // buttons, links, selected things
	Background string `json:"background"` // the canvas
	Mode       string `json:"mode"`       // "", "light" or "dark": what the app starts in; "" follows the system
}

// Tenancy says whose rows a person sees.
type Tenancy string

const (
	Personal  Tenancy = "personal"  // everyone has their own rows
	Team      Tenancy = "team"      // people share a workspace: members and invite links
	Community Tenancy = "community" // everyone who signed up sees all rows and changes their own
)

// Entity is a kind of thing that the app keeps: one table, one list, one form, one detail page.
type Entity struct {
	Name        string   `json:"name"`   // singular snake_case: "stock_movement"; the table is its Plural
	Plural      string   `json:"plural"` // "stock_movements"
	Label       string   `json:"label"`  // "Stock movement"
	LabelPlural string   `json:"label_plural"`
	Icon        string   `json:"icon"`        // lucide icon name
	Description string   `json:"description"` // under the list's title
	Fields      []Field  `json:"fields"`
	Title       string   `json:"title"` // the field that names a row (text, or a ref whose title is shown)
	Sort        Sort     `json:"sort"`
	Menu        bool     `json:"menu"`             // has a place in the navigation; otherwise reached through its parent
	Board       string   `json:"board,omitempty"`  // a select field: the list is also a board grouped by it
	Public      Public   `json:"public,omitempty"` // what people who are not signed in may do
	Actions     []Action `json:"actions,omitempty"`
}

// Public says what people without an account may do with an entity.
type Public string

const (
	PublicNone   Public = ""
	PublicSubmit Public = "submit" // a public page with the form (RSVP, contact): insert only
	PublicRead   Public = "read"   // a public page with the list
)

// Sort is an order of rows.
type Sort struct {
	Field string `json:"field"` // a field's name, or created_at
	Desc  bool   `json:"desc"`
}

// Field is one typed property of an entity.
type Field struct {
	Name     string    `json:"name"`  // snake_case, not a reserved column (id, user_id, workspace_id, created_at, updated_at)
	Label    string    `json:"label"` // "Reorder level"
	Type     FieldType `json:"type"`
	Required bool      `json:"required,omitempty"`
	Unique   bool      `json:"unique,omitempty"`  // within the tenant
	Options  []Option  `json:"options,omitempty"` // of a select; the first is the default
	Ref      string    `json:"ref,omitempty"`     // the entity's Name; of a ref
	Min      *float64  `json:"min,omitempty"`
	Max      *float64  `json:"max,omitempty"`
	Unit     string    `json:"unit,omitempty"`    // "min", "kg": shown after the number
	Default  string    `json:"default,omitempty"` // as typed into the form; "today" for dates
	Hint     string    `json:"hint,omitempty"`    // under the input
	List     bool      `json:"list,omitempty"`    // has a column in the list
	Filter   bool      `json:"filter,omitempty"`  // select, ref, boolean: the list can be filtered by it
}

// FieldType decides the column, the input, the validation and how a value is shown.
type FieldType string

const (
	Text     FieldType = "text"     // one line, 200 characters
	LongText FieldType = "longtext" // 5,000 characters
	Lines    FieldType = "lines"    // a list, one per line (ingredients, steps); stored as text
	Email    FieldType = "email"
	Phone    FieldType = "phone"
	URL      FieldType = "url"
	Image    FieldType = "image" // the URL of a picture, shown as one
	Integer  FieldType = "integer"
	Decimal  FieldType = "decimal"
	Money    FieldType = "money" // whole cents in the column <name>_cents
	Percent  FieldType = "percent"
	Rating   FieldType = "rating" // 1 to 5 stars
	Date     FieldType = "date"
	DateTime FieldType = "datetime"
	Time     FieldType = "time"
	Boolean  FieldType = "boolean"
	Select   FieldType = "select"
	Color    FieldType = "color"
	Ref      FieldType = "ref"
)

// Option is a choice of a select.
type Option struct {
	Value string `json:"value"` // snake_case
	Label string `json:"label"`
	Tone  string `json:"tone"`           // neutral, primary, accent, info, success, warning, danger
	Done  bool   `json:"done,omitempty"` // rows in this state are finished: not open, not overdue
}

// Action is something people do with one press on a row.
type Action struct {
	Kind   ActionKind `json:"kind"`
	Label  string     `json:"label"`            // "Vote", "Done today"
	Field  string     `json:"field,omitempty"`  // see the kinds
	Entity string     `json:"entity,omitempty"` // see the kinds
}

// ActionKind is the kind of an Action.
type ActionKind string

const (
	Toggle   ActionKind = "toggle"    // flips the boolean Field in the row
	Vote     ActionKind = "vote"      // one per person, taken back by a second press; the list shows and sorts by vote_count
	CheckIn  ActionKind = "check_in"  // one per day; the list shows the streak of days and the last seven
	Movement ActionKind = "movement"  // Entity is a child with fields direction (in/out) and quantity; it adds to the number Field
	LowStock ActionKind = "low_stock" // rows whose number Field is below the number field Entity are marked and counted
)

// Widget is one figure, list or chart on the dashboard.
type Widget struct {
	Kind   WidgetKind `json:"kind"`
	Label  string     `json:"label"`
	Entity string     `json:"entity"`          // Name
	Field  string     `json:"field,omitempty"` // sum, average, chart: the number or money; due: the date; by: the group
	By     string     `json:"by,omitempty"`    // chart: a select, ref or date field (dates are grouped by month)
	Where  string     `json:"where,omitempty"` // "", "open" (not Done), "low_stock", "overdue", "this_week", "this_month", or "<field>=<value>"
}

// WidgetKind is the kind of a Widget.
type WidgetKind string

const (
	Count   WidgetKind = "count"   // how many rows
	Sum     WidgetKind = "sum"     // total of Field
	Average WidgetKind = "average" // mean of Field
	Recent  WidgetKind = "recent"  // the newest five rows
	Due     WidgetKind = "due"     // rows by the date Field, soonest first, not Done
	Chart   WidgetKind = "chart"   // bars of count, or of the sum of Field, per By
)

var (
	snake = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	hex   = regexp.MustCompile(`^#[0-9a-f]{6}$`)
)

// reserved are columns that every table has.
var reserved = map[string]bool{
	"id": true, "user_id": true, "workspace_id": true, "created_at": true, "updated_at": true, "search_text": true,
	"vote_count": true, "voted": true, "streak": true, "checked_today": true,
}

// Entity returns the entity of that Name.
func (s *Spec) Entity(name string) (*Entity, bool) {
	for i := range s.Entities {
		if s.Entities[i].Name == name {
			return &s.Entities[i], true
		}
	}
	return nil, false
}

// Field returns the field of that name.
func (e *Entity) Field(name string) (*Field, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return &e.Fields[i], true
		}
	}
	return nil, false
}

// Encode returns the bytes that an app keeps.
func (s *Spec) Encode() []byte {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil { // no field of a Spec can fail to encode
		panic(err)
	}
	return append(b, '\n')
}

// Decode reads what Encode wrote and validates it.
func Decode(b []byte) (Spec, error) {
	var s Spec
	if err := json.Unmarshal(b, &s); err != nil {
		return Spec{}, fmt.Errorf("read %s: %w", Path, err)
	}
	return s, s.Validate()
}

// Validate reports the first thing that would keep a spec from compiling.
func (s *Spec) Validate() error {
	if s.Format != Format {
		return fmt.Errorf("spec format %d is not %d", s.Format, Format)
	}
	if s.Name == "" || len([]rune(s.Name)) > 60 {
		return fmt.Errorf("the app's name must have 1 to 60 characters, not %q", s.Name)
	}
	for _, c := range []string{s.Theme.Primary, s.Theme.Background} {
		if c != "" && !hex.MatchString(c) {
			return fmt.Errorf("colour %q is not #rrggbb", c)
		}
	}
	switch s.Tenancy {
	case Personal, Team, Community:
	default:
		return fmt.Errorf("unknown tenancy %q", s.Tenancy)
	}
	if len(s.Entities) == 0 || len(s.Entities) > 12 {
		return fmt.Errorf("an app has 1 to 12 entities, not %d", len(s.Entities))
	}
	seen := map[string]bool{}
	for i := range s.Entities {
		e := &s.Entities[i]
		if err := e.validate(seen); err != nil {
			return fmt.Errorf("entity %q: %w", e.Name, err)
		}
		seen[e.Name] = true
	}
	for i, w := range s.Dashboard {
		e, ok := s.Entity(w.Entity)
		if !ok {
			return fmt.Errorf("dashboard widget %d: no entity %q", i, w.Entity)
		}
		for _, f := range []string{w.Field, w.By} {
			if _, ok := e.Field(f); f != "" && f != "created_at" && !ok {
				return fmt.Errorf("dashboard widget %d: %s has no field %q", i, w.Entity, f)
			}
		}
	}
	return nil
}

func (e *Entity) validate(earlier map[string]bool) error {
	if !snake.MatchString(e.Name) || !snake.MatchString(e.Plural) || len(e.Plural) > 40 || earlier[e.Name] {
		return fmt.Errorf("the name and plural %q must be distinct snake_case of at most 40 characters", e.Plural)
	}
	if len(e.Fields) == 0 || len(e.Fields) > 30 {
		return fmt.Errorf("has %d fields; 1 to 30 are possible", len(e.Fields))
	}
	names := map[string]bool{}
	for _, f := range e.Fields {
		switch {
		case !snake.MatchString(f.Name) || len(f.Name) > 40 || reserved[f.Name] || names[f.Name]:
			return fmt.Errorf("field name %q is not usable", f.Name)
		case f.Type == Select && len(f.Options) == 0:
			return fmt.Errorf("select %q has no options", f.Name)
		case f.Type == Ref && !earlier[f.Ref] && f.Ref != e.Name:
			return fmt.Errorf("ref %q names %q, which is not an earlier entity", f.Name, f.Ref)
		}
		names[f.Name] = true
	}
	if !names[e.Title] {
		return fmt.Errorf("the title %q is not a field", e.Title)
	}
	if e.Board != "" && !names[e.Board] {
		return fmt.Errorf("the board %q is not a field", e.Board)
	}
	return nil
}
