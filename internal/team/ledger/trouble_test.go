package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/team/ledger"
	"overskill/internal/testing/modelscript"
)

// flaky is the real store whose first writes fail.
type flaky struct {
	ledger.Store

	opens, settles atomic.Int64 // that still fail
}

var errDown = errors.New("the database is down")

func (f *flaky) OpenRequest(ctx context.Context, r model.ModelRequest) error {
	if f.opens.Add(-1) >= 0 {
		return errDown
	}
	return f.Store.OpenRequest(ctx, r)
}

func (f *flaky) SettleRequest(ctx context.Context, r model.ModelRequest) error {
	if f.settles.Add(-1) >= 0 {
		return errDown
	}
	return f.Store.SettleRequest(ctx, r)
}

func TestNothingIsSentThatIsNotWrittenDown(t *testing.T) {
	w := newWorld(t, 0)
	f := &flaky{Store: w.store}
	f.opens.Store(1)
	m, script := adapters[0].open(t, "claude-sonnet-5-5")
	err := w.over(f, 0).Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore)
	if !fault.Is(err, fault.Unavailable) || !errors.Is(err, errDown) {
		t.Errorf("%v, want unavailable", err)
	}
	if n := len(script.Requests()); n != 0 || len(w.rows()) != 0 {
		t.Errorf("%d requests were sent", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fault.New(fault.Canceled, "It was stopped."))
	if err := w.ledger.Meter(m, w.about).Stream(ctx, ask("hi"), ignore); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is cancelled before it is sent: %v", err)
	}
}

func TestSettlingIsTriedAgain(t *testing.T) {
	w := newWorld(t, 0)
	f := &flaky{Store: w.store}
	f.settles.Store(2)
	m, _ := adapters[0].open(t, "claude-sonnet-5-5", modelscript.Step{Text: "ok"})
	if err := w.over(f, 0).Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore); err != nil {
		t.Fatal(err)
	}
	r := w.rows()[0]
	if r.Status != model.RequestDone || r.InputTokens != 100 || r.OutputTokens != 20 || w.log.Len() > 0 {
		t.Errorf("row %+v, log %s", r, w.log)
	}
	w.check(r)
}

func TestWhatCannotBeSettledIsLoggedWithAllFigures(t *testing.T) {
	w := newWorld(t, 0)
	f := &flaky{Store: w.store}
	f.settles.Store(100)
	m, _ := adapters[0].open(t, "claude-sonnet-5-5", modelscript.Step{Text: "ok", Usage: modelscript.Usage{Input: 1001, Output: 2002, CacheRead: 3003, CacheWrite: 4004}})
	text := ""
	err := w.over(f, 0).Meter(m, w.about).Stream(t.Context(), ask("hi"), func(e llm.Event) error { text += e.Text; return nil })
	if err != nil || text != "ok" {
		t.Errorf("the reply %q is lost: %v", text, err)
	}
	log := w.log.String()
	for _, want := range []string{
		"level=ERROR", "request_id=" + w.rows()[0].RequestID, "input_tokens=1001", "output_tokens=2002", "cache_read_tokens=3003", "cache_write_tokens=4004",
		"cost_micros=", "price_version=claude-sonnet-5-5@", "billable=true", "status=done", "database is down",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if r := w.rows()[0]; r.Status != model.RequestOpen {
		t.Errorf("row %+v", r)
	}
}
