package understand

import (
	"slices"

	"overskill/internal/llm/composer/spec"
)

// anyNoun finds something to keep in a text that asks for nothing in so many words: "reminds me to take my pills".
func (b *builder) anyNoun() []token {
	for _, s := range b.sentences {
		for i, t := range s {
			if t.kind == word && t.plural && i > 0 && !functional[t.en] && !verbs[t.en] && !verbs[t.lemma] && verbBase(t.lemma) == t.lemma && b.lex.classOf(t.lemma) != "" && !actors[t.en] && !appNouns[t.lemma] && !wishes[t.en] && !metaHeads[t.lemma] {
				return s[i : i+1]
			}
		}
	}
	return nil
}

// unnamed is what a bare list of fields describes: a contact if it has a phone, a product if it has a price.
func (b *builder) unnamed() *entity {
	noun := "item"
	for _, f := range b.loose {
		switch {
		case f.Type == spec.Email || f.Type == spec.Phone:
			noun = "contact"
		case (f.key == "cost" || f.key == "sku" || f.key == "quantity") && noun == "item":
			noun = "product"
		}
	}
	b.listed = true
	return b.fromThing(b.thing([]token{{kind: word, text: noun, en: noun, lemma: noun}}))
}

// generic is what a prompt without any noun gets.
func (b *builder) generic() *entity {
	if len(b.loose) > 1 {
		b.vague = false
		return b.unnamed()
	}
	e := &entity{noun: "idea", fields: parseFields("title!, description, status:select(new|in progress|done*)")}
	e.Name, e.Plural, e.Label, e.LabelPlural, e.Icon, e.Menu = "idea", "ideas", "Idea", "Ideas", "Lightbulb", true
	return e
}

// giveLoose gives the fields that belong to no thing to the main entity.
func (b *builder) giveLoose() {
	if len(b.loose) == 0 {
		return
	}
	var said []*field
	for _, f := range b.loose {
		if e := b.byNoun(f.key); e != nil && f.Type == spec.Text && e == b.main {
			continue // the thing itself
		}
		if b.arch != nil && !f.firm && f.Type == spec.Text && slices.Contains(b.arch.match, lemmaOf(f.Label)) {
			continue
		}
		if o := b.betterHome(f); o != nil {
			o.fields = merge(o.fields, []*field{f}, false)
			continue
		}
		said = append(said, f)
	}
	if len(said) == 0 {
		return
	}
	own := b.main.thing != nil && b.main.thing.listed
	plain := 0
	for _, f := range said {
		if !f.asked {
			plain++
		}
	}
	listed := plain >= 4 && !own || b.listed && len(said) >= 2 && !own
	if b.main.tmpl == nil && !own && b.main.thing != nil && len(said) >= 2 {
		listed = true
	}
	b.main.fields = merge(b.main.fields, said, listed)
	if listed && !says(b.sentences, "board") && !says(b.sentences, "kanban") {
		b.main.Board = ""
	}
	if b.main.thing != nil && listed {
		b.main.thing.listed = true
	}
}

// betterHome returns another entity of the archetype that has the field by name while the main one has not.
func (b *builder) betterHome(f *field) *entity {
	has := func(e *entity) bool {
		return slices.ContainsFunc(e.fields, func(g field) bool { return g.Name == f.Name })
	}
	if has(b.main) {
		return nil
	}
	for _, e := range b.entities {
		if e != b.main && e.tmpl != nil && (e.thing == nil || !e.thing.listed) && has(e) && f.Name != "status" && f.Name != "notes" && f.Name != "date" {
			return e
		}
	}
	return nil
}
