// Package static serves the styles and scripts of our own interface.
//
// Their sources are in src; the program in build bundles them into dist, which is committed and embedded,
// so that the one binary needs no tools and no files beside it. Every name holds a hash of the content:
// a browser may keep a file for ever, and a new release has new names.
package static

import (
	"embed"
	"net/http"
	"strings"
)

// Prefix is where the files are served.
const Prefix = "/static/"

//go:embed dist
var dist embed.FS

// Handler serves the files below Prefix with a year of caching. Anything else under it is 404; there are
// no directory listings.
func Handler() http.Handler {
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, Prefix)
		content, err := dist.ReadFile("dist/" + name)
		dot := strings.LastIndexByte(name, '.')
		if err != nil || dot < 0 || types[name[dot:]] == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", types[name[dot:]])
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write(content) // the client went away
	})
}
