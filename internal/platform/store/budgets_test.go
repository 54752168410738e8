package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

func month(t *testing.T, s *store.Store, team int64, at time.Time) model.BudgetMonth {
	t.Helper()
	m, err := s.BudgetMonth(t.Context(), team, at)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestManyCannotOverspendTogether: requests are opened by fifty at once, each reserves the most that it may cost, and what
// is spent and reserved never exceeds the budget.
func TestManyCannotOverspendTogether(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "spender")
	const budget, most = 100_000, 7_000
	if err := s.SetBudget(ctx, app.TeamID, budget); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	var opened, refused atomic.Int64
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := range 6 {
				r := request(fmt.Sprintf("%d-%d", w, i), app, turn)
				r.StartedAt, r.ReservedMicros = at, most
				err := s.OpenRequest(ctx, r)
				if fault.Is(err, fault.RateLimited) {
					refused.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				opened.Add(1)
				if m := month(t, s, app.TeamID, at); m.Full() {
					t.Errorf("overspent: %+v", m)
				}
				if err := s.SettleRequest(ctx, settled(r, model.RequestDone, micros(int64(1000+100*(w%50))), true)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 100 { // what others had reserved in vain is there for the next one
		r := request(fmt.Sprintf("after-%d", i), app, turn)
		r.StartedAt, r.ReservedMicros = at, most
		if s.OpenRequest(ctx, r) != nil {
			break
		}
		opened.Add(1)
		mustSettle(t, s, settled(r, model.RequestDone, micros(1000), true))
	}
	m := month(t, s, app.TeamID, at)
	if m.ReservedMicros != 0 || m.SpentMicros > budget || m.SpentMicros <= budget-most || refused.Load() == 0 || opened.Load() < budget/most {
		t.Errorf("%d opened, %d refused: %+v", opened.Load(), refused.Load(), m)
	}
	if got := usage(t, s, year(app.TeamID)).Total; got.BillableMicros != m.SpentMicros || got.Requests != opened.Load() {
		t.Errorf("the ledger says %+v, the month %+v", got, m)
	}
	if err := s.RebuildUsage(ctx, app.TeamID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, month(t, s, app.TeamID, at)); diff != "" {
		t.Errorf("rebuilt: %s", diff)
	}
}

func TestBudget(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "budget")
	at := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	if err := s.SetTimeZone(ctx, app.TeamID, "Europe/Berlin"); err != nil { // where it is April
		t.Fatal(err)
	}
	line := func(id string, most int64) model.ModelRequest {
		r := request(id, app, turn)
		r.StartedAt, r.ReservedMicros = at, most
		return r
	}
	mustOpen(t, s, line("free", 5_000_000)) // no budget yet
	if err := s.SetBudget(ctx, app.TeamID, 6_000_000); err != nil {
		t.Fatal(err)
	}
	err := s.OpenRequest(ctx, line("too much", 1_500_000))
	if !fault.Is(err, fault.RateLimited) {
		t.Fatalf("got %v", err)
	}
	for _, words := range []string{"$6.00 for April", "$0.00 are spent", "$5.00 are reserved", "may cost $1.50", "1 May (Europe/Berlin)"} {
		if !strings.Contains(fault.Text(err), words) {
			t.Errorf("%q lacks %q", fault.Text(err), words)
		}
	}
	if err := s.SettleRequest(ctx, settled(line("too much", 0), model.RequestDone, micros(1), true)); !fault.Is(err, fault.NotFound) {
		t.Errorf("what was refused is no line: %v", err)
	}
	mustOpen(t, s, line("fits", 1_000_000))
	fix := line("fix", 0)
	fix.Purpose = model.PurposeRecovery
	mustOpen(t, s, fix) // ours to pay
	mustSettle(t, s, settled(line("free", 0), model.RequestFailed, micros(0), true), settled(line("fits", 0), model.RequestBroken, micros(400_000), false),
		settled(fix, model.RequestDone, micros(900_000), false))
	if m := month(t, s, app.TeamID, at); m.SpentMicros != 0 || m.ReservedMicros != 0 || !m.Month.Equal(day("2026-04-01")) {
		t.Errorf("nobody is billed for these: %+v", m)
	}
	mustOpen(t, s, line("last", 6_000_000))
	mustSettle(t, s, settled(line("last", 0), model.RequestDone, micros(6_100_000), true)) // more than it seemed
	if err := s.OpenRequest(ctx, line("one more", 1)); !fault.Is(err, fault.RateLimited) {
		t.Errorf("got %v", err)
	}
	may := line("in may", 1_000_000)
	may.StartedAt = at.AddDate(0, 1, 0)
	mustOpen(t, s, may)
	if err := s.SetBudget(ctx, app.TeamID, 0); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, s, line("without a limit", 90_000_000))
	if err := s.SetBudget(ctx, 999, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
