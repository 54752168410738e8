package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/anthropic"
	"overskill/internal/llm/catalog"
	"overskill/internal/llm/composer"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/team/ledger"
	"overskill/internal/testing/modelscript"
	"overskill/internal/testing/storetest"
)

// now is when all requests are made: prices depend on it.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is an app with a version that requests are made for.
type world struct {
	*testing.T

	store  *store.Store
	ledger *ledger.Ledger
	about  ledger.About
	turn   model.Turn
	log    *bytes.Buffer
}

func newWorld(t *testing.T, cap int64) *world {
	t.Helper()
	s := storetest.Open(t)
	u, err := s.CreateUser(t.Context(), model.User{Email: "u@example.com", Name: "u", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	team, err := s.PersonalTeam(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	app, turn, _, err := s.CreateApp(t.Context(), model.App{TeamID: team, CreatedBy: u.ID, Slug: "app", Name: "App", Prompt: "p"},
		store.NewTurn{UserID: u.ID, Content: "p", JobKind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: s, turn: turn, log: &bytes.Buffer{}, about: ledger.About{
		TeamID: team, AppID: app.ID, AppSlug: app.Slug, VersionID: turn.Version.ID, MessageID: turn.Request.ID, UserID: u.ID, Purpose: model.PurposeBuild,
	}}
	w.ledger = w.over(s, cap)
	return w
}

func (w *world) over(s ledger.Store, cap int64) *ledger.Ledger {
	return ledger.New(ledger.Config{
		Store: s, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(w.log, nil)), AbsorbedCapMicros: cap,
	})
}

// rows returns the version's lines of the ledger.
func (w *world) rows() []model.ModelRequest {
	w.Helper()
	rows, err := w.store.Requests(context.Background(), w.turn.Version.ID)
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

// adapters are the real clients, against scripted servers.
var adapters = []struct {
	name, model string
	open        func(t testing.TB, id string, steps ...modelscript.Step) (llm.Model, *modelscript.Server)
}{
	{"anthropic", "claude-haiku-5-5", func(t testing.TB, id string, steps ...modelscript.Step) (llm.Model, *modelscript.Server) {
		s := modelscript.Anthropic(t, steps...)
		return anthropic.New(anthropic.Config{Key: "k", BaseURL: s.URL, Model: id, MaxRetries: -1}), s
	}},
	{"openai", "gpt-6-luna", func(t testing.TB, id string, steps ...modelscript.Step) (llm.Model, *modelscript.Server) {
		s := modelscript.OpenAI(t, steps...)
		return openai.New(openai.Config{Key: "k", BaseURL: s.URL, Model: id, MaxRetries: -1}), s
	}},
}

func ask(text string) llm.Request {
	return llm.Request{
		System: []string{"You are scripted."}, Messages: []llm.Message{{Role: llm.User, Text: text}}, MaxTokens: 1000,
		Tools: []llm.Tool{{Name: "os-view", Description: "d", Schema: []byte(`{"type":"object","properties":{"path":{"type":"string"}}}`)}},
	}
}

func ignore(llm.Event) error { return nil }

// unpredictable are columns that differ from run to run.
var unpredictable = cmpopts.IgnoreFields(model.ModelRequest{}, "ID", "RequestID", "ProviderRequestID", "StartedAt", "EndedAt", "Error", "ReservedMicros")

// line is what a row must say.
func (w *world) line(change func(*model.ModelRequest)) model.ModelRequest {
	a := w.about
	r := model.ModelRequest{
		TeamID: a.TeamID, AppID: a.AppID, AppSlug: a.AppSlug, VersionID: a.VersionID, MessageID: a.MessageID, UserID: a.UserID, Purpose: a.Purpose,
		Status: model.RequestDone, Billable: true,
	}
	change(&r)
	if price, ok := catalog.PriceOf(r.Model, now, r.InputTokens+r.CacheReadTokens+r.CacheWriteTokens); ok {
		cost := price.Cost(llm.Usage{
			Input: r.InputTokens, Output: r.OutputTokens, CacheRead: r.CacheReadTokens,
			CacheWrite: r.CacheWriteTokens - r.CacheWrite1hTokens, CacheWrite1h: r.CacheWrite1hTokens,
		})
		r.CostMicros, r.PriceVersion = &cost, price.Version
		prompt := r.InputTokens + r.CacheReadTokens + r.CacheWriteTokens
		r.SavedMicros = (prompt*price.Input+r.OutputTokens*price.Output+500_000)/1_000_000 - cost
	}
	return r
}

// check compares the rows, and the version's columns with their sums.
func (w *world) check(want ...model.ModelRequest) {
	w.Helper()
	rows := w.rows()
	if diff := cmp.Diff(want, rows, unpredictable); diff != "" {
		w.Errorf("rows (-want +got):\n%s", diff)
	}
	var sum model.Version
	for _, r := range rows {
		if r.RequestID == "" || r.StartedAt.IsZero() || r.EndedAt.IsZero() {
			w.Errorf("row %+v", r)
		}
		sum.AITokensInput += r.InputTokens + r.CacheReadTokens + r.CacheWriteTokens
		sum.AITokensOutput += r.OutputTokens
		switch {
		case r.CostMicros == nil:
			sum.AIUnpriced++
		case r.Billable:
			sum.AICostMicros += *r.CostMicros
		default:
			sum.AIAbsorbedMicros += *r.CostMicros
		}
	}
	sum.AICostCents = (sum.AICostMicros + 5000) / 10000
	v, err := w.store.Version(context.Background(), w.turn.Version.ID)
	if err != nil {
		w.Fatal(err)
	}
	figures := func(v model.Version) [6]int64 {
		return [6]int64{v.AITokensInput, v.AITokensOutput, v.AICostMicros, v.AIAbsorbedMicros, v.AICostCents, int64(v.AIUnpriced)}
	}
	if figures(v) != figures(sum) {
		w.Errorf("the version's columns are %v, the sums of its rows %v", figures(v), figures(sum))
	}
}

func TestWholeRepliesAreCountedToTheToken(t *testing.T) {
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t, 0)
			m, _ := a.open(t, a.model,
				modelscript.Step{Text: "Hello.", Usage: modelscript.Usage{Input: 1234, Output: 56, CacheRead: 7000, CacheWrite: 800}},
				modelscript.Step{
					Reasoning: "Let me see.", Calls: []modelscript.Call{{Name: "os-view", Input: map[string]string{"path": strings.Repeat("a", 500)}}},
					Usage: modelscript.Usage{Input: 150_000, Output: 9, CacheRead: 150_000}, Model: a.model + "-2026-10-10",
				},
				modelscript.Step{Text: "cut", Stop: "max_tokens", Usage: modelscript.Usage{Input: 5, Output: 6}, Model: "something-else"},
			)
			metered := w.ledger.Meter(m, w.about)
			for i := range 3 {
				if err := metered.Stream(t.Context(), ask(fmt.Sprint("step ", i)), ignore); err != nil {
					t.Fatal(err)
				}
			}
			w.check(
				w.line(func(r *model.ModelRequest) {
					r.ModelAsked, r.Model = a.model, a.model
					r.InputTokens, r.OutputTokens, r.CacheReadTokens, r.CacheWriteTokens = 1234, 56, 7000, 800
				}),
				w.line(func(r *model.ModelRequest) {
					r.ModelAsked, r.Model = a.model, a.model+"-2026-10-10"
					r.InputTokens, r.OutputTokens, r.CacheReadTokens = 150_000, 9, 150_000
				}),
				w.line(func(r *model.ModelRequest) { // a model without a price costs nobody knows what
					r.ModelAsked, r.Model = a.model, "something-else"
					r.InputTokens, r.OutputTokens = 5, 6
				}),
			)
			rows := w.rows()
			if rows[2].CostMicros != nil || rows[0].ProviderRequestID == "" || !strings.Contains(rows[1].PriceVersion, ">") {
				t.Errorf("rows %+v", rows)
			}
			if v, err := w.store.Version(t.Context(), w.turn.Version.ID); err != nil || v.AIModelUsed != "something-else" {
				t.Errorf("the version was written by %q, %v", v.AIModelUsed, err)
			}
		})
	}
}

func TestCacheOfAnHour(t *testing.T) {
	w := newWorld(t, 0)
	m, _ := adapters[0].open(t, "claude-sonnet-5-5", modelscript.Step{Text: "Hi", Usage: modelscript.Usage{Input: 1, Output: 2, CacheRead: 3, CacheWrite: 40, CacheWrite1h: 500}})
	if err := w.ledger.Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore); err != nil {
		t.Fatal(err)
	}
	w.check(w.line(func(r *model.ModelRequest) {
		r.ModelAsked, r.Model = "claude-sonnet-5-5", "claude-sonnet-5-5"
		r.InputTokens, r.OutputTokens, r.CacheReadTokens, r.CacheWriteTokens, r.CacheWrite1hTokens = 1, 2, 3, 540, 500
	}))
	// By hand: 1 x $2 + 2 x $10 + 3 x $0.10 + 40 x $2.50 + 500 x $4 per million is 2,122.3 micro-USD.
	if got := *w.rows()[0].CostMicros; got != 2122 {
		t.Errorf("%d micro-USD, want 2122", got)
	}
}

func TestParallelRequests(t *testing.T) {
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t, 0)
			const n = 24
			var steps []modelscript.Step
			var in, out int64
			for i := range int64(n) {
				steps = append(steps, modelscript.Step{Text: "ok", Usage: modelscript.Usage{Input: 10 + i, Output: 100 + i*i, CacheRead: 7 * i}})
				in, out = in+10+8*i, out+100+i*i
			}
			m, _ := a.open(t, a.model, steps...)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					about := w.about
					if i%3 == 0 {
						about.Purpose, about.Attempt = model.PurposeRecovery, 1
					}
					if err := w.ledger.Meter(m, about).Stream(t.Context(), ask("go"), ignore); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			rows := w.rows()
			w.check(rows...)
			for _, r := range rows {
				if r.Status != model.RequestDone || r.Billable != (r.Purpose == model.PurposeBuild) || r.Estimated || r.CostMicros == nil {
					t.Errorf("row %+v", r)
				}
			}
			v, err := w.store.Version(t.Context(), w.turn.Version.ID)
			if err != nil || len(rows) != n || v.AITokensInput != in || v.AITokensOutput != out {
				t.Errorf("%d rows, %d in, %d out, %v; the script has %d, %d, %d", len(rows), v.AITokensInput, v.AITokensOutput, err, n, in, out)
			}
		})
	}
}

func TestBrokenRepliesAreOurs(t *testing.T) {
	long := strings.Repeat("x", 7000) // about 2,000 tokens
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t, 0)
			m, _ := a.open(t, a.model,
				modelscript.Step{Text: long, Split: 700, Usage: modelscript.Usage{Input: 900, Output: 5000}, BreakAfter: 9},
				modelscript.Step{Text: long, Split: 700, Usage: modelscript.Usage{Input: 900, Output: 5000}, ErrorAfter: 9},
			)
			req := ask("long")
			for range 2 {
				var seen int
				err := w.ledger.Meter(m, w.about).Stream(t.Context(), req, func(e llm.Event) error { seen += len(e.Text); return nil })
				if e, ok := llm.AsError(err); !ok || !e.Begun || seen == 0 {
					t.Fatalf("%v after %d bytes, want a broken reply", err, seen)
				}
			}
			rows := w.rows()
			for _, r := range rows {
				if r.Status != model.RequestBroken || r.Billable || !r.Estimated || r.Error == "" {
					t.Errorf("row %+v", r)
				}
				wantIn := int64(900) // told at the beginning
				if a.name == "openai" {
					wantIn = llm.Estimate(req) // would have been told at the end
				}
				if r.InputTokens != wantIn || r.OutputTokens < 1000 || r.OutputTokens > 2001 || *r.CostMicros == 0 {
					t.Errorf("%d in, %d out for %d; want %d in and what was seen", r.InputTokens, r.OutputTokens, *r.CostMicros, wantIn)
				}
			}
			w.check(rows...)
		})
	}
}

func TestWhoEndsARequestSaysWhoPays(t *testing.T) {
	person := fault.New(fault.Canceled, "It was stopped.")
	mine := errors.New("the consumer failed")
	for name, c := range map[string]struct {
		cause    error // of the context
		emit     error
		billable bool
	}{
		"a person stops it":       {cause: person, billable: true},
		"the process shuts down":  {cause: context.Canceled},
		"the turn takes too long": {cause: fault.New(fault.Unavailable, "Too long.")},
		"the consumer fails":      {emit: mine},
	} {
		for _, a := range adapters {
			t.Run(name+"/"+a.name, func(t *testing.T) {
				w := newWorld(t, 0)
				m, _ := a.open(t, a.model, modelscript.Step{Text: strings.Repeat("y", 400), Usage: modelscript.Usage{Input: 50, Output: 200}, Hang: time.Minute})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				err := w.ledger.Meter(m, w.about).Stream(ctx, ask("stop"), func(e llm.Event) error {
					if e.Text == "" {
						return nil
					}
					if c.cause != nil {
						cancel(c.cause)
					}
					return c.emit
				})
				if err == nil || c.emit != nil && !errors.Is(err, mine) {
					t.Fatalf("ended with %v", err)
				}
				r := w.rows()[0]
				if r.Status != model.RequestBroken || r.Billable != c.billable || !r.Estimated || r.OutputTokens == 0 || r.InputTokens == 0 {
					t.Errorf("row %+v", r)
				}
				w.check(r)
			})
		}
	}
}

func TestWhatFailsBeforeItBeginsCostsNothing(t *testing.T) {
	for _, a := range adapters {
		for _, id := range []string{a.model, "unknown-model"} {
			t.Run(a.name+"/"+id, func(t *testing.T) {
				w := newWorld(t, 0)
				m, _ := a.open(t, id, modelscript.Step{Status: 401, ErrorText: "no\x00pe"})
				if err := w.ledger.Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore); err == nil {
					t.Fatal("no error")
				}
				r := w.rows()[0]
				if r.Status != model.RequestFailed || r.Billable || r.Estimated || r.InputTokens+r.OutputTokens != 0 || r.Error == "" {
					t.Errorf("row %+v", r)
				}
				if priced := id == a.model; priced != (r.CostMicros != nil && *r.CostMicros == 0) || priced != (r.PriceVersion != "") {
					t.Errorf("cost %v by %q", r.CostMicros, r.PriceVersion)
				}
				if v, err := w.store.Version(t.Context(), w.turn.Version.ID); err != nil || v.AIUnpriced != 0 || v.AITokensInput != 0 {
					t.Errorf("version %+v, %v", v, err)
				}
			})
		}
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t, 0)
	m := openai.New(openai.Config{BaseURL: "http://127.0.0.1:1/v1", Model: "gpt-6-luna", MaxRetries: -1})
	if err := w.ledger.Meter(m, w.about).Stream(t.Context(), ask("hi"), ignore); err == nil {
		t.Fatal("no error")
	}
	w.check(w.line(func(r *model.ModelRequest) {
		r.ModelAsked, r.Model, r.Status, r.Billable, r.Estimated = "gpt-6-luna", "gpt-6-luna", model.RequestFailed, false, true
	}))
}

func TestTheComposerIsNotWrittenDown(t *testing.T) {
	w := newWorld(t, 0)
	m := w.ledger.Meter(composer.New(), w.about)
	if err := m.Stream(t.Context(), ask("A list of books"), ignore); err != nil {
		t.Fatal(err)
	}
	if rows := w.rows(); len(rows) != 0 || m.ID() != composer.ID {
		t.Errorf("%s left %+v", m.ID(), rows)
	}
}

// unlisted is a model of a server that calls it as it likes.
type unlisted struct{ llm.Model }

func (unlisted) Unlisted() bool { return true }

func TestAModelSomewhereElseHasNoPrice(t *testing.T) {
	w := newWorld(t, 0)
	// Counts beyond sense stay within sums that still work.
	m, _ := adapters[1].open(t, "gpt-6-luna", modelscript.Step{Text: "ok", Usage: modelscript.Usage{Input: 9e18, Output: 10}})
	if err := w.ledger.Meter(unlisted{m}, w.about).Stream(t.Context(), ask("hi"), ignore); err != nil {
		t.Fatal(err)
	}
	r := w.rows()[0]
	if r.CostMicros != nil || r.PriceVersion != "" || r.InputTokens != 1_000_000_000 || r.OutputTokens != 10 {
		t.Errorf("row %+v", r)
	}
	w.check(r)
}
