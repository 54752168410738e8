package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

// A tarEntry is a file of a package; Link makes it a symbolic link.
type tarEntry struct {
	Name, Content, Link string
	Mode                int64
}

func tarball(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.Name, Size: int64(len(e.Content)), Mode: max(e.Mode, 0o644), Typeflag: tar.TypeReg}
		if e.Link != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.Link, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.Content)[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func integrity(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// shop is a small registry on loopback that can misbehave.
type shop struct {
	t        testing.TB
	url      string
	requests atomic.Int64

	mu       sync.Mutex
	packages map[string]map[string]*Manifest // name -> version
	tarballs map[string][]byte               // by path
	trouble  func(w http.ResponseWriter, r *http.Request) bool
}

func newShop(t testing.TB) *shop {
	s := &shop{t: t, packages: map[string]map[string]*Manifest{}, tarballs: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	s.mu.Lock()
	trouble := s.trouble
	body, isTarball := s.tarballs[r.URL.Path]
	versions := s.packages[strings.TrimPrefix(r.URL.Path, "/")]
	s.mu.Unlock()
	if trouble != nil && trouble(w, r) {
		return
	}
	switch {
	case isTarball:
		_, _ = w.Write(body)
	case versions != nil:
		latest := ""
		for v := range versions {
			latest = max(latest, v)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": r.URL.Path[1:], "dist-tags": map[string]string{"latest": latest}, "versions": versions})
	default:
		http.NotFound(w, r)
	}
}

// offer puts a package on the shelf and returns what a lock says about it.
func (s *shop) offer(name, version string, m Manifest, entries ...tarEntry) Item {
	s.t.Helper()
	if len(entries) == 0 {
		entries = []tarEntry{{Name: "package/package.json", Content: fmt.Sprintf(`{"name":%q,"version":%q}`, name, version)}}
	}
	b := tarball(s.t, entries...)
	at := "/" + name + "/-/" + path.Base(name) + "-" + version + ".tgz"
	m.Name, m.Version = name, version
	m.Dist.Integrity, m.Dist.Tarball = integrity(b), s.url+at
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.packages[name] == nil {
		s.packages[name] = map[string]*Manifest{}
	}
	s.packages[name][version] = &m
	s.tarballs[at] = b
	return Item{name, version, m.Dist.Integrity}
}

// impatient waits briefly, so that the tests of failures are quick.
var impatient = Patience{Attempts: 3, Backoff: time.Millisecond, Header: 200 * time.Millisecond, Stall: 200 * time.Millisecond}

func (s *shop) store() *Store {
	s.t.Helper()
	return s.storeAt(s.t.TempDir())
}

func (s *shop) storeAt(dir string) *Store {
	s.t.Helper()
	s.t.Setenv("npm_config_registry", s.url)
	r, err := NewRegistry(dir, http.DefaultTransport.(*http.Transport).Clone(), impatient)
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := OpenStore(dir, r, Platform{"linux", "x64", "glibc"})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// nothingLeft fails if the store holds a package, a tree or unfinished work.
func nothingLeft(t *testing.T, s *Store) {
	t.Helper()
	for _, d := range []string{s.packages, s.trees, s.temp} {
		if e, err := os.ReadDir(d); err != nil || len(e) > 0 {
			t.Errorf("%s holds %v (%v)", filepath.Base(d), e, err)
		}
	}
}

func TestPackageIsExtracted(t *testing.T) {
	s := newShop(t)
	it := s.offer("@scope/tool", "1.2.3", Manifest{},
		tarEntry{Name: "package/package.json", Content: "{}"},
		tarEntry{Name: "package/bin/run", Content: "#!/bin/sh\n", Mode: 0o755},
		tarEntry{Name: "package/evil", Link: "/etc/passwd"},
		tarEntry{Name: "./package/lib/a.js", Content: "first"},
		tarEntry{Name: "package/lib/a.js", Content: "second"},
	)
	store := s.store()
	dir, err := store.Package(t.Context(), it, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		rel, _ := filepath.Rel(dir, p)
		b, _ := os.ReadFile(p)
		got[rel] = info.Mode().String() + " " + string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"package.json": "-r--r--r-- {}", "bin/run": "-r-xr-xr-x #!/bin/sh\n", "lib/a.js": "-r--r--r-- second"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	before := s.requests.Load()
	if again, err := store.Package(t.Context(), it, nil); err != nil || again != dir || s.requests.Load() != before {
		t.Errorf("the second call gave %s, %v after %d requests", again, err, s.requests.Load()-before)
	}
}

func TestPackageFailures(t *testing.T) {
	ok := tarEntry{Name: "package/package.json", Content: "{}"}
	tests := []struct {
		name    string
		entries []tarEntry
		trouble func(w http.ResponseWriter, r *http.Request) bool
		spoil   func(it *Item)
		want    fault.Kind
		says    string
	}{
		{name: "server errors", trouble: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }, want: fault.Unavailable, says: "does not answer"},
		{name: "access refused", trouble: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(401); return true }, want: fault.Unavailable, says: "token"},
		{name: "no such package", trouble: func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }, want: fault.NotFound, says: "no package"},
		{name: "no answer", trouble: func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, want: fault.Unavailable, says: "does not answer"},
		{name: "stalled body", trouble: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("half"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}, want: fault.Unavailable, says: "does not answer"},
		{name: "truncated", trouble: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("half"))
			return true
		}, want: fault.Unavailable, says: "does not answer"},
		{name: "other bytes", spoil: func(it *Item) { it.Integrity = integrity([]byte("other")) }, want: fault.Unavailable, says: "sha512"},
		{name: "no sha512", spoil: func(it *Item) { it.Integrity = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }, want: fault.Invalid, says: "sha512"},
		{name: "traversal", entries: []tarEntry{ok, {Name: "package/../../../evil", Content: "x"}}, want: fault.Invalid, says: "outside"},
		{name: "absolute", entries: []tarEntry{ok, {Name: "package//etc/evil", Content: "x"}}, want: fault.Invalid, says: "outside"},
		{name: "backslash", entries: []tarEntry{ok, {Name: `package/..\evil`, Content: "x"}}, want: fault.Invalid, says: "outside"},
		{name: "only links", entries: []tarEntry{{Name: "package/a", Link: "/"}}, want: fault.Invalid, says: "empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t)
			s.t = t
			it := s.offer("thing", "1.0.0", Manifest{}, test.entries...)
			if test.spoil != nil {
				test.spoil(&it)
			}
			store := s.store()
			s.trouble = test.trouble
			start := time.Now()
			_, err := store.Package(t.Context(), it, nil)
			if !fault.Is(err, test.want) || !strings.Contains(fault.Text(err), test.says) {
				t.Errorf("got %s: %v", fault.KindOf(err), err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("it took %s", d)
			}
			nothingLeft(t, store)
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	s := newShop(t)
	it := s.offer("thing", "1.0.0", Manifest{})
	store := s.store()
	var n atomic.Int64
	s.trouble = func(w http.ResponseWriter, _ *http.Request) bool {
		if n.Add(1) > 2 {
			return false
		}
		w.WriteHeader(503)
		return true
	}
	if _, err := store.Package(t.Context(), it, nil); err != nil {
		t.Error(err)
	}
}

func TestDeadRegistry(t *testing.T) {
	s := newShop(t)
	it := s.offer("thing", "1.0.0", Manifest{})
	s.url = "http://127.0.0.1:1"
	if _, err := s.store().Package(t.Context(), it, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	s := newShop(t)
	it := s.offer("thing", "1.0.0", Manifest{})
	store := s.store()
	ctx, cancel := context.WithCancel(t.Context())
	s.trouble = func(_ http.ResponseWriter, r *http.Request) bool { cancel(); <-r.Context().Done(); return true }
	if _, err := store.Package(ctx, it, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, store)
}

func TestAlternativeTarballAddress(t *testing.T) {
	s := newShop(t)
	it := s.offer("thing", "1.0.0", Manifest{})
	const usual, other = "/thing/-/thing-1.0.0.tgz", "/files/thing.tgz"
	s.tarballs[other] = s.tarballs[usual]
	delete(s.tarballs, usual)
	m := s.packages["thing"]["1.0.0"]
	m.Dist.Tarball = s.url + other
	s.trouble = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/thing/1.0.0" {
			_ = json.NewEncoder(w).Encode(m)
			return true
		}
		return false
	}
	if _, err := s.store().Package(t.Context(), it, nil); err != nil {
		t.Error(err)
	}
}

func TestTokenIsSent(t *testing.T) {
	s := newShop(t)
	it := s.offer("thing", "1.0.0", Manifest{})
	t.Setenv("npm_config_userconfig", filepath.Join(t.TempDir(), "npmrc"))
	conf := strings.TrimPrefix(s.url, "http:") + "/:_authToken=secret\n"
	if err := os.WriteFile(os.Getenv("npm_config_userconfig"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var got atomic.Value
	s.trouble = func(_ http.ResponseWriter, r *http.Request) bool {
		got.Store(r.Header.Get("Authorization"))
		return false
	}
	if _, err := s.store().Package(t.Context(), it, nil); err != nil || got.Load() != "Bearer secret" {
		t.Errorf("sent %q, got %v", got.Load(), err)
	}
}

// lockFor makes a lock of items at the top level.
func lockFor(items ...Item) *Lock {
	l := &Lock{Packages: map[string]*Entry{"": {}}}
	for _, it := range items {
		l.Packages["node_modules/"+it.Name] = &Entry{Version: it.Version, Integrity: it.Integrity}
	}
	return l
}

func TestTreeSharedByConcurrentCalls(t *testing.T) {
	s := newShop(t)
	l := lockFor(s.offer("a", "1.0.0", Manifest{}), s.offer("b", "2.0.0", Manifest{}))
	store := s.store()
	var wg sync.WaitGroup
	dirs := make([]string, 8)
	for i := range dirs {
		wg.Go(func() {
			var err error
			if dirs[i], err = store.Tree(t.Context(), l, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.requests.Load(); n != 2 {
		t.Errorf("%d requests for two packages", n)
	}
	a, errA := os.Stat(filepath.Join(dirs[7], "node_modules", "a", "package.json"))
	b, errB := os.Stat(filepath.Join(store.packages, mustOne(t, store.packages, "a@"), "package.json"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("the tree does not link into the store: %v %v", errA, errB)
	}
}

func mustOne(t *testing.T, dir, prefix string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			return e.Name()
		}
	}
	t.Fatalf("no %s in %s", prefix, dir)
	return ""
}

func TestTreeIsWholeOrAbsent(t *testing.T) {
	s := newShop(t)
	good := s.offer("a", "1.0.0", Manifest{})
	bad := s.offer("b", "2.0.0", Manifest{})
	bad.Integrity = integrity([]byte("x"))
	store := s.store()
	var lines []string
	if _, err := store.Tree(t.Context(), lockFor(good, bad), func(l string) { lines = append(lines, l) }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	for _, d := range []string{store.trees, store.temp} {
		if e, err := os.ReadDir(d); err != nil || len(e) > 0 {
			t.Errorf("%s holds %v (%v)", d, e, err)
		}
	}
	if len(lines) == 0 || !strings.Contains(lines[len(lines)-1], "of 2 packages") {
		t.Errorf("progress: %q", lines)
	}
}

func TestOpenStoreSweeps(t *testing.T) {
	s := newShop(t)
	store := s.store()
	old, young := filepath.Join(store.temp, "old"), filepath.Join(store.temp, "young")
	for _, d := range []string{old, young} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(filepath.Dir(store.temp), store.Registry, store.Platform); err != nil {
		t.Fatal(err)
	}
	if isDir(old) || !isDir(young) {
		t.Errorf("old: %t, young: %t", isDir(old), isDir(young))
	}
}
