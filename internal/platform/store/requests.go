package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// OpenRequest adds a line to the ledger before its request is sent. The line is open, and not billable before
// SettleRequest says so: what a killed process leaves behind is never billed. A request id that is there already
// is a Conflict.
//
// What the request may cost is reserved in its team's month. When that is more than is left of the budget, nothing is
// written, and the fault is RateLimited: it says how much there is, and when the next month begins.
func (s *Store) OpenRequest(ctx context.Context, r model.ModelRequest) error {
	r.Status, r.Billable = model.RequestOpen, false
	if r.StartedAt.IsZero() {
		r.StartedAt = time.Now().UTC()
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := holdZone(ctx, tx, "?::bigint", r.TeamID); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&r).Exec(ctx); err != nil || r.ReservedMicros == 0 {
			return err
		}
		month, err := reserve(ctx, tx, r)
		if err == nil && month.Full() {
			return overBudget(month, r.ReservedMicros)
		}
		return err
	})
	if violates(err, "model_requests_request_id_key") {
		return fault.New(fault.Conflict, "The request %s is in the ledger already.", r.RequestID)
	}
	return wrapf(err, "open request %s", r.RequestID)
}

// overBudget says why a request is not sent.
func overBudget(m model.BudgetMonth, wanted int64) error {
	usd := func(micros int64) string { return fmt.Sprintf("$%.2f", float64(micros)/1e6) }
	text := fmt.Sprintf("The team's budget of %s for %s is used: %s are spent", usd(m.BudgetMicros), m.Month.Format("January"), usd(m.SpentMicros))
	if held := m.ReservedMicros - wanted; held > 0 {
		text += fmt.Sprintf(", %s are reserved for what runs", usd(held))
	}
	return fault.New(fault.RateLimited, "%s, and this request may cost %s. An owner or admin can raise the budget under Costs; the next one begins on %s (%s).",
		text, usd(wanted), m.Next().Format("2 January"), m.TimeZone)
}

// SettleRequest records how an open request ended and what it cost, and makes its version's columns the sums of the
// version's settled requests, in one transaction. The first settling of a request stands: a second one changes
// nothing. A request that was never opened is NotFound. The version may be gone: the line stays.
func (s *Store) SettleRequest(ctx context.Context, r model.ModelRequest) error {
	if r.Status == model.RequestOpen {
		return fault.New(fault.Internal, "The request %s cannot be settled as open.", r.RequestID)
	}
	return wrapf(s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// The version before the request, as in DeleteApp: whoever takes both takes them in this order. The lock also
		// makes the sums below see what others settled before.
		versions, err := lockVersionOf(ctx, tx, r.RequestID)
		if err != nil {
			return err
		}
		res, err := tx.NewUpdate().Model(&r).
			Column("provider_request_id", "status", "model", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
				"cache_write_1h_tokens", "cost_micros", "price_version", "saved_micros", "billable", "estimated", "error", "ended_at").
			Where("request_id = ? and status = 'open'", r.RequestID).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return settledBefore(ctx, tx, r.RequestID)
		}
		if err := rollUpRequest(ctx, tx, r.RequestID); err != nil {
			return err
		}
		if err := release(ctx, tx, r.RequestID); err != nil {
			return err
		}
		for _, id := range versions {
			if err := sumVersion(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	}), "settle request %s", r.RequestID)
}

// lockVersionOf locks the version that a request belongs to; there is none when it is gone or never was.
func lockVersionOf(ctx context.Context, tx bun.IDB, requestID string) ([]int64, error) {
	var ids []int64
	err := tx.NewRaw(`select v.id from app_versions v join model_requests r on r.version_id = v.id
		where r.request_id = ? for no key update of v`, requestID).Scan(ctx, &ids)
	return ids, wrapf(err, "lock version")
}

// settledBefore is nil when the request exists.
func settledBefore(ctx context.Context, tx bun.IDB, requestID string) error {
	exists, err := tx.NewSelect().Model((*model.ModelRequest)(nil)).Where("request_id = ?", requestID).Exists(ctx)
	if err == nil && !exists {
		return fault.New(fault.NotFound, "The request %s is not in the ledger.", requestID)
	}
	return err
}

// sumVersion makes a version's columns the sums of its settled requests. A cent is rounded half up, once, over the
// sum. A request that failed before anything came cost nothing, whether or not its model has a price.
func sumVersion(ctx context.Context, tx bun.IDB, versionID int64) error {
	_, err := tx.ExecContext(ctx, `update app_versions v set
		ai_tokens_input = s.input, ai_tokens_output = s.output, ai_cost_micros = s.billable, ai_absorbed_micros = s.absorbed,
		ai_unpriced = s.unpriced, ai_cost_cents = (s.billable + 5000) / 10000, ai_model_used = coalesce(s.model, v.ai_model_used)
		from (select
			coalesce(sum(input_tokens + cache_read_tokens + cache_write_tokens), 0)::bigint as input,
			coalesce(sum(output_tokens), 0)::bigint as output,
			coalesce(sum(cost_micros) filter (where billable), 0)::bigint as billable,
			coalesce(sum(cost_micros) filter (where not billable), 0)::bigint as absorbed,
			count(*) filter (where cost_micros is null and status <> 'failed') as unpriced,
			(array_agg(model order by id desc) filter (where status = 'done'))[1] as model
			from model_requests where version_id = ?0 and status <> 'open') s
		where v.id = ?0`, versionID)
	return wrapf(err, "sum requests of version %d", versionID)
}

// AbandonRequests settles requests that are open since before a time, because the process that made them is gone:
// they broke off, their cost stays the estimate, and nobody is billed for them. It returns how many there were.
func (s *Store) AbandonRequests(ctx context.Context, before time.Time) (int, error) {
	var open []model.ModelRequest
	err := s.db.NewSelect().Model(&open).Where("not billable and status = 'open' and started_at < ?", before).
		Order("id").Limit(1000).Scan(ctx)
	if err != nil {
		return 0, wrapf(err, "list abandoned requests")
	}
	for i, r := range open {
		r.Status, r.Estimated, r.EndedAt = model.RequestBroken, true, time.Now().UTC()
		r.Error = "whoever made this request ended before it did"
		if err := s.SettleRequest(ctx, r); err != nil {
			return i, err
		}
	}
	return len(open), nil
}

// Requests returns a version's lines of the ledger, in the order in which they were opened.
func (s *Store) Requests(ctx context.Context, versionID int64) ([]model.ModelRequest, error) {
	var out []model.ModelRequest
	err := s.db.NewSelect().Model(&out).Where("version_id = ?", versionID).Order("id").Scan(ctx)
	return out, wrapf(err, "read requests")
}

// AbsorbedSince returns what requests that began then or later cost the instance without being billed to anybody, in
// micro-USD. A running one counts with its estimate if it can never become billable.
func (s *Store) AbsorbedSince(ctx context.Context, from time.Time) (micros int64, err error) {
	err = s.db.NewRaw(`select coalesce(sum(cost_micros), 0)::bigint from model_requests
		where not billable and started_at >= ? and (status <> 'open' or purpose in ('recovery', 'self_test'))`, from).Scan(ctx, &micros)
	return micros, wrapf(err, "sum absorbed cost")
}

// SpentOn returns what a version cost so far, in micro-USD: billed to its team, and not billed. A running request
// counts as not billed, with its estimate.
func (s *Store) SpentOn(ctx context.Context, versionID int64) (billable, absorbed int64, err error) {
	err = s.db.NewRaw(`select coalesce(sum(cost_micros) filter (where billable), 0)::bigint,
		coalesce(sum(cost_micros) filter (where not billable), 0)::bigint
		from model_requests where version_id = ?`, versionID).Scan(ctx, &billable, &absorbed)
	return billable, absorbed, wrapf(err, "sum cost of version %d", versionID)
}
