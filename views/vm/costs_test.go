package vm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overskill/internal/model"
)

// novemberCosts is a month in which one app cost a dollar a day until the 24th.
func novemberCosts() model.Costs {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC) }
	c := model.Costs{
		TimeZone: "UTC", From: at(1), To: at(30), Today: at(24), Month: true, BeforeFrom: at(1).AddDate(0, -1, 0), BeforeTo: at(24).AddDate(0, -1, 0),
		Total: model.UsageSum{Requests: 240, BillableMicros: 24_000_000, CacheReadTokens: 3, InputTokens: 1}, Builds: model.BuildSum{Builds: 13, Green: 12, Stopped: 1}, AllTurns: 14,
		Apps:   []model.AppCost{{Slug: "a", Name: "A", UsageSum: model.UsageSum{BillableMicros: 24_000_000}}},
		Budget: model.BudgetMonth{Month: at(1), TimeZone: "UTC", SpentMicros: 24_000_000},
	}
	for day := 1; day <= 30; day++ {
		d := model.DayCost{Day: at(day)}
		if day <= 24 {
			d.Total, d.Apps = 1_000_000, map[string]int64{"a": 1_000_000}
		}
		c.Days = append(c.Days, d)
	}
	return c
}

func TestBudgetInWords(t *testing.T) {
	for name, c := range map[string]struct {
		budget, forecast int64
		app              string
		limit            string
		warn, full       string
	}{
		"none":            {0, 30_000_000, "", "", "", ""},
		"enough":          {40_000_000, 30_000_000, "", "$40.00", "", ""},
		"likely too much": {40_000_000, 41_000_000, "", "$40.00", "the forecast is $41.00 of $40.00", ""},
		"four fifths":     {30_000_000, 30_000_000, "", "$30.00", "80.0% of this month's budget", ""},
		"used":            {24_000_000, 30_000_000, "", "$24.00", "", "before 1 December (UTC)"},
		"of one app":      {24_000_000, 30_000_000, "a", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			costs := novemberCosts()
			costs.Budget.BudgetMicros, costs.Forecast = c.budget, &model.Forecast{Micros: c.forecast}
			b := NewCosts(Shell{}, costs, model.CostQuery{AppSlug: c.app}).Budget
			if b.Limit != c.limit || !strings.Contains(b.Warn, c.warn) || (b.Warn == "") != (c.warn == "") || !strings.Contains(b.Full, c.full) || (b.Full == "") != (c.full == "") {
				t.Errorf("%+v", b)
			}
			if (b.Field == "") != (c.budget == 0) {
				t.Errorf("the form has %q", b.Field)
			}
		})
	}
}

// TestPlotOfAMonth: a bar for each day, as high as what it cost; a year has a bar for each week.
func TestPlotOfAMonth(t *testing.T) {
	c := novemberCosts()
	c.Forecast = &model.Forecast{Days: []int64{500_000, 500_000, 500_000, 0, 0, 500_000}}
	c.Budget.BudgetMicros = 30_000_000
	v := NewCosts(Shell{}, c, model.CostQuery{})
	p := v.Plot
	if len(p.Days) != 30 || len(p.Next) != 6 || len(p.Table) != 25 || p.Today == nil || p.Today.X != "690" {
		t.Fatalf("%d days, %d to come, %d rows, today %+v", len(p.Days), len(p.Next), len(p.Table), p.Today)
	}
	if got := p.Scale; got[0] != "$1.00" || got[len(got)-1] != "$0.00" {
		t.Errorf("scale %v", got)
	}
	if r := p.Days[0].Parts[0]; r.Y != "0" || r.H != "199" || len(p.Days[29].Parts) != 0 {
		t.Errorf("the first bar is %+v", r)
	}
	if r := p.Next[0]; r.Y != "100" || p.Pace != "M0 0H900" || !strings.Contains(p.Note, "$1.00 a day") {
		t.Errorf("to come %+v, pace %q, %q", r, p.Pace, p.Note)
	}
	if v.ToDate != "Day 24 of 30" || v.Green.Value != "$2.00" || v.TurnsNote != "of 14 turns" || v.Range.After != "" || v.Range.Before != "/team/costs?month=2026-10" {
		t.Errorf("%+v %+v", v.Range, v.Green)
	}
	c.Month, c.Today = false, c.To
	for day := c.To.AddDate(0, 0, 1); len(c.Days) < 365; day = day.AddDate(0, 0, 1) {
		c.Days = append(c.Days, model.DayCost{Day: day})
	}
	if p := NewCosts(Shell{}, c, model.CostQuery{}).Plot; len(p.Days) != 53 || p.Days[0].Title != "1 Nov: $7.00" || p.Title != "Cost per week, by app" {
		t.Errorf("%d weeks, the first %q", len(p.Days), p.Days[0].Title)
	}
}

func TestScale(t *testing.T) {
	for micros, want := range map[int64]string{0: "0.04/0.01", 31_000_000: "40/10", 1_000_000: "1/0.2", 999_000_000: "1000/200", 12_000_000: "15/5", 20_000: "0.04/0.01"} {
		limit, step := niceScale(micros)
		if got := fmt.Sprintf("%.4g/%.4g", limit, step); got != want {
			t.Errorf("%d: %s, want %s", micros, got, want)
		}
		if n := limit / step; n < 1 || n > 5.01 {
			t.Errorf("%d: %v steps", micros, n)
		}
	}
}
