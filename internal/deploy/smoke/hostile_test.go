package smoke

import (
	"context"
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
			var died atomic.Int32
			s := app(good)
			s.extra = func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.UserAgent(), "Chrome") && r.URL.Path == "/assets/app.js" && died.Add(1) <= c.deaths {
					checker.browser.mu.Lock()
					p := checker.browser.cur
					checker.browser.mu.Unlock()
					if p != nil {
						kill(t, p)
					}
					return
				}
				w.Header().Set(pass, "yes")
			}
			r, err := checker.Verify(t.Context(), serve(t, s))
			if err != nil || r.OK != c.ok {
				t.Errorf("got %s, %v", brief(r), err)
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
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("it took %s", took)
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
