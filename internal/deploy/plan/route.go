package plan

import (
	"slices"
	"strings"
)

// Paths that every app answers itself.
const (
	Index          = "/index.html"
	HealthPath     = "/_health"     // alive, and which version
	DeploymentPath = "/_deployment" // the version and its content hash

	APIPrefix = "/api/" // the app's own server code, where it has some
)

// The environments, as Options and Info name them.
const production = "production"

// IsData reports whether a decoded path belongs to the app's data: sign-in, tables, files, live changes. Such requests
// are handed on as they are, of any method.
func IsData(path string) bool {
	return slices.ContainsFunc([]string{"/auth/v1/", "/rest/v1/", "/storage/v1/", "/realtime/v1/"}, func(prefix string) bool {
		return strings.HasPrefix(path, prefix)
	})
}

// Answer is what a request gets.
type Answer int

const (
	Serve            Answer = iota // the asset that Route names
	Health                         // the health endpoint
	Deployment                     // the deployment endpoint
	NotFound                       // 404: a file that does not exist, never index.html in its place
	MethodNotAllowed               // 405: a site is only read
)

// Route applies the rules of an app's site to one request that is neither for its data nor for its server code. has reports whether the site has an asset at a decoded
// path; accept is the request's Accept header. The rules, which runtime.js repeats for the Worker, are:
//
//  1. Only GET and HEAD.
//  2. The two endpoints answer first.
//  3. An asset answers at its path; a folder answers with its index.html.
//  4. A page of a single-page app has no file: a navigation (one that accepts text/html) to a path without a
//     file's extension gets the site's index.html. Only extensions that ContentType knows count, because routes
//     such as /users/jane.doe are routes.
//  5. Anything else is not found. A missing script must fail as a script, not succeed as a page.
//
// Between 2 and 3, a redirect of the app's own may answer, or name another path to look for: see Matcher and Find.
func Route(has func(path string) bool, method, urlPath, accept string) (Answer, string) {
	if method != "GET" && method != "HEAD" {
		return MethodNotAllowed, ""
	}
	switch urlPath {
	case HealthPath:
		return Health, ""
	case DeploymentPath:
		return Deployment, ""
	}
	if p, ok := Find(has, urlPath, accept); ok {
		return Serve, p
	}
	return NotFound, ""
}

// Find applies the rules 3 to 5 of Route: it returns the path of the asset that answers at a decoded path.
func Find(has func(path string) bool, urlPath, accept string) (string, bool) {
	if has(urlPath) {
		return urlPath, true
	}
	if strings.HasSuffix(urlPath, "/") && has(urlPath+"index.html") {
		return urlPath + "index.html", true
	}
	if _, file := contentTypes[ext(urlPath)]; !file && strings.Contains(strings.ToLower(accept), "text/html") {
		return Index, true
	}
	return "", false
}

// Header is one name and value.
type Header struct{ Name, Value string }

// SecurityHeaders returns the headers that every asset carries. Previews stay out of search engines. Only a
// published app refuses to be framed by other sites: a preview is shown inside the builder.
func SecurityHeaders(environment, contentType string) []Header {
	h := []Header{
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "strict-origin-when-cross-origin"},
	}
	if environment != production {
		h = append(h, Header{"X-Robots-Tag", "noindex"})
	}
	if strings.HasPrefix(contentType, "text/html") {
		h = append(h, Header{"Cross-Origin-Opener-Policy", "same-origin-allow-popups"})
		if environment == production {
			h = append(h, Header{"Content-Security-Policy", "frame-ancestors 'self'"})
		}
	}
	return h
}

// etagDigits is how many of a hash's digits make an entity tag.
const etagDigits = 32

// ETag returns the entity tag of content with this hash.
func ETag(hash string) string { return `"` + hash[:etagDigits] + `"` }
