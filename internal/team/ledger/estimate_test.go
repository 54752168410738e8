package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// replay is a model that emits events as some server made an adapter do.
type replay struct {
	llm.Model

	events []llm.Event
	err    error
}

func (r replay) ID() string { return "gpt-6-luna" }

func (r replay) Limits() llm.Limits { return llm.Limits{MaxOutput: 1000} }

func (r replay) Stream(_ context.Context, _ llm.Request, emit func(llm.Event) error) error {
	for _, e := range r.events {
		if err := emit(e); err != nil {
			return err
		}
	}
	return r.err
}

func TestEstimatesFillWhatProvidersDoNotSay(t *testing.T) {
	req := ask("hi")
	in := llm.Estimate(req)
	usage := func(in, out int64) llm.Event { return llm.Event{Usage: &llm.Usage{Input: in, Output: out}} }
	stop := llm.Event{Stop: llm.EndTurn}
	text := llm.Event{Text: strings.Repeat("t", 350)} // 101 tokens by the estimate
	broke := llm.NewError(llm.Broken, nil, "It broke off.")
	begun := llm.NewError(llm.Silent, nil, "It was silent.")
	begun.Begun = true
	call := llm.ToolCall{ID: "c", Name: strings.Repeat("n", 50), Input: llm.RawInput(strings.Repeat("i", 300))}
	type want struct {
		status    model.RequestStatus
		in, out   int64
		estimated bool
		billable  bool
	}
	for name, c := range map[string]struct {
		events []llm.Event
		err    error
		want   want
	}{
		"counted":                      {[]llm.Event{usage(9, 1), text, usage(9, 70), stop}, nil, want{model.RequestDone, 9, 70, false, true}},
		"not counted":                  {[]llm.Event{text, stop}, nil, want{model.RequestDone, in, 101, true, true}},
		"counted at the beginning":     {[]llm.Event{usage(9, 1), text, stop}, nil, want{model.RequestDone, 9, 101, true, true}},
		"reasoning counts":             {[]llm.Event{{Reasoning: strings.Repeat("r", 350)}, stop}, nil, want{model.RequestDone, in, 101, true, true}},
		"a call counts once":           {[]llm.Event{{Begun: &llm.ToolCall{ID: "c", Name: call.Name}}, {Input: &llm.InputDelta{CallID: "c", JSON: string(call.Input)}}, {Call: &call}, stop}, nil, want{model.RequestDone, in, 101, true, true}},
		"a call in one piece":          {[]llm.Event{{Call: &call}, stop}, nil, want{model.RequestDone, in, 101, true, true}},
		"calls after the count":        {[]llm.Event{text, usage(9, 70), {Call: &call}, stop}, nil, want{model.RequestDone, 9, 70, false, true}},
		"empty":                        {[]llm.Event{stop}, nil, want{model.RequestDone, in, 0, true, true}},
		"broke, known":                 {[]llm.Event{usage(9, 500), text}, broke, want{model.RequestBroken, 9, 500, true, false}},
		"broke, raised":                {[]llm.Event{usage(9, 3), text}, broke, want{model.RequestBroken, 9, 101, true, false}},
		"broke after the answer":       {[]llm.Event{{Answer: &llm.Answer{Model: "gpt-6-luna"}}}, broke, want{model.RequestBroken, in, 0, true, false}},
		"begun, says the adapter":      {nil, begun, want{model.RequestBroken, in, 0, true, false}},
		"nothing came":                 {nil, broke, want{model.RequestFailed, 0, 0, true, false}},
		"ended without a stop":         {[]llm.Event{text}, nil, want{model.RequestBroken, in, 101, true, false}},
		"counts that no provider has":  {[]llm.Event{text, usage(-5, -9), stop}, nil, want{model.RequestDone, 0, 0, false, true}},
		"an error after the last word": {[]llm.Event{text, usage(9, 70), stop}, broke, want{model.RequestDone, 9, 70, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			err := w.ledger.Meter(replay{events: c.events, err: c.err}, w.about).Stream(t.Context(), req, ignore)
			if !errors.Is(err, c.err) {
				t.Errorf("ended with %v, want %v", err, c.err)
			}
			r := w.rows()[0]
			if got := (want{r.Status, r.InputTokens, r.OutputTokens, r.Estimated, r.Billable}); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			w.check(r)
		})
	}
}

func TestProvidersNamesAreKeptInBounds(t *testing.T) {
	w := newWorld(t, 0)
	long := strings.Repeat("é", 200) + "\x00\xff"
	m := replay{events: []llm.Event{{Answer: &llm.Answer{Model: "\x00" + long, RequestID: long}}, {Text: "x"}}, err: fault.New(fault.Invalid, "%s", strings.Repeat(long, 9))}
	if err := w.ledger.Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore); err == nil {
		t.Fatal("no error")
	}
	r := w.rows()[0]
	if r.Status != model.RequestBroken || r.Model != strings.Repeat("é", 100) || r.ProviderRequestID != strings.Repeat("é", 100) || len(r.Error) > 1000 {
		t.Errorf("row %+v", r)
	}
}
