package access

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// FormPath is where the page that asks for the password sends it. A site with a password has no page of its own there.
const FormPath = "/_access"

const (
	maxForm    = 4096 // bytes
	maxNext    = 2048 // bytes
	maxHashing = 4    // passwords that are checked at a time
)

// Guard lets requests through to sites. The zero value is ready to use, and is for all sites of a server: it counts the
// wrong passwords of each. It is safe for concurrent use.
//
// Its answers depend on Request.RemoteAddr, which must be the visitor's, also behind a proxy, and on whether the visitor
// uses https: Request.TLS, or the header X-Forwarded-Proto, which the proxy in front must set.
type Guard struct {
	Now func() time.Time // nil means time.Now

	attempts attempts
	hashing  atomic.Int32
}

// Guard returns a handler that lets through to next who may open the site. It counts wrong passwords as long as the
// handler lives: who makes a handler for each request needs one Guard for all of them.
func (r Rule) Guard(next http.Handler) http.Handler { return new(Guard).Handler(r, next) }

// Handler returns a handler that lets through to next the requests of those whom the rule lets in. What next is shown
// has neither the cookie nor the header nor, after a redirect, the parameter that let it in. All others get a page that
// says what to do or, when they did not ask for a page, 401 with a sentence. No answer of the Guard's own is cached.
func (g *Guard) Handler(rule Rule, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visit{rule: rule, w: w, r: r, now: time.Now()}
		if g.Now != nil {
			v.now = g.Now()
		}
		if rule.Mode == Password && r.URL.Path == FormPath {
			g.form(v)
			return
		}
		admitted := v.admitted()
		if read := r.Method == http.MethodGet || r.Method == http.MethodHead; read {
			if rest, token := cutParam(r.URL.RawQuery); token != "" && v.link(rest, token, admitted) {
				return
			}
		}
		if admitted {
			next.ServeHTTP(w, withoutAccess(r))
			return
		}
		v.refuse()
	})
}

// visit is one request to a site.
type visit struct {
	rule Rule
	w    http.ResponseWriter
	r    *http.Request
	now  time.Time
}

// admitted reports whether the request brings what lets it in, or needs nothing.
func (v visit) admitted() bool {
	if v.rule.open() || v.rule.proves(forLink, v.r.Header.Get(Header), v.r.Host, v.now) {
		return true
	}
	// Another site on the same domain can set a cookie of this name too: any one that is right counts.
	for _, c := range v.r.CookiesNamed(Cookie) {
		if v.rule.proves(forSession, c.Value, v.r.Host, v.now) {
			return true
		}
	}
	return false
}

// link answers a request whose address has a token: with a session and the address without the token. It reports
// whether it answered: a token that is good for nothing, from somebody who is not let in, is left to refuse.
func (v visit) link(rest, token string, admitted bool) bool {
	valid := !v.rule.open() && v.rule.proves(forLink, token, v.r.Host, v.now)
	switch {
	case valid:
		v.startSession()
	case v.rule.open() && len(token) != encoding.EncodedLen(proofSize):
		return false // the parameter is something of the app's own
	case !admitted:
		return false
	}
	v.redirect(v.r.URL.EscapedPath(), rest)
	return true
}

// startSession sets the cookie. A preview is shown inside of the builder, which is another site: browsers send it along
// there only when it is SameSite=None, which they take with Secure only, and keep it apart from that of a window of its
// own when it is Partitioned. Chromium and Firefox take Secure cookies from localhost without https, Safari does not.
func (v visit) startSession() {
	c := http.Cookie{
		Name: Cookie, Value: v.rule.prove(forSession, v.r.Host, v.now.Add(Session)), Path: "/",
		MaxAge: int(Session / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if v.trustworthy() {
		c.Secure, c.SameSite, c.Partitioned = true, http.SameSiteNoneMode, true
	}
	v.w.Header().Add("Set-Cookie", c.String())
}

// trustworthy reports whether browsers take a Secure cookie from this site.
func (v visit) trustworthy() bool {
	if v.r.TLS != nil || strings.EqualFold(v.r.Header.Get("X-Forwarded-Proto"), "https") {
		return true
	}
	host := strings.ToLower(v.r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// redirect sends the browser to a path of this site. A path that began with two slashes would be another site's name.
func (v visit) redirect(path, query string) {
	to := "/" + strings.TrimLeft(path, `/\`)
	if query != "" {
		to += "?" + query
	}
	v.seeOther(to)
}

func (v visit) seeOther(to string) {
	pageHeaders(v.w.Header())
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// refuse answers who is not let in.
func (v visit) refuse() {
	rest, token := cutParam(v.r.URL.RawQuery)
	switch {
	case v.rule.Mode == Password:
		next := "/"
		if v.r.Method == http.MethodGet && v.r.URL.Path != FormPath {
			next = "/" + strings.TrimLeft(v.r.URL.EscapedPath(), `/\`)
			if rest != "" {
				next += "?" + rest
			}
		}
		p := passwordPage
		p.next = safeNext(next)
		v.show(p)
	case token != "":
		v.show(expiredPage)
	default:
		v.show(privatePage)
	}
}

// form answers for FormPath.
func (g *Guard) form(v visit) {
	switch {
	case v.r.Method != http.MethodPost && v.admitted():
		v.seeOther("/")
		return
	case v.r.Method != http.MethodPost:
		v.refuse()
		return
	}
	body, err := io.ReadAll(io.LimitReader(v.r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		v.show(tooLargePage)
		return
	}
	values, _ := url.ParseQuery(string(body)) // what can be read of it counts
	g.password(v, values.Get("password"), safeNext(values.Get("next")))
}

// password answers a form that was sent in.
func (g *Guard) password(v visit, password, next string) {
	p := passwordPage
	p.next = next
	if password == "" {
		v.show(p)
		return
	}
	if g.hashing.Add(1) > maxHashing {
		g.hashing.Add(-1)
		v.w.Header().Set("Retry-After", "1")
		p.status, p.problem = http.StatusServiceUnavailable, "Many people are entering a password right now. Try again in a moment."
		v.show(p)
		return
	}
	defer g.hashing.Add(-1)
	visitor := visitorOf(v.r)
	wait, ok := g.attempts.take(visitor, v.now)
	if !ok {
		seconds := int((wait + time.Second - 1) / time.Second)
		v.w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
		p.status, p.problem = http.StatusTooManyRequests, "That was wrong too often. Wait a minute, then try again."
		v.show(p)
		return
	}
	if len(v.rule.Key) < minKey || !CheckPassword(v.rule.PasswordHash, password) {
		p.problem = "That is not the password."
		v.show(p)
		return
	}
	g.attempts.forgive(visitor)
	v.startSession()
	v.seeOther(p.next)
}

// safeNext returns where to go after the password: a path of the same site, or else its start. Browsers read "//", and
// also "/\" and "/", a tab and "/", as the beginning of another site's address.
func safeNext(next string) string {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") {
		return "/"
	}
	for i := range len(next) {
		if c := next[i]; c <= ' ' || c > '~' || c == '\\' {
			return "/"
		}
	}
	return next
}

// withoutAccess returns the request as the app may see it.
func withoutAccess(r *http.Request) *http.Request {
	if r.Header.Get(Header) == "" && len(r.CookiesNamed(Cookie)) == 0 {
		return r
	}
	out := new(http.Request)
	*out = *r
	out.Header = r.Header.Clone()
	out.Header.Del(Header)
	var kept []string
	for _, line := range r.Header.Values("Cookie") {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			if name, _, _ := strings.Cut(part, "="); part != "" && strings.TrimSpace(name) != Cookie {
				kept = append(kept, part)
			}
		}
	}
	out.Header.Del("Cookie")
	if len(kept) > 0 {
		out.Header.Set("Cookie", strings.Join(kept, "; "))
	}
	return out
}
