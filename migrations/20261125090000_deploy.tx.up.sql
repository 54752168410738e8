-- Deployments: who put which version where, how it went, and how to go back.
alter table deployments
  add column kind          text not null default 'publish' check (kind in ('preview', 'publish', 'rollback', 'settings')),
  add column target        text not null default 'local',
  add column placed_id     text not null default '', -- the target's own name for what it holds
  add column candidate_url text not null default '',
  add column user_id       bigint references users on delete set null,
  add column worker_bytes  bigint not null default 0,
  add column sent_bytes    bigint not null default 0,
  add column stage         text not null default '', -- how far it is: check, build, deploy, verify, promote
  add column findings      jsonb not null default '[]',
  add column changes       jsonb not null default '{}', -- what else changed since the last one
  add column snapshot      jsonb not null default '{}', -- how its pages looked, to compare the next one with
  add column log           jsonb not null default '[]',
  add column screenshot_hash        text references blobs,
  add column screenshot_narrow_hash text references blobs,
  add column started_at    timestamptz,
  add column promoted_at   timestamptz;
update deployments set kind = 'preview' where environment = 'preview';
create index deployments_app_id_idx on deployments (app_id, environment, id desc);

alter table jobs add column deployment_id bigint references deployments on delete cascade;
create index jobs_deployment_id_idx on jobs (deployment_id);

alter table app_versions
  add column screenshot_narrow_hash text references blobs,
  add column snapshot jsonb not null default '{}', -- how its pages looked
  add column changes  jsonb not null default '{}'; -- compared with the green version before it

-- Where a team publishes, and with which account. The token is sealed.
create table deploy_targets (
  team_id      bigint primary key references teams on delete cascade,
  kind         text not null default 'local' check (kind in ('local', 'workerd', 'cloudflare')),
  account_id   text not null default '',
  token        bytea not null default '',
  token_hint   text not null default '',
  mode         text not null default 'script' check (mode in ('script', 'dispatch')),
  namespace    text not null default '', -- of Workers for Platforms
  bucket       text not null default '',
  zone         text not null default '', -- the domain below which apps are published; '' is workers.dev
  gate         text not null default 'block' check (gate in ('block', 'warn')),
  updated_at   timestamptz not null default now()
);

-- Values that an app is built or run with. The value is sealed.
create table app_env_vars (
  id          bigint generated always as identity primary key,
  app_id      bigint not null references apps on delete cascade,
  environment text not null check (environment in ('preview', 'production')),
  key         text not null check (key ~ '^[A-Z][A-Z0-9_]*$'),
  value       bytea not null,
  hint        text not null default '',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  unique (app_id, environment, key)
);

-- Who may open an app. Raising the epoch takes back every link and session.
create table app_access (
  app_id        bigint not null references apps on delete cascade,
  environment   text not null check (environment in ('preview', 'production')),
  mode          text not null check (mode in ('public', 'password', 'private')),
  password_hash text not null default '',
  epoch         bigint not null default 1,
  updated_at    timestamptz not null default now(),
  primary key (app_id, environment)
);

-- A domain of a person's own for a published app.
create table app_domains (
  id         bigint generated always as identity primary key,
  app_id     bigint not null references apps on delete cascade,
  name       text not null unique,
  token      text not null, -- what the TXT record must hold: proof that the domain is theirs
  status     text not null default 'pending' check (status in ('pending', 'active', 'failed')),
  detail     text not null default '',
  remote_id  text not null default '', -- at the target
  checked_at timestamptz,
  created_at timestamptz not null default now()
);
create index app_domains_app_id_idx on app_domains (app_id);

-- What people did that others may ask about later.
create table audit_entries (
  id         bigint generated always as identity primary key,
  team_id    bigint not null references teams on delete cascade,
  app_id     bigint references apps on delete set null,
  user_id    bigint references users on delete set null,
  action     text not null, -- such as app.publish
  detail     jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index audit_entries_team_id_idx on audit_entries (team_id, id desc);
create index audit_entries_app_id_idx on audit_entries (app_id, id desc);
