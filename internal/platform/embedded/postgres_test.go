package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/embedded"
	"overskill/internal/testing/pgtest"
)

// start starts a server in dir, which is stopped with the test.
func start(t *testing.T, dir string) *embedded.Postgres {
	t.Helper()
	p, err := embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir, Packages: pgtest.Packages(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, p) })
	return p
}

func stop(t *testing.T, p *embedded.Postgres) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// query returns the single value of a query in the main database.
func query[T any](t *testing.T, p *embedded.Postgres, sql string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL(embedded.MainDatabase))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

const insert = "WITH x AS (INSERT INTO kept VALUES (1) RETURNING 1) SELECT count(*) FROM x"

// withTable makes dir a cluster with an empty table kept(n), whose server runs.
func withTable(t *testing.T, dir string) *embedded.Postgres {
	t.Helper()
	p := start(t, dir)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, p.URL(embedded.MainDatabase))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	return p
}

func wantRows(t *testing.T, p *embedded.Postgres, want int) {
	t.Helper()
	if got := query[int](t, p, "SELECT count(*) FROM kept"); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

func TestStartStopStart(t *testing.T) {
	dir := filepath.Join(pgtest.TempDir(t), "postgres")
	var mu sync.Mutex
	var said []string
	p, err := embedded.StartPostgres(t.Context(), embedded.Config{
		Dir: dir, Packages: pgtest.Packages(t),
		Progress: func(_ model.LogLevel, text string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, text)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, p)
	if len(said) < 2 {
		t.Errorf("a first start said only %q", said)
	}
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "fsync": "on", "full_page_writes": "on",
		"listen_addresses": "127.0.0.1", "jit": "off", "server_encoding": "UTF8", "TimeZone": "UTC",
	} {
		if got := query[string](t, p, "SHOW "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	if !query[bool](t, p, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") {
		t.Error("the URL's user is no superuser")
	}
	if got := query[int](t, p, "SELECT count(*) FROM pg_database WHERE datname IN ('overskill', 'overskill_apps')"); got != 2 {
		t.Errorf("%d databases, want 2", got)
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v, %v", info, err)
	}
	url := p.URL("overskill")
	wrong := strings.Replace(url, "postgres:", "postgres:x", 1)
	if _, err := pgx.Connect(t.Context(), wrong); err == nil {
		t.Error("a wrong password lets in")
	}
	query[int](t, p, "SELECT 1")
	stop(t, p)
	stop(t, p) // harmless
	select {
	case <-p.Done():
		t.Error("Done says that a stopped server ended unexpectedly")
	default:
	}
	again := start(t, dir)
	if again.URL("overskill") != url {
		t.Error("the URL changed over a restart")
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	dir := pgtest.Cluster(t)
	start(t, dir)
	_, err := embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir, Packages: pgtest.Packages(t)})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), dir) {
		t.Errorf("got %v", err)
	}
}

func TestKilledServer(t *testing.T) {
	dir := pgtest.Cluster(t)
	p := withTable(t, dir)
	query[int](t, p, insert)
	kill(t, postmaster(t, dir))
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("Done is not closed")
	}
	if _, err := embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir}); !fault.Is(err, fault.Conflict) {
		t.Errorf("the folder is free before Stop: %v", err)
	}
	stop(t, p)
	wantRows(t, start(t, dir), 1)
}

// TestChildProcess is no test: TestKilledParent runs it in a process of its own.
func TestChildProcess(t *testing.T) {
	if flag.NArg() != 1 {
		return
	}
	p := withTable(t, flag.Arg(0))
	for n := 1; ; n++ {
		query[int](t, p, insert)
		fmt.Printf("committed %d\n", n)
	}
}

// TestKilledParent kills a process that runs a server, in the midst of its commits, and starts
// again at once: the rows that were acknowledged are there, and the old server is not.
func TestKilledParent(t *testing.T) {
	dir := pgtest.Cluster(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildProcess$", "--", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	committed := 0
	lines := bufio.NewScanner(out)
	for committed < 5 && lines.Scan() {
		if s, ok := strings.CutPrefix(lines.Text(), "committed "); ok {
			committed, _ = strconv.Atoi(s)
		} else {
			t.Log(lines.Text())
		}
	}
	old := postmaster(t, dir)
	kill(t, cmd.Process.Pid)
	_ = cmd.Wait()
	if committed < 5 {
		t.Fatal("the child did not get that far")
	}
	p := start(t, dir)
	if got := query[int](t, p, "SELECT count(*) FROM kept"); got < committed {
		t.Errorf("%d rows of %d that were committed", got, committed)
	}
	if alive(old) {
		t.Error("the old server is still there")
	}
}

// TestReusedProcessNumber: after a power loss or in a restarted container, postmaster.pid names a
// process of ours that is not Postgres.
func TestReusedProcessNumber(t *testing.T) {
	dir := pgtest.Cluster(t)
	p := withTable(t, dir)
	query[int](t, p, insert)
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, postmaster(t, dir))
	<-p.Done()
	stop(t, p)
	_, rest, _ := strings.Cut(string(content), "\n")
	stale := fmt.Sprintf("%d\n%s", os.Getpid(), rest)
	if err := os.WriteFile(pidFile, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRows(t, start(t, dir), 1)
}

func TestInterruptedInitdbIsRedone(t *testing.T) {
	dir := pgtest.TempDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := embedded.StartPostgres(ctx, embedded.Config{
		Dir: dir, Packages: pgtest.Packages(t),
		Progress: func(_ model.LogLevel, text string) {
			if strings.HasPrefix(text, "Creating") {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
		},
	})
	if err == nil {
		t.Fatal("the start was not interrupted")
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unfinished cluster has its final name: %v", err)
	}
	// As kill -9 leaves it, when nothing cleans up.
	if err := os.MkdirAll(filepath.Join(dir, "initdb-123.tmp", "data", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestClusterThatCannotBeOpened(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"of another version", map[string]string{"data/PG_VERSION": "16\n", "password": "x"}, "made by Postgres 16, and this OverSkill brings Postgres 17"},
		{"without its password", map[string]string{"data/PG_VERSION": "17\n"}, "Restore that file"},
		{"no cluster at all", map[string]string{"data/holiday.jpg": "x"}, "holds no database"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tc.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir, Packages: pgtest.Packages(t)})
			if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), tc.want) {
				t.Errorf("got %v", err)
			}
			for name, content := range tc.files {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
					t.Errorf("%s was changed: %q, %v", name, got, err)
				}
			}
		})
	}
}

// TestBrokenClusterTellsTheLog: what the server said last reaches whoever started it.
func TestBrokenClusterTellsTheLog(t *testing.T) {
	dir := pgtest.Cluster(t)
	stop(t, start(t, dir))
	if err := os.Remove(filepath.Join(dir, "data", "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir, Packages: pgtest.Packages(t)})
	if err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("got %v", err)
	}
}

func TestPorts(t *testing.T) {
	dir := pgtest.Cluster(t)
	p := start(t, dir)
	first := p.URL("")
	stop(t, p)
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if second := start(t, dir); second.URL("") == first {
		t.Error("the remembered port was used though it is taken")
	} else {
		stop(t, second)
	}
	_, err = embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir, Packages: pgtest.Packages(t), Port: taken})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), strconv.Itoa(taken)) {
		t.Errorf("a wanted port that is taken: %v", err)
	}
}

func TestNoPackage(t *testing.T) {
	offline := fault.New(fault.Unavailable, "The registry does not answer.")
	_, err := embedded.StartPostgres(t.Context(), embedded.Config{
		Dir: t.TempDir(),
		Packages: embedded.PackageFunc(func(context.Context, string, string, string, func(model.LogLevel, string)) (string, error) {
			return "", offline
		}),
	})
	if !errors.Is(err, offline) || fault.Text(err) != "The registry does not answer." {
		t.Errorf("got %v", err)
	}
}

func TestStopEndsOpenTransactionsAndHeedsItsContext(t *testing.T) {
	dir := pgtest.Cluster(t)
	p := withTable(t, dir)
	conn, err := pgx.Connect(t.Context(), p.URL(embedded.MainDatabase))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO kept VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	stop(t, p) // would wait for ever in Postgres's "smart" mode
	p, err = embedded.StartPostgres(t.Context(), embedded.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, p, 0)
	query[int](t, p, insert)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("stop without time: %v", err)
	}
	wantRows(t, start(t, dir), 1)
}

// postmaster returns the process number of the server that runs in dir.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid < 2 {
		t.Fatalf("postmaster.pid: %q", b)
	}
	return pid
}

// alive reports whether a process runs. One whose new parent does not collect it is a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return syscall.Kill(pid, 0) == nil && (err != nil || !strings.Contains(string(stat), ") Z "))
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRestart(b *testing.B) {
	cfg := embedded.Config{Dir: pgtest.Cluster(b), Packages: pgtest.Packages(b)}
	for b.Loop() {
		p, err := embedded.StartPostgres(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
