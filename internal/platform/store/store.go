// Package store keeps the builder's truth in Postgres. It is the only package that writes SQL for it.
//
// One file per aggregate. An exported method is one use of the database: it owns its transaction and
// returns faults that a person can read where the cause is theirs (not found, conflict). Small unexported
// helpers take a bun.IDB and do the statements.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"overskill/internal/fault"
	"overskill/migrations"
)

// Store is safe for concurrent use.
type Store struct {
	db *bun.DB
}

// Config says how to reach Postgres.
type Config struct {
	URL      string
	MaxConns int // 0 means 12
}

// Open connects and waits until Postgres answers or ctx ends. It does not migrate.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	pc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The database URL cannot be read.")
	}
	pc.RuntimeParams["application_name"] = "overskill"
	pc.RuntimeParams["timezone"] = "UTC"
	pool := stdlib.OpenDB(*pc)
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 12
	}
	pool.SetMaxOpenConns(cfg.MaxConns)
	pool.SetMaxIdleConns(4)
	pool.SetConnMaxIdleTime(time.Minute)
	db := bun.NewDB(pool, pgdialect.New(), bun.WithDiscardUnknownColumns())
	if err := db.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "Postgres does not answer.")
	}
	return &Store{db: db}, nil
}

// Migrate brings the schema up to date and returns the names of the migrations it ran.
func (s *Store) Migrate(ctx context.Context) ([]string, error) { return migrations.Up(ctx, s.db) }

// Ping reports whether Postgres answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// Close ends all connections.
func (s *Store) Close() error { return s.db.Close() }

// inTx runs fn in a transaction.
func (s *Store) inTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return s.db.RunInTx(ctx, nil, fn)
}

// orNotFound turns "no rows" into a NotFound fault with this sentence.
func orNotFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, format, args...)
	}
	return err
}

// violates reports whether err is a violation of the named unique index or constraint.
func violates(err error, name string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == name
}

func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
