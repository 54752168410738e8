package understand

import (
	"slices"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// units are words behind "in" that make a field a number.
var units = map[string]typing{
	"minute": {spec.Integer, "min"}, "min": {spec.Integer, "min"}, "hour": {spec.Decimal, "h"}, "second": {spec.Integer, "s"}, "day": {spec.Integer, "days"},
	"week": {spec.Integer, "weeks"}, "month": {spec.Integer, "months"}, "year": {spec.Integer, "years"}, "kg": {spec.Decimal, "kg"}, "kilo": {spec.Decimal, "kg"}, "kilogram": {spec.Decimal, "kg"},
	"gram": {spec.Decimal, "g"}, "g": {spec.Decimal, "g"}, "lb": {spec.Decimal, "lb"}, "lbs": {spec.Decimal, "lb"}, "pound": {spec.Decimal, "lb"}, "oz": {spec.Decimal, "oz"}, "km": {spec.Decimal, "km"},
	"kilometer": {spec.Decimal, "km"}, "kilometre": {spec.Decimal, "km"}, "mile": {spec.Decimal, "mi"}, "meter": {spec.Decimal, "m"}, "metre": {spec.Decimal, "m"}, "m": {spec.Decimal, "m"},
	"cm": {spec.Decimal, "cm"}, "mm": {spec.Decimal, "mm"}, "inch": {spec.Decimal, "in"}, "feet": {spec.Decimal, "ft"}, "foot": {spec.Decimal, "ft"}, "liter": {spec.Decimal, "l"}, "litre": {spec.Decimal, "l"},
	"ml": {spec.Decimal, "ml"}, "celsius": {spec.Decimal, "°C"}, "fahrenheit": {spec.Decimal, "°F"}, "percent": {spec.Percent, ""}, "%": {spec.Percent, ""}, "kcal": {spec.Integer, "kcal"},
	"calorie": {spec.Integer, "kcal"}, "kwh": {spec.Decimal, "kWh"}, "word": {spec.Integer, "words"}, "dollar": {spec.Money, ""}, "euro": {spec.Money, ""}, "usd": {spec.Money, ""}, "eur": {spec.Money, ""},
	"gbp": {spec.Money, ""}, "$": {spec.Money, ""}, "€": {spec.Money, ""}, "£": {spec.Money, ""}, "cent": {spec.Money, ""}, "mg": {spec.Decimal, "mg"}, "bpm": {spec.Integer, "bpm"}, "watt": {spec.Integer, "W"},
}

// counted nouns are numbers in the plural only: "beds" says how many, "bed" says which.
var counted = set("bed seat page set box case unit piece room bedroom position order lap copy edition")

// counters make a number of what they stand before.
var counters = set("min max minimum maximum total num no")

// element adds one item of a list to the thing that the list describes.
func (r *reader) element(ts []token, at place) {
	if at.opts != nil {
		ts = trimOption(ts)
	} else {
		ts = trimLead(ts)
	}
	if len(ts) == 0 {
		return
	}
	if at.opts != nil {
		r.option(at.opts, ts)
		return
	}
	if open := slices.IndexFunc(ts, func(t token) bool { return t.is("(") }); open > 0 {
		r.group(ts, open, at, false)
		return
	}
	if at.app || at.thing == nil {
		if r.wish(ts, at.app) {
			return
		}
		np := r.nounPhrase(ts)
		if len(np) > 0 {
			noun, many := lemma(np), np[len(np)-1].plural
			if at.app && len(np) > 1 && appNouns[np[len(np)-1].lemma] && len(np) == len(ts) && r.isApp(np) && !r.fieldish(np) {
				return // "a recipe app with a meal planner": no field
			}
			if at.kinds && many && r.lex.classOf(noun) != "" && !numeric(noun) {
				r.thing(np)
				return
			}
			if at.app && (r.template(noun) != nil || many && (r.lex.classOf(noun) != "" && !selectish(noun) && !numeric(noun) || !r.fieldish(np))) {
				r.mention(np, false)
				return
			}
		}
	} else if r.wish(ts, false) || r.child(ts, at) {
		return
	}
	if q := question(ts); q == 0 {
		r.ask(ts, at)
		return
	}
	r.property(ts, nil, at)
}

// option adds one choice to a select field; "kind of food, drink" may also hold alternatives.
func (r *reader) option(f *field, ts []token) {
	labels := []string{text(ts)}
	if len(ts) == 1 && ts[0].kind == alts {
		labels = ts[0].alts
	}
	if f.Type != spec.Select {
		f.Type, f.Options, f.Unit = spec.Select, nil, ""
	}
	f.firm = true
	if !f.chosen { // the options of the lexicon give way to those that were said
		f.Options, f.chosen = nil, true
	}
	have := make([]string, 0, len(f.Options)+1)
	for _, o := range f.Options {
		have = append(have, o.Label)
	}
	f.Options = r.lex.optionList(append(have, labels...))
}

// child turns "tasks" among the fields of a project into a thing of its own that refers to the project.
func (r *reader) child(ts []token, at place) bool {
	parent := at.thing
	np := r.nounPhrase(ts)
	if len(np) == 0 || !np[len(np)-1].plural || len(np) != len(ts) {
		return false
	}
	noun := lemma(np)
	if len(np) > 1 && counters[np[0].en] { // "min players"
		return false
	}
	tmpl := r.template(noun)
	known := tmpl != nil && tmpl != parent.tmpl
	for _, t := range r.things {
		known = known || t.noun == noun && t != parent
	}
	class := r.lex.classOf(noun)
	if t, typed := r.lex.types[lemma(np[len(np)-1:])]; typed && !known && (t.typ != spec.Text && t.typ != spec.Money || selectish(noun)) {
		return false
	}
	if t, typed := r.lex.types[noun]; typed && t.typ == spec.Text && !known && !at.kinds { // "title, authors, year"
		return false
	}
	if selectish(noun) && !known {
		return false
	}
	if !known && (class == "" || class == "group") {
		return false
	}
	t := r.thing(np)
	if class == "person" || class == "organization" || class == "product" {
		return true // "materials with stock, customers, orders": the next thing of the app, not a part
	}
	if t != parent && t.parent == nil && !t.listed {
		t.parent = parent
	}
	return true
}

// property adds a field: the words, what its brackets say, ranges, units and alternatives.
func (r *reader) property(ts, inside []token, at place) {
	var choices []string
	var kept []token
	for _, t := range ts {
		if t.kind == alts {
			choices = append(choices, t.alts...)
			continue
		}
		kept = append(kept, t)
	}
	label := fieldLabel(kept)
	if full := trimLead(kept); r.arch != nil && len(full) > len(label) && r.arch.mainEntity().has(lemma(full)) {
		label = full // "steps to reproduce"
	}
	if len(label) == 0 {
		if len(choices) == 0 {
			return
		}
		r.nameless(choices, at)
		return
	}
	if len(label) == 1 && actors[label[0].en] && functional[label[0].en] {
		return // "anyone"
	}
	if len(label) == 1 && adjectives[label[0].en] && len(inside) == 0 && len(choices) == 0 {
		return // "elegant, dark green"
	}
	name, english := text(label), lemma(label)
	if last := label[len(label)-1]; len(label) > 1 && last.is("field", "column", "dropdown", "checkbox", "flag", "toggle", "selector") {
		name, english = text(label[:len(label)-1]), lemma(label[:len(label)-1])
	}
	if last := label[len(label)-1]; last.plural && r.singularField(english) && last.lemma == singular(fold(last.text)) {
		name = strings.TrimSpace(text(label[:len(label)-1]) + " " + singularLike(last.text))
	}
	f := newField(name, english)
	if len(label) == 1 && !label[0].plural && counted[label[0].en] && f.Type == spec.Integer {
		f.Type = spec.Text
	}
	switch {
	case len(choices) > 0 && yesNo(choices):
		f.Type, f.Options, f.firm = spec.Boolean, nil, true
	case len(choices) > 0:
		f.Type, f.firm, f.chosen, f.Options = spec.Select, true, true, r.lex.optionList(choices)
	}
	if find(ts, "checkbox") >= 0 || find(ts, "toggle") >= 0 || find(ts, "flag") == len(ts)-1 && len(ts) > 1 {
		f.Type, f.Options, f.firm = spec.Boolean, nil, true
	}
	if find(ts, "optional") < 0 && find(ts, "required") > 0 {
		f.Required = true
	}
	r.measure(&f, ts)
	r.bracket(&f, inside)
	r.addField(&f, at)
}

// singularField reports whether a plural is only a way to speak of one value: "priorities, assignees, due dates".
func (r *reader) singularField(english string) bool {
	if selectish(english) && english != "tag" {
		return true
	}
	f := newField(english, english)
	switch f.Type {
	case spec.Date, spec.DateTime, spec.Time, spec.Email, spec.Phone, spec.URL, spec.Image, spec.Select, spec.Money, spec.Boolean, spec.Rating:
		return f.firm
	case spec.Text:
		last := lastWord(english)
		for _, end := range []string{"er", "or", "ee", "ist", "ian", "name", "code", "number", "location", "address", "genre"} {
			if strings.HasSuffix(last, end) {
				return true
			}
		}
	}
	return false
}

// singularLike drops the plural of a typed word and keeps its case.
func singularLike(w string) string {
	s := singular(strings.ToLower(w))
	if w != "" && w[0] >= 'A' && w[0] <= 'Z' {
		return sentenceCase(s)
	}
	return s
}

func yesNo(choices []string) bool {
	if len(choices) != 2 {
		return false
	}
	a, b := fold(choices[0]), fold(choices[1])
	return a == "yes" && b == "no" || a == "true" && b == "false" || a == "y" && b == "n" || a == "on" && b == "off" || a == "si" && b == "no" || a == "ja" && b == "nein"
}

// nameless adds a field for alternatives without a noun: "guests say yes/no", "paid/unpaid".
func (r *reader) nameless(choices []string, at place) {
	name := "status"
	if yesNo(choices) {
		name = "attending"
	}
	f := newField(sentenceCase(name), name)
	if yesNo(choices) {
		choices = []string{"yes", "no"}
	}
	f.Type, f.firm, f.chosen, f.Options = spec.Select, true, true, r.lex.optionList(choices)
	if len(choices) == 2 && fold(choices[1]) == "un"+fold(choices[0]) { // paid/unpaid: rows start as unpaid
		f.Options = r.lex.optionList([]string{choices[1], choices[0] + "*"})
	}
	r.addField(&f, at)
}

// fieldLabel keeps the words that name a field: "the phone number of the owner" keeps "phone number".
func fieldLabel(ts []token) []token {
	ts = trimLead(ts)
	if len(ts) > 2 && ts[0].is("field", "column") && ts[1].is("of", "for", "called", "named") { // "un campo de notas"
		ts = trimLead(ts[2:])
	}
	if _, ok := vocabulary().types[lemma(ts)]; ok {
		return ts
	}
	for i, t := range ts {
		if i == 0 {
			continue
		}
		if t.is("of") && i+1 < len(ts) && i+3 >= len(ts) {
			continue // "number of people", "date of birth"
		}
		if i == len(ts)-1 && t.is("by", "on", "at") {
			continue // "requested by", "bought on"
		}
		if t.kind != word || t.is("for", "to", "in", "on", "at", "by", "per", "that", "which", "who", "when", "so", "from", "where", "if", "of", "as", "is", "are", "can", "with", "between", "like", "they", "it", "we", "i", "was") {
			ts = ts[:i]
			break
		}
	}
	var out []token
	for _, t := range ts {
		if t.kind == word && !t.is("a", "an", "the", "its", "their", "optional", "required", "list") || t.is("list") && len(ts) == 1 {
			out = append(out, t)
		}
	}
	for len(out) > 0 && out[0].is("of") {
		out = out[1:]
	}
	if len(out) > 5 {
		out = out[:5]
	}
	return out
}

// measure reads "from 1 to 5", "out of 10", "in minutes", "(USD)".
func (r *reader) measure(f *field, ts []token) {
	var nums []float64
	for _, t := range ts {
		if t.kind == number {
			for _, p := range strings.FieldsFunc(t.text, func(c rune) bool { return c == '-' || c == '–' }) {
				if n, err := strconv.ParseFloat(strings.ReplaceAll(p, ",", ""), 64); err == nil && n < 1e9 {
					nums = append(nums, n)
				}
			}
		}
	}
	scale := find(ts, "from") >= 0 || find(ts, "out of") >= 0 || find(ts, "between") >= 0 || slices.ContainsFunc(ts, func(t token) bool { return t.is("to", "-", "star", "stars") })
	switch {
	case len(nums) == 2 && scale && nums[0] < nums[1]:
		r.scale(f, nums[0], nums[1])
	case len(nums) == 1 && scale && (find(ts, "out of") >= 0 || find(ts, "star") >= 0):
		r.scale(f, 1, nums[0])
	}
	for i, t := range ts {
		u, ok := units[t.lemma]
		if ok && (i > 0 && ts[i-1].is("in", "(") || t.is("%", "$", "€", "£")) && (len(t.lemma) > 1 || !t.is("m")) {
			f.Type, f.Unit, f.Options, f.firm = u.typ, u.unit, nil, true
		}
	}
}

// scale makes a field a number between two bounds; 1 to 5 are stars.
func (r *reader) scale(f *field, low, high float64) {
	f.Options, f.firm = nil, true
	if low <= 1 && high == 5 {
		f.Type = spec.Rating
		return
	}
	f.Type, f.Min, f.Max = spec.Integer, &low, &high
	if low != float64(int64(low)) || high != float64(int64(high)) {
		f.Type = spec.Decimal
	}
}

// bracket reads what stands behind a field in brackets: options, a unit, a range, a type.
func (r *reader) bracket(f *field, inside []token) {
	if len(inside) == 0 {
		return
	}
	list := items(inside)
	if len(list) == 1 {
		only := trimLead(list[0])
		if len(only) == 1 {
			t := only[0]
			if u, ok := units[t.lemma]; ok {
				f.Type, f.Unit, f.Options, f.firm = u.typ, u.unit, nil, true
				return
			}
			switch {
			case t.kind == alts && yesNo(t.alts):
				f.Type, f.Options, f.firm = spec.Boolean, nil, true
				return
			case t.kind == alts:
				f.Type, f.firm, f.chosen, f.Options = spec.Select, true, true, r.lex.optionList(t.alts)
				return
			case t.is("optional"):
				return
			case t.is("required"):
				f.Required = true
				return
			}
			if typ, ok := bracketTypes[t.lemma]; ok {
				f.Type, f.Options, f.firm = typ, nil, true
				return
			}
		}
		if slices.ContainsFunc(only, func(t token) bool { return t.kind == number }) {
			r.measure(f, append([]token{{kind: word, en: "from", lemma: "from"}}, only...))
			return
		}
	}
	var labels []string
	for _, it := range list {
		if it = trimOption(it); len(it) > 0 {
			if len(it) == 1 && it[0].kind == alts {
				labels = append(labels, it[0].alts...)
				continue
			}
			labels = append(labels, text(it))
		}
	}
	if len(labels) > 1 {
		f.Type, f.Unit, f.firm, f.chosen, f.Options = spec.Select, "", true, true, r.lex.optionList(labels)
	}
}

// bracketTypes are types as people write them behind a field.
var bracketTypes = map[string]spec.FieldType{
	"text": spec.Text, "string": spec.Text, "textarea": spec.LongText, "markdown": spec.LongText, "number": spec.Decimal, "integer": spec.Integer, "int": spec.Integer,
	"date": spec.Date, "datetime": spec.DateTime, "time": spec.Time, "boolean": spec.Boolean, "checkbox": spec.Boolean, "email": spec.Email, "url": spec.URL,
	"phone": spec.Phone, "money": spec.Money, "currency": spec.Money, "image": spec.Image, "rating": spec.Rating, "star": spec.Rating, "color": spec.Color,
}

// addField gives a field to the thing of a place, or to the main entity; the same field said twice is one.
func (r *reader) addField(f *field, at place) *field {
	list := &r.loose
	if at.thing != nil {
		list = &at.thing.fields
		at.thing.listed = true
	}
	for _, have := range *list {
		if have.key == f.key || have.Name == f.Name {
			if f.firm && !have.firm || f.Type == spec.Select && len(f.Options) > 0 && have.Type != spec.Select {
				have.Type, have.Options, have.Unit, have.firm = f.Type, f.Options, f.Unit, true
			}
			return have
		}
	}
	*list = append(*list, f)
	return f
}
