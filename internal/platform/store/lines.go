package store

import (
	"context"

	"github.com/uptrace/bun/dialect/pgdialect"

	"overskill/internal/model"
)

// Lines returns at most limit settled requests of a query, the newest first, that began before a place in this order; the
// zero place is the end. Model and Only narrow it too.
func (s *Store) Lines(ctx context.Context, q model.CostQuery, before model.LinePlace, limit int64) ([]model.CostLine, error) {
	var out []model.CostLine
	sel := s.db.NewSelect().TableExpr("model_requests mr").Join("join teams t on t.id = mr.team_id").
		Join("left join users u on u.id = mr.user_id").Join("left join app_versions v on v.id = mr.version_id").
		Join("left join apps a on a.id = mr.app_id").
		ColumnExpr("mr.*, coalesce(u.name, '') as person, coalesce(v.number, '') as number, coalesce(a.name, '') as app_name").
		Where("mr.team_id = ? and mr.status <> 'open'", q.TeamID).
		Where("mr.started_at >= (?::date)::timestamp at time zone t.time_zone and mr.started_at < (?::date + 1)::timestamp at time zone t.time_zone", date(q.From), date(q.To)).
		OrderExpr("mr.started_at desc, mr.id desc").Limit(limit)
	if before.ID != 0 {
		sel = sel.Where("(mr.started_at, mr.id) < (?, ?)", before.At, before.ID)
	}
	if q.AppSlug != "" {
		sel = sel.Where("mr.app_slug = ?", noneIsEmpty(q.AppSlug))
	}
	if q.UserID != 0 {
		sel = sel.Where("coalesce(mr.user_id, 0) = ?", max(q.UserID, 0))
	}
	if q.Model != "" {
		sel = sel.Where("mr.model = ?", q.Model)
	}
	if q.Purpose != "" {
		sel = sel.Where("mr.purpose = ?", q.Purpose)
	}
	switch q.Only {
	case model.BilledCost:
		sel = sel.Where("mr.billable")
	case model.AbsorbedCost:
		sel = sel.Where("not mr.billable and mr.cost_micros > 0")
	case model.UnpricedCost:
		sel = sel.Where("mr.cost_micros is null and mr.status <> 'failed'")
	}
	err := sel.Scan(ctx, &out)
	return out, wrapf(err, "list requests")
}

// DearestTurns returns the turns of a query that cost most.
func (s *Store) DearestTurns(ctx context.Context, q model.CostQuery, limit int64) ([]model.TurnCost, error) {
	dearest := s.db.NewSelect().ColumnExpr("v.id").TableExpr("app_versions v").Join("join apps a on a.id = v.app_id").Join("join teams t on t.id = a.team_id").
		Where("a.team_id = ? and v.ai_cost_micros > 0", q.TeamID).
		Where("v.created_at >= (?::date)::timestamp at time zone t.time_zone and v.created_at < (?::date + 1)::timestamp at time zone t.time_zone", date(q.From), date(q.To)).
		OrderExpr("v.ai_cost_micros desc, v.id desc").Limit(limit)
	if q.AppSlug != "" {
		dearest = dearest.Where("a.slug = ?", q.AppSlug)
	}
	if q.UserID != 0 {
		dearest = dearest.Where("v.created_by = ?", q.UserID)
	}
	var out []model.TurnCost
	err := s.db.NewSelect().TableExpr("app_versions v").Join("join apps a on a.id = v.app_id").Join("left join users u on u.id = v.created_by").
		ColumnExpr(`a.slug as app_slug, a.name as app_name, v.number, v.status, coalesce(u.name, '') as person, v.created_at as at,
			v.ai_cost_micros as micros, v.ai_tokens_input + v.ai_tokens_output as tokens,
			(select count(*) from model_requests r where r.version_id = v.id and r.status <> 'open') as requests,
			coalesce((select left(m.content, 300) from messages m where m.version_id = v.id and m.role = 'user' order by m.id limit 1), '') as prompt`).
		Where("v.id in (?)", dearest).OrderExpr("v.ai_cost_micros desc, v.id desc").Scan(ctx, &out)
	return out, wrapf(err, "list the dearest turns")
}

// Published counts how often versions of a team's apps were published, by app.
func (s *Store) Published(ctx context.Context, q model.CostQuery) (map[string]int64, error) {
	var rows []struct {
		Slug string
		N    int64
	}
	sel := s.db.NewSelect().TableExpr("deployments d").Join("join apps a on a.id = d.app_id").Join("join teams t on t.id = a.team_id").
		ColumnExpr("a.slug, count(*) as n").
		Where("a.team_id = ? and d.environment = 'production' and d.kind = 'publish' and d.promoted_at is not null and d.status <> 'failed'", q.TeamID).
		Where("d.promoted_at >= (?::date)::timestamp at time zone t.time_zone and d.promoted_at < (?::date + 1)::timestamp at time zone t.time_zone", date(q.From), date(q.To)).
		Group("a.slug")
	if q.AppSlug != "" {
		sel = sel.Where("a.slug = ?", q.AppSlug)
	}
	if err := sel.Scan(ctx, &rows); err != nil {
		return nil, wrapf(err, "count publications")
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Slug] = r.N
	}
	return out, nil
}

// CostNames are the names of a team's apps by slug, and of people by id.
func (s *Store) CostNames(ctx context.Context, teamID int64, ids []int64) (apps map[string]string, people map[int64]model.User, err error) {
	var rows []struct{ Slug, Name string }
	if err := s.db.NewRaw("select slug, name from apps where team_id = ?", teamID).Scan(ctx, &rows); err != nil {
		return nil, nil, wrapf(err, "name apps")
	}
	apps = map[string]string{}
	for _, r := range rows {
		apps[r.Slug] = r.Name
	}
	var users []model.User
	err = s.db.NewSelect().Model(&users).Column("id", "name", "email").Where("id = any(?)", pgdialect.Array(ids)).Scan(ctx)
	people = map[int64]model.User{}
	for _, u := range users {
		people[u.ID] = u
	}
	return apps, people, wrapf(err, "name people")
}

// Team returns a team.
func (s *Store) Team(ctx context.Context, id int64) (model.Team, error) {
	var t model.Team
	err := s.db.NewSelect().Model(&t).Where("id = ?", id).Scan(ctx)
	return t, orNotFound(err, "There is no such team.")
}
