package smoke

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
)

// A picture of a snapshot is coarse on purpose: every cell is the mean of 10x10 CSS pixels, in 15 levels. The edges of
// letters, which a browser smooths a little differently each time, drown in the mean; a button that moved or took
// another colour does not.
//
// It is a PNG of 128x120 with 4 bits a pixel, so even noise stays below 8 kB: above lies the brightness (128x80),
// below it side by side the two colour differences at half the resolution (64x40 each), which is how video is stored,
// because eyes too see brightness more finely than colour. The last level, unseen, marks what is not compared.
const (
	gridWidth, gridHeight = 128, 80
	cell                  = viewWidth / gridWidth // CSS pixels
	unseen                = 15
	levels                = 15
)

// A cell differs when its level does by more than one: the next level may be a matter of rounding.
const levelTolerance = 1

// minDifference is the share of cells below which two pictures count as the same, such as the caret of a field.
const minDifference = 0.002

// rect is a part of the first screen, in CSS pixels.
type rect struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	W float64 `json:"w"`
	H float64 `json:"h"`
}

// greys returns a palette with a grey for each level, and white for unseen.
func greys() color.Palette {
	p := make(color.Palette, levels+1)
	for i := range p {
		p[i] = color.Gray{Y: uint8(i * 255 / levels)}
	}
	return p
}

// newPicture makes the coarse picture of a screenshot of 640x400. What lies under masks is not compared later. It
// returns nil for what is no such screenshot.
func newPicture(screenshot []byte, masks []rect) []byte {
	shot, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil || shot.Bounds() != image.Rect(0, 0, viewWidth*pictureScale, viewHeight*pictureScale) {
		return nil
	}
	src, ok := shot.(*image.RGBA)
	if !ok {
		src = image.NewRGBA(shot.Bounds())
		draw.Draw(src, src.Bounds(), shot, image.Point{}, draw.Src)
	}
	img := image.NewPaletted(image.Rect(0, 0, gridWidth, gridHeight*3/2), greys())
	var red, blue [gridHeight][gridWidth]int // differences of colour
	step := src.Bounds().Dx() / gridWidth
	for y := range gridHeight {
		for x := range gridWidth {
			var luma int
			luma, blue[y][x], red[y][x] = mean(src, x*step, y*step, step)
			img.SetColorIndex(x, y, level(luma))
		}
	}
	for y := range gridHeight / 2 {
		for x := range gridWidth / 2 {
			img.SetColorIndex(x, gridHeight+y, level(quarter(&blue, x, y)))
			img.SetColorIndex(gridWidth/2+x, gridHeight+y, level(quarter(&red, x, y)))
		}
	}
	for _, m := range masks {
		mask(img, m)
	}
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if enc.Encode(&out, img) != nil {
		return nil
	}
	return out.Bytes()
}

// mean returns the mean brightness and colour differences, 0 to 255, of a square.
func mean(src *image.RGBA, x0, y0, step int) (luma, blue, red int) {
	var r, g, b int
	for y := y0; y < y0+step; y++ {
		row := src.Pix[src.PixOffset(x0, y):][:4*step]
		for ; len(row) > 0; row = row[4:] {
			r, g, b = r+int(row[0]), g+int(row[1]), b+int(row[2])
		}
	}
	n := step * step
	l, cb, cr := color.RGBToYCbCr(uint8(r/n), uint8(g/n), uint8(b/n))
	return int(l), int(cb), int(cr)
}

func quarter(plane *[gridHeight][gridWidth]int, x, y int) int {
	return (plane[2*y][2*x] + plane[2*y][2*x+1] + plane[2*y+1][2*x] + plane[2*y+1][2*x+1]) / 4
}

func level(v int) uint8 { return uint8(min(v*levels/256, levels-1)) }

// mask marks the cells that a part of the screen touches, and those around it, as unseen.
func mask(img *image.Paletted, m rect) {
	for _, v := range []float64{m.X, m.Y, m.W, m.H} {
		if math.IsNaN(v) || math.Abs(v) > 1e6 {
			return
		}
	}
	r := image.Rect(
		int(math.Floor(m.X/cell))-1, int(math.Floor(m.Y/cell))-1,
		int(math.Ceil((m.X+m.W)/cell))+1, int(math.Ceil((m.Y+m.H)/cell))+1,
	).Intersect(image.Rect(0, 0, gridWidth, gridHeight))
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			img.SetColorIndex(x, y, unseen)
		}
	}
}

// difference returns the share of the cells, 0 to 1, in which two pictures differ. Where one of them is missing or of
// another make, nothing is known, and the share is 0.
func difference(before, after []byte) float64 {
	a, b := readPicture(before), readPicture(after)
	if a == nil || b == nil {
		return 0
	}
	differs := func(x, y int) bool {
		d := int(a.ColorIndexAt(x, y)) - int(b.ColorIndexAt(x, y))
		return d > levelTolerance || d < -levelTolerance
	}
	seen, other := 0, 0
	for y := range gridHeight {
		for x := range gridWidth {
			if a.ColorIndexAt(x, y) == unseen || b.ColorIndexAt(x, y) == unseen {
				continue
			}
			seen++
			if differs(x, y) || differs(x/2, gridHeight+y/2) || differs(gridWidth/2+x/2, gridHeight+y/2) {
				other++
			}
		}
	}
	share := float64(other) / float64(max(seen, 1))
	if share < minDifference {
		return 0
	}
	return math.Round(share*1000) / 1000
}

func readPicture(data []byte) *image.Paletted {
	// The size is read first: a few bytes can promise a picture that fills the memory.
	size, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width != gridWidth || size.Height != gridHeight*3/2 {
		return nil
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	p, ok := img.(*image.Paletted)
	if !ok || len(p.Palette) != levels+1 {
		return nil
	}
	return p
}
