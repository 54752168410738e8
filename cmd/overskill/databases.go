package main

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/platform/embedded"
	"overskill/internal/platform/store"
	"overskill/internal/toolchain"
)

// databases are where the builder and the live apps keep their rows.
type databases struct {
	main, apps string
	ours       bool // the embedded one: no other process uses it
}

func openDatabases(ctx context.Context, c config, tools *toolchain.Toolchain, stdout io.Writer, cancel context.CancelCauseFunc, undo *closers) (databases, error) {
	if c.databaseURL == "" {
		pg, err := embedded.StartPostgres(ctx, embedded.Config{
			Dir: filepath.Join(c.dataDir, "postgres"), Packages: packages{tools}, Progress: progress(stdout),
		})
		if err != nil {
			return databases{}, err
		}
		undo.add(func() { stopPostgres(pg) })
		go func() {
			select {
			case <-pg.Done():
				cancel(fault.New(fault.Unavailable, "Postgres ended unexpectedly; its log is in %s.", filepath.Join(c.dataDir, "postgres")))
			case <-ctx.Done():
			}
		}()
		return databases{main: pg.URL(embedded.MainDatabase), apps: pg.URL(embedded.AppsDatabase), ours: true}, nil
	}
	apps := c.appsDatabaseURL
	if apps == "" {
		u, err := url.Parse(c.databaseURL)
		if err != nil {
			return databases{}, fault.Wrap(err, fault.Invalid, "DATABASE_URL cannot be read.")
		}
		u.Path += "_apps"
		apps = u.String()
		if err := store.EnsureDatabase(ctx, c.databaseURL, strings.TrimPrefix(u.Path, "/")); err != nil {
			return databases{}, err
		}
	}
	return databases{main: c.databaseURL, apps: apps}, nil
}

// startPostgres starts the embedded Postgres for a short-lived command.
func startPostgres(ctx context.Context, c config, stdout io.Writer) (*embedded.Postgres, func(), error) {
	tools, err := toolchain.New(toolchain.Config{Dir: filepath.Join(c.dataDir, "toolchain")})
	if err != nil {
		return nil, nil, err
	}
	pg, err := embedded.StartPostgres(ctx, embedded.Config{
		Dir: filepath.Join(c.dataDir, "postgres"), Packages: packages{tools}, Progress: progress(stdout),
	})
	if err != nil {
		_ = tools.Close()
		return nil, nil, err
	}
	return pg, func() { stopPostgres(pg); _ = tools.Close() }, nil
}

func stopPostgres(pg *embedded.Postgres) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := pg.Stop(ctx); err != nil {
		slog.Error("stop postgres", "error", err)
	}
}

func openRedis(c config, undo *closers) (string, error) {
	if c.redisURL != "" {
		return c.redisURL, nil
	}
	r, err := embedded.StartRedis()
	if err != nil {
		return "", err
	}
	undo.add(r.Close)
	return r.URL(), nil
}
