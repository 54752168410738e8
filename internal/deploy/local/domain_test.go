package local

import (
	"errors"
	"sync"
	"testing"
	"time"
)

func TestHolds(t *testing.T) {
	s, store, _ := newServer(t)
	for host, want := range map[string]bool{
		"todo.localhost": true, "preview-any.localhost:8080": true, "www.todo.example": true, "WWW.todo.example.:443": true,
		"localhost": false, "localhost:8080": false, "www.other.example": false, "example": false, "127.0.0.1:8080": false,
		"[::1]:8080": false, "[::1]": false, "": false, "a.b.localhost": false,
	} {
		if got := s.Holds(host); got != want {
			t.Errorf("Holds(%q) = %v", host, got)
		}
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if store.asked != 2 {
		t.Errorf("the store was asked %d times for two names that can be domains", store.asked)
	}
}

func TestDomainsAreRemembered(t *testing.T) {
	s, store, _ := newServer(t)
	now := time.Now()
	s.cfg.Now = func() time.Time { return now }
	holds := func(host string, want bool, asked int) {
		t.Helper()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if s.Holds(host) != want {
					t.Errorf("Holds(%q) = %v", host, !want)
				}
			})
		}
		wg.Wait()
		store.mu.Lock()
		defer store.mu.Unlock()
		if store.asked != asked {
			t.Errorf("%s: the store was asked %d times, want %d", host, store.asked, asked)
		}
	}
	holds("www.todo.example", true, 1)
	holds("www.gone.example", false, 2)
	now = now.Add(domainTTL + time.Millisecond)
	holds("www.gone.example", false, 3)

	store.mu.Lock()
	store.err = errors.New("the database is away")
	store.mu.Unlock()
	holds("www.todo.example", true, 4) // what was known last
	holds("www.new.example", false, 5)
	if r := ask(s, "GET", "http://www.todo.example/"); r.StatusCode != 503 {
		t.Errorf("status %d", r.StatusCode)
	}
	store.mu.Lock()
	store.err = nil
	delete(store.live, published)
	store.mu.Unlock()
	now = now.Add(domainTTL + time.Millisecond)
	if r := ask(s, "GET", "http://www.todo.example/"); r.StatusCode != 404 {
		t.Errorf("status %d", r.StatusCode)
	}
	if s.Holds("www.todo.example") {
		t.Error("a domain that was given up is still held")
	}
}
