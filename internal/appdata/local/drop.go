package local

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Drop removes all that the app has here: tables, functions, roles, accounts. It may be repeated.
func (s *Server) Drop(ctx context.Context, appID int64) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	a := s.app(appID)
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string // the owner first: what it gave to the others goes with what it owns
	for _, kind := range []string{"owner", "login", "service", "anon", "authenticated"} {
		all = append(all, s.role(appID, kind))
	}
	s.conns.drop(all...)
	err := pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockApp, appID); err != nil {
			return err
		}
		// Requests that other processes serve would hold on to locks.
		if _, err := tx.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where usename = any($1)", all); err != nil {
			return err
		}
		for _, role := range all { // letters, digits and _
			sql := fmt.Sprintf("do $$ begin if to_regrole('%[1]s') is not null then drop owned by %[1]s cascade; drop role %[1]s; end if; end $$", role)
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		for _, sql := range []string{
			"delete from auth.users where app_id = $1", "delete from overskill.migrations where app_id = $1", "delete from overskill.migrating where app_id = $1",
			"delete from overskill.apps where id = $1",
		} {
			if _, err := tx.Exec(ctx, sql, appID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop data of app %d: %w", appID, err)
	}
	a.ready = false
	a.schema.Store(nil)
	return nil
}
