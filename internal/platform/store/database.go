package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
)

// EnsureDatabase creates a database on the server of adminURL unless it is there.
func EnsureDatabase(ctx context.Context, adminURL, name string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "The server of DATABASE_URL does not answer.")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil {
		return wrapf(err, "look for database %s", name)
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	return fault.Wrap(err, fault.Unavailable,
		"The live apps' database %s cannot be created with DATABASE_URL. Create it, and give its URL as OVERSKILL_APPS_DATABASE_URL.", name)
}
