package codesearch

import (
	"bytes"
	"math"
	"regexp/syntax"
)

// filter finds the lines that an expression could match, many times faster than the expression does.
//
// Most expressions cannot match without a certain run of characters: "use" and a capital letter, one of three
// words, four digits. Such runs are looked for all at once with the Shift-And algorithm (Baeza-Yates and
// Gonnet, "A new approach to text searching", 1992): one bit for each place of each run, one table look-up and
// one shift for each byte. Only lines with a run are shown to the expression, so the filter may let through too
// much and never too little.
type filter struct {
	table         [256]uint64 // by byte: the places where it may stand
	first, accept uint64      // the first and the last place of each run
}

// place is the set of bytes that may stand at one place of a run.
type place [256]bool

// run is a stretch of places that a match must have, one byte each.
type run []place

const (
	maxPlaces = 64 // bits of the state
	maxRuns   = 16 // alternatives; with more of them a line is soon a candidate anyway
	minBits   = 2  // a run that says less about a line is not worth looking for
)

// newFilter returns the filter of an expression, or nil if it can match without any particular character.
func newFilter(expr string) *filter {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	runs := required(re)
	if len(runs) == 0 || bits(runs) < minBits {
		return nil
	}
	var f filter
	at := 0
	for _, r := range runs {
		r = r[:min(len(r), maxPlaces/len(runs))]
		f.first |= 1 << at
		for _, p := range r {
			for c, in := range p {
				if in {
					f.table[c] |= 1 << at
				}
			}
			at++
		}
		f.accept |= 1 << (at - 1)
	}
	f.table['\n'] = 0 // no match crosses lines
	return &f
}

// next returns where the first candidate line at or after from begins, or -1. From must be the start of a line.
func (f *filter) next(content []byte, from int) int {
	state := uint64(0)
	for i := from; i < len(content); i++ {
		state = (state<<1 | f.first) & f.table[content[i]]
		if state&f.accept != 0 {
			return bytes.LastIndexByte(content[:i], '\n') + 1
		}
	}
	return -1
}

// The two letters outside ASCII that equal ASCII letters when case does not count: ſ is an s, K (kelvin) is a k.
const longS, kelvin = 'ſ', '\u212A'

// blindTo reports whether content holds letters that the filter leaves out of account.
func blindTo(content []byte) bool {
	return bytes.Contains(content, []byte(string(longS))) || bytes.Contains(content, []byte(string(kelvin)))
}

// required returns runs of which every match of re holds at least one; none if nothing is known.
func required(re *syntax.Regexp) []run {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass:
		return longest(places(re))
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		return requiredOfConcat([]*syntax.Regexp{re})
	case syntax.OpConcat:
		return requiredOfConcat(re.Sub)
	case syntax.OpAlternate:
		var all []run
		for _, sub := range re.Sub {
			r := required(sub)
			if len(r) == 0 || len(all)+len(r) > maxRuns {
				return nil
			}
			all = append(all, r...)
		}
		return all
	}
	return nil
}

// requiredOfConcat joins the places of neighbours to runs, and returns the most telling requirement.
func requiredOfConcat(subs []*syntax.Regexp) (best []run) {
	consider := func(runs []run) {
		if len(runs) > 0 && (best == nil || bits(runs) > bits(best)) {
			best = runs
		}
	}
	var open run // of the places directly before
	cut := func() {
		if len(open) > 0 {
			consider([]run{open})
		}
		open = nil
	}
	for _, sub := range subs {
		for sub.Op == syntax.OpCapture {
			sub = sub.Sub[0]
		}
		switch sub.Op {
		case syntax.OpLiteral, syntax.OpCharClass:
			for i, r := range places(sub) {
				if i > 0 {
					cut()
				}
				open = append(open, r...)
			}
		case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpEmptyMatch:
			// these take no place
		case syntax.OpPlus, syntax.OpRepeat:
			p, single := onePlace(sub.Sub[0])
			if !single {
				cut()
				if sub.Op == syntax.OpPlus || sub.Min > 0 {
					consider(required(sub.Sub[0]))
				}
				break
			}
			times := 1
			if sub.Op == syntax.OpRepeat {
				times = min(sub.Min, maxPlaces)
			}
			for range times {
				open = append(open, p)
			}
			cut()
			if times > 0 {
				open = run{p} // the last of them stands before what follows
			}
		default:
			cut()
			consider(required(sub))
		}
	}
	cut()
	return best
}

// onePlace returns the set of an expression that matches exactly one byte.
func onePlace(re *syntax.Regexp) (place, bool) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op == syntax.OpLiteral || re.Op == syntax.OpCharClass {
		if runs := places(re); len(runs) == 1 && len(runs[0]) == 1 {
			return runs[0][0], true
		}
	}
	return place{}, false
}

// places translates a literal or a class. What has no fixed bytes parts the runs: an empty run stands for it at
// either end, so that neighbours do not join over it.
func places(re *syntax.Regexp) []run {
	if re.Op == syntax.OpCharClass {
		var p place
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				switch {
				case r < 0x80:
					p[r] = true
				case r != longS && r != kelvin:
					return []run{nil, nil}
				}
			}
		}
		if p == (place{}) {
			return []run{nil, nil}
		}
		return []run{{p}}
	}
	runs := []run{nil}
	for _, r := range re.Rune {
		last := &runs[len(runs)-1]
		fold := re.Flags&syntax.FoldCase != 0
		switch {
		case fold && r >= 0x80:
			runs = append(runs, nil)
		case fold:
			var p place
			p[r] = true
			if letter := r | 0x20; letter >= 'a' && letter <= 'z' {
				p[letter], p[letter&^0x20] = true, true
			}
			*last = append(*last, p)
		default:
			for _, c := range []byte(string(r)) {
				var p place
				p[c] = true
				*last = append(*last, p)
			}
		}
	}
	return runs
}

// longest returns the most telling run, if there is one.
func longest(runs []run) (best []run) {
	for _, r := range runs {
		if len(r) > 0 && (best == nil || bits([]run{r}) > bits(best)) {
			best = []run{r}
		}
	}
	return best
}

// bits says how telling runs are: how many bits the least telling one leaves no choice about.
func bits(runs []run) float64 {
	least := math.Inf(1)
	for _, r := range runs {
		sum := 0.0
		for _, p := range r[:min(len(r), maxPlaces/len(runs))] {
			n := 0
			for _, in := range p {
				if in {
					n++
				}
			}
			sum += 8 - math.Log2(float64(n))
		}
		least = min(least, sum)
	}
	return least
}
