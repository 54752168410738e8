package workerd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func hello(text string) string {
	return fmt.Sprintf(`export const handle = async (request) => new Response(%q + await request.text());`, text)
}

// TestSwapUnderLoad has eight clients ask for what is current while that changes ten times. The releases before it are
// ended as soon as they are idle, which is sooner than in service.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	const clients, each, swaps = 8, 1400, 10
	r := newRuntime(t, Config{})
	var current atomic.Pointer[App]
	put := func(n int) {
		app := appOf("1/production", hello(fmt.Sprintf("release %d", n)))
		if err := r.Prepare(t.Context(), app); err != nil {
			t.Error(err)
		}
		current.Store(&app)
	}
	put(0)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.Serve(w, req, *current.Load()) }))
	defer srv.Close()
	var done atomic.Int64
	var failed atomic.Int64
	var g errgroup.Group
	for c := range clients {
		g.Go(func() error {
			transport := &http.Transport{DisableKeepAlives: c%4 == 0, MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			for n := range each {
				method, body := "GET", ""
				if n%3 == 0 { // what nothing in between may send twice
					method, body = "POST", "!"
				}
				if err := askOnce(client, srv.URL+"/api/x", method, body); err != nil {
					if failed.Add(1) < 4 {
						t.Error(err)
					}
				}
				done.Add(1)
			}
			return nil
		})
	}
	for n := 1; n <= swaps; n++ {
		for done.Load() < int64(n*clients*each/(swaps+1)) {
			time.Sleep(time.Millisecond)
		}
		put(n)
		r.reapOnce(time.Now().Add(2 * supersededIdle))
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if n := failed.Load(); n != 0 || done.Load() < 10_000 {
		t.Errorf("%d of %d requests failed", n, done.Load())
	}
	r.reapOnce(time.Now().Add(2 * supersededIdle))
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.slots) != 1 {
		t.Errorf("%d releases still run", len(r.slots))
	}
}

func askOnce(client *http.Client, url, method, body string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.HasPrefix(string(b), "release ") || !strings.HasSuffix(string(b), body) {
		return fmt.Errorf("%s: %s %q %v", method, res.Status, b, err)
	}
	return nil
}

const hostile = `
export async function handle(request) {
  switch (new URL(request.url).pathname) {
  case "/api/loop": for (;;) {}
  case "/api/heap": { const kept = []; for (;;) kept.push(new Array(1e5).fill(1.1)); }
  case "/api/buffers": {
    globalThis.kept = [];
    for (;;) { kept.push(new Uint8Array(4e6).fill(1)); await scheduler.wait(1); }
  }
  case "/api/hang": await scheduler.wait(60_000);
  }
  return new Response("fine");
}`

func TestEndlessLoopHurtsOnlyItsApp(t *testing.T) {
	t.Parallel()
	const watchdog = 2 * time.Second
	r := newRuntime(t, Config{Watchdog: watchdog})
	bad, good := appOf("bad", hostile), appOf("good", hello("good"))
	wantBody(t, r, bad, "/api/ok", "fine")
	wantBody(t, r, good, "/", "good")
	start := time.Now()
	looped := make(chan struct{})
	go func() {
		defer close(looped)
		status, body := ask(t, r, bad, "/api/loop")
		if status != 503 || !strings.Contains(body, "busy for too long") {
			t.Errorf("the loop: %d %s", status, body)
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-looped:
			if n < 10 {
				t.Errorf("the other app answered %d times", n)
			}
			if d := time.Since(start); d < watchdog || d > 3*watchdog {
				t.Errorf("killed after %v", d)
			}
			wantBody(t, r, bad, "/api/ok", "fine")
			return
		case <-time.After(20 * time.Millisecond):
			wantBody(t, r, good, "/", "good")
		}
	}
}

func TestMemoryHogs(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{Memory: 96 << 20})
	for _, path := range []string{"/api/heap", "/api/buffers"} {
		app := appOf(path, hostile)
		wantBody(t, r, app, "/api/ok", "fine")
		status, body := ask(t, r, app, path)
		switch {
		case status == 503 && strings.Contains(body, "more memory than"):
		case status == 500: // the kernel's limit came first: an exception in the app, and the process lives
		default:
			t.Errorf("%s: %d %s", path, status, body)
		}
		eventually(t, "the app answers again", func() bool {
			status, _ := ask(t, r, app, "/api/ok")
			return status == 200
		})
	}
}

func TestKilledProcess(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/preview", hostile)
	wantBody(t, r, app, "/api/ok", "fine")
	p := running(t, r, app)

	hung := make(chan string)
	go func() {
		status, body := ask(t, r, app, "/api/hang")
		hung <- fmt.Sprint(status, body)
	}()
	eventually(t, "the request is under way", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return p.inflight == 1
	})
	time.Sleep(50 * time.Millisecond) // until it waits in the app
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := <-hung; !strings.HasPrefix(got, "503") || !strings.Contains(got, "ended unexpectedly") {
		t.Errorf("the request that died with it: %s", got)
	}
	wantBody(t, r, app, "/api/ok", "fine") // at once
	if again := running(t, r, app); again == p {
		t.Error("the dead process is still in the table")
	}

	// One that dies again and again has to wait.
	waited := false
	for range 4 {
		if status, _ := ask(t, r, app, "/api/ok"); status != 200 {
			waited = true
			break
		}
		p := running(t, r, app)
		p.kill(causeCrash)
		<-p.done
	}
	if !waited {
		t.Error("a process that died four times in a row was started at once each time")
	}
	eventually(t, "it is started again", func() bool { status, _ := ask(t, r, app, "/api/ok"); return status == 200 })
}

// TestProcessThatDiesBeforeTheRequest: the table still holds a process that has just died.
func TestProcessThatDiesBeforeTheRequest(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/preview", hello("ok "))
	if err := r.Prepare(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	p := running(t, r, app)
	if err := os.Remove(filepath.Join(p.dir, "http.sock")); err != nil { // as if nobody listened any more
		t.Fatal(err)
	}
	status, body := askWith(t, r, app, httptest.NewRequest("POST", "http://h/api", strings.NewReader("body")))
	if status != 200 || body != "ok body" {
		t.Errorf("%d %s", status, body)
	}
	if p.alive() {
		t.Error("a process that nobody can reach still runs")
	}
}

func TestIdleProcessEnds(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{Idle: 100 * time.Millisecond})
	app := appOf("1/preview", hello("ok"))
	wantBody(t, r, app, "/", "ok")
	p := running(t, r, app)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		t.Fatal("it still runs")
	}
	if p.why() != causeStopped {
		t.Errorf("ended by cause %d", p.why())
	}
	wantBody(t, r, app, "/", "ok")
}

func TestRoomForProcesses(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{MaxProcesses: 2})
	a, b, c := appOf("a", hostile), appOf("b", hostile), appOf("c", hostile)
	wantBody(t, r, a, "/", "fine")
	wantBody(t, r, b, "/", "fine")
	old := running(t, r, a)
	wantBody(t, r, c, "/", "fine") // in the place of a
	<-old.done
	ctx, cancel := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	for _, app := range []App{b, c} {
		hanging.Go(func() {
			r.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "http://h/api/hang", nil).WithContext(ctx), app)
		})
		eventually(t, "it hangs", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.slots[app.Key].proc.inflight == 1 })
	}
	if status, body := ask(t, r, a, "/"); status != 503 || !strings.Contains(body, "busy") {
		t.Errorf("without room: %d %s", status, body)
	}
	cancel()
	hanging.Wait()
	eventually(t, "there is room again", func() bool { status, _ := ask(t, r, a, "/"); return status == 200 })
}

func TestSecretsAreNotVisible(t *testing.T) {
	t.Parallel()
	const secret = "sk-very-secret-value"
	r := newRuntime(t, Config{})
	app := appOf("1/preview", `export const handle = (_, env) => new Response(env.KEY);`, "KEY", secret)
	wantBody(t, r, app, "/", secret)
	p := running(t, r, app)
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
		if err != nil || strings.Contains(string(b), secret) || name == "cmdline" && !strings.Contains(string(b), "workerd") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if name == "environ" && len(b) != 0 {
			t.Errorf("the process has our environment: %q", b)
		}
	}
	if strings.Contains(app.Key, secret) {
		t.Error("the key holds the secret")
	}
	err := filepath.WalkDir(r.cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() && path != r.cfg.Dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be entered by others: %v", path, info.Mode())
		}
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(b), secret) {
				t.Errorf("%s holds the secret, or cannot be read: %v", path, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// orphanEnv makes TestMain be the parent that TestNoOrphans kills.
const orphanEnv = "OVERSKILL_TEST_WORKERD_PARENT"

func TestMain(m *testing.M) {
	if binary := os.Getenv(orphanEnv); binary != "" {
		parent(binary)
	}
	os.Exit(m.Run())
}

// parent runs an app, writes the pid of its process and waits to be killed.
func parent(packageDir string) {
	r, err := New(Config{Dir: os.Getenv(orphanEnv + "_DIR"), Package: func(context.Context, string, string, string) (string, error) { return packageDir, nil }})
	if err == nil {
		app := appOf("1/preview", hello("ok"))
		if err = r.Prepare(context.Background(), app); err == nil {
			fmt.Println(r.slots[app.Key].proc.cmd.Process.Pid)
			time.Sleep(time.Minute)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestNoOrphans(t *testing.T) {
	t.Parallel()
	pin := pins[runtime.GOOS+"-"+runtime.GOARCH]
	pkg, err := fromNPM(t)(t.Context(), pin.name, Version, pin.integrity)
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanEnv+"="+pkg, orphanEnv+"_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil || convErr != nil {
		t.Fatalf("the parent says %q, %v", line[:n], err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	eventually(t, "the child is gone, too", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
	left, err := filepath.Glob(filepath.Join(dir, "run", "*", "p*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("the killed parent left %v, %v", left, err)
	}
	r, err := New(Config{Dir: dir, Package: fromNPM(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if left, _ = filepath.Glob(filepath.Join(dir, "run", "*", "p*")); len(left) != 0 {
		t.Errorf("the next start leaves %v", left)
	}
}

// TestBodiesThatNobodyReads: the runtime would break off the reply to a request whose body nobody reads.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/production", `export async function handle() { return new Response("done"); }`)
	if err := r.Prepare(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", maxHeld)
	failed := 0
	for n := range 1000 {
		method, body := "PUT", "a body"
		switch n % 50 {
		case 0:
			body = large
		case 1:
			method = "POST"
		}
		if status, said := askWith(t, r, app, httptest.NewRequest(method, "/api/x", strings.NewReader(body))); status != http.StatusOK {
			if failed++; failed < 4 {
				t.Errorf("request %d: %d %s", n, status, said)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of 1000 requests failed", failed)
	}
}
