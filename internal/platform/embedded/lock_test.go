package embedded_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/platform/embedded"
)

func TestLockDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, held, err := embedded.ReadRunning(dir); held || err != nil {
		t.Errorf("a folder that does not exist is held: %v, %v", held, err)
	}
	lock, err := embedded.LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantConflict := func(who string) {
		t.Helper()
		_, err := embedded.LockDataDir(dir)
		want := fmt.Sprintf("Another OverSkill already uses %s (process %d, %s). Stop it, or choose another --data-dir.", dir, os.Getpid(), who)
		if !fault.Is(err, fault.Conflict) || fault.Text(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	wantConflict("still starting")
	running := embedded.Running{
		PID: os.Getpid(), Address: "http://127.0.0.1:8080",
		DatabaseURL: "postgres://a:b@127.0.0.1:1/overskill", AppsDatabaseURL: "postgres://a:b@127.0.0.1:1/overskill_apps",
	}
	if err := lock.Announce(running); err != nil {
		t.Fatal(err)
	}
	wantConflict("http://127.0.0.1:8080")
	got, held, err := embedded.ReadRunning(dir)
	if err != nil || !held {
		t.Fatalf("held %v, %v", held, err)
	}
	if diff := cmp.Diff(running, got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(dir, "run.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("run.json: %v, %v", info, err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if got, held, err := embedded.ReadRunning(dir); held || err != nil || got != (embedded.Running{}) {
		t.Errorf("after release: %+v, %v, %v", got, held, err)
	}
	lock, err = embedded.LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

// TestLockHolder is no test: TestLockOfAKilledProcess runs it in a process of its own.
func TestLockHolder(t *testing.T) {
	if flag.NArg() != 1 {
		return
	}
	lock, err := embedded.LockDataDir(flag.Arg(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Announce(embedded.Running{Address: "http://127.0.0.1:9999"}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("locked")
	select {}
}

func TestLockOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockHolder$", "--", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "locked") {
	}
	if r, held, err := embedded.ReadRunning(dir); !held || err != nil || r.PID != cmd.Process.Pid {
		t.Errorf("while it runs: %+v, %v, %v", r, held, err)
	}
	if _, err := embedded.LockDataDir(dir); !strings.Contains(fault.Text(err), "http://127.0.0.1:9999") {
		t.Errorf("while it runs: %v", err)
	}
	kill(t, cmd.Process.Pid)
	_ = cmd.Wait()
	if r, held, err := embedded.ReadRunning(dir); held || err != nil {
		t.Errorf("after kill -9: %+v, %v, %v", r, held, err)
	}
	lock, err := embedded.LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}
