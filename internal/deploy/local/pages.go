package local

import (
	_ "embed"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageHTML string

// page is one of the small pages that the server shows in place of an app. They say nothing about whether an app
// of that name exists.
type page struct {
	status int
	retry  int // seconds after which asking again makes sense; 0: never. The page then asks by itself
	title  string
	text   string
}

var (
	unknownPage = page{
		status: http.StatusNotFound,
		title:  "There is no app here",
		text:   "Nothing is published at this address. It may have been renamed or taken down, or the link has a typing error.",
	}
	notBuiltPage = page{
		status: http.StatusServiceUnavailable,
		retry:  5,
		title:  "Not built yet",
		text:   "Nothing has been built for this address so far. When the first version is ready, it appears here by itself.",
	}
	unavailablePage = page{
		status: http.StatusServiceUnavailable,
		retry:  10,
		title:  "The app cannot be shown right now",
		text:   "It is stored safely, but could not be read. This page tries again by itself.",
	}
)

func writePage(w http.ResponseWriter, r *http.Request, p page) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	refresh := ""
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
		refresh = `<meta http-equiv="refresh" content="` + strconv.Itoa(p.retry) + `">`
	}
	if !strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html") {
		writeText(w, p.status, p.title+". "+p.text)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.status)
	body := strings.NewReplacer("{{REFRESH}}", refresh, "{{STATUS}}", strconv.Itoa(p.status), "{{TITLE}}", p.title, "{{TEXT}}", p.text).Replace(pageHTML)
	_, _ = w.Write([]byte(body))
}
