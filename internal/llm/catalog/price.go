package catalog

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"overskill/internal/llm"
)

// Price is what one model asks, in micro-USD per million tokens. $2 per million tokens is 2,000,000.
type Price struct {
	// Version names the entry of the price list, such as "claude-haiku-5-5@2026-10-07" or, above the threshold of a
	// band, "claude-haiku-5-5@2026-10-07>100k". The ledger keeps it with each request.
	Version string

	Input        int64 // not cached
	Output       int64
	CacheWrite   int64 // for the shortest time that the provider offers
	CacheWrite1h int64
	CacheRead    int64
}

// tariff is one entry of the price list.
type tariff struct {
	model string
	from  string // the first day, in UTC, on which we know the price to hold
	price Price
	over  int64 // tokens of prompt above which long holds; 0: never
	long  Price
}

// tariffs is the price list. Entries are never changed once a request was priced by them: a new price is a new entry.
//
// Anthropic: platform.claude.com, "Pricing". OpenAI: developers.openai.com, the pages of the models: above 272K
// tokens of prompt every class of input costs twice as much and output 1.5 times as much.
func tariffs() []tariff {
	return []tariff{
		{model: "claude-sonnet-5-5", from: "2026-09-29", price: usd(2, 10, 2.50, 4, 0.20)},
		{model: "claude-sonnet-5-5", from: "2026-10-07", price: usd(2, 10, 2.50, 4, 0.10)}, // cache reads became cheaper
		{model: "claude-opus-5-5", from: "2026-09-23", price: usd(4, 20, 5, 8, 0.20)},
		{model: "claude-haiku-5-5", from: "2026-10-07", price: usd(0.10, 0.50, 0.125, 0.20, 0.01), over: 100_000, long: usd(0.50, 2.50, 0.625, 1, 0.05)},
		{model: "claude-fable-5-1", from: "2026-09-23", price: usd(10, 50, 12.50, 20, 0.25)},
		// OpenAI has no cache of one hour; the price of its next longer one stands there, twice the short one's. We never
		// ask for it.
		{model: "gpt-6.1-sol", from: "2026-10-14", price: usd(2, 10, 2.50, 5, 0.10), over: 272_000, long: usd(4, 15, 5, 10, 0.20)},
		{model: "gpt-6.1-terra", from: "2026-10-26", price: usd(1, 5, 1.25, 2.50, 0.05), over: 272_000, long: usd(2, 7.50, 2.50, 5, 0.10)},
		{model: "gpt-6-luna", from: "2026-09-22", price: usd(0.10, 0.50, 0.125, 0.25, 0.01), over: 272_000, long: usd(0.20, 0.75, 0.25, 0.50, 0.02)},
	}
}

// usd reads a line of a provider's price page: dollars per million tokens.
func usd(input, output, write, write1h, read float64) Price {
	micros := func(dollars float64) int64 { return int64(math.Round(dollars * 1e6)) }
	return Price{Input: micros(input), Output: micros(output), CacheWrite: micros(write), CacheWrite1h: micros(write1h), CacheRead: micros(read)}
}

// PriceOf returns what a request to a model costs at a time, when its prompt has so many tokens, cached ones included
// (llm.Usage.Prompt). ok is false when no price is known: for a model that is not in the catalogue, and for days
// before the first price that is. id may be that of a dated snapshot.
func PriceOf(id string, at time.Time, promptTokens int64) (p Price, ok bool) {
	id = undated(id)
	day := at.UTC().Format(time.DateOnly)
	var best tariff
	for _, t := range tariffs() {
		if t.model == id && t.from <= day && t.from > best.from {
			best = t
		}
	}
	if best.model == "" {
		return Price{}, false
	}
	version := best.model + "@" + best.from
	if best.over > 0 && promptTokens > best.over {
		best.long.Version = fmt.Sprintf("%s>%dk", version, best.over/1000)
		return best.long, true
	}
	best.price.Version = version
	return best.price, true
}

// Cost returns what the tokens cost in micro-USD, rounded once over the sum, half a micro-USD up. Negative counts,
// which no provider may send, count as none; a cost beyond int64 stays at its maximum.
func (p Price) Cost(u llm.Usage) int64 {
	const million = 1_000_000
	hi, lo := uint64(0), uint64(million/2)
	for _, class := range [][2]int64{
		{u.Input, p.Input}, {u.Output, p.Output}, {u.CacheWrite, p.CacheWrite}, {u.CacheWrite1h, p.CacheWrite1h}, {u.CacheRead, p.CacheRead},
	} {
		h, l := bits.Mul64(uint64(max(0, class[0])), uint64(max(0, class[1])))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry) // five products of 63 bits each have less than 2^64 * 2^64
	}
	if hi >= million {
		return math.MaxInt64
	}
	micros, _ := bits.Div64(hi, lo, million)
	return int64(min(micros, math.MaxInt64))
}

// String says the price to people, such as "$2 in, $10 out per million tokens".
func (p Price) String() string {
	return fmt.Sprintf("%s in, %s out per million tokens", dollars(p.Input), dollars(p.Output))
}

// dollars writes an amount with as few digits as it needs, cents in pairs: $2, $0.50, $0.125.
func dollars(micros int64) string {
	whole, rest := micros/1_000_000, micros%1_000_000
	if rest == 0 {
		return "$" + strconv.FormatInt(whole, 10)
	}
	digits := strings.TrimRight(fmt.Sprintf("%06d", rest), "0")
	if len(digits) == 1 {
		digits += "0"
	}
	return fmt.Sprintf("$%d.%s", whole, digits)
}
