package understand

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// reserved column names; a field that would take one gets another.
var reserved = set("id user_id workspace_id created_at updated_at search_text vote_count voted streak checked_today")

// build turns what was read into b.spec.
func (b *builder) build(name string) {
	b.collect()
	b.relate()
	b.grant()
	for _, e := range b.entities {
		b.complete(e)
	}
	b.order()
	b.spec.Entities = nil
	for _, e := range b.entities {
		b.spec.Entities = append(b.spec.Entities, e.Entity)
	}
	b.spec.Tenancy = b.tenancy()
	b.identity(name)
	b.spec.Dashboard = b.widgets()
	b.account(name)
}

// relate adds the references that the prompt or common sense asks for.
func (b *builder) relate() {
	for _, e := range b.entities {
		for i := range e.fields { // "a client" among the fields of a deal
			f := &e.fields[i]
			whole := f.Type == spec.Integer && b.byNoun(lemmaOf(f.Name)) != nil // "bed" where beds are kept
			if f.Type != spec.Text && f.Type != spec.Select && !whole || len(f.Options) > 0 && f.chosen || len(e.fields) == 1 {
				continue
			}
			if to := b.byNoun(lemmaOf(f.Name)); to != nil && to != e || b.refByLabel(f, e) != nil {
				if to == nil || to == e {
					to = b.refByLabel(f, e)
				}
				f.Type, f.Ref, f.Options, f.Unit = spec.Ref, to.Name, nil, ""
			}
		}
	}
	for _, e := range b.entities {
		if e.thing == nil || e.thing.parent == nil {
			continue
		}
		for _, p := range b.entities {
			if p.thing == e.thing.parent && p != e {
				b.addRef(e, p, true)
			}
		}
	}
	for _, e := range b.entities {
		if e.tmpl == nil && !b.hasRef(e) {
			b.connect(e)
		}
	}
}

func (b *builder) refByLabel(f *field, self *entity) *entity {
	for _, key := range []string{lemmaOf(f.Label), f.key} {
		if to := b.byNoun(key); to != nil && to != self {
			return to
		}
	}
	return nil
}

func (b *builder) hasRef(e *entity) bool {
	return slices.ContainsFunc(e.fields, func(f field) bool { return f.Type == spec.Ref })
}

// connect gives a thing that happens (a visit, an order, a comment) refs to what it happens to, and an animal,
// vehicle or place a ref to the person it belongs to.
func (b *builder) connect(e *entity) {
	class := b.lex.classOf(e.noun)
	n := 0
	for _, o := range b.entities {
		if o == e || n == 3 || b.refersTo(o, e) {
			continue
		}
		oc := b.lex.classOf(o.noun)
		happens := class == "event" || class == "record" || class == "money" && oc != "money"
		switch {
		case class == "remark" || class == "review":
			if o != b.main || b.main == e {
				continue
			}
		case happens && oc == "equipment" && !handles[e.noun]: // a rehearsal is not about one prop
			continue
		case happens && oc != "event" && oc != "record" && oc != "remark" && oc != "review" && oc != "money" && oc != "document" && oc != "group":
		case class == "task" && (oc == "task" && o.noun == "project" || oc == "person" || oc == "place" || oc == "equipment") && e.noun != "project" && e.noun != "goal":
		case e.thing != nil && e.thing.listed: // its fields were listed: nothing is added that was not said
			continue
		case (class == "animal" || class == "vehicle" || class == "equipment") && oc == "person":
		case class == "person" && oc == "organization":
		case (class == "product" || class == "document" || class == "media" || class == "thing") && oc == "group":
		default:
			continue
		}
		b.addRef(e, o, n == 0 && class != "task" && (e.thing == nil || !e.thing.listed))
		n++
	}
}

// handles are events that happen to a piece of equipment.
var handles = set("loan rental booking reservation repair maintenance service inspection flight trip checkup job test reading measurement cleaning incident purchase audit session")

func (b *builder) refersTo(from, to *entity) bool {
	return slices.ContainsFunc(from.fields, func(f field) bool { return f.Ref == to.Name })
}

func (b *builder) addRef(from, to *entity, required bool) {
	if b.refersTo(from, to) || b.refersTo(to, from) || len(from.fields) >= 28 {
		return
	}
	f := field{Field: spec.Field{Name: to.Name, Label: to.Label, Type: spec.Ref, Ref: to.Name, Required: required}, key: b.lex.key(to.noun), firm: true}
	for i := range from.fields {
		if from.fields[i].Name == f.Name || from.fields[i].key == f.key {
			from.fields[i] = f
			return
		}
	}
	from.fields = slices.Insert(from.fields, min(1, len(from.fields)), f)
}

// grant adds what the prompt wishes besides data: votes, comments, reviews, streaks, approval.
func (b *builder) grant() {
	main := b.main
	has := func(k spec.ActionKind) bool {
		return slices.ContainsFunc(b.entities, func(e *entity) bool {
			return slices.ContainsFunc(e.Actions, func(a spec.Action) bool { return a.Kind == k })
		})
	}
	if (b.wants["vote"] || b.wants["upvote"]) && !has(spec.Vote) {
		main.Actions = append(main.Actions, spec.Action{Kind: spec.Vote, Label: "Vote"})
	}
	if b.wants["streak"] && !has(spec.CheckIn) {
		main.Actions = append(main.Actions, spec.Action{Kind: spec.CheckIn, Label: "Done today"})
	}
	if b.wants["approve"] && main.field("approved") == nil && main.field("status") == nil {
		main.fields = append(main.fields, parseFields("approved:boolean")...)
		main.Actions = append(main.Actions, spec.Action{Kind: spec.Toggle, Label: "Approved", Field: "approved"})
	}
	if b.wants["public"] && main.Public == spec.PublicNone {
		main.Public = spec.PublicRead
	}
	if b.wants["comment"] && b.byNoun("comment") == nil && len(b.entities) < 12 && main.noun != "comment" {
		b.attach("comment", "MessageSquare", "body:longtext!")
	}
	if (b.wants["review"] || b.wants["rate"]) && b.byNoun("review") == nil && main.field("rating") == nil && len(b.entities) < 12 && main.noun != "review" {
		b.attach("review", "Star", "rating!, review:longtext")
	}
	if b.wants["assign"] && main.field("assignee") == nil {
		main.fields = append(main.fields, parseFields("assignee:text")...)
	}
	for _, e := range b.entities {
		if e.tmpl == nil || len(e.tmpl.parent) == 0 {
			continue
		}
		for _, f := range e.fields {
			if f.Type == spec.Ref {
				b.parentActions(e, f.Ref)
				break
			}
		}
	}
}

// attach adds an entity that belongs to the main one.
func (b *builder) attach(name, icon, fields string) {
	e := &entity{noun: name, fields: parseFields(fields)}
	e.Name, e.Plural, e.Label, e.LabelPlural, e.Icon = name, name+"s", sentenceCase(name), sentenceCase(name)+"s", icon
	e.Menu = false
	b.addRef(e, b.main, true)
	b.entities = append(b.entities, e)
}

// parentActions gives the entity that child belongs to the actions that work through child.
func (b *builder) parentActions(child *entity, parent string) {
	for _, p := range b.entities {
		if p.Name != parent {
			continue
		}
		for _, a := range child.tmpl.parent {
			if f := p.field(a.Field); f != nil && child.field("direction") != nil && child.field("quantity") != nil {
				a.Field, a.Entity = f.Name, child.Name
				p.Actions = append(p.Actions, a)
			}
		}
	}
}

// complete makes an entity valid: unique usable field names, a title, a sort, columns, filters, actions that work.
func (b *builder) complete(e *entity) {
	if len(e.fields) > 28 {
		e.fields = e.fields[:28]
	}
	names := map[string]bool{}
	if !dated(e) { // "vacation requests: employee, from, to": what lies between two dates; with a date they are places
		for i := range e.fields {
			if f := &e.fields[i]; f.Type == spec.Text && (f.key == "from" || f.key == "to" || f.key == "until") {
				f.Type = spec.Date
			}
		}
	}
	for i := range e.fields {
		f := &e.fields[i]
		f.Name = uniqueName(f.Name, names)
		f.Label = clip(f.Label, 60)
		if f.Label == "" {
			f.Label = human(f.Name)
		}
		if f.Type == spec.Select && len(f.Options) == 0 {
			f.Type = spec.Text
		}
		if f.Type != spec.Select {
			f.Options = nil
		} else {
			b.lex.finishOptions(f)
		}
		if f.Type == spec.Date && (f.key == "date" || f.Required) && f.Default == "" && !strings.Contains(f.key, "due") {
			f.Default = "today"
		}
	}
	e.Title = b.titleOf(e, names)
	b.sortOf(e)
	columns := 0
	for i := range e.fields {
		f := &e.fields[i]
		f.Filter = f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Boolean
		if f.Type != spec.LongText && f.Type != spec.Lines && f.Type != spec.Image && columns < 6 {
			f.List = true
			columns++
		}
	}
	b.boardOf(e)
	e.Actions = slices.DeleteFunc(e.Actions, func(a spec.Action) bool { return !e.supports(&a) })
	for i := range e.Actions {
		e.supports(&e.Actions[i])
	}
	if e.Description == "" {
		e.Description = "All " + lowerFirst(e.LabelPlural) + ", with search, filters and sorting."
	}
	e.Fields = nil
	for _, f := range e.fields {
		e.Fields = append(e.Fields, f.Field)
	}
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	for i, r := range s {
		return strings.ToLower(string(r)) + s[i+len(string(r)):]
	}
	return s
}

// uniqueName returns a free, unreserved column name and takes it.
func uniqueName(name string, taken map[string]bool) string {
	name = snake(name, 36)
	if name == "" {
		name = "field"
	}
	if reserved[name] {
		name += "_value"
	}
	base := name
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	taken[name] = true
	return name
}

// titleOf returns the field that names a row, and adds one where nothing can.
func (b *builder) titleOf(e *entity, names map[string]bool) string {
	for _, want := range []string{"title", "name", "subject", "question", "number", "summary"} {
		for i := range e.fields {
			if f := &e.fields[i]; f.Name == want && (f.Type == spec.Text || f.Type == spec.Integer && want == "number") {
				f.Type, f.Required = spec.Text, true
				return f.Name
			}
		}
	}
	for i := range e.fields {
		f := &e.fields[i]
		if f.key == "name" || strings.HasSuffix(f.Name, "_name") || strings.HasSuffix(f.Name, "_title") || e.tmpl != nil && f.keep && f.Type == spec.Text {
			if f.Type == spec.Text {
				f.Required = true
				return f.Name
			}
		}
	}
	class := b.lex.classOf(e.noun)
	if e.tmpl == nil && ((class == "event" || class == "record") && dated(e) || class == "review" || class == "remark") || e.tmpl != nil {
		for _, f := range e.fields {
			if f.Type == spec.Ref && f.Ref != e.Name && (f.Required || e.tmpl != nil || e.thing != nil && e.thing.listed) {
				return f.Name
			}
		}
	}
	side := set("notes note location city country address category tag tags status unit color size assignee person role owner manager frequency allergies room brand genre department language type region weather")
	for i := range e.fields {
		f := &e.fields[i]
		if f.Type == spec.Text && !side[f.Name] && !side[f.Name[strings.LastIndex(f.Name, "_")+1:]] && b.lex.classOf(f.key) != "person" && i == 0 && !strings.HasSuffix(f.Name, "s") {
			f.Required = true
			return f.Name
		}
	}
	name := "title"
	if class == "person" || class == "thing" || class == "" || class == "product" || class == "animal" || class == "place" || class == "group" || class == "equipment" || class == "vehicle" || class == "plant" || class == "collectible" {
		name = "name"
	}
	f := newField(sentenceCase(name), name)
	f.Name, f.Required = uniqueName(name, names), true
	e.fields = slices.Insert(e.fields, 0, f)
	return f.Name
}

// dated reports whether rows of an entity stand for something at a time: with what it happened to they name themselves.
func dated(e *entity) bool {
	return e.noun == "reading" || slices.ContainsFunc(e.fields, func(f field) bool {
		return f.Type == spec.Date || f.Type == spec.DateTime || f.Type == spec.Time
	})
}

// sortOf keeps an archetype's sort if the field is there, else the first date that lies ahead, else the newest first.
func (b *builder) sortOf(e *entity) {
	if e.Sort.Field == "created_at" {
		return
	}
	if f := e.field(e.Sort.Field); e.Sort.Field != "" && f != nil {
		e.Sort.Field = f.Name
		return
	}
	e.Sort = spec.Sort{Field: "created_at", Desc: true}
	for _, f := range e.fields {
		if f.Type == spec.Date || f.Type == spec.DateTime {
			e.Sort = spec.Sort{Field: f.Name, Desc: !ahead(&f)}
			return
		}
	}
}

// ahead reports whether a date usually lies in the future.
func ahead(f *field) bool {
	for _, w := range []string{"due", "deadline", "next", "expir", "renew", "start", "until", "follow", "scheduled", "close", "kickoff", "slot", "when", "departure", "event"} {
		if strings.Contains(f.key, w) || strings.Contains(f.Name, w) {
			return true
		}
	}
	return f.Type == spec.DateTime && !strings.Contains(f.Name, "created")
}

// boardOf keeps a board only on a select that exists.
func (b *builder) boardOf(e *entity) {
	if e.Board == "" {
		return
	}
	f := e.field(e.Board)
	e.Board = ""
	if f != nil && f.Type == spec.Select {
		e.Board = f.Name
	}
}

// supports reports whether the entity has what an action needs, and points the action at the real field names.
func (e *entity) supports(a *spec.Action) bool {
	switch a.Kind {
	case spec.Toggle:
		f := e.field(a.Field)
		if f == nil || f.Type != spec.Boolean {
			return false
		}
		a.Field = f.Name
	case spec.LowStock:
		f, level := e.field(a.Field), e.field(a.Entity)
		if f == nil || level == nil || !isNumber(f) || !isNumber(level) {
			return false
		}
		a.Field, a.Entity = f.Name, level.Name
	}
	return true
}

func isNumber(f *field) bool { return f.Type == spec.Integer || f.Type == spec.Decimal }
