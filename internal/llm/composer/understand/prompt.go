package understand

import (
	"regexp"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// Prompt reads the first description of an app. It always returns a spec that passes Validate: whatever
// the text is, empty, huge, in another script, HTML or SQL.
func Prompt(text string) spec.Spec {
	s := prompt(text)
	if s.Validate() != nil { // a gap in our rules must not keep a person from getting an app
		s = prompt("")
	}
	return s
}

// Vague reports whether a spec is the list of ideas that a text gets which does not say what to keep. FollowUp takes
// the next text as a new description then.
func Vague(s spec.Spec) bool {
	return len(s.Entities) == 1 && s.Entities[0].Name == "idea" && s.Name == ideaBox
}

// ideaBox is the name of an app that nobody described.
const ideaBox = "Idea Box"

func prompt(text string) spec.Spec {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", " "), " ")
	if asksOnly.MatchString(text) || gibberish.MatchString(text) {
		text = ""
	}
	lang := languageOf(text)
	name, rest := nameIn(text)
	theme, colors, rest := themeOf(rest, lang)
	r := &reader{lex: vocabulary(), lang: lang, wants: map[string]bool{}, sentences: tokenize(rest, lang)}
	r.arch = choose(r.sentences)
	if r.arch != nil {
		r.mod = r.arch.modifier()
	}
	r.read()
	b := &builder{reader: r, text: rest, spec: spec.Spec{Format: spec.Format, Theme: theme, Locale: lang.tag, Currency: currencyOf(text, lang)}}
	b.said = colors
	b.build(name)
	return b.spec
}

var (
	asksOnly     = regexp.MustCompile(`(?i)^\s*(?:how|what|what's|why|who|when|where|is|are|do|does)\b[^.\n:;]{0,120}\?\s*$`)
	gibberish    = regexp.MustCompile(`(?i)^\W*(?:(?:test(?:ing)?|foo|bar|baz|[b-df-hj-np-tv-xz]{4,}|good (?:morning|evening|afternoon|day)|\w*(?:asdf|sdfg|dfgh|fghj|ghjk|hjkl|qwer|wert|zxcv|xcvb)\w*)\W*)+$`)
	calledQuoted = regexp.MustCompile(`(?i)\b(?:called|named|titled|name it|call it|name is|llamad[ao]|namens|appel[ée]e?)\s*:?\s+["“']([^\n]{1,80}?)["”](?:\W|$)`)
	calledWords  = regexp.MustCompile(`\b(?:[Cc]alled|[Nn]amed|[Tt]itled|[Nn]ame it|[Cc]all it|[Ll]lamad[ao]|[Nn]amens)\s+((?:\p{Lu}[\p{L}\p{N}'’&+-]*|&|of|and|the|\d+)(?:\s+(?:\p{Lu}[\p{L}\p{N}'’&+-]*|&|of|and|the|\d+))*)`)
	calledOne    = regexp.MustCompile(`(?i)\b(?:called|named|titled|name it|call it)\s+([\p{L}][\p{L}\p{N}'’&+-]*)`)
	anyQuoted    = regexp.MustCompile(`["“]([^"”\n]{2,60})["”]\s+(?:app|site|website)\b|\b(?:app|site|website)\s+["“]([^"”\n]{2,60})["”]`)
)

// nameIn finds the name that the prompt gives to the app, and the text without it.
func nameIn(text string) (name, rest string) {
	for _, re := range []*regexp.Regexp{calledQuoted, calledWords, anyQuoted, calledOne} {
		m := re.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		for g := 2; g+1 < len(m); g += 2 {
			if m[g] < 0 {
				continue
			}
			name = strings.TrimSpace(strings.Trim(text[m[g]:m[g+1]], " \t.,;"))
			if name == "" || strings.ToLower(name) == name && (re == calledWords || re == calledOne && functional[fold(name)]) {
				name = ""
				continue
			}
			cut := m[0]
			if re == anyQuoted {
				cut = m[g]
			}
			return clip(name, 60), text[:cut] + " " + strings.TrimLeft(text[m[g+1]:], `"”'`)
		}
	}
	return "", text
}

// currencyOf returns the ISO 4217 code of the money that the text speaks of.
func currencyOf(text string, lang *language) string {
	low := " " + fold(text) + " "
	for _, c := range []struct{ word, code string }{
		{"€", "EUR"},
		{" euro", "EUR"},
		{" eur ", "EUR"},
		{"£", "GBP"},
		{" gbp ", "GBP"},
		{" pound sterling", "GBP"},
		{"₹", "INR"},
		{" rupee", "INR"},
		{" inr ", "INR"},
		{"¥", "JPY"},
		{" yen ", "JPY"},
		{" chf ", "CHF"},
		{" swiss franc", "CHF"},
		{" cad ", "CAD"},
		{" aud ", "AUD"},
		{" peso", "MXN"},
		{" real ", "USD"},
		{" usd ", "USD"},
		{"$", "USD"},
		{" sek ", "SEK"},
		{" zloty", "PLN"},
		{" pln ", "PLN"},
	} {
		if strings.Contains(low, c.word) {
			return c.code
		}
	}
	if lang != english {
		return "EUR"
	}
	return "USD"
}
