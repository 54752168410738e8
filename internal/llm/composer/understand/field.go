package understand

import (
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// field is a spec.Field on its way, with what the merge needs to know.
type field struct {
	spec.Field
	key    string // under which synonyms meet, see lexicon.key
	keep   bool   // stays even when the prompt lists the fields of its entity
	chosen bool   // the options were said
	asked  bool   // it was a question ("who owns them"): it stands next to an archetype's fields, not in their place
	firm   bool   // the type was said, or follows from a known noun; otherwise it is a guess
}

// newField types a field by its English noun phrase and labels it with the typed words.
func newField(label, english string) field {
	l := vocabulary()
	f := field{key: l.key(english)}
	f.Name, f.Label = nameOf(label, english), sentenceCase(strings.TrimSpace(label))
	if acronyms[fold(label)] {
		f.Label = strings.ToUpper(label)
	}
	f.Type = spec.Text
	l.classify(&f, lemmaOf(english))
	return f
}

// nameOf makes a column name out of a label, or out of its English when the label has no Latin letters.
func nameOf(label, english string) string {
	for _, s := range []string{label, english} {
		if n := snake(s, 36); n != "" {
			return n
		}
	}
	return "field"
}

// classify sets the type of a field by the longest known ending of its phrase, then by its first word.
func (l *lexicon) classify(f *field, phrase string) {
	first, rest, many := strings.Cut(phrase, " ")
	if many && (first == "is" || first == "has" || first == "can") {
		f.Type, f.firm = spec.Boolean, true
		return
	}
	if many && counters[first] && l.types[rest].typ == "" && !selectish(rest) {
		f.Type, f.firm = spec.Integer, true
		return
	}
	if many && (first == "number" || first == "count") && strings.HasPrefix(rest, "of ") || many && first == "how" && strings.HasPrefix(rest, "many") {
		f.Type, f.firm = spec.Integer, true
		return
	}
	if i := strings.Index(phrase, " of "); i > 0 { // "date of birth", "price of the ticket": the head stands first
		if _, ok := l.types[phrase]; !ok {
			phrase = phrase[:i]
		}
	}
	for p := phrase; p != ""; _, p, _ = strings.Cut(p, " ") {
		if opts, ok := l.options[p]; ok {
			f.Type, f.firm, f.Options = spec.Select, true, l.optionList(opts)
			return
		}
		if t, ok := l.types[p]; ok {
			f.Type, f.Unit, f.firm = t.typ, t.unit, true
			return
		}
	}
	switch {
	case strings.HasSuffix(first, "datum"):
		f.Type, f.firm = spec.Date, true
	case strings.HasSuffix(phrase, "preis"):
		f.Type, f.firm = spec.Money, true
	case strings.HasSuffix(phrase, " on") && many, strings.HasSuffix(phrase, " until") && many:
		f.Type, f.firm = spec.Date, true
	case strings.HasSuffix(phrase, " at") && many:
		f.Type, f.firm = spec.DateTime, true
	}
	if t, ok := l.types[first]; ok && many && !f.firm && (t.typ == spec.Date || t.typ == spec.Money) && f.key != "date of" {
		f.Type, f.firm = t.typ, true // "fecha entrega", "preis netto": the head stands first
	}
}

// optionList makes options out of labels; a trailing "*" marks a finished state.
func (l *lexicon) optionList(labels []string) []spec.Option {
	var out []spec.Option
	for _, label := range labels {
		label = strings.TrimSpace(label)
		star := strings.HasSuffix(label, "*")
		label = strings.TrimSpace(strings.TrimSuffix(label, "*"))
		value := snake(strings.NewReplacer("+", " plus", "-", " minus").Replace(label), 36)
		if len(label) > 3 {
			value = snake(label, 36)
		}
		if value == "" && label != "" {
			value = "option_" + string(rune('a'+len(out)%26))
		}
		if label == "" || slices.ContainsFunc(out, func(o spec.Option) bool { return o.Value == value }) {
			continue
		}
		low := fold(label)
		tone := l.tones[low]
		if tone == "" {
			tone = "neutral"
		}
		out = append(out, spec.Option{Value: value, Label: sentenceCase(clip(label, 40)), Tone: tone, Done: star})
		if len(out) == 20 {
			break
		}
	}
	return out
}

// finishOptions marks which options end a row's life, when the field is a state at all.
func (l *lexicon) finishOptions(f *field) {
	stateful := false
	for _, n := range []string{"status", "state", "stage", "phase", "progress", "result", "outcome", "verdict", "payment status"} {
		stateful = stateful || strings.HasSuffix(f.key, n)
	}
	if !stateful || slices.ContainsFunc(f.Options, func(o spec.Option) bool { return o.Done }) {
		return
	}
	for i, o := range f.Options {
		low := fold(o.Label)
		if l.done[low] && (low != "approved" && low != "accepted" && low != "published" || i == len(f.Options)-1 || i > 0) {
			f.Options[i].Done = true
		}
	}
	if n := len(f.Options); n > 2 && !slices.ContainsFunc(f.Options, func(o spec.Option) bool { return o.Done }) && l.tones[fold(f.Options[n-1].Label)] == "success" {
		f.Options[n-1].Done = true
	}
}

// parseFields reads the notation of the data files: name[!][^][:type], separated by commas.
func parseFields(notation string) []field {
	var out []field
	for _, part := range splitTop(notation, ',') {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, typ, _ := strings.Cut(part, ":")
		marks := name + typ
		name, typ = strings.Trim(name, "!^ "), strings.Trim(typ, "!^ ")
		english := strings.ReplaceAll(name, "_", " ")
		f := newField(human(name), english)
		f.Name, f.key = name, vocabulary().key(english)
		f.Required, f.keep, f.firm = strings.Contains(marks, "!"), strings.Contains(marks, "^"), true
		f.setType(typ)
		out = append(out, f)
	}
	return out
}

// setType applies the part after the colon: date, int[min], decimal[kg], select(a|b*), ref(entity).
func (f *field) setType(typ string) {
	base, arg := typ, ""
	if i := strings.IndexAny(typ, "(["); i > 0 {
		base, arg = typ[:i], strings.TrimRight(typ[i+1:], ")]")
	}
	switch base {
	case "":
		return
	case "int", "integer":
		f.Type, f.Unit = spec.Integer, arg
	case "decimal":
		f.Type, f.Unit = spec.Decimal, arg
	case "select":
		f.Type, f.Options = spec.Select, vocabulary().optionList(strings.Split(arg, "|"))
	case "ref":
		f.Type, f.Ref = spec.Ref, arg
	default:
		f.Type = spec.FieldType(base)
	}
	if base != "select" {
		f.Options = nil
	}
	if base != "int" && base != "integer" && base != "decimal" {
		f.Unit = ""
	}
}

// splitTop splits at sep outside of brackets.
func splitTop(s string, sep rune) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case sep:
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

// clip cuts a text to max characters.
func clip(s string, max int) string {
	if r := []rune(s); len(r) > max {
		return strings.TrimSpace(string(r[:max]))
	}
	return s
}
