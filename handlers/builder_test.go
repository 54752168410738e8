package handlers_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/model"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestBuilderPage(t *testing.T) {
	st := newSite(t).in()
	a := st.get("/apps/harbour").want(200)
	a.has("#app-name", "Harbour Slot Planner").has("#vers .ok", "Live 1.0.0").has("#vers .now", "Building 1.0.2")
	a.has(".turns:last-child .steps li.now", "Validating and building").has(".turns:last-child .steps li.wait", "Deploying")
	a.has(".turns:last-child details.tool .path", "Booking.tsx").has("details.tool.bad", "refused").has("#stop button", "Stop")
	a.has(".mend.bad", "Version 1.0.1 did not become green").has(".mend.bad", "mailer-pro").has(".mend.bad .tried", "after 3 tries").has(".mend.bad", "Version 1.0.0 stayed live")
	a.has(".turns:first-child .prose strong", "carriers").has(".turns:first-child .pill.ok", "Green 1.0.0")
	if src, _ := a.doc().Find("iframe").Attr("src"); src != "http://preview-harbour.localhost:8080/" {
		t.Errorf("preview of %q", src)
	}
	st.s.mu.Lock()
	last := st.s.apps[0].events[len(st.s.apps[0].events)-1].ID
	st.s.mu.Unlock()
	if after, _ := a.doc().Find("main").Attr("data-after"); after != itoa(last) {
		t.Errorf("the page continues after %s, want %d", after, last)
	}
}

func TestRouteStaysOnTheApp(t *testing.T) {
	st := newSite(t).in()
	for route, want := range map[string]string{
		"/arrivals?day=1#x": "http://preview-harbour.localhost:8080/arrivals?day=1#x", "//evil.example": "http://preview-harbour.localhost:8080/",
		"javascript:alert(1)": "http://preview-harbour.localhost:8080/", `/\evil.example`: "http://preview-harbour.localhost:8080/", "/%zz": "http://preview-harbour.localhost:8080/",
	} {
		if src, _ := st.get("/apps/harbour?route=" + url.QueryEscape(route)).want(200).doc().Find("iframe").Attr("src"); src != want {
			t.Errorf("route %q gives %q, want %q", route, src, want)
		}
	}
}

func TestTabs(t *testing.T) {
	st := newSite(t).in()
	for tab, want := range map[string][2]string{
		"/code":                                 {".tree [aria-current]", "Booking.tsx"},
		"/code?v=1.0.0&path=package.json":       {".code", `"name": "harbour"`},
		"/code?path=public/logo.png":            {".edit .empty", "Not a text file"},
		"/changes":                              {".diff .a", "useDeliveryNote"},
		"/changes?v=1.0.1":                      {"[role=alert]", "mailer-pro"},
		"/logs":                                 {"#log-lines .error", "FilePdf"},
		"/settings":                             {".settings", "preview-harbour.localhost:8080"},
		"?view=work":                            {"#panel", ""},
		"/changes?v=1.0.0":                      {".edit h2", "Slots and arrivals"},
		"/code?path=src%2Flib/deliveryNotes.ts": {".code", "export const MAX"},
	} {
		st.get("/apps/harbour"+tab).want(200).has(want[0], want[1]).has(".chat .turns", "").has("[role=tab][aria-selected=true]", "")
		part := st.get("/apps/harbour"+tab, fragment).want(200).has(want[0], want[1]).has("#tabline[hx-swap-oob]", "")
		part.hasNot(".chat").hasNot("head title")
		if part.Header.Get("Vary") == "" {
			t.Error("a cache could mix up pages and fragments")
		}
	}
	for _, path := range []string{"/code?v=9.9.9", "/code?path=nothing.ts", "/changes?v=x", "/logs?v=x", "/versions/9.9.9/shot.png", "/versions/1.0.1/shot.png", "/turns/x", "/turns/12345", "/turns/1/tools/x", "/nothing"} {
		st.get("/apps/harbour"+path, fragment).want(404)
	}
}

func TestTurnFragment(t *testing.T) {
	st := newSite(t).in()
	turns := st.s.apps[0].turns
	id := itoa(turns[2].Version.ID)
	st.get("/apps/harbour/turns/"+id, fragment).want(200).has("#turn-"+id+" .steps", "Understanding").has("#vers", "Building").has("#stop", "Stop").has("#app-name", "Harbour").hasNot("head title")
	first := itoa(turns[0].Version.ID)
	st.get("/apps/harbour/turns/"+first, fragment).want(200).has("#turn-"+first+" details.turn", "Green").hasNot("#turn-" + first + " .steps")
	st.get("/apps/harbour/turns/"+first+"?steps=1", fragment).want(200).has(".steps li.done", "Deploying").hasNot("#vers")
	st.get("/apps/harbour/turns/" + first).leads("/apps/harbour?view=chat&turn=" + first)
	st.get("/apps/harbour?turn="+first).want(200).has("#turn-"+first+" .steps", "Understanding")
	st.get("/apps/harbour/turns/"+id+"/tools/3", fragment).want(200).has(".diff .a", "useDeliveryNote").hasNot("head title")
	st.get("/apps/harbour/turns/"+id+"/tools/4", fragment).want(200).has(".answer", "occurs 3 times")
	st.get("/apps/harbour/turns/"+id+"/tools/3").want(200).has("h1", "Booking.tsx").has(".diff .a", "useDeliveryNote")
	st.get("/apps/harbour/turns/" + id + "/tools/99").want(404)
}

func TestMessages(t *testing.T) {
	st := newSite(t).in()
	// While a turn runs the message is refused and kept.
	st.post("/apps/harbour/messages", url.Values{"content": {"One more"}}).want(409).has("#ask-error", "being built").has("#say", "One more")
	st.post("/apps/harbour/stop", url.Values{}).leads("/apps/harbour?view=chat")
	st.get("/apps/harbour").has("#vers", "Stopped 1.0.2").hasNot("#stop button").has(".turns:last-child", "nothing of it went live")
	st.post("/apps/harbour/stop", url.Values{}).want(409).has("h1", "Something else is going on")

	st.post("/apps/harbour/messages", url.Values{"content": {"Line one\r\nline <two>"}}).leads("/apps/harbour?view=chat")
	if got := st.s.apps[0].turns[3].Request.Content; got != "Line one\nline <two>" {
		t.Errorf("the message arrived as %q", got)
	}
	a := st.post("/apps/harbour/stop", url.Values{}, fragment).want(200).has("#vers", "Stopped 1.0.3")
	a.hasNot("#stop button")
	st.post("/apps/harbour/messages", url.Values{"content": {"Again"}}, fragment).want(200).has(".turns .said", "Again").has("#stop button", "Stop")
}

func TestRestore(t *testing.T) {
	st := newSite(t).in()
	st.get("/apps/harbour/changes?v=1.0.0").hasNot("form[action$=restore]") // it is live
	st.s.apps[0].HeadVersionID = 0
	st.get("/apps/harbour/changes?v=1.0.0").has("form[action$='1.0.0/restore']", "Restore")
	st.post("/apps/harbour/versions/1.0.0/restore", url.Values{}).leads("/apps/harbour")
	st.post("/apps/harbour/versions/7/restore", url.Values{}).want(404)
}

func TestSettings(t *testing.T) {
	st := newSite(t).in()
	st.post("/apps/harbour/settings", url.Values{"name": {" "}}).want(400).has("[role=alert]", "needs a name")
	st.post("/apps/harbour/settings", url.Values{"name": {"Häfen"}}).leads("/apps/harbour/settings")
	st.get("/apps/harbour/settings").has("#app-name", "Häfen")
	st.post("/apps/harbour/delete", url.Values{"slug": {"harbor"}}).want(400).has("main", "Nothing was deleted")
	st.post("/apps/harbour/delete", url.Values{"slug": {"harbour"}}).leads("/apps")
	st.get("/apps").want(200).has("main", "No apps yet")
}

func TestGrid(t *testing.T) {
	st := newSite(t).in()
	st.get("/apps").has(".tilecard h2 a", "Harbour").has(".tilecard .pill.now", "Building").has(".tilecard img", "")
	st.get("/apps?q=nothing+like+it").has("#grid", "No app matches “nothing like it”").has("#q", "")
	st.get("/apps?status=failed").has("#grid", "No app is in this state")
	st.get("/apps", header("Cookie", "session=ended")).leads("/signin?next=%2Fapps")
}

func TestDownloads(t *testing.T) {
	st := newSite(t).in()
	a := st.get("/apps/harbour/export.zip?v=1.0.0", header("Accept-Encoding", "gzip")).want(200)
	z, err := zip.NewReader(bytes.NewReader([]byte(a.body)), int64(len(a.body)))
	if err != nil || len(z.File) != 8 {
		t.Fatalf("export: %v", err)
	}
	if got := a.Header.Get("Content-Disposition"); got != "attachment; filename=harbour-1.0.0.zip" {
		t.Error(got)
	}
	st.get("/apps/harbour/export.zip?v=9").want(404)
	if a := st.get("/apps/harbour/logs.txt").want(200); !strings.Contains(a.body, "\terror\tvalidate\t") {
		t.Error(a.body)
	}
	if a := st.get("/apps/harbour/versions/1.0.0/shot.png").want(200); !strings.HasPrefix(a.body, "\x89PNG") || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
		t.Error(a.Header)
	}
}

func TestCompression(t *testing.T) {
	st := newSite(t).in()
	for path, want := range map[string]string{"/apps/harbour": "gzip", "/apps/harbour/versions/1.0.0/shot.png": "", "/nowhere": ""} {
		if got := st.get(path, header("Accept-Encoding", "gzip")).Header.Get("Content-Encoding"); got != want && path != "/nowhere" {
			t.Errorf("%s: %q", path, got)
		}
	}
	css, _ := st.get("/").doc().Find("link[rel=stylesheet]").Attr("href")
	a := st.get(css).want(200)
	if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/css") {
		t.Error(a.Header)
	}
	st.get("/static/").want(404)
	st.get("/static/../go.mod").want(404)
}

// follow reads server-sent events until n have come.
func (st *site) follow(path string, n int, edits ...func(*http.Request)) []string {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, st.server.URL+path, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	for _, edit := range edits {
		edit(req)
	}
	res, err := st.client.Do(req)
	if err != nil {
		st.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || res.Header.Get("Content-Encoding") != "" || res.Header.Get("X-Accel-Buffering") != "no" {
		st.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	var ids []string
	for lines := bufio.NewScanner(res.Body); len(ids) < n && lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestEventsAreReplayed(t *testing.T) {
	st := newSite(t).in()
	var all []string
	for _, e := range st.s.apps[0].events {
		all = append(all, itoa(e.ID))
	}
	if diff := cmp.Diff(all, st.follow("/apps/harbour/events", len(all))); diff != "" {
		t.Errorf("from the beginning: %s", diff)
	}
	if diff := cmp.Diff(all[3:], st.follow("/apps/harbour/events?after="+all[2], len(all)-3, header("Accept-Encoding", "gzip"))); diff != "" {
		t.Errorf("after the page: %s", diff)
	}
	// A reconnect: the header is newer than the address.
	if diff := cmp.Diff(all[5:], st.follow("/apps/harbour/events?after="+all[0], len(all)-5, header("Last-Event-ID", all[4]))); diff != "" {
		t.Errorf("after a reconnect: %s", diff)
	}
	// New events arrive on an open stream.
	got := make(chan []string)
	last := all[len(all)-1]
	go func() {
		got <- st.follow("/api/v1/apps/harbour/events?after="+last, 1, header("Authorization", "Bearer token-mareike@harbour.example"))
	}()
	st.s.mu.Lock()
	st.s.emit(st.s.apps[0], 1, model.EventText, model.TextEvent{VersionID: 1, Text: "a\nb"})
	fresh := itoa(st.s.apps[0].events[len(all)].ID)
	st.s.mu.Unlock()
	if diff := cmp.Diff([]string{fresh}, <-got); diff != "" {
		t.Error(diff)
	}
	st.get("/apps/harbour/events?after=x").want(400)
	st.get("/apps/harbour/events", header("Last-Event-ID", "-1")).want(400)
	st.client = newClient(t)
	st.get("/apps/harbour/events").want(401)
}

func TestAPI(t *testing.T) {
	st := newSite(t)
	auth := header("Authorization", "Bearer token-mareike@harbour.example")
	jsonBody := header("Content-Type", "application/json")
	cross := header("Sec-Fetch-Site", "cross-site")

	for _, bad := range []string{"", "Bearer", "Bearer nonsense", "Basic eDp5"} {
		a := st.get("/api/v1/apps", header("Authorization", bad)).want(401)
		if !strings.Contains(a.body, `"code":"unauthorized"`) || a.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %s", bad, a.body)
		}
	}
	st.in()
	st.get("/api/v1/apps").want(401) // a cookie is not enough
	st.client = newClient(t)

	a := st.do("POST", "/api/v1/apps", `{"prompt":"A guest book"}`, auth, jsonBody, cross).want(201)
	var made struct {
		Slug, Name, Status, Version, URL string
		DeploymentStatus                 *string `json:"deployment_status"`
		PreviewURL                       *string `json:"preview_url"`
		Latest                           struct{ Number, Status string }
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil {
		t.Fatal(err)
	}
	if made.Slug == "" || made.Status != "generating" || made.DeploymentStatus == nil || made.PreviewURL == nil || made.Latest.Number != "1.0.0" || made.URL != "http://localhost:8080/apps/"+made.Slug {
		t.Errorf("%s", a.body)
	}
	if a.Header.Get("Location") != "/api/v1/apps/"+made.Slug {
		t.Error(a.Header)
	}
	for body, status := range map[string]int{
		`{"prompt":""}`: 400, `{`: 400, ``: 400, `{"prompt":7}`: 400, "{\"prompt\":\"caf\xe9\"}": 400, `{"prompt":"` + strings.Repeat("x", 100_000) + `"}`: 413, `{"prompt":"` + strings.Repeat("x", 2<<20) + `"}`: 413,
	} {
		a := st.do("POST", "/api/v1/apps", body, auth, jsonBody).want(status)
		if !strings.HasPrefix(a.body, `{"error":{"code":"`) {
			t.Errorf("%.50s: %s", body, a.body)
		}
	}
	if a := st.get("/api/v1/apps/harbour", auth).want(200); !strings.Contains(a.body, `"version":"1.0.0"`) || !strings.Contains(a.body, `"preview_url":"http://preview-harbour.localhost:8080/"`) {
		t.Error(a.body)
	}
	st.do("POST", "/api/v1/apps/harbour/messages", `{"content":"x"}`, auth).want(409)
	st.do("POST", "/api/v1/apps/harbour/stop", ``, auth).want(204)
	st.do("POST", "/api/v1/apps/harbour/messages", `{"content":"x"}`, auth).want(202)
	if a := st.get("/api/v1/apps/harbour/versions", auth).want(200); strings.Count(a.body, `"number"`) != 4 {
		t.Error(a.body)
	}
	if a := st.get("/api/v1/apps/harbour/files?version=1.0.0", auth).want(200); !strings.Contains(a.body, `"path":"src/App.tsx"`) {
		t.Error(a.body)
	}
	if a := st.get("/api/v1/apps/harbour/files/src/pages/Booking.tsx", auth).want(200); a.body != bookingSource || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Error(a.body, a.Header)
	}
	st.get("/api/v1/apps/harbour/files/nothing", auth).want(404)
	st.get("/api/v1/apps/harbour/export.zip", auth).want(200)
	st.get("/api/v1/nothing", auth).want(404)
	if a := st.do("DELETE", "/api/v1/apps", "", auth).want(404); !strings.Contains(a.body, `"error"`) {
		t.Error(a.body)
	}
}
