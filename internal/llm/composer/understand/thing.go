package understand

import (
	"slices"
	"strings"
)

// mention notes a thing without fields. A subject is kept only if the archetype knows it: in "members propose
// books" the members are the people who sign in.
func (r *reader) mention(np []token, subject bool) {
	noun := lemma(np)
	if t := r.template(noun); t == nil && (subject || actors[noun]) {
		return
	}
	if subject && (noun == "person" || noun == "user" || noun == "everyone" || noun == "other") {
		return
	}
	if actors[np[len(np)-1].en] && len(np) == 1 && subject && !r.core(noun) {
		return
	}
	r.thing(np)
}

// core reports whether the archetype keeps the noun under its own name even though it also names users.
func (r *reader) core(noun string) bool {
	t := r.template(noun)
	return t != nil && t.when == nil
}

// thing returns the thing of that noun, new if it was not mentioned before.
func (r *reader) thing(np []token) *thing {
	np = slices.Clone(np)
	for len(np) > 1 && adjectives[np[0].en] {
		np = np[1:]
	}
	noun := lemma(np)
	tmpl := r.template(noun)
	for _, t := range r.things {
		if t.noun == noun {
			return t
		}
		if tmpl != nil && t.tmpl == tmpl {
			if a, b := r.lex.classOf(t.noun), r.lex.classOf(noun); a == b || a == "" || b == "" || noun == lemmaOf(tmpl.name) {
				return t
			}
			tmpl = nil // "contacts, companies": two things, though an archetype keeps them as one
		}
	}
	t := &thing{label: np, noun: noun, tmpl: tmpl}
	r.things = append(r.things, t)
	return t
}

// template returns the archetype's entity of that noun.
func (r *reader) template(noun string) *template {
	if r.arch == nil {
		return nil
	}
	for _, t := range r.arch.entities {
		if t.named(noun) {
			return t
		}
	}
	if m := lemma(r.mod); m != "" {
		for _, t := range r.arch.entities {
			if slices.Contains(t.aka, "{x}") && (noun == m || noun == m+" "+lemmaOf(t.name)) {
				return t
			}
		}
	}
	if i := strings.Index(noun, " "); i > 0 && len(r.things) < 40 { // "wedding guest" is a guest
		for _, t := range r.arch.entities {
			if t.named(noun[i+1:]) && (r.lex.nouns[noun] == "" || r.lex.nouns[noun] == r.lex.nouns[noun[i+1:]]) && !strings.Contains(noun[i+1:], " ") {
				if slices.ContainsFunc(r.things, func(x *thing) bool { return x.tmpl == t && x.noun != noun }) {
					return nil
				}
				return t
			}
		}
	}
	return nil
}

// isApp reports whether a noun phrase names the app rather than something in it.
func (r *reader) isApp(np []token) bool {
	noun := lemma(np)
	if r.template(noun) != nil {
		return false
	}
	last := np[len(np)-1]
	if appNouns[last.lemma] && (len(np) > 1 || r.lex.classOf(noun) == "" || last.is("app", "site", "tool", "page")) && !last.plural {
		return true
	}
	if r.arch != nil {
		for _, p := range r.arch.match {
			if noun == p || strings.HasSuffix(noun, " "+p) || strings.HasPrefix(noun, p+" ") && r.lex.classOf(noun) == "" {
				return true
			}
		}
	}
	return false
}

// impossible reports whether an item asks for something that the Composer cannot build: it is told, not kept as data.
func (r *reader) impossible(ts []token) bool {
	if len(ts) > 4 {
		return false
	}
	for _, c := range r.lex.cannot {
		for _, w := range c.words {
			if find(ts, w) >= 0 && r.template(w) == nil && (strings.Contains(w, " ") || len(ts) <= 3) {
				return true
			}
		}
	}
	return false
}
