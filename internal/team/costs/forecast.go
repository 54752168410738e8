package costs

import (
	"math"
	"time"

	"overskill/internal/model"
)

// A forecast needs that many whole days to look back on, and looks back on no more than so many.
const (
	minHistory = 3
	maxHistory = 28
)

// forecast says what a month will cost of which today is one day. spent has what each day before today cost, the last
// one yesterday; monthSoFar is the cost of the month's days up to now.
//
// Teams work on weekdays: a day that is left is expected to cost what days of its kind, working or weekend, cost on
// average. How far off the sum may be follows from how much such days differ, as if they were independent.
func forecast(spent []int64, monthSoFar, todaySoFar int64, today, last time.Time) *model.Forecast {
	spent = spent[max(0, len(spent)-maxHistory):]
	for len(spent) > 0 && spent[0] == 0 { // the time before the team began
		spent = spent[1:]
	}
	if len(spent) < minHistory {
		return nil
	}
	work, rest := kindOf(spent, today, false), kindOf(spent, today, true)
	f := &model.Forecast{}
	variance := 0.0
	sum := float64(monthSoFar)
	// What is left of today: a whole day of its kind, less what it has cost already.
	if k := pick(work, rest, today); k.mean > float64(todaySoFar) {
		sum += k.mean - float64(todaySoFar)
		variance += k.variance
	}
	for day := today.AddDate(0, 0, 1); !day.After(last); day = day.AddDate(0, 0, 1) {
		k := pick(work, rest, day)
		sum += k.mean
		variance += k.variance
		f.Days = append(f.Days, int64(math.Round(k.mean)))
	}
	off := fourOfFive * math.Sqrt(variance)
	f.Micros = int64(math.Round(sum))
	f.Low = max(monthSoFar, int64(math.Round(sum-off)))
	f.High = int64(math.Round(sum + off))
	return f
}

// fourOfFive is the number of standard deviations around the mean in which four of five values of a normal distribution lie.
const fourOfFive = 1.2816

// kind is what days of one kind cost.
type kind struct {
	n              int
	mean, variance float64
}

func kindOf(spent []int64, today time.Time, rest bool) kind {
	var k kind
	for i, micros := range spent {
		if isRest(today.AddDate(0, 0, i-len(spent))) != rest {
			continue
		}
		k.n++
		off := float64(micros) - k.mean
		k.mean += off / float64(k.n)
		k.variance += off * (float64(micros) - k.mean) // Welford: the sum of squares for now
	}
	k.variance /= float64(max(k.n-1, 1))
	return k
}

// pick returns the kind of a day; where none of its kind has been seen, the other.
func pick(work, rest kind, day time.Time) kind {
	if isRest(day) && rest.n > 0 || work.n == 0 {
		return rest
	}
	return work
}

func isRest(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}
