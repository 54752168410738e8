package local

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// memStore is a Store over a map: what is live under an Address.
type memStore struct {
	mu   sync.Mutex
	live map[Address]Release
	err  error

	asked int // how often Domain was
}

func (s *memStore) get(a Address) (Release, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return Release{}, s.err
	}
	r, ok := s.live[a]
	if !ok {
		return Release{}, fault.New(fault.NotFound, "Nothing is there.")
	}
	return r, nil
}

func (s *memStore) Current(_ context.Context, slug string, env model.Environment) (Release, error) {
	return s.get(Address{Slug: slug, Environment: env})
}

func (s *memStore) ByVersion(_ context.Context, slug string, id int64) (Release, error) {
	return s.get(Address{Slug: slug, Environment: model.Preview, VersionID: id})
}

func (s *memStore) ByDeployment(_ context.Context, slug string, id int64) (Release, error) {
	return s.get(Address{Slug: slug, Environment: model.Production, DeploymentID: id})
}

// Domain takes a name for a slug: www.todo.example is the domain of todo.
func (s *memStore) Domain(_ context.Context, name string) (Release, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	slug, ok := strings.CutPrefix(strings.TrimSuffix(name, ".example"), "www.")
	if !ok {
		slug = ""
	}
	return s.get(Address{Slug: slug, Environment: model.Production})
}

func (s *memStore) set(a Address, r Release) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[a] = r
}

var (
	preview    = Address{Slug: "todo", Environment: model.Preview}
	published  = Address{Slug: "todo", Environment: model.Production}
	oneVersion = Address{Slug: "todo", Environment: model.Preview, VersionID: 42}
	deployed   = Address{Slug: "todo", Environment: model.Production, DeploymentID: 9}
)

var script = []byte(strings.Repeat("export const answer = 42;\n", 200))

func build() map[string][]byte {
	return map[string][]byte{
		"index.html":               []byte("<!doctype html><title>Todo</title><div id=root></div>"),
		"assets/index-AB23CD45.js": script,
		"assets/logo.svg":          []byte("<svg/>"),
		"assets/big.png":           bytes.Repeat([]byte{0x89}, 70_000),
		"a b.txt":                  []byte("spaces"),
		"docs/index.html":          []byte("docs"),
	}
}

func mustPlan(t testing.TB, dist map[string][]byte) plan.Plan {
	t.Helper()
	p, err := plan.Make(dist, nil, plan.Options{AppID: 7, VersionID: 42, Slug: "todo", VersionNumber: "1.0.3", Environment: "preview"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newServer returns a Server with build live at all addresses.
func newServer(t testing.TB) (*Server, *memStore, plan.Plan) {
	t.Helper()
	p := mustPlan(t, build())
	rel := Release{AppID: 7, VersionID: 42, Slug: "todo", Version: "1.0.3", Hash: p.Hash}
	store := &memStore{live: map[Address]Release{preview: rel, published: rel, oneVersion: rel, deployed: rel}}
	s, err := New(Config{Dir: t.TempDir(), Store: store, API: func(id int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "api of %d: %s", id, r.URL.Path) })
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return s, store, p
}

func ask(s http.Handler, method, url string, header ...string) *http.Response {
	return askWith(s, method, url, nil, header...)
}

func askWith(s http.Handler, method, url string, body io.Reader, header ...string) *http.Response {
	r := httptest.NewRequest(method, url, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const site = "http://preview-todo.localhost:8080"

func TestServe(t *testing.T) {
	s, _, p := newServer(t)
	const page = "text/html,*/*;q=0.8"
	tests := map[string]struct {
		method, url string
		header      []string
		status      int
		want        map[string]string // headers; "" means absent
		body        string            // a part of it
	}{
		"start": {"GET", site + "/", nil, 200, map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache",
			"X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex", "Content-Security-Policy": "", "Vary": "Accept-Encoding",
		}, "<div id=root>"},
		"route":            {"GET", site + "/todos/4", []string{"Accept", page}, 200, nil, "<div id=root>"},
		"route as data":    {"GET", site + "/todos/4", []string{"Accept", "application/json"}, 404, map[string]string{"Cache-Control": "no-store", "ETag": ""}, "Not found"},
		"missing script":   {"GET", site + "/assets/gone.js", []string{"Accept", page}, 404, nil, "Not found"},
		"hashed":           {"GET", site + "/assets/index-AB23CD45.js", nil, 200, map[string]string{"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable"}, "answer"},
		"not hashed":       {"GET", site + "/assets/logo.svg", nil, 200, map[string]string{"Content-Type": "image/svg+xml", "Cache-Control": "no-cache"}, "<svg/>"},
		"spaces":           {"GET", site + "/a%20b.txt", nil, 200, nil, "spaces"},
		"folder":           {"GET", site + "/docs/", nil, 200, nil, "docs"},
		"head":             {"HEAD", site + "/assets/big.png", nil, 200, map[string]string{"Content-Length": "70000"}, ""},
		"post":             {"POST", site + "/", nil, 405, map[string]string{"Allow": "GET, HEAD"}, "only read"},
		"above":            {"GET", site + "/../../plans/" + p.Hash + ".json", nil, 404, nil, "Not found"},
		"above, escaped":   {"GET", site + "/%2e%2e%2f..%2flock", nil, 404, nil, ""},
		"range":            {"GET", site + "/a%20b.txt", []string{"Range", "bytes=1-3", "Accept-Encoding", "gzip"}, 206, map[string]string{"Content-Range": "bytes 1-3/6", "Content-Encoding": ""}, "pac"},
		"range at end":     {"GET", site + "/a%20b.txt", []string{"Range", "bytes=-2"}, 206, map[string]string{"Content-Range": "bytes 4-5/6"}, "es"},
		"range too far":    {"GET", site + "/a%20b.txt", []string{"Range", "bytes=6-"}, 416, map[string]string{"Content-Range": "bytes */6"}, ""},
		"published":        {"GET", "http://todo.localhost/", nil, 200, map[string]string{"X-Robots-Tag": "", "Content-Security-Policy": "frame-ancestors 'self'"}, "<div id=root>"},
		"candidate":        {"GET", "http://v42--preview-todo.localhost:1/", nil, 200, map[string]string{"X-Robots-Tag": "noindex"}, "<div id=root>"},
		"no candidate":     {"GET", "http://v43--preview-todo.localhost:1/", nil, 404, nil, "no app here"},
		"files of the app": {"PUT", site + "/storage/v1/object/a", nil, 200, nil, "api of 7: /storage/v1"},
		"api":              {"POST", site + "/rest/v1/todos", nil, 200, map[string]string{"Cache-Control": ""}, "api of 7: /rest/v1/todos"},
		"auth":             {"POST", site + "/auth/v1/token", nil, 200, nil, "api of 7"},
		"api, candidate":   {"GET", "http://v42--preview-todo.localhost/rest/v1/", nil, 200, nil, "api of 7"},
		"deployment":       {"GET", "http://d9--todo.localhost/", nil, 200, map[string]string{"X-Robots-Tag": "", "Content-Security-Policy": "frame-ancestors 'self'"}, "<div id=root>"},
		"no deployment":    {"GET", "http://d8--todo.localhost/", []string{"Accept", page}, 404, nil, "no app here"},
		"domain":           {"GET", "http://WWW.todo.example:8080/", nil, 200, map[string]string{"X-Robots-Tag": "", "Content-Security-Policy": "frame-ancestors 'self'"}, "<div id=root>"},
		"no domain":        {"GET", "http://www.other.example/", []string{"Accept", page}, 404, nil, "no app here"},
		"other host":       {"GET", "http://localhost:8080/", []string{"Accept", page}, 404, map[string]string{"Content-Type": "text/html; charset=utf-8"}, "<h1>There is no app here"},
		"not published":    {"GET", "http://other.localhost/", nil, 404, map[string]string{"Retry-After": ""}, "There is no app here"},
		"not built":        {"GET", "http://preview-other.localhost/", []string{"Accept", page}, 503, map[string]string{"Retry-After": "5"}, `http-equiv="refresh" content="5"`},
		"not built, data":  {"GET", "http://preview-other.localhost/x.js", nil, 503, map[string]string{"Content-Type": "text/plain; charset=utf-8"}, "Not built yet"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := ask(s, tt.method, tt.url, tt.header...)
			body := bodyOf(t, r)
			if r.StatusCode != tt.status || !strings.Contains(body, tt.body) || tt.method == "HEAD" && body != "" {
				t.Errorf("%d %q", r.StatusCode, body)
			}
			for k, v := range tt.want {
				if got := r.Header.Get(k); got != v {
					t.Errorf("%s: %q, want %q", k, got, v)
				}
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	s, _, p := newServer(t)
	want := plan.Info{AppID: 7, Slug: "todo", Version: "1.0.3", VersionID: 42, Environment: "preview", ContentHash: p.Hash}
	for path, status := range map[string]string{"/_deployment": "", "/_health": "ok"} {
		r := ask(s, "GET", site+path)
		var got plan.Info
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		want.Status = status
		if diff := cmp.Diff(want, got); diff != "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func decode(t *testing.T, coding string, r io.Reader) []byte {
	t.Helper()
	switch coding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConditionalAndCompressed(t *testing.T) {
	s, _, _ := newServer(t)
	const url = site + "/assets/index-AB23CD45.js"
	for accept, coding := range map[string]string{"gzip": "gzip", "br;q=0, gzip;q=0.8": "gzip", "gzip, deflate, br, zstd": "br", "BR; Q=0.1": "br"} {
		for range 2 { // computed, then from memory
			r := ask(s, "GET", url, "Accept-Encoding", accept)
			if r.Header.Get("Content-Encoding") != coding || r.ContentLength <= 0 || r.ContentLength > 500 {
				t.Fatalf("%s: not compressed: %v", accept, r.Header)
			}
			if got := decode(t, coding, r.Body); !bytes.Equal(got, script) {
				t.Fatalf("%s: %d bytes", accept, len(got))
			}
			if tag := r.Header.Get("ETag"); ask(s, "GET", url, "If-None-Match", tag).StatusCode != 304 || !strings.HasPrefix(tag, "W/") {
				t.Errorf("tag %s", tag)
			}
		}
	}
	plainTag := ask(s, "GET", url).Header.Get("ETag")
	for _, accept := range []string{"br", "gzip", "identity", "gzip;q=0"} {
		r := ask(s, "GET", url, "If-None-Match", `"other", `+plainTag, "Accept-Encoding", accept)
		if r.StatusCode != 304 || bodyOf(t, r) != "" {
			t.Errorf("%s: status %d", accept, r.StatusCode)
		}
	}
	if r := ask(s, "GET", url, "Accept-Encoding", "gzip;q=0"); r.Header.Get("Content-Encoding") != "" || r.ContentLength != int64(len(script)) {
		t.Errorf("gzip was refused: %v", r.Header)
	}
	if r := ask(s, "GET", site+"/assets/big.png", "Accept-Encoding", "gzip, br"); r.Header.Get("Content-Encoding") != "" {
		t.Error("pictures do not get smaller")
	}
	if r := ask(s, "HEAD", url, "Accept-Encoding", "br"); r.Header.Get("Content-Encoding") != "br" || bodyOf(t, r) != "" {
		t.Error("HEAD must have the headers of GET, and no body")
	}
}

func TestPromotionIsImmediate(t *testing.T) {
	s, store, _ := newServer(t)
	dist := build()
	dist["index.html"] = []byte("second")
	p := mustPlan(t, dist)
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, ask(s, "GET", site+"/")); strings.Contains(got, "second") {
		t.Error("Put must not move the preview")
	}
	store.set(preview, Release{AppID: 7, VersionID: 43, Slug: "todo", Version: "1.0.4", Hash: p.Hash})
	if got := bodyOf(t, ask(s, "GET", site+"/")); got != "second" {
		t.Errorf("got %q", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	s, _, p := newServer(t)
	s.hot = newLRU[[]byte](10_000) // so that entries come and go
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				a := p.Assets[rand.IntN(len(p.Assets))]
				if r := ask(s, "GET", site+strings.ReplaceAll(a.Path, " ", "%20"), "Accept-Encoding", "gzip"); r.StatusCode != 200 {
					t.Errorf("%s: %d", a.Path, r.StatusCode)
				}
				if i == 0 && j%10 == 0 {
					if err := s.Put(t.Context(), p); err != nil {
						t.Error(err)
					}
				}
				if i == 1 && j%10 == 0 {
					if err := s.Sweep(t.Context(), nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestLRU(t *testing.T) {
	c := newLRU[int](10)
	c.add("a", 1, 4)
	c.add("b", 2, 4)
	c.get("a")
	c.add("c", 3, 4)
	c.add("huge", 4, 11)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s is kept: %v", key, ok)
		}
	}
	c.add("a", 5, 1)
	c.remove("c")
	if v, _ := c.get("a"); v != 5 || c.used != 1 {
		t.Errorf("a = %d, used %d", v, c.used)
	}
}
