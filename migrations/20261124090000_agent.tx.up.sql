-- Real models: the conversation of a running turn, the ledger of requests, connections to providers, locked files.

-- What was said in a turn that runs, so that a worker that takes it over asks and pays for nothing twice. Removed
-- when the turn ends.
create table turn_messages (
  version_id bigint not null references app_versions on delete cascade,
  n          int not null check (n >= 0),
  message    text not null, -- JSON, which jsonb would not take with every character
  primary key (version_id, n)
);

-- One row a request to a model. Money is in micro-USD. Apps and people may go, what they cost stays.
create table model_requests (
  id                    bigint generated always as identity primary key,
  request_id            text not null unique, -- ours, made before the request
  provider_request_id   text not null default '',
  team_id               bigint not null references teams,
  app_id                bigint references apps on delete set null,
  app_slug              text not null default '',
  version_id            bigint references app_versions on delete set null,
  message_id            bigint references messages on delete set null,
  user_id               bigint references users on delete set null,
  purpose               text not null check (purpose in ('plan', 'build', 'recovery', 'self_test')),
  attempt               int not null default 0, -- of a recovery
  status                text not null check (status in ('open', 'done', 'broken', 'failed')),
  model_asked           text not null,
  model                 text not null, -- as answered
  input_tokens          bigint not null default 0 check (input_tokens >= 0),
  output_tokens         bigint not null default 0 check (output_tokens >= 0),
  cache_read_tokens     bigint not null default 0 check (cache_read_tokens >= 0),
  cache_write_tokens    bigint not null default 0 check (cache_write_tokens >= 0), -- both lifetimes
  cache_write_1h_tokens bigint not null default 0 check (cache_write_1h_tokens between 0 and cache_write_tokens),
  cost_micros           bigint check (cost_micros >= 0), -- null: no price is known
  price_version         text not null default '',
  billable              boolean not null,
  estimated             boolean not null, -- the provider did not say, or not all
  error                 text not null default '',
  started_at            timestamptz not null default now(),
  ended_at              timestamptz,
  check ((cost_micros is null) = (price_version = ''))
);
create index model_requests_version_id_idx on model_requests (version_id);
create index model_requests_team_id_started_at_idx on model_requests (team_id, started_at);
create index model_requests_absorbed_idx on model_requests (started_at) where not billable;

alter table app_versions
  add column ai_cost_micros     bigint not null default 0, -- billable
  add column ai_absorbed_micros bigint not null default 0, -- ours to pay: recovery, replies that broke off
  add column ai_unpriced        int not null default 0;    -- requests without a known price

-- Where models are. team_id null is the instance's own, for all teams.
create table model_connections (
  id         bigint generated always as identity primary key,
  team_id    bigint references teams on delete cascade,
  name       text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'),
  kind       text not null check (kind in ('anthropic', 'openai')), -- the protocol
  base_url   text not null default '', -- '' is the provider's own
  sealed_key bytea,
  key_hint   text not null default '',
  local      boolean not null default false, -- on this machine's loopback
  created_by bigint references users on delete set null,
  created_at timestamptz not null default now(),
  unique nulls not distinct (team_id, name)
);

-- Whether a model can call tools, as it was tried.
create table model_tests (
  connection text not null, -- its kind, base URL and key, hashed
  model      text not null,
  ok         boolean not null,
  reason     text not null default '',
  tested_at  timestamptz not null default now(),
  primary key (connection, model)
);

alter table teams add column default_model text not null default '';
alter table apps add column model text not null default '';

-- Files that only people may change.
create table app_file_locks (
  app_id     bigint not null references apps on delete cascade,
  path       text not null,
  locked_by  bigint references users on delete set null,
  created_at timestamptz not null default now(),
  primary key (app_id, path)
);
