-- The builder's own truth. The live apps' data is elsewhere (internal/appdata): another database,
-- other roles.

create table users (
  id            bigint generated always as identity primary key,
  email         text not null check (email = lower(email)),
  name          text not null,
  password_hash text not null,
  admin         boolean not null default false,
  created_at    timestamptz not null default now()
);
create unique index users_email_key on users (email);

create table teams (
  id         bigint generated always as identity primary key,
  name       text not null,
  personal   boolean not null default false,
  created_at timestamptz not null default now()
);

create table memberships (
  team_id    bigint not null references teams on delete cascade,
  user_id    bigint not null references users on delete cascade,
  role       text not null check (role in ('owner', 'admin', 'editor', 'viewer')),
  created_at timestamptz not null default now(),
  primary key (team_id, user_id)
);
create index memberships_user_id_idx on memberships (user_id);

create table sessions (
  token_hash bytea primary key check (length(token_hash) = 32),
  user_id    bigint not null references users on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index sessions_user_id_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);

create table api_tokens (
  id           bigint generated always as identity primary key,
  user_id      bigint not null references users on delete cascade,
  token_hash   bytea not null unique check (length(token_hash) = 32),
  name         text not null default '',
  created_at   timestamptz not null default now(),
  last_used_at timestamptz
);

-- A prompt written before sign-up.
create table kept_prompts (
  token_hash bytea primary key check (length(token_hash) = 32),
  prompt     text not null,
  created_at timestamptz not null default now()
);

-- Failed sign-ins, counted per e-mail and per address.
create table sign_in_failures (
  id         bigint generated always as identity primary key,
  email      text not null,
  ip         text not null,
  created_at timestamptz not null default now()
);
create index sign_in_failures_email_idx on sign_in_failures (email, created_at);
create index sign_in_failures_ip_idx on sign_in_failures (ip, created_at);

create table apps (
  id                bigint generated always as identity primary key,
  team_id           bigint not null references teams,
  created_by        bigint not null references users,
  slug              text not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name              text not null,
  prompt            text not null,
  status            text not null default 'draft' check (status in ('draft', 'generating', 'generated', 'failed')),
  deployment_status text not null default ''
                    check (deployment_status in ('', 'pending', 'building', 'deploying', 'deployed', 'failed', 'rolled_back', 'superseded')),
  head_version_id   bigint,
  preview_url       text not null default '',
  published_at      timestamptz,
  badge             boolean not null default true,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now()
);
create unique index apps_slug_key on apps (slug);
create index apps_team_id_updated_at_idx on apps (team_id, updated_at desc);

-- Contents by address. A version costs bytes only for what changed.
create table blobs (
  hash       text primary key check (hash ~ '^[0-9a-f]{64}$'),
  size       bigint not null,
  content    bytea not null,
  created_at timestamptz not null default now()
);

create table app_versions (
  id               bigint generated always as identity primary key,
  app_id           bigint not null references apps on delete cascade,
  parent_id        bigint references app_versions on delete set null,
  created_by       bigint not null references users,
  number           text not null,
  display_name     text not null default '',
  status           text not null default 'queued' check (status in ('queued', 'building', 'green', 'failed', 'stopped', 'unchanged')),
  error            text not null default '',
  error_class      text not null default '',
  content_hash     text not null default '',
  bundle_bytes     bigint not null default 0,
  screenshot_hash  text references blobs,
  ai_tokens_input  bigint not null default 0,
  ai_tokens_output bigint not null default 0,
  ai_cost_cents    bigint not null default 0,
  ai_model_used    text not null default '',
  created_at       timestamptz not null default now(),
  ended_at         timestamptz,
  unique (app_id, number)
);
create index app_versions_app_id_idx on app_versions (app_id, id desc);
create index app_versions_ai_idx on app_versions (ai_model_used, ai_cost_cents, ai_tokens_input, ai_tokens_output);
-- One turn at a time: a second one is refused, also when two people send at once.
create unique index app_versions_running_key on app_versions (app_id) where status in ('queued', 'building');

alter table apps add constraint apps_head_version_id_fkey
  foreign key (head_version_id) references app_versions on delete set null;

-- A version's manifest. A deleted file keeps its line, with no blob.
create table app_version_files (
  version_id bigint not null references app_versions on delete cascade,
  path       text not null,
  blob_hash  text references blobs,
  size       bigint not null default 0,
  action     text not null default '' check (action in ('', 'create', 'update', 'delete', 'rename', 'restore')),
  primary key (version_id, path),
  check ((blob_hash is null) = (action = 'delete'))
);
create index app_version_files_blob_hash_idx on app_version_files (blob_hash);

create table messages (
  id         bigint generated always as identity primary key,
  app_id     bigint not null references apps on delete cascade,
  version_id bigint references app_versions on delete set null,
  user_id    bigint references users,
  role       text not null check (role in ('user', 'assistant', 'system')),
  status     text not null check (status in
             ('planning', 'executing', 'generating', 'completed', 'failed', 'validation_error', 'cancelled')),
  content    text not null,
  metadata   jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index messages_app_id_idx on messages (app_id, id);
create index messages_version_id_idx on messages (version_id);

create table version_stages (
  version_id bigint not null references app_versions on delete cascade,
  name       text not null,
  step       int not null check (step between 1 and 6),
  status     text not null check (status in ('waiting', 'running', 'done', 'failed', 'stopped')),
  attempts   int not null default 0,
  error      text not null default '',
  output     jsonb,
  started_at timestamptz,
  ended_at   timestamptz,
  primary key (version_id, name)
);

create table version_tool_calls (
  version_id bigint not null references app_versions on delete cascade,
  seq        int not null,
  name       text not null,
  path       text not null default '',
  input      jsonb not null,
  result     text not null,
  ok         boolean not null,
  added      int not null default 0,
  removed    int not null default 0,
  detail     text not null default '',
  started_at timestamptz,
  millis     bigint not null default 0,
  primary key (version_id, seq)
);

-- What is to be done. Redis carries only the wake-up; a row that is not done is enqueued again.
create table jobs (
  id          bigint generated always as identity primary key,
  kind        text not null,
  app_id      bigint not null references apps on delete cascade,
  version_id  bigint not null references app_versions on delete cascade,
  status      text not null default 'queued' check (status in ('queued', 'running', 'done', 'failed', 'cancelled')),
  attempts    int not null default 0,
  stop_asked  boolean not null default false,
  lease_until timestamptz,
  error       text not null default '',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
create index jobs_open_idx on jobs (status, lease_until) where status in ('queued', 'running');
create index jobs_version_id_idx on jobs (version_id);

create table deployments (
  id           bigint generated always as identity primary key,
  app_id       bigint not null references apps on delete cascade,
  version_id   bigint not null references app_versions on delete cascade,
  environment  text not null check (environment in ('preview', 'production')),
  status       text not null check (status in
               ('pending', 'building', 'deploying', 'deployed', 'failed', 'rolled_back', 'superseded')),
  url          text not null default '',
  content_hash text not null default '',
  size_bytes   bigint not null default 0,
  error        text not null default '',
  created_at   timestamptz not null default now(),
  ended_at     timestamptz
);
create index deployments_version_id_idx on deployments (version_id);
create unique index deployments_current_key on deployments (app_id, environment) where status = 'deployed';

-- Everything that happens, in the order of its commit within an app (the writer holds the app's lock).
create table events (
  id         bigint generated always as identity primary key,
  app_id     bigint not null references apps on delete cascade,
  version_id bigint references app_versions on delete cascade,
  kind       text not null,
  data       jsonb not null,
  created_at timestamptz not null default now()
);
create index events_app_id_idx on events (app_id, id);
create index events_version_id_kind_idx on events (version_id, kind);
