package understand

import (
	"slices"
	"strings"
	"unicode"
)

// Most people open with what they want and go on with a list: "Rowing club: boats with a name, members, outings".
// This file reads the words before the list: they name the app, or the one kind of thing that the list describes.

// plainApp are nouns that say that something is software; the others ("log", "directory", "board") belong to its name.
var plainApp = set(`app application tool site website webapp web-app page platform software program system database db solution service mvp prototype
	portal interface spa backend frontend helper something thing`)

// metaHeads introduce a list without naming anything: "Features:", "I need the following tables:".
var metaHeads = set(`feature requirement functionality function field entity screen page section module view scope spec specification need must
	want wish description overview summary detail data column attribute information info following option`)

// collectors stand before what is collected: "a record of medicines" is about medicines.
var collectors = set("record track list log overview collection inventory database db catalog catalogue register archive directory tracker bunch lot")

// behindOf skips a collector: "a record of medicines" keeps "medicines".
func behindOf(ts []token) []token {
	for i := 0; i < 2 && i+2 < len(ts); i++ {
		if collectors[ts[i].lemma] && ts[i+1].is("of") && (i == 0 || ts[0].is("a", "the", "my", "our")) {
			return trimLead(ts[i+2:])
		}
	}
	return ts
}

// opening reads the words before the first colon of a prompt. ok is false when they are no title: then the grammar
// reads them as the head of any other list.
func (r *reader) opening(head, body []token, more bool) (at place, ok bool) {
	head = leadIn(head)
	if i, _ := opener(head); i > 0 {
		return place{}, false
	}
	np := r.nounPhrase(behindOf(head))
	if len(np) == 0 || r.fieldWord(np) {
		return place{}, false
	}
	if len(np) == 1 && metaHeads[np[0].lemma] && (np[0].plural || np[0].is("must", "scope", "overview")) {
		return place{app: true}, true
	}
	var tool []token
	if len(stripApp(np)) == 0 { // "a tracker for PhD applications": what it tracks stands behind
		if i := slices.IndexFunc(head, func(t token) bool { return t.is("for", "of", "to") }); i > 0 {
			of := r.nounPhrase(head[i+1:])
			if v := lastVerb(head); v > i && v+1 < len(head) { // "an app for our street to organise a party"
				of = r.nounPhrase(head[v+1:])
			}
			if len(of) > 1 && actors[of[0].en] { // "for my kids' vaccinations"
				of = of[1:]
			}
			if len(of) > 0 && !actors[of[0].en] {
				for len(of) > 1 && verbBase(of[0].en) != of[0].en { // "for logging migraines"
					of = of[1:]
				}
				if n := len(of); i+1+n+1 < len(head) && head[i+1+n].kind == number { // "for type 1 diabetes"
					if rest := r.nounPhrase(head[i+n+2:]); len(rest) > 0 {
						of = rest
					}
				}
				tool = np[len(np)-1:]
				np = of
			}
		}
	}
	described := more || r.describes(body)
	plurals, total := 0, 0
	for _, it := range items(body) {
		if it = trimLead(it); len(it) > 0 {
			total++
			if p := r.nounPhrase(it); len(p) > 0 && p[len(p)-1].plural && !r.fieldish(it) {
				plurals++
			}
		}
	}
	if tool == nil && np[len(np)-1].plural && !r.isApp(np) && !r.describes(body) && plurals*2 <= total {
		if total > 2 && !appNouns[np[len(np)-1].lemma] && r.arch != nil && r.template(lemma(np)) == nil {
			return place{thing: r.thing(np)}, true
		}
		return place{}, false // "clients: name, phone": the one thing of the app
	}
	if tmpl := r.template(lemma(np)); tmpl != nil && !described && plurals*2 <= total {
		return place{}, false
	}
	r.setTitle(np)
	if len(tool) > 0 && !plainApp[tool[0].lemma] && len(r.headline) > 0 { // a tracker for X is an X tracker
		r.headline = append(slices.Clone(r.headline), tool[0])
	}
	if described || plurals*2 > total {
		return place{app: true, kinds: true}, true
	}
	if len(r.title) > 0 && total > 2 && (r.arch == nil || r.template(lemma(r.title)) != nil) {
		if day := items(body)[0]; r.lex.classOf(lemma(r.title)) != "event" && r.lex.classOf(lemma(r.title)) != "record" && len(day) == 1 && day[0].is("date", "day") && len(r.headline) > len(r.title) {
			return place{thing: r.thing(entryTokens)}, true // "a dashboard for my solar panels: date, kwh"
		}
		return place{thing: r.thing(r.entryOf())}, true
	}
	return place{app: true}, true
}

// titledList reads "a music school with teachers, pupils and lessons": the words before "with" are the title, and the
// list names the things.
func (r *reader) titledList(clause []token) (list []token, ok bool) {
	i, n := opener(clause)
	if i <= 0 || i+n >= len(clause) || slices.ContainsFunc(clause[:i], func(t token) bool { return t.is(",", "(") }) {
		return nil, false
	}
	np := r.nounPhrase(behindOf(leadIn(clause[:i])))
	if len(np) == 0 || np[len(np)-1].plural || r.template(lemma(np)) != nil {
		return nil, false
	}
	if c := r.lex.classOf(lemma(np)); c != "organization" && c != "place" {
		return nil, false
	}
	plurals, total := 0, 0
	for _, it := range items(clause[i+n:]) {
		if p := r.nounPhrase(trimLead(it)); len(p) > 0 {
			total++
			if p[len(p)-1].plural && !numeric(lemma(p)) {
				plurals++
			}
		}
	}
	if total < 2 || plurals*2 <= total {
		return nil, false
	}
	r.setTitle(np)
	r.titled = len(r.title) > 0
	return clause[i+n:], true
}

// leadIn drops what stands before the name of the app, "we need something to handle", and what explains it, "where
// people find each other".
func leadIn(ts []token) []token {
	for i, t := range ts {
		if i > 0 && t.is("where", "which", "that", "so", "because", "who") {
			ts = ts[:i]
			break
		}
	}
	for len(ts) > 1 && (functional[ts[0].en] || ts[0].kind == punct || verbs[ts[0].en] && !ambiguous[ts[0].en] || verbBase(ts[0].en) != ts[0].en ||
		(ambiguous[ts[0].en] || keepVerbs[ts[0].en]) && actsAsVerb(ts, 0)) {
		ts = ts[1:]
	}
	for i, t := range ts {
		if i > 0 && t.is("login") { // "visitor sign in"
			return ts[:i]
		}
	}
	return ts
}

// setTitle keeps what the app is called by its first words.
func (r *reader) setTitle(np []token) {
	if len(r.title) > 0 {
		return
	}
	r.title = stripApp(np)
	r.headline = slices.Clone(np)
	for len(r.headline) > 1 && adjectives[r.headline[0].en] {
		r.headline = r.headline[1:]
	}
	for len(r.headline) > 0 && plainApp[r.headline[len(r.headline)-1].lemma] {
		r.headline = r.headline[:len(r.headline)-1]
	}
}

// journals are names of books in which one writes: what they keep are entries.
var journals = set("log logbook diary journal logger recorder")

var entryTokens = []token{{kind: word, text: "entry", en: "entry", lemma: "entry"}}

// entryOf returns the noun for a row of an app that is known by its title: that of a "fishing log" is an entry.
func (r *reader) entryOf() []token {
	if n := len(r.headline); n > 0 && journals[r.headline[n-1].lemma] && len(r.title) > 0 && !r.title[len(r.title)-1].plural {
		if c := r.lex.classOf(lemma(r.title)); (c == "" || c == "person" || c == "collectible" || c == "product") && r.template(lemma(r.title)) == nil {
			return entryTokens
		}
	}
	return r.title
}

// describes reports whether a list names things with fields of their own: "boats with a name; members (phone, email)".
func (r *reader) describes(body []token) bool {
	if colon(body) >= 0 {
		return true
	}
	for _, it := range items(body) {
		it = trimLead(it)
		if i, n := opener(it); i > 0 && i+n < len(it) {
			if np := r.nounPhrase(it[:i]); len(np) > 0 && (np[len(np)-1].plural || !r.fieldish(np)) {
				return true
			}
		}
		open := slices.IndexFunc(it, func(t token) bool { return t.is("(") })
		if open > 0 {
			if np := r.nounPhrase(it[:open]); len(np) > 0 && np[len(np)-1].plural && !selectish(lemma(np)) && r.asFields(it[open+1:closing(it, open)]) {
				return true
			}
		}
	}
	return false
}

// asFields reports whether what stands in brackets are fields rather than options.
func (r *reader) asFields(inside []token) bool {
	n, hits := 0, 0
	for _, it := range items(inside) {
		n++
		if r.fieldish(trimLead(it)) {
			hits++
		}
	}
	return hits*2 >= n && n > 1
}

// fieldWord reports whether a noun phrase is the name of a field and of nothing else: a prompt may be a bare list of them.
func (r *reader) fieldWord(np []token) bool {
	noun := lemma(np)
	switch noun {
	case "name", "title", "date", "email", "phone", "price", "first name", "last name", "description", "amount", "status":
		return true
	}
	return false
}

// headlineName writes the opening words as a name: "Hotel Housekeeping Board", with acronyms as typed.
func headlineName(ts []token) string {
	var words []string
	for i, t := range ts {
		w := t.text
		upper := 0
		for _, c := range w {
			if unicode.IsUpper(c) {
				upper++
			}
		}
		if upper < 2 || len(w) > 5 {
			w = strings.ToLower(w)
		}
		if i > 0 && t.kind == punct {
			continue
		}
		words = append(words, w)
	}
	return titleCase(strings.Join(words, " "))
}
