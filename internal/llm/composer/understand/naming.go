package understand

import (
	"strings"
)

// nameEntity names an entity by the words of the prompt.
func (b *builder) nameEntity(e *entity, t *thing) {
	last := t.label[len(t.label)-1]
	lead := strings.ToLower(strings.TrimSpace(text(t.label[:len(t.label)-1]) + " "))
	one, many := strings.ToLower(last.text), strings.ToLower(last.text)
	if fold(last.text) != last.en && last.lemma != singular(fold(last.text)) { // translated
		one = b.foreignSingular(one, last.en)
		if one == many {
			many = foreignPlural(one, b.lang.tag)
		}
		if b.lang.tag == "de-DE" {
			one, many = sentenceCase(one), sentenceCase(many)
		}
	} else if b.lang.tag == "de-DE" { // plurals that no rule forms
		one, many = sentenceCase(one), sentenceCase(many)
	} else {
		one, many = singular(one), plural(singular(many))
	}
	join := func(w string) string { return strings.TrimSpace(lead + " " + w) }
	e.Name, e.Plural = snake(join(one), 34), snake(join(many), 38)
	if e.Name == "" || e.Plural == "" {
		e.Name, e.Plural = snake(t.noun, 34), snake(plural(t.noun), 38)
	}
	if e.Name == "" || e.Plural == "" {
		e.Name, e.Plural = "item", "items"
	}
	e.Label, e.LabelPlural = sentenceCase(clip(join(one), 40)), sentenceCase(clip(join(many), 40))
	if acronyms[one] {
		e.Label, e.LabelPlural = strings.ToUpper(one), strings.ToUpper(one)+"s"
	}
}

// foreignSingular finds the singular of a word by the forms that the vocabulary lists.
func (b *builder) foreignSingular(w, en string) string {
	f := fold(w)
	for _, end := range []string{"es", "en", "s", "n", "e", "er"} {
		if cut := strings.TrimSuffix(f, end); cut != f && b.lang.words[cut] == en {
			return w[:len(w)-len(end)]
		}
	}
	return w
}

func foreignPlural(w, tag string) string {
	switch {
	case tag == "es-ES" && !strings.ContainsAny(w[len(w)-1:], "aeiou"):
		return w + "es"
	case tag == "de-DE" && strings.HasSuffix(w, "e"):
		return w + "n"
	case tag == "de-DE":
		return w + "e"
	case strings.HasSuffix(w, "s"):
		return w
	}
	return w + "s"
}

// fill puts the archetype's modifier into a field named {x}: the "bike" of a bike repair shop.
func (b *builder) fill(f *field) {
	noun, label := "item", "item"
	if len(b.mod) > 0 {
		noun, label = lemma(b.mod), strings.ToLower(text(b.mod))
	}
	suffix := strings.TrimPrefix(f.Name, "{x}")
	f.Name = nameOf(label+suffix, noun+suffix)
	f.Label = sentenceCase(strings.ReplaceAll(label+suffix, "_", " "))
	f.key = b.lex.key(noun + strings.ReplaceAll(suffix, "_", " "))
}
