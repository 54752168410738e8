package main_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"overskill/internal/testing/pgtest"
	"overskill/internal/testing/redistest"
)

// TestKilledInTheMiddle kills the program while it builds: the next start finishes the turn, nothing that was
// there is lost, and no process is left over.
func TestKilledInTheMiddle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	p.token = p.person("founder@example.com")
	app := p.create("a diary for bee keepers: hives with a name and a place")
	p.green(app.Slug)
	second := p.create("a list of films that I lent to friends")
	for !strings.Contains(p.eventsSoFar(second.Slug), `"os-write"`) { // it is writing now
		time.Sleep(5 * time.Millisecond)
	}
	p.stop(syscall.SIGKILL)
	for deadline := time.Now().Add(10 * time.Second); len(children(t, dir)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left over after kill -9: %v", children(t, dir))
		}
	}

	again := start(t, dir)
	again.token = p.token
	if _, v := again.green(second.Slug); v.Number != "1.0.0" {
		t.Errorf("the killed turn ended as version %s", v.Number)
	}
	var calls []string
	for line := range strings.Lines(again.eventsSoFar(second.Slug)) {
		if strings.Contains(line, `"os-write"`) {
			calls = append(calls, line)
		}
	}
	seen := map[string]bool{}
	for _, line := range calls {
		if seen[line] {
			t.Errorf("a tool call was repeated: %s", line)
		}
		seen[line] = true
	}
	old, v := again.green(app.Slug)
	if status, _ := again.visit(old.Slug, "/"); status != http.StatusOK || v.Number != "1.0.0" {
		t.Errorf("the first app answers %d", status)
	}
	again.stopNow()
	if left := children(t, dir); len(left) > 0 {
		t.Errorf("left over after a stop: %v", left)
	}
}

// eventsSoFar reads the app's event stream for a moment.
func (p *program) eventsSoFar(slug string) string {
	p.t.Helper()
	req, err := http.NewRequest("GET", p.base+"/api/v1/apps/"+slug+"/events", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := anyHost.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	timer := time.AfterFunc(200*time.Millisecond, func() { res.Body.Close() })
	defer timer.Stop()
	_, _ = b.ReadFrom(res.Body) // ends with the timer
	return b.String()
}

// children lists the processes whose arguments name the data directory.
func children(t *testing.T, dir string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range procs {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(b, []byte(dir)) {
			out = append(out, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return out
}

func TestASecondStartOnTheSameDataSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	q := launch(t, dir)
	select {
	case err := <-q.done:
		q.done <- err
		if err == nil || !strings.Contains(q.out.String(), "Another OverSkill already uses "+dir) || !strings.Contains(q.out.String(), p.base) {
			t.Errorf("the second start ended with %v and said:\n%s", err, q.out)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the second start runs:\n%s", q.out)
	}
	if status, _ := fetch(t, p.base+"/healthz"); status != http.StatusOK {
		t.Errorf("the first one answers %d", status)
	}
}

// TestBadInput sends what must be refused, and looks that nothing came of it.
func TestBadInput(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"))
	admin := p.person("admin@example.com")
	ann, ben := p.person("ann@example.com"), p.person("ben@example.com")
	_ = admin
	p.token = ann

	var failure struct {
		Error struct{ Code, Message string }
	}
	for name, c := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"empty":       {map[string]string{"prompt": ""}, 400, "invalid"},
		"blank":       {map[string]string{"prompt": " \n\t "}, 400, "invalid"},
		"100 KB":      {map[string]string{"prompt": strings.Repeat("word ", 20<<10)}, 413, "too_large"},
		"not UTF-8":   {[]byte("{\"prompt\":\"caf\xe9\"}"), 400, "invalid"},
		"NUL":         {map[string]string{"prompt": "a\x00b"}, 400, "invalid"},
		"not JSON":    {[]byte("prompt=x"), 400, "invalid"},
		"wrong types": {[]byte(`{"prompt":7}`), 400, "invalid"},
	} {
		status, err := p.call(ann, "POST", "/apps", c.body, &failure)
		if err != nil || status != c.status || failure.Error.Code != c.code || failure.Error.Message == "" {
			t.Errorf("%s: %d %+v (%v), want %d %s", name, status, failure, err, c.status, c.code)
		}
	}
	var list struct{ Apps []appJSON }
	if p.api("GET", "/apps", nil, &list); len(list.Apps) != 0 {
		t.Errorf("refused prompts left apps: %v", list.Apps)
	}

	app := p.create(`<script>alert(1)</script> recipes called "Robert'); DROP TABLE apps;--"`)
	app, _ = p.green(app.Slug)
	if _, body := p.visit(app.Slug, "/"); strings.Contains(body, "<script>alert(1)") {
		t.Errorf("the prompt's HTML is in the page: %s", body)
	}

	for _, path := range []string{"", "/versions", "/files", "/files/package.json", "/events", "/export.zip"} {
		for who, token := range map[string]string{"somebody else": ben, "a stranger": "os_nobody"} {
			want := http.StatusNotFound
			if who == "a stranger" {
				want = http.StatusUnauthorized
			}
			if status, err := p.call(token, "GET", "/apps/"+app.Slug+path, nil, nil); err != nil || status != want {
				t.Errorf("%s reads %s: %d (%v), want %d", who, path, status, err, want)
			}
		}
	}
	for _, path := range []string{"/messages", "/stop"} {
		if status, err := p.call(ben, "POST", "/apps/"+app.Slug+path, map[string]string{"content": "make it pink"}, nil); err != nil || status != http.StatusNotFound {
			t.Errorf("somebody else posts to %s: %d (%v)", path, status, err)
		}
	}
	if status, err := p.call(ann, "GET", "/apps/there-is-none", nil, &failure); err != nil || status != http.StatusNotFound || failure.Error.Code != "not_found" {
		t.Errorf("an unknown slug: %d %+v (%v)", status, failure, err)
	}
	if status := p.api("GET", "/apps/"+app.Slug+"/files/..%2f..%2fetc%2fpasswd", nil, nil); status != http.StatusNotFound && status != http.StatusBadRequest {
		t.Errorf("a path out of the app: %d", status)
	}
}

// TestExportedAppBuildsWithVite takes an app away, as a person would, and builds it with the tools that everybody has.
func TestExportedAppBuildsWithVite(t *testing.T) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("npm is missing in CI")
		}
		t.Skip("npm is not installed; CI runs this")
	}
	p := start(t, filepath.Join(t.TempDir(), "data"))
	p.token = p.person("founder@example.com")
	app := p.create("Equipment loans for a rowing club: boats, members, and who has which boat until when")
	p.green(app.Slug)
	var b []byte
	if status := p.api("GET", "/apps/"+app.Slug+"/export.zip", nil, &b); status != http.StatusOK {
		t.Fatalf("export: status %d", status)
	}
	dir := unzip(t, b)
	root := filepath.Join(dir, app.Slug)
	for _, args := range [][]string{
		{npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"},
		{filepath.Join(root, "node_modules/.bin/tsc"), "--noEmit"},
		{filepath.Join(root, "node_modules/.bin/vite"), "build"},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "dist/index.html")); err != nil {
		t.Error(err)
	}
}

func unzip(t *testing.T, b []byte) string {
	t.Helper()
	dir := t.TempDir()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestStopAndTheNextTurn stops a running turn: the app stays what it was, and the next request works.
func TestStopAndTheNextTurn(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"))
	p.token = p.person("founder@example.com")
	app := p.create("reading list")
	app, _ = p.green(app.Slug)
	_, before := p.visit(app.Slug, "/_deployment")

	if status := p.api("POST", "/apps/"+app.Slug+"/messages", map[string]string{"content": "Make the primary color green"}, nil); status/100 != 2 {
		t.Fatalf("message: status %d", status)
	}
	if status := p.api("POST", "/apps/"+app.Slug+"/messages", map[string]string{"content": "and bigger"}, nil); status != http.StatusConflict {
		t.Errorf("a second message meanwhile: status %d, want conflict", status)
	}
	if status := p.api("POST", "/apps/"+app.Slug+"/stop", nil, nil); status/100 != 2 {
		t.Fatalf("stop: status %d", status)
	}
	if _, v := p.settled(app.Slug); v.Status == "stopped" {
		if _, now := p.visit(app.Slug, "/_deployment"); now != before {
			t.Errorf("a stopped turn changed what is live: %s, then %s", before, now)
		}
	} else if v.Status != "green" { // it may have been quicker than the stop
		t.Errorf("the stopped turn is %s: %s", v.Status, v.Error)
	}
	p.api("POST", "/apps/"+app.Slug+"/messages", map[string]string{"content": "Add a due date to books"}, nil)
	if _, v := p.settled(app.Slug); v.Status != "green" {
		t.Errorf("the turn after the stop is %s: %s", v.Status, v.Error)
	}
}

// TestDeadRegistry starts with an npm registry that answers nothing useful: the failure is told, and once the
// registry is back the same data directory works.
func TestDeadRegistry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	dead := fmt.Sprintf("npm_config_registry=http://127.0.0.1:%d/", freePort(t))
	p := launch(t, dir, dead, ownPackages)
	select {
	case err := <-p.done: // Postgres itself comes from there
		p.done <- err
		if err == nil || !strings.Contains(p.out.String(), "registry") {
			t.Errorf("ended with %v and said:\n%s", err, p.out)
		}
	case <-time.After(90 * time.Second):
		t.Fatalf("it does not give up:\n%s", p.out)
	}
	start(t, dir, ownPackages)
}

// TestServersOfYourOwn runs web and worker as two processes on a Postgres and a Redis server.
func TestServersOfYourOwn(t *testing.T) {
	redisURL, ok := redistest.Servers(t)[redistest.Real]
	if !ok {
		t.Skip("redis-server is not installed; CI runs this")
	}
	dir, port := filepath.Join(t.TempDir(), "data"), freePort(t)
	env := []string{"DATABASE_URL=" + pgtest.URL(t), "OVERSKILL_APPS_DATABASE_URL=" + pgtest.URL(t), "REDIS_URL=" + redisURL}
	web := launchAs(t, "web", port, dir, env...)
	web.ready()
	web.token = web.person("founder@example.com")
	app := web.create("allotment gardens: plots with a size and a tenant") // nobody is there to build it yet
	worker := launchAs(t, "worker", port, dir, env...)
	worker.ready()
	app, _ = web.green(app.Slug)
	if status, _ := web.visit(app.Slug, "/"); status != http.StatusOK {
		t.Errorf("the preview answers %d", status)
	}
	if out, err := exec.Command("pgrep", "-f", dir+"/postgres").CombinedOutput(); err == nil {
		t.Errorf("an embedded Postgres runs: %s", out)
	}
}
