package understand

import (
	"slices"

	"overskill/internal/llm/composer/spec"
)

// thing is a noun that the prompt treats as something to keep.
type thing struct {
	label  []token // as typed, without articles
	noun   string  // English, singular
	fields []*field
	listed bool   // the prompt lists its fields, so an archetype's own are dropped
	parent *thing // it was named among another thing's fields: "projects with tasks"
	tmpl   *template
	weak   bool // only mentioned; kept if nothing better turns up
}

// reader collects what the sentences say.
type reader struct {
	lex       *lexicon
	lang      *language
	sentences [][]token
	arch      *chosen
	mod       []token  // the archetype's modifier, "bike" of "bike repair shop"
	things    []*thing // in the order of their first mention
	loose     []*field // fields named without a thing: they belong to the main entity
	listed    bool     // loose is a list of the main entity's fields
	title     []token  // the noun phrase that the prompt opens with, without app nouns
	headline  []token  // the same with the nouns that belong to a name: "fishing log"
	titled    bool     // the title stood before a colon: it names the app for certain
	charts    []chart
	wants     map[string]bool
}

// chart is a wish for a plot.
type chart struct{ what, by string }

// place is where the next item of a list belongs.
type place struct {
	thing *thing
	kinds bool   // an app's list that names kinds of things: every plural is one
	app   bool   // the list describes the app: plurals are things, singulars fields of the main entity
	opts  *field // the items are options of this field
}

func (r *reader) read() {
	for i, s := range r.sentences {
		at := place{app: true}
		open := false // a clause ended in a colon: the bullets behind it are its list
		for j, clause := range splitAt(s, ";") {
			if !open {
				at = place{app: true}
			}
			first := i == 0 && j == 0
			if c := colon(clause); c >= 0 {
				body := clause[c+1:]
				head, titled := place{}, false
				if first {
					head, titled = r.opening(clause[:c], body, len(splitAt(s, ";")) > 1 && len(body) > 0)
					r.titled = titled && len(r.title) > 0
				}
				if !titled {
					head = r.head(clause[:c], first)
				}
				if len(body) == 0 {
					at, open = head, true
					continue
				}
				if c2 := colon(body); c2 >= 0 {
					r.list(body[:c2], head, false)
					r.list(body[c2+1:], r.head(body[:c2], false), false)
					continue
				}
				r.list(body, head, false)
				continue
			}
			if first {
				if list, ok := r.titledList(clause); ok {
					r.list(list, place{app: true, kinds: true}, false)
					continue
				}
			}
			r.list(clause, at, first)
		}
	}
}

// list reads the items of a list one after the other; an item may open a list of its own.
func (r *reader) list(ts []token, at place, first bool) {
	for i, item := range items(ts) {
		at = r.item(item, at, first && i == 0)
	}
}

func (r *reader) item(ts []token, at place, first bool) place {
	if at.opts != nil && len(ts) > 0 && ts[0].is("a", "an", "the", "each") {
		at.opts = nil // "a status of open or closed, and a due date"
		at.app = at.thing == nil
	}
	if len(ts) > 3 && ts[0].is("for", "per") && ts[1].is("each", "every") {
		return r.each(ts[2:])
	}
	if len(ts) == 1 && ts[0].is("from", "to", "until") && (at.thing != nil || len(r.loose) > 0) {
		f := newField(ts[0].text, ts[0].en)
		r.addField(&f, at)
		return at
	}
	if at.opts != nil {
		ts = trimOption(ts)
	} else {
		ts = trimLead(ts)
	}
	if len(ts) > 2 && ts[0].is("belong", "belongs") && ts[1].is("to") {
		ts = trimLead(ts[2:])
	}
	ts = behindOf(ts)
	if len(ts) == 0 || len(ts) == 1 && ts[0].is("not") {
		return at
	}
	if v := ts[0]; len(ts) == 2 && verbs[v.en] && ts[1].is("them", "it") { // "earn points and spend them"
		return at
	}
	if i := question(ts); i >= 0 && at.opts == nil {
		if i > 0 {
			r.bare(ts[:i], at, first)
		}
		r.ask(ts[i:], at)
		return at
	}
	if open := slices.IndexFunc(ts, func(t token) bool { return t.is("(") }); open > 0 {
		return r.group(ts, open, at, first)
	}
	if at.thing != nil && at.opts == nil && lastVerb(ts) == 0 && (len(ts) != 2 || !r.fieldish(ts)) && r.lex.types[lemma(ts)].typ == "" && (!ambiguous[ts[0].en] || len(ts) > 1 && ts[1].is("a", "an", "the", "them", "it", "their")) {
		r.bare(ts, place{app: true}, false) // "recipes with ingredients, rate them": the list is over
		return place{app: true}
	}
	if r.impossible(ts) {
		return at
	}
	if len(ts) > 2 && at.opts == nil && ts[1].is("of", "either", "like") && selectish(ts[0].lemma) && !(ts[1].is("of") && kinds[ts[0].lemma] && len(ts) < 4) && !functional[ts[2].en] && r.template(ts[0].lemma) == nil && r.lex.types[lemma(ts)].typ == "" {
		f := newField(ts[0].text, ts[0].lemma)
		p := r.addField(&f, at)
		r.option(p, trimLead(ts[2:]))
		return place{thing: at.thing, app: at.app, opts: p}
	}
	if i, n := opener(ts); i > 0 && i+n < len(ts) {
		head := r.head(ts[:i], first)
		head.kinds = at.kinds
		if head.thing != nil || head.opts != nil || first || at.app {
			r.element(ts[i+n:], head)
			return head
		}
	}
	if at.app && at.opts == nil {
		return r.bare(ts, at, first)
	}
	r.element(ts, at)
	return at
}

// each reads "for each car I want make, model": the things of a list that follows.
func (r *reader) each(ts []token) place {
	np := r.nounPhrase(ts)
	if len(np) == 0 {
		return place{app: true}
	}
	at := place{thing: r.thing(np)}
	rest := ts[min(len(np), len(ts)):]
	for len(rest) > 0 && (rest[0].is("i", "we", "want", "need", "track", "store", "record", "have", "keep", "also", "to", "would", "like", "should", "be", "able", "log", "save", "see", ":", ",", "there", "is", "are") || rest[0].kind == punct) {
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return r.item(rest, at, false)
	}
	return at
}

// group reads "products (sku, name)", "a stage (lead, won, lost)", "weight (kg)".
func (r *reader) group(ts []token, open int, at place, first bool) place {
	end := closing(ts, open)
	inside := ts[open+1 : end]
	head := ts[:open]
	rest := ts[min(end+1, len(ts)):]
	if i, n := opener(head); i > 0 && i+n < len(head) { // "deals with a stage (lead, won)"
		at = r.head(head[:i], first)
		head = head[i+n:]
	}
	if v := lastVerb(head); v >= 0 && v+1 < len(head) { // "we log donations of food (item, quantity)"
		head = trimLead(head[v+1:])
	}
	np := r.nounPhrase(head)
	if len(np) == 0 {
		r.list(inside, at, false)
		return at
	}
	if t := r.asThing(np, at, inside); t != nil {
		t.listed = true
		r.list(inside, place{thing: t}, false)
		at = place{thing: at.thing, app: at.app, kinds: at.kinds}
	} else {
		r.property(head, inside, at)
	}
	if len(rest) > 0 {
		return r.item(rest, at, false)
	}
	return at
}

// asThing decides whether the words before a bracket name a thing with fields rather than a field with options.
func (r *reader) asThing(np []token, at place, inside []token) *thing {
	last := np[len(np)-1]
	noun := lemma(np)
	if len(inside) == 1 && inside[0].kind == alts { // "painted (yes/no)"
		return nil
	}
	if r.template(noun) == nil && (selectish(noun) && !last.plural || at.thing != nil && !last.plural) {
		return nil
	}
	if _, typed := r.lex.types[noun]; typed && r.template(noun) == nil && !last.plural {
		return nil
	}
	if (!last.plural || at.thing != nil) && !r.strong(inside) { // "roast (light, medium, dark)"
		return nil
	}
	fieldish, n := 0, 0
	for _, it := range items(inside) {
		n++
		if r.fieldish(trimLead(it)) {
			fieldish++
		}
	}
	if !last.plural && fieldish*2 < n || last.plural && fieldish == 0 && (selectish(noun) || at.thing != nil) {
		return nil
	}
	if n == 1 && fieldish == 0 {
		return nil
	}
	return r.thing(np)
}

// strong reports whether a list holds what can only be a field: a name, a date, a number, an address.
func (r *reader) strong(list []token) bool {
	return slices.ContainsFunc(items(list), func(it []token) bool {
		it = trimLead(it)
		if len(it) == 0 {
			return false
		}
		f := newField(text(it), lemma(it))
		return f.firm && f.Type != spec.Text && f.Type != spec.Select || r.fieldWord(it) || r.template(lemma(it)) != nil
	})
}

// fieldish reports whether an item reads like the name of a field.
func (r *reader) fieldish(ts []token) bool {
	if len(ts) == 0 {
		return false
	}
	f := newField(text(ts), lemma(ts))
	return f.firm || selectish(lemma(ts)) || slices.ContainsFunc(ts, func(t token) bool { return t.kind == alts })
}

// aside reads what stands behind the app's own noun phrase: "an app for clubs to record matches and players".
func (r *reader) aside(ts []token) {
	for i, t := range ts {
		if t.is("where", "that", "so") {
			r.list(ts[i+1:], place{app: true}, false)
			return
		}
	}
}

// numeric reports whether a noun names a number: its plural is no thing ("sets", "reps", "servings").
func numeric(noun string) bool {
	t, ok := vocabulary().types[noun]
	return ok && (t.typ == spec.Integer || t.typ == spec.Decimal || t.typ == spec.Lines || t.typ == spec.LongText)
}

// clause reads "patients book a slot", "log hours per project", "guests say yes/no".
func (r *reader) clause(ts []token, v int, at place) place {
	verb, object := ts[v], trimLead(ts[v+1:])
	if subject := r.nounPhrase(ts[:v]); len(subject) > 0 {
		r.mention(subject, true)
		if verb.is("say", "says", "tell", "tells", "give", "enter", "fill", "answer", "choose", "set", "sets", "bring") {
			p := place{}
			if t := r.template(lemma(subject)); t != nil {
				p.thing = r.thing(subject)
				if np := r.nounPhrase(object); len(np) > 0 && t != r.arch.mainEntity() && r.arch.mainEntity().has(lemma(np)) {
					p.thing = nil // "donors give an amount": the amount of the donation
				}
			}
			if r.hasNoun(object) || slices.ContainsFunc(object, func(t token) bool { return t.kind == alts }) {
				r.element(object, p)
			}
			return place{thing: p.thing, app: p.thing == nil}
		}
	}
	switch np := r.nounPhrase(object); {
	case verb.is("rate") && len(np) > 0 && (r.fieldish(np) || r.arch != nil && r.arch.mainEntity().has(lemma(np))): // "rate my mood from 1 to 10"
		r.element(object, place{})
		return at
	case verb.is("vote", "upvote", "approve", "comment", "review", "rate", "assign"):
		r.wants[verb.lemma] = true
	case verb.is("email", "text", "notify"):
		r.wants["send"] = true
		return at
	}
	if verb.is("set", "sets") {
		r.element(object, place{})
		return at
	}
	object = behindOf(object)
	np := r.nounPhrase(object)
	if len(np) == 0 {
		return at
	}
	noun := lemma(np)
	if c := r.lex.classOf(noun); (c == "place" || c == "organization") && verb.is("run", "own", "manage", "coach", "have") && !np[len(np)-1].plural && r.template(noun) == nil {
		r.setTitle(np) // "I run a small cat hotel"
		return at
	}
	if n := bookings[verb.lemma]; n != "" && v > 0 && r.template(n) == nil && r.arch == nil { // "members book a court"
		if subject := r.nounPhrase(ts[:v]); len(subject) > 0 && r.lex.classOf(lemma(subject)) == "person" && np[0].text == object[0].text {
			r.thing(subject)
			if n := len(r.title); n > 0 && r.title[n-1].lemma == noun { // "parking spots; employees reserve a spot"
				np = r.title
			}
			r.thing(np)
			r.thing([]token{{kind: word, text: n, en: n, lemma: n}})
			return at
		}
	}
	if r.isApp(np) && r.template(noun) == nil {
		if len(r.title) == 0 {
			r.setTitle(np)
		}
		r.aside(object)
		return at
	}
	if r.arch != nil && r.template(noun) == nil && r.lex.classOf(noun) == "" && r.arch.score >= 12 {
		return at // "I write a few lines a day"
	}
	if keepVerbs[verbBase(verb.en)] || r.template(noun) != nil {
		if !r.fieldish(np) || r.template(noun) != nil || np[len(np)-1].plural && r.lex.classOf(noun) != "" {
			r.mention(np, false)
		} else if keepVerbs[verbBase(verb.en)] {
			r.element(object, place{})
		}
	}
	return at
}
