// Package access decides who may open a deployed app.
//
// A site is public, behind a password, or private. The decision is made where the site is served, by whoever serves
// it: Guard does it in Go, and the script in Runtime does it in a Worker, with the same answers, so that a site does
// not become more open by moving from one place to another. What both need is a Rule, which travels with the release.
//
// Nobody asks a database on the way. A link to a private site carries a token (token.go), which the site's server can
// check by itself because it holds the key of the Rule:
//
//	https://preview-todo.example.org/tasks?_access=<token>
//
// The first request with a link is answered with a session, in a cookie of the site's own, and with the same address
// without the token, so that the token is neither in the history of the browser for long nor in what the app sees.
// Programs send the token in the header Overskill-Access and get no session.
//
// Both kinds of proof are worth nothing at another host, after their time, and once the Epoch of the Rule was raised,
// which takes everything back at once. What a browser has already loaded stays with it: a page that is open, and what
// a service worker of the app has stored.
package access

// Mode is how open a site is.
type Mode string

const (
	Public   Mode = "public"   // anyone who has the address
	Password Mode = "password" // anyone who knows the password
	Private  Mode = "private"  // whoever holds a link that the builder signed
)

// Rule is what a site's server needs to know to decide. The zero Rule lets everybody in.
type Rule struct {
	Mode Mode `json:"mode,omitempty"`
	// Key signs tokens and sessions. It is derived for the app and the environment from the instance's key.
	Key []byte `json:"key,omitempty"`
	// Epoch is raised to revoke: a token or a session of another epoch counts for nothing.
	Epoch int64 `json:"epoch,omitempty"`
	// PasswordHash is what HashPassword made of the password.
	PasswordHash string `json:"password_hash,omitempty"`
}

// open reports whether the rule lets everybody in. A mode that nobody knows lets nobody in.
func (r Rule) open() bool { return r.Mode == "" || r.Mode == Public }
