package smoke

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// BenchmarkVerify is a whole check of a page with 20 files: warm, with the browser running, and cold.
func BenchmarkVerify(b *testing.B) {
	s := app(good)
	for i := range 20 {
		s.files["/assets/chunk-"+string(rune('a'+i))+".js"] = strings.Repeat("export const x = 1;\n", 1000)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		b.Fatal(err)
	}
	target := Target{URL: "http://preview-todo.localhost:" + u.Port(), Version: s.version, Hash: s.hash, Assets: s.hashes()}
	run := func(b *testing.B, c *Checker) {
		if r, err := c.Verify(b.Context(), target); err != nil || !r.OK {
			b.Fatal(brief(r), err)
		}
	}
	b.Run("warm", func(b *testing.B) {
		c, err := New(Config{Profiles: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		run(b, c)
		for b.Loop() {
			run(b, c)
		}
	})
	b.Run("six routes", func(b *testing.B) {
		c, err := New(Config{Profiles: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		target := target
		for i := range 5 {
			p := "/page-" + string(rune('a'+i))
			s.files[p] = s.files["/index.html"]
			target.Routes = append(target.Routes, p)
		}
		r, err := c.Verify(b.Context(), target)
		if err != nil || !r.OK || len(r.Snapshot.Routes) != 6 {
			b.Fatal(brief(r), err)
		}
		for b.Loop() {
			if r, err := c.Verify(b.Context(), target); err != nil || !r.OK {
				b.Fatal(brief(r), err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			c, err := New(Config{Profiles: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			run(b, c)
			c.Close()
		}
	})
}
