package compile

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// Names that mean something to the languages, the templates, the foundation, the browser or the database.
var nastyEntities = strings.Fields(`page list query form event row user team member dialog badge image map set date symbol error
	route link table rating search card board field input line choice mark view bucket workspace role invite site dashboard asset
	auth login public_form recent due class function new default type sort_th type_script order_line order rest api stats_tile
	card_item title toast object string number promise react fragment component state effect node window document array record
	partial pick omit select option label button check_in vote test x a1 a_1 equipment news sheep series
	a_name_that_never_seems_to_come_to_an_end_for_it_goes_on_and_on_and_on_without_any_reason_to_stop_here`)

var nastyFields = strings.Fields(`class default new delete key ref name status children style order limit group user end type values
	constructor to_string length prototype value row page sort view only q dir add editing dialog date time year day position
	between select offset and or not columns from table where join left right primary references check unique null true
	false this var let const function return yield await async static interface package private public protected enum
	implements extends super import export with debugger typeof void in of if else switch case catch try throw finally
	arguments eval undefined nan infinity object string number boolean any never unknown symbol bigint require module exports
	list table_name title row_title_text row_id author_name mine_too label id_number ids x_1 x1 x_2 x2 email phone url money
	integer decimal required all one rows done changed plural today paths db cn count vote voted_by streak_days toast remove
	navigate known form input wanted lines filtered filter topics location history close open print fetch alert event error
	price price_cents owner owner_id owner_title hash target action method submit reset elements form_data ctid xmin
	a_field_name_of_exactly_forty_letters_ab`)

var nastyLabels = []string{
	"Name", `He said "hi"`, "`tick`", "${x}", "{braces}", "{{APP_ID}}", "</script>", "<b>bold</b>", "a & b", "*/ x", "**//",
	"👩‍🚀 crew", "שלום", "مرحبا", "日本語", "O'Brien", `back\slash`, "new\nline", "tab\there", "end // comment", "ctl\x01\x02\x7f",
	"\u2028sep", "  spaces  ", "", "Card", "Button", "100%", strings.Repeat("long ", 60),
}

var allTypes = []spec.FieldType{
	spec.Text, spec.LongText, spec.Lines, spec.Email, spec.Phone, spec.URL, spec.Image, spec.Integer, spec.Decimal, spec.Money,
	spec.Percent, spec.Rating, spec.Date, spec.DateTime, spec.Time, spec.Boolean, spec.Select, spec.Color, spec.Ref,
}

// generator makes valid specs whose parts fit together, and leans towards those that hurt.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 20261123))} }

func pick[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g generator) label() string { return pick(g, nastyLabels) }

// spec returns one app. Its shape follows the seed: now one entity with one field, now twelve with thirty.
func (g generator) spec() spec.Spec {
	s := spec.Spec{
		Format: spec.Format, Name: "A" + g.label(), Tagline: g.label(), Locale: pick(g, []string{"en-US", "de-DE", "bogus", ""}),
		Currency: pick(g, []string{"EUR", "USD", "nope"}), Icon: pick(g, []string{"Wrench", "Home", "NoSuchIcon", ""}),
		Theme:   spec.Theme{Primary: pick(g, []string{"", "#ffffff", "#000000", "#ff00aa"}), Background: pick(g, []string{"", "#101010", "#fafafa"})},
		Tenancy: pick(g, []spec.Tenancy{spec.Personal, spec.Team, spec.Community}),
	}
	s.Name = string([]rune(s.Name)[:min(60, len([]rune(s.Name)))])
	count := pick(g, []int{1, 2, 3, 4, 12})
	fields := pick(g, []int{1, 3, 6, 10, 30})
	seen := map[string]bool{}
	for len(s.Entities) < count {
		name := pick(g, nastyEntities)
		if seen[name] {
			continue
		}
		seen[name] = true
		s.Entities = append(s.Entities, g.entity(s.Entities, name, fields))
	}
	g.widgets(&s)
	return s
}

func (g generator) entity(earlier []spec.Entity, name string, fields int) spec.Entity {
	plural := name + pick(g, []string{"", "s", "s", "es"})
	e := spec.Entity{
		Name: name, Plural: strings.Trim(plural[:min(40, len(plural))], "_"), Label: g.label(), LabelPlural: g.label(), Description: g.label(),
		Icon: pick(g, []string{"Bike", "Star", "NoSuchIcon"}), Menu: g.chance(80),
		Public: pick(g, []spec.Public{"", "", "", spec.PublicSubmit, spec.PublicRead}),
	}
	seen := map[string]bool{}
	for len(e.Fields) < fields {
		f := g.field(e.Name, earlier)
		if !seen[f.Name] {
			seen[f.Name] = true
			e.Fields = append(e.Fields, f)
		}
	}
	e.Title = pick(g, e.Fields).Name
	e.Sort = spec.Sort{Field: pick(g, []string{"", "created_at", pick(g, e.Fields).Name}), Desc: g.chance(50)}
	var numbers []string
	for _, f := range e.Fields {
		switch f.Type {
		case spec.Select:
			if g.chance(40) {
				e.Board = f.Name
			}
		case spec.Boolean:
			if g.chance(40) {
				e.Actions = append(e.Actions, spec.Action{Kind: spec.Toggle, Label: g.label(), Field: f.Name})
			}
		case spec.Integer, spec.Decimal, spec.Money:
			numbers = append(numbers, f.Name)
		}
	}
	if g.chance(25) {
		e.Actions = append(e.Actions, spec.Action{Kind: spec.Vote, Label: g.label()})
	}
	if g.chance(25) {
		e.Actions = append(e.Actions, spec.Action{Kind: spec.CheckIn, Label: g.label()})
	}
	if len(numbers) > 1 && g.chance(50) {
		e.Actions = append(e.Actions, spec.Action{Kind: spec.LowStock, Field: numbers[0], Entity: numbers[1]})
	}
	return e
}

func (g generator) field(self string, earlier []spec.Entity) spec.Field {
	f := spec.Field{
		Name: pick(g, nastyFields), Label: g.label(), Type: pick(g, allTypes), Required: g.chance(40), Unique: g.chance(8),
		Unit: pick(g, []string{"", "", "kg", g.label()}), Default: pick(g, []string{"", "", "today", "true", "5", g.label()}),
		Hint: pick(g, []string{"", g.label()}), List: g.chance(40), Filter: g.chance(40),
	}
	low, high := float64(g.IntN(5)-2), float64(g.IntN(50)+5)
	if g.chance(30) {
		f.Min = &low
	}
	if g.chance(30) {
		f.Max = &high
	}
	switch f.Type {
	case spec.Select:
		for i := range 1 + g.IntN(8) {
			f.Options = append(f.Options, spec.Option{
				Value: fmt.Sprintf("%s_%d", pick(g, nastyFields), i), Label: g.label(),
				Tone: pick(g, []string{"info", "danger", "nonsense", ""}), Done: g.chance(20),
			})
		}
	case spec.Ref:
		f.Ref = self
		if len(earlier) > 0 && g.chance(80) {
			f.Ref = pick(g, earlier).Name
		}
		if f.Ref == self {
			f.Required = false // a first row has nothing to name
		}
	}
	return f
}

// widgets fills the dashboard, or leaves it empty.
func (g generator) widgets(s *spec.Spec) {
	for range pick(g, []int{0, 2, 6, 12}) {
		e := pick(g, s.Entities)
		w := spec.Widget{Kind: spec.Count, Label: g.label(), Entity: e.Name}
		f := pick(g, e.Fields)
		number := strings.Contains("integer decimal money percent rating", string(f.Type))
		date := f.Type == spec.Date || f.Type == spec.DateTime
		switch {
		case number:
			w.Kind, w.Field = pick(g, []spec.WidgetKind{spec.Sum, spec.Average, spec.Chart}), f.Name
		case date && g.chance(50):
			w.Kind, w.Field = spec.Due, f.Name
		case date || f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Boolean:
			w.Kind, w.By = spec.Chart, f.Name
		case g.chance(50):
			w.Kind = spec.Recent
		}
		w.Where = pick(g, []string{"", "", "open", "this_week", "this_month"})
		if f.Type == spec.Select && g.chance(50) {
			w.Where = f.Name + "=" + f.Options[0].Value
		}
		s.Dashboard = append(s.Dashboard, w)
	}
}

// change returns another version of the app, as a follow-up would make it.
func (g generator) change(s spec.Spec) spec.Spec {
	e := &s.Entities[g.IntN(len(s.Entities))]
	i := g.IntN(len(e.Fields))
	switch g.IntN(6) {
	case 0:
		if len(s.Entities) < 12 {
			s.Entities = append(s.Entities, g.entity(s.Entities, fmt.Sprintf("thing_%d", g.IntN(1000)), 4))
		}
	case 1:
		if len(e.Fields) < 30 {
			f := g.field(e.Name, nil)
			f.Name = fmt.Sprintf("extra_%d", g.IntN(1000))
			e.Fields = append(e.Fields, f)
		}
	case 2:
		s.Dashboard = nil
		for n := range e.Fields { // what goes must not be named elsewhere
			name := e.Fields[n].Name
			if name != e.Title && name != e.Board && name != e.Sort.Field && len(e.Fields) > 1 {
				e.Fields = append(e.Fields[:n:n], e.Fields[n+1:]...)
				e.Actions = nil
				break
			}
		}
	case 3:
		e.Fields[i].Required = !e.Fields[i].Required && e.Fields[i].Ref != e.Name
	case 4:
		if f := &e.Fields[i]; f.Type == spec.Select {
			f.Options = append(f.Options, spec.Option{Value: "one_more", Label: "One more"})
		} else if f.Type != spec.Ref && f.Type != spec.Boolean {
			e.Actions, s.Dashboard = nil, nil
			f.Type = pick(g, []spec.FieldType{spec.Text, spec.Integer, spec.Date, spec.Decimal, spec.LongText})
		}
	case 5:
		e.Actions = append(e.Actions, spec.Action{Kind: spec.Vote, Label: "Vote"})
		e.Public = spec.PublicRead
	}
	return s
}
