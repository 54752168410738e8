package compile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"overskill/internal/llm/composer/spec"
)

// readings are the pairs of text and ground that the components use.
var readings = func() [][2]string {
	pairs := [][2]string{{"primary-ink", "primary"}, {"primary-ink", "primary-hover"}, {"primary-text", "primary-soft"}}
	for _, text := range []string{"ink", "muted", "primary-text", "accent", "info", "success", "warning", "danger"} {
		for _, ground := range []string{"canvas", "surface", "surface-sunken"} {
			pairs = append(pairs, [2]string{text, ground})
		}
	}
	for _, name := range []string{"accent", "info", "success", "warning", "danger"} {
		pairs = append(pairs, [2]string{name, name + "-soft"})
	}
	return pairs
}()

func TestEveryTextIsLegible(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pairs := [][2]string{
		{"", ""},
		{"#fffff0", "#14532d"},
		{"#ffc0cb", "#ff1493"},
		{"#0b0f14", "#f97316"},
		{"#808080", "#808080"},
		{"#ff0000", "#00ff00"},
		{"#ffff00", "#ffffff"},
		{"#000000", "#000000"},
		{"#ffffff", "#ffffff"},
		{"", "#ffffff"},
		{"", "#000000"},
	}
	for range 400 {
		pairs = append(pairs, [2]string{fmt.Sprintf("#%06x", r.IntN(1<<24)), fmt.Sprintf("#%06x", r.IntN(1<<24))})
	}
	lowest := math.Inf(1)
	for _, pair := range pairs {
		p := newPalette(spec.Spec{Name: "x", Theme: spec.Theme{Background: pair[0], Primary: pair[1]}})
		for scheme, tokens := range map[string]map[string]rgbHex{"light": p.light, "dark": p.dark} {
			for _, reading := range readings {
				c := contrast(parseHex(string(tokens[reading[0]])), parseHex(string(tokens[reading[1]])))
				lowest = min(lowest, c)
				if c < 4.5 {
					t.Errorf("background %s, primary %s, %s: %s on %s has %.2f:1", pair[0], pair[1], scheme, reading[0], reading[1], c)
				}
			}
			if c := contrast(parseHex(string(tokens["danger-solid"])), rgb{1, 1, 1}); c < 4.5 {
				t.Errorf("white on danger has %.2f:1", c)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("lowest contrast of %d pairs: %.2f:1", len(pairs), lowest)
}

func TestThePromptsColoursStay(t *testing.T) {
	for _, c := range []struct{ background, primary, start, scheme string }{
		{"#fffff0", "#14532d", "light", "light"},
		{"#0b0f14", "#f97316", "dark", "dark"},
	} {
		s := spec.Spec{Name: "x", Theme: spec.Theme{Background: c.background, Primary: c.primary}}
		p := newPalette(s)
		tokens := map[string]map[string]rgbHex{"light": p.light, "dark": p.dark}[c.scheme]
		if string(tokens["canvas"]) != c.background || string(tokens["primary"]) != c.primary || p.start != c.start {
			t.Errorf("%+v became canvas %s, primary %s, starting %s", c, tokens["canvas"], tokens["primary"], p.start)
		}
	}
	if got := (&app{Spec: spec.Spec{Theme: spec.Theme{Background: "#000000", Mode: "light"}}}).StartTheme(); got != "light" {
		t.Errorf("a mode that was asked for became %s", got)
	}
}

func TestTokensCSS(t *testing.T) {
	css := newPalette(spec.Spec{Name: "x"}).css()
	for _, name := range tokenNames {
		if n := len(regexp.MustCompile(`(?m)^  --`+name+`: #[0-9a-f]{6};$`).FindAllString(css, -1)); n != 2 {
			t.Errorf("--%s stands %d times", name, n)
		}
	}
	if strings.Count(css, "{") != 2 {
		t.Errorf("not two themes:\n%s", css)
	}
}

func TestOKLCHRoundTrip(t *testing.T) {
	for n := 0; n < 1<<24; n += 9973 {
		hex := fmt.Sprintf("#%06x", n)
		if got := parseHex(hex).oklch().rgb().hex(); got != hex {
			t.Fatalf("%s became %s", hex, got)
		}
	}
}
