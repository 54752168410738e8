package catalog

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"overskill/internal/llm"
	"overskill/internal/model"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestCatalogueIsSound(t *testing.T) {
	defaults := map[model.ConnectionKind]int{}
	seen := map[string]bool{}
	for _, m := range Models() {
		if seen[m.ID] {
			t.Errorf("%s is listed twice", m.ID)
		}
		seen[m.ID] = true
		if m.Name == "" || m.Limits.MaxOutput <= 0 || m.Limits.Context <= m.Limits.MaxOutput {
			t.Errorf("%s is incomplete: %+v", m.ID, m)
		}
		if m.Default {
			defaults[m.Kind]++
		}
		if _, ok := PriceOf(m.ID, day("2026-11-23"), 1000); !ok {
			t.Errorf("%s has no price", m.ID)
		}
	}
	for _, kind := range []model.ConnectionKind{model.Anthropic, model.OpenAI} {
		if defaults[kind] != 1 {
			t.Errorf("%s has %d defaults, want 1", kind, defaults[kind])
		}
	}
	versions := map[string]bool{}
	for _, e := range tariffs() {
		if !seen[e.model] {
			t.Errorf("a price for %s, which is not in the catalogue", e.model)
		}
		if _, err := time.Parse(time.DateOnly, e.from); err != nil {
			t.Errorf("%s: %v", e.model, err)
		}
		if versions[e.model+e.from] {
			t.Errorf("two prices for %s from %s on", e.model, e.from)
		}
		versions[e.model+e.from] = true
		prices := []Price{e.price}
		if e.over > 0 {
			prices = append(prices, e.long)
		}
		for _, p := range prices {
			classes := []int64{p.CacheRead, p.Input, p.CacheWrite, p.CacheWrite1h, p.Output}
			if classes[0] <= 0 || !slices.IsSorted(classes) {
				t.Errorf("%s from %s: %+v: a read costs less than input, input less than a write, a write less than output", e.model, e.from, p)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for _, tt := range []struct{ id, want string }{
		{"claude-sonnet-5-5", "claude-sonnet-5-5"},
		{"claude-sonnet-5-5-20261001", "claude-sonnet-5-5"},
		{"gpt-6-luna-2026-09-22", "gpt-6-luna"},
		{"gpt-6.1-sol", "gpt-6.1-sol"},
		{"gpt-6-luna-fast", ""}, // costs twice as much
		{"gpt-6-sol", ""},
		{"claude-sonnet-5", ""},
		{"claude-sonnet-5-20260630", ""},
		{"claude-sonnet-5-5-20261301", ""}, // no such month
		{"claude-sonnet-5-5--20261001", ""},
		{"claude-sonnet-5-5-latest", ""},
		{"anthropic/claude-sonnet-5.5", ""},
		{"anthropic/claude-sonnet-5-5", ""},
		{"Claude-Sonnet-5-5", ""},
		{"claude-sonnet-5-5-20261001-20261001", ""},
		{"-20261001", ""},
		{"", ""},
	} {
		m, ok := Lookup(tt.id)
		if m.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%q) = %q, %v; want %q", tt.id, m.ID, ok, tt.want)
		}
	}
}

func TestPriceOf(t *testing.T) {
	for _, tt := range []struct {
		id      string
		at      time.Time
		prompt  int64
		version string
		read    int64
	}{
		{"claude-sonnet-5-5", day("2026-11-23"), 1, "claude-sonnet-5-5@2026-10-07", 100_000},
		{"claude-sonnet-5-5-20261001", day("2026-11-23"), 900_000, "claude-sonnet-5-5@2026-10-07", 100_000},
		{"claude-sonnet-5-5", day("2026-10-07").Add(-time.Second), 1, "claude-sonnet-5-5@2026-09-29", 200_000},
		{"claude-sonnet-5-5", time.Date(2026, 10, 6, 20, 0, 0, 0, time.FixedZone("", -5*3600)), 1, "claude-sonnet-5-5@2026-10-07", 100_000}, // a day is a day of UTC
		{"claude-sonnet-5-5", day("2026-01-01"), 1, "", 0},
		{"claude-haiku-5-5", day("2026-11-23"), 100_000, "claude-haiku-5-5@2026-10-07", 10_000},
		{"claude-haiku-5-5", day("2026-11-23"), 100_001, "claude-haiku-5-5@2026-10-07>100k", 50_000},
		{"gpt-6.1-sol", day("2026-11-23"), 272_000, "gpt-6.1-sol@2026-10-14", 100_000},
		{"gpt-6.1-sol", day("2026-11-23"), 272_001, "gpt-6.1-sol@2026-10-14>272k", 200_000},
		{"qwen3-coder:30b", day("2026-11-23"), 1, "", 0},
		{"composer/1", day("2026-11-23"), 1, "", 0},
	} {
		p, ok := PriceOf(tt.id, tt.at, tt.prompt)
		if ok != (tt.version != "") || p.Version != tt.version || p.CacheRead != tt.read {
			t.Errorf("PriceOf(%s, %s, %d) = %+v, %v", tt.id, tt.at, tt.prompt, p, ok)
		}
	}
}

func TestCost(t *testing.T) {
	sonnet, _ := PriceOf("claude-sonnet-5-5", day("2026-11-23"), 0)
	haiku, _ := PriceOf("claude-haiku-5-5", day("2026-11-23"), 0)
	for _, tt := range []struct {
		name  string
		price Price
		usage llm.Usage
		want  int64
	}{
		{"nothing", sonnet, llm.Usage{}, 0},
		{"a million of each", sonnet, llm.Usage{Input: 1e6, Output: 1e6, CacheRead: 1e6, CacheWrite: 1e6, CacheWrite1h: 1e6}, 18_600_000},
		{"a request", sonnet, llm.Usage{Input: 1200, Output: 340, CacheRead: 20_000, CacheWrite: 3000}, 2400 + 3400 + 2000 + 7500},
		{"half up", haiku, llm.Usage{Input: 5}, 1},             // 0.5
		{"below half", haiku, llm.Usage{Input: 4}, 0},          // 0.4
		{"once", haiku, llm.Usage{Input: 4, CacheRead: 10}, 1}, // 0.4 + 0.1, not 0 + 0
		{"negative", sonnet, llm.Usage{Input: -1000, Output: 1}, 10},
		{"too much", sonnet, llm.Usage{Input: math.MaxInt64, Output: math.MaxInt64}, math.MaxInt64},
		{"nearly too much", Price{Input: 1}, llm.Usage{Input: math.MaxInt64}, 9_223_372_036_855},
	} {
		if got := tt.price.Cost(tt.usage); got != tt.want {
			t.Errorf("%s: %d micro-USD, want %d", tt.name, got, tt.want)
		}
	}
}

// TestCostEqualsExactArithmetic compares with arithmetic that has no limits.
func TestCostEqualsExactArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() int64 { return r.Int64() >> r.IntN(63) }
	limit := big.NewInt(math.MaxInt64)
	for range 20_000 {
		p := Price{Input: random(), Output: random(), CacheWrite: random(), CacheWrite1h: random(), CacheRead: random()}
		u := llm.Usage{Input: random(), Output: random(), CacheWrite: random(), CacheWrite1h: random(), CacheRead: random()}
		sum := big.NewInt(500_000)
		for _, c := range [][2]int64{{u.Input, p.Input}, {u.Output, p.Output}, {u.CacheWrite, p.CacheWrite}, {u.CacheWrite1h, p.CacheWrite1h}, {u.CacheRead, p.CacheRead}} {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(c[0]), big.NewInt(c[1])))
		}
		sum.Div(sum, big.NewInt(1_000_000))
		if sum.Cmp(limit) > 0 {
			sum = limit
		}
		if got := p.Cost(u); got != sum.Int64() {
			t.Fatalf("%+v of %+v: %d, want %s", u, p, got, sum)
		}
	}
}

func TestPriceForPeople(t *testing.T) {
	for _, tt := range []struct {
		price Price
		want  string
	}{
		{usd(2, 10, 2.5, 4, 0.1), "$2 in, $10 out per million tokens"},
		{usd(0.10, 0.50, 0, 0, 0), "$0.10 in, $0.50 out per million tokens"},
		{usd(12.5, 0.125, 0, 0, 0), "$12.50 in, $0.125 out per million tokens"},
		{Price{Input: 1, Output: 0}, "$0.000001 in, $0 out per million tokens"},
	} {
		if got := tt.price.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add("claude-sonnet-5-5-20261001")
	f.Add("gpt-6-luna-2026-09-22")
	f.Fuzz(func(t *testing.T, id string) {
		m, ok := Lookup(id)
		_, priced := PriceOf(id, day("2026-11-23"), 1)
		if ok != priced {
			t.Errorf("Lookup(%q) is %v, its price %v", id, ok, priced)
		}
		if ok && len(id) > len(m.ID)+len("-2006-01-02") {
			t.Errorf("%q was taken for %s", id, m.ID)
		}
	})
}
