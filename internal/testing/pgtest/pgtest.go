// Package pgtest gives tests a real Postgres: a fresh database per call, gone when the test ends.
//
//	func TestStore(t *testing.T) {
//		db := open(t, pgtest.URL(t))                          // an empty database
//	}
//
//	func TestWithSchema(t *testing.T) {
//		fresh := pgtest.Template(t, "store", migrate)         // migrates once per test process
//		db := open(t, fresh(t))                               // a copy, in about 20 ms
//	}
//
// The server is the one of OVERSKILL_TEST_DATABASE_URL (its user needs CREATEDB), or else the
// embedded Postgres, one per test process, started at the first call. Tests may run in parallel.
//
// The embedded server's binaries and an empty cluster to copy are kept in the user's cache folder,
// so that only the first test process ever downloads and runs initdb. A process's own cluster
// lives in a temporary folder, which a small shell removes when the process is gone: test
// processes end by os.Exit, timeouts and signals, where no code of ours would run.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvURL names the environment variable with the URL of a server to use instead of our own.
const EnvURL = "OVERSKILL_TEST_DATABASE_URL"

// The state of a test process. It has to be global: tests of one binary share nothing else.
var (
	server    = sync.OnceValues(startServer) // URL of the maintenance database
	counter   atomic.Int64                   // makes database names unique within the process
	mu        sync.Mutex
	templates = map[string]func() (string, error){} // by Template's name
)

// limit bounds each single step on the server.
const limit = time.Minute

// URL creates an empty database and returns its URL. The database is dropped when the test ends,
// even if connections are still open.
func URL(t testing.TB) string {
	t.Helper()
	return clone(t, "template0")
}

// Template prepares a database once per test process and name (prepare gets its URL, and must
// close its connections), and returns a function that makes a copy of it for one test.
func Template(t testing.TB, name string, prepare func(url string) error) func(t testing.TB) string {
	t.Helper()
	mu.Lock()
	once, ok := templates[name]
	if !ok {
		once = sync.OnceValues(func() (string, error) { return prepareTemplate(name, prepare) })
		templates[name] = once
	}
	mu.Unlock()
	return func(t testing.TB) string {
		t.Helper()
		template, err := once()
		if err != nil {
			t.Fatalf("pgtest: prepare template %s: %v", name, err)
		}
		return clone(t, template)
	}
}

func prepareTemplate(name string, prepare func(url string) error) (string, error) {
	base, err := server()
	if err != nil {
		return "", err
	}
	template := databaseName()
	if err := execute(base, "CREATE DATABASE "+template+" TEMPLATE template0"); err != nil {
		return "", err
	}
	if err := prepare(withDatabase(base, template)); err != nil {
		return "", err
	}
	// A copy fails while anybody is connected to its source.
	return template, execute(base,
		"ALTER DATABASE "+template+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+template+"'")
}

func clone(t testing.TB, template string) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := databaseName()
	// file_copy: without fsync, copying files beats writing every page to the log first.
	if err := execute(base, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(base, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return withDatabase(base, name)
}

// namePrefix marks the databases that this package makes, on a server that may have others.
const namePrefix = "overskill_test_"

// databaseName returns a new name. It carries the time, for dropAbandoned.
func databaseName() string {
	return fmt.Sprintf("%s%d_%d_%d", namePrefix, time.Now().Unix(), os.Getpid(), counter.Add(1))
}

// dropAbandoned drops databases of test processes that were killed, on a server that outlives
// them: those older than two hours.
func dropAbandoned(base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", namePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		made, _, _ := strings.Cut(strings.TrimPrefix(name, namePrefix), "_")
		seconds, err := strconv.ParseInt(made, 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)) < 2*time.Hour {
			continue
		}
		// Another process may be doing the same; then there is nothing to drop.
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// admin is the process's one connection to the maintenance database: a new one for each statement
// would double the time of a clone, and the server copies one database at a time anyway.
var admin struct {
	sync.Mutex
	conn *pgx.Conn
}

// execute runs statements, each on its own, in the maintenance database at base.
func execute(base string, statements ...string) error {
	admin.Lock()
	defer admin.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if admin.conn == nil || admin.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			return err
		}
		admin.conn = conn
	}
	for _, s := range statements {
		if _, err := admin.conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil { // startServer connected with it
		panic(err)
	}
	u.Path = "/" + name
	return u.String()
}
