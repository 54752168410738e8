package understand

import (
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// agents are the nouns for who does something: "who owns them" asks for the owner.
var agents = map[string]string{
	"own": "owner", "borrow": "borrower", "borrowed": "borrower", "pay": "paid by", "paid": "paid by", "bring": "brought by", "brought": "brought by", "order": "ordered by",
	"ordered": "ordered by", "do": "done by", "did": "done by", "write": "author", "wrote": "author", "send": "sender", "sent": "sender", "buy": "buyer", "bought": "buyer",
	"responsible": "responsible", "assigned": "assignee", "report": "reported by", "reported": "reported by", "attend": "attendees", "come": "attendees", "coming": "attendees",
	"give": "given by", "gave": "given by", "make": "made by", "made": "made by", "teach": "teacher", "taught": "teacher", "drive": "driver", "driving": "driver", "win": "winner", "won": "winner", "took": "taken by", "take": "taken by", "taken": "taken by", "play": "player", "suggested": "suggested by",
}

// ask turns an indirect question into a field.
func (r *reader) ask(ts []token, at place) {
	rest := ts[1:]
	var label, english string
	typ := spec.Text
	unit := ""
	switch q := ts[0]; {
	case q.is("which") && len(rest) > 0:
		np := r.nounPhrase(rest)
		if len(np) > 0 {
			for i, t := range np { // "which bikes came in" is about bikes
				if i > 0 && verbs[t.en] {
					np = np[:i]
					break
				}
			}
			if np[len(np)-1].plural && at.thing == nil {
				r.mention(np, false)
				return
			}
			f := newField(text(np), lemma(np))
			r.extra(&f, at)
		}
		return
	case q.is("who", "whose", "who's"):
		label = "person"
		for _, t := range rest {
			if a, ok := agents[strings.TrimSuffix(t.lemma, "'")]; ok {
				label = a
				break
			}
		}
	case q.is("what", "what's"):
		label, english, typ = r.what(rest)
	case q.is("whether", "if"):
		label, typ = predicate(rest), spec.Boolean
	case q.is("when", "when's"):
		label, typ = predicate(rest), spec.Date
		if label == "" || label == "is" {
			label = "date"
		} else if !strings.Contains(label, " ") && label != "due" {
			label += " on"
		}
		if strings.HasSuffix(label, "due") {
			label = "due date"
		}
	case q.is("where", "where's"):
		label = "location"
	case q.is("why"):
		label, typ = "reason", spec.LongText
	case q.is("how") && len(rest) > 0:
		label, typ, unit = r.how(rest)
	}
	if label == "" {
		return
	}
	if english == "" {
		english = label
	}
	f := newField(label, english)
	f.firm = true
	if f.Type == spec.Text || typ != spec.Text || ts[0].is("who", "whose", "who's") {
		f.Type, f.Unit, f.Options = typ, unit, nil
	}
	r.extra(&f, at)
}

// what reads "what's wrong with them", "what it'll cost", "what size they need".
func (r *reader) what(rest []token) (label, english string, typ spec.FieldType) {
	for _, t := range rest {
		switch {
		case t.is("wrong", "broken", "problem"):
			return "problem", "problem", spec.LongText
		case t.is("cost", "costs", "charge", "price", "worth", "pay", "paid", "owe", "owes", "charged"):
			if t.is("owe", "owes") {
				return "amount owed", "amount owed", spec.Money
			}
			return "cost", "cost", spec.Money
		}
	}
	np := r.nounPhrase(rest)
	if len(np) > 0 && len(rest) > 0 && np[0].text == rest[0].text && !verbs[np[0].en] { // "what size they need"
		f := newField(text(np), lemma(np))
		return text(np), lemma(np), f.Type
	}
	if p := predicate(rest); p != "" && slices.ContainsFunc(rest, func(t token) bool { return t.is("done") || strings.HasSuffix(t.en, "ed") }) {
		return "what was " + p, "note", spec.LongText
	}
	return "description", "description", spec.LongText
}

// how reads "how many people", "how much it costs", "how long it takes".
func (r *reader) how(rest []token) (label string, typ spec.FieldType, unit string) {
	tail := rest[1:]
	np := r.nounPhrase(tail)
	switch rest[0].en {
	case "many":
		if len(np) > 0 {
			label = text(np)
			if np[len(np)-1].is("people", "person", "persons", "guests") {
				label = "number of " + label
			}
			return label, spec.Integer, ""
		}
		return "quantity", spec.Integer, ""
	case "much":
		if len(np) > 0 && len(tail) > 0 && np[0].text == tail[0].text && !verbs[np[0].en] {
			if f := newField(text(np), lemma(np)); f.firm {
				return text(np), f.Type, f.Unit
			}
			return text(np) + " amount", spec.Decimal, ""
		}
		for _, t := range tail {
			if t.is("weigh", "weighs", "weighed") {
				return "weight", spec.Decimal, ""
			}
			if t.is("owe", "owes", "owed") {
				return "amount owed", spec.Money, ""
			}
		}
		return "cost", spec.Money, ""
	case "long":
		return "duration", spec.Integer, "min"
	case "often":
		return "frequency", spec.Text, ""
	case "old":
		return "age", spec.Integer, ""
	case "far":
		return "distance", spec.Decimal, "km"
	case "well", "good":
		return "rating", spec.Rating, ""
	case "heavy":
		return "weight", spec.Decimal, ""
	case "big", "large", "tall":
		return "size", spec.Text, ""
	default:
		for _, t := range rest {
			if t.is("feel", "felt", "feeling") {
				return "feeling", spec.Text, ""
			}
		}
		return "", spec.Text, ""
	}
}

// predicate keeps what a question says about its subject: "we've called the customer back" keeps "called customer back".
func predicate(ts []token) string {
	var out []string
	for i, t := range ts {
		if i > 0 && t.is("with", "for", "so") {
			break
		}
		if t.kind != word || functional[t.en] && !t.is("back", "up", "out", "off") || t.is("been", "got", "already", "yet", "still", "ever", "last") && len(ts) < 3 || strings.Contains(t.en, "'") {
			continue
		}
		out = append(out, strings.ToLower(t.text))
		if len(out) == 4 {
			break
		}
	}
	return strings.Join(out, " ")
}

// extra adds a field next to those of an archetype instead of in their place.
func (r *reader) extra(f *field, at place) {
	f.asked = true
	list := &r.loose
	if at.thing != nil {
		list = &at.thing.fields
	}
	if !slices.ContainsFunc(*list, func(h *field) bool { return h.key == f.key }) {
		*list = append(*list, f)
	}
}

// wishes are words of features that are no data of their own.
var wishes = set(`search login auth authentication dashboard leaderboard streak streaks pagination filter filters sorting export csv excel pdf print notification notifications reminder
	reminders roadmap dark statistics stats overview signup chat upload uploads report reports graph graphs chart charts plot history analytics mode password register accounts account
	login's public view views total totals signin sign roles`)

// wish recognises an item that asks for a feature rather than for data, and notes it.
func (r *reader) wish(ts []token, app bool) bool {
	if np := r.nounPhrase(ts); len(np) > 0 && r.template(lemma(np)) != nil {
		return false
	}
	hit := ""
	for _, t := range ts {
		if t.is("with", "(") {
			break
		}
		if wishes[t.en] && (app || !t.is("total", "totals", "account", "report", "history", "print", "view", "sign", "register")) {
			hit = t.lemma
			break
		}
		if t.is("vote", "votes", "voting", "upvote", "upvotes", "upvoting", "like", "likes") && (len(ts) <= 2 || t.is("upvote", "voting")) && t.kind == word && !functional[t.en] {
			r.wants["vote"] = true
			return len(ts) <= 3
		}
		if t.is("comment", "comments") && len(ts) == 1 {
			r.wants["comment"] = true
			return false
		}
	}
	switch hit {
	case "":
		return len(ts) > 1 && ts[0].is("overdue", "low", "no")
	case "chart", "graph", "plot", "report", "total", "statistic", "stat":
		c := chart{what: lemma(ts)}
		for i, t := range ts {
			if t.is("by", "per") && i+1 < len(ts) {
				c.by = lemma(r.nounPhrase(ts[i+1:]))
			}
		}
		if find(ts, "over time") >= 0 || find(ts, "monthly") >= 0 || find(ts, "per month") >= 0 || find(ts, "by month") >= 0 {
			c.by = "month"
		}
		if hit != "total" || c.by != "" || find(ts, "monthly") >= 0 {
			r.charts = append(r.charts, c)
		}
	}
	r.wants[hit] = true
	return true
}
