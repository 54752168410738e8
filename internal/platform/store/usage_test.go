package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// year is a query for everything.
func year(team int64) model.CostQuery {
	return model.CostQuery{TeamID: team, From: day("2026-01-01"), To: day("2026-12-31")}
}

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

func usage(t *testing.T, s *store.Store, q model.CostQuery) store.Usage {
	t.Helper()
	u, err := s.Usage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUsageIsTheSumOfTheLedger: whatever many writers do at once, the days are what a rebuild from the lines makes of
// them, and their total is the sum of the lines.
func TestUsageIsTheSumOfTheLedger(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, turn, _ := newApp(t, s, u, "sums")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range 40 {
				r := request(fmt.Sprintf("%d-%d", w, i), app, turn)
				r.StartedAt = time.Date(2026, 3, 1+rnd.IntN(3), rnd.IntN(24), rnd.IntN(60), 0, 0, time.UTC)
				if rnd.IntN(4) == 0 {
					r.Purpose = model.PurposeRecovery
				}
				if rnd.IntN(5) == 0 {
					r.AppID, r.AppSlug, r.VersionID, r.MessageID, r.UserID = 0, "", 0, 0, 0
				}
				if err := s.OpenRequest(ctx, r); err != nil {
					t.Error(err)
					return
				}
				status := []model.RequestStatus{model.RequestDone, model.RequestDone, model.RequestBroken, model.RequestFailed}[rnd.IntN(4)]
				cost := micros(rnd.Int64N(5000))
				if rnd.IntN(6) == 0 {
					cost = nil
				}
				end := settled(r, status, cost, rnd.IntN(3) > 0)
				end.Model, end.SavedMicros = []string{"a", "b"}[rnd.IntN(2)], rnd.Int64N(100)-50
				for range 1 + rnd.IntN(2) { // the second time changes nothing
					if err := s.SettleRequest(ctx, end); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	zones := []string{"Asia/Kolkata", "America/St_Johns", "UTC", "Pacific/Kiritimati"}
	wg.Go(func() {
		for _, z := range zones {
			if err := s.SetTimeZone(ctx, app.TeamID, z); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	wg.Wait()

	kept := usage(t, s, year(app.TeamID))
	if err := s.RebuildUsage(ctx, app.TeamID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(usage(t, s, year(app.TeamID)), kept); diff != "" {
		t.Errorf("the days are not what the lines say: %s", diff)
	}
	var want model.UsageSum
	var place model.LinePlace
	for {
		lines, err := s.Lines(ctx, year(app.TeamID), place, 50)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			addLine(&want, l.ModelRequest)
		}
		place = model.LinePlace{At: lines[len(lines)-1].StartedAt, ID: lines[len(lines)-1].ID}
	}
	if want.Requests != 320 {
		t.Errorf("%d lines", want.Requests)
	}
	if diff := cmp.Diff(want, kept.Total); diff != "" {
		t.Error(diff)
	}
	var apps, people, models, days int64
	for _, a := range kept.Apps {
		apps += a.BillableMicros
	}
	for _, p := range kept.People {
		people += p.BillableMicros
	}
	for _, m := range kept.Models {
		models += m.BillableMicros
	}
	for _, d := range kept.Days {
		days += d.Total
	}
	if got := []int64{apps, people, models, days}; slices.ContainsFunc(got, func(n int64) bool { return n != want.BillableMicros }) {
		t.Errorf("apps, people, models, days: %v, want each %d", got, want.BillableMicros)
	}
}

// addLine sums up in Go what the store sums up in SQL.
func addLine(u *model.UsageSum, r model.ModelRequest) {
	u.Requests++
	u.InputTokens += r.InputTokens
	u.OutputTokens += r.OutputTokens
	u.CacheReadTokens += r.CacheReadTokens
	u.CacheWriteTokens += r.CacheWriteTokens
	u.SavedMicros += r.SavedMicros
	switch {
	case r.Status == model.RequestFailed:
		u.Failed++
	case r.CostMicros == nil:
		u.Unpriced++
	}
	if r.CostMicros != nil && r.Billable {
		u.BillableMicros += *r.CostMicros
	} else if r.CostMicros != nil {
		u.AbsorbedMicros += *r.CostMicros
	}
}

// TestDaysBeginInTheTeamsZone: a month ends when it does where the team is.
func TestDaysBeginInTheTeamsZone(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "zones")
	r := request("late", app, turn)
	r.StartedAt = time.Date(2026, 2, 28, 23, 30, 0, 0, time.UTC)
	mustOpen(t, s, r)
	mustSettle(t, s, settled(r, model.RequestDone, micros(10), true))
	march := model.CostQuery{TeamID: app.TeamID, From: day("2026-03-01"), To: day("2026-03-31")}
	if got := usage(t, s, march).Total.BillableMicros; got != 0 {
		t.Errorf("in UTC it is February still: %d", got)
	}
	if err := s.SetTimeZone(ctx, app.TeamID, "Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	got := usage(t, s, march)
	if got.Total.BillableMicros != 10 || len(got.Days) != 1 || !got.Days[0].Day.Equal(day("2026-03-01")) {
		t.Errorf("in Berlin it is March: %+v", got)
	}
	if lines, err := s.Lines(ctx, march, model.LinePlace{}, 10); err != nil || len(lines) != 1 {
		t.Errorf("the lines of March: %v, %v", lines, err)
	}
	for _, bad := range []string{"", "Mars/Olympus", "'; drop table teams"} {
		if err := s.SetTimeZone(ctx, app.TeamID, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestBuildsAreCountedOnce: also a turn that is ended twice, and those of an app that is gone.
func TestBuildsAreCountedOnce(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, turn, _ := newApp(t, s, u, "built")
	r := request("fix", app, turn)
	r.Purpose = model.PurposeRecovery
	mustOpen(t, s, r)
	mustSettle(t, s, settled(r, model.RequestDone, micros(10), false))
	for range 2 {
		if err := s.Promote(ctx, turn.Version, "http://x.localhost"); err != nil {
			t.Fatal(err)
		}
	}
	want := model.BuildSum{Builds: 1, Green: 1, Recovered: 1}
	check := func(when string) {
		t.Helper()
		q := year(app.TeamID)
		q.From, q.To = time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, 2)
		byApp, byPerson, all, err := s.Builds(ctx, q)
		if err != nil || all != want || byApp[app.Slug] != want || byPerson[u.ID] != want {
			t.Errorf("%s: %+v %+v %+v, %v", when, byApp, byPerson, all, err)
		}
	}
	check("promoted twice")
	if err := s.RebuildUsage(ctx, app.TeamID); err != nil {
		t.Fatal(err)
	}
	check("rebuilt")
	if err := s.DeleteApp(ctx, app.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RebuildUsage(ctx, app.TeamID); err != nil {
		t.Fatal(err)
	}
	check("after the app is gone")
}
