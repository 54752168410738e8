package vm

import (
	"fmt"
	"strconv"
	"strings"

	"overskill/internal/model"
)

// Money puts micro-USD into words: to the cent, "< $0.01" below one, "$0.00" only for nothing.
func Money(micros int64) string {
	const micro, cent = 1_000_000, 10_000
	switch {
	case micros <= 0:
		return "$0.00"
	case micros < cent:
		return "< $0.01"
	}
	cents := (micros + cent/2) / cent
	return fmt.Sprintf("$%s.%02d", grouped(cents/(micro/cent)), cents%(micro/cent))
}

// Tokens puts a number of tokens into words, with three figures at most: "812", "36.1k", "120k", "1.2M", "3.4B".
func Tokens(n int64) string {
	scaled := func(unit float64, suffix string) string {
		v := float64(n) / unit
		if v < 99.95 {
			return strconv.FormatFloat(v, 'f', 1, 64) + suffix
		}
		return strconv.FormatFloat(v, 'f', 0, 64) + suffix
	}
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10)
	case n < 999_500:
		return scaled(1e3, "k")
	}
	if n < 999_500_000 {
		return scaled(1e6, "M")
	}
	return scaled(1e9, "B")
}

// grouped prints a number with a comma after each three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Bill is what a turn cost, in words. The zero Bill prints nothing.
type Bill struct {
	Cost     string // "$0.06", "< $0.01", "unpriced", "no cost"
	Unpriced string // requests whose price is not known, beside Cost; "" when there are none
	Absorbed string // what we pay ourselves; "" when nothing
	In, Out  string // tokens; "" when none were used
	Title    string // the same figures exactly
}

// NewBill reads the sums of a version. recovered says that an error was worked on, which is not billed.
func NewBill(v model.Version, recovered bool) Bill {
	if v.AIModelUsed == "" && v.AITokensInput+v.AITokensOutput+v.AICostMicros+v.AIAbsorbedMicros == 0 && v.AIUnpriced == 0 {
		return Bill{}
	}
	var b Bill
	switch {
	case v.AICostMicros > 0:
		b.Cost = Money(v.AICostMicros)
		if v.AIUnpriced > 0 {
			b.Unpriced = Count(v.AIUnpriced, "unpriced request")
		}
	case v.AIUnpriced > 0:
		b.Cost = "unpriced"
	default:
		b.Cost = "no cost"
	}
	if v.AIAbsorbedMicros > 0 {
		b.Absorbed = Money(v.AIAbsorbedMicros) + " not billed"
		if recovered {
			b.Absorbed = "recovery " + Money(v.AIAbsorbedMicros) + ", not billed"
		}
	}
	if v.AITokensInput+v.AITokensOutput > 0 {
		b.In, b.Out = Tokens(v.AITokensInput)+" in", Tokens(v.AITokensOutput)+" out"
		b.Title = grouped(v.AITokensInput) + " tokens in, " + grouped(v.AITokensOutput) + " out"
	}
	return b
}
