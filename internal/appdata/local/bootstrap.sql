-- What every app's backend shares. Runs on each start, under an advisory lock; every statement may run again.

do $$
declare name text;
begin
  -- Markers that policies name. They own nothing, are granted nothing, and nobody signs in as one:
  -- each app has roles of its own that are members of these.
  foreach name in array array['anon', 'authenticated', 'service_role'] loop
    if to_regrole(name) is null then
      begin
        execute format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null; -- another database of this server was faster
      end;
    end if;
  end loop;
  execute format('revoke create, temporary on database %I from public', current_database());
end $$;

create schema if not exists auth;
create schema if not exists extensions;
create schema if not exists overskill;
revoke create on schema public from public;
revoke all on schema overskill from public;
grant usage on schema public, auth, extensions to public;

-- ---------------------------------------------------------------- who asks

create or replace function auth.jwt() returns jsonb language sql stable
return nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb;

create or replace function auth.uid() returns uuid language sql stable
return (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;

create or replace function auth.role() returns text language sql stable
return nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'role';

create or replace function auth.email() returns text language sql stable
return nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'email';

-- ---------------------------------------------------------------- accounts

create table if not exists auth.users (
  id                 uuid primary key default gen_random_uuid(),
  app_id             bigint not null,
  email              text not null, -- lower case
  encrypted_password text not null default '', -- bcrypt, as the hosted service keeps it; '' never matches
  raw_app_meta_data  jsonb not null default '{}',
  raw_user_meta_data jsonb not null default '{}',
  email_confirmed_at timestamptz not null default now(),
  last_sign_in_at    timestamptz,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  unique (app_id, email)
);

create table if not exists auth.sessions (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now()
);
create index if not exists sessions_user_id on auth.sessions (user_id);

-- A refresh token is used once: using it revokes it and issues the next. Only its hash is kept.
create table if not exists auth.refresh_tokens (
  token_hash bytea primary key,
  session_id uuid not null references auth.sessions on delete cascade,
  issued_at  timestamptz not null default now(),
  revoked_at timestamptz
);
create index if not exists refresh_tokens_session_id on auth.refresh_tokens (session_id);

-- ---------------------------------------------------------------- what we know about the apps

create table if not exists overskill.instance (
  only_row boolean primary key default true check (only_row),
  tag      text not null -- in the names of this database's roles, which all databases of a server share
);
insert into overskill.instance (tag) values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 8)) on conflict do nothing;

create table if not exists overskill.apps (
  id         bigint primary key,
  created_at timestamptz not null default now()
);

-- A row is locked while its app migrates. Not the row in apps: signing in must not wait for a migration.
create table if not exists overskill.migrating (
  app_id bigint primary key
);

create table if not exists overskill.migrations (
  app_id     bigint not null,
  name       text not null,
  sha256     bytea not null,
  applied_at timestamptz not null default now(),
  primary key (app_id, name)
);

-- Called in the transaction of the migrations, by the app's owner role: a record without its
-- migration, or the other way round, cannot exist.
create or replace function overskill.record_migration(name text, digest bytea) returns void
language sql security definer set search_path = '' as $$
  insert into overskill.migrations (app_id, name, sha256)
  select (regexp_match(session_user, '^app_([0-9]+)_owner_'))[1]::bigint, name, digest
$$;

-- ---------------------------------------------------------------- the guard

-- Sees every change of the schema, whoever's function makes it. An app's owner role may create only what
-- carries the app's name, and only in schema public; the roles that serve requests may change no schema at
-- all, not even through a security definer function. Then it wakes those who keep the schema in memory.
create or replace function overskill.guard() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
  who text[] := regexp_match(session_user, '^app_([0-9]+)_(owner|login|service)_[0-9a-f]{8}$');
  cmd record;
  made record;
begin
  if who is null then
    return;
  end if;
  if who[2] <> 'owner' then
    raise exception 'The schema changes through migrations only.' using errcode = '42501';
  end if;
  if tg_tag like '% OWNED' then -- drop owned by a role that all apps share would take their grants and policies
    raise exception '% is not allowed in a migration.', tg_tag using errcode = '42501';
  end if;
  -- Every owner is a member of the role that may create in public, and must not create as that role.
  if tg_event = 'ddl_command_end' then
    for cmd in select * from pg_event_trigger_ddl_commands() loop
      made := null;
      case
        when cmd.command_tag in ('GRANT', 'REVOKE', 'COMMENT')
          or cmd.classid in ('pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass) then
          continue;
        when cmd.classid = 'pg_class'::regclass then
          select relname as name, relnamespace as nsp, relowner as owner into made from pg_class where oid = cmd.objid;
        when cmd.classid = 'pg_proc'::regclass then
          select proname as name, pronamespace as nsp, proowner as owner into made from pg_proc where oid = cmd.objid;
        when cmd.classid = 'pg_type'::regclass then
          select typname as name, typnamespace as nsp, typowner as owner into made from pg_type where oid = cmd.objid;
        else
          raise exception '% is not allowed in a migration.', cmd.command_tag using errcode = '42501';
      end case;
      if made.owner <> session_user::regrole then
        raise exception 'A migration may not change an owner.' using errcode = '42501';
      end if;
      if made.nsp <> 'public'::regnamespace or not starts_with(made.name, 'app_' || who[1] || '_') then
        raise exception 'The name of % does not begin with app_%_.', cmd.object_identity, who[1] using errcode = '42501';
      end if;
    end loop;
  end if;
  perform pg_notify('overskill_schema', who[1]);
end $$;

do $$
begin
  if not exists (select from pg_event_trigger where evtname = 'overskill_guard') then
    create event trigger overskill_guard on ddl_command_end execute function overskill.guard();
  end if;
  if not exists (select from pg_event_trigger where evtname = 'overskill_guard_drop') then
    create event trigger overskill_guard_drop on sql_drop execute function overskill.guard();
  end if;
end $$;

revoke execute on all functions in schema overskill from public;

-- One role for what all owners may do: granted to each of them, the schema's access list would grow with the apps.
do $$
declare owners text := 'app_owners_' || (select tag from overskill.instance);
begin
  if to_regrole(owners) is null then
    execute format('create role %I nologin', owners);
  end if;
  execute format('grant create on schema public to %I', owners);
  execute format('grant usage on schema overskill to %I', owners);
  execute format('grant execute on function overskill.record_migration(text, bytea) to %I', owners);
end $$;
