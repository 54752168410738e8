package plan

import (
	"path"
	"strings"
)

// ContentType returns the media type that a path is served with. The table is our own because the one of package
// mime depends on the machine. An unknown extension is application/octet-stream: with nosniff, a browser then
// downloads it rather than guessing.
func ContentType(p string) string {
	if t, ok := contentTypes[ext(p)]; ok {
		return t
	}
	return "application/octet-stream"
}

// Compressible reports whether gzip makes content of this type smaller.
func Compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch {
	case strings.HasPrefix(t, "text/"), strings.HasSuffix(t, "json"), strings.HasSuffix(t, "xml"):
		return true
	}
	switch t {
	case "application/wasm", "font/ttf", "font/otf", "image/x-icon", "image/bmp", "application/vnd.ms-fontobject":
		return true
	}
	return false
}

// CacheControl returns how long a path may be kept. A name that holds a hash of its content never changes what it
// names; everything else may be kept but must be asked about again.
func CacheControl(p string) string {
	if hashed(p) {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// hashed reports whether a bundler put a hash into the name: "/assets/index-B1x9Qa_z.js". Only the assets folder
// is looked at, and the shapes are narrow (esbuild's eight base32 characters, Rollup's eight base64url ones of
// mixed case with a digit, hexadecimal with both digits and letters), because a wrong yes would keep a changed
// file from visitors for a year, and a wrong no costs one question.
func hashed(p string) bool {
	if !strings.HasPrefix(p, "/assets/") {
		return false
	}
	name := path.Base(p)
	for e := path.Ext(name); e != ""; e = path.Ext(name) {
		name = strings.TrimSuffix(name, e)
		if looksLikeHash(strings.TrimPrefix(e, ".")) { // name.3f9ac021.js
			return true
		}
	}
	if len(name) < 9 || (name[len(name)-9] != '-' && name[len(name)-9] != '.') {
		return false
	}
	return looksLikeHash(name[len(name)-8:])
}

func looksLikeHash(s string) bool {
	if len(s) != 8 {
		return false
	}
	var upper, lower, hex, digits, base32 int
	for _, c := range []byte(s) {
		switch {
		case c >= 'A' && c <= 'Z':
			upper++
			base32++
		case c >= 'a' && c <= 'z':
			lower++
			if c <= 'f' {
				hex++
			}
		case c >= '0' && c <= '9':
			digits++
			if c >= '2' && c <= '7' {
				base32++
			}
		case c != '-' && c != '_':
			return false
		}
	}
	return base32 == 8 && upper > 0 ||
		upper > 0 && lower > 0 && digits > 0 ||
		hex+digits == 8 && hex > 0 && digits > 0
}

func ext(p string) string { return strings.ToLower(path.Ext(p)) }

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".cjs": "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".geojson": "application/geo+json", ".jsonld": "application/ld+json",
	".webmanifest": "application/manifest+json",
	".txt":         "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".xml": "application/xml", ".rss": "application/rss+xml", ".atom": "application/atom+xml", ".vtt": "text/vtt; charset=utf-8", ".ics": "text/calendar; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".bmp": "image/bmp", ".apng": "image/apng", ".tiff": "image/tiff",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".eot": "application/vnd.ms-fontobject",
	".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".aac": "audio/aac", ".flac": "audio/flac", ".weba": "audio/webm",
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime",
	".wasm": "application/wasm", ".pdf": "application/pdf", ".zip": "application/zip", ".gz": "application/gzip",
	".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".obj": "model/obj", ".bin": "application/octet-stream",
}
