package understand

import (
	_ "embed"
	"strings"
	"sync"

	"overskill/internal/llm/composer/spec"
)

//go:embed data/lexicon.txt
var lexiconText string

//go:embed data/words.txt
var wordsText string

//go:embed data/colors.txt
var colorsText string

// typing is what a noun says about a field.
type typing struct {
	typ  spec.FieldType
	unit string
}

type limitation struct {
	sentence string
	words    []string
}

// lexicon is the parsed vocabulary. It is read once and never changed.
type lexicon struct {
	types   map[string]typing   // noun phrase -> type
	options map[string][]string // field noun -> default options, "*" marks a finished one
	choices map[string]bool     // nouns that name a choice
	classes map[string]string   // class -> fields in the notation of parseFields
	nouns   map[string]string   // noun -> class
	icons   map[string]string   // noun -> lucide icon
	tones   map[string]string
	done    map[string]bool
	same    map[string]string // field noun -> the first of its synonyms
	cannot  []limitation
	colors  map[string]string
	langs   []*language
}

// language is the vocabulary of one language besides English.
type language struct {
	tag   string // BCP 47
	words map[string]string
}

// vocabulary parses the embedded data on first use.
var vocabulary = sync.OnceValue(parseLexicon)

func parseLexicon() *lexicon {
	l := &lexicon{
		types: map[string]typing{}, options: map[string][]string{}, choices: map[string]bool{}, classes: map[string]string{},
		nouns: map[string]string{}, icons: map[string]string{}, tones: map[string]string{}, done: map[string]bool{},
		same: map[string]string{}, colors: map[string]string{},
	}
	for line := range strings.Lines(lexiconText) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		head, rest, _ := strings.Cut(line, ":")
		rule, name, _ := strings.Cut(head, " ")
		l.rule(rule, strings.TrimSpace(name), strings.TrimSpace(rest))
	}
	for line := range strings.Lines(colorsText) {
		if i := strings.LastIndex(line, " #"); i > 0 && line[0] != '#' {
			l.colors[line[:i]] = strings.TrimSpace(line[i+1:])
		}
	}
	l.langs = parseWords(wordsText)
	return l
}

// rule stores one line of the lexicon. An unknown rule is a mistake in our own data: the tests find it.
func (l *lexicon) rule(rule, name, rest string) {
	words := strings.Split(rest, ", ")
	switch rule {
	case "type":
		for _, w := range words {
			l.types[lemmaOf(w)] = typing{typ: spec.FieldType(name)}
		}
	case "unit":
		unit, typ, _ := strings.Cut(name, " ")
		for _, w := range words {
			l.types[lemmaOf(w)] = typing{typ: spec.FieldType(typ), unit: unit}
		}
	case "options":
		l.options[lemmaOf(name)] = words
		l.choices[lemmaOf(name)] = true
	case "choice":
		for _, w := range words {
			l.choices[lemmaOf(w)] = true
		}
	case "class":
		l.classes[name] = rest
	case "nouns":
		for _, w := range words {
			if _, ok := l.nouns[lemmaOf(w)]; !ok {
				l.nouns[lemmaOf(w)] = name
			}
		}
	case "icon":
		for _, w := range words {
			l.icons[lemmaOf(w)] = name
		}
	case "tone":
		for _, w := range words {
			if _, ok := l.tones[w]; !ok {
				l.tones[w] = name
			}
		}
	case "done":
		for _, w := range words {
			l.done[w] = true
		}
	case "same":
		for _, w := range words {
			l.same[lemmaOf(w)] = lemmaOf(words[0])
		}
	case "cannot":
		c := limitation{sentence: name}
		for _, w := range words {
			c.words = append(c.words, lemmaOf(w))
		}
		l.cannot = append(l.cannot, c)
	}
}

func parseWords(data string) []*language {
	tags := map[string]string{"es": "es-ES", "de": "de-DE", "fr": "fr-FR"}
	var out []*language
	byTag := map[string]*language{}
	for line := range strings.Lines(data) {
		code, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || tags[code] == "" {
			continue
		}
		lang := byTag[code]
		if lang == nil {
			lang = &language{tag: tags[code], words: map[string]string{}}
			byTag[code] = lang
			out = append(out, lang)
		}
		for _, pair := range strings.Split(rest, ", ") {
			forms, en, _ := strings.Cut(pair, "=")
			for _, f := range strings.Split(forms, "/") {
				lang.words[f] = en
			}
		}
	}
	return out
}

// english is the language whose words need no translation.
var english = &language{tag: "en-US"}

// languageOf guesses the language of a text from its short words. English wins a tie.
func languageOf(text string) *language {
	if len(text) > 2000 {
		text = text[:2000]
	}
	words := strings.FieldsFunc(fold(text), func(r rune) bool { return !('a' <= r && r <= 'z') })
	en := 0
	for _, w := range words {
		if englishShort[w] {
			en += 2
		}
	}
	best, most := english, en
	for _, l := range vocabulary().langs {
		n := 0
		for _, w := range words {
			if e, ok := l.words[w]; ok && e != w && !englishShort[w] {
				n++
				if shortEnglish[e] {
					n++
				}
			}
		}
		if n > most && n >= 2 {
			best, most = l, n
		}
	}
	return best
}

var englishShort = map[string]bool{
	"the": true, "with": true, "and": true, "for": true, "my": true, "our": true, "to": true, "of": true, "is": true, "each": true,
	"i": true, "we": true, "who": true, "what": true, "want": true, "need": true, "make": true, "an": true, "by": true, "can": true,
	"on": true, "this": true, "that": true, "from": true, "it": true, "add": true, "their": true, "page": true, "list": true,
}

var shortEnglish = map[string]bool{"a": true, "the": true, "and": true, "with": true, "for": true, "of": true, "my": true, "want": true, "each": true, "our": true, "has": true, "we": true}

// key is the name under which two words for the same field meet.
func (l *lexicon) key(phrase string) string {
	p := lemmaOf(phrase)
	if s, ok := l.same[p]; ok {
		return s
	}
	return p
}

// classOf returns the class of the thing that a noun phrase names, by its longest known ending, or "".
func (l *lexicon) classOf(phrase string) string {
	for p := phrase; p != ""; _, p, _ = strings.Cut(p, " ") {
		if c, ok := l.nouns[p]; ok {
			return c
		}
	}
	return ""
}

// iconOf returns the icon of a thing.
func (l *lexicon) iconOf(phrase string) string {
	for p := phrase; p != ""; _, p, _ = strings.Cut(p, " ") {
		if c, ok := l.icons[p]; ok {
			return c
		}
	}
	switch l.classOf(phrase) {
	case "person":
		return "Users"
	case "organization":
		return "Building2"
	case "event":
		return "CalendarDays"
	case "media":
		return "Film"
	case "place":
		return "MapPin"
	case "animal":
		return "PawPrint"
	case "vehicle":
		return "Car"
	case "product":
		return "Package"
	case "document":
		return "FileText"
	case "money":
		return "Receipt"
	case "task":
		return "CircleCheck"
	case "group":
		return "Folder"
	case "equipment":
		return "Wrench"
	case "collectible":
		return "Gem"
	case "plant":
		return "Sprout"
	case "course":
		return "GraduationCap"
	case "review":
		return "Star"
	case "remark":
		return "MessageSquare"
	case "record":
		return "ClipboardList"
	}
	return "Box"
}
