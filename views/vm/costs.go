package vm

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"overskill/internal/model"
)

// Costs is the page of what a team spends.
type Costs struct {
	Shell

	Range        CostRange
	Spent        string
	Budget       CostBudget
	ToDate       string // "Day 23 of 30"; "" for a range that is over
	Forecast     string
	Likely       string
	Change       CostChange // against the range before
	Green        CostTile
	Absorbed     CostTile
	Saved        CostTile
	All          string // address of all requests
	Unpriced     string // "14 requests"; "" when each has a price
	UnpricedHref string
	Plot         CostPlot
	People       []CostRow
	Models       []CostRow
	Apps         []CostRow
	Sum          CostRow
	Turns        []CostTurn
	TurnsNote    string
	Tokens       []CostRow // by class: what was read and written
	Zone         string
	CanManage    bool
	Error        string
	Empty        bool // nothing was ever asked of a model in this range
}

// CostRange is which days a page shows, and how to get to others.
type CostRange struct {
	Name          string // "November 2026" or "5 Nov to 9 Nov 2026"
	Before, After string // addresses; After is "" when it has not begun
	BeforeName    string
	Month         string // as in the address; "" for other ranges
	From, To      string // as in a date field
	App           string // the one that is shown; "" is all
	Apps          []Choice
	CSV           string
	Compared      string // the range before, as far as this one has come
}

// Choice is one entry of a select.
type Choice struct {
	Value, Text string
	Chosen      bool
}

// CostBudget is what may be spent in the month that runs, as a ruler of 600 by 8. The zero CostBudget has no limit.
type CostBudget struct {
	Limit       string // "$400.00"
	Field       string // as in the form
	Fill, Next  string // widths
	Marks       []string
	Warn, Full  string // sentences; "" while there is nothing to say
	Paths       string
	CaretAt     string
	NextMonthOn string
}

// CostTile is one figure with what explains it.
type CostTile struct{ Value, Href, Good, Bad, Note string }

// CostChange compares a figure with that of the range before.
type CostChange struct {
	Text string // "$3.20 less than October 2026"
	Good bool
}

// CostRow is a line of a table of costs.
type CostRow struct {
	Name, Href, Initials, Title    string
	Share                          string // width of the bar, 0 to 100
	Cost, Absorbed                 string
	Requests, In, Out, Cached      string
	Builds, Green, PerGreen        string
	Published, PerPublished, Saved string
	Unpriced                       bool
	Mono                           bool
}

// CostTurn is one of the dearest turns.
type CostTurn struct {
	Prompt, Href, App, Person, When, Number string
	OK                                      bool
	Requests, Tokens, Cost                  string
}

// CostPlot is a bar a day, stacked by app, in a frame of 900 by 200.
type CostPlot struct {
	Scale []string // from the top to 0
	Grid  []string // paths
	Days  []CostBar
	Keys  []CostKey
	Today *Rect
	Next  []Rect
	Table [][]string // first the head
	Title string
	Note  string
	limit float64 // the top of the scale, in dollars
	Pace  string  // a path: as much a day reaches the budget; "" without one
}

// CostBar is a day.
type CostBar struct {
	Label string // under the bar
	Key   bool   // its label is shown also where there is little room
	Now   bool
	Title string
	Parts []Rect
}

// CostKey is an entry of the legend.
type CostKey struct{ Class, Name, Href, Cost string }

// Rect is a rectangle of a plot, in its units.
type Rect struct{ Class, X, Y, W, H string }

// plotted is how many apps have a colour of their own; the others share the last one.
const plotted = 5

// NewCosts says how a report appears. q is what was asked for.
func NewCosts(shell Shell, c model.Costs, q model.CostQuery) Costs {
	out := Costs{
		Shell: shell, Range: newCostRange(c, q), Spent: Money(c.Total.BillableMicros), Zone: c.TimeZone, CanManage: c.CanManage,
		Empty: c.Total.Requests == 0 && c.Builds.Builds == 0,
	}
	link := func(change func(url.Values)) string { return costLink(c, q, change) }
	out.All = link(func(url.Values) {})
	if n := c.Total.Unpriced; n > 0 {
		out.Unpriced = countOf(n, "request")
		out.UnpricedHref = link(func(v url.Values) { v.Set("only", string(model.UnpricedCost)) })
	}
	if c.Month && !c.Today.Before(c.From) && !c.Today.After(c.To) {
		out.ToDate = fmt.Sprintf("Day %d of %d", c.Today.Day(), c.To.Day())
	}
	if f := c.Forecast; f != nil {
		out.Forecast = Money(f.Micros)
		out.Likely = "likely " + Money(f.Low) + " to " + Money(f.High)
	}
	out.Budget = newCostBudget(c, out.ToDate != "" && q.AppSlug == "")
	out.Change = change(c.Total.BillableMicros, c.Before.BillableMicros, out.Range.Compared)
	out.Green = greenTile(c, out.Range.Compared)
	out.Absorbed = CostTile{
		Value: Money(c.Total.AbsorbedMicros), Href: link(func(v url.Values) { v.Set("only", string(model.AbsorbedCost)) }),
		Note: fmt.Sprintf("%s of recovery, recorded and not billed. %s repaired.", countOf(c.Purposes[model.PurposeRecovery].Requests, "request"), countOf(c.Builds.Recovered, "green build")),
	}
	out.Saved = savedTile(c.Total)
	out.Plot = newCostPlot(c, link)
	if out.Budget.Limit != "" {
		out.Plot.pace(c.Budget.BudgetMicros / int64(c.To.Day()))
	}
	out.rows(c, link)
	for _, t := range c.Turns {
		out.Turns = append(out.Turns, CostTurn{
			Prompt: firstLine(t.Prompt), Href: "/apps/" + t.AppSlug + "/changes?v=" + url.QueryEscape(t.Number), App: t.AppName, Person: t.Person, When: dayTime(t.At, c.TimeZone),
			Number: t.Number, OK: t.Status == model.VersionGreen, Requests: grouped(t.Requests), Tokens: Tokens(t.Tokens), Cost: Money(t.Micros),
		})
	}
	out.TurnsNote = "of " + countOf(c.AllTurns, "turn")
	return out
}

// rows fills in the tables.
func (out *Costs) rows(c model.Costs, link func(func(url.Values)) string) {
	top := int64(1)
	for _, p := range c.People {
		top = max(top, p.BillableMicros)
	}
	for _, p := range c.People {
		r := newCostRow(p.UsageSum, p.BuildSum)
		who := NewPerson(model.User{Name: p.Name, Email: p.Email})
		r.Name, r.Initials, r.Share = who.Name, who.Initials, share(p.BillableMicros, top)
		id := p.UserID
		if id == 0 {
			r.Name, r.Initials, id = "Nobody", "–", model.Nobody
		}
		r.Href = link(func(v url.Values) { v.Set("user", strconv.FormatInt(id, 10)) })
		out.People = append(out.People, r)
	}
	for _, m := range c.Models {
		r := newCostRow(m.UsageSum, model.BuildSum{})
		r.Name, r.Mono = m.Model, true
		r.Unpriced = m.Unpriced > 0 && m.Unpriced == m.Requests-m.Failed
		r.Href = link(func(v url.Values) { v.Set("model", m.Model) })
		out.Models = append(out.Models, r)
	}
	for _, a := range c.Apps {
		r := newCostRow(a.UsageSum, a.BuildSum)
		r.Name = appLabel(a)
		r.Published, r.PerPublished = grouped(a.Published), per(a.BillableMicros, a.Published)
		r.Href = link(func(v url.Values) { v.Set("app", slugOrNone(a.Slug)) })
		out.Apps = append(out.Apps, r)
	}
	out.Sum = newCostRow(c.Total, c.Builds)
	out.Sum.Published, out.Sum.PerPublished = grouped(c.Published), per(c.Total.BillableMicros, c.Published)
	prompt := max(c.Total.Prompt(), 1)
	for _, t := range []struct {
		name string
		n    int64
	}{
		{"Read, not cached", c.Total.InputTokens},
		{"Read from a cache", c.Total.CacheReadTokens},
		{"Written to a cache", c.Total.CacheWriteTokens},
		{"Written as a reply", c.Total.OutputTokens},
	} {
		out.Tokens = append(out.Tokens, CostRow{Name: t.name, In: grouped(t.n), Share: share(t.n, max(prompt, c.Total.OutputTokens))})
	}
}

func newCostRow(u model.UsageSum, b model.BuildSum) CostRow {
	r := CostRow{
		Cost: Money(u.BillableMicros), Absorbed: Money(u.AbsorbedMicros), Requests: grouped(u.Requests), In: Tokens(u.Prompt()), Out: Tokens(u.OutputTokens),
		Cached: "none", Builds: grouped(b.Builds), Green: "–", PerGreen: per(u.BillableMicros, b.Green), Saved: signed(u.SavedMicros),
	}
	if u.CacheReadTokens > 0 {
		r.Cached = percent(u.CacheReadTokens, u.Prompt())
	}
	if b.Builds > 0 {
		r.Green = percent(b.Green, b.Builds)
	}
	return r
}

func appLabel(a model.AppCost) string {
	switch {
	case a.Slug == "":
		return "No app (tests of models)"
	case a.Name == "":
		return a.Slug + " (deleted)"
	}
	return a.Name
}

func slugOrNone(slug string) string {
	if slug == "" {
		return model.NoApp
	}
	return slug
}

// costLink is the address of the requests behind a figure.
func costLink(c model.Costs, q model.CostQuery, change func(url.Values)) string {
	v := costValues(c, q)
	change(v)
	return "/team/costs/requests?" + v.Encode()
}

func costValues(c model.Costs, q model.CostQuery) url.Values {
	v := url.Values{}
	if c.Month {
		v.Set("month", c.From.Format("2006-01"))
	} else {
		v.Set("from", c.From.Format(time.DateOnly))
		v.Set("to", c.To.Format(time.DateOnly))
	}
	if q.AppSlug != "" {
		v.Set("app", q.AppSlug)
	}
	return v
}

func newCostRange(c model.Costs, q model.CostQuery) CostRange {
	r := CostRange{
		Name: rangeName(c.From, c.To, c.Month), From: c.From.Format(time.DateOnly), To: c.To.Format(time.DateOnly), App: q.AppSlug,
		CSV: "/team/costs.csv?" + costValues(c, q).Encode(), Compared: rangeName(c.BeforeFrom, c.BeforeTo, isMonth(c.BeforeFrom, c.BeforeTo)),
	}
	before := c.BeforeTo
	if c.Month {
		before = c.From.AddDate(0, 0, -1)
	}
	r.BeforeName = rangeName(c.BeforeFrom, before, c.Month)
	if c.Month {
		r.Month = c.From.Format("2006-01")
	}
	at := func(from, to time.Time) string {
		return "/team/costs?" + costValues(model.Costs{From: from, To: to, Month: c.Month}, q).Encode()
	}
	r.Before = at(c.BeforeFrom, before)
	next := c.To.AddDate(0, 0, 1)
	if !next.After(c.Today) {
		last := next.AddDate(0, 1, -1)
		if !c.Month {
			last = next.Add(c.To.Sub(c.From))
		}
		r.After = at(next, last)
	}
	there := false
	for _, a := range c.Apps {
		chosen := slugOrNone(a.Slug) == q.AppSlug
		there = there || chosen
		r.Apps = append(r.Apps, Choice{slugOrNone(a.Slug), appLabel(a), chosen})
	}
	if q.AppSlug != "" && !there {
		r.Apps = append(r.Apps, Choice{q.AppSlug, q.AppSlug, true})
	}
	return r
}

// warnAt is the share of a budget, in percent, from which a page warns.
const warnAt = 80

// newCostBudget draws the month's budget where the page shows the month that runs, for all apps.
func newCostBudget(c model.Costs, now bool) CostBudget {
	m := c.Budget
	if m.BudgetMicros == 0 {
		return CostBudget{}
	}
	field := strconv.FormatFloat(float64(m.BudgetMicros)/1e6, 'f', -1, 64)
	if !now {
		return CostBudget{Field: field}
	}
	const width = 600.0
	at := func(micros int64) float64 { return width * min(1, float64(micros)/float64(m.BudgetMicros)) }
	b := CostBudget{
		Limit: Money(m.BudgetMicros), Field: field, Fill: num(at(m.SpentMicros)), CaretAt: "M" + num(at(m.SpentMicros)) + " -3v14",
		Next: "0", NextMonthOn: m.Next().Format("2 January") + " (" + m.TimeZone + ")",
	}
	if f := c.Forecast; f != nil {
		b.Next = num(max(0, at(f.Micros)-at(m.SpentMicros)))
	}
	for i := range 5 {
		b.Marks = append(b.Marks, "$"+strconv.FormatFloat(float64(m.BudgetMicros)/1e6*float64(i)/4, 'f', -1, 64))
	}
	for i := range 21 {
		height := "3"
		if i%5 == 0 {
			height = "5"
		}
		b.Paths += "M" + num(min(width-0.5, float64(i)*width/20)) + " 11v" + height
	}
	switch {
	case m.SpentMicros >= m.BudgetMicros:
		b.Full = "The budget of this month is used. No model is asked before " + b.NextMonthOn + ", unless an owner or admin raises it; the Composer goes on."
	case m.SpentMicros*100 >= m.BudgetMicros*warnAt:
		b.Warn = percent(m.SpentMicros, m.BudgetMicros) + " of this month's budget is used. At the limit, no model is asked any more before " + b.NextMonthOn + "."
	case c.Forecast != nil && c.Forecast.Micros > m.BudgetMicros:
		b.Warn = "If the month goes on like this, its budget is used before it ends: the forecast is " + Money(c.Forecast.Micros) + " of " + b.Limit + "."
	}
	return b
}

func isMonth(from, to time.Time) bool { return from.Day() == 1 && to.Equal(from.AddDate(0, 1, -1)) }

func rangeName(from, to time.Time, month bool) string {
	switch {
	case month:
		return from.Format("January 2006")
	case from.Equal(to):
		return from.Format("2 Jan 2006")
	case from.Year() == to.Year() && from.Month() == to.Month():
		return from.Format("2") + " to " + to.Format("2 Jan 2006")
	case from.Year() == to.Year():
		return from.Format("2 Jan") + " to " + to.Format("2 Jan 2006")
	}
	return from.Format("2 Jan 2006") + " to " + to.Format("2 Jan 2006")
}

func change(now, before int64, than string) CostChange {
	switch {
	case before == 0:
		return CostChange{}
	case now < before:
		return CostChange{Money(before-now) + " less than " + than, true}
	case now > before:
		return CostChange{Money(now-before) + " more than " + than, false}
	}
	return CostChange{Text: "as much as " + than}
}

func greenTile(c model.Costs, than string) CostTile {
	t := CostTile{Value: per(c.Total.BillableMicros, c.Builds.Green)}
	if c.Builds.Builds == 0 {
		t.Note = "No build ended in this time."
		return t
	}
	t.Note = fmt.Sprintf("%s green of %s, %s.", grouped(c.Builds.Green), countOf(c.Builds.Builds, "build"), percent(c.Builds.Green, c.Builds.Builds))
	if c.Builds.Green > 0 && c.BuildsBefore.Green > 0 {
		d := change(c.Total.BillableMicros/c.Builds.Green, c.Before.BillableMicros/c.BuildsBefore.Green, than)
		if d.Good {
			t.Good = d.Text + "."
		} else if d.Text != "" {
			t.Bad = d.Text + "."
		}
	}
	return t
}

func savedTile(u model.UsageSum) CostTile {
	t := CostTile{Value: signed(u.SavedMicros), Note: "Nothing was read from a cache."}
	if u.CacheReadTokens > 0 {
		t.Note = fmt.Sprintf("%s of %s input tokens were read from a cache.", percent(u.CacheReadTokens, u.Prompt()), Tokens(u.Prompt()))
	}
	if u.SavedMicros < 0 {
		t.Note += " Writing to it cost more than reading saved."
	}
	return t
}

func signed(micros int64) string {
	if micros < 0 {
		return "−" + Money(-micros)
	}
	return Money(micros)
}

// per is money by a number of things; a dash for none.
func per(micros, n int64) string {
	if n == 0 {
		return "–"
	}
	return Money(micros / n)
}

// percent prints a share to the tenth, without saying 100% of what is not all.
func percent(n, of int64) string {
	if of <= 0 {
		return "–"
	}
	p := float64(n) * 100 / float64(of)
	switch {
	case n == of:
		return "100%"
	case n == 0:
		return "0%"
	}
	return strconv.FormatFloat(min(max(p, 0.1), 99.9), 'f', 1, 64) + "%"
}

func share(n, of int64) string { return num(float64(n) * 100 / float64(max(of, 1))) }

func countOf(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

func firstLine(s string) string {
	for i, r := range s {
		if r == '\n' || i > 140 {
			return s[:i] + "…"
		}
	}
	if s == "" {
		return "(no prompt)"
	}
	return s
}

// dayTime is a moment in a team's zone.
func dayTime(t time.Time, zone string) string {
	if loc, err := time.LoadLocation(zone); err == nil {
		t = t.In(loc)
	}
	return t.Format("2 Jan, 15:04")
}
