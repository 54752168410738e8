// Package migrations holds the builder's database schema as bun SQL migrations: one file up, one file down,
// each in a transaction. A file that has landed is never edited; a change is a new file.
package migrations

import (
	"context"
	"embed"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

//go:embed *.sql
var files embed.FS

// lockID keeps two processes that start at once from migrating together.
const lockID = 0x6f766572 // "over"

// Up applies what is missing and returns the names of what it applied. Safe when called by several
// processes at once: one migrates, the others wait for it.
func Up(ctx context.Context, db *bun.DB) ([]string, error) {
	ms := migrate.NewMigrations()
	if err := ms.Discover(files); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock(?)", lockID); err != nil {
		return nil, fmt.Errorf("lock migrations: %w", err)
	}
	defer func() { // the lock ends with the connection anyway
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock(?)", lockID)
	}()

	m := migrate.NewMigrator(db, ms, migrate.WithMarkAppliedOnSuccess(true))
	if err := m.Init(ctx); err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	group, err := m.Migrate(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	var names []string
	for _, done := range group.Migrations {
		names = append(names, done.Name)
	}
	return names, nil
}
