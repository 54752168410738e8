package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
)

func TestPutIsIdempotent(t *testing.T) {
	s, _, p := newServer(t)
	before := listing(t, s.cfg.Dir)
	s.disk.write = func(*os.File, []byte) error { return errors.New("must not write") }
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listing(t, s.cfg.Dir)); diff != "" {
		t.Error(diff)
	}
}

func TestDiskFull(t *testing.T) {
	s, store, _ := newServer(t)
	before := listing(t, s.cfg.Dir)
	for failing := range 3 { // at each of the writes: two new assets and the manifest
		n := 0
		var mu sync.Mutex
		s.disk.write = func(f *os.File, b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == failing+1 {
				_, _ = f.Write(b[:len(b)/2])
				return &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
			}
			_, err := f.Write(b)
			return err
		}
		dist := build()
		dist["index.html"], dist["new.js"] = fmt.Appendf(nil, "new %d", failing), fmt.Appendf(nil, "js %d", failing)
		p := mustPlan(t, dist)
		err := s.Put(t.Context(), p)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "disk of this server is full") {
			t.Fatalf("got %v", err)
		}
		if tmp, _ := os.ReadDir(filepath.Join(s.cfg.Dir, "tmp")); len(tmp) != 0 {
			t.Errorf("left in tmp: %v", tmp)
		}
		if s.disk.hasManifest(p.Hash) {
			t.Error("half a plan can be served")
		}
		store.set(preview, Release{AppID: 7, VersionID: 43, Slug: "todo", Hash: p.Hash})
		if r := ask(s, "GET", site+"/"); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
	}
	s.cfg.Grace = -time.Minute
	if err := s.Sweep(t.Context(), map[string]bool{mustPlan(t, build()).Hash: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listing(t, s.cfg.Dir)); diff != "" {
		t.Error(diff)
	}
}

func TestSweep(t *testing.T) {
	s, _, p := newServer(t)
	dist := build()
	delete(dist, "assets/big.png")
	dist["only-new.txt"] = []byte("only here")
	second := mustPlan(t, dist)
	if err := s.Put(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), nil); err != nil || !s.disk.hasManifest(p.Hash) || !s.disk.hasManifest(second.Hash) {
		t.Fatalf("what is new must be spared: %v", err)
	}
	s.cfg.Grace = -time.Minute
	if err := s.Sweep(t.Context(), map[string]bool{p.Hash: true}); err != nil {
		t.Fatal(err)
	}
	if s.disk.hasManifest(second.Hash) || !s.disk.hasManifest(p.Hash) {
		t.Error("wrong plans are left")
	}
	for _, a := range second.Assets {
		_, err := os.Stat(s.disk.blobPath(a.Hash))
		if gone := err != nil; gone != (a.Path == "/only-new.txt") {
			t.Errorf("%s: gone = %v", a.Path, gone)
		}
	}
	if r := ask(s, "GET", site+"/assets/big.png"); r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestSweepWaitsForPut(t *testing.T) {
	s, _, _ := newServer(t)
	unlock, err := s.disk.lock(t.Context(), shared)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Sweep(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	unlock()
	if err := s.Sweep(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestDamage(t *testing.T) {
	s, store, p := newServer(t)
	store.mu.Lock()
	store.err = errors.New("the database is away")
	store.mu.Unlock()
	if r := ask(s, "GET", site+"/"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", r.StatusCode)
	}
	store.mu.Lock()
	store.err = nil
	store.mu.Unlock()

	var index plan.Asset
	for _, a := range p.Assets {
		if a.Path == plan.Index {
			index = a
		}
	}
	if err := os.WriteFile(s.disk.blobPath(index.Hash), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := ask(s, "GET", site+"/"); r.StatusCode != 503 || r.Header.Get("ETag") != "" {
		t.Errorf("a damaged file was served: %d", r.StatusCode)
	}
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r := ask(s, "GET", site+"/"); r.StatusCode != 200 {
		t.Errorf("Put must repair it: %d", r.StatusCode)
	}
	p.Assets[0].Content = []byte("not what the hash says")
	if err := os.RemoveAll(filepath.Join(s.cfg.Dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.cfg.Dir, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), p); err == nil {
		t.Error("content under a wrong hash was kept")
	}
}

func TestNewCleansUp(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "tmp", "put-1")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir, Store: &memStore{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("what a killed process left is still there")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a server without a store")
	}
}

// listing returns the files under dir with their sizes.
func listing(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	err := filepath.Walk(dir, func(p string, st os.FileInfo, err error) error {
		if err == nil && !st.IsDir() {
			out[p] = st.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (d *disk) hasManifest(hash string) bool {
	_, err := os.Stat(d.manifestPath(hash))
	return err == nil
}
