package compile

import (
	"fmt"
	"math"
	"strconv"
)

// rgb is a colour of the screen, each part 0 to 1, gamma-encoded as in CSS.
type rgb struct{ r, g, b float64 }

// oklch is a colour as the eye orders it: lightness 0 to 1, chroma from grey (0) up, hue in degrees.
// Definition and matrices: Björn Ottosson, "A perceptual color space for image processing", 2020.
type oklch struct{ l, c, h float64 }

// parseHex reads #rrggbb; spec.Validate has checked it. Anything else is black.
func parseHex(s string) rgb {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 32)
	if err != nil || len(s) != 7 {
		return rgb{}
	}
	return rgb{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}
}

func (c rgb) hex() string {
	part := func(v float64) int { return int(math.Round(min(max(v, 0), 1) * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c.r), part(c.g), part(c.b))
}

// rounded is the colour that hex writes: contrast is measured on what the screen shows.
func (c rgb) rounded() rgb { return parseHex(c.hex()) }

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encoded(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// luminance is the relative luminance of WCAG 2.
func (c rgb) luminance() float64 {
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is the contrast ratio of WCAG 2: 1 to 21; text needs 4.5.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// dark reports whether white text is easier to read on the colour than black text.
func (c rgb) dark() bool { return contrast(c, rgb{1, 1, 1}) > contrast(c, rgb{}) }

func (c rgb) oklch() oklch {
	r, g, b := linear(c.r), linear(c.g), linear(c.b)
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	lightness := 0.2104542553*l + 0.7936177850*m - 0.0040720468*s
	x := 1.9779984951*l - 2.4285922050*m + 0.4505937099*s
	y := 0.0259040371*l + 0.7827717662*m - 0.8086757660*s
	h := math.Atan2(y, x) * 180 / math.Pi
	if h < 0 {
		h += 360
	}
	return oklch{lightness, math.Hypot(x, y), h}
}

// rgb converts back; a colour that no screen shows loses chroma until one does.
func (c oklch) rgb() rgb {
	for chroma := c.c; ; chroma -= 0.004 {
		out, ok := oklch{c.l, max(chroma, 0), c.h}.unclamped()
		if ok || chroma <= 0 {
			return rgb{min(max(out.r, 0), 1), min(max(out.g, 0), 1), min(max(out.b, 0), 1)}.rounded()
		}
	}
}

func (c oklch) unclamped() (rgb, bool) {
	x, y := c.c*math.Cos(c.h*math.Pi/180), c.c*math.Sin(c.h*math.Pi/180)
	l := math.Pow(c.l+0.3963377774*x+0.2158037573*y, 3)
	m := math.Pow(c.l-0.1055613458*x-0.0638541728*y, 3)
	s := math.Pow(c.l-0.0894841775*x-1.2914855480*y, 3)
	out := rgb{
		encoded(4.0767416621*l - 3.3077115913*m + 0.2309699292*s),
		encoded(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s),
		encoded(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s),
	}
	const slack = 0.0005
	in := func(v float64) bool { return v >= -slack && v <= 1+slack }
	return out, in(out.r) && in(out.g) && in(out.b)
}

// readable moves a colour's lightness away from the backgrounds until it has the ratio with each; if its own
// hue cannot reach it, the result is black or white, whichever reads better.
func readable(c oklch, ratio float64, backgrounds ...rgb) rgb {
	worst := func(x rgb) float64 {
		low := math.Inf(1)
		for _, b := range backgrounds {
			low = min(low, contrast(x, b))
		}
		return low
	}
	step := -0.01
	if backgrounds[0].dark() {
		step = 0.01
	}
	for l := c.l; l >= 0 && l <= 1; l += step {
		if x := (oklch{l, c.c, c.h}).rgb(); worst(x) >= ratio {
			return x
		}
	}
	black, white := rgb{}, rgb{1, 1, 1}
	if worst(white) > worst(black) {
		return white
	}
	return black
}
