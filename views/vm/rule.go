package vm

import (
	"fmt"
	"strings"
	"time"

	"overskill/internal/model"
)

// Rule draws a turn as a horizontal measure: one bar a step, one tick a unit of time. Its lengths are the
// real ones. The numbers are SVG user units of a box RuleWidth wide.
type Rule struct {
	Bars  []Bar
	Ticks string // an SVG path
	Unit  string // what one small tick is
}

// Bar is a stretch of time of one step.
type Bar struct {
	X, Width string
	Class    string // done, bad
}

// RuleWidth is the width of the box in which a Rule is drawn.
const RuleWidth = 600

// ruleUnits are what a small tick may stand for; the first that gives at most maxTicks is taken.
var ruleUnits = []struct {
	d    time.Duration
	word string
}{{100 * time.Millisecond, "0.1 s"}, {time.Second, "1 s"}, {10 * time.Second, "10 s"}, {time.Minute, "1 min"}, {10 * time.Minute, "10 min"}, {time.Hour, "1 h"}}

const maxTicks = 90

func newRule(start, end time.Time, stages []model.Stage) Rule {
	total := end.Sub(start)
	if total <= 0 {
		return Rule{}
	}
	scale := func(d time.Duration) float64 {
		return min(max(float64(d)/float64(total), 0), 1) * RuleWidth
	}
	var r Rule
	for step := 1; step <= len(model.Steps); step++ {
		from, to, class := stretch(stages, step)
		if from.IsZero() {
			continue
		}
		x, width := scale(from.Sub(start)), scale(to.Sub(from))
		width = max(width-2, 1) // a gap, so that neighbours stay apart
		r.Bars = append(r.Bars, Bar{X: fmt.Sprintf("%.1f", x), Width: fmt.Sprintf("%.1f", width), Class: class})
	}
	unit := ruleUnits[len(ruleUnits)-1]
	for _, u := range ruleUnits {
		if total/u.d <= maxTicks {
			unit = u
			break
		}
	}
	var path strings.Builder
	for i := 0; i <= int(min(total/unit.d, maxTicks)); i++ {
		length := 3
		switch {
		case i%10 == 0:
			length = 8
		case i%5 == 0:
			length = 5
		}
		fmt.Fprintf(&path, "M%.1f 8v%d", scale(time.Duration(i)*unit.d), length)
	}
	r.Ticks, r.Unit = path.String(), unit.word
	return r
}

// stretch is the time from a step's first start to its last end.
func stretch(stages []model.Stage, step int) (from, to time.Time, class string) {
	class = "done"
	for _, s := range stages {
		if s.Step != step || s.StartedAt.IsZero() || s.EndedAt.IsZero() {
			continue
		}
		if from.IsZero() || s.StartedAt.Before(from) {
			from = s.StartedAt
		}
		if s.EndedAt.After(to) {
			to = s.EndedAt
		}
		if s.Status == model.StageFailed {
			class = "bad"
		}
	}
	return from, to, class
}
