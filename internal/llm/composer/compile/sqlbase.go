package compile

// touchFunction keeps updated_at true.
const touchFunction = `create or replace function public.app_{{APP_ID}}_touch() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end $$;

`

// teamSQL makes workspaces, their members and invitations.
const teamSQL = `create table public.app_{{APP_ID}}_workspaces (
  id         uuid primary key default gen_random_uuid(),
  name       text not null check (length(trim(name)) between 1 and 80),
  created_at timestamptz not null default now()
);

create table public.app_{{APP_ID}}_workspace_members (
  workspace_id uuid not null references public.app_{{APP_ID}}_workspaces (id) on delete cascade,
  user_id      uuid not null default auth.uid(),
  email        text not null,
  role         text not null default 'member' check (role in ('owner', 'member')),
  created_at   timestamptz not null default now(),
  primary key (workspace_id, user_id)
);
create index on public.app_{{APP_ID}}_workspace_members (user_id);

create table public.app_{{APP_ID}}_workspace_invites (
  id           uuid primary key default gen_random_uuid(), -- also the secret in the link
  workspace_id uuid not null references public.app_{{APP_ID}}_workspaces (id) on delete cascade,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null default now() + interval '7 days'
);

-- Definer rights, so that the policy on members can ask it without recursion;
-- used as "in (select ...)", so that Postgres runs it once per query, not per row.
create function public.app_{{APP_ID}}_my_workspaces(wanted_role text default null) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select workspace_id from public.app_{{APP_ID}}_workspace_members
   where user_id = auth.uid() and role = coalesce(wanted_role, role)
$$;

alter table public.app_{{APP_ID}}_workspaces        enable row level security;
alter table public.app_{{APP_ID}}_workspace_members enable row level security;
alter table public.app_{{APP_ID}}_workspace_invites enable row level security;

create policy "members read their workspace" on public.app_{{APP_ID}}_workspaces
  for select to authenticated
  using (id in (select public.app_{{APP_ID}}_my_workspaces()));
create policy "owners rename their workspace" on public.app_{{APP_ID}}_workspaces
  for update to authenticated
  using (id in (select public.app_{{APP_ID}}_my_workspaces('owner')))
  with check (id in (select public.app_{{APP_ID}}_my_workspaces('owner')));
create policy "members see their colleagues" on public.app_{{APP_ID}}_workspace_members
  for select to authenticated
  using (workspace_id in (select public.app_{{APP_ID}}_my_workspaces()));
create policy "owners remove members" on public.app_{{APP_ID}}_workspace_members
  for delete to authenticated
  using (role = 'member' and workspace_id in (select public.app_{{APP_ID}}_my_workspaces('owner')));
create policy "owners manage invites" on public.app_{{APP_ID}}_workspace_invites
  for all to authenticated
  using (workspace_id in (select public.app_{{APP_ID}}_my_workspaces('owner')))
  with check (workspace_id in (select public.app_{{APP_ID}}_my_workspaces('owner')));

-- Creates a workspace and makes the caller its owner. A function, because RETURNING
-- on a plain insert would be refused: the caller is not a member yet.
create function public.app_{{APP_ID}}_create_workspace(workspace_name text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare new_id uuid;
begin
  if auth.uid() is null then
    raise exception 'Sign in first.' using errcode = '42501';
  end if;
  insert into public.app_{{APP_ID}}_workspaces (name) values (trim(workspace_name)) returning id into new_id;
  insert into public.app_{{APP_ID}}_workspace_members (workspace_id, email, role)
  values (new_id, coalesce(auth.jwt() ->> 'email', ''), 'owner');
  return new_id;
end $$;

-- Makes the holder of an unexpired invite a member and returns the workspace.
create function public.app_{{APP_ID}}_join_workspace(invite uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
declare found_id uuid;
begin
  select workspace_id into found_id from public.app_{{APP_ID}}_workspace_invites
   where id = invite and expires_at > now();
  if auth.uid() is null or found_id is null then
    raise exception 'This invitation has expired or was withdrawn.' using errcode = 'P0002';
  end if;
  insert into public.app_{{APP_ID}}_workspace_members (workspace_id, email)
  values (found_id, coalesce(auth.jwt() ->> 'email', '')) on conflict do nothing;
  return found_id;
end $$;

revoke all on public.app_{{APP_ID}}_workspaces, public.app_{{APP_ID}}_workspace_members,
  public.app_{{APP_ID}}_workspace_invites from public, anon, authenticated;
grant select on public.app_{{APP_ID}}_workspaces to authenticated;
grant update (name) on public.app_{{APP_ID}}_workspaces to authenticated;
grant select, delete on public.app_{{APP_ID}}_workspace_members to authenticated;
grant select, delete on public.app_{{APP_ID}}_workspace_invites to authenticated;
grant insert (workspace_id) on public.app_{{APP_ID}}_workspace_invites to authenticated;
revoke execute on function public.app_{{APP_ID}}_my_workspaces(text), public.app_{{APP_ID}}_create_workspace(text),
  public.app_{{APP_ID}}_join_workspace(uuid) from public, anon;
grant execute on function public.app_{{APP_ID}}_my_workspaces(text), public.app_{{APP_ID}}_create_workspace(text),
  public.app_{{APP_ID}}_join_workspace(uuid) to authenticated;

`

// teamSiteSQL names the workspace that the public pages show: the first.
const teamSiteSQL = `-- The workspace that the public pages show: the first one made.
create or replace function public.app_{{APP_ID}}_site_tenant() returns uuid
language sql stable security definer set search_path = '' as $$
  select id from public.app_{{APP_ID}}_workspaces order by created_at, id limit 1
$$;
revoke execute on function public.app_{{APP_ID}}_site_tenant() from public;
grant execute on function public.app_{{APP_ID}}_site_tenant() to anon, authenticated;

`

// personalSiteSQL names the person whose rows the public pages show: the first who signed in.
const personalSiteSQL = `-- Whose rows the public pages show: the first account that signs in becomes the owner.
create table if not exists public.app_{{APP_ID}}_site (
  only_row boolean primary key default true check (only_row),
  user_id  uuid not null default auth.uid()
);
alter table public.app_{{APP_ID}}_site enable row level security;
drop policy if exists "the owner sees the site" on public.app_{{APP_ID}}_site;
create policy "the owner sees the site" on public.app_{{APP_ID}}_site
  for select to authenticated
  using (user_id = (select auth.uid()));
revoke all on public.app_{{APP_ID}}_site from public, anon, authenticated;

create or replace function public.app_{{APP_ID}}_site_tenant() returns uuid
language sql stable security definer set search_path = '' as $$
  select user_id from public.app_{{APP_ID}}_site
$$;

-- Says whether the caller owns the site; a site without an owner becomes the caller's.
create or replace function public.app_{{APP_ID}}_claim_site() returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if auth.uid() is null then
    raise exception 'Sign in first.' using errcode = '42501';
  end if;
  insert into public.app_{{APP_ID}}_site default values on conflict do nothing;
  return (select user_id = auth.uid() from public.app_{{APP_ID}}_site);
end $$;
revoke execute on function public.app_{{APP_ID}}_site_tenant(), public.app_{{APP_ID}}_claim_site() from public, anon;
grant execute on function public.app_{{APP_ID}}_site_tenant() to anon, authenticated;
grant execute on function public.app_{{APP_ID}}_claim_site() to authenticated;

`
