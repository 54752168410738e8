package local

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// inspectSQL lists what must not be, from the catalogue and therefore however it came about. $1 are the app's own
// roles. It runs with pg_catalog as the only search path, so that the app cannot stand in for what it reads.
const inspectSQL = `
with mine as (
  select oid, relname, relkind, relrowsecurity, reloptions, relacl from pg_class where relowner = session_user::regrole
), procs as (
  select oid, proname, prosecdef, proconfig, proacl from pg_proc where proowner = session_user::regrole
), allowed as (
  select to_regrole(name)::oid as oid from unnest($1::text[]) name
)
select relname::text, 'Table ' || relname || ' has no row level security: everyone could read and change every row.',
       'Write: alter table public.' || relname || ' enable row level security; and policies for it.'
  from mine where relkind in ('r', 'p') and not relrowsecurity
union all
select relname, 'View ' || relname || ' ignores row level security: it reads with its owner''s rights.',
       'Write: create view public.' || relname || ' with (security_invoker = true) as ...'
  from mine where relkind = 'v'
   and not exists (select from unnest(reloptions) o where o in ('security_invoker=true', 'security_invoker=on', 'security_invoker=1'))
union all
select relname, 'Materialized view ' || relname || ' has no row level security, and people may read it.',
       'Write: revoke all on public.' || relname || ' from anon, authenticated; or make it a view.'
  from mine where relkind = 'm'
   and exists (select from aclexplode(relacl) x where x.grantee in (select to_regrole(name)::oid from unnest(($1::text[])[1:2]) name))
union all
select proname, 'Function ' || proname || ' is SECURITY DEFINER without a fixed search_path.',
       'Add: set search_path = '''', and write names in full, such as public.' || proname || '.'
  from procs where prosecdef and not exists (select from unnest(proconfig) c where starts_with(c, 'search_path='))
union all
select c.relname, 'Policy ' || quote_ident(p.polname) || ' on ' || c.relname || ' trusts user_metadata, which people can change themselves.',
       'Keep the fact in a table of the app, or use auth.uid().'
  from pg_policy p join mine c on c.oid = p.polrelid
 where strpos(coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''), 'user_metadata') > 0
union all
select name, name || ' is granted to a role that is not this app''s.',
       'Write GRANT as a statement of its own, to anon, authenticated or service_role.'
  from (select relname as name, relacl as acl from mine where relkind in ('r', 'p', 'v', 'm', 'S')
        union all select proname, coalesce(proacl, acldefault('f', session_user::regrole)) from procs) o
 where exists (select from aclexplode(acl) x where x.grantee <> session_user::regrole::oid and x.grantee not in (select oid from allowed))
limit 1`

// inspect looks at the app's objects as the migrations left them and returns the first problem as *MigrationError.
func (s *Server) inspect(ctx context.Context, tx pgx.Tx, appID int64, files []file) error {
	if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', 'pg_catalog', true)"); err != nil {
		return err
	}
	r := s.grantees(appID)
	var name string
	problem := &MigrationError{}
	err := tx.QueryRow(ctx, inspectSQL, []string{r.Anon, r.Authenticated, r.Service}).Scan(&name, &problem.Message, &problem.Cure)
	if err == pgx.ErrNoRows {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	problem.Name, problem.Line = mention(files, name)
	return problem
}

// mention finds the file and the line that first name an object.
func mention(files []file, name string) (string, int) {
	for _, f := range files {
		for _, st := range f.statements {
			for _, t := range st.Tokens {
				if t.Name() && t.Text == name {
					return f.Name, st.LineAt(t.Offset)
				}
			}
		}
	}
	return files[len(files)-1].Name, 0
}
