package pgtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// run executes statements as a migration would: on a connection of its own, closed at the end.
func run(url string, statements ...string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func TestURLGivesAnEmptyDatabaseEachTime(t *testing.T) {
	first, second := URL(t), URL(t)
	if first == second {
		t.Fatalf("the same database twice: %s", first)
	}
	if _, err := connect(t, first).Exec(t.Context(), "CREATE TABLE a (n int)"); err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := connect(t, second).QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("a fresh database has %d tables", tables)
	}
}

func TestDatabaseIsDroppedThoughConnected(t *testing.T) {
	var url string
	t.Run("uses it", func(t *testing.T) {
		url = URL(t)
		conn, err := pgx.Connect(t.Context(), url) // never closed
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	_, err := pgx.Connect(t.Context(), url)
	if err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("connect to a dropped database: %v, want 3D000 (does not exist)", err)
	}
}

func TestTemplateIsPreparedOnceAndCopiesAreSeparate(t *testing.T) {
	var prepared int
	prepare := func(url string) error {
		prepared++
		return run(url, "CREATE TABLE a (n int)", "INSERT INTO a VALUES (1)")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			fresh := Template(t, "once", prepare)
			conn := connect(t, fresh(t))
			var n int
			err := conn.QueryRow(t.Context(), "WITH x AS (INSERT INTO a VALUES (2)) SELECT count(*) FROM a").Scan(&n)
			if err != nil || n != 1 {
				t.Errorf("copy has %d rows (%v), want the template's 1", n, err)
			}
		})
	}
	wg.Wait()
	if prepared != 1 {
		t.Errorf("prepared %d times", prepared)
	}
}

func TestFailingTemplateFailsTheTestThatUsesIt(t *testing.T) {
	broken := errors.New("broken migration")
	_, err := prepareTemplate("broken", func(string) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkClone(b *testing.B) {
	fresh := Template(b, "bench", func(url string) error { return run(url, "CREATE TABLE a (n int)") })
	fresh(b)
	for b.Loop() {
		fresh(b)
	}
}
