package access

import (
	_ "embed"
	"html"
	"net/http"
	"strconv"
	"strings"
)

//go:embed access.html
var pageHTML string

// The form stands between these marks, and is left out of pages that ask for nothing.
const (
	formBegin = "<!--form-->\n"
	formEnd   = "<!--/form-->\n"
)

// page is what somebody sees who is not let in. It says nothing about the app but that it is there.
type page struct {
	status  int
	title   string
	text    string
	problem string // what was wrong with the password
	form    bool   // asks for the password
	next    string // where the form leads
}

var (
	passwordPage = page{
		status: http.StatusUnauthorized, form: true,
		title: "This app asks for a password",
		text:  "Whoever gave you the address can tell you the password.",
	}
	privatePage = page{
		status: http.StatusUnauthorized,
		title:  "This preview is private",
		text:   "Open it from the builder, or ask whoever made it for a link.",
	}
	expiredPage = page{
		status: http.StatusUnauthorized,
		title:  "This link does not work any more",
		text:   "Its time is over, or it was taken back. Open the preview from the builder, or ask for a new link.",
	}
	tooLargePage = page{
		status: http.StatusRequestEntityTooLarge,
		title:  "That was too much",
		text:   "The form holds a password and nothing else. Go back and try again.",
	}
)

// pageHeaders sets what all answers of the Guard have in common.
func pageHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address may hold a token
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
}

// show answers with a page, or with a sentence for who did not ask for one.
func (v visit) show(p page) {
	h := v.w.Header()
	pageHeaders(h)
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Header) // RFC 9110 wants one; browsers ask for nothing when they do not know it
	}
	accept := strings.ToLower(v.r.Header.Get("Accept"))
	var body string
	switch {
	case strings.Contains(accept, "text/html"):
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'")
		body = p.html()
	case strings.Contains(accept, "application/json"):
		h.Set("Content-Type", "application/json")
		body = `{"error":"` + p.sentence() + `"}` + "\n" // our own words: nothing to escape
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		body = p.sentence() + "\n"
	}
	v.w.WriteHeader(p.status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write([]byte(body))
	}
}

func (p page) sentence() string {
	if p.problem != "" {
		return p.problem
	}
	return p.title + ". " + p.text
}

func (p page) html() string {
	body := pageHTML
	if before, rest, ok := strings.Cut(body, formBegin); ok && !p.form {
		_, after, _ := strings.Cut(rest, formEnd)
		body = before + after
	}
	return strings.NewReplacer(
		"{{STATUS}}", strconv.Itoa(p.status), "{{TITLE}}", p.title, "{{TEXT}}", p.text,
		"{{NEXT}}", html.EscapeString(p.next), "{{PROBLEM}}", p.problem,
	).Replace(body)
}
