package costs

import (
	"testing"
	"time"

	"overskill/internal/model"
)

func date(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

// weeks returns what each of n days before a day cost: work on weekdays, rest on the others.
func weeks(n int, before time.Time, work, rest int64) (spent []int64) {
	for i := range n {
		if isRest(before.AddDate(0, 0, i-n)) {
			spent = append(spent, rest)
		} else {
			spent = append(spent, work)
		}
	}
	return spent
}

func TestForecast(t *testing.T) {
	monday := date("2026-11-23") // five working days and two of a weekend are left of the month after it
	for name, c := range map[string]struct {
		spent     []int64
		sofar     int64
		today     int64
		want      int64
		low, high int64
	}{
		"every week alike":       {weeks(28, monday, 100, 10), 1_000, 100, 1_520, 1_520, 1_520},
		"today has only begun":   {weeks(28, monday, 100, 10), 1_000, 20, 1_600, 1_600, 1_600},
		"today was dear":         {weeks(28, monday, 100, 10), 1_000, 400, 1_520, 1_520, 1_520},
		"a team of three days":   {weeks(3, monday, 90, 30), 150, 0, 150 + 6*90 + 2*30, 690, 810},
		"the time before counts": {append(make([]int64, 21), weeks(7, monday, 100, 10)...), 520, 100, 1_040, 1_040, 1_040},
	} {
		t.Run(name, func(t *testing.T) {
			f := forecast(c.spent, c.sofar, c.today, monday, date("2026-11-30"))
			if f == nil || f.Micros != c.want || f.Low > f.Micros || f.High < f.Micros || len(f.Days) != 7 {
				t.Fatalf("got %+v, want %d", f, c.want)
			}
			if name != "a team of three days" && (f.Low != c.low || f.High != c.high) {
				t.Errorf("days that do not differ leave no doubt: %+v", f)
			}
		})
	}
	if f := forecast([]int64{5, 5}, 10, 0, monday, date("2026-11-30")); f != nil {
		t.Errorf("two days tell nothing: %+v", f)
	}
	if f := forecast(make([]int64, 28), 0, 0, monday, date("2026-11-30")); f != nil {
		t.Errorf("nothing tells nothing: %+v", f)
	}
	rough := []int64{}
	for i := range 28 {
		rough = append(rough, int64(100*(i%5)))
	}
	f := forecast(rough, 1_000, 0, monday, date("2026-11-30"))
	if f.Low >= f.Micros || f.High <= f.Micros || f.Low < 1_000 {
		t.Errorf("days that differ leave doubt: %+v", f)
	}
}

func TestRange(t *testing.T) {
	today := date("2026-11-24")
	for _, c := range []struct {
		in       model.CostRange
		from, to string
		month    bool
	}{
		{model.CostRange{}, "2026-11-01", "2026-11-30", true},
		{model.CostRange{Month: "2026-02"}, "2026-02-01", "2026-02-28", true},
		{model.CostRange{From: "2026-02-01", To: "2026-02-28"}, "2026-02-01", "2026-02-28", true},
		{model.CostRange{From: "2026-02-03", To: "2026-02-03"}, "2026-02-03", "2026-02-03", false},
	} {
		from, to, month, err := days(c.in, today)
		if err != nil || !from.Equal(date(c.from)) || !to.Equal(date(c.to)) || month != c.month {
			t.Errorf("%+v: %s to %s, %v, %v", c.in, from, to, month, err)
		}
	}
	for _, bad := range []model.CostRange{
		{Month: "2026-13"},
		{Month: "x"},
		{Month: "9999-01"},
		{Month: "0001-01"},
		{From: "2026-02-03"},
		{To: "2026-02-03"},
		{From: "2026-02-03", To: "2026-02-02"},
		{From: "2020-01-01", To: "2026-02-02"},
		{From: "2026-02-30", To: "2026-03-02"},
	} {
		if _, _, _, err := days(bad, today); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	from, to := span{from: date("2026-03-01"), to: date("2026-03-31"), month: true}.before()
	if !from.Equal(date("2026-02-01")) || !to.Equal(date("2026-02-28")) {
		t.Errorf("before March: %s to %s", from, to)
	}
	from, to = span{from: date("2026-03-01"), to: date("2026-03-31"), today: date("2026-03-09"), month: true}.before()
	if !from.Equal(date("2026-02-01")) || !to.Equal(date("2026-02-09")) {
		t.Errorf("before a March that runs: %s to %s", from, to)
	}
	from, to = span{from: date("2026-03-01"), to: date("2026-03-31"), today: date("2026-03-30"), month: true}.before()
	if !to.Equal(date("2026-02-28")) {
		t.Errorf("before a March that runs: %s to %s", from, to)
	}
	from, to = span{from: date("2026-03-05"), to: date("2026-03-06")}.before()
	if !from.Equal(date("2026-03-03")) || !to.Equal(date("2026-03-04")) {
		t.Errorf("before two days: %s to %s", from, to)
	}
}
