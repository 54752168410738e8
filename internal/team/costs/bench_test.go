package costs_test

import (
	"testing"
	"time"

	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/team/costs"
	"overskill/internal/testing/costseed"
	"overskill/internal/testing/storetest"
)

// BenchmarkReport reads what a team with 5 million requests in a year sees: a month, the year, and a page of requests.
func BenchmarkReport(b *testing.B) {
	url := storetest.URL(b)
	s, ctx := storetest.OpenAt(b, url), b.Context()
	var users []int64
	for _, email := range []string{"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example", "f@x.example"} {
		u, err := s.CreateUser(ctx, model.User{Email: email, Name: email[:1], PasswordHash: "-"})
		if err != nil {
			b.Fatal(err)
		}
		users = append(users, u.ID)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	if err := costseed.Fill(ctx, url, costseed.Year{TeamID: 1, Users: users, Apps: 40, Requests: 5_000_000, Until: now}); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := s.RebuildUsage(ctx, 1); err != nil {
		b.Fatal(err)
	}
	b.Logf("the days were rebuilt in %s", time.Since(began).Round(time.Millisecond))
	service, me := costs.New(s, func() time.Time { return now }), model.User{ID: users[0]}
	if _, err := service.Report(ctx, me, 1, model.CostRange{}, model.CostQuery{}); err != nil { // Postgres reads what the seed wrote
		b.Fatal(err)
	}
	for name, r := range map[string]model.CostRange{"month": {}, "year": {From: "2025-11-25", To: "2026-11-24"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := service.Report(ctx, me, 1, r, model.CostQuery{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("lines", func(b *testing.B) {
		for b.Loop() {
			if _, err := service.Lines(ctx, me, 1, model.CostRange{}, model.CostQuery{}, model.LinePlace{}, 50); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("settle", func(b *testing.B) { settle(b, s, now) })
}

// settle opens and settles a request, into a day that a hundred thousand are in.
func settle(b *testing.B, s *store.Store, at time.Time) {
	n := 0
	for b.Loop() {
		n++
		cost := int64(1000)
		r := model.ModelRequest{
			RequestID: "bench-" + time.Now().Format(time.RFC3339Nano), TeamID: 1, UserID: 1, AppSlug: "seed-1", Purpose: model.PurposeBuild, ModelAsked: "m", Model: "m",
			Status: model.RequestDone, CostMicros: &cost, PriceVersion: "p", Billable: true, StartedAt: at,
		}
		if err := s.OpenRequest(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		if err := s.SettleRequest(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
