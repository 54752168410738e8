package local

import (
	"strings"
	"testing"

	"overskill/internal/model"
)

func TestParseHost(t *testing.T) {
	tests := map[string]struct {
		want Address
		ok   bool
	}{
		"todo.localhost":                       {Address{"todo", model.Production, 0, 0}, true},
		"todo.localhost:8080":                  {Address{"todo", model.Production, 0, 0}, true},
		"Preview-Todo.LocalHost.":              {Address{"todo", model.Preview, 0, 0}, true},
		"preview-my-app.localhost:80":          {Address{"my-app", model.Preview, 0, 0}, true},
		"v42--preview-todo.localhost":          {Address{"todo", model.Preview, 42, 0}, true},
		"v42--todo.localhost":                  {Address{"v42--todo", model.Production, 0, 0}, true},
		"v0--preview-todo.localhost":           {Address{"v0--preview-todo", model.Production, 0, 0}, true},
		"d9--todo.localhost":                   {Address{"todo", model.Production, 0, 9}, true},
		"d0--todo.localhost":                   {Address{"d0--todo", model.Production, 0, 0}, true},
		"d--todo.localhost":                    {Address{"d--todo", model.Production, 0, 0}, true},
		"localhost":                            {},
		"localhost:8080":                       {},
		"example.com":                          {},
		"todolocalhost":                        {},
		".localhost":                           {},
		"a.b.localhost":                        {},
		"-todo.localhost":                      {},
		"preview-.localhost":                   {},
		"to_do.localhost":                      {},
		"[::1]:8080":                           {},
		"":                                     {},
		strings.Repeat("a", 64) + ".localhost": {},
	}
	for host, tt := range tests {
		got, ok := ParseHost(host, "localhost")
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("ParseHost(%q) = %+v, %v", host, got, ok)
		}
	}
}

// FuzzParseHost checks that what is accepted can be written again as the same host, and nothing else is.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"todo", "preview-todo", "v7--preview-todo", "d7--todo", "d7--preview-todo", "d7--d8--todo", "v7--preview-preview-todo", "v99999999999999999999--preview-a"} {
		f.Add(s + ".apps.example")
	}
	f.Fuzz(func(t *testing.T, host string) {
		a, ok := ParseHost(host, "apps.example")
		if !ok {
			return
		}
		again := Host(a.Slug, a.Environment, "apps.example")
		if a.VersionID != 0 {
			again = CandidateHost(a.Slug, a.VersionID, "apps.example")
		}
		if a.DeploymentID != 0 {
			again = DeploymentHost(a.Slug, a.DeploymentID, "apps.example")
		}
		if b, ok := ParseHost(again, "apps.example"); !ok || b != a {
			t.Errorf("%q is %+v, written %q, read %+v", host, a, again, b)
		}
	})
}
