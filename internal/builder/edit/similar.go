package edit

import "strings"

const (
	likeness       = 0.6       // below this a place is not worth mentioning
	maxComparisons = 400_000   // lines compared in search of a hint
	maxCompared    = 100 << 20 // bytes, at worst
)

// closest finds the place most like the search. It only feeds the hint of a refusal: nothing is ever
// edited by similarity.
func (f file) closest(search []string) (first int, ok bool) {
	if len(search) == 0 || len(search) > len(f.lines) || len(search)*len(f.lines) > maxComparisons ||
		len(search)*len(f.original) > maxCompared {
		return 0, false
	}
	wrote := trimmed(search)
	real := trimmed(f.lines)
	best := likeness
	for i := 0; i+len(wrote) <= len(real); i++ {
		sum := 0.0
		for j, w := range wrote {
			sum += similarity(w, real[i+j])
		}
		if score := sum / float64(len(wrote)); score > best {
			best, first, ok = score, i, true
		}
	}
	return first, ok
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSpace(l)
	}
	return out
}

// similarity is 1 for equal lines, else the part of the longer one that both begin and end with.
func similarity(a, b string) float64 {
	if a == b {
		return 1
	}
	short, long := min(len(a), len(b)), max(len(a), len(b))
	prefix := 0
	for prefix < short && a[prefix] == b[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < short-prefix && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	return float64(prefix+suffix) / float64(long)
}
