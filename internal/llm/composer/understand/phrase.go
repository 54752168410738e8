package understand

import (
	"slices"
	"strings"
)

// splitAt splits outside of brackets.
func splitAt(ts []token, sep string) [][]token {
	var out [][]token
	depth, start := 0, 0
	for i, t := range ts {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth = max(0, depth-1)
		case depth == 0 && t.is(sep):
			if i > start {
				out = append(out, ts[start:i])
			}
			start = i + 1
		}
	}
	if start < len(ts) {
		out = append(out, ts[start:])
	}
	return out
}

// items splits a list at its commas and conjunctions.
func items(ts []token) [][]token {
	var out [][]token
	depth, start := 0, 0
	for i, t := range ts {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth = max(0, depth-1)
		case depth == 0 && t.is(",", ";", "and", "or", "&", "+", "plus"):
			if i > start {
				out = append(out, ts[start:i])
			}
			start = i + 1
		}
	}
	if start < len(ts) {
		out = append(out, ts[start:])
	}
	return out
}

// colon returns the first colon outside of brackets, or -1.
func colon(ts []token) int {
	depth := 0
	for i, t := range ts {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth <= 0 && t.is(":") && i > 0:
			return i
		}
	}
	return -1
}

// closing returns the index of the bracket that closes the one at open, or the end.
func closing(ts []token, open int) int {
	depth := 0
	for i := open; i < len(ts); i++ {
		if ts[i].is("(") {
			depth++
		} else if ts[i].is(")") {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(ts)
}

// trimLead drops articles, fillers and punctuation from the front, and punctuation from the end.
func trimLead(ts []token) []token {
	for len(ts) > 0 && (ts[0].kind == punct && !ts[0].is("(") || ts[0].is("a", "an", "the", "each", "every", "all", "any", "some", "also", "then", "my", "our", "your", "their",
		"his", "her", "its", "please", "just", "so", "that", "plus", "both", "and", "or", "with", "including", "includes", "maybe", "ideally", "optionally", "of", "various",
		"different", "multiple", "several", "many", "me", "these", "those", "following", "about", "own", "on", "for", "to")) {
		ts = ts[1:]
	}
	for len(ts) > 0 && ts[len(ts)-1].kind == punct && !ts[len(ts)-1].is(")") {
		ts = ts[:len(ts)-1]
	}
	return ts
}

// trimOption is trimLead for a choice, whose first word may be a preposition: "to do", "on hold", "for sale".
func trimOption(ts []token) []token {
	for len(ts) > 1 && (ts[0].kind == punct && !ts[0].is("(") || ts[0].is("a", "an", "the", "and", "or", "either")) {
		ts = ts[1:]
	}
	if len(ts) > 1 && ts[0].is("to", "on", "for", "in", "not", "no", "all", "own") {
		for ts[len(ts)-1].kind == punct && len(ts) > 1 {
			ts = ts[:len(ts)-1]
		}
		return ts
	}
	return trimLead(ts)
}

// question returns where an indirect question begins: "who owns them", "whether it is paid", "how much it costs".
func question(ts []token) int {
	for i, t := range ts {
		switch {
		case t.is("who", "whose", "what", "what's", "who's", "where's", "whether", "why"),
			t.is("if", "when", "where", "which") && (i == 0 || ts[i-1].is("see", "know", "track", "record", "note", "remember", "show", "of", "also", "log")),
			t.is("how") && i+1 < len(ts) && (i == 0 && len(ts) < 6 || ts[i+1].is("much", "many", "long", "often", "old", "far", "well", "good", "big", "heavy")):
			if i > 0 && t.is("who") && !ts[i-1].is("see", "know", "track", "record", "of", "and", "also", "log", "note", "show") {
				continue // a relative clause
			}
			return i
		case t.is("(", "remind", "warn", "notify", "alert"):
			return -1
		}
	}
	return -1
}

// opener returns where "with", "has", "including" ... opens a list, and how many words it takes.
func opener(ts []token) (int, int) {
	for i, t := range ts {
		if i == 0 {
			continue
		}
		if t.is("(") {
			return -1, 0
		}
		if t.is("with", "has", "have", "having", "including", "includes", "include", "contains", "contain", "containing", "featuring", "consisting", "need", "needs", "stores", "store") {
			if t.is("need", "needs", "store", "stores", "have") && (ts[i-1].is("i", "we", "to", "should", "they", "you", "app", "would") || i+1 < len(ts) && ts[i+1].is("to")) {
				continue
			}
			n := 1
			for i+n < len(ts) && ts[i+n].is("a", "an", "the", "of", "their", "its", "at", "least") {
				n++
			}
			return i, n
		}
		if i+2 < len(ts) && t.is("can", "should", "must") && ts[i+1].is("have", "be") && !ts[i+2].is("able") {
			return i, 2
		}
	}
	return -1, 0
}

// lastVerb returns the last verb of a fragment, or -1. Words that are also nouns count as verbs only behind a
// subject or at the front, and with an object.
func lastVerb(ts []token) int {
	at := -1
	for i, t := range ts {
		if t.kind != word {
			if t.is("(") {
				break
			}
			continue
		}
		base := verbBase(t.en)
		if !verbs[base] && !ambiguous[base] && !keepVerbs[base] {
			if i == 0 || !verbs[t.lemma] || !actors[ts[i-1].en] {
				continue
			}
		}
		if ambiguous[base] || keepVerbs[base] && !verbs[base] {
			if !actsAsVerb(ts, i) {
				continue
			}
		}
		if i > 0 && ts[i-1].is("a", "an", "the", "of", "my", "our", "each", "per") && !ts[i-1].is("to") {
			continue // a noun
		}
		if at >= 0 && i > 0 && functional[ts[i-1].en] && !ts[i-1].is("to", "and", "can", "could", "should", "will", "i", "we", "they", "you", "who", "people", "that", "for") {
			break // behind a preposition: part of the object's description
		}
		at = i
	}
	return at
}

// verbBase returns the verb of a gerund that asks for something to be kept: "tracking" is "track", "managing" "manage".
func verbBase(w string) string {
	stem, ok := strings.CutSuffix(w, "ing")
	if !ok || len(stem) < 3 {
		return w
	}
	for _, v := range []string{stem, stem + "e", stem[:len(stem)-1]} {
		if keepVerbs[v] && (verbs[v] || v == stem) && v != "train" && v != "teach" && v != "report" && v != "invoice" {
			return v
		}
	}
	return w
}

// actsAsVerb decides about a word that is also a noun.
func actsAsVerb(ts []token, i int) bool {
	if i+1 >= len(ts) {
		return i > 0 && (actors[ts[i-1].en] || ts[i-1].is("to", "can"))
	}
	next := ts[i+1]
	if i == 0 && ts[0].is("track", "manage", "organize", "organise") && next.kind == word && !appNouns[next.en] {
		return true
	}
	if i+2 < len(ts) && adjectives[next.en] {
		next = ts[i+2]
	}
	if i > 0 && (ts[i-1].is("to", "can", "could", "should", "i", "we", "they", "you", "will", "me", "us", "and", "let") || actors[ts[i-1].en]) {
		return next.kind == word || next.kind == alts
	}
	if i > 0 && ts[i-1].plural && !functional[ts[i-1].en] {
		return next.is("a", "an", "the", "their", "his", "her", "its", "my", "our", "them", "it") || next.is("for") && !appNouns[ts[i].lemma] || next.plural
	}
	if i > 0 {
		return false
	}
	if next.is("a", "an", "the", "my", "our", "their", "your", "which", "what", "who", "how", "for", "all", "every", "each", "them", "it", "on") {
		return true
	}
	return next.plural && !appNouns[next.lemma] || i+2 < len(ts) && ts[i+2].plural && next.kind == word && !functional[next.en]
}

// nounPhrase returns the first run of nouns of a fragment, without adjectives in front.
func (r *reader) nounPhrase(ts []token) []token {
	start := -1
	for i, t := range ts {
		usable := t.kind == word && !functional[t.en]
		switch {
		case usable && start < 0:
			if adjectives[t.en] && i+1 < len(ts) && ts[i+1].kind == word && !functional[ts[i+1].en] {
				continue
			}
			start = i
		case !usable && start >= 0:
			return r.trimNoun(ts[start:i])
		}
	}
	if start < 0 {
		return nil
	}
	return r.trimNoun(ts[start:])
}

// trimNoun cuts a run that grew too long: nobody names a thing with five words.
func (r *reader) trimNoun(np []token) []token {
	for i := 1; i < len(np); i++ { // "exercises assigned to a patient"
		if np[i-1].plural && strings.HasSuffix(np[i].en, "ed") && r.lex.classOf(np[i-1].lemma) != "" {
			np = np[:i]
		}
	}
	if len(np) > 4 {
		np = np[:4]
	}
	for len(np) > 1 && (verbs[np[len(np)-1].en] && !ambiguous[np[len(np)-1].en]) {
		np = np[:len(np)-1]
	}
	return np
}

// stripApp drops the nouns that name the app and the adjectives in front: "simple llama grooming tracker" keeps "llama grooming".
func stripApp(np []token) []token {
	np = slices.Clone(np)
	for len(np) > 0 && appNouns[np[len(np)-1].lemma] && !np[len(np)-1].plural {
		np = np[:len(np)-1]
	}
	for len(np) > 0 && adjectives[np[0].en] {
		np = np[1:]
	}
	return np
}
