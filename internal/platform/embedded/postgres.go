package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// The databases that exist after a start.
const (
	MainDatabase = "overskill"      // the builder's own truth
	AppsDatabase = "overskill_apps" // the data of the apps that run here
)

// Config says where and how Postgres runs. Dir and Packages are required.
type Config struct {
	Dir      string                       // folder of everything, made if needed; <data>/postgres
	Packages Packages                     // where the binaries come from
	Port     int                          // on 127.0.0.1; 0: the one of the last start, or a free one
	Progress func(model.LogLevel, string) // lines for a person during the first start; may be nil
	Log      *slog.Logger                 // nil: discarded
	Volatile bool                         // for tests: faster, and data may be lost when the machine stops
}

// Postgres is a running server. Its methods may be called from any goroutine.
type Postgres struct {
	cfg      Config
	log      *slog.Logger
	rt       runtimeDir
	id       identity
	lock     *os.File
	port     int
	password string

	child     *child
	output    *serverLog
	unwatch   func()
	stopping  chan struct{} // closed when Stop begins
	stopOnce  sync.Once
	stopErr   error
	lost      chan struct{} // what Done returns
	startedAt time.Time
}

const (
	startTimeout   = 2 * time.Minute  // after a crash, replaying 256 MB of WAL from a slow disk
	stopTimeout    = time.Minute      // for the last checkpoint, which writes 32 MB at most
	orphanPatience = 15 * time.Second // for each step of evictOrphans
)

// StartPostgres starts the server of cfg.Dir, downloading the binaries and creating the cluster
// the first time, and returns when it answers and both databases exist. The first start takes
// about two seconds and a 23 MB download, later ones about 100 ms. ctx bounds the start only.
//
// Errors that a person can cure are faults: Conflict when another process uses the folder or the
// port, or another version made the cluster; Unavailable when the binaries cannot be had, the
// system cannot run them, or the disk is full.
func StartPostgres(ctx context.Context, cfg Config) (*Postgres, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, fmt.Errorf("embedded: folder %q: %w", cfg.Dir, errors.Join(err, errors.New("not usable")))
	}
	cfg.Dir = dir
	p := &Postgres{cfg: cfg, log: cfg.Log, stopping: make(chan struct{}), lost: make(chan struct{})}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskError(dir, fmt.Errorf("start postgres: %w", err))
	}
	if p.lock, err = flock(filepath.Join(dir, "lock")); err != nil {
		if errors.Is(err, errLocked) {
			return nil, fault.New(fault.Conflict, "Another OverSkill already runs the database in %s.", dir)
		}
		return nil, diskError(dir, fmt.Errorf("start postgres: %w", err))
	}
	if err := p.start(ctx); err != nil {
		p.lock.Close()
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return p, nil
}

// start does what follows the lock.
func (p *Postgres) start(ctx context.Context) error {
	dir, data := p.cfg.Dir, p.path("data")
	if err := p.evictOrphans(ctx, orphanPatience); err != nil {
		return err
	}
	removeLeftovers(dir)
	exists, err := checkCluster(data, p.path("password"))
	if err != nil {
		return err
	}
	rt, err := prepareRuntime(ctx, dir, p.cfg.Packages, p.say)
	if err != nil {
		return err
	}
	p.rt = runtimeDir(rt)
	if p.id, err = chooseIdentity(ctx, p.rt, fileOwner(data)); err != nil {
		return err
	}
	if !exists {
		err = p.initCluster(ctx)
	} else {
		err = p.id.own(data) // moved here from a system where it could stay ours
	}
	if err != nil {
		return err
	}
	password, err := os.ReadFile(p.path("password"))
	if err != nil {
		return err
	}
	p.password = strings.TrimSpace(string(password))
	if err := p.launch(ctx); err != nil {
		return err
	}
	if err := p.createDatabases(ctx); err != nil {
		return errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
	}
	p.log.Info("postgres started", "port", p.port, "pid", p.child.cmd.Process.Pid)
	return nil
}

// removeLeftovers removes what a killed start left half done.
func removeLeftovers(dir string) {
	for _, pattern := range []string{"*.tmp", ".*.tmp"} {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range paths {
			_ = os.RemoveAll(path)
		}
	}
}

// launch starts the server and waits until it answers. The port may be taken between choosing
// and using it, so that this is tried again with another.
func (p *Postgres) launch(ctx context.Context) error {
	var err error
	for range 3 {
		if p.port, err = choosePort(p.cfg.Dir, p.cfg.Port); err != nil {
			return err
		}
		if err = p.launchOnce(ctx); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
	return err
}

func (p *Postgres) launchOnce(ctx context.Context) error {
	output, err := openServerLog(p.path("postgres.log"))
	if err != nil {
		return diskError(p.cfg.Dir, err)
	}
	// The server outlives ctx: Stop ends it, or our death does.
	cmd := p.rt.command(context.Background(), p.id, syscall.SIGINT, p.path("data"), "postgres", p.arguments()...)
	cmd.Stdout, cmd.Stderr = output, output
	c, err := startChild(cmd, p.id)
	if err != nil {
		output.Close()
		return err
	}
	p.child, p.output, p.startedAt = c, output, time.Now()
	if p.unwatch, err = watchParent(cmd.Process.Pid); err != nil {
		p.unwatch = func() {}
		p.end(context.WithoutCancel(ctx))
		return err
	}
	if err := p.awaitReady(ctx); err != nil {
		p.end(context.WithoutCancel(ctx))
		return diskError(p.cfg.Dir, fmt.Errorf("%w; its last words:\n%s", err, output.Tail(12)))
	}
	go p.watch()
	return nil
}

// arguments are the server's settings: small, since one builder's data is, and safe, since it is
// the truth (fsync, full_page_writes and synchronous_commit keep their defaults, which are on).
func (p *Postgres) arguments() []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"max_connections=60",
		"shared_buffers=32MB",
		"huge_pages=off",
		"maintenance_work_mem=32MB",
		"jit=off",
		"autovacuum_max_workers=2",
		"max_parallel_workers_per_gather=0",
		"max_parallel_maintenance_workers=0",
		"max_locks_per_transaction=128", // an apps database has many tables
		// No replica reads our WAL, so it need not carry more than crash recovery needs.
		"wal_level=minimal",
		"max_wal_senders=0",
		"max_logical_replication_workers=0", // one process fewer
		"min_wal_size=32MB",
		"max_wal_size=256MB",
		"logging_collector=off",
		"log_checkpoints=off",
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if p.cfg.Volatile {
		settings = append(settings, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	}
	args := []string{"-D", p.path("data"), "-p", strconv.Itoa(p.port)}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// awaitReady asks until the server lets us in.
func (p *Postgres) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		conn, err := pgx.Connect(ctx, p.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.child.done:
			return fmt.Errorf("the server ended (%v)", p.child.err)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(wait):
		}
	}
}

func (p *Postgres) createDatabases(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, name := range []string{MainDatabase, AppsDatabase} {
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
			return diskError(p.cfg.Dir, fmt.Errorf("create database %s: %w", name, err))
		}
	}
	return nil
}

// URL returns the superuser's URL of a database, whether that exists or not. It holds the
// password: do not log it.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, p.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Done is closed when the server has ended without Stop. What was committed is safe, and a new
// StartPostgres (after Stop, which then only releases the folder) recovers it.
func (p *Postgres) Done() <-chan struct{} { return p.lost }

// watch tells an unexpected end from a wanted one.
func (p *Postgres) watch() {
	select {
	case <-p.stopping:
	case <-p.child.done:
		select {
		case <-p.stopping:
		default:
			p.log.Error("postgres ended unexpectedly", "err", p.child.err,
				"after", time.Since(p.startedAt).Round(time.Second), "output", p.output.Tail(8))
			close(p.lost)
		}
	}
}

// Stop shuts the server down: open transactions are rolled back, sessions closed, everything is
// written (Postgres's "fast" mode). When ctx or a minute ends first, the server is stopped without
// its last checkpoint, which costs no data but a recovery at the next start. Stop may be called
// again and returns the first call's error.
func (p *Postgres) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() {
		close(p.stopping)
		p.stopErr = errors.Join(p.end(ctx), p.lock.Close())
	})
	return p.stopErr
}

// end ends the child and its watcher, by growing force, within stopTimeout and a few seconds.
func (p *Postgres) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	defer p.output.Close()
	defer p.unwatch()
	process := p.child.cmd.Process
	_ = process.Signal(syscall.SIGINT) // an error means that it is gone, which done shows
	select {
	case <-p.child.done:
		return nil
	case <-ctx.Done():
	}
	_ = process.Signal(syscall.SIGQUIT)
	select {
	case <-p.child.done:
	case <-time.After(5 * time.Second):
		_ = process.Kill()
		<-p.child.done
	}
	return fmt.Errorf("stop postgres: cut short: %w", ctx.Err())
}

func (p *Postgres) path(name string) string { return filepath.Join(p.cfg.Dir, name) }

func (p *Postgres) say(level model.LogLevel, text string) {
	if p.cfg.Progress != nil {
		p.cfg.Progress(level, text)
	}
}
