// Package costseed fills a team's ledger with what a team of some people does in a year: for benchmarks, and for looking at
// the pages of costs.
package costseed

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Year is what to make.
type Year struct {
	TeamID   int64
	Users    []int64 // who asks; the first asks most
	Apps     int
	Requests int       // in the whole year; seven make a turn
	Until    time.Time // the year before it
}

// steps are made one after the other. Chance comes from the number of the row, so that the same year comes out each time.
// $1 team, $2 users, $3 apps, $4 turns, $5 until.
var steps = []string{
	`create or replace function pg_temp.chance(n bigint, salt int) returns double precision immutable language sql as
	 $f$ select (hashint8extended(n, salt) & 1048575)::double precision / 1048576 $f$`,
	`insert into apps (team_id, created_by, slug, name, prompt, status, created_at)
	 select $1, ($2::bigint[])[1], 'seed-' || n, (array['Harbour slots','Damage reports with photos','Reefer temperature log and alarm hand-over','Gate kiosk',
		'Empty container balance, all depots North','Crew roster','Crane inspections','Visitor passes','Fuel book','Lost and found'])[1 + (n - 1) % 10]
		|| case when n > 10 then ' ' || n else '' end, 'An app', 'generated', $5::timestamptz - interval '1 year'
	 from generate_series(1, $3::int) n`,
	// Turns come on weekdays, more of them as the year goes on.
	`create temp table turn on commit drop as
	 select n, 1 + floor(power(pg_temp.chance(n, 1), 1.7) * $3::int)::int as app, ($2::bigint[])[1 + floor(power(pg_temp.chance(n, 2), 1.6) * cardinality($2::bigint[]))::int] as person,
		case when extract(isodow from at) > 5 and pg_temp.chance(n, 4) < 0.85 then at - interval '2 days' else at end as at,
		pg_temp.chance(n, 5) as luck, exp(1.1 * (pg_temp.chance(n, 6) + pg_temp.chance(n, 7) + pg_temp.chance(n, 8) - 1.5)) as size
	 from (select n, date_trunc('hour', $5::timestamptz - interval '365 days' * (1 - sqrt(pg_temp.chance(n, 3)))) + pg_temp.chance(n, 9) * interval '59 minutes' as at
		from generate_series(1, $4::bigint) n) t`,
	`insert into app_versions (app_id, created_by, number, status, created_at, ended_at)
	 select a.id, t.person, '1.0.' || t.n, case when luck < 0.93 then 'green' when luck < 0.98 then 'failed' else 'stopped' end, t.at, t.at + interval '90 seconds'
	 from turn t join apps a on a.slug = 'seed-' || t.app`,
	`insert into messages (app_id, version_id, user_id, role, status, content, created_at)
	 select v.app_id, v.id, v.created_by, 'user', 'completed', (array['Weekly calendar by gate, with drag and drop for dock masters','Make everything bigger for gloves',
		'Hand-over sheet at 06:00 as a PDF, in German, Polish and Turkish','Photos in the report, with marks drawn on the picture','Import the old tables and keep the numbers'])[1 + v.id % 5], v.created_at
	 from app_versions v join apps a on a.id = v.app_id where a.team_id = $1`,
	// Requests: five to build, one to plan, and now and then one to recover or one without a price.
	`insert into model_requests (request_id, team_id, app_id, app_slug, version_id, user_id, purpose, attempt, status, model_asked, model, input_tokens, output_tokens,
		cache_read_tokens, cache_write_tokens, cost_micros, price_version, saved_micros, billable, estimated, started_at, ended_at)
	 select 'seed-' || v.id || '-' || k, $1, v.app_id, a.slug, v.id, t.person,
		p.purpose, case when p.purpose = 'recovery' then 1 else 0 end, case when c > 0.995 then 'broken' else 'done' end, m.model, m.model,
		(1500 * t.size)::bigint, (900 * t.size * (0.5 + c))::bigint, (15000 * t.size * k)::bigint, (2500 * t.size)::bigint,
		case when m.price = 0 then null else (t.size * m.price * (2 + k + 9 * c))::bigint end, case when m.price = 0 then '' else m.model || '@2026-10-07' end,
		(m.price * 3.5 * t.size * k)::bigint, p.purpose <> 'recovery' and c <= 0.995, c > 0.995, t.at + k * interval '9 seconds', t.at + k * interval '9 seconds' + interval '8 seconds'
	 from turn t join apps a on a.slug = 'seed-' || t.app join app_versions v on v.app_id = a.id and v.number = '1.0.' || t.n
	 cross join generate_series(1, 7) k cross join lateral (select pg_temp.chance(t.n * 7 + k, 11) as c) c
	 cross join lateral (select case when k = 1 then 'plan' when k = 7 and t.luck between 0.6 and 0.75 then 'recovery' else 'build' end as purpose) p
	 cross join lateral (select case when t.n % 997 = 0 then 'local/qwen3-coder-30b' when t.n % 23 = 0 then 'claude-opus-5-5' when k = 1 then 'claude-haiku-5-5' else 'claude-sonnet-5-5' end as model,
		case when t.n % 997 = 0 then 0 when t.n % 23 = 0 then 9000 when k = 1 then 250 else 4200 end as price) m`,
	`update app_versions v set ai_cost_micros = s.cost, ai_absorbed_micros = s.absorbed, ai_tokens_input = s.input, ai_tokens_output = s.output, ai_model_used = 'claude-sonnet-5-5'
	 from (select version_id, coalesce(sum(cost_micros) filter (where billable), 0) as cost, coalesce(sum(cost_micros) filter (where not billable), 0) as absorbed,
		sum(input_tokens + cache_read_tokens + cache_write_tokens) as input, sum(output_tokens) as output from model_requests where team_id = $1 group by 1) s
	 where v.id = s.version_id`,
}

// Fill makes the year in the builder's database. The days of the ledger are left to the store's RebuildUsage.
func Fill(ctx context.Context, url string, y Year) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// Numbers and a time: what a statement does not use of them could not be given to it as parameters.
	users := strings.Trim(strings.ReplaceAll(fmt.Sprint(y.Users), " ", ","), "[]")
	fill := strings.NewReplacer("$1", fmt.Sprint(y.TeamID), "$2", "'{"+users+"}'", "$3", fmt.Sprint(y.Apps), "$4", fmt.Sprint(y.Requests/7),
		"$5", "'"+y.Until.UTC().Format(time.RFC3339)+"'")
	for i, step := range steps {
		if _, err := tx.ExecContext(ctx, fill.Replace(step)); err != nil {
			return fmt.Errorf("step %d of the year: %w", i+1, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "vacuum analyze") // as Postgres does by itself in a year
	return err
}
