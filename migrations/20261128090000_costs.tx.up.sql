-- What teams spend, by day. Both tables follow from others (model_requests, app_versions) and are kept in step with them in
-- the same transactions, so that a page of a year reads some thousand rows and not millions.

alter table model_requests add column saved_micros bigint not null default 0; -- what the cache saved; below 0, it cost more

alter table teams add column time_zone text not null default 'UTC'; -- IANA; its days and months begin there

-- Settled requests. The day is the team's, of the time when the request began.
create table ai_usage_days (
  team_id               bigint not null references teams on delete cascade,
  day                   date not null,
  app_slug              text not null, -- '' without an app; it stays when the app goes
  user_id               bigint not null, -- 0 without a person
  model                 text not null,
  purpose               text not null,
  requests              bigint not null,
  unpriced              bigint not null,
  failed                bigint not null,
  input_tokens          bigint not null,
  output_tokens         bigint not null,
  cache_read_tokens     bigint not null,
  cache_write_tokens    bigint not null,
  billable_micros       bigint not null,
  absorbed_micros       bigint not null,
  saved_micros          bigint not null,
  primary key (team_id, day, app_slug, user_id, model, purpose)
);

-- Turns that ended. The day is the team's, of the time when the turn was asked for.
create table build_days (
  team_id   bigint not null references teams on delete cascade,
  day       date not null,
  app_slug  text not null,
  user_id   bigint not null,
  builds    bigint not null, -- that were tried to their end: green or failed
  green     bigint not null,
  recovered bigint not null, -- green ones in which an error was worked on
  stopped   bigint not null, -- by a person
  primary key (team_id, day, app_slug, user_id)
);

insert into ai_usage_days
select team_id, (started_at at time zone 'UTC')::date, app_slug, coalesce(user_id, 0), model, purpose,
  count(*), count(*) filter (where cost_micros is null and status <> 'failed'), count(*) filter (where status = 'failed'),
  sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
  coalesce(sum(cost_micros) filter (where billable), 0), coalesce(sum(cost_micros) filter (where not billable), 0), 0
from model_requests where status <> 'open' group by 1, 2, 3, 4, 5, 6;

insert into build_days
select a.team_id, (v.created_at at time zone 'UTC')::date, a.slug, v.created_by,
  count(*) filter (where v.status in ('green', 'failed')), count(*) filter (where v.status = 'green'),
  count(*) filter (where v.status = 'green' and exists (select 1 from model_requests r where r.version_id = v.id and r.purpose = 'recovery')),
  count(*) filter (where v.status = 'stopped')
from app_versions v join apps a on a.id = v.app_id where v.status in ('green', 'failed', 'stopped') group by 1, 2, 3, 4;

-- The turns of an app in a month, with what says which were the dearest.
create index app_versions_app_id_created_at_idx on app_versions (app_id, created_at) include (ai_cost_micros, created_by, id);
