package smoke

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReferences(t *testing.T) {
	base := &url.URL{Scheme: "http", Host: "preview-todo.localhost:8080", Path: "/"}
	got := references(strings.NewReader(`<!doctype html>
		<link rel="icon" type="image/svg+xml" href="/favicon.svg">
		<link rel=stylesheet href="assets/a%20b.css?v=1"><link rel="canonical" href="/here">
		<link rel="Shortcut Icon" href="//preview-todo.localhost:8080/x.ico"><link rel="preconnect" href="https://fonts.example">
		<script type="module" crossorigin src="/assets/app.js#x"></script><script>let s = '<img src="/inside-script.png">'</script>
		<script src="https://cdn.example/x.js"></script><img src=data:image/png;base64,xx><img src="/logo.png"><img src=""><a href="/page">`), base)
	want := []reference{
		{"/favicon.svg", true}, {"/assets/a b.css", false}, {"/x.ico", true}, {"/assets/app.js", false}, {"/logo.png", false},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reference{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzReferences(f *testing.F) {
	f.Add(`<link rel=icon href=/a><script src=b>`)
	f.Add(`<img src="http://h/%zz"><img src=//h><img src="http://h/..//x">`)
	base := &url.URL{Scheme: "http", Host: "h", Path: "/"}
	f.Fuzz(func(t *testing.T, page string) {
		for _, r := range references(strings.NewReader(page), base) {
			if !strings.HasPrefix(r.path, "/") || r.path == "/" {
				t.Errorf("%q is not the path of a file", r.path)
			}
		}
	})
}
