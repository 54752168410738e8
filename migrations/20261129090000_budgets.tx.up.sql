-- What a team may spend in a month. What running requests may still cost is reserved before they are sent.
alter table teams add column budget_micros bigint check (budget_micros > 0); -- null: no limit

alter table model_requests add column reserved_micros bigint not null default 0 check (reserved_micros >= 0);

-- One row a team and month, which every request that is opened or settled locks: so that many at once cannot overspend
-- together.
create table budget_months (
  team_id         bigint not null references teams on delete cascade,
  month           date not null, -- its first day, in the team's time zone
  spent_micros    bigint not null default 0,
  reserved_micros bigint not null default 0,
  primary key (team_id, month)
);

insert into budget_months (team_id, month, spent_micros)
select team_id, date_trunc('month', day)::date, sum(billable_micros) from ai_usage_days group by 1, 2;
