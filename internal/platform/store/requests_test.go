package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/testing/storetest"
)

func micros(n int64) *int64 { return &n }

// request is a line of the ledger for a turn's version, ready to be opened.
func request(id string, app model.App, turn model.Turn) model.ModelRequest {
	return model.ModelRequest{
		RequestID: id, TeamID: app.TeamID, AppID: app.ID, AppSlug: app.Slug, VersionID: turn.Version.ID, MessageID: turn.Request.ID,
		UserID: app.CreatedBy, Purpose: model.PurposeBuild, ModelAsked: "asked", Model: "asked", InputTokens: 7, Estimated: true,
		Billable: true, CostMicros: micros(7), PriceVersion: "p@1", StartedAt: time.Now(),
	}
}

// settled is the request as it ended: 1 + 2 + 4 tokens in, 8 out.
func settled(r model.ModelRequest, status model.RequestStatus, cost *int64, billable bool) model.ModelRequest {
	r.Status, r.Model, r.ProviderRequestID = status, "answered-"+r.RequestID, "provider-"+r.RequestID
	r.InputTokens, r.CacheReadTokens, r.CacheWriteTokens, r.CacheWrite1hTokens, r.OutputTokens = 1, 2, 4, 3, 8
	r.CostMicros, r.Billable, r.Estimated, r.EndedAt = cost, billable, status == model.RequestBroken, time.Now()
	if cost == nil {
		r.PriceVersion = ""
	}
	return r
}

func mustOpen(t *testing.T, s *store.Store, rs ...model.ModelRequest) {
	t.Helper()
	for _, r := range rs {
		if err := s.OpenRequest(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func mustSettle(t *testing.T, s *store.Store, rs ...model.ModelRequest) {
	t.Helper()
	for _, r := range rs {
		if err := s.SettleRequest(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// bill is what a version's columns say.
type bill struct {
	In, Out, Cents, Micros, Absorbed int64
	Unpriced                         int
	Model                            string
}

func billOf(t *testing.T, s *store.Store, versionID int64) bill {
	t.Helper()
	v, err := s.Version(t.Context(), versionID)
	if err != nil {
		t.Fatal(err)
	}
	return bill{v.AITokensInput, v.AITokensOutput, v.AICostCents, v.AICostMicros, v.AIAbsorbedMicros, v.AIUnpriced, v.AIModelUsed}
}

func TestVersionColumnsAreTheSumsOfSettledRequests(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "sums")
	v := turn.Version.ID
	if err := s.NameTurn(ctx, app.ID, v, "", "First", "composer/1"); err != nil {
		t.Fatal(err)
	}
	a, b, c, d, e := request("a", app, turn), request("b", app, turn), request("c", app, turn), request("d", app, turn), request("e", app, turn)
	mustOpen(t, s, a, b, c, d, e)
	if got := billOf(t, s, v); got != (bill{Model: "composer/1"}) {
		t.Errorf("open requests are summed up: %+v", got)
	}
	if billable, absorbed, err := s.SpentOn(ctx, v); err != nil || billable != 0 || absorbed != 5*7 {
		t.Errorf("spent %d and %d, %v; want the estimates of five, not billed", billable, absorbed, err)
	}

	steps := []struct {
		r    model.ModelRequest
		want bill
	}{
		{settled(b, model.RequestBroken, micros(100), false), bill{7, 8, 0, 0, 100, 0, "composer/1"}},
		{settled(a, model.RequestDone, micros(14_999), true), bill{14, 16, 1, 14_999, 100, 0, "answered-a"}},
		{settled(d, model.RequestDone, micros(1), true), bill{21, 24, 2, 15_000, 100, 0, "answered-d"}},
		{settled(c, model.RequestDone, nil, true), bill{28, 32, 2, 15_000, 100, 1, "answered-d"}}, // c was asked before d
		{
			model.ModelRequest{RequestID: "e", Status: model.RequestFailed, Model: "asked", EndedAt: time.Now()},
			bill{28, 32, 2, 15_000, 100, 1, "answered-d"},
		},
	}
	for _, step := range steps {
		mustSettle(t, s, step.r)
		if diff := cmp.Diff(step.want, billOf(t, s, v)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", step.r.RequestID, diff)
		}
	}

	// Settling again, with other figures, changes nothing.
	again := settled(a, model.RequestDone, micros(1_000_000), true)
	again.OutputTokens = 1_000_000
	mustSettle(t, s, again)
	if diff := cmp.Diff(steps[len(steps)-1].want, billOf(t, s, v)); diff != "" {
		t.Errorf("after settling twice (-want +got):\n%s", diff)
	}
	if billable, absorbed, err := s.SpentOn(ctx, v); err != nil || billable != 15_000 || absorbed != 100 {
		t.Errorf("spent %d and %d, %v", billable, absorbed, err)
	}
	rows, err := s.Requests(ctx, v)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	got := rows[0]
	if got.RequestID != "a" || got.ProviderRequestID != "provider-a" || got.AppSlug != "sums" || got.ModelAsked != "asked" || got.Model != "answered-a" ||
		got.CacheWrite1hTokens != 3 || *got.CostMicros != 14_999 || !got.Billable || got.Estimated || got.EndedAt.IsZero() {
		t.Errorf("row %+v", got)
	}
}

func TestRequestsThatAreNotWhatTheySeem(t *testing.T) {
	s := open(t)
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "odd")
	r := request("r", app, turn)
	mustOpen(t, s, r)
	if err := s.OpenRequest(t.Context(), r); !fault.Is(err, fault.Conflict) {
		t.Errorf("the same id again: %v, want a conflict", err)
	}
	if err := s.SettleRequest(t.Context(), settled(request("other", app, turn), model.RequestDone, micros(1), true)); !fault.Is(err, fault.NotFound) {
		t.Errorf("one that was never opened: %v, want not found", err)
	}
	r.Status = model.RequestOpen
	if err := s.SettleRequest(t.Context(), r); err == nil {
		t.Error("settled as open")
	}
	unpriced := settled(r, model.RequestDone, micros(1), true)
	unpriced.PriceVersion = ""
	if err := s.SettleRequest(t.Context(), unpriced); err == nil {
		t.Error("a cost without a price was taken")
	}
	if got := billOf(t, s, turn.Version.ID); got != (bill{}) {
		t.Errorf("refused requests left %+v", got)
	}
	stranger := request("s", app, turn)
	stranger.VersionID = 1 << 40
	if err := s.OpenRequest(t.Context(), stranger); err == nil {
		t.Error("a request for a version that does not exist was taken")
	}
}

// TestSettlingFromManyProcesses settles each request of two versions from two stores at once, while others write to
// the same versions and apps.
func TestSettlingFromManyProcesses(t *testing.T) {
	one, two := openTwice(t)
	u := newUser(t, one, "u@example.com")
	appA, turnA, _ := newApp(t, one, u, "aa")
	appB, turnB, _ := newApp(t, one, u, "bb")
	const each = 20
	var wg sync.WaitGroup
	for i := range each {
		for _, x := range []struct {
			app  model.App
			turn model.Turn
		}{{appA, turnA}, {appB, turnB}} {
			r := request(fmt.Sprint(x.app.Slug, i), x.app, x.turn)
			mustOpen(t, one, r)
			done := settled(r, model.RequestDone, micros(1_000), i%2 == 0)
			for _, s := range []*store.Store{one, two} {
				wg.Go(func() {
					if err := s.SettleRequest(t.Context(), done); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				if err := two.NameTurn(t.Context(), x.app.ID, x.turn.Version.ID, "App", "Version", "m"); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, _, err := one.AskStop(t.Context(), x.app.ID); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, v := range []int64{turnA.Version.ID, turnB.Version.ID} {
		got := billOf(t, one, v)
		got.Model = ""
		if want := (bill{7 * each, 8 * each, 1, 1_000 * each / 2, 1_000 * each / 2, 0, ""}); got != want {
			t.Errorf("version %d: %+v, want %+v", v, got, want)
		}
	}
}

// openTwice opens one migrated database as two processes would.
func openTwice(t *testing.T) (one, two *store.Store) {
	t.Helper()
	url := storetest.URL(t)
	return storetest.OpenAt(t, url), storetest.OpenAt(t, url)
}

func TestWhatAnAppCostStaysWhenItIsDeleted(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, turn, _ := newApp(t, s, u, "gone")
	early, late := request("early", app, turn), request("late", app, turn)
	mustOpen(t, s, early, late)
	mustSettle(t, s, settled(early, model.RequestDone, micros(40), true))
	if err := s.EndTurn(ctx, turn.Version, model.VersionStopped, "", ""); err != nil {
		t.Fatal(err)
	}
	since := time.Now().Add(-time.Hour)

	// The app goes while the last request is settled: neither may wait for the other for ever, and both end well.
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.DeleteApp(ctx, app.ID); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := s.SettleRequest(ctx, settled(late, model.RequestBroken, micros(2), false)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if rows, err := s.Requests(ctx, turn.Version.ID); err != nil || len(rows) != 0 {
		t.Errorf("rows of a version that is gone: %v, %v", rows, err)
	}
	if got, err := s.AbsorbedSince(ctx, since); err != nil || got != 2 {
		t.Errorf("absorbed %d, %v; want the 2 of the deleted app", got, err)
	}
	if err := s.OpenRequest(ctx, request("ghost", app, turn)); err == nil {
		t.Error("a request for a deleted app was opened: nobody would pay for it")
	}
}

func TestDeletingAndSettlingDoNotDeadlock(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	for i := range 15 {
		app, turn, _ := newApp(t, s, u, fmt.Sprint("app-", i))
		var rs []model.ModelRequest
		for n := range 4 {
			rs = append(rs, request(fmt.Sprint("r-", i, "-", n), app, turn))
		}
		mustOpen(t, s, rs...)
		if err := s.EndTurn(ctx, turn.Version, model.VersionFailed, "", ""); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, r := range rs {
			wg.Go(func() {
				if err := s.SettleRequest(ctx, settled(r, model.RequestDone, micros(1), true)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if err := s.DeleteApp(ctx, app.ID); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
}

func TestAbsorbedCostIsOfTheMonthAndOfEveryTeam(t *testing.T) {
	s, ctx := open(t), t.Context()
	month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, email := range []string{"a@example.com", "b@example.com"} {
		app, turn, _ := newApp(t, s, newUser(t, s, email), fmt.Sprint("app-", i))
		row := func(name string, at time.Time, purpose model.Purpose) model.ModelRequest {
			r := request(fmt.Sprint(name, i), app, turn)
			r.StartedAt, r.Purpose = at, purpose
			mustOpen(t, s, r)
			return r
		}
		mustSettle(t, s, settled(row("before", month.Add(-time.Second), model.PurposeRecovery), model.RequestDone, micros(1), false))
		mustSettle(t, s, settled(row("first", month, model.PurposeRecovery), model.RequestDone, micros(10), false))
		mustSettle(t, s, settled(row("billed", month, model.PurposeBuild), model.RequestDone, micros(100), true))
		mustSettle(t, s, settled(row("unpriced", month, model.PurposeRecovery), model.RequestDone, nil, false))
		row("running", month, model.PurposeBuild)       // may still be billed
		row("repairing", month, model.PurposeRecovery)  // never will: its estimate of 7 counts
		row("testing", month.Add(1), model.PurposePlan) // may still be billed
	}
	if got, err := s.AbsorbedSince(ctx, month); err != nil || got != 2*(10+7) {
		t.Errorf("absorbed %d, %v; want 34", got, err)
	}
}

func TestAbandonedRequestsAreAbsorbed(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "left")
	old, young, done := request("old", app, turn), request("young", app, turn), request("done", app, turn)
	old.StartedAt, done.StartedAt = time.Now().Add(-2*time.Hour), time.Now().Add(-3*time.Hour)
	mustOpen(t, s, old, young, done)
	mustSettle(t, s, settled(done, model.RequestDone, micros(10), true))
	for _, want := range []int{1, 0} {
		if n, err := s.AbandonRequests(ctx, time.Now().Add(-time.Hour)); err != nil || n != want {
			t.Errorf("%d abandoned, %v; want %d", n, err, want)
		}
	}
	rows, err := s.Requests(ctx, turn.Version.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[0]; r.Status != model.RequestBroken || r.Billable || !r.Estimated || *r.CostMicros != 7 || r.Error == "" || r.EndedAt.IsZero() {
		t.Errorf("the old one: %+v", r)
	}
	if rows[1].Status != model.RequestOpen {
		t.Errorf("the young one: %+v", rows[1])
	}
	if got, want := billOf(t, s, turn.Version.ID), (bill{14, 8, 0, 10, 7, 0, "answered-done"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Its process was only slow, and settles it after all: too late, nobody pays.
	mustSettle(t, s, settled(old, model.RequestDone, micros(1_000), true))
	if got := billOf(t, s, turn.Version.ID); got.Micros != 10 {
		t.Errorf("an abandoned request was billed: %+v", got)
	}
}
