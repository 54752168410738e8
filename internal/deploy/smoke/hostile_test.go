package smoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/testing/browsertest"
)

// says fails unless one of a report's errors is of a class and has these words.
func says(t *testing.T, r Report, class, words string) {
	t.Helper()
	for _, p := range errorsOf(r) {
		if p.Class == class && strings.Contains(p.Message, words) {
			return
		}
	}
	t.Errorf("no error of the class %s says %q: %s", class, words, brief(r))
}

// TestBrowserDiesUnderAPage: one that dies once is started again, and the app is not blamed; one that dies each time is
// a page that kills it, and never a good result.
func TestBrowserDiesUnderAPage(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	for name, c := range map[string]struct {
		deaths int32
		ok     bool
	}{"once": {1, true}, "each time": {1 << 20, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checker := newChecker(t, Config{})
			var asked atomic.Int32
			s := app(good)
			s.extra = func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.UserAgent(), "Chrome") && r.URL.Path == "/assets/app.js" && asked.Add(1) <= c.deaths {
					if err := killCurrent(checker); err != nil {
						t.Error(err)
					}
					return
				}
				w.Header().Set(pass, "yes")
			}
			r, err := checker.Verify(t.Context(), serve(t, s))
			if err != nil || r.OK != c.ok || !r.Opened || asked.Load() != 2 {
				t.Errorf("asked %d times: %s, %v", asked.Load(), brief(r), err)
			}
			if !c.ok {
				says(t, r, classRuntime, "makes the browser crash")
			}
		})
	}
}

// TestBrowserHangsAtItsStart: a check ends when its caller has no time left, and so does one that waits for the same
// start.
func TestBrowserHangsAtItsStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chromium")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := newBrowser(Config{Profiles: t.TempDir(), Parallel: 2, Idle: time.Hour}.withDefaults(), path, "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		began := time.Now()
		if b.close(); time.Since(began) > startTimeout/2 {
			t.Errorf("closing waited %s for the start", time.Since(began))
		}
	}()
	began := time.Now()
	done := make(chan error, 2)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		go func() {
			_, err := b.acquire(ctx)
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err == nil || time.Since(began) > startTimeout/2 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	}
	b.mu.Lock()
	starting := b.starting
	b.mu.Unlock()
	if starting == nil {
		t.Error("the start that others wait for was ended with its first caller")
	}
}

func TestRedirectsInACircle(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	for name, extra := range map[string]http.HandlerFunc{
		"everything": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"the start page": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/", http.StatusFound)
				return
			}
			w.Header().Set(pass, "yes")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := app(good)
			s.extra = extra
			r, err := common.get(t).Verify(t.Context(), serve(t, s))
			if err != nil || r.OK {
				t.Fatalf("got %s, %v", brief(r), err)
			}
			says(t, r, classDeployment, "redirects in a circle")
		})
	}
}

// TestNeverStopsLoading: a script that never comes leaves the page empty; the check ends, and says so.
func TestNeverStopsLoading(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	s := app(good)
	s.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/assets/app.js" && strings.Contains(r.UserAgent(), "Chrome") {
			select {
			case <-over:
			case <-r.Context().Done():
			}
			return
		}
		w.Header().Set(pass, "yes")
	}
	c := newChecker(t, Config{Timeout: 8 * time.Second, Hang: 2 * time.Second})
	began := time.Now()
	r, err := c.Verify(t.Context(), serve(t, s))
	if err != nil || r.OK {
		t.Errorf("got %s, %v", brief(r), err)
	}
	says(t, r, classBlank, "nothing is visible after 3s")
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestShowsButLoadsOn: what never arrives does not matter once the page shows something.
func TestShowsButLoadsOn(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	s := app(good + `; fetch("/slow"); document.body.append(Object.assign(new Image(), { src: "/slow" }))`)
	over := make(chan struct{})
	defer close(over)
	s.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			w.Header().Set(pass, "yes")
			return
		}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}
	if r := verify(t, common.get(t), serve(t, s)); !r.OK || !r.Opened || len(r.Screenshot) == 0 {
		t.Errorf("got %s", brief(r))
	}
}

// TestRouteFails: a page that answers with an error of the server is broken, whoever names it.
func TestRouteFails(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	s := app(`document.getElementById("root").innerHTML = "<a href=/report>report</a>"`)
	s.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/report" {
			http.Error(w, "no luck", http.StatusInternalServerError)
			return
		}
		w.Header().Set(pass, "yes")
	}
	r := verify(t, common.get(t), serve(t, s))
	if r.OK {
		t.Errorf("got %s", brief(r))
	}
	says(t, r, classNetwork, "On /report: The page asks for /report, which answers with status 500.")
}

// TestOwnPolicyRefuses: a page whose security policy keeps its own code from running says so nowhere else.
func TestOwnPolicyRefuses(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	for name, c := range map[string]struct {
		policy, script, says string
	}{
		"inline style":   {"style-src 'self'", good + `; document.head.append(Object.assign(document.createElement("style"), { textContent: "h1 { color: red }" }))`, "style"},
		"code in a text": {"script-src 'self'", good + `; setTimeout("1", 0)`, "Evaluating a string"},
		"another origin": {"img-src 'self'", good + `; new Image().src = "http://127.0.0.1:9/pixel.gif"`, ""},
		"tried out only": {"", good + `; eval("1")`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := app(c.script)
			s.extra = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(pass, "yes")
				w.Header().Set("Content-Security-Policy-Report-Only", "script-src 'self'")
				if c.policy != "" {
					w.Header().Set("Content-Security-Policy", c.policy)
				}
			}
			r := verify(t, common.get(t), serve(t, s))
			if r.OK != (c.says == "") {
				t.Fatalf("got %s", brief(r))
			}
			if c.says != "" {
				says(t, r, classRuntime, c.says)
			}
		})
	}
}

// TestLostForTheOthers: when only the start page gets a browser, the report does not pass over the others in silence.
func TestLostForTheOthers(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chromium")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec "+mustFind(t)+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := newChecker(t, Config{Chromium: path, Parallel: 1})
	p := newPages(`show(path)`)
	inner := p.extra
	p.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders" {
			if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
				t.Error(err)
			}
			if err := killCurrent(c); err != nil {
				t.Error(err)
			}
		}
		inner(w, r)
	}
	target := serve(t, p.site)
	target.Routes = []string{"/orders", "/about"}
	r := verify(t, c, target)
	if !r.Opened || r.Notice != "Of 3 pages, 1 were opened: there was no browser for the others." {
		t.Errorf("got %s", brief(r))
	}
}

// TestLargeFile: what is compared is the whole of a file, however large, without keeping it.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	write := func(w io.Writer, last byte) {
		chunk := make([]byte, 1<<20)
		for i := range size >> 20 {
			if i == size>>20-1 {
				chunk[len(chunk)-1] = last
			}
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	s := app(good)
	s.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/assets/film.mp4" {
			write(w, 1)
			return
		}
		w.Header().Set(pass, "yes")
	}
	c := newChecker(t, Config{})
	c.browser = nil // what is asked for here is compared over HTTP
	for last, ok := range map[byte]bool{1: true, 2: false} {
		sum := sha256.New()
		write(sum, last)
		target := serve(t, s)
		target.Assets["/assets/film.mp4"] = hex.EncodeToString(sum.Sum(nil))
		if r := verify(t, c, target); r.OK != ok {
			t.Errorf("ends with %d: %s", last, brief(r))
		}
	}
}

func TestOrigin(t *testing.T) {
	for raw, want := range map[string]string{
		"http://Todo.example/": "http://todo.example", "HTTPS://todo.example:443/a": "https://todo.example", "http://todo.example:80": "http://todo.example",
		"http://todo.example:443": "http://todo.example:443", "https://todo.example:8443/": "https://todo.example:8443", "http://[::1]:80/": "http://[::1]",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}
