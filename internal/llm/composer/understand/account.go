package understand

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// tenancyWords weigh who shares the app. Lemmas.
var tenancyWords = map[spec.Tenancy]map[string]int{
	spec.Team: {
		"team": 5, "staff": 5, "employee": 4, "colleague": 5, "coworker": 5, "co-worker": 5, "receptionist": 4, "librarian": 4, "flatmate": 5, "roommate": 5, "housemate": 5,
		"family": 4, "manager": 3, "department": 3, "crew": 3, "technician": 2, "mechanic": 2, "we": 3, "our": 3, "us": 2, "shop": 1, "clinic": 2, "studio": 2, "company": 1, "business": 2,
		"office": 2, "agency": 2, "household": 4, "nurse": 2, "two-person": 4, "partner": 1, "wife": 3, "husband": 3, "band": 2, "school": 1, "supervisor": 3, "volunteer": 1, "startup": 2, "teammate": 5, "dealership": 3, "charter": 2, "rescue": 2, "shelter": 2, "association": 3, "society": 2, "ngo": 3, "brigade": 3, "theatre": 2, "theater": 2,
		"choir": 3, "orchestra": 3, "kindergarten": 3, "hospital": 3, "practice": 2, "firm": 3, "centre": 2, "center": 2, "festival": 2, "museum": 3, "hotel": 2, "troop": 2, "rota": 3, "salon": 3, "bakery": 1,
		"sibling": 3, "brother": 2, "sister": 2, "tenant": 1, "workshop": 2,
	},
	spec.Community: {
		"community": 6, "vote": 4, "upvote": 4, "propose": 3, "forum": 5, "neighbour": 4, "neighbor": 4, "neighborhood": 4, "neighbourhood": 4, "everyone": 2, "anyone": 3, "member": 2,
		"club": 2, "person": 2, "user": 2, "public": 2, "leaderboard": 3, "multiplayer": 4, "share": 1, "fan": 2, "resident": 2, "classmate": 2, "group": 1, "village": 2,
	},
	spec.Personal: {"personal": 5, "private": 4, "myself": 4, "my": 2, "i": 1, "i'm": 1, "i've": 1, "me": 1},
}

// tenancy decides whose rows a person sees, by the words of the prompt and the habit of the domain.
func (b *builder) tenancy() spec.Tenancy {
	score := map[spec.Tenancy]int{}
	if b.arch != nil {
		score[b.arch.tenancy] += 4
	} else {
		score[spec.Personal] += 2
	}
	seen := map[string]bool{}
	for _, s := range b.sentences {
		for i, t := range s {
			if t.kind != word || seen[t.lemma] {
				continue
			}
			for ten, words := range tenancyWords {
				w, ok := words[t.lemma]
				if !ok || b.byNoun(t.lemma) != nil && (t.lemma == "member" || t.lemma == "employee" || t.lemma == "company" || t.lemma == "people" || t.lemma == "team") && i > 0 && !s[i-1].is("my", "our") {
					continue // rows of the app rather than its users
				}
				score[ten] += w
			}
			seen[t.lemma] = true
		}
	}
	if c := b.lex.classOf(lemma(b.title)); c == "organization" || c == "place" { // "sailing school", "tattoo studio"
		score[spec.Team] += 2
	}
	best := spec.Personal
	for _, t := range []spec.Tenancy{spec.Team, spec.Community} {
		if score[t] > score[best] {
			best = t
		}
	}
	return best
}

// identity names the app and says what it is for.
func (b *builder) identity(given string) {
	b.spec.Icon = "Sparkles"
	if b.main.Icon != "" {
		b.spec.Icon = b.main.Icon
	}
	if b.arch != nil {
		b.spec.Icon = b.arch.icon
	}
	b.spec.Tagline = "Keep track of your " + lowerFirst(b.main.LabelPlural) + "."
	if many := labels(b.spec.Entities); len(many) > 1 {
		b.spec.Tagline = sentenceCase(joinWords(many[:min(len(many), 4)], "and")) + " in one place."
	}
	if b.arch != nil && b.arch.line != "" {
		b.spec.Tagline = b.arch.line
	}
	if b.spec.Name = clip(given, 60); b.spec.Name == "" {
		b.spec.Name = b.title60()
	}
}

// title60 makes a name out of the prompt's own words.
func (b *builder) title60() string {
	if b.vague {
		return ideaBox
	}
	if b.lang != english {
		return clip(titleCase(b.main.LabelPlural), 60)
	}
	if len(b.headline) > 0 && (b.arch == nil || b.titled) {
		if len(b.headline) == 1 && len(b.title) == 1 && b.main.thing != nil && lemma(b.title) == b.main.noun {
			return clip(titleCase(b.main.LabelPlural), 60)
		}
		return clip(headlineName(b.headline), 60)
	}
	if b.arch == nil {
		return clip(titleCase(b.main.LabelPlural), 60)
	}
	owner := b.owner()
	name := b.arch.title
	x := titleCase(strings.ToLower(text(b.mod)))
	if t := b.template(lemma(b.mod)); owner != "" && (x == "" || t == nil || !slices.Contains(t.aka, "{x}")) {
		x = owner
	}
	if strings.Contains(name, "{m}") {
		name = strings.ReplaceAll(name, "{m}", titleCase(strings.ToLower(text(b.arch.at[b.arch.pos:b.arch.pos+b.arch.len]))))
	}
	switch {
	case strings.Contains(name, "{x}"):
		if x == "" && b.arch.key == "kanban" {
			x = "Kanban"
		}
		name = strings.TrimSpace(strings.ReplaceAll(name, "{x}", x))
	case owner != "" && (b.arch.key == "crm" || b.arch.key == "inventory" || b.arch.key == "tickets" || b.arch.key == "volunteer"):
		name = owner + " " + name
	}
	if words := strings.Fields(name); len(words) > 1 && words[len(words)-1] == words[len(words)-2] { // "Fuel Log Log"
		name = strings.Join(words[:len(words)-1], " ")
	}
	if name == "" || name == "Log" {
		name = titleCase(b.main.LabelPlural)
	}
	return clip(name, 60)
}

// owner is whom the app is for: "Design Studio" of "a CRM for a two-person design studio".
func (b *builder) owner() string {
	if len(b.sentences) == 0 {
		return ""
	}
	s := b.sentences[0]
	for i, t := range s {
		if !t.is("for") || i+2 >= len(s) || !s[i+1].is("a", "an", "my", "our", "the") {
			continue
		}
		np := b.nounPhrase(s[i+2:])
		for len(np) > 0 && adjectives[np[0].en] {
			np = np[1:]
		}
		if len(np) == 0 || len(np) > 3 || b.byNoun(lemma(np)) != nil || functional[np[0].en] {
			return ""
		}
		if v := lastVerb(np); v >= 0 {
			return ""
		}
		return titleCase(strings.ToLower(text(np)))
	}
	return ""
}

// account writes what the person is told.
func (b *builder) account(given string) {
	var understood, assumed []string
	for i := range b.entities {
		e := b.entities[i]
		if e.thing != nil || e == b.main && b.arch != nil {
			understood = append(understood, fmt.Sprintf("%s, with %s.", e.LabelPlural, fieldWords(e)))
		} else if !b.vague {
			assumed = append(assumed, fmt.Sprintf("%s are kept too, with %s.", e.LabelPlural, fieldWords(e)))
		}
		for _, f := range e.fields {
			if f.chosen && len(f.Options) > 0 {
				understood = append(understood, fmt.Sprintf("%s of %s: %s.", f.Label, lowerFirst(e.LabelPlural), optionWords(f.Options)))
			}
		}
		for _, a := range e.Actions {
			if s := actionWords(a, e); s != "" {
				understood = append(understood, s)
			}
		}
	}
	if len(b.said) > 0 {
		understood = append(understood, "Colours: "+strings.Join(b.said, ", ")+".")
	}
	for _, c := range b.charts {
		if slices.ContainsFunc(b.spec.Dashboard, func(w spec.Widget) bool { return w.Kind == spec.Chart }) {
			understood = append(understood, sentenceCase(strings.TrimSpace(c.what))+" on the dashboard.")
			break
		}
	}
	if b.vague {
		assumed = append(assumed, "The text does not say what the app should keep, so it starts as a list of ideas. Tell me what it is for, and I change it.")
	}
	switch b.spec.Tenancy {
	case spec.Team:
		assumed = append(assumed, "Everyone who is invited to the workspace sees and edits the same data.")
	case spec.Community:
		assumed = append(assumed, "Everyone who signs up sees everything and changes only their own entries.")
	default:
		assumed = append(assumed, "Everyone who signs up sees only their own data.")
	}
	for _, e := range b.entities {
		switch e.Public {
		case spec.PublicRead:
			assumed = append(assumed, e.LabelPlural+" can be read without signing in.")
		case spec.PublicSubmit:
			assumed = append(assumed, "Anyone can send "+article(e.Label)+" without signing in; only the app's people see them.")
		}
	}
	if given == "" {
		assumed = append(assumed, fmt.Sprintf("The app is called %q.", b.spec.Name))
	}
	if b.lang != english {
		assumed = append(assumed, "Your own words are the labels; buttons and messages are in English.")
	}
	b.spec.Understood, b.spec.Assumed, b.spec.Cannot = distinct(understood, 14), distinct(assumed, 8), distinct(b.limits(), 8)
	for _, l := range []*[]string{&b.spec.Understood, &b.spec.Assumed, &b.spec.Cannot} {
		if *l == nil {
			*l = []string{}
		}
	}
}

// limits lists what the prompt asks for and the Composer cannot build.
func (b *builder) limits() []string {
	var out, hit []string
	plain := make([][]token, len(b.sentences)) // options in brackets are no wishes: "channel (social, print)"
	for i, s := range b.sentences {
		depth := 0
		for _, t := range s {
			switch {
			case t.is("("):
				depth++
			case t.is(")"):
				depth--
			case depth <= 0:
				plain[i] = append(plain[i], t)
			}
		}
	}
	if b.arch != nil {
		out = append(out, b.arch.cannot...)
	}
	for _, c := range b.lex.cannot {
		if b.wants["send"] && strings.HasPrefix(c.sentence, "Sending") {
			out = append(out, c.sentence+".")
			continue
		}
		for _, w := range c.words {
			if says(plain, w) && b.byNoun(w) == nil && !slices.ContainsFunc(hit, func(h string) bool { return containsWord(h, w) }) {
				hit = append(hit, w)
				out = append(out, c.sentence+".")
				break
			}
		}
	}
	return out
}

func fieldWords(e *entity) string {
	var names []string
	for i, f := range e.Fields {
		if i == 8 {
			names = append(names, fmt.Sprintf("%d more", len(e.Fields)-8))
			break
		}
		names = append(names, lowerFirst(f.Label))
	}
	return joinWords(names, "and")
}

func optionWords(opts []spec.Option) string {
	var names []string
	for _, o := range opts {
		names = append(names, lowerFirst(o.Label))
	}
	return joinWords(names, "or")
}

func actionWords(a spec.Action, e *entity) string {
	things := lowerFirst(e.LabelPlural)
	switch a.Kind {
	case spec.Vote:
		return "One vote per person on " + things + ", taken back by a second press."
	case spec.CheckIn:
		return "One press a day on " + things + ", with the streak of days."
	case spec.LowStock:
		return sentenceCase(things) + " below their " + strings.ReplaceAll(a.Entity, "_", " ") + " are marked and counted."
	case spec.Movement:
		return "Stock movements in and out change the " + strings.ReplaceAll(a.Field, "_", " ") + " by themselves."
	}
	return ""
}

func article(label string) string {
	low := lowerFirst(label)
	if strings.ContainsAny(low[:min(1, len(low))], "aeio") {
		return "an " + low
	}
	return "a " + low
}

// joinWords writes "a, b and c".
func joinWords(words []string, last string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
}

// distinct drops repetitions and keeps at most max sentences.
func distinct(list []string, max int) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) && len(out) < max {
			out = append(out, s)
		}
	}
	return out
}
