package local

import (
	"strings"
	"testing"
	"time"

	"overskill/internal/deploy/access"
)

// TestAccess: everything but the health is for those who may see it, at every address of a release.
func TestAccess(t *testing.T) {
	s, store, p := newServer(t)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s.guard.Now = func() time.Time { return now }
	rule := access.Rule{Mode: access.Private, Key: []byte("0123456789abcdef0123456789abcdef"), Epoch: 1}
	rel := Release{AppID: 7, VersionID: 42, Slug: "todo", Version: "1.0.3", Hash: p.Hash, Access: rule}
	for _, a := range []Address{preview, published, oneVersion, deployed} {
		store.set(a, rel)
	}
	for _, host := range []string{"preview-todo.localhost:80", "todo.localhost", "v42--preview-todo.localhost", "d9--todo.localhost", "www.todo.example"} {
		token := rule.Token(host, time.Hour, now)
		for _, path := range []string{"/", "/assets/index-AB23CD45.js", "/rest/v1/todos", "/_deployment", "/gone.js", "/_health"} {
			open := path == "/_health"
			url := "http://" + host + path
			if r := ask(s, "GET", url); (r.StatusCode == 401) == open {
				t.Errorf("%s: a stranger gets %d", url, r.StatusCode)
			}
			if r := ask(s, "POST", url); r.StatusCode != 401 {
				t.Errorf("POST %s: a stranger gets %d", url, r.StatusCode)
			}
			if r := ask(s, "GET", url, access.Header, token); r.StatusCode == 401 {
				t.Errorf("%s: one who may gets %d", url, r.StatusCode)
			}
			if r := ask(s, "GET", url, access.Header, rule.Token("other.localhost", time.Hour, now)); (r.StatusCode == 401) == open {
				t.Errorf("%s: with another site's token %d", url, r.StatusCode)
			}
		}
	}
	rel.Access.Epoch = 2
	store.set(preview, rel)
	if r := ask(s, "GET", site+"/", access.Header, rule.Token("preview-todo.localhost:8080", time.Hour, now)); r.StatusCode != 401 {
		t.Errorf("what was taken back still opens it: %d", r.StatusCode)
	}
}

// TestPasswordsAreCounted: the count outlives the request.
func TestPasswordsAreCounted(t *testing.T) {
	s, store, p := newServer(t)
	hash, err := access.HashPassword("the right one")
	if err != nil {
		t.Fatal(err)
	}
	rule := access.Rule{Mode: access.Password, Key: []byte("0123456789abcdef0123456789abcdef"), PasswordHash: hash}
	store.set(published, Release{AppID: 7, VersionID: 42, Slug: "todo", Hash: p.Hash, Access: rule})
	for i := range 7 {
		r := askWith(s, "POST", "http://todo.localhost"+access.FormPath, strings.NewReader("password=wrong"), "Content-Type", "application/x-www-form-urlencoded")
		if want := map[bool]int{true: 401, false: 429}[i < 5]; r.StatusCode != want {
			t.Errorf("attempt %d: %d, want %d", i+1, r.StatusCode, want)
		}
	}
}
