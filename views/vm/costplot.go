package vm

import (
	"math"
	"net/url"
	"strconv"
	"time"

	"overskill/internal/model"
)

// The frame of the plot, in its units.
const (
	plotWidth, plotHeight = 900.0, 200.0
	gap                   = 0.13 // of a day's width, on each side of a bar
	maxBars               = 62   // above it, a bar is a week
)

// newCostPlot draws the days, or the weeks of a long range.
func newCostPlot(c model.Costs, link func(func(url.Values)) string) CostPlot {
	series, class := plotSeries(c)
	bars, days := weeks(c.Days)
	var top int64
	for _, b := range bars {
		top = max(top, b.Total)
	}
	var next []int64
	if c.Forecast != nil && days == 1 {
		next = c.Forecast.Days
		for _, micros := range next {
			top = max(top, micros)
		}
	}
	limit, step := niceScale(top)
	p := CostPlot{limit: limit, Title: "Cost per day, by app", Note: c.TimeZone + " days"}
	if days > 1 {
		p.Title, p.Note = "Cost per week, by app", "Weeks of "+c.TimeZone+" days"
	}
	for v := limit; v >= -step/2; v -= step {
		p.Scale = append(p.Scale, scaleMoney(max(v, 0), step))
		p.Grid = append(p.Grid, "M0 "+num(plotHeight*(1-v/limit))+"H"+num(plotWidth))
	}
	width := plotWidth / float64(max(len(bars), 1))
	head := []string{"Day"}
	for _, s := range series {
		head = append(head, s.Name)
	}
	p.Table = append(p.Table, append(head, "Sum"))
	for i, b := range bars {
		bar, row := plotBar(b, series, class, float64(i)*width, width, limit)
		bar.Label, bar.Now = plotLabel(b.Day, days), days == 1 && b.Day.Equal(c.Today)
		bar.Key = i%7 == 0 || bar.Now
		if days > 1 && i%4 != 0 {
			bar.Label = ""
		}
		if bar.Now {
			p.Today = &Rect{X: num(float64(i) * width), W: num(width)}
		}
		p.Days = append(p.Days, bar)
		if b.Total > 0 {
			p.Table = append(p.Table, row)
		}
		if k := i - len(bars) + len(next); k >= 0 && days == 1 && b.Day.After(c.Today) {
			p.Next = append(p.Next, barRect("next", float64(i)*width, width, 0, float64(next[k])/1e6, limit))
		}
	}
	for i, s := range series {
		key := CostKey{Class: "c" + strconv.Itoa(i+1), Name: s.Name, Cost: Money(s.BillableMicros)}
		if s.Slug != others {
			key.Href = link(func(v url.Values) { v.Set("app", slugOrNone(s.Slug)) })
		}
		p.Keys = append(p.Keys, key)
	}
	return p
}

// pace draws what may be spent a day, if the scale reaches there.
func (p *CostPlot) pace(micros int64) {
	dollars := float64(micros) / 1e6
	if dollars > p.limit {
		return
	}
	p.Pace = "M0 " + num(plotHeight*(1-dollars/p.limit)) + "H" + num(plotWidth)
	p.Note += ", dashed: " + Money(micros) + " a day reaches the limit"
}

// others is the slug of the last series, which no app has.
const others = "*"

// plotSeries are the dearest apps and all others together, and the index of each app's series.
func plotSeries(c model.Costs) ([]model.AppCost, map[string]int) {
	var out []model.AppCost
	class := map[string]int{}
	rest := model.AppCost{Slug: others}
	n := int64(0)
	for _, a := range c.Apps {
		switch {
		case a.BillableMicros == 0:
		case len(out) < plotted:
			class[a.Slug] = len(out)
			a.Name = appLabel(a)
			out = append(out, a)
		default:
			class[a.Slug] = plotted
			rest.BillableMicros += a.BillableMicros
			n++
		}
	}
	if n > 0 {
		rest.Name = countOf(n, "other app")
		out = append(out, rest)
	}
	return out, class
}

// weeks puts the days of a long range together, and returns how many days a bar has.
func weeks(days []model.DayCost) ([]model.DayCost, int) {
	if len(days) <= maxBars {
		return days, 1
	}
	const week = 7
	var out []model.DayCost
	for i, d := range days {
		if i%week == 0 {
			out = append(out, model.DayCost{Day: d.Day, Apps: map[string]int64{}})
		}
		b := &out[len(out)-1]
		b.Total += d.Total
		for slug, micros := range d.Apps {
			b.Apps[slug] += micros
		}
	}
	return out, week
}

// plotBar stacks a day's series, and lists them for the table.
func plotBar(d model.DayCost, series []model.AppCost, class map[string]int, x, width, limit float64) (CostBar, []string) {
	sums := make([]int64, len(series))
	for slug, micros := range d.Apps {
		if k, ok := class[slug]; ok && k < len(sums) {
			sums[k] += micros
		}
	}
	bar := CostBar{Title: d.Day.Format("2 Jan") + ": " + Money(d.Total)}
	row := []string{d.Day.Format("2 Jan")}
	base := 0.0
	for k, micros := range sums {
		row = append(row, Money(micros))
		if micros == 0 {
			continue
		}
		dollars := float64(micros) / 1e6
		bar.Parts = append(bar.Parts, barRect("c"+strconv.Itoa(k+1), x, width, base, dollars, limit))
		base += dollars
	}
	return bar, append(row, Money(d.Total))
}

// barRect is a part of a bar, a little apart from the one on it.
func barRect(class string, x, width, base, dollars, limit float64) Rect {
	const line = 1.0
	h := plotHeight * dollars / limit
	return Rect{Class: class, X: num(x + gap*width), Y: num(plotHeight - plotHeight*base/limit - h), W: num(width * (1 - 2*gap)), H: num(max(h-line, 0.5))}
}

func plotLabel(day time.Time, days int) string {
	if days > 1 {
		return day.Format("2 Jan")
	}
	return strconv.Itoa(day.Day())
}

// niceScale returns the top of a scale in dollars, and its steps: 1, 2 or 5 times a power of ten, three to five of them.
func niceScale(micros int64) (limit, step float64) {
	top := max(float64(micros)/1e6, 0.04)
	step = math.Pow(10, math.Floor(math.Log10(top)))
	for _, f := range []float64{0.2, 0.5, 1, 2} {
		if top/(step*f) <= 5 {
			step *= f
			break
		}
	}
	return step * math.Ceil(top/step-1e-9), step
}

// scaleMoney is a mark of the scale, with as many digits as its steps have.
func scaleMoney(dollars, step float64) string {
	if step >= 1 {
		return "$" + grouped(int64(math.Round(dollars)))
	}
	return "$" + strconv.FormatFloat(dollars, 'f', 2, 64)
}

// num prints a coordinate to the tenth.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
