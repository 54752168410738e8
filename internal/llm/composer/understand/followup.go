package understand

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// Outcome says what FollowUp made of a request.
type Outcome struct {
	Understood  []string // what was changed, in whole sentences
	Cannot      []string // what was not, and what can be asked for instead
	VersionName string   // the change in a few words, at most 80 characters
	Changed     bool
}

// CanDo lists the requests that FollowUp knows, for people.
const CanDo = "I can add, rename and remove fields and lists, set options of a choice, change colours, the app's name, the sorting and the filters, " +
	"put figures and charts on the dashboard, show a list as a board, and open a form or a list to people without an account. For example: \"Add a due date to tasks\", \"Rename category to tag\", " +
	"\"Sort the list by due date, soonest first\", \"Make the primary color green\"."

// FollowUp applies a request to an existing spec. It knows a closed set of requests; whatever it does not know it leaves
// alone and says so. The returned spec passes Validate if s does; s itself is not modified.
func FollowUp(s spec.Spec, text string) (spec.Spec, Outcome) {
	before := string(s.Encode())
	next, err := spec.Decode([]byte(before))
	if err != nil {
		return s, Outcome{Cannot: []string{CanDo}}
	}
	e := newEditor(&next, text)
	e.run()
	if len(e.understood) == 0 && e.startOver() {
		e.understood = append(e.understood, "The app now keeps "+lowerFirst(joinWords(labels(next.Entities), "and"))+" instead of ideas.")
		e.version = "Start over as " + next.Name
	}
	e.tidy()
	if err := next.Validate(); err != nil || len(e.understood) == 0 || string(next.Encode()) == before {
		out := Outcome{Cannot: e.cannot}
		if len(e.understood) > 0 && err == nil {
			out.Understood = []string{"The app is like that already."}
		}
		if len(out.Cannot) == 0 || len(out.Understood) == 0 {
			out.Cannot = append(out.Cannot, CanDo)
		}
		return s, out
	}
	if e.version == "" {
		e.version = strings.TrimSuffix(e.understood[0], ".")
	}
	return next, Outcome{Understood: e.understood, Cannot: e.cannot, VersionName: clip(sentenceCase(e.version), 80), Changed: true}
}

func labels(es []spec.Entity) []string {
	var out []string
	for _, e := range es {
		out = append(out, lowerFirst(e.LabelPlural))
	}
	return out
}

// editor applies the commands of one request to a spec.
type editor struct {
	s          *spec.Spec
	text       string
	lang       *language
	commands   [][]token
	understood []string
	cannot     []string
	version    string
	last       *spec.Entity // what the command before was about: "and sort them by date"
}

func newEditor(s *spec.Spec, text string) *editor {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", " "), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	e := &editor{s: s, text: text, lang: languageOf(text)}
	if e.lang == english { // a short command has few words to tell a language by; the app's own language may help
		for _, l := range vocabulary().langs {
			if l.tag == s.Locale {
				first := strings.Fields(fold(text))
				if len(first) > 0 && l.words[first[0]] != "" && !englishShort[first[0]] {
					e.lang = l
				}
			}
		}
	}
	return e
}

var commandWords = set("add remove delete drop rename call change make set sort order show group filter hide mark use let allow display include track turn switch replace give put highlight create convert also")

// split cuts the request into commands: at full stops, and where a conjunction is followed by a command word.
func (e *editor) split(text string) [][]token {
	var out [][]token
	for _, s := range tokenize(text, e.lang) {
		start := 0
		for i := 1; i < len(s)-1; i++ {
			if s[i].is("and", "then", ",", ";") && (commandWords[s[i+1].en] && !s[i+1].is("order", "group", "call", "set", "track", "change", "use", "put", "show", "display") || s[i].is(";")) ||
				s[i].is("and", "then") && s[i+1].is("show", "change", "set") && !s[i].is(",") {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
		out = append(out, s[start:])
	}
	return out
}

func (e *editor) run() {
	if e.renameByText() {
		return
	}
	rest := e.colors()
	e.commands = e.split(rest)
	for _, c := range e.commands {
		c = trimCommand(c)
		if len(c) == 0 || len(e.understood) > 20 {
			continue
		}
		handlers := []func([]token) bool{e.sort, e.board, e.unit, e.public, e.require, e.filter, e.remove, e.limits, e.overdue, e.figure, e.add}
		hit := slices.ContainsFunc(handlers, func(h func([]token) bool) bool { return h(c) })
		if i, _ := opener(c); !hit && i > 0 && c[0].plural { // "we also need invoices with a number and a due date"
			e.add(append([]token{{kind: word, text: "add", en: "add", lemma: "add"}}, c...))
		}
	}
}

// trimCommand drops politeness from the front.
func trimCommand(ts []token) []token {
	for len(ts) > 0 && (ts[0].kind == punct || ts[0].is("please", "can", "could", "you", "i", "i'd", "we", "want", "need", "would", "like", "to", "now", "also", "and", "then", "just", "ok", "okay", "let's", "maybe", "should", "hey", "hi", "it", "there", "be", "us", "me", "able")) {
		ts = ts[1:]
	}
	for len(ts) > 0 && (ts[len(ts)-1].kind == punct && !ts[len(ts)-1].is(")") || ts[len(ts)-1].is("please", "too")) {
		ts = ts[:len(ts)-1]
	}
	return ts
}

func (e *editor) did(format string, args ...any) {
	e.understood = append(e.understood, fmt.Sprintf(format, args...))
}

// colors applies the colours of the request and returns the text without them.
func (e *editor) colors() string {
	theme, said, rest := themeOf(e.text, e.lang)
	if strings.Contains(fold(e.text), "field") || len(said) == 0 && theme.Mode == "" {
		return e.text
	}
	if theme.Primary != "" {
		e.s.Theme.Primary = theme.Primary
	}
	if theme.Background != "" {
		e.s.Theme.Background = theme.Background
	}
	if theme.Mode != "" {
		e.s.Theme.Mode = theme.Mode
	}
	if theme.Mode == "dark" && theme.Background == "" && e.s.Theme.Background != "" && luminance(e.s.Theme.Background) > 0.5 {
		e.s.Theme.Background = ""
	}
	if theme.Mode == "light" && theme.Background == "" {
		e.s.Theme.Background = ""
	}
	if theme.Primary == "" && theme.Background == "" {
		e.did("The app starts in %s mode.", theme.Mode)
		e.version = sentenceCase(theme.Mode) + " mode"
		return rest
	}
	e.did("Colours: %s.", strings.Join(said, ", "))
	return rest
}

var (
	titleText  = regexp.MustCompile(`(?i)^\s*(?:please\s+)?(?:change|set|update|make)\s+(?:the\s+)?(?:app'?s?\s+|site'?s?\s+|page'?s?\s+|website'?s?\s+)?(?:title|name|heading)(?:\s+of\s+(?:the|this|my)\s+(?:app|site|page|website))?\s+(?:to|into|be|as)\s+["“']?(.+?)["”']?[.!]*\s*$`)
	callText   = regexp.MustCompile(`(?i)^\s*(?:please\s+)?(?:call|name|rename|title)\s+(?:it|the app|this app|the site|my app|this|the page)\s+(?:to\s+|as\s+|into\s+)?["“']?(.+?)["”']?[.!]*\s*$`)
	renameText = regexp.MustCompile(`(?i)^\s*(?:please\s+)?(?:rename|renombra|change|call)\s+(?:the\s+|all\s+)?["“']?(.+?)["”']?\s+(?:to|into|as|a)\s+["“']?(.+?)["”']?[.!]*\s*$`)
)

// renameByText handles the commands whose new name must be kept letter by letter.
func (e *editor) renameByText() bool {
	for _, re := range []*regexp.Regexp{titleText, callText} {
		if m := re.FindStringSubmatch(e.text); m != nil && len(m[1]) > 0 {
			old := e.s.Name
			e.s.Name = clip(strings.TrimSpace(m[1]), 60)
			if e.s.Name == "" {
				e.s.Name = old
				return false
			}
			e.did("The app is called %q now.", e.s.Name)
			e.version = "Rename the app to " + e.s.Name
			return true
		}
	}
	m := renameText.FindStringSubmatch(e.text)
	if m == nil {
		return false
	}
	return e.rename(m[1], m[2])
}

// rename gives a field or an entity another name. A field of that name wins only over a missing entity.
func (e *editor) rename(from, to string) bool {
	first := strings.ToLower(strings.Fields(e.text)[0])
	if first == "change" && strings.ContainsAny(to, "0123456789") {
		e.cannot = append(e.cannot, fmt.Sprintf("%s is content rather than a part of the app: change it in the app itself, in the list that holds it.", sentenceCase(from)))
		return true
	}
	if e.lang == english && first == "change" && !strings.Contains(fold(e.text), "rename") {
		if _, ok := e.entity(e.tokens(from)); !ok {
			if _, f := e.field(e.tokens(from), nil); f == nil {
				return false
			}
		}
	}
	to = clip(strings.TrimSpace(to), 40)
	for _, suffix := range []string{" field", " list", " table", " page", " column"} {
		from, to = strings.TrimSuffix(from, suffix), strings.TrimSuffix(to, suffix)
	}
	target := e.tokens(to)
	if len(target) == 0 || snake(to, 34) == "" {
		e.cannot = append(e.cannot, fmt.Sprintf("%q is no name that a table or a column can have.", to))
		return true
	}
	ts := e.tokens(from)
	if i := slices.IndexFunc(ts, func(t token) bool { return t.is("of", "in", "on") }); i > 0 { // "the title of books"
		if ent, ok := e.entity(ts[i+1:]); ok {
			if f := findField(ent, ts[:i]); f != nil {
				e.renameField(ent, f, to)
				return true
			}
		}
	}
	if ent, ok := e.entity(ts); ok {
		e.renameEntity(ent, target)
		return true
	}
	if ent, f := e.field(ts, nil); f != nil {
		e.renameField(ent, f, to)
		return true
	}
	e.cannot = append(e.cannot, fmt.Sprintf("There is nothing called %q in this app.", from))
	return true
}

func (e *editor) renameField(ent *spec.Entity, f *spec.Field, to string) {
	taken := map[string]bool{}
	for _, x := range ent.Fields {
		if x.Name != f.Name {
			taken[x.Name] = true
		}
	}
	old, label := f.Name, f.Label
	f.Name, f.Label = uniqueName(to, taken), sentenceCase(to)
	for _, p := range []*string{&ent.Title, &ent.Board, &ent.Sort.Field} {
		if *p == old {
			*p = f.Name
		}
	}
	for i := range ent.Actions {
		if a := &ent.Actions[i]; a.Field == old {
			a.Field = f.Name
		} else if a.Kind == spec.LowStock && a.Entity == old {
			a.Entity = f.Name
		}
	}
	for i := range e.s.Dashboard {
		w := &e.s.Dashboard[i]
		if w.Entity != ent.Name {
			continue
		}
		if w.Field == old {
			w.Field = f.Name
		}
		if w.By == old {
			w.By = f.Name
		}
		if rest, ok := strings.CutPrefix(w.Where, old+"="); ok {
			w.Where = f.Name + "=" + rest
		}
		w.Label = replaceWord(w.Label, label, f.Label)
	}
	e.did("%s of %s is called %s now.", label, lowerFirst(ent.LabelPlural), lowerFirst(f.Label))
	e.version = fmt.Sprintf("Rename %s to %s", lowerFirst(label), lowerFirst(f.Label))
}

func (e *editor) renameEntity(ent *spec.Entity, target []token) {
	b := &builder{reader: &reader{lex: vocabulary(), lang: e.lang}}
	var n entity
	b.nameEntity(&n, &thing{label: target, noun: lemma(target)})
	taken, plurals := map[string]bool{}, map[string]bool{}
	for _, x := range e.s.Entities {
		if x.Name != ent.Name {
			taken[x.Name], plurals[x.Plural] = true, true
		}
	}
	oldName, oldLabel, oldMany := ent.Name, ent.Label, ent.LabelPlural
	ent.Name, ent.Plural, ent.Label, ent.LabelPlural = uniqueName(n.Name, taken), uniqueName(n.Plural, plurals), n.Label, n.LabelPlural
	ent.Description = replaceWord(ent.Description, oldMany, ent.LabelPlural)
	for i := range e.s.Entities {
		x := &e.s.Entities[i]
		for j := range x.Fields {
			f := &x.Fields[j]
			if f.Ref != oldName {
				continue
			}
			f.Ref = ent.Name
			if _, clash := x.Field(ent.Name); f.Name == oldName && !clash && !reserved[ent.Name] {
				if x.Title == f.Name {
					x.Title = ent.Name
				}
				if x.Sort.Field == f.Name {
					x.Sort.Field = ent.Name
				}
				for k := range e.s.Dashboard {
					if w := &e.s.Dashboard[k]; w.Entity == x.Name && w.By == f.Name {
						w.By = ent.Name
					}
				}
				f.Name, f.Label = ent.Name, ent.Label
			}
		}
		for j := range x.Actions {
			if x.Actions[j].Entity == oldName {
				x.Actions[j].Entity = ent.Name
			}
		}
	}
	for i := range e.s.Dashboard {
		w := &e.s.Dashboard[i]
		if w.Entity == oldName {
			w.Entity = ent.Name
		}
		w.Label = replaceWord(replaceWord(w.Label, oldMany, ent.LabelPlural), oldLabel, ent.Label)
	}
	e.did("%s are called %s now.", oldMany, lowerFirst(ent.LabelPlural))
	e.version = fmt.Sprintf("Rename %s to %s", lowerFirst(oldMany), lowerFirst(ent.LabelPlural))
}

// replaceWord replaces a label inside a sentence, with its first letter as it was there.
func replaceWord(s, old, new string) string {
	if old == "" || strings.Contains(s, lowerFirst(new)) && strings.Contains(lowerFirst(new), lowerFirst(old)) {
		return s
	}
	if strings.HasPrefix(s, old) {
		return new + s[len(old):]
	}
	return strings.Replace(s, " "+lowerFirst(old), " "+lowerFirst(new), 1)
}

// startOver reads the request as a new description while the app is still the list of ideas that a vague prompt got.
func (e *editor) startOver() bool {
	if !Vague(*e.s) {
		return false
	}
	fresh := Prompt(e.text)
	if Vague(fresh) {
		return false
	}
	fresh.Tenancy = e.s.Tenancy
	if fresh.Theme == (spec.Theme{}) {
		fresh.Theme = e.s.Theme
	}
	*e.s = fresh
	e.cannot = append(e.cannot, fresh.Cannot...)
	return true
}
