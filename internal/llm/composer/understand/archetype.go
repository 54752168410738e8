package understand

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"overskill/internal/llm/composer/spec"
)

//go:embed data/archetypes.txt
var archetypesText string

// archetype is a domain with the entities that an app of it usually keeps.
type archetype struct {
	key      string
	icon     string
	tenancy  spec.Tenancy
	title    string // "{x}" is the noun before the matched words
	line     string
	match    []string
	cannot   []string
	entities []*template
}

// template is an entity of an archetype.
type template struct {
	name   string
	icon   string
	fields []field
	aka    []string
	mute   []string // those of aka that do not become its name
	when   []string
	board  string
	sort   spec.Sort
	public spec.Public
	acts   []spec.Action
	parent []spec.Action // actions of the entity that the first ref names
	about  string
	sub    bool
	main   bool
}

// archetypes parses the embedded data on first use.
var archetypes = sync.OnceValue(func() []*archetype { return parseArchetypes(archetypesText) })

func parseArchetypes(data string) []*archetype {
	var out []*archetype
	for line := range strings.Lines(data) {
		line = strings.TrimSpace(line)
		rule, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
			continue
		case rule == "archetype":
			head, title, _ := strings.Cut(rest, ` "`)
			w := strings.Fields(head)
			out = append(out, &archetype{key: w[0], icon: w[1], tenancy: spec.Tenancy(w[2]), title: strings.Trim(title, `"`)})
			continue
		}
		a := out[len(out)-1]
		switch rule {
		case "match":
			a.match = phrases(rest)
		case "line":
			a.line = rest
		case "cannot":
			a.cannot = append(a.cannot, rest)
		case "entity":
			head, fields, _ := strings.Cut(rest, ": ")
			w := strings.Fields(head)
			a.entities = append(a.entities, &template{name: w[0], icon: w[1], fields: parseFields(fields)})
		default:
			a.entities[len(a.entities)-1].attribute(rule, rest)
		}
	}
	return out
}

// attribute reads one line below an entity.
func (t *template) attribute(rule, rest string) {
	words := strings.Fields(rest)
	switch rule {
	case "aka":
		for _, p := range phrases(rest) {
			mute := strings.HasPrefix(p, "~")
			p = strings.TrimPrefix(p, "~")
			t.aka = append(t.aka, p)
			if mute {
				t.mute = append(t.mute, p)
			}
		}
	case "when":
		t.when = phrases(rest)
	case "board":
		t.board = rest
	case "sort":
		t.sort = spec.Sort{Field: words[0], Desc: len(words) > 1}
	case "public":
		t.public = spec.Public(rest)
	case "about":
		t.about = rest
	case "sub":
		t.sub = true
	case "main":
		t.main = true
	case "do":
		t.acts = append(t.acts, action(rest))
	case "do_parent":
		t.parent = append(t.parent, action(rest))
	}
}

// action reads "kind [field [entity or field]] ["label"]".
func action(s string) spec.Action {
	head, label, _ := strings.Cut(s, `"`)
	w := strings.Fields(head)
	a := spec.Action{Kind: spec.ActionKind(w[0]), Label: strings.Trim(label, `"`)}
	rest := w[1:]
	if a.Label == "" && len(rest) > 0 && (a.Kind == spec.Toggle || a.Kind == spec.Vote || a.Kind == spec.CheckIn) {
		a.Label, rest = rest[len(rest)-1], rest[:len(rest)-1]
	}
	if len(rest) > 0 {
		a.Field = rest[0]
	}
	if len(rest) > 1 {
		a.Entity = rest[1]
	}
	switch a.Kind {
	case spec.Movement:
		a.Label = "Record movement"
	case spec.LowStock:
		a.Label = "Low stock"
	}
	return a
}

func phrases(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = lemmaOf(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// chosen is an archetype with the place where the prompt named it.
type chosen struct {
	*archetype
	at       []token // the sentence
	pos, len int
	score    int
}

// choose returns the archetype that the sentences speak of, or nil. Longer phrases weigh more than single
// words, the first sentence more than later ones, and words near the beginning of a sentence a little more:
// people name the thing they want first.
func choose(sentences [][]token) *chosen {
	var best *chosen
	heads := make([]int, len(sentences)) // where the first list of each sentence begins
	for i, s := range sentences {
		heads[i] = len(s)
		if commas := len(splitAt(s, ",")); commas > 3 && lastVerb(s) < 0 { // a bare list of fields
			heads[i] = slices.IndexFunc(s, func(t token) bool { return t.is(",") })
			if i > 0 || heads[i] == 1 && s[0].is("name", "title", "date") {
				heads[i] = 0
			}
		}
		if o, _ := opener(s); o > 0 {
			heads[i] = min(heads[i], o)
		}
		if j := slices.IndexFunc(s, func(t token) bool { return t.is(":", "(") }); j > 0 {
			heads[i] = min(heads[i], j)
		}
	}
	for _, a := range archetypes() {
		c := &chosen{archetype: a}
		for _, p := range a.match {
			n := strings.Count(p, " ") + 1
			for i, s := range sentences {
				at := find(s, p)
				if at < 0 {
					continue
				}
				w := []int{0, 8, 22, 34, 40}[min(n, 4)]
				if at >= heads[i] { // inside a list of fields: "... price and notes"
					w /= 4
				}
				if i > 0 {
					w = w * 2 / 3
				}
				if i == 0 && at < 8 && at < heads[i] {
					w += 8 - at
				}
				if i == 0 && n > 1 && at+n == heads[i] && at > 0 && heads[i] < len(s) && heads[i] < 7 {
					w += 9 // the last words of a title say what it is: "meeting room issue tracker"
				}
				if c.at == nil || n > c.len {
					c.at, c.pos, c.len = s, at, n
				}
				c.score += w
				break
			}
		}
		for _, t := range a.entities {
			if c.score < 5 { // its own words do not suggest a domain
				break
			}
			for _, n := range append([]string{strings.ReplaceAll(t.name, "_", " ")}, t.aka...) {
				if c.score > 0 && says(sentences, n) {
					c.score += 2
					break
				}
			}
		}
		if c.at != nil && c.score >= 5 && (best == nil || c.score > best.score) {
			best = c
		}
	}
	return best
}

// modifier returns the noun directly before the matched words: "bike" of "a small bike repair shop".
func (c *chosen) modifier() []token {
	var out []token
	for i := c.pos - 1; i >= 0 && c.pos-i <= 2; i-- {
		t := c.at[i]
		if t.kind != word || functional[t.en] || adjectives[t.en] || verbs[t.en] || t.en == "own" {
			break
		}
		out = slices.Insert(out, 0, t)
	}
	return out
}

// has reports whether the template has a field of that noun.
func (t *template) has(noun string) bool {
	key := vocabulary().key(noun)
	return slices.ContainsFunc(t.fields, func(f field) bool { return f.key == key })
}

// named reports whether the template goes by this noun.
func (t *template) named(noun string) bool {
	return noun == lemmaOf(t.name) || slices.Contains(t.aka, noun)
}

// mainEntity is the entity that the app is about.
func (a *archetype) mainEntity() *template {
	for _, t := range a.entities {
		if t.main {
			return t
		}
	}
	return a.entities[0]
}
