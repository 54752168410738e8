package smoke

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"overskill/internal/testing/browsertest"
)

func kill(t *testing.T, p *process) {
	t.Helper()
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process as an accident would.
func (p *process) kill() error {
	if err := chromedp.FromContext(p.ctx).Browser.Process().Kill(); err != nil {
		return err
	}
	<-p.ctx.Done()
	return nil
}

// killCurrent ends the browser that runs. It may be called from any goroutine.
func killCurrent(c *Checker) error {
	c.browser.mu.Lock()
	p := c.browser.cur
	c.browser.mu.Unlock()
	if p == nil {
		return errors.New("no browser runs")
	}
	return p.kill()
}

// TestOrphans starts this test binary again as a process that holds a browser, kills it, and looks for what stays.
func TestOrphans(t *testing.T) {
	browsertest.Need(t)
	const key = "SMOKE_TEST_PROFILES"
	if dir := os.Getenv(key); dir != "" {
		b, err := newBrowser(Config{Profiles: dir, Parallel: 1, Idle: time.Hour}, mustFind(t), "127.0.0.1:9")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOrphans$")
	cmd.Env = append(os.Environ(), key+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the browser", func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	})
	if len(using(t, dir)) == 0 {
		t.Fatal("no browser found: the test looks in the wrong place")
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitFor(t, "the end of the browser", func() bool { return len(using(t, dir)) == 0 })

	if left, _ := filepath.Glob(filepath.Join(dir, "profile-*")); len(left) == 0 {
		t.Fatal("a killed process cannot have removed its profile")
	}
	if err := cleanProfiles(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "profile-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCleanProfilesSparesTheLiving(t *testing.T) {
	dir := t.TempDir()
	p, err := newProfile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := cleanProfiles(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.dir); err != nil {
		t.Error("removed a profile in use")
	}
	p.remove()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func mustFind(t *testing.T) string {
	t.Helper()
	path, err := findChromium("")
	if err != nil || path == "" {
		t.Fatalf("these tests need Chromium: %v", err)
	}
	return path
}

// using returns the processes that name dir in their command line.
func using(t *testing.T, dir string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), "="+dir+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
