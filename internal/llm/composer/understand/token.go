package understand

import (
	"regexp"
	"strings"
	"unicode"
)

// maxText is how many bytes of a text are read; nobody describes an app at greater length.
const maxText = 12_000

type kind byte

const (
	word   kind = 'w'
	number kind = 'n'
	quoted kind = 'q' // a text in quotation marks; text is what stands between them
	alts   kind = 'a' // alternatives: yes/no, planned / in progress / done
	punct  kind = 'p' // one of , ; : ( ) . -
)

// token is one piece of a sentence.
type token struct {
	kind   kind
	text   string // as typed
	en     string // in English, lower case, without accents
	lemma  string // en in the singular
	plural bool
	alts   []string
}

func (t token) is(words ...string) bool {
	for _, w := range words {
		if t.kind != quoted && t.en == w {
			return true
		}
	}
	return false
}

var (
	scripts  = regexp.MustCompile(`(?is)<(script|style)[^>]*>.*?</(script|style)>`)
	tags     = regexp.MustCompile(`(?s)</?[a-zA-Z!][^<>]{0,200}>`)
	bullet   = regexp.MustCompile(`(?m)^[ \t]*(?:[-*•‣–+]|\d{1,2}[.)])[ \t]+`)
	dash     = regexp.MustCompile(`\s+[-–—]+\s+|—`)
	signing  = regexp.MustCompile(`(?i)\b(?:log|logs|logging|logged|sign|signs|signing|signed)[ -](?:in|on|up|into)\b`)
	elision  = regexp.MustCompile(`(?i)\b([dlmnsc]|qu)['’]`)
	piece    = regexp.MustCompile(`"[^"\n]{1,80}"|\b(?:AB|[A-DO0])[+-]\B|#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|[\p{L}\p{M}][\p{L}\p{M}\p{N}]*(?:['’.&-][\p{L}\p{N}]+)*|[$€£]?\d[\d.,:]*\d|\d|[$€£]|[,;:()/.!?&+%]|-`)
	compound = strings.NewReplacer(" w/ ", " with ", " w/o ", " without ", "e-mail", "email", "E-mail", "email", "E-Mail", "Email", "to-do", "todo", "To-do", "todo", "To-Do", "todo", "TO-DO", "todo",
		"to do list", "todo list", "To do list", "todo list", "check-in", "check in", "sign-up", "signup", "rsvp's", "rsvp", "RSVP's", "rsvp",
		"in and out", "in/out", "in & out", "in/out", "each one", "each", "as well as", "and", "along with", "with", "such as", "including",
		"e.g.", "including", "i.e.", "including", "etc.", "", "and so on", "", "log-in", "login", "follow-up", "follow up", "sub-tasks", "subtasks")
)

// tokenize cuts a text into sentences. Bullets are items, so they end in a semicolon rather than a full stop.
func tokenize(text string, lang *language) [][]token {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	text = strings.ToValidUTF8(text, " ")
	text = scripts.ReplaceAllString(text, " ")
	text = tags.ReplaceAllString(text, " ")
	text = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "’", "'", "‘", "'", "\r", "").Replace(text)
	text = signing.ReplaceAllString(text, "login")
	if strings.Contains(text, "|") {
		text = grid(text)
	}
	if lang.tag == "fr-FR" {
		text = elision.ReplaceAllString(text, "$1 ")
	}
	text = bullet.ReplaceAllString(text, "; ")
	text = dash.ReplaceAllString(text, " : ")
	text = compound.Replace(text)
	var out [][]token
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		continues := strings.HasPrefix(line, ";") && len(out) > 0
		sentences := split(line, lang)
		if continues && len(sentences) > 0 {
			last := len(out) - 1
			out[last] = append(out[last], sentences[0]...)
			sentences = sentences[1:]
		}
		out = append(out, sentences...)
	}
	return out
}

// split cuts one line into sentences of tokens.
func split(line string, lang *language) [][]token {
	var out [][]token
	var cur []token
	for _, p := range piece.FindAllString(line, -1) {
		if p == "." || p == "!" || p == "?" {
			if len(cur) > 0 {
				out = append(out, cur)
			}
			cur = nil
			continue
		}
		cur = append(cur, newToken(p, lang))
	}
	if len(cur) > 0 {
		out = append(out, cur)
	}
	for i := range out {
		out[i] = alternatives(out[i])
	}
	return out
}

func newToken(p string, lang *language) token {
	first := []rune(p)[0]
	switch {
	case first == '"':
		return token{kind: quoted, text: strings.Trim(p, `"`)}
	case unicode.IsDigit(first), strings.ContainsRune("$€£#", first):
		return token{kind: number, text: p, en: p, lemma: p}
	case !unicode.IsLetter(first):
		return token{kind: punct, text: p, en: p, lemma: p}
	}
	low := fold(p)
	if p == "IT" { // the department, not the pronoun
		low = "information-technology"
	}
	if strings.HasSuffix(low, "'s") && !contractions[low] {
		low = strings.TrimSuffix(low, "'s")
		p = p[:len(p)-2]
	}
	t := token{kind: word, text: p, en: low}
	if en, ok := lang.words[low]; ok {
		t.en = en
		t.plural = en != "a" && en != "the" && strings.HasSuffix(low, "s") && lang.words[strings.TrimSuffix(low, "s")]+lang.words[strings.TrimSuffix(low, "es")] != ""
	}
	t.lemma = singular(t.en)
	if t.lemma != t.en {
		t.plural = true
	}
	return t
}

var contractions = map[string]bool{"what's": true, "who's": true, "it's": true, "that's": true, "where's": true, "when's": true, "how's": true, "let's": true, "there's": true}

// alternatives joins "yes / no" and "planned / in progress / done" into one token.
func alternatives(ts []token) []token {
	var out []token
	for i := 0; i < len(ts); {
		if i+2 < len(ts) && ts[i].kind == word && ts[i+1].is("or") {
			a, b := ts[i], ts[i+2]
			switch {
			case b.is("not"): // "paid or not"
				out = append(out, a)
				i += 3
				continue
			case b.is("un"+a.en, "non-"+a.en, "in"+a.en, "not-"+a.en): // "excused or unexcused"
				list := []string{a.text, b.text}
				out = append(out, token{kind: alts, text: a.text + "/" + b.text, en: a.en + "/" + b.en, lemma: a.en + "/" + b.en, alts: list})
				i += 3
				continue
			}
		}
		if ts[i].kind != word && ts[i].kind != number || i+1 >= len(ts) || !ts[i+1].is("/") {
			out = append(out, ts[i])
			i++
			continue
		}
		list := []string{ts[i].text}
		j := i + 1
		for j < len(ts) && ts[j].is("/") {
			k := j + 1
			var words []string
			for k < len(ts) && (ts[k].kind == word || ts[k].kind == number) && len(words) < 3 && !ts[k].is("and", "with", "for", "field") {
				words = append(words, ts[k].text)
				k++
			}
			more := k < len(ts) && ts[k].is("/")
			ends := k >= len(ts) || ts[k].kind == punct
			if len(words) > 1 && !more && !ends {
				words, k = words[:1], j+2
			}
			if len(words) == 0 {
				j = k
				break
			}
			list = append(list, strings.Join(words, " "))
			j = k
		}
		text := strings.Join(list, "/")
		out = append(out, token{kind: alts, text: text, en: fold(text), lemma: fold(text), alts: list})
		i = j
	}
	return out
}

// text joins what was typed.
func text(ts []token) string {
	var w []string
	for _, t := range ts {
		w = append(w, t.text)
	}
	return strings.Join(w, " ")
}

// lemma joins the English singulars.
func lemma(ts []token) string {
	var w []string
	for _, t := range ts {
		if t.kind != quoted {
			w = append(w, t.lemma)
		}
	}
	return strings.Join(w, " ")
}

// lemmaOf is lemma for a plain English phrase.
func lemmaOf(phrase string) string {
	words := strings.Fields(strings.ReplaceAll(fold(phrase), "_", " "))
	for i, w := range words {
		words[i] = singular(w)
	}
	return strings.Join(words, " ")
}

// find returns where the words of an English phrase stand in ts, as singulars, or -1.
func find(ts []token, phrase string) int {
	want := strings.Fields(phrase)
	for i := 0; i+len(want) <= len(ts); i++ {
		ok := true
		for k, w := range want {
			if t := ts[i+k]; t.kind == quoted || t.lemma != w && t.en != w {
				ok = false
				break
			}
		}
		if ok && len(want) > 0 {
			return i
		}
	}
	return -1
}

// says reports whether any sentence holds the phrase.
func says(sentences [][]token, phrase string) bool {
	for _, s := range sentences {
		if find(s, phrase) >= 0 {
			return true
		}
	}
	return false
}
