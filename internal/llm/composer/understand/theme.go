package understand

import (
	"regexp"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

var (
	colorPiece = regexp.MustCompile(`#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|[a-z]+(?:-white)?|[.;,!?]`)
	darkMode   = regexp.MustCompile(`\b(dark (mode|theme|background|ui|look|design|interface)|in dark\b|night mode)|(?:^|[.,;] )dark(?: [.,;]|$)`)
	lightMode  = regexp.MustCompile(`\b(light (mode|theme))`)
)

var brackets = regexp.MustCompile(`\([^()]*\)`)

// surfaces and accents are the words that say where a colour goes.
var (
	surfaces = set("background backdrop canvas backgrounds bg")
	accents  = set("button buttons accent accents component components primary link links highlight highlights brand elements theme header headers icon icons action actions color colour colors colours scheme palette look design style main")
)

// shade is a colour in the text with its place among the words.
type shade struct {
	hex      string
	from, to int // words
	name     string
}

// themeOf reads the colours of a text: "ivory as the background and dark green for components". Each colour
// goes to the nearest word that says where, in the same clause first. rest is the text without what spoke of
// colours, so that "orange buttons" is not taken for a thing to keep.
func themeOf(text string, lang *language) (theme spec.Theme, said []string, rest string) {
	var held []string // brackets hold options: "belt (white, yellow, green)" is no wish for colours
	text = brackets.ReplaceAllStringFunc(text, func(s string) string {
		held = append(held, s)
		return "\x01"
	})
	defer func() {
		for _, h := range held {
			rest = strings.Replace(rest, "\x01", h, 1)
		}
	}()
	text = strings.TrimRight(text, " ")
	rest = text
	low := fold(text)
	words := colorPiece.FindAllString(low, -1)
	for i, w := range words {
		if en, ok := lang.words[w]; ok && !strings.Contains(en, " ") {
			words[i] = en
		}
	}
	if darkMode.MatchString(strings.Join(words, " ")) {
		theme.Mode = "dark"
	} else if lightMode.MatchString(low) {
		theme.Mode = "light"
	}
	shades := findShades(words)
	anchored := false
	for _, w := range words {
		anchored = anchored || surfaces[w] || accents[w]
	}
	for _, s := range shades {
		surface, dist := nearest(words, s)
		switch {
		case strings.HasPrefix(s.hex, "#") && dist < 0 && !bareColor(words, s):
			continue // "red wine", "green house": no colour of the app
		case surface && theme.Background == "":
			theme.Background = s.hex
			said = append(said, s.name+" background")
		case !surface && theme.Primary != "" && theme.Background == "" && luminance(s.hex) > 0.75: // "navy and sand colors"
			theme.Background = s.hex
			said = append(said, s.name+" background")
		case !surface && theme.Primary == "":
			theme.Primary = s.hex
			said = append(said, s.name+" for buttons and links")
		}
	}
	if theme.Background != "" {
		if dark := luminance(theme.Background) < 0.25; dark {
			theme.Mode = "dark"
		} else if theme.Mode == "" {
			theme.Mode = "light"
		}
	}
	if theme.Mode == "dark" && theme.Background == "" {
		said = append(said, "dark to start with")
	}
	if len(shades) > 0 || theme.Mode != "" {
		rest = withoutColors(text, lang)
	}
	return theme, said, rest
}

// findShades finds colour names and hex values; longer names win ("dark green" before "green").
func findShades(words []string) []shade {
	l := vocabulary()
	var out []shade
	for i := 0; i < len(words); i++ {
		if strings.HasPrefix(words[i], "#") {
			out = append(out, shade{hex: longHex(words[i]), from: i, to: i + 1, name: words[i]})
			continue
		}
		for n := 3; n >= 1; n-- {
			if i+n > len(words) {
				continue
			}
			name := strings.Join(words[i:i+n], " ")
			hex, ok := l.colors[name]
			if !ok {
				hex, ok = l.colors[strings.ReplaceAll(name, " ", "")]
			}
			if ok {
				out = append(out, shade{hex: hex, from: i, to: i + n, name: name})
				i += n - 1
				break
			}
		}
	}
	return out
}

func longHex(h string) string {
	if len(h) == 4 {
		return "#" + strings.Repeat(h[1:2], 2) + strings.Repeat(h[2:3], 2) + strings.Repeat(h[3:4], 2)
	}
	return h
}

// nearest returns whether the closest anchor word is a surface, and its distance, or -1 without one near.
func nearest(words []string, s shade) (surface bool, dist int) {
	dist = -1
	scan := func(step, from, limit int) (bool, int) {
		for i, n := from, 1; i >= 0 && i < len(words) && n <= limit; i, n = i+step, n+1 {
			w := words[i]
			if w == "." || w == ";" || w == "!" || w == "," && n > 1 || w == "and" && n > 1 && step > 0 {
				return false, -1
			}
			if n > 1 && step < 0 && (w == "and" || w == ",") {
				return false, -1
			}
			if surfaces[w] || accents[w] {
				if (w == "color" || w == "colour") && step < 0 && i > 0 && surfaces[words[i-1]] { // "background color ivory"
					return true, n
				}
				if (w == "color" || w == "colour") && step > 0 && n == 1 { // "ivory color for the background"
					continue
				}
				return surfaces[w], n
			}
		}
		return false, -1
	}
	after, da := scan(1, s.to, 6)
	before, db := scan(-1, s.from-1, 6)
	if da > 1 && db == 1 { // "background #fff, buttons #00f": the word right before wins
		return before, db
	}
	if da > 0 && (db < 0 || da <= db) {
		return after, da
	}
	if db > 0 {
		return before, db
	}
	return false, -1
}

// bareColor reports whether a colour stands alone, "Pink.", or the text says "in green".
func bareColor(words []string, s shade) bool {
	stop := func(i int) bool {
		return i < 0 || i >= len(words) || strings.ContainsAny(words[i], ".;,!") || words[i] == "and" || words[i] == "please"
	}
	if s.name == "tan" || s.name == "plum" || s.name == "olive" || s.name == "coffee" || s.name == "salmon" || s.name == "mint" || s.name == "peach" || s.name == "rose" {
		return false
	}
	if s.from > 0 && (words[s.from-1] == "in" || words[s.from-1] == "it" || words[s.from-1] == "everything") && stop(s.to) {
		return true
	}
	if s.to+1 < len(words) && words[s.to] == "and" && len(findShades(words[s.to+1:min(s.to+3, len(words))])) > 0 {
		return true // "dark green and gold"
	}
	if i := s.from - 1; i >= 0 && words[i] == "," { // one of a list
		return false
	}
	return stop(s.from-1) && stop(s.to)
}

// withoutColors removes the clauses that speak of colours only.
func withoutColors(text string, lang *language) string {
	var kept []string
	for _, clause := range clauses.FindAllString(text, -1) {
		words := colorPiece.FindAllString(fold(clause), -1)
		n, about := 0, false
		for i, w := range words {
			if en, ok := lang.words[w]; ok {
				w = en
				words[i] = en
			}
			if surfaces[w] || accents[w] {
				about = true
			} else if !functional[w] && w != "use" && w != "make" && w != "dark" && w != "light" && w != "mode" {
				n++
			}
		}
		for _, s := range findShades(words) {
			about = true
			n -= s.to - s.from
			if s.name == "dark" || s.name == "light" {
				n++
			}
		}
		if about && n <= 1 && (len(findShades(words)) > 0 || darkMode.MatchString(strings.Join(words, " ")) || lightMode.MatchString(strings.Join(words, " "))) {
			if end := clause[len(clause)-1:]; strings.ContainsAny(end, ".;,!?\n") {
				kept = append(kept, end)
			}
			continue
		}
		kept = append(kept, clause)
	}
	return strings.Join(kept, "")
}

var clauses = regexp.MustCompile(`[^.;,!?\n]*[.;,!?\n]|[^.;,!?\n]+$`)

// luminance is the relative luminance of #rrggbb after WCAG 2, without the gamma curve's last digits: it only
// tells dark from light.
func luminance(hex string) float64 {
	v, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		return 1
	}
	r, g, b := float64(v>>16&255)/255, float64(v>>8&255)/255, float64(v&255)/255
	return 0.2126*r*r + 0.7152*g*g + 0.0722*b*b
}
