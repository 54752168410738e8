package understand

import (
	"slices"
	"strings"
)

// head reads the words before a list and says what the list describes.
func (r *reader) head(ts []token, first bool) place {
	ts = trimLead(ts)
	if i, n := opener(ts); i > 0 { // "a CRM with two things:" or "clients have"
		if i+n < len(ts) && r.hasNoun(ts[i+n:]) {
			at := r.head(ts[:i], first)
			return r.head2(ts[i+n:], at)
		}
		ts = ts[:i]
	}
	if v := lastVerb(ts); v >= 0 && v+1 < len(ts) {
		if subject := r.nounPhrase(ts[:v]); len(subject) > 0 {
			r.mention(subject, true)
		}
		ts = trimLead(ts[v+1:])
	} else if v >= 0 && len(ts) > 1 { // a verb alone before "with" is a noun: "shows with title"
		ts = trimLead(ts[:v])
	}
	np := r.nounPhrase(behindOf(ts))
	if len(np) == 0 || len(np) == 1 && np[0].plural && metaHeads[np[0].lemma] && r.template(np[0].lemma) == nil {
		return place{app: true}
	}
	if first && r.arch != nil && len(np) == 1 { // "link in bio page": the phrase names the app, its first word does not name a thing
		for _, p := range r.arch.match {
			if strings.Contains(p, " ") && find(ts, p) >= 0 {
				return place{app: true}
			}
		}
	}
	if noun := lemma(np); first && !np[len(np)-1].plural && r.template(noun) == nil && r.lex.classOf(noun) == "" {
		r.setTitle(np) // "ERP light for a workshop:"
		return place{app: true}
	}
	if last := np[len(np)-1]; len(np) > 1 && last.is("field", "column", "dropdown", "option", "options", "property", "attribute") {
		f := newField(text(np[:len(np)-1]), lemma(np[:len(np)-1]))
		p := r.addField(&f, place{app: true})
		return place{app: true, opts: p}
	}
	if r.isApp(np) {
		if first {
			r.setTitle(np)
		}
		return place{app: true}
	}
	if noun := lemma(np); !first && selectish(noun) && !np[len(np)-1].plural && r.template(noun) == nil {
		f := newField(text(np), noun)
		return place{app: true, opts: r.addField(&f, place{app: true})}
	}
	t := r.thing(np)
	t.weak = false
	return place{thing: t}
}

// head2 is head for the words behind an opener: "clients with the following fields:".
func (r *reader) head2(ts []token, at place) place {
	np := r.nounPhrase(trimLead(ts))
	if len(np) == 1 && np[0].is("columns") && r.arch != nil && r.arch.mainEntity().board != "" { // the columns of a board are options
		f := newField(human(r.arch.mainEntity().board), r.arch.mainEntity().board)
		return place{app: true, opts: r.addField(&f, place{app: true})}
	}
	if len(np) == 0 || np[len(np)-1].is("fields", "columns", "properties", "attributes", "features", "pages", "tables", "entities", "sections", "information", "data") {
		return at
	}
	r.element(ts, at)
	return at
}

func (r *reader) hasNoun(ts []token) bool { return len(r.nounPhrase(trimLead(ts))) > 0 }

// bare reads an item of a list that describes the app: a thing, a field of the main entity, a wish, a sentence with a verb.
func (r *reader) bare(ts []token, at place, first bool) place {
	if r.wish(ts, true) {
		return at
	}
	if v := lastVerb(ts); v >= 0 {
		return r.clause(ts, v, at)
	}
	if a := slices.IndexFunc(ts, func(t token) bool { return t.kind == alts }); a >= 0 {
		r.element(ts, at)
		return at
	}
	np := r.nounPhrase(ts)
	if len(np) == 0 {
		return at
	}
	noun := lemma(np)
	switch {
	case r.isApp(np) || first && r.template(noun) == nil && !r.fieldWord(np):
		if first {
			r.setTitle(np)
		}
		r.aside(ts)
	case slices.ContainsFunc(ts, func(t token) bool {
		return t.is("is", "are", "was", "were", "isn't", "it's", "that's", "doesn't", "don't")
	}):
		return at // a remark, not a list
	case r.template(noun) != nil && (np[len(np)-1].plural || !r.fieldish(np) || r.template(noun) != r.arch.mainEntity() && !r.arch.mainEntity().has(noun)):
		r.mention(np, false)
	case first && !r.fieldWord(np):
		r.mention(np, false)
	case at.kinds && np[len(np)-1].plural && r.lex.classOf(noun) != "" && !numeric(noun):
		r.thing(np)
	case np[len(np)-1].plural && (!r.fieldish(np) || r.lex.classOf(noun) != "" && !selectish(noun) && !numeric(noun)):
		r.mention(np, false)
	case actors[np[0].en] && len(np) == 1 && r.template(noun) == nil:
		return at
	default:
		r.listed = r.listed || len(r.things) == 0 && r.arch == nil
		r.element(ts, place{})
	}
	return at
}
