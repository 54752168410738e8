package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"overskill/internal/appdata/local/migration"
)

// Migration is one file of an app's supabase/migrations folder.
type Migration struct {
	Name string // 20261123090000_init.sql; names order the files
	SQL  string // with the app's id filled in
}

// MigrationError says what is wrong with a migration, in words for a person or a model.
type MigrationError struct {
	Name     string // of the file
	Line     int    // 1-based; 0 when it concerns the whole file
	SQLState string // "" when we refused it before Postgres saw it
	Message  string
	Cure     string // what to do; "" when unknown
}

func (e *MigrationError) Error() string {
	var b strings.Builder
	b.WriteString(e.Name)
	if e.Line > 0 {
		fmt.Fprintf(&b, " line %d", e.Line)
	}
	b.WriteString(": " + e.Message)
	if e.SQLState != "" {
		b.WriteString(" (" + e.SQLState + ")")
	}
	if e.Cure != "" {
		b.WriteString(" " + e.Cure)
	}
	return b.String()
}

// cures are what helps most often, by SQLSTATE.
var cures = map[string]string{
	"42P07": "An earlier migration made it: change it with ALTER, or choose another name.",
	"42710": "An earlier migration made it: drop it first, or choose another name.",
	"42723": "An earlier migration made it: use CREATE OR REPLACE FUNCTION.",
	"42701": "An earlier migration added this column.",
	"42P01": "Create it in an earlier statement, and write its name in full.",
	"42883": "Create the function before its first use, and mind the types of its arguments.",
	"42501": "An app may use its own tables and functions, and of schema auth only uid(), jwt(), role() and email().",
	"23502": "There are rows already: give the column a default, or fill it before NOT NULL.",
	"42P17": "A policy reads its own table: ask a SECURITY DEFINER function instead.",
	"42P13": "CREATE OR REPLACE cannot change this: DROP the function first.",
	"2BP01": "Something else needs it: drop that first.",
}

// lockApp makes whoever migrates or drops the same app wait, until the transaction ends.
const lockApp = "insert into overskill.migrating (app_id) values ($1) on conflict (app_id) do update set app_id = excluded.app_id"

// Check runs the migrations that the app does not have yet in a transaction that is rolled back, and looks at what
// they made. A problem is a *MigrationError; other errors mean that the check itself failed.
func (s *Server) Check(ctx context.Context, appID int64, ms []Migration) error {
	_, err := s.migrate(ctx, appID, ms, false)
	return err
}

// Migrate runs the migrations that the app does not have yet, in the order of their names and all or none, and
// returns their names. Applied migrations that are missing in ms are fine: that is an older version of the app. One
// whose content changed is a *MigrationError, as every problem with their SQL.
func (s *Server) Migrate(ctx context.Context, appID int64, ms []Migration) (applied []string, err error) {
	return s.migrate(ctx, appID, ms, true)
}

func (s *Server) migrate(ctx context.Context, appID int64, ms []Migration, commit bool) (applied []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	a := s.app(appID)
	if err := s.ensure(ctx, a); err != nil {
		return nil, err
	}
	select { // each holds one of the few connections that sign-ins need too
	case s.migrating <- struct{}{}:
		defer func() { <-s.migrating }()
	case <-ctx.Done():
		return nil, fmt.Errorf("migrate app %d: %w", appID, ctx.Err())
	}
	// The lock makes processes that migrate the same app take turns.
	err = pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockApp, appID); err != nil {
			return err
		}
		pending, err := pendingOf(ctx, tx, appID, ms)
		if err != nil || len(pending) == 0 {
			return err
		}
		if err := s.runAsOwner(ctx, a, pending, commit); err != nil {
			return err
		}
		for _, p := range pending {
			applied = append(applied, p.Name)
		}
		return nil
	})
	if err != nil {
		var problem *MigrationError
		if errors.As(err, &problem) {
			return nil, problem
		}
		return nil, fmt.Errorf("migrate app %d: %w", appID, err)
	}
	if commit && len(applied) > 0 {
		s.forget(appID)
	}
	return applied, nil
}

func digest(m Migration) []byte {
	sum := sha256.Sum256([]byte(m.SQL))
	return sum[:]
}

// pendingOf returns the migrations that were not applied, in order.
func pendingOf(ctx context.Context, tx pgx.Tx, appID int64, ms []Migration) ([]Migration, error) {
	rows, err := tx.Query(ctx, "select name, sha256 from overskill.migrations where app_id = $1", appID)
	if err != nil {
		return nil, err
	}
	have := map[string][]byte{}
	var name string
	var sum []byte
	if _, err := pgx.ForEachRow(rows, []any{&name, &sum}, func() error {
		have[name] = bytes.Clone(sum)
		return nil
	}); err != nil {
		return nil, err
	}
	var pending []Migration
	for _, m := range ms {
		switch sum, ok := have[m.Name]; {
		case !ok:
			pending = append(pending, m)
		case !bytes.Equal(sum, digest(m)):
			return nil, &MigrationError{
				Name: m.Name, Message: "This migration was applied already and has changed since.",
				Cure: "Put its old text back and write what is new into a new migration file.",
			}
		}
	}
	slices.SortFunc(pending, func(a, b Migration) int { return strings.Compare(a.Name, b.Name) })
	return pending, nil
}

// runAsOwner runs the migrations on a connection that is signed in as the app's owner, which then ends: whatever
// settings and locks their SQL left behind go with it.
func (s *Server) runAsOwner(ctx context.Context, a *app, pending []Migration, commit bool) error {
	files := make([]file, len(pending))
	for i, m := range pending {
		files[i] = file{Migration: m, statements: migration.Split(m.SQL)}
		if p := migration.Lint(a.id, files[i].statements); p != nil {
			return &MigrationError{Name: m.Name, Line: p.Line, Message: p.Message, Cure: p.Cure}
		}
	}
	conn, err := s.connectAs(ctx, a, s.role(a.id, "owner"), s.conns.connect)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	if _, err := tx.Exec(ctx, "select set_config('statement_timeout', $1, true)", fmt.Sprint(migrationTimeout.Milliseconds())); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.run(ctx, tx, s.grantees(a.id)); err != nil {
			return err
		}
	}
	last := files[len(files)-1].Name
	if _, err := tx.Exec(ctx, "set constraints all immediate"); err != nil {
		return asMigrationError(last, 0, "", err)
	}
	if err := s.inspect(ctx, tx, a.id, files); err != nil {
		return err
	}
	if !commit {
		return nil
	}
	if err := tx.Commit(ctx); err != nil {
		return asMigrationError(last, 0, "", err)
	}
	return nil
}

// file is a migration cut into statements.
type file struct {
	Migration
	statements []migration.Statement
}

func (f file) run(ctx context.Context, tx pgx.Tx, roles migration.Roles) error {
	for _, st := range f.statements {
		sql := st.Localize(roles)
		// The extended protocol takes one statement only: were Split ever wrong, Postgres would refuse.
		if _, err := tx.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Close(); err != nil {
			return asMigrationError(f.Name, st.Line, sql, err)
		}
	}
	if _, err := tx.Exec(ctx, "select overskill.record_migration($1, $2)", f.Name, digest(f.Migration)); err != nil {
		return fmt.Errorf("record %s: %w", f.Name, err)
	}
	return nil
}

// asMigrationError turns what Postgres said about a statement into a *MigrationError.
func asMigrationError(name string, line int, sql string, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	message := pg.Message
	if pg.Detail != "" {
		message += ": " + pg.Detail
	}
	if pg.Hint != "" {
		message += " (" + pg.Hint + ")"
	}
	// Position counts characters from 1.
	for i, n := 0, int32(1); i < len(sql) && n < pg.Position; n++ {
		r, size := utf8.DecodeRuneInString(sql[i:])
		if r == '\n' {
			line++
		}
		i += size
	}
	cure := cures[pg.Code]
	if pg.Code == "42501" && strings.Contains(pg.Message, "allowed in a migration") { // the guard's words suffice
		cure = ""
	}
	return &MigrationError{Name: name, Line: line, SQLState: pg.Code, Message: message, Cure: cure}
}
