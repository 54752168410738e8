package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"overskill/internal/deploy/access"
)

// binary builds the real program once per test process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "overskill-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overskill")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %v\n%s", err, out)
	}
	return path, nil
})

// packagesDir is where the tests' programs keep downloaded packages, so that they are fetched once. ownPackages is the
// setting of a program that has to fetch them itself.
var packagesDir string

const ownPackages = "OVERSKILL_CACHE_DIR="

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "overskill-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	packagesDir = dir
	_ = os.Chmod(dir, 0o755) // Postgres may have to run as another user
	code := m.Run()
	_ = os.RemoveAll(dir)
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// program is the real server in a process of its own.
type program struct {
	t     testing.TB
	dir   string // data directory
	base  string // http://localhost:port
	token string
	cmd   *exec.Cmd
	out   *syncBuffer
	done  chan error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs `overskill serve` on a data directory and waits until it says that it is ready.
func start(t testing.TB, dir string, env ...string) *program {
	t.Helper()
	p := launch(t, dir, env...)
	p.ready()
	return p
}

// ready waits until the program says that it is.
func (p *program) ready() {
	t := p.t
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(p.out.String(), "is ready"); {
		select {
		case err := <-p.done:
			t.Fatalf("the program ended: %v\n%s", err, p.out)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program is not ready:\n%s", p.out)
		}
	}
}

func launch(t testing.TB, dir string, env ...string) *program {
	t.Helper()
	return launchAs(t, "serve", freePort(t), dir, env...)
}

// launchAs runs serve, web or worker with an address of the caller's choice.
func launchAs(t testing.TB, name string, port int, dir string, env ...string) *program {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, dir: dir, base: fmt.Sprintf("http://localhost:%d", port), out: &syncBuffer{}, done: make(chan error, 1)}
	p.cmd = exec.Command(path, name, "--addr", fmt.Sprintf("127.0.0.1:%d", port), "--data-dir", dir)
	p.cmd.Env = append(append(os.Environ(), "OVERSKILL_CACHE_DIR="+packagesDir), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.stop(syscall.SIGTERM)
		if t.Failed() {
			out := p.out.String()
			t.Logf("the end of the program's output:\n%s", out[max(0, len(out)-8<<10):])
		}
	})
	return p
}

// stop sends a signal and waits for the end; a program that has ended is fine.
func (p *program) stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("the program did not stop on %v", sig)
	}
}

// stopNow ends the program before the test does.
func (p *program) stopNow() { p.stop(syscall.SIGTERM) }

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// command runs another command of the binary on the same data directory.
func (p *program) command(args ...string) (string, error) { return p.run(p.cmd.Env, args...) }

// run runs a command of the binary on the data directory; env nil is the test's own, with the packages that are there.
func (p *program) run(env []string, args ...string) (string, error) {
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--data-dir", p.dir)...)
	if cmd.Env = env; env == nil {
		cmd.Env = append(os.Environ(), "OVERSKILL_CACHE_DIR="+packagesDir)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), err
}

// person creates an account and signs the program's API calls with its token.
func (p *program) person(email string) string {
	p.t.Helper()
	if _, err := p.command("user", "create", "--email", email, "--password", "correct horse"); err != nil {
		p.t.Fatal(err)
	}
	token, err := p.command("token", "create", "--email", email)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(token)
}

// anyHost dials the loopback for every *.localhost, as browsers do.
var anyHost = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
	MaxIdleConnsPerHost: 8,
	DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
	},
}}

// api calls the JSON API and decodes the answer into into, if there is one. It returns the status.
func (p *program) api(method, path string, body, into any) int {
	p.t.Helper()
	status, err := p.call(p.token, method, path, body, into)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status
}

func (p *program) call(token, method, path string, body, into any) (int, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return 0, err
		}
		in = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(method, p.base+"/api/v1"+path, in)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := anyHost.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || into == nil {
		return res.StatusCode, err
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = b
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return res.StatusCode, fmt.Errorf("%w in %.300s", err, b)
	}
	return res.StatusCode, nil
}

// appJSON is the API's app.
type appJSON struct {
	Slug             string `json:"slug"`
	Name             string `json:"name"`
	Status           string `json:"status"`
	DeploymentStatus string `json:"deployment_status"`
	PreviewURL       string `json:"preview_url"`
	Version          string `json:"version"`
}

// versionJSON is the API's version.
type versionJSON struct {
	Number      string `json:"number"`
	DisplayName string `json:"display_name"`
	Status      string `json:"status"`
	Error       string `json:"error"`
	Model       string `json:"ai_model_used"`
	TokensIn    int64  `json:"ai_tokens_input"`
	TokensOut   int64  `json:"ai_tokens_output"`
	CostCents   *int64 `json:"ai_cost_cents"`
	Bytes       int64  `json:"bundle_bytes"`
}

// create posts a prompt and returns the app at once.
func (p *program) create(prompt string) appJSON {
	p.t.Helper()
	var app appJSON
	if status := p.api("POST", "/apps", map[string]string{"prompt": prompt}, &app); status != http.StatusCreated {
		p.t.Fatalf("POST /apps: status %d", status)
	}
	return app
}

// settled waits until no turn of the app runs, and returns the app and its newest version.
func (p *program) settled(slug string) (appJSON, versionJSON) {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var list struct{ Versions []versionJSON }
		p.api("GET", "/apps/"+slug+"/versions", nil, &list)
		if len(list.Versions) == 0 {
			p.t.Fatalf("app %s has no version", slug)
		}
		v := list.Versions[0]
		if v.Status != "queued" && v.Status != "building" {
			var app appJSON
			p.api("GET", "/apps/"+slug, nil, &app)
			return app, v
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("version %s of %s is still %s\n%s", v.Number, slug, v.Status, p.out)
		}
	}
}

// green is settled for a turn that must have worked.
func (p *program) green(slug string) (appJSON, versionJSON) {
	p.t.Helper()
	app, v := p.settled(slug)
	if v.Status != "green" {
		p.t.Fatalf("version %s of %s is %s: %s", v.Number, slug, v.Status, v.Error)
	}
	return app, v
}

// files returns the paths of the app's newest version, without deleted ones.
func (p *program) files(slug string) map[string]int64 {
	p.t.Helper()
	var list struct {
		Files []struct {
			Path, Action string
			Size         int64
		}
	}
	p.api("GET", "/apps/"+slug+"/files", nil, &list)
	out := map[string]int64{}
	for _, f := range list.Files {
		if f.Action != "delete" {
			out[f.Path] = f.Size
		}
	}
	return out
}

func (p *program) file(slug, path string) string {
	p.t.Helper()
	var b []byte
	if status := p.api("GET", "/apps/"+slug+"/files/"+path, nil, &b); status != http.StatusOK {
		p.t.Fatalf("GET %s: status %d", path, status)
	}
	return string(b)
}

// link is an address that opens the app's preview, which is private.
func (p *program) link(slug string) string {
	p.t.Helper()
	var out struct{ URL string }
	if status := p.api("POST", "/apps/"+slug+"/preview-link", map[string]any{"ttl_seconds": 3600}, &out); status/100 != 2 {
		p.t.Fatalf("preview-link: status %d", status)
	}
	return out.URL
}

// visit gets a path of an app's preview, as somebody who may.
func (p *program) visit(slug, path string) (int, string) {
	p.t.Helper()
	u, err := url.Parse(p.link(slug))
	if err != nil {
		p.t.Fatal(err)
	}
	token := u.Query().Get(access.Param)
	u.Path, u.RawQuery = path, ""
	return fetch(p.t, u.String(), access.Header, token)
}

// fetch gets a URL of an app and returns status and body. header holds names and values.
func fetch(t testing.TB, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := anyHost.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
