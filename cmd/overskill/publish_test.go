package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"overskill/internal/testing/browsertest"
	"overskill/internal/testing/modelscript"
)

// deploymentJSON is the API's deployment.
type deploymentJSON struct {
	ID          int64  `json:"id"`
	Version     string `json:"version"`
	Kind        string `json:"kind"`
	Status      string `json:"status"`
	Stage       string `json:"stage"`
	Ended       bool   `json:"ended"`
	Target      string `json:"target"`
	URL         string `json:"url"`
	By          string `json:"by"`
	ContentHash string `json:"content_hash"`
	SizeBytes   int64  `json:"size_bytes"`
	WorkerBytes int64  `json:"worker_bytes"`
	SentBytes   int64  `json:"sent_bytes"`
	Error       string `json:"error"`
	Findings    []struct {
		Rule, Severity, File, Title string
	}
	Changes *struct {
		Against string `json:"against"`
		Pages   []struct{ Route string }
	}
	Log []struct{ Text string }
}

// publish starts a publication ("" is the newest version) and waits for its end.
func (p *program) publish(slug, version string) deploymentJSON {
	p.t.Helper()
	var d deploymentJSON
	if status := p.api("POST", "/apps/"+slug+"/publish", obj{"version": version}, &d); status != http.StatusAccepted {
		p.t.Fatalf("publish: status %d", status)
	}
	return p.ended(slug, d.ID)
}

// ended waits for the end of a deployment.
func (p *program) ended(slug string, id int64) deploymentJSON {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var d deploymentJSON
		if status := p.api("GET", fmt.Sprintf("/apps/%s/deployments/%d", slug, id), nil, &d); status != http.StatusOK {
			p.t.Fatalf("deployment %d: status %d", id, status)
		}
		if d.Ended && (d.Status != "deployed" || d.Stage == "live") {
			return d
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("deployment %d is still %s, at %s\n%s", id, d.Status, d.Stage, p.out)
		}
	}
}

// live publishes and must succeed.
func (p *program) live(slug string) deploymentJSON {
	p.t.Helper()
	d := p.publish(slug, "")
	if d.Status != "deployed" {
		p.t.Fatalf("publishing %s: %s at %s: %s\n%v", slug, d.Status, d.Stage, d.Error, d.Log)
	}
	return d
}

// says posts a message and waits for the green version.
func (p *program) says(slug, message string) versionJSON {
	p.t.Helper()
	if status := p.api("POST", "/apps/"+slug+"/messages", obj{"content": message}, nil); status/100 != 2 {
		p.t.Fatalf("message: status %d", status)
	}
	_, v := p.green(slug)
	return v
}

func (p *program) setVar(slug, key, value string) {
	p.t.Helper()
	if status := p.api("PUT", "/apps/"+slug+"/env/"+key+"?environment=production", obj{"value": value}, nil); status/100 != 2 {
		p.t.Fatalf("set %s: status %d", key, status)
	}
}

// published is the address of a published app on this server.
func (p *program) published(slug string) string {
	u, err := url.Parse(p.base)
	if err != nil {
		p.t.Fatal(err)
	}
	return "http://" + slug + ".localhost:" + u.Port()
}

// TestPublish publishes, changes, publishes again, goes back and takes down; previews stay private all the while.
func TestPublish(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"))
	p.token = p.person("ada@example.com")
	app := p.create("reading list: books with a title and an author")
	app, first := p.green(app.Slug)
	address := p.published(app.Slug)

	if status, _ := fetch(t, address+"/"); status != http.StatusNotFound {
		t.Errorf("before it is published: %d", status)
	}
	if status, body := fetch(t, app.PreviewURL, "Accept", "text/html"); status != http.StatusUnauthorized || strings.Contains(body, `id="root"`) {
		t.Errorf("a stranger at the preview: %d %.200s", status, body)
	}
	if status, body := p.visit(app.Slug, "/"); status != http.StatusOK || !strings.Contains(body, `id="root"`) {
		t.Errorf("the owner at the preview: %d", status)
	}
	one := p.live(app.Slug)
	if one.URL != address+"/" || one.Version != first.Number || one.By != "ada@example.com" || one.Kind != "publish" || one.SizeBytes == 0 {
		t.Errorf("%+v", one)
	}
	shows := func(want deploymentJSON) {
		t.Helper()
		if status, body := fetch(t, address+"/_deployment"); status != http.StatusOK || !strings.Contains(body, want.ContentHash) || !strings.Contains(body, `"environment":"production"`) {
			t.Errorf("the published app: %d %s, want %s", status, body, want.ContentHash)
		}
	}
	shows(one)
	if !logged(one, "opened in a browser") && browsertest.Has() {
		t.Errorf("nobody opened it: %v", one.Log)
	}

	second := p.says(app.Slug, "Make the primary color green")
	shows(one) // a new version is not published by itself
	two := p.live(app.Slug)
	shows(two)
	if two.Version != second.Number || two.ContentHash == one.ContentHash {
		t.Errorf("%+v", two)
	}
	if browsertest.Has() && (two.Changes == nil || two.Changes.Against != first.Number) {
		t.Errorf("what else changed: %+v", two.Changes)
	}
	again := p.live(app.Slug)
	if again.SentBytes != 0 {
		t.Errorf("%d bytes were sent for what is there already", again.SentBytes)
	}

	var back deploymentJSON
	if status := p.api("POST", fmt.Sprintf("/apps/%s/deployments/%d/rollback", app.Slug, one.ID), nil, &back); status != http.StatusAccepted {
		t.Fatalf("rollback: status %d", status)
	}
	if back = p.ended(app.Slug, back.ID); back.Status != "deployed" || back.Kind != "rollback" || back.ContentHash != one.ContentHash {
		t.Errorf("rollback: %+v", back)
	}
	shows(one)
	if status := p.api("DELETE", "/apps/"+app.Slug+"/publication", nil, nil); status != http.StatusNoContent {
		t.Errorf("unpublish: status %d", status)
	}
	if status, _ := fetch(t, address+"/"); status != http.StatusNotFound {
		t.Errorf("after it was taken down: %d", status)
	}
	var list struct{ Deployments []deploymentJSON }
	if p.api("GET", "/apps/"+app.Slug+"/deployments", nil, &list); len(list.Deployments) != 4 {
		t.Errorf("%d deployments in the history", len(list.Deployments))
	}
	owner := p.token
	p.token = p.person("eve@example.com")
	for _, request := range []string{"POST publish", "GET deployments", "DELETE publication", "GET env", "POST preview-link", fmt.Sprintf("GET deployments/%d", one.ID)} {
		method, path, _ := strings.Cut(request, " ")
		if status := p.api(method, "/apps/"+app.Slug+"/"+path, nil, nil); status != http.StatusNotFound {
			t.Errorf("%s by somebody else: %d", request, status)
		}
	}
	p.token = owner
}

func logged(d deploymentJSON, words string) bool {
	for _, l := range d.Log {
		if strings.Contains(l.Text, words) {
			return true
		}
	}
	return false
}

// greeting is server code that shows what it was given.
const greeting = `export async function GET(request: Request, env: Env) {
  const rows = await fetch(env.SUPABASE_URL + "/auth/v1/settings", { headers: { apikey: env.SUPABASE_ANON_KEY } });
  return Response.json({ greeting: env.GREETING ?? "nothing", data: rows.status, said: rows.ok ? "" : await rows.text(), names: Object.keys(env).sort() });
}
`

// TestServerCode: an app's server code runs in the preview and when published, here and in workerd as a whole, with its
// secrets and its data; what is wrong in production only is found before it is shown.
func TestServerCode(t *testing.T) {
	p, s := withModel(t)
	app := page("", "  if (import.meta.env.VITE_BROKEN) throw new Error(\"broken in production only\");", hello)
	s.play(t, append(selfTest(p), planned("A wish"), writes("src/App.tsx", app), writes("worker/hello.ts", greeting), says("Done."))...)
	made := p.create("An app with a server")
	made, _ = p.green(made.Slug)
	if status, body := p.visit(made.Slug, "/api/hello"); status != http.StatusOK || !strings.Contains(body, `"greeting":"nothing","data":200`) {
		t.Errorf("the preview's server: %d %s", status, body)
	}
	if status, body := p.visit(made.Slug, "/api/none"); status != http.StatusNotFound || !strings.Contains(body, "error") {
		t.Errorf("what nobody answers: %d %s", status, body)
	}
	address := p.published(made.Slug)
	for _, place := range []string{"local", "workerd"} {
		t.Run(place, func(t *testing.T) {
			p.t = t
			if status := p.api("PUT", "/team/deploy", obj{"kind": place}, nil); status/100 != 2 {
				t.Fatalf("publish to %s: status %d", place, status)
			}
			p.setVar(made.Slug, "GREETING", "hello "+place)
			d := p.live(made.Slug)
			if d.Target != place {
				t.Errorf("published to %s", d.Target)
			}
			if status, body := fetch(t, address+"/"); status != http.StatusOK || !strings.Contains(body, `id="root"`) {
				t.Errorf("the page: %d %.200s", status, body)
			}
			status, body := fetch(t, address+"/api/hello")
			if status != http.StatusOK || !strings.Contains(body, `"greeting":"hello `+place+`","data":200`) {
				t.Errorf("its server: %d %s", status, body)
			}
			for _, hidden := range []string{"BUCKET", "ACCESS", "ASSETS", "DATA_ORIGIN"} {
				if strings.Contains(body, `"`+hidden+`"`) {
					t.Errorf("the app's server code is given %s", hidden)
				}
			}
			p.setVar(made.Slug, "GREETING", "changed")
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
				if _, body := fetch(t, address+"/api/hello"); strings.Contains(body, `"greeting":"changed"`) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("a changed secret does not reach the published app")
				}
			}
			if !browsertest.Has() {
				return
			}
			p.setVar(made.Slug, "VITE_BROKEN", "yes")
			bad := p.publish(made.Slug, "")
			if bad.Status != "failed" || bad.Stage != "verify" || !strings.Contains(bad.Error, "broken in production only") {
				t.Errorf("what breaks in production: %s at %s: %s", bad.Status, bad.Stage, bad.Error)
			}
			if _, body := fetch(t, address+"/_deployment"); !strings.Contains(body, d.ContentHash) {
				t.Errorf("a bad version took the place of a good one: %s", body)
			}
			if status := p.api("DELETE", "/apps/"+made.Slug+"/env/VITE_BROKEN?environment=production", nil, nil); status/100 != 2 {
				t.Errorf("delete a variable: %d", status)
			}
		})
	}
	p.t = t
}

// TestGateKeepsSecretsBack: a key in the bundle is found before it is published, and told with its place.
func TestGateKeepsSecretsBack(t *testing.T) {
	p, s := withModel(t)
	key := "AKIA" + "Q3EGRSMBXK7LPW2Z"
	play := func(app string) []modelscript.Step {
		return []modelscript.Step{planned("A wish"), writes("src/App.tsx", app), says("Done.")}
	}
	s.play(t, append(selfTest(p), play(page("", "", hello))...)...)
	app := p.create("An app that keeps secrets")
	p.green(app.Slug)
	good := p.live(app.Slug)
	s.play(t, play(page("", fmt.Sprintf("  const key = %q;", key), "<main><h1>Hello</h1><p data-key={key}>again</p></main>"))...)
	p.says(app.Slug, "Show the key")
	bad := p.publish(app.Slug, "")
	if bad.Status != "failed" || bad.Stage != "check" {
		t.Errorf("%s at %s: %s", bad.Status, bad.Stage, bad.Error)
	}
	found := false
	for _, f := range bad.Findings {
		found = found || f.Rule == "secret_in_bundle" && f.Severity == "block" && f.File == "src/App.tsx"
	}
	if !found || strings.Contains(fmt.Sprint(bad), key) {
		t.Errorf("findings %+v, error %q", bad.Findings, bad.Error)
	}
	if _, body := fetch(t, p.published(app.Slug)+"/_deployment"); !strings.Contains(body, good.ContentHash) {
		t.Errorf("it was published all the same: %s", body)
	}
}

// TestKilledWhilePublishing kills the whole program at different moments. What is live stays live, and after the restart the
// publication comes to its end by itself.
func TestKilledWhilePublishing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	token := p.person("ada@example.com")
	p.token = token
	app := p.create("reading list")
	app, _ = p.green(app.Slug)
	live := p.live(app.Slug)
	p.says(app.Slug, "Make the primary color green")
	for i, stage := range []string{"build", "deploy", "promote"} {
		var d deploymentJSON
		if status := p.api("POST", "/apps/"+app.Slug+"/publish", nil, &d); status != http.StatusAccepted {
			t.Fatalf("publish: status %d", status)
		}
		path := fmt.Sprintf("/apps/%s/deployments/%d", app.Slug, d.ID)
		for seen := false; !seen; {
			p.api("GET", path, nil, &d)
			seen = d.Stage == stage || d.Ended
		}
		p.stop(syscall.SIGKILL)
		p = start(t, dir)
		p.token = token
		if status, body := fetch(t, p.published(app.Slug)+"/_deployment"); status != http.StatusOK || i == 0 && !strings.Contains(body, live.ContentHash) {
			t.Errorf("killed at %s, the published app answers %d %s", stage, status, body)
		}
		if d = p.ended(app.Slug, d.ID); d.Status != "deployed" {
			t.Errorf("killed at %s, it is %s: %s", stage, d.Status, d.Error)
		}
		if _, body := fetch(t, p.published(app.Slug)+"/_deployment"); !strings.Contains(body, d.ContentHash) {
			t.Errorf("killed at %s, then deployed, and the address shows %s", stage, body)
		}
	}
}

// TestSwapUnderLoad: while the published app changes again and again, every request is answered by one version or the other.
func TestSwapUnderLoad(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "data"))
	p.token = p.person("ada@example.com")
	app := p.create("reading list")
	app, _ = p.green(app.Slug)
	first := p.live(app.Slug)
	p.says(app.Slug, "Make the primary color green")
	second := p.live(app.Slug)
	address := p.published(app.Slug) + "/_deployment"
	var stop atomic.Bool
	var requests, failed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				status, body := fetch(t, address)
				requests.Add(1)
				if status != http.StatusOK || !strings.Contains(body, first.ContentHash) && !strings.Contains(body, second.ContentHash) {
					failed.Add(1)
				}
			}
		})
	}
	for range 2 {
		for _, to := range []deploymentJSON{first, second} {
			var d deploymentJSON
			p.api("POST", fmt.Sprintf("/apps/%s/deployments/%d/rollback", app.Slug, to.ID), nil, &d)
			p.ended(app.Slug, d.ID)
		}
	}
	stop.Store(true)
	wg.Wait()
	if failed.Load() != 0 || requests.Load() < 100 {
		t.Errorf("%d of %d requests failed", failed.Load(), requests.Load())
	}
	t.Logf("%d requests over 4 swaps, none failed", requests.Load())
}
