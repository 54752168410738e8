package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"overskill/handlers"
	"overskill/internal/model"
)

// site is a running web face over in-memory services, and a browser that visits it.
type site struct {
	t      *testing.T
	s      *services
	server *httptest.Server
	client *http.Client
	logs   *bytes.Buffer
	base   string // what BaseURL answers
	costs  handlers.Costs
}

// newSite starts a site with a green, a failed and a running turn in the app "harbour" of user 1.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, nil)
}

// newSiteWith is newSite with costs, where a test asks for them.
func newSiteWith(t *testing.T, costs handlers.Costs) *site {
	t.Helper()
	st := &site{t: t, s: newServices(), logs: &bytes.Buffer{}, base: "http://localhost:8080", costs: costs}
	harbour(st.s, time.Now())
	e := handlers.New(handlers.Deps{
		Accounts: st.s, Builder: st.s, Models: st.s, Releases: st.s, Costs: st.costs,
		Apps: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Visitor", r.RemoteAddr)
			_, _ = io.WriteString(w, "app at "+r.Host+r.URL.Path)
		}),
		AppHost: func(host string) bool { return strings.Contains(host, ".localhost") },
		BaseURL: func(*http.Request) string { return st.base },
		Log:     slog.New(slog.NewJSONHandler(st.logs, nil)),
		Ready:   func(context.Context) error { return st.s.ready },
	})
	st.server = httptest.NewServer(e)
	t.Cleanup(st.server.Close)
	st.client = newClient(t)
	return st
}

// newClient is a browser with an empty cookie jar that does not follow redirects.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// in signs the browser in as the owner of "harbour".
func (st *site) in() *site {
	u, err := url.Parse(st.server.URL)
	if err != nil {
		st.t.Fatal(err)
	}
	st.client.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "open"}})
	return st
}

type answer struct {
	*http.Response
	body string
	t    *testing.T
}

// do sends a request; edits change it first. Requests come from our own pages unless an edit says otherwise.
func (st *site) do(method, path, body string, edits ...func(*http.Request)) answer {
	st.t.Helper()
	req, err := http.NewRequest(method, st.server.URL+path, strings.NewReader(body))
	if err != nil {
		st.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, edit := range edits {
		edit(req)
	}
	res, err := st.client.Do(req)
	if err != nil {
		st.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		st.t.Fatal(err)
	}
	return answer{res, string(raw), st.t}
}

func (st *site) get(path string, edits ...func(*http.Request)) answer {
	st.t.Helper()
	return st.do(http.MethodGet, path, "", edits...)
}

func (st *site) post(path string, form url.Values, edits ...func(*http.Request)) answer {
	st.t.Helper()
	return st.do(http.MethodPost, path, form.Encode(), edits...)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

var fragment = header("HX-Request", "true")

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: status %d, want %d\n%.800s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	return a
}

func (a answer) leads(to string) answer {
	a.t.Helper()
	a.want(http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != to {
		a.t.Fatalf("leads to %q, want %q", got, to)
	}
	return a
}

func (a answer) doc() *goquery.Document {
	a.t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.body))
	if err != nil {
		a.t.Fatal(err)
	}
	return doc
}

// has checks that a selector matches something whose text holds words.
func (a answer) has(selector, words string) answer {
	a.t.Helper()
	found := a.doc().Find(selector)
	if text := strings.Join(strings.Fields(found.Text()), " "); found.Length() == 0 || !strings.Contains(text, words) {
		a.t.Errorf("%s: %d matches with the text %.300q, want %q", selector, found.Length(), text, words)
	}
	return a
}

func (a answer) hasNot(selector string) answer {
	a.t.Helper()
	if n := a.doc().Find(selector).Length(); n != 0 {
		a.t.Errorf("%s: %d matches, want none", selector, n)
	}
	return a
}

func TestPromptSurvivesSignUp(t *testing.T) {
	st := newSite(t)
	const prompt = "A <b>booking</b> page'); DROP TABLE apps; -- with three rooms"
	st.post("/", url.Values{"prompt": {prompt}}).leads("/signup")
	st.get("/signup").want(200).has(".kept-text", prompt)
	st.get("/").want(200).has("textarea", prompt)

	// A refused sign-up keeps both the prompt and the address.
	refused := st.post("/signup", url.Values{"email": {"new@x.example"}, "password": {"short"}}).want(400)
	refused.has("[role=alert]", "at least 8").has(".kept-text", "booking")
	if got, _ := refused.doc().Find("[name=email]").Attr("value"); got != "new@x.example" {
		t.Errorf("the address came back as %q", got)
	}

	a := st.post("/signup", url.Values{"email": {"new@x.example"}, "password": {"long enough"}}).want(303)
	page := st.get(a.Header.Get("Location")).want(200)
	page.has(".said", prompt).has("#app-name", "A <b>booking</b> page")
	if len(st.s.prompts) != 0 {
		t.Error("the prompt was not dropped after its app was made")
	}
}

func TestSignInLeadsBack(t *testing.T) {
	st := newSite(t)
	st.get("/apps/harbour/code?v=1.0.0").leads("/signin?next=%2Fapps%2Fharbour%2Fcode%3Fv%3D1.0.0")
	form := url.Values{"email": {"mareike@harbour.example"}, "password": {"correct horse"}, "next": {"/apps/harbour/code?v=1.0.0"}}
	st.post("/signin", url.Values{"email": {"mareike@harbour.example"}, "password": {"wrong"}}).want(401).has("[role=alert]", "do not match")
	a := st.post("/signin", form).leads("/apps/harbour/code?v=1.0.0")
	for _, c := range a.Cookies() {
		if c.Name == "session" && (!c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "") {
			t.Errorf("session cookie over plain HTTP: %v", c)
		}
	}
	st.get("/apps/harbour/code?v=1.0.0").want(200)
	st.post("/signout", url.Values{}).leads("/")
	st.get("/apps").leads("/signin?next=%2Fapps")
}

func TestNextStaysHere(t *testing.T) {
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/a\nb"} {
		st := newSite(t)
		form := url.Values{"email": {"mareike@harbour.example"}, "password": {"correct horse"}, "next": {next}}
		st.post("/signin", form).leads("/apps")
	}
}

func TestFirstVisitorSignsUp(t *testing.T) {
	st := newSite(t)
	st.s.users = nil
	st.get("/signin").leads("/signup")
}

func TestSecureCookiesOverTLS(t *testing.T) {
	st := newSite(t)
	st.base = "https://build.example"
	a := st.post("/signin", url.Values{"email": {"mareike@harbour.example"}, "password": {"correct horse"}}).want(303)
	if len(a.Cookies()) == 0 {
		t.Fatal("no cookie")
	}
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure {
			t.Errorf("cookie over TLS: %v", c)
		}
	}
	if a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestBadPrompts(t *testing.T) {
	long := strings.Repeat("ü", 100_000)
	for _, tc := range []struct {
		name, prompt string
		status       int
		words        string
	}{
		{"empty", "", 400, "Write what the app should do"},
		{"spaces", " \r\n ", 400, "Write what the app should do"},
		{"100 KB", long, 413, "the limit is 20000"},
		{"not UTF-8", "caf\xe9", 400, "not valid UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := newSite(t).in()
			a := st.post("/", url.Values{"prompt": {tc.prompt}}).want(tc.status).has("form [role=alert]", tc.words)
			if tc.prompt == long && !strings.Contains(a.body, long) {
				t.Error("the text did not come back")
			}
			st.s.apps[0].turns = st.s.apps[0].turns[:2]
			st.post("/apps/harbour/messages", url.Values{"content": {tc.prompt}}).want(tc.status).has("#ask-error [role=alert]", tc.words)
			st.post("/apps/harbour/messages", url.Values{"content": {tc.prompt}}, fragment).want(tc.status).has("#ask-error [role=alert]", tc.words)
		})
	}
	t.Run("2 MB", func(t *testing.T) {
		newSite(t).in().post("/", url.Values{"prompt": {strings.Repeat("x", 2<<20)}}).want(413).has("main", "1 MB")
	})
}

func TestForgedForms(t *testing.T) {
	form := url.Values{"prompt": {"A booking page"}}
	for _, from := range []string{"cross-site", "same-site"} { // a generated app on a subdomain is same-site
		st := newSite(t).in()
		before := len(st.s.apps)
		st.post("/", form, header("Sec-Fetch-Site", from)).want(403)
		if len(st.s.apps) != before {
			t.Errorf("%s: the app was made", from)
		}
	}
	st := newSite(t).in()
	none := header("Sec-Fetch-Site", "")
	st.post("/", form, none).want(403)
	token, ok := st.get("/", none).want(200).doc().Find("[name=_csrf]").First().Attr("value")
	if !ok {
		t.Fatal("no token for a browser without Sec-Fetch-Site")
	}
	form.Set("_csrf", token)
	st.post("/", form, none).want(303)
	form.Set("_csrf", token+"x")
	st.post("/", form, none).want(403)
}

func TestSecurityHeaders(t *testing.T) {
	st := newSite(t).in()
	for _, path := range []string{"/", "/apps", "/apps/harbour", "/nothing", "/api/v1/apps"} {
		a := st.get(path)
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: no %s in %q", path, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, a.Header)
		}
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			a.hasNot("[style], [onclick], style, script:not([src])")
			a.doc().Find("script, link, img, iframe").Each(func(_ int, s *goquery.Selection) {
				for _, attr := range []string{"src", "href"} {
					if v, ok := s.Attr(attr); ok && !strings.HasPrefix(v, "/") && !s.Is("iframe") {
						t.Errorf("%s: %s leaves the site", path, v)
					}
				}
			})
		}
	}
	if csp := st.get("/apps/harbour").Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src http://preview-harbour.localhost:8080 http://harbour.localhost:8080") {
		t.Errorf("frames: %q", csp)
	}
	if csp := st.get("/apps").Header.Get("Content-Security-Policy"); strings.Contains(csp, "frame-src") {
		t.Errorf("the grid may hold frames: %q", csp)
	}
}

func TestOtherPeoplesApps(t *testing.T) {
	st := newSite(t)
	st.s.users = append(st.s.users, model.User{ID: 2, Email: "other@x.example", PasswordHash: "other password"})
	st.post("/signin", url.Values{"email": {"other@x.example"}, "password": {"other password"}}).want(303)
	id := itoa(st.s.apps[0].turns[0].Version.ID)
	for _, slug := range []string{"harbour", "nowhere", "..%2f", "%00", strings.Repeat("a", 300)} {
		for _, rest := range []string{
			"", "/code", "/changes", "/logs", "/logs.txt", "/settings", "/turns/" + id + "/tools/1", "/versions/1.0.0/shot.png", "/export.zip", "/events",
		} {
			a := st.get("/apps/" + slug + rest).want(404)
			if strings.Contains(a.body, "Harbour") || strings.Contains(a.body, "Mareike") {
				t.Errorf("%s%s tells about the app", slug, rest)
			}
		}
		st.get("/apps/"+slug+"/turns/"+id, fragment).want(404)
		for _, rest := range []string{"/messages", "/stop", "/versions/1.0.0/restore", "/settings"} {
			st.post("/apps/"+slug+rest, url.Values{"content": {"hello"}, "name": {"x"}}).want(404)
		}
		if slug == "harbour" || slug == "nowhere" {
			st.post("/apps/"+slug+"/delete", url.Values{"slug": {slug}}).want(404)
		}
		bearer := header("Authorization", "Bearer token-other@x.example")
		for _, rest := range []string{"", "/versions", "/files", "/files/package.json", "/events", "/export.zip"} {
			a := st.get("/api/v1/apps/"+slug+rest, bearer).want(404)
			if !strings.HasPrefix(a.body, `{"error":{"code":"not_found"`) {
				t.Errorf("%s", a.body)
			}
		}
	}
	if len(st.s.apps) != 1 || len(st.s.apps[0].turns) != 3 {
		t.Error("something was changed")
	}
}

func TestFailuresSayNothingPrivate(t *testing.T) {
	st := newSite(t).in()
	st.s.broken = errors.New("pq: password authentication failed for host 10.0.0.7")
	a := st.get("/apps").want(500).has("main h1", "Something went wrong").has("main dd", "administrator")
	if strings.Contains(a.body, "pq:") {
		t.Error("the cause is on the page")
	}
	b := st.get("/api/v1/apps", header("Authorization", "Bearer token-mareike@harbour.example")).want(500)
	if !strings.Contains(b.body, `"code":"internal"`) || strings.Contains(b.body, "pq:") {
		t.Error(b.body)
	}
	st.server.Close() // a line may be written after its answer
	if !strings.Contains(st.logs.String(), "pq: password") {
		t.Error("the cause is not in the log")
	}
}

func TestNames(t *testing.T) {
	st := newSite(t).in()
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	a := st.s.apps[0]
	a.Name, a.turns[0].Version.DisplayName, a.turns[2].Reply.Content = evil, evil, evil+" [x](javascript:alert(1)) ![i](https://e.example/p.png)"
	a.turns[2].Version.DisplayName, a.turns[1].Version.Error, a.turns[2].Request.Content = evil, evil, evil
	a.turns[2].Tools[0].Path, a.turns[2].Tools[2].Detail = evil, "@@ -1 +1 @@\n-a\n+"+evil+"\n"
	a.logs[0].Text = evil
	st.s.users[0].Name = evil
	a.files[a.turns[2].Version.ID] = map[string]string{"src/" + evil: evil}
	id := itoa(a.turns[2].Version.ID)
	for _, path := range []string{
		"/", "/apps", "/apps?q=" + url.QueryEscape(evil), "/apps/harbour", "/apps/harbour/code", "/apps/harbour/changes", "/apps/harbour/changes?v=1.0.1", "/apps/harbour/logs",
		"/apps/harbour/settings", "/apps/harbour/turns/" + id + "/tools/3", "/apps/harbour?route=" + url.QueryEscape("javascript:"+evil),
	} {
		page := st.get(path).want(200)
		page.hasNot("script:not([src])").hasNot("[onerror]").hasNot("img[src=x]").hasNot(`a[href^="javascript"]`).hasNot(`img[src^="https"]`)
	}
	st.get("/apps/harbour").has("#app-name", evil)
}

func TestHealth(t *testing.T) {
	st := newSite(t)
	st.get("/healthz").want(200)
	st.s.ready = errors.New("no database")
	if a := st.get("/healthz").want(503); strings.Contains(a.body, "database") {
		t.Error(a.body)
	}
}

func TestHosts(t *testing.T) {
	st := newSite(t).in()
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for _, path := range []string{"/", "/apps/harbour", "/api/v1/apps", "/static/x", "/healthz"} {
		a := st.get(path, host("preview-harbour.localhost:8080")).want(200)
		if a.body != "app at preview-harbour.localhost:8080"+path {
			t.Errorf("%s reached the builder: %.100s", path, a.body)
		}
		if a.Header.Get("Content-Security-Policy") != "" {
			t.Error("the builder's policy is on a generated app")
		}
	}
	a := st.post("/signin", url.Values{}, host("harbour.localhost:8080"), header("Sec-Fetch-Site", "cross-site")).want(200)
	if !strings.HasPrefix(a.body, "app at") {
		t.Error("a post to an app was judged by the builder")
	}
	a = st.get("/", host("preview-harbour.localhost"), header("X-Forwarded-For", "203.0.113.7")).want(200)
	if got := a.Header.Get("Visitor"); got != "203.0.113.7:0" {
		t.Errorf("behind a proxy on this machine the visitor is %s", got)
	}
	if strings.Contains(st.logs.String(), "preview-harbour") {
		t.Errorf("requests of generated apps flood the log:\n%s", st.logs)
	}
}
