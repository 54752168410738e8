package understand

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// add handles "add a due date to todos", "also track which mechanic is on it", "add a category field with
// hardware, software", "add suppliers", "add a page called Projects", "add votes".
func (e *editor) add(ts []token) bool {
	if !ts[0].is("add", "include", "track", "give", "put", "create", "show", "record", "store", "keep", "insert", "have", "introduce", "log", "save", "allow", "let", "new", "note") {
		return false
	}
	rest := trimLead(ts[1:])
	if len(rest) == 0 {
		return false
	}
	if e.addOption(rest) || e.addAction(rest) || e.addPage(rest) {
		return true
	}
	x, what, named := e.target(rest)
	if x == nil && named != "" {
		e.cannot = append(e.cannot, fmt.Sprintf("There is no list called %q in this app. If it is content rather than a new field, add it in the app itself.", named))
		return true
	}
	if x == nil {
		x = e.main()
	}
	if len(what) == 0 || len(x.Fields) >= 28 {
		return false
	}
	return e.addParsed(x, what)
}

// target finds the entity that a request adds to: the one behind "to", "on", "for", or behind "each". named is what
// stands there when it is nothing of this app.
func (e *editor) target(ts []token) (x *spec.Entity, what []token, named string) {
	depth := 0
	for i, t := range ts {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		if depth > 0 || i == 0 || !t.is("to", "on", "for", "in", "from", "of", "each", "every") {
			continue
		}
		tail := trimLead(ts[i+1:])
		if t.is("to", "for", "on", "in") && len(tail) > 0 && tail[0].is("each", "every", "all", "the") {
			tail = trimLead(tail[1:])
		}
		y, from, to := e.entityAt(tail)
		if y == nil && !t.is("of", "from") {
			y, to = e.pointed(ts[i+1:])
			tail = ts[i+1:]
		}
		if y != nil && from == 0 {
			what = slices.Clone(ts[:i])
			more := tail[to:]
			if len(more) > 0 && more[0].is("with", "(", ":", "from", "including") {
				what = append(what, more...)
			}
			return y, what, ""
		}
		if t.is("to") && len(tail) > 0 {
			np := (&reader{lex: vocabulary()}).nounPhrase(tail)
			if len(np) > 0 {
				return nil, nil, text(np)
			}
		}
	}
	return nil, ts, ""
}

// addParsed reads what is to be added with the grammar of prompts, and adds it to x.
func (e *editor) addParsed(x *spec.Entity, what []token) bool {
	th := &thing{noun: lemmaOf(x.Name)}
	r := &reader{lex: vocabulary(), lang: e.lang, wants: map[string]bool{}, things: []*thing{th}}
	for i := range e.s.Entities {
		if y := &e.s.Entities[i]; y.Name != x.Name {
			r.things = append(r.things, &thing{noun: lemmaOf(y.Name), weak: true})
		}
	}
	known := len(r.things)
	at := place{thing: th}
	if c := colon(what); c > 0 {
		at = r.head(what[:c], false)
		if at.thing != nil {
			at = place{thing: th}
		}
		what = what[c+1:]
	}
	r.list(what, at, false)
	added := 0
	for _, f := range append(th.fields, r.loose...) {
		if e.addField(x, *f) {
			added++
		}
	}
	for _, t := range r.things[known:] {
		e.addEntity(t, x)
		added++
	}
	e.last = x
	return added > 0
}

// addField adds a field to an entity, as a ref if it names another entity; an existing choice gets the new options.
func (e *editor) addField(x *spec.Entity, f field) bool {
	if f.Name == "" || f.Label == "" || len(x.Fields) >= 28 {
		return false
	}
	if have := exactField(x, f); have != nil {
		if f.Type == spec.Select && len(f.Options) > 0 && (have.Type == spec.Select || have.Type == spec.Text) && f.chosen {
			have.Type, have.Options, have.Filter = spec.Select, f.Options, true
			e.did("%s of %s is a choice of %s.", have.Label, lowerFirst(x.LabelPlural), optionWords(f.Options))
			e.version = "Options for " + lowerFirst(have.Label)
			return true
		}
		e.did("%s have %s already.", x.LabelPlural, lowerFirst(have.Label))
		return true
	}
	taken := map[string]bool{}
	for _, g := range x.Fields {
		taken[g.Name] = true
	}
	f.Name = uniqueName(f.Name, taken)
	if f.Type == spec.Text || f.Type == spec.Select && !f.chosen {
		if y := e.earlier(x, f); y != nil {
			f.Type, f.Ref, f.Options = spec.Ref, y.Name, nil
		}
	}
	if f.Type == spec.Select && len(f.Options) == 0 {
		f.Type = spec.Text
	}
	vocabulary().finishOptions(&f)
	f.Filter = f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Boolean
	f.List = f.Type != spec.LongText && f.Type != spec.Lines && f.Type != spec.Image
	f.Required = false // rows that are there have no value yet
	x.Fields = append(x.Fields, f.Field)
	of := ""
	if f.Type == spec.Select {
		of = ": " + optionWords(f.Options)
	}
	e.did("%s have %s%s.", x.LabelPlural, fieldWithArticle(f.Field), of)
	e.version = fmt.Sprintf("Add %s to %s", lowerFirst(f.Label), lowerFirst(x.LabelPlural))
	if (f.Type == spec.Date || f.Type == spec.DateTime) && ahead(&f) {
		e.widget(spec.Widget{Kind: spec.Due, Label: "Coming up: " + lowerFirst(x.LabelPlural), Entity: x.Name, Field: f.Name})
	}
	return true
}

// exactField finds a field of the same name or of a true synonym.
func exactField(x *spec.Entity, f field) *spec.Field {
	for i := range x.Fields {
		if g := &x.Fields[i]; g.Name == f.Name || lemmaOf(g.Label) == lemmaOf(f.Label) {
			return g
		}
	}
	return nil
}

// earlier returns an entity before x that the field names: only those can be referred to.
func (e *editor) earlier(x *spec.Entity, f field) *spec.Entity {
	for i := range e.s.Entities {
		y := &e.s.Entities[i]
		if y.Name == x.Name {
			return nil
		}
		if meets(names(f.Name, f.Label), names(y.Name, y.Label)) {
			return y
		}
	}
	return nil
}

func fieldWithArticle(f spec.Field) string {
	kinds := map[spec.FieldType]string{spec.Boolean: " (yes or no)", spec.Date: " (a date)", spec.Money: " (an amount)", spec.Rating: " (1 to 5 stars)", spec.Color: " (a colour)"}
	return lowerFirst(f.Label) + kinds[f.Type]
}

// addOption handles "add blocked to the status options" and "add an option blocked to status".
func (e *editor) addOption(ts []token) bool {
	to := slices.IndexFunc(ts, func(t token) bool { return t.is("to", "as") })
	if to < 1 || to+1 >= len(ts) {
		return false
	}
	if _, ok := e.entity(ts[to+1:]); ok {
		return false
	}
	tail := slices.DeleteFunc(slices.Clone(ts[to+1:]), func(t token) bool { return t.is("options", "option", "choices", "list", "dropdown", "the") })
	x, f := e.field(tail, nil)
	if f == nil || f.Type != spec.Select || len(f.Options) >= 20 {
		return false
	}
	head := slices.DeleteFunc(slices.Clone(ts[:to]), func(t token) bool { return t.is("option", "options", "choice", "new", "value", "called") })
	var have, more []string
	for _, o := range f.Options {
		have = append(have, o.Label)
	}
	for _, it := range items(head) {
		if it = trimLead(it); len(it) > 0 {
			more = append(more, text(it))
		}
	}
	if len(more) == 0 {
		return false
	}
	for _, o := range vocabulary().optionList(more) {
		if !slices.ContainsFunc(f.Options, func(p spec.Option) bool { return p.Value == o.Value }) {
			f.Options = append(f.Options, o)
		}
	}
	e.did("%s of %s can also be %s.", f.Label, lowerFirst(x.LabelPlural), joinWords(more, "or"))
	e.version = "More options for " + lowerFirst(f.Label)
	return len(have) < len(f.Options)
}

// addAction handles "add votes to books" and "add streaks".
func (e *editor) addAction(ts []token) bool {
	kind, label := spec.ActionKind(""), ""
	switch t := ts[0]; {
	case t.is("vote", "votes", "voting", "upvote", "upvotes", "upvoting", "likes"):
		kind, label = spec.Vote, "Vote"
	case t.is("streak", "streaks") || find(ts, "daily check") == 0:
		kind, label = spec.CheckIn, "Done today"
	default:
		return false
	}
	x, _, _ := e.entityAt(ts[1:])
	if x == nil {
		x = e.main()
	}
	if !slices.ContainsFunc(x.Actions, func(a spec.Action) bool { return a.Kind == kind }) {
		x.Actions = append(x.Actions, spec.Action{Kind: kind, Label: label})
	}
	e.did("%s have %s.", x.LabelPlural, strings.ToLower(ts[0].text))
	e.version = fmt.Sprintf("Add %s to %s", strings.ToLower(ts[0].text), lowerFirst(x.LabelPlural))
	return true
}

// addPage handles "add a page called Projects", "add a suppliers page", "add a list of vendors": a new entity.
func (e *editor) addPage(ts []token) bool {
	i := slices.IndexFunc(ts, func(t token) bool { return t.is("page", "list", "section", "tab", "table", "entity", "screen", "area") })
	if i < 0 || len(e.s.Entities) >= 12 || find(ts, "field") >= 0 || slices.ContainsFunc(ts[:i], func(t token) bool { return t.is("to", "on", "in") }) {
		return false
	}
	var np []token
	tail := ts[i+1:]
	switch {
	case len(tail) > 0 && tail[0].kind == word && tail[0].is("called", "named", "titled", "for", "of", "with"):
		for _, t := range tail[1:] {
			if t.kind == quoted {
				np = e.tokens(t.text)
			}
		}
		if np == nil {
			np = (&reader{lex: vocabulary()}).nounPhrase(tail[1:])
		}
	case i > 0:
		np = (&reader{lex: vocabulary()}).nounPhrase(ts[:i])
	}
	if len(np) == 0 {
		return false
	}
	if y, _, _ := e.entityAt(np); y != nil {
		e.did("There is a list of %s already.", lowerFirst(y.LabelPlural))
		return true
	}
	t := &thing{label: np, noun: lemma(np)}
	if at, n := opener(tail[min(1, len(tail)):]); at > 0 { // "a page for suppliers with name and phone"
		e.fieldsOf(t, tail[1+at+n:])
	}
	var parent *spec.Entity
	e.addEntity(t, parent)
	for k := range e.s.Entities { // "an author page listing their books": books get the author
		y := &e.s.Entities[k]
		if f := findField(y, np); f != nil && f.Type == spec.Text && f.Name != y.Title {
			e.refer(y, f, snake(lemma(np), 34))
			break
		}
	}
	return true
}

// fieldsOf reads the fields that a request lists for a new entity.
func (e *editor) fieldsOf(t *thing, list []token) {
	r := &reader{lex: vocabulary(), lang: e.lang, wants: map[string]bool{}, things: []*thing{t}}
	for i := range e.s.Entities {
		r.things = append(r.things, &thing{noun: lemmaOf(e.s.Entities[i].Name), weak: true})
	}
	r.list(list, place{thing: t}, false)
}

// refer turns a text field into a ref to a new entity, which must stand before the entity of the field.
func (e *editor) refer(y *spec.Entity, f *spec.Field, to string) {
	name := y.Name
	i := slices.IndexFunc(e.s.Entities, func(x spec.Entity) bool { return x.Name == to })
	if i < 0 {
		return
	}
	f.Type, f.Ref, f.Required, f.Filter = spec.Ref, to, false, true
	moved := e.s.Entities[i]
	e.s.Entities = slices.Insert(slices.Delete(e.s.Entities, i, i+1), 0, moved)
	if z, ok := e.s.Entity(name); ok {
		e.did("%s choose their %s from that list, and each page of it shows its %s.", z.LabelPlural, lowerFirst(moved.Label), lowerFirst(z.LabelPlural))
	}
}

// addEntity adds a list of its own, with the fields of its class and a ref to the parent if there is one.
func (e *editor) addEntity(t *thing, parent *spec.Entity) {
	if len(e.s.Entities) >= 12 {
		e.cannot = append(e.cannot, "An app can have twelve lists; this one has them.")
		return
	}
	b := &builder{reader: &reader{lex: vocabulary(), lang: e.lang}}
	n := b.fromThing(t)
	if parent != nil {
		p := &entity{Entity: *parent, noun: lemmaOf(parent.Name)}
		b.addRef(n, p, true)
	}
	taken, plurals := map[string]bool{}, map[string]bool{}
	for _, x := range e.s.Entities {
		taken[x.Name], plurals[x.Plural] = true, true
	}
	n.Name, n.Plural = uniqueName(n.Name, taken), uniqueName(n.Plural, plurals)
	b.complete(n)
	e.s.Entities = append(e.s.Entities, n.Entity)
	e.did("%s are new, with %s.", n.LabelPlural, fieldWords(n))
	e.version = "Add " + lowerFirst(n.LabelPlural)
}
