package store

import (
	"cmp"
	"context"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// addUsage adds settled requests to the days of their teams. What follows it says which ones.
const addUsage = `insert into ai_usage_days as d
	select mr.team_id, (mr.started_at at time zone t.time_zone)::date, mr.app_slug, coalesce(mr.user_id, 0), mr.model, mr.purpose,
		count(*), count(*) filter (where mr.cost_micros is null and mr.status <> 'failed'), count(*) filter (where mr.status = 'failed'),
		sum(mr.input_tokens), sum(mr.output_tokens), sum(mr.cache_read_tokens), sum(mr.cache_write_tokens),
		coalesce(sum(mr.cost_micros) filter (where mr.billable), 0), coalesce(sum(mr.cost_micros) filter (where not mr.billable), 0), sum(mr.saved_micros)
	from model_requests mr join teams t on t.id = mr.team_id
	where mr.status <> 'open' and `

const addedUsage = ` group by 1, 2, 3, 4, 5, 6
	on conflict (team_id, day, app_slug, user_id, model, purpose) do update set
		requests = d.requests + excluded.requests, unpriced = d.unpriced + excluded.unpriced, failed = d.failed + excluded.failed,
		input_tokens = d.input_tokens + excluded.input_tokens, output_tokens = d.output_tokens + excluded.output_tokens,
		cache_read_tokens = d.cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
		billable_micros = d.billable_micros + excluded.billable_micros, absorbed_micros = d.absorbed_micros + excluded.absorbed_micros,
		saved_micros = d.saved_micros + excluded.saved_micros`

// rollUpRequest adds a request that was just settled. The team is locked against a change of its time zone meanwhile.
func rollUpRequest(ctx context.Context, tx bun.IDB, requestID string) error {
	if err := holdZone(ctx, tx, "select team_id from model_requests where request_id = ?", requestID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, addUsage+"mr.request_id = ?"+addedUsage, requestID)
	return wrapf(err, "add request %s to its day", requestID)
}

// holdZone keeps the time zone of a team as it is until the transaction ends: SetTimeZone sorts everything into other
// days, and a line that is added meanwhile would be missing, or there twice.
func holdZone(ctx context.Context, tx bun.IDB, team string, args ...any) error {
	_, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock_shared("+zoneLock+", ("+team+")::int)", args...)
	return wrapf(err, "hold the time zone")
}

// zoneLock is the first key of the lock of a team's time zone; the second one is the team.
const zoneLock = "29562"

const addBuilds = `insert into build_days as d
	select a.team_id, (v.created_at at time zone t.time_zone)::date, a.slug, v.created_by,
		count(*) filter (where s.status in ('green', 'failed')), count(*) filter (where s.status = 'green'),
		count(*) filter (where s.status = 'green' and exists (select 1 from model_requests r where r.version_id = v.id and r.purpose = 'recovery')),
		count(*) filter (where s.status = 'stopped')
	from app_versions v join apps a on a.id = v.app_id join teams t on t.id = a.team_id `

const addedBuilds = ` group by 1, 2, 3, 4
	on conflict (team_id, day, app_slug, user_id) do update set
		builds = d.builds + excluded.builds, green = d.green + excluded.green, recovered = d.recovered + excluded.recovered,
		stopped = d.stopped + excluded.stopped`

// rollUpBuild adds a turn that is about to end with a status to its day. One that has ended before is there already.
func rollUpBuild(ctx context.Context, tx bun.IDB, versionID int64, status model.VersionStatus) error {
	if status == model.VersionUnchanged {
		return nil
	}
	if err := holdZone(ctx, tx, "select a.team_id from app_versions v join apps a on a.id = v.app_id where v.id = ?", versionID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, addBuilds+`cross join (select ?1::text as status) s
		where v.id = ?0 and v.status in ('queued', 'building')`+addedBuilds, versionID, status)
	return wrapf(err, "add version %d to its day", versionID)
}

// SetTimeZone sets where a team's days begin, and sorts everything that it spent into the new ones. A name that
// Postgres does not know is Invalid.
func (s *Store) SetTimeZone(ctx context.Context, teamID int64, zone string) error {
	return wrapf(s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock("+zoneLock+", ?::int)", teamID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `update teams set time_zone = ?1
			where id = ?0 and exists (select 1 from pg_timezone_names where name = ?1)`, teamID, zone)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, fault.New(fault.Invalid, "%q is not the name of a time zone, such as Europe/Berlin.", zone))
		}
		return rebuildUsage(ctx, tx, teamID)
	}), "set the time zone of team %d", teamID)
}

// RebuildUsage makes a team's days anew from its requests and turns.
func (s *Store) RebuildUsage(ctx context.Context, teamID int64) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock("+zoneLock+", ?::int)", teamID); err != nil {
			return err
		}
		return rebuildUsage(ctx, tx, teamID)
	})
}

// rebuildUsage does so under the lock of the team's time zone. The turns of apps that are gone exist nowhere else: they
// stay where they are.
func rebuildUsage(ctx context.Context, tx bun.IDB, teamID int64) error {
	for _, q := range []string{
		"delete from ai_usage_days where team_id = ?0",
		addUsage + "mr.team_id = ?0" + addedUsage,
		"delete from build_days where team_id = ?0 and app_slug in (select slug from apps where team_id = ?0)",
		addBuilds + "cross join lateral (select v.status) s where a.team_id = ?0 and v.status in ('green', 'failed', 'stopped')" + addedBuilds,
	} {
		if _, err := tx.ExecContext(ctx, q, teamID); err != nil {
			return wrapf(err, "rebuild the days of team %d", teamID)
		}
	}
	return rebuildBudgets(ctx, tx, teamID)
}

// UsageTotal sums up the days of a query.
func (s *Store) UsageTotal(ctx context.Context, q model.CostQuery) (model.UsageSum, error) {
	var u model.UsageSum
	sel := inQuery(s.db.NewSelect().TableExpr("ai_usage_days d"), q)
	err := sumsOf(sel).Scan(ctx, &u)
	return u, wrapf(err, "sum usage")
}

// BilledByDay returns what was billed on each day of a query that has costs.
func (s *Store) BilledByDay(ctx context.Context, q model.CostQuery) ([]model.DayCost, error) {
	var out []model.DayCost
	err := inQuery(s.db.NewSelect().TableExpr("ai_usage_days d"), q).ColumnExpr("d.day, sum(d.billable_micros)::bigint as total").
		Group("d.day").Order("d.day").Scan(ctx, &out)
	return out, wrapf(err, "sum days")
}

// sumsOf selects the sums of all columns that are numbers. Postgres sums up bigint as numeric, which takes ten times as
// long as double precision; that is as exact up to 2^53, which is nine billion dollars.
func sumsOf(sel *bun.SelectQuery) *bun.SelectQuery {
	for _, c := range []string{
		"requests", "unpriced", "failed", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
		"billable_micros", "absorbed_micros", "saved_micros",
	} {
		sel = sel.ColumnExpr("coalesce(sum(?0::float8), 0)::bigint as ?0", bun.Ident(c))
	}
	return sel
}

// Usage is what a team's requests sum up to, in groups.
type Usage struct {
	Total    model.UsageSum
	Days     []model.DayCost // those with costs, in their order
	Apps     []model.AppCost
	People   []model.PersonCost
	Models   []model.ModelCost
	Purposes map[model.Purpose]model.UsageSum
}

// usageRow is one group. Set is a bit mask of what it is not grouped by: day 16, app 8, person 4, model 2, purpose 1.
type usageRow struct {
	Set     int
	Day     time.Time
	AppSlug string
	UserID  int64
	Model   string
	Purpose model.Purpose
	model.UsageSum
}

// Usage sums up the days of a query, by day and app, by app, by person, by model and by purpose.
func (s *Store) Usage(ctx context.Context, q model.CostQuery) (Usage, error) {
	var rows []usageRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Six ways of grouping at once, without files on disk.
		if _, err := tx.ExecContext(ctx, "set local work_mem = '64MB'"); err != nil {
			return err
		}
		return groups(tx, q).Scan(ctx, &rows)
	})
	if err != nil {
		return Usage{}, wrapf(err, "sum usage")
	}
	out := Usage{Purposes: map[model.Purpose]model.UsageSum{}}
	for _, r := range rows {
		out.add(r)
	}
	return out, nil
}

// groups selects the rows of Usage.
func groups(db bun.IDB, q model.CostQuery) *bun.SelectQuery {
	sel := inQuery(db.NewSelect().TableExpr("ai_usage_days d"), q)
	if q.Model != "" {
		sel = sel.Where("d.model = ?", q.Model)
	}
	if q.Purpose != "" {
		sel = sel.Where("d.purpose = ?", q.Purpose)
	}
	sel = sel.ColumnExpr(`grouping(day, app_slug, user_id, model, purpose) as set, coalesce(day, 'epoch') as day, coalesce(app_slug, '') as app_slug,
			coalesce(user_id, 0) as user_id, coalesce(model, '') as model, coalesce(purpose, '') as purpose`)
	return sumsOf(sel).GroupExpr("grouping sets ((day, app_slug), (app_slug), (user_id), (model), (purpose), ())").OrderExpr("day, billable_micros desc, app_slug, user_id, model")
}

func (u *Usage) add(r usageRow) {
	switch r.Set {
	case 0b00111:
		if n := len(u.Days); n == 0 || !u.Days[n-1].Day.Equal(r.Day) {
			u.Days = append(u.Days, model.DayCost{Day: r.Day, Apps: map[string]int64{}})
		}
		d := &u.Days[len(u.Days)-1]
		d.Total += r.BillableMicros
		d.Apps[r.AppSlug] += r.BillableMicros
	case 0b10111:
		u.Apps = append(u.Apps, model.AppCost{Slug: r.AppSlug, UsageSum: r.UsageSum})
	case 0b11011:
		u.People = append(u.People, model.PersonCost{UserID: r.UserID, UsageSum: r.UsageSum})
	case 0b11101:
		u.Models = append(u.Models, model.ModelCost{Model: r.Model, UsageSum: r.UsageSum})
	case 0b11110:
		u.Purposes[r.Purpose] = r.UsageSum
	case 0b11111:
		u.Total = r.UsageSum
	}
}

// inQuery narrows one of the tables of days to a team, its days, an app and a person.
func inQuery(sel *bun.SelectQuery, q model.CostQuery) *bun.SelectQuery {
	sel = sel.Where("d.team_id = ? and d.day between ?::date and ?::date", q.TeamID, date(q.From), date(q.To))
	if q.AppSlug != "" {
		sel = sel.Where("d.app_slug = ?", noneIsEmpty(q.AppSlug))
	}
	if q.UserID != 0 {
		sel = sel.Where("d.user_id = ?", max(q.UserID, 0))
	}
	return sel
}

func date(day time.Time) string { return day.Format(time.DateOnly) }

func noneIsEmpty(slug string) string {
	if slug == model.NoApp {
		return ""
	}
	return slug
}

// Builds counts a team's turns: by app, by person, and all. The filters on models and purposes do not apply to them.
func (s *Store) Builds(ctx context.Context, q model.CostQuery) (byApp map[string]model.BuildSum, byPerson map[int64]model.BuildSum, all model.BuildSum, err error) {
	var rows []struct {
		Set     int
		AppSlug string
		UserID  int64
		model.BuildSum
	}
	err = inQuery(s.db.NewSelect().TableExpr("build_days d"), q).
		ColumnExpr(`grouping(app_slug, user_id) as set, coalesce(app_slug, '') as app_slug, coalesce(user_id, 0) as user_id,
			coalesce(sum(builds), 0)::bigint as builds, coalesce(sum(green), 0)::bigint as green,
			coalesce(sum(recovered), 0)::bigint as recovered, coalesce(sum(stopped), 0)::bigint as stopped`).
		GroupExpr("grouping sets ((app_slug), (user_id), ())").Scan(ctx, &rows)
	byApp, byPerson = map[string]model.BuildSum{}, map[int64]model.BuildSum{}
	for _, r := range rows {
		switch r.Set {
		case 0b01:
			byApp[r.AppSlug] = r.BuildSum
		case 0b10:
			byPerson[r.UserID] = r.BuildSum
		default:
			all = r.BuildSum
		}
	}
	return byApp, byPerson, all, wrapf(err, "count builds")
}
