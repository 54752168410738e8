package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/team/ledger"
	"overskill/internal/testing/modelscript"
)

// killed is a model whose process dies in the middle of a reply.
type killed struct{ llm.Model }

func (k killed) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	return k.Model.Stream(ctx, req, func(e llm.Event) error {
		if e.Text != "" {
			panic("killed")
		}
		return emit(e)
	})
}

func TestAKilledProcessLeavesAnOpenLineThatNobodyIsBilledFor(t *testing.T) {
	w := newWorld(t, 0)
	m, _ := adapters[0].open(t, "claude-sonnet-5-5", modelscript.Step{Text: "Hello", Usage: modelscript.Usage{Input: 1, Output: 1}})
	req := ask("hi")
	func() {
		defer func() { _ = recover() }()
		_ = w.ledger.Meter(killed{m}, w.about).Stream(t.Context(), req, ignore)
	}()
	r := w.rows()[0]
	if r.Status != model.RequestOpen || r.Billable || !r.Estimated || r.InputTokens != llm.Estimate(req) || *r.CostMicros == 0 {
		t.Errorf("row %+v", r)
	}
	if n, err := w.ledger.Sweep(t.Context()); err != nil || n != 0 {
		t.Errorf("swept %d, %v: it may be running still", n, err)
	}
	later := ledger.New(ledger.Config{Store: w.store, Now: func() time.Time { return now.Add(2 * time.Hour) }})
	if n, err := later.Sweep(t.Context()); err != nil || n != 1 {
		t.Errorf("swept %d, %v; want 1", n, err)
	}
	r = w.rows()[0]
	if r.Status != model.RequestBroken || r.Billable {
		t.Errorf("row %+v", r)
	}
	w.check(r)
}

func TestRecoveriesAndSelfTestsAreNeverBilledAndHaveACap(t *testing.T) {
	w := newWorld(t, 2_000)                                                                // micro-USD
	step := modelscript.Step{Text: "ok", Usage: modelscript.Usage{Input: 500, Output: 10}} // $0.0011 by Sonnet
	m, _ := adapters[0].open(t, "claude-sonnet-5-5", step, step, step)
	for i, purpose := range []model.Purpose{model.PurposeRecovery, model.PurposeSelfTest} {
		about := w.about
		about.Purpose, about.Attempt = purpose, i+1
		if err := w.ledger.MayAbsorb(t.Context()); err != nil {
			t.Errorf("before %s: %v", purpose, err)
		}
		if err := w.ledger.Meter(m, about).Stream(t.Context(), ask("mend"), ignore); err != nil {
			t.Fatal(err)
		}
	}
	err := w.ledger.MayAbsorb(t.Context())
	if !fault.Is(err, fault.RateLimited) || !strings.Contains(fault.Text(err), "1 December 2026") {
		t.Errorf("at the cap: %v", err)
	}
	about := w.about
	about.Purpose = model.PurposeRecovery
	if err := w.ledger.Meter(m, about).Stream(t.Context(), ask("mend"), ignore); !fault.Is(err, fault.RateLimited) {
		t.Errorf("a recovery past the cap: %v, want rate limited", err)
	}
	if err := w.ledger.Meter(m, w.about).Stream(t.Context(), ask("build"), ignore); err != nil {
		t.Errorf("what a team pays itself has no cap: %v", err)
	}
	rows := w.rows()
	if len(rows) != 3 || rows[0].Billable || rows[1].Billable || !rows[2].Billable || rows[0].Attempt != 1 {
		t.Errorf("rows %+v", rows)
	}
	w.check(rows...)
	december := ledger.New(ledger.Config{Store: w.store, Now: func() time.Time { return now.AddDate(0, 1, 0) }, AbsorbedCapMicros: 2_000})
	if err := december.MayAbsorb(t.Context()); err != nil {
		t.Errorf("in the next month: %v", err)
	}
}
