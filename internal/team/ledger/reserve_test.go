package ledger_test

import (
	"testing"

	"overskill/internal/llm"
	"overskill/internal/llm/catalog"
	"overskill/internal/model"
)

// TestTheMostIsReserved: what is asked plus the longest reply that may come, at the day's price; nothing for what the team
// does not pay.
func TestTheMostIsReserved(t *testing.T) {
	for name, c := range map[string]struct {
		purpose model.Purpose
		limit   int
		output  int64
	}{
		"the model's limit":   {model.PurposeBuild, 0, 1000},
		"the request's limit": {model.PurposePlan, 400, 400},
		"the smaller one":     {model.PurposeBuild, 5000, 1000},
		"ours to pay":         {model.PurposeRecovery, 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			w.about.Purpose = c.purpose
			req := ask("hi")
			req.MaxTokens = c.limit
			if err := w.ledger.Meter(replay{events: []llm.Event{{Text: "x"}, {Stop: llm.EndTurn}}}, w.about).Stream(t.Context(), req, ignore); err != nil {
				t.Fatal(err)
			}
			r := w.rows()[0]
			input := llm.Estimate(req)
			price, ok := catalog.PriceOf(r.Model, r.StartedAt, input)
			if !ok {
				t.Fatal("no price")
			}
			want := int64(0)
			if c.output >= 0 {
				want = price.Cost(llm.Usage{Input: input, Output: c.output})
			}
			if r.ReservedMicros != want || *r.CostMicros > want && want > 0 {
				t.Errorf("reserved %d, want %d; it cost %d", r.ReservedMicros, want, *r.CostMicros)
			}
		})
	}
}
