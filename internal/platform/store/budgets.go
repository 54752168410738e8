package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// monthOf is the month of a team at a time.
const monthOf = "date_trunc('month', ?1::timestamptz at time zone t.time_zone)::date"

// reserve keeps what a request may cost free for it, and returns the team's month with it. Whoever reserves for the same
// team waits for the end of the transaction.
func reserve(ctx context.Context, tx bun.IDB, r model.ModelRequest) (model.BudgetMonth, error) {
	var m model.BudgetMonth
	err := tx.NewRaw(`insert into budget_months as b (team_id, month, reserved_micros) select t.id, `+monthOf+`, ?2 from teams t where t.id = ?0
		on conflict (team_id, month) do update set reserved_micros = b.reserved_micros + excluded.reserved_micros
		returning b.month, b.spent_micros, b.reserved_micros, (select coalesce(budget_micros, 0) from teams where id = ?0) as budget_micros,
			(select time_zone from teams where id = ?0) as time_zone`, r.TeamID, r.StartedAt, r.ReservedMicros).Scan(ctx, &m)
	return m, wrapf(err, "reserve the cost of request %s", r.RequestID)
}

// release gives back what was reserved for a request that was just settled, and counts what it cost.
func release(ctx context.Context, tx bun.IDB, requestID string) error {
	_, err := tx.ExecContext(ctx, `insert into budget_months as b (team_id, month, spent_micros, reserved_micros)
		select r.team_id, date_trunc('month', r.started_at at time zone t.time_zone)::date,
			case when r.billable then coalesce(r.cost_micros, 0) else 0 end, -r.reserved_micros
		from model_requests r join teams t on t.id = r.team_id where r.request_id = ?
		on conflict (team_id, month) do update set spent_micros = b.spent_micros + excluded.spent_micros,
			reserved_micros = b.reserved_micros + excluded.reserved_micros`, requestID)
	return wrapf(err, "settle the budget of request %s", requestID)
}

// rebuildBudgets makes a team's months anew from its days and its open requests, under the lock of its time zone.
func rebuildBudgets(ctx context.Context, tx bun.IDB, teamID int64) error {
	for _, q := range []string{
		"delete from budget_months where team_id = ?0",
		`insert into budget_months (team_id, month, spent_micros)
			select team_id, date_trunc('month', day)::date, sum(billable_micros) from ai_usage_days where team_id = ?0 group by 1, 2`,
		`insert into budget_months as b (team_id, month, reserved_micros)
			select r.team_id, date_trunc('month', r.started_at at time zone t.time_zone)::date, sum(r.reserved_micros)
			from model_requests r join teams t on t.id = r.team_id where r.team_id = ?0 and r.status = 'open' group by 1, 2
			on conflict (team_id, month) do update set reserved_micros = excluded.reserved_micros`,
	} {
		if _, err := tx.ExecContext(ctx, q, teamID); err != nil {
			return wrapf(err, "rebuild the months of team %d", teamID)
		}
	}
	return nil
}

// BudgetMonth returns what a team may spend, has spent and has reserved in the month of a time.
func (s *Store) BudgetMonth(ctx context.Context, teamID int64, at time.Time) (model.BudgetMonth, error) {
	var m model.BudgetMonth
	err := s.db.NewRaw(`select `+monthOf+` as month, t.time_zone, coalesce(t.budget_micros, 0) as budget_micros,
		coalesce(b.spent_micros, 0) as spent_micros, coalesce(b.reserved_micros, 0) as reserved_micros
		from teams t left join budget_months b on b.team_id = t.id and b.month = `+monthOf+` where t.id = ?0`, teamID, at).Scan(ctx, &m)
	return m, orNotFound(err, "There is no such team.")
}

// SetBudget sets what a team may spend in a month; 0 is no limit.
func (s *Store) SetBudget(ctx context.Context, teamID, micros int64) error {
	res, err := s.db.ExecContext(ctx, "update teams set budget_micros = nullif(?1, 0) where id = ?0", teamID, micros)
	if err != nil {
		return wrapf(err, "set budget")
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.NotFound, "There is no such team.")
	}
	return nil
}
