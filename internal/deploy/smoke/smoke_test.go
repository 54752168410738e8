package smoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/browsertest"
)

// site is an app as a Worker would serve it, from a map of its files.
type site struct {
	files   map[string]string // by path
	version string
	hash    string
	extra   http.HandlerFunc // answers first, if it reports with a header that it did not
}

const pass = "X-Pass" // set by extra to leave a request to the files

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.extra != nil {
		s.extra(w, r)
		if w.Header().Get(pass) == "" {
			return
		}
		w.Header().Del(pass)
	}
	p := r.URL.Path
	switch p {
	case "/_health", "/_deployment":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"version":"` + s.version + `","content_hash":"` + s.hash + `"}`))
		return
	case "/":
		p = "/index.html"
	}
	body, ok := s.files[p]
	if !ok {
		http.NotFound(w, r)
		return
	}
	switch {
	case strings.HasSuffix(p, ".js"):
		w.Header().Set("Content-Type", "text/javascript")
	case strings.HasSuffix(p, ".html"), !strings.Contains(p, "."):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	_, _ = w.Write([]byte(body))
}

func (s site) hashes() map[string]string {
	out := map[string]string{}
	for p, body := range s.files {
		sum := sha256.Sum256([]byte(body))
		out[p] = hex.EncodeToString(sum[:])
	}
	return out
}

// serve starts the site at the host name of a preview, and returns what a check of it asks for.
func serve(t *testing.T, s site) Target {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return Target{URL: "http://preview-todo.localhost:" + u.Port() + "/", Version: s.version, Hash: s.hash, Assets: s.hashes()}
}

func app(script string) site {
	return site{version: "1.0.1", hash: "abc", files: map[string]string{
		"/index.html":    `<!doctype html><title> Todo </title><link rel="icon" href="/none.ico"><div id="root"></div><script type="module" src="/assets/app.js"></script>`,
		"/assets/app.js": script,
	}}
}

const good = `document.getElementById("root").innerHTML = "<h1>Your todos</h1>"`

func newChecker(t *testing.T, cfg Config) *Checker {
	t.Helper()
	if cfg.Profiles == "" {
		cfg.Profiles = t.TempDir()
	}
	if cfg.Appear == 0 {
		cfg.Appear = 200 * time.Millisecond
	}
	if cfg.Blank == 0 {
		cfg.Blank = time.Second
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// brief writes a report without its pictures.
func brief(r Report) string {
	r.Screenshot, r.ScreenshotNarrow, r.Snapshot = nil, nil, Snapshot{}
	return fmt.Sprintf("%+v", r)
}

func errorsOf(r Report) (out []model.Diagnostic) {
	for _, p := range r.Problems {
		if !p.Warning {
			out = append(out, p)
		}
	}
	return out
}

func TestVerify(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	tests := map[string]struct {
		site   site
		change func(*Target)
		class  string // of the one problem; "" when the version must be found well
		text   string // in its message
	}{
		"good page": {site: app(good)},
		"good page that polls and logs": {site: app(good + `;
			setInterval(() => fetch("/assets/app.js"), 20); console.error("Warning: each child needs a key"); alert("hello")`)},
		"socket that stays open": {site: app(`const s = new WebSocket("ws://" + location.host + "/socket"); s.onopen = s.onerror = s.onclose = () => {}; ` + good)},
		"stream that stays open": {site: site{version: "1.0.1", hash: "abc", files: app(good + `; new EventSource("/events")`).files, extra: stream}},
		"dialogs of every kind":  {site: app(`alert("a"); confirm("b"); prompt("c"); print(); onbeforeunload = e => e.preventDefault(); ` + good)},
		"download at start":      {site: app(good + `; const a = document.createElement("a"); a.href = URL.createObjectURL(new Blob(["x"])); a.download = "x.bin"; a.click()`)},
		"opens windows":          {site: app(good + `; for (let i = 0; i < 5; i++) window.open("/", "w" + i)`)},
		"service worker":         {site: withFile(app(`navigator.serviceWorker.register("/sw.js"); `+good), "/sw.js", `addEventListener("fetch", e => e.respondWith(fetch(e.request)))`)},
		"floods the console":     {site: app(good + `; for (let i = 0; i < 20000; i++) console.log("line " + i)`)},
		"large document":         {site: app(good + `; document.body.append(...Array.from({ length: 50000 }, (_, i) => { const p = document.createElement("p"); p.textContent = "row " + i; return p }))`)},
		"picture only":           {site: app(`document.getElementById("root").innerHTML = "<svg width=40 height=40></svg>"`)},
		"shows late":             {site: app(`setTimeout(() => {` + good + `}, 300)`)},
		"caught data error":      {site: app(good + `; console.error("could not load", new Error("no rows"))`)},
		"third party is gone":    {site: app(good + `; new Image().src = "http://127.0.0.1:9/pixel.gif"`)},
		"throws at start":        {site: app(`undefined_thing()`), class: "runtime", text: "ReferenceError"},
		"throws in a promise":    {site: app(good + `; Promise.reject(new Error("no luck"))`), class: "runtime", text: "no luck"},
		"throws but shows":       {site: app(good + `; null.x`), class: "runtime", text: "TypeError"},
		"caught by framework":    {site: app(good + `; try { null.x } catch (e) { console.error(e) }`), class: "runtime", text: "TypeError"},
		"script does not load":   {site: app(`import "./gone.js"`), class: "network", text: "/assets/gone.js"},
		"blank":                  {site: app(``), class: "blank"},
		"spaces only":            {site: app(`document.getElementById("root").innerHTML = "<div> <svg width=0 height=0></svg> </div>"`), class: "blank"},
		"reloads for ever":       {site: app(good + `; location.reload()`), class: "runtime", text: "reloads"},
		"own API fails":          {site: app(good + `; fetch("/rest/v1/todos")`), class: "network", text: "/rest/v1/todos"},
		"wrong hash":             {site: app(good), change: func(t *Target) { t.Hash = "def" }, class: "deployment", text: "instead of def"},
		"wrong version":          {site: app(good), change: func(t *Target) { t.Version = "1.0.2" }, class: "deployment", text: `"1.0.2"`},
		"other content":          {site: app(good), change: func(t *Target) { t.Assets["/assets/app.js"] = strings.Repeat("0", 64) }, class: "deployment", text: "other content"},
		"missing asset":          {site: app(good), change: func(t *Target) { t.Assets["/assets/lazy.js"] = strings.Repeat("0", 64) }, class: "deployment", text: "/assets/lazy.js answers with status 404"},
		"endless redirect": {site: site{extra: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/", http.StatusFound)
		}}, class: "deployment", text: "redirects in a circle"},
		"nothing there": {site: app(good), change: func(t *Target) { t.URL = "http://preview-todo.localhost:9/" }, class: "deployment", text: "does not answer"},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		tt := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := serve(t, tt.site)
			if tt.change != nil {
				tt.change(&target)
			}
			r, err := c.Verify(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v: ok=%v opened=%v %s", r.Duration.Round(time.Millisecond), r.OK, r.Opened, r.Notice)
			wrong := errorsOf(r)
			if r.OK != (tt.class == "") || r.OK != (len(wrong) == 0) {
				t.Fatalf("OK = %v, problems %+v", r.OK, r.Problems)
			}
			if tt.class != "" && !slices.ContainsFunc(wrong, func(d model.Diagnostic) bool {
				return d.Class == tt.class && strings.Contains(d.Message, tt.text)
			}) {
				t.Errorf("no problem of class %s with %q in %+v", tt.class, tt.text, wrong)
			}
		})
	}
}

// stream answers /events with a stream that does not end by itself.
func stream(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/events" {
		w.Header().Set(pass, "yes")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte("data: first\n\n"))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// withFile adds a file to a site.
func withFile(s site, path, body string) site {
	s.files[path] = body
	return s
}

// TestAppearsLate is a network that takes a moment to show a new version everywhere.
func TestAppearsLate(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{})
	var asked atomic.Int32
	s := app(good)
	s.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_deployment" && asked.Add(1) < 4 {
			_, _ = w.Write([]byte(`{"version":"1.0.0","content_hash":"old"}`))
			return
		}
		w.Header().Set(pass, "yes")
	}
	at := serve(t, s)
	at.Appear = 5 * time.Second
	r, err := c.Verify(t.Context(), at)
	if err != nil || !r.OK {
		t.Errorf("got %s, %v", brief(r), err)
	}
	asked.Store(-1 << 20)
	at.Appear = 0 // as long as the checker's configuration says
	if r, err = c.Verify(t.Context(), at); err != nil || r.OK {
		t.Errorf("a version that does not appear: %s, %v", brief(r), err)
	}
}

func TestReport(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	r, err := c.Verify(t.Context(), serve(t, app(good)))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Opened || r.Title != "Todo" || r.Notice != "" {
		t.Errorf("got %s", brief(r))
	}
	img, err := png.DecodeConfig(bytes.NewReader(r.Screenshot))
	if err != nil || img.Width != 640 || img.Height != 400 {
		t.Errorf("screenshot %dx%d, %v", img.Width, img.Height, err)
	}
	if wrong := errorsOf(r); len(r.Problems) == 0 || len(wrong) != 0 {
		t.Errorf("a missing icon must be a warning: %+v", r.Problems)
	}
}

func TestConsoleAndNetwork(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	r, err := c.Verify(t.Context(), serve(t, app(good+`; console.log("hello", 7); console.warn("careful"); fetch("/rest/v1/todos"); null.x`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Line{{model.LogInfo, "hello 7"}, {model.LogWarn, "careful"}} {
		if !slices.Contains(r.Console, want) {
			t.Errorf("the console %v lacks %v", r.Console, want)
		}
	}
	if !slices.ContainsFunc(r.Console, func(l Line) bool { return strings.HasPrefix(l.Text, "TypeError: ") }) {
		t.Errorf("the console %v lacks the exception", r.Console)
	}
	if !slices.Contains(r.Network, Line{model.LogError, "404 /rest/v1/todos"}) {
		t.Errorf("network: %v", r.Network)
	}
}

func TestEndlessLoop(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{Hang: 3 * time.Second})
	r, err := c.Verify(t.Context(), serve(t, app(good+`; setTimeout(() => { for (;;); }, 20)`)))
	if err != nil {
		t.Fatal(err)
	}
	if wrong := errorsOf(r); r.OK || len(wrong) != 1 || wrong[0].Class != "timeout" || !strings.Contains(wrong[0].Message, "endless loop") {
		t.Errorf("got %s", brief(r))
	}
	if r, err := c.Verify(t.Context(), serve(t, app(good))); err != nil || !r.OK || !r.Opened {
		t.Errorf("the next check must not suffer: %s, %v", brief(r), err)
	}
}

func TestBrowserKilled(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{})
	target := serve(t, app(good))
	if _, err := c.Verify(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	p, err := c.browser.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.browser.release()
	kill(t, p)
	r, err := c.Verify(t.Context(), target)
	if err != nil || !r.OK || !r.Opened {
		t.Errorf("a new browser must take over: %s, %v", brief(r), err)
	}
}

func TestIdleBrowserEnds(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	profiles := t.TempDir()
	c := newChecker(t, Config{Idle: 50 * time.Millisecond, Profiles: profiles})
	target := serve(t, app(good))
	for range 2 { // it also comes back
		if r, err := c.Verify(t.Context(), target); err != nil || !r.OK {
			t.Fatalf("%s, %v", brief(r), err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for left := []os.DirEntry{nil}; len(left) > 0; time.Sleep(20 * time.Millisecond) {
			var err error
			if left, err = os.ReadDir(profiles); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("still there: %v", left)
			}
		}
	}
}

func TestParallel(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, app(`localStorage.n = 1 + Number(localStorage.n || 0);
		document.getElementById("root").textContent = "Visit " + localStorage.n; document.title = localStorage.n`))
	reports := make(chan Report, 4)
	for range cap(reports) {
		go func() {
			r, err := c.Verify(context.Background(), target)
			if err != nil {
				t.Error(err)
			}
			reports <- r
		}()
	}
	for range cap(reports) {
		if r := <-reports; !r.OK || r.Title != "1" {
			t.Errorf("checks must not share storage: %s", brief(r))
		}
	}
}

func TestWithoutBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := newChecker(t, Config{})
	r, err := c.Verify(t.Context(), serve(t, app(good)))
	if err != nil || !r.OK || r.Opened || r.Notice == "" {
		t.Errorf("got %s, %v", brief(r), err)
	}
	if _, err := New(Config{Chromium: "/nonexistent/chromium"}); err == nil {
		t.Error("a browser that was asked for must exist")
	}
}

func TestBrowserThatDoesNotStart(t *testing.T) {
	c := newChecker(t, Config{Chromium: "/bin/false"})
	r, err := c.Verify(t.Context(), serve(t, app(good)))
	if err != nil || !r.OK || r.Opened || !strings.Contains(r.Notice, "could not be started") {
		t.Errorf("got %s, %v", brief(r), err)
	}
}

func TestCancelAndClose(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	target := serve(t, site{extra: func(http.ResponseWriter, *http.Request) { cancel() }})
	if _, err := c.Verify(ctx, target); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(t.Context(), serve(t, app(good))); err == nil {
		t.Error("a closed checker must not report success")
	}
	if _, err := c.Verify(t.Context(), Target{URL: "todo"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}
