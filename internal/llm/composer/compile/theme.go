package compile

import (
	"fmt"
	"hash/fnv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// textContrast is what WCAG 2.2 AA asks of text; a little more is kept for rounding.
const textContrast = 4.55

// palette is every colour of an app by token name, for both themes.
type palette struct {
	light, dark map[string]rgbHex
	start       string // the theme that the app starts in
}

// rgbHex is a colour as CSS reads it.
type rgbHex string

// tokenNames in the order in which they are written.
var tokenNames = []string{
	"canvas", "surface", "surface-sunken", "line", "line-strong", "ink", "muted",
	"primary", "primary-hover", "primary-ink", "primary-soft", "primary-text",
	"accent", "accent-soft", "info", "info-soft", "success", "success-soft", "warning", "warning-soft",
	"danger", "danger-soft", "danger-solid", "danger-hover",
}

// primaries are what an app gets whose prompt names no colour: one of these, by its name.
var primaries = []string{"#0f766e", "#1d4ed8", "#6d28d9", "#be185d", "#b45309", "#166534", "#0e7490", "#4338ca"}

// newPalette derives all tokens from the two colours that a prompt can name.
func newPalette(s spec.Spec) palette {
	primary := s.Theme.Primary
	if primary == "" {
		h := fnv.New32a()
		h.Write([]byte(s.Name))
		primary = primaries[h.Sum32()%uint32(len(primaries))]
	}
	p := parseHex(primary)
	asked := s.Theme.Primary != ""
	light, dark := oklch{0.98, 0.004, p.oklch().h}.rgb(), oklch{0.19, 0.01, p.oklch().h}.rgb()
	if s.Theme.Background != "" {
		b := parseHex(s.Theme.Background)
		hue := b.oklch()
		if b.dark() {
			dark = b
			light = oklch{0.975, min(hue.c, 0.012), hue.h}.rgb()
		} else {
			light = b
			dark = oklch{0.19, min(hue.c, 0.015), hue.h}.rgb()
		}
	}
	start := (&app{Spec: s}).StartTheme()
	return palette{light: tokens(light, p, asked), dark: tokens(dark, p, asked), start: start}
}

// tokens makes one theme from its canvas and the primary colour. keep says that the primary was asked for:
// it then stays as it is wherever it can be seen at all.
func tokens(canvas, primary rgb, keep bool) map[string]rgbHex {
	t := map[string]rgbHex{}
	set := func(name string, c rgb) rgb {
		t[name] = rgbHex(c.hex())
		return c
	}
	dark := canvas.dark()
	bg := canvas.oklch()
	tint := min(bg.c, 0.06)
	surface, sunken := surfaces(canvas, dark)
	set("canvas", canvas)
	set("surface", surface)
	set("surface-sunken", sunken)
	grounds := []rgb{canvas, surface, sunken}
	s := surface.oklch()
	pick := func(onLight, onDark float64) float64 {
		if dark {
			return onDark
		}
		return onLight
	}
	set("line", oklch{s.l + pick(-0.09, 0.085), min(tint, 0.02), bg.h}.rgb())
	set("line-strong", readable(oklch{pick(0.7, 0.5), min(tint, 0.02), bg.h}, 3, grounds...))
	set("ink", readable(oklch{pick(0.235, 0.955), 0.012, bg.h}, 7, grounds...))
	if hex := rgbHex(readable(oklch{pick(0.235, 0.955), 0.012, bg.h}, textContrast, grounds...).hex()); contrast(parseHex(string(t["ink"])), canvas) < textContrast {
		t["ink"] = hex
	}
	set("muted", readable(oklch{pick(0.495, 0.735), 0.014, bg.h}, textContrast, grounds...))

	p := primary.oklch()
	solid := primary
	if !keep && dark {
		solid = oklch{0.74, min(p.c, 0.13), p.h}.rgb()
	} else if contrast(primary, surface) < 1.6 { // it would vanish
		solid = readable(p, 1.6, surface)
	}
	set("primary", solid)
	ink := onColour(solid)
	set("primary-ink", ink)
	set("primary-hover", hover(solid, ink))
	soft := func(hue, chroma float64) rgb {
		return oklch{pick(max(0.95-max(0, 0.93-bg.l)*0.5, 0.85), min(s.l+0.085, 0.36)), chroma, hue}.rgb()
	}
	primarySoft := set("primary-soft", soft(p.h, min(p.c, pick(0.035, 0.05))))
	set("primary-text", readable(oklch{pick(0.45, 0.78), p.c, p.h}, textContrast, append(grounds, primarySoft)...))
	for _, c := range []struct {
		name        string
		hue, chroma float64
	}{{"accent", 305, 0.13}, {"info", 250, 0.12}, {"success", 150, 0.11}, {"warning", 68, 0.1}, {"danger", 27, 0.17}} {
		under := set(c.name+"-soft", soft(c.hue, pick(0.035, 0.055)))
		set(c.name, readable(oklch{pick(0.48, 0.8), c.chroma, c.hue}, textContrast, append(grounds, under)...))
	}
	red := readable(oklch{0.55, 0.19, 27}, textContrast, rgb{1, 1, 1})
	set("danger-solid", red)
	set("danger-hover", hover(red, rgb{1, 1, 1}))
	return t
}

// surfaces are the cards on a canvas and the wells in them. They stay on the canvas's side of grey, so that one
// text colour reads on all three.
func surfaces(canvas rgb, dark bool) (surface, sunken rgb) {
	bg := canvas.oklch()
	switch {
	case dark && bg.l > 0.34: // a colour of middle lightness: deeper cards keep white text legible
		return oklch{bg.l - 0.07, bg.c * 0.8, bg.h}.rgb(), oklch{bg.l - 0.035, bg.c * 0.8, bg.h}.rgb()
	case dark:
		return oklch{bg.l + 0.038, bg.c, bg.h}.rgb(), oklch{bg.l + 0.072, bg.c, bg.h}.rgb()
	case bg.l < 0.9: // a strong colour: cards are a pale tint of it
		return oklch{min(bg.l+0.12, 0.985), bg.c * 0.25, bg.h}.rgb(), oklch{min(bg.l+0.06, 0.95), bg.c * 0.4, bg.h}.rgb()
	}
	return oklch{min(bg.l+0.022, 1), bg.c * 0.3, bg.h}.rgb(), oklch{min(bg.l-0.012, 0.965), bg.c * 0.9, bg.h}.rgb()
}

// onColour is the text on a filled button: white where it reads, else nearly black.
func onColour(c rgb) rgb {
	white, black := rgb{1, 1, 1}, oklch{0.2, 0.03, c.oklch().h}.rgb()
	if contrast(white, c) >= textContrast {
		return white
	}
	if contrast(black, c) >= textContrast {
		return black
	}
	if contrast(white, c) > contrast(rgb{}, c) {
		return white
	}
	return rgb{}
}

// hover moves a filled button away from its text's colour, so that contrast only grows.
func hover(c, ink rgb) rgb {
	x := c.oklch()
	if ink.luminance() > c.luminance() {
		x.l -= 0.05
	} else {
		x.l += 0.045
	}
	out := oklch{min(max(x.l, 0), 1), x.c, x.h}.rgb()
	if contrast(out, ink) < contrast(c, ink) {
		return c
	}
	return out
}

// canvas is the colour that the browser's own frame takes.
func (p palette) canvas() rgbHex {
	if p.start == "dark" {
		return p.dark["canvas"]
	}
	return p.light["canvas"]
}

// css writes src/tokens.css.
func (p palette) css() string {
	var b strings.Builder
	b.WriteString("/*\n * Theme tokens: the only colours of the app, by the names of tailwind.config.js.\n" +
		" * Light here, dark below; lib/theme.ts sets data-theme on <html>.\n */\n")
	write := func(selector, scheme string, t map[string]rgbHex) {
		fmt.Fprintf(&b, "%s {\n  color-scheme: %s;\n", selector, scheme)
		for _, name := range tokenNames {
			fmt.Fprintf(&b, "  --%s: %s;\n", name, t[name])
		}
		b.WriteString("}\n")
	}
	write(":root", "light", p.light)
	b.WriteString("\n")
	write(`[data-theme="dark"]`, "dark", p.dark)
	return b.String()
}
