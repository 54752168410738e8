package local

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"overskill/internal/appdata/local/migration"
	"overskill/internal/fault"
)

// role names one of an app's roles: owner, login, anon, authenticated or service. It needs no quoting.
func (s *Server) role(appID int64, kind string) string {
	return fmt.Sprintf("app_%d_%s_%s", appID, kind, s.tag)
}

func (s *Server) grantees(appID int64) migration.Roles {
	return migration.Roles{
		Anon:          s.role(appID, "anon"),
		Authenticated: s.role(appID, "authenticated"),
		Service:       s.role(appID, "service"),
	}
}

// secret returns the app's secret, or a fault when there is none that could be trusted.
func (s *Server) secret(appID int64) ([]byte, error) {
	secret := s.cfg.Secret(appID)
	if len(secret) < 32 {
		return nil, fault.New(fault.NotFound, "App %d has no data.", appID)
	}
	return secret, nil
}

// password is what a login role of the app signs in with. It follows from the app's secret, so that every
// process knows it and none keeps it.
func (s *Server) password(appID int64, role string) (string, error) {
	secret, err := s.secret(appID)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("postgres role " + role))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// ensure makes the app's roles if they are missing, and sets their passwords once per process.
func (s *Server) ensure(ctx context.Context, a *app) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return s.ensureLocked(ctx, a)
}

func (s *Server) ensureLocked(ctx context.Context, a *app) error {
	if a.ready {
		return nil
	}
	sql, err := s.rolesSQL(a.id)
	if err != nil {
		return err
	}
	for range 5 {
		err = pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
			// The row's lock keeps a second process waiting until the first is done.
			if _, err := tx.Exec(ctx, "insert into overskill.apps (id) values ($1) on conflict (id) do update set id = excluded.id", a.id); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, sql)
			return err
		})
		if err == nil || !collided(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make roles of app %d: %w", a.id, err)
	}
	a.ready = true
	return nil
}

// connectAs connects as one of the app's roles. A role may change its own password, and an app's secret may have been
// replaced: then the passwords are set again.
func (s *Server) connectAs(ctx context.Context, a *app, role string, connect func(ctx context.Context, role, password string) (*pgx.Conn, error)) (*pgx.Conn, error) {
	password, err := s.password(a.id, role)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, role, password)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || (pg.Code != "28P01" && pg.Code != "28000") {
		return conn, err
	}
	a.mu.Lock()
	a.ready = false
	err = s.ensureLocked(ctx, a)
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return connect(ctx, role, password)
}

// exists reports whether the app ever had a migration.
func (s *Server) exists(ctx context.Context, appID int64) (bool, error) {
	var ok bool
	err := s.admin.QueryRow(ctx, "select exists (select from overskill.apps where id = $1)", appID).Scan(&ok)
	return ok, err
}

// rolesSQL is one script, because a migration waits for it. Names and passwords are ours: letters, digits and _.
func (s *Server) rolesSQL(appID int64) (string, error) {
	var b strings.Builder
	kinds := []struct{ kind, options string }{
		{"owner", "login"},
		{"anon", "nologin"},
		{"authenticated", "nologin"},
		{"login", "login noinherit"},
		{"service", "login bypassrls"},
	}
	for _, k := range kinds {
		role := s.role(appID, k.kind)
		options := k.options
		if strings.HasPrefix(options, "login") {
			password, err := s.password(appID, role)
			if err != nil {
				return "", err
			}
			options += fmt.Sprintf(" password '%s'", password)
		}
		fmt.Fprintf(&b, "do $$ begin if to_regrole('%[1]s') is null then create role %[1]s; end if; end $$;\nalter role %[1]s %[2]s;\n", role, options)
	}
	r := strings.NewReplacer("{owners}", "app_owners_"+s.tag, "{owner}", s.role(appID, "owner"), "{login}", s.role(appID, "login"),
		"{anon}", s.role(appID, "anon"), "{authenticated}", s.role(appID, "authenticated"), "{service}", s.role(appID, "service"))
	b.WriteString(r.Replace(`
grant anon to {anon};
grant authenticated to {authenticated};
grant service_role to {service};
grant {anon}, {authenticated} to {login};
grant {owners} to {owner};
alter default privileges for role {owner} revoke execute on functions from public;
alter default privileges for role {owner} in schema public
  grant select, insert, update, delete on tables to {anon}, {authenticated}, {service};
alter default privileges for role {owner} in schema public grant usage, select on sequences to {anon}, {authenticated}, {service};
alter default privileges for role {owner} in schema public grant execute on functions to {anon}, {authenticated}, {service};
`))
	return b.String(), nil
}
