package understand

import (
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// builder puts together what the reader collected and what the archetype knows.
type builder struct {
	*reader
	text     string
	spec     spec.Spec
	entities []*entity
	main     *entity
	said     []string // colours, in words
	vague    bool     // the prompt names nothing to keep
}

// entity is a spec.Entity on its way.
type entity struct {
	spec.Entity
	fields []field
	thing  *thing
	tmpl   *template
	noun   string // English, singular
}

// field returns the field that goes by one of the names of a key, or nil.
func (e *entity) field(key string) *field {
	key = vocabulary().key(strings.ReplaceAll(key, "_", " "))
	for i := range e.fields {
		if e.fields[i].key == key {
			return &e.fields[i]
		}
	}
	return nil
}

// collect makes the entities: those of the archetype that apply, then the prompt's own.
func (b *builder) collect() {
	b.dropWeakArchetype()
	if b.arch != nil {
		b.fromArchetype()
	} else if len(b.title) > 0 && !b.keptAlready() && (len(b.loose) > 1 || len(b.loose) > 0 && !slices.ContainsFunc(b.things, func(t *thing) bool { return t.listed }) || len(b.things) == 0) {
		t := b.thing(b.entryOf())
		b.things = slices.DeleteFunc(b.things, func(o *thing) bool { return o == t })
		b.things = append([]*thing{t}, b.things...)
	}
	for _, t := range b.things {
		if !slices.ContainsFunc(b.entities, func(e *entity) bool { return e.thing == t }) && len(b.entities) < 11 {
			b.entities = append(b.entities, b.fromThing(t))
		}
	}
	if len(b.entities) == 0 && len(b.loose) < 2 {
		if np := b.anyNoun(); np != nil {
			b.entities = append(b.entities, b.fromThing(b.thing(np)))
		}
	}
	if len(b.entities) == 0 {
		b.vague = true
		b.entities = append(b.entities, b.generic())
	}
	if b.main == nil {
		b.main = b.entities[0]
		for _, e := range b.entities {
			if c := b.lex.classOf(e.noun); b.arch != nil && (c == "event" || c == "task" || c == "money" || c == "record") {
				b.main = e
				break
			}
		}
	}
	b.giveLoose()
}

// keptAlready reports whether the title only repeats a thing: "school bus tracking: buses, routes".
func (b *builder) keptAlready() bool {
	last := b.title[len(b.title)-1].lemma
	if c := b.lex.classOf(lemma(b.title)); (c == "organization" || c == "place") && len(b.things) > 1 { // "tattoo studio app with artists, clients"
		return true
	}
	return b.titled && len(b.things) > 1 || slices.ContainsFunc(b.things, func(t *thing) bool { return t.noun == last && t.noun != lemma(b.title) })
}

// dropWeakArchetype forgets an archetype that only a stray word suggested, when the prompt describes its own things.
func (b *builder) dropWeakArchetype() {
	if b.arch == nil {
		return
	}
	listed, matched := 0, 0
	for _, t := range b.things {
		if t.tmpl != nil {
			matched++
		}
		if t.listed {
			listed++
		}
	}
	own := len(b.title) > 0 && b.lex.classOf(lemma(b.title)) != "" && len(b.loose) >= 3
	if matched == 0 && (listed > 1 || (listed > 0 || own || len(b.things) > 2) && b.arch.score < 24) {
		b.arch = nil
	}
}

func (b *builder) fromArchetype() {
	matched, listed := 0, 0
	for _, t := range b.things {
		if t.tmpl != nil {
			matched++
		}
		if t.listed && len(t.fields) > 1 {
			listed++
		}
	}
	for _, t := range b.arch.entities {
		var th *thing
		for _, x := range b.things {
			if x.tmpl == t {
				th = x
				break
			}
		}
		if th == nil && b.lang != english {
			th = b.foreignName(t)
		}
		wanted := th != nil || t.when == nil || slices.ContainsFunc(t.when, func(w string) bool { return says(b.sentences, w) })
		isMain := t == b.arch.mainEntity()
		if th == nil && listed >= 2 && !b.needed(t) {
			continue // the prompt lists its things itself
		}
		if !wanted || th == nil && !isMain && matched >= 3 && t.when == nil && !b.needed(t) {
			continue
		}
		e := b.fromTemplate(t, th)
		b.entities = append(b.entities, e)
		if isMain {
			b.main = e
		}
	}
	b.rename()
}

// foreignName returns a thing that only lends its word to a template: "mis recetas" names the recipes.
func (b *builder) foreignName(t *template) *thing {
	for _, s := range b.sentences {
		for _, tok := range s {
			if tok.kind == word && fold(tok.text) != tok.en && t.named(tok.lemma) && lemmaOf(t.name) == tok.lemma {
				return &thing{label: []token{tok}, noun: tok.lemma, tmpl: t}
			}
		}
	}
	return nil
}

// needed reports whether the main entity refers to the template.
func (b *builder) needed(t *template) bool {
	main := b.arch.mainEntity()
	if !slices.ContainsFunc(b.things, func(x *thing) bool { return x.tmpl == main }) {
		return false
	}
	return slices.ContainsFunc(main.fields, func(f field) bool { return f.Ref == t.name && f.Required })
}

func (b *builder) fromTemplate(t *template, th *thing) *entity {
	e := &entity{tmpl: t, thing: th, noun: lemmaOf(t.name)}
	e.Name, e.Label = t.name, human(t.name)
	e.Plural = plural(t.name)
	e.LabelPlural = human(e.Plural)
	e.Icon, e.Description = t.icon, t.about
	e.Sort, e.Board, e.Public, e.Actions = t.sort, t.board, t.public, slices.Clone(t.acts)
	e.Menu = !t.sub
	for _, f := range t.fields {
		f.Options = slices.Clone(f.Options)
		e.fields = append(e.fields, f)
	}
	for i := range e.fields {
		if f := &e.fields[i]; f.Name == "{x}" || strings.HasPrefix(f.Name, "{x}_") {
			b.fill(f)
		}
	}
	if b.simple() && (th == nil || len(th.fields) == 0) {
		e.fields = essential(e.fields)
	}
	if th != nil {
		if th.listed && !says(b.sentences, "board") && !says(b.sentences, "kanban") {
			e.Board = "" // the prompt describes it in full
		}
		e.noun = th.noun
		own := !th.listed && !strings.HasSuffix(th.noun, lemmaOf(t.name)) && says(b.sentences, lemmaOf(t.name)) // both words are used: ours stays
		if !(slices.Contains(t.aka, "{x}") && th.noun == lemma(b.mod)) && !own && !slices.Contains(t.mute, th.noun) {
			b.nameEntity(e, th)
		}
		if len(th.fields) > 0 {
			e.fields = merge(e.fields, th.fields, th.listed && len(th.fields) > 1)
		}
	}
	return e
}

// simple reports whether the prompt asks for little: "a simple todo app".
func (b *builder) simple() bool {
	for _, w := range []string{"simple", "basic", "minimal", "minimalist", "tiny"} {
		if len(b.sentences) > 0 && find(b.sentences[0], w) >= 0 {
			return true
		}
	}
	return false
}

// essential keeps the fields that an archetype cannot do without, and the first one of the others.
func essential(fields []field) []field {
	more := 0
	return slices.DeleteFunc(fields, func(f field) bool {
		if f.keep || f.Required {
			return false
		}
		more++
		return more > 1
	})
}

// merge puts the fields that were said over those that an archetype brings. If the prompt lists the fields, only
// the kept ones of the archetype stay.
func merge(base []field, said []*field, listed bool) []field {
	var out, last []field
	used := map[*field]bool{}
	match := func(b field) *field {
		for _, s := range said {
			if s.key == b.key || s.Name == b.Name {
				return s
			}
		}
		for i, s := range said {
			date := b.Type == spec.DateTime && b.keep && (s.Type == spec.Date || s.Type == spec.DateTime) && (s.key == "date" || s.key == "when" || s.key == "datetime")
			title := b.key == "name" && b.keep && s.Type == spec.Text && i < 3 && (strings.HasSuffix(s.key, " title") || strings.HasSuffix(s.key, " name"))
			if listed && (date || title) {
				return s
			}
		}
		return nil
	}
	for _, f := range base {
		s := match(f)
		switch {
		case s != nil && !listed:
			used[s] = true
			out = append(out, over(f, *s))
		case s == nil && listed && f.keep && !f.Required && f.Type != spec.Ref:
			last = append(last, f) // what was said comes first
		case s == nil && (!listed || f.keep):
			out = append(out, f)
		}
	}
	for _, s := range said {
		if used[s] {
			continue
		}
		f := *s
		for _, b := range base {
			if b.key == s.key || b.Name == s.Name {
				f = over(b, *s)
				break
			}
		}
		out = append(out, f)
	}
	return append(out, last...)
}

// over is the archetype's field with what was said: the words always, the type when it was said for certain.
func over(base, said field) field {
	f := base
	f.Name, f.Label = said.Name, said.Label
	if len(said.Options) > 0 && (said.chosen || base.Type != spec.Select) {
		f.Type, f.Options, f.Unit, f.chosen = spec.Select, said.Options, "", true
		return f
	}
	if said.firm && said.Type != base.Type && said.Type != spec.Text && base.Type != spec.Ref && base.Type != spec.Select {
		f.Type, f.Options = said.Type, said.Options
	}
	if said.Unit != "" {
		f.Type, f.Unit, f.Options = said.Type, said.Unit, nil
	}
	if said.Min != nil || said.Max != nil {
		f.Type, f.Min, f.Max, f.Options = said.Type, said.Min, said.Max, nil
	}
	return f
}

// rename points the archetype's refs at the entities that are there, under the names that the prompt gave them.
func (b *builder) rename() {
	for _, e := range b.entities {
		if e.tmpl == nil {
			continue
		}
		for i := range e.fields {
			f := &e.fields[i]
			if f.Type != spec.Ref {
				continue
			}
			to := b.byTemplate(f.Ref)
			if to == nil {
				f.Type, f.Ref = spec.Text, ""
				continue
			}
			if f.Name == to.tmpl.name && to.Name != f.Name {
				f.Name, f.Label = to.Name, to.Label
			}
			f.Ref = to.Name
		}
	}
}

func (b *builder) byTemplate(name string) *entity {
	for _, e := range b.entities {
		if e.tmpl != nil && e.tmpl.name == name {
			return e
		}
	}
	return nil
}

// fromThing makes an entity of a noun that no archetype knows: its fields as listed, or those of its class.
func (b *builder) fromThing(t *thing) *entity {
	e := &entity{thing: t, noun: t.noun}
	e.Menu = true
	b.nameEntity(e, t)
	e.Icon = b.lex.iconOf(t.noun)
	for _, f := range t.fields {
		e.fields = append(e.fields, *f)
	}
	class := b.lex.classOf(t.noun)
	for i := range e.fields {
		if f := &e.fields[i]; class == "record" && f.key == "value" && f.Type == spec.Money { // what a sensor reads
			f.Type = spec.Decimal
		}
	}
	if !t.listed {
		if class == "" {
			class = "thing"
		}
		e.fields = merge(parseFields(b.lex.classes[class]), t.fields, false)
	}
	return e
}

// byNoun returns the entity that a noun names, or nil.
func (b *builder) byNoun(noun string) *entity {
	for _, e := range b.entities {
		if e.noun == noun || lemmaOf(e.Name) == noun {
			return e
		}
	}
	for _, e := range b.entities {
		if e.tmpl != nil && e.tmpl.named(noun) {
			return e
		}
	}
	return nil
}
