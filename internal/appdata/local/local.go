// Package local serves the live apps' data from a Postgres that we run: the parts of PostgREST and GoTrue that
// supabase-js uses, for any number of apps in one database.
//
// # How apps are kept apart
//
// The SQL of an app is written by a model for a stranger, and may run functions of its own inside our database.
// So each app has roles of its own, and no session is ever signed in as a role that could do more:
//
//	app_<id>_owner_<tag>          signs in for migrations, owns the app's objects; security definer functions run as it
//	app_<id>_login_<tag>          signs in for requests; may only become one of the next two
//	app_<id>_anon_<tag>           member of anon: policies "to anon" apply
//	app_<id>_authenticated_<tag>  member of authenticated
//	app_<id>_service_<tag>        signs in for requests with the service key; bypasses row level security
//
// anon, authenticated and service_role hold no privileges: they are names for policies. Privileges go to the
// app's own roles, so a function that changes its role or forges request.jwt.claims still reaches its own app
// only. An event trigger (bootstrap.sql) enforces names and refuses schema changes outside migrations.
//
// A browser's token is signed with the app's secret, so it is worth nothing in another app.
//
// # How a request runs
//
// Handler checks the token, package query turns the query string into SQL, and a transaction on a connection
// signed in as the app's login role sets the claims and the role and runs it. See package query for the
// grammar, package migration for what an app's SQL may hold.
package local

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"overskill/internal/appdata/local/query"
	"overskill/internal/fault"
)

// Config says where the apps' data is.
type Config struct {
	AdminURL string                   // Postgres URL of the apps' database; a superuser, because of the event trigger and BYPASSRLS
	Secret   func(appID int64) []byte // the app's HS256 secret, at least 32 bytes; nil for an unknown app
	Log      *slog.Logger             // nil discards
	MaxConns int                      // connections for requests, all apps together; default 8
	Now      func() time.Time         // nil is time.Now
}

// Server is the backend of all apps in one database. It is safe for concurrent use.
type Server struct {
	cfg       Config
	admin     *pgxpool.Pool
	conns     *connCache
	tag       string
	hashing   chan struct{} // a slot per password hash that may run at once
	migrating chan struct{} // a slot per app that may migrate at once
	signIns   *limiter
	signUps   *limiter

	mu   sync.Mutex
	apps map[int64]*app

	stop func()
	done chan struct{}
}

// app is what the process remembers of one app.
type app struct {
	id      int64
	handler http.Handler
	slots   chan struct{} // a slot per connection that the app's requests may hold at once

	mu     sync.Mutex // held while roles are made or the schema is read
	ready  bool       // the roles exist and have today's passwords
	stale  atomic.Bool
	schema atomic.Pointer[query.Schema]
}

//go:embed bootstrap.sql
var bootstrapSQL string

const (
	statementTimeout = 8 * time.Second
	requestTimeout   = 12 * time.Second // a request in all, waiting for a connection included
	migrationTimeout = 60 * time.Second
	bodyLimit        = 10 << 20
	maxRows          = 1000
)

// bootstrapLock is the key of the advisory lock under which Open prepares the database.
const bootstrapLock = 0x6f7665726b6c

// Open connects to the apps' database and prepares it: shared roles, schemas, tables and functions. It may run
// in several processes at once and on a database that is prepared already.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = 8
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	poolConfig, err := pgxpool.ParseConfig(cfg.AdminURL)
	if err != nil {
		return nil, fmt.Errorf("open apps' database: %w", err)
	}
	poolConfig.MaxConns = 4
	poolConfig.ConnConfig.RuntimeParams["application_name"] = "overskill appdata"
	poolConfig.ConnConfig.RuntimeParams["search_path"] = "pg_catalog"
	poolConfig.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	admin, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("open apps' database: %w", err)
	}
	s := &Server{
		cfg: cfg, admin: admin, apps: map[int64]*app{},
		conns:     newConnCache(poolConfig.ConnConfig, cfg.MaxConns),
		hashing:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0))),
		migrating: make(chan struct{}, 2),
		signIns:   newLimiter(10, 5*time.Minute, cfg.Now),
		signUps:   newLimiter(100, time.Hour, cfg.Now),
		done:      make(chan struct{}),
	}
	if err := s.bootstrap(ctx); err != nil {
		admin.Close()
		return nil, err
	}
	listenCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	listening := make(chan struct{})
	go s.listen(listenCtx, listening)
	select {
	case <-listening:
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("open apps' database: %w", ctx.Err())
	}
	return s, nil
}

// Close ends the connections. Requests that run are cut off.
func (s *Server) Close() {
	s.stop()
	<-s.done
	s.conns.close()
	s.admin.Close()
}

// bootstrap prepares the database. Roles belong to the whole server, where the preparation of another database
// may get in the way: that is worth trying again.
func (s *Server) bootstrap(ctx context.Context) error {
	var err error
	for range 5 {
		if err = s.bootstrapOnce(ctx); err == nil || !collided(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("prepare apps' database: %w", err)
	}
	return nil
}

func (s *Server) bootstrapOnce(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		var superuser bool
		err := tx.QueryRow(ctx, "select rolsuper from pg_roles where rolname = current_user").Scan(&superuser)
		if err != nil {
			return err
		}
		if !superuser {
			return fault.New(fault.Unavailable, "The apps' database needs a superuser: its event trigger keeps the apps apart.")
		}
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", bootstrapLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, bootstrapSQL); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select tag from overskill.instance").Scan(&s.tag)
	})
}

// collided reports whether err came of two sessions that changed the same role at once.
func collided(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23505", "42710", "40001", "40P01": // taken meanwhile, serialization, deadlock
		return true
	}
	return pg.Code == "XX000" && pg.Message == "tuple concurrently updated"
}

// listen marks schemas as stale when another process changed them.
func (s *Server) listen(ctx context.Context, listening chan struct{}) {
	defer close(s.done)
	var once sync.Once
	for ctx.Err() == nil {
		err := s.listenOnce(ctx, func() { once.Do(func() { close(listening) }) })
		if ctx.Err() != nil {
			return
		}
		s.cfg.Log.Warn("schema notifications interrupted", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Server) listenOnce(ctx context.Context, ready func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.admin.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen overskill_schema"); err != nil {
		return err
	}
	s.forget(0) // what changed while nobody listened
	ready()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var id int64
		if _, err := fmt.Sscan(n.Payload, &id); err == nil {
			s.forget(id)
		}
	}
}

// forget marks the schema of one app as stale, or of all when id is 0.
func (s *Server) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if id == 0 || a.id == id {
			a.stale.Store(true)
		}
	}
}

func (s *Server) app(id int64) *app {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[id]
	if a == nil {
		a = &app{id: id, slots: make(chan struct{}, max(1, s.cfg.MaxConns*3/4))}
		a.handler = s.newHandler(a)
		s.apps[id] = a
	}
	return a
}
