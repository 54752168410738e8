package plan

import "testing"

func TestRoute(t *testing.T) {
	site := map[string]bool{"/index.html": true, "/assets/app.js": true, "/docs/index.html": true, "/a b.png": true}
	has := func(p string) bool { return site[p] }
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := []struct {
		method, path, accept string
		want                 Answer
		file                 string
	}{
		{"GET", "/", page, Serve, "/index.html"},
		{"GET", "/", "*/*", Serve, "/index.html"},
		{"HEAD", "/index.html", "", Serve, "/index.html"},
		{"GET", "/assets/app.js", "*/*", Serve, "/assets/app.js"},
		{"GET", "/a b.png", "image/*", Serve, "/a b.png"},
		{"GET", "/docs/", "*/*", Serve, "/docs/index.html"},
		{"GET", "/docs", page, Serve, "/index.html"},
		{"GET", "/todos/17", page, Serve, "/index.html"},
		{"GET", "/todos/17", "Text/HTML", Serve, "/index.html"},
		{"GET", "/todos/17", "application/json", NotFound, ""},
		{"GET", "/todos/17", "", NotFound, ""},
		{"GET", "/users/jane.doe", page, Serve, "/index.html"},
		{"GET", "/v1.2/notes", page, Serve, "/index.html"},
		{"GET", "/assets/gone.js", page, NotFound, ""},
		{"GET", "/assets/gone.JS", page, NotFound, ""},
		{"GET", "/gone.html", page, NotFound, ""},
		{"GET", "/../index.html", "*/*", NotFound, ""},
		{"GET", "/_health", page, Health, ""},
		{"HEAD", "/_deployment", "", Deployment, ""},
		{"POST", "/_health", "", MethodNotAllowed, ""},
		{"POST", "/", page, MethodNotAllowed, ""},
		{"OPTIONS", "/", "", MethodNotAllowed, ""},
	}
	for _, tt := range tests {
		got, file := Route(has, tt.method, tt.path, tt.accept)
		if got != tt.want || file != tt.file {
			t.Errorf("%s %s (%s) = %v %q, want %v %q", tt.method, tt.path, tt.accept, got, file, tt.want, tt.file)
		}
	}
}

func TestCacheControl(t *testing.T) {
	immutable := []string{
		"/assets/index-B1x9Qa_z.js", "/assets/app-ABCDEFGH.js", "/assets/app-2SWJ7K4L.css", "/assets/x/logo-DiwrgTd9.svg",
		"/assets/index-B1x9Qa_z.js.map", "/assets/main.3f9ac021.js", "/assets/main-3f9ac021.css",
	}
	asked := []string{
		"/index.html", "/favicon.svg", "/index-B1x9Qa_z.js", "/assets/my-component.js", "/assets/hero-20240131.png",
		"/assets/logo.svg", "/assets/photo-1920x1080.jpg", "/assets/Hero-Abstract.png", "/assets/jquery.min.js", "/assets/ABCDEFGH.js",
		"/assets/team-portrait.png", "/assets/.js", "/assets/",
	}
	for _, p := range immutable {
		if !hashed(p) {
			t.Errorf("%s must be immutable", p)
		}
	}
	for _, p := range asked {
		if hashed(p) {
			t.Errorf("%s must be asked about", p)
		}
	}
}

func TestContentType(t *testing.T) {
	for p, want := range map[string]string{
		"/a.js": "text/javascript; charset=utf-8", "/A.JS": "text/javascript; charset=utf-8", "/a.css": "text/css; charset=utf-8",
		"/index.html": "text/html; charset=utf-8", "/a.svg": "image/svg+xml", "/a.woff2": "font/woff2", "/a.wasm": "application/wasm",
		"/site.webmanifest": "application/manifest+json", "/a": "application/octet-stream", "/a.exe": "application/octet-stream",
	} {
		if got := ContentType(p); got != want {
			t.Errorf("ContentType(%s) = %s, want %s", p, got, want)
		}
	}
	for t1, want := range map[string]bool{"text/css; charset=utf-8": true, "image/svg+xml": true, "application/json": true, "image/png": false, "font/woff2": false} {
		if Compressible(t1) != want {
			t.Errorf("Compressible(%s) = %v", t1, !want)
		}
	}
}
