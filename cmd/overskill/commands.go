package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"overskill/internal/fault"
	"overskill/internal/platform/embedded"
	"overskill/internal/platform/store"
	"overskill/internal/team/account"
)

// userCreate adds an account. It works while a server runs on the same data directory, and without one.
func userCreate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	fs, c := common("user create", getenv)
	email := fs.String("email", "", "")
	password := fs.String("password", "", "")
	admin := fs.Bool("admin", false, "")
	if err := parse(fs, c, args); err != nil {
		return err
	}
	if *email == "" || *password == "" {
		return usageError("user create needs --email and --password")
	}
	return withStore(ctx, *c, func(s *store.Store) error {
		u, err := account.New(s, time.Now).CreateUser(ctx, *email, *password, *admin)
		if err != nil {
			return err
		}
		role := ""
		if u.Admin {
			role = ", an administrator"
		}
		fmt.Fprintf(stdout, "Created %s%s.\n", u.Email, role)
		return nil
	})
}

// tokenCreate prints a new API token and nothing else.
func tokenCreate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	fs, c := common("token create", getenv)
	email := fs.String("email", "", "")
	name := fs.String("name", "", "")
	if err := parse(fs, c, args); err != nil {
		return err
	}
	if *email == "" {
		return usageError("token create needs --email")
	}
	return withStore(ctx, *c, func(s *store.Store) error {
		token, err := account.New(s, time.Now).CreateToken(ctx, *email, *name)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, token)
		return nil
	})
}

func migrate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	fs, c := common("migrate", getenv)
	if err := parse(fs, c, args); err != nil {
		return err
	}
	return withStore(ctx, *c, func(*store.Store) error { // which migrates
		fmt.Fprintln(stdout, "The database is up to date.")
		return nil
	})
}

// withStore calls fn with the builder's database: that of DATABASE_URL, that of the server which runs on the
// data directory, or the embedded one, started for the moment.
func withStore(ctx context.Context, c config, fn func(*store.Store) error) error {
	url := c.databaseURL
	if url == "" {
		running, ok, err := awaitRunning(ctx, c.dataDir)
		if err != nil {
			return err
		}
		if ok {
			url = running.DatabaseURL
		} else {
			lock, err := embedded.LockDataDir(c.dataDir)
			if err != nil {
				return err
			}
			defer lock.Release()
			pg, stop, err := startPostgres(ctx, c, io.Discard)
			if err != nil {
				return err
			}
			defer stop()
			url = pg.URL(embedded.MainDatabase)
		}
	}
	s, err := store.Open(ctx, store.Config{URL: url, MaxConns: 2})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		return err
	}
	return fn(s)
}

// awaitRunning tells which server holds the data directory. One that is still starting is waited for.
func awaitRunning(ctx context.Context, dir string) (embedded.Running, bool, error) {
	const patience = 60 * time.Second
	for deadline := time.Now().Add(patience); ; {
		running, ok, err := embedded.ReadRunning(dir)
		if err != nil || !ok || running.DatabaseURL != "" {
			return running, ok, err
		}
		if time.Now().After(deadline) {
			return running, false, fault.New(fault.Unavailable, "The server on %s is still starting. Try again in a moment.", dir)
		}
		select {
		case <-ctx.Done():
			return running, false, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
