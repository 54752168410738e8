package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/browsertest"
)

// pages is an app whose every path is index.html, as a Worker with the SPA fallback serves it, and whose script
// decides by the path. It notes what is asked for.
type pages struct {
	site
	mu    sync.Mutex
	asked []string // the paths of documents
}

func newPages(script string) *pages {
	p := &pages{site: app(`
		const root = document.getElementById("root"), path = location.pathname;
		const show = html => { root.innerHTML = html };
		` + script)}
	p.extra = func(w http.ResponseWriter, r *http.Request) {
		if _, file := p.files[r.URL.Path]; !file && r.URL.Path != "/" && r.Header.Get("Sec-Fetch-Dest") == "document" {
			p.note(r.URL.Path)
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(p.files["/index.html"]))
			return
		}
		w.Header().Set(pass, "yes")
	}
	return p
}

func (p *pages) note(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, path)
}

func (p *pages) opened() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.asked))
}

func verify(t *testing.T, c *Checker, target Target) Report {
	t.Helper()
	r, err := c.Verify(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: ok=%v opened=%d %s", r.Duration.Round(time.Millisecond), r.OK, len(r.Snapshot.Routes), r.Notice)
	return r
}

func routesOf(s Snapshot) (out []string) {
	for _, v := range s.Routes {
		out = append(out, v.Route)
	}
	return out
}

func TestBrokenRoute(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, newPages(`
		if (path === "/orders") { show("<h1>Orders</h1>"); console.log("counting"); null.length }
		show("<h1>Page " + path + "</h1>"); console.error("the frame is old")`).site)
	target.Routes = []string{"/orders", "/about"}
	r := verify(t, c, target)
	wrong := errorsOf(r)
	if r.OK || len(wrong) != 1 || wrong[0].Class != "runtime" || !strings.HasPrefix(wrong[0].Message, "On /orders: TypeError: ") {
		t.Fatalf("got %+v", r.Problems)
	}
	if wrong[0].File != "assets/app.js" || wrong[0].Line == 0 {
		t.Errorf("no place in %+v", wrong[0])
	}
	var common []string
	for _, p := range r.Problems {
		if strings.Contains(p.Message, "the frame is old") {
			common = append(common, p.Message)
		}
	}
	if diff := cmp.Diff([]string{"console.error: the frame is old"}, common); diff != "" {
		t.Errorf("what pages have in common is told once, as the start page's: %s", diff)
	}
	if want := (Line{model.LogInfo, "On /orders: counting"}); !slices.Contains(r.Console, want) {
		t.Errorf("the console %v lacks %v", r.Console, want)
	}
	if diff := cmp.Diff([]string{"/", "/orders", "/about"}, routesOf(r.Snapshot)); diff != "" {
		t.Error(diff)
	}
	if r.Changes.Opened != 3 || r.Notice != "" {
		t.Errorf("got %+v, %q", r.Changes, r.Notice)
	}
}

func TestRedirectToSignIn(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	p := newPages(`
		if (path === "/") show("<h1>Welcome</h1>");
		else fetch("/api/me").then(r => { history.replaceState({}, "", path === "/orders" ? "/sign-in" : "/lost"); show("<h1>Sign in</h1>") })`)
	files := p.extra
	p.extra = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/me" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files(w, r)
	}
	target := serve(t, p.site)
	target.Routes = []string{"/orders"}
	r := verify(t, c, target)
	if v := r.Snapshot.Routes[1]; !r.OK || v.EndPath != "/sign-in" || !v.SignIn || !slices.Equal(v.Lines, []string{"Sign in"}) {
		t.Errorf("got %+v, %+v", v, r.Problems)
	}
	target.Routes = []string{"/elsewhere"} // a refusal that leads to no sign-in is an error
	if r := verify(t, c, target); r.OK || r.Snapshot.Routes[1].SignIn || r.Snapshot.Routes[1].EndPath != "/lost" {
		t.Errorf("got %+v", r.Problems)
	}
}

func TestTwoWidths(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, newPages(`
		show("<p>" + path + "</p>"); root.style.cssText = "position:fixed;inset:0";
		(onresize = () => { root.style.background = innerWidth === 390 ? "rgb(200,0,0)" : "rgb(0,0,200)" })()`).site)
	target.Routes = []string{"/a", "/b", "/c"}
	r := verify(t, c, target)
	for name, want := range map[string]struct {
		png           []byte
		width, height int
		red, blue     uint32
	}{"wide": {r.Screenshot, 640, 400, 0, 200}, "narrow": {r.ScreenshotNarrow, 195, 422, 200, 0}} {
		img, err := png.Decode(bytes.NewReader(want.png))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		red, _, blue, _ := img.At(img.Bounds().Dx()-5, img.Bounds().Dy()-5).RGBA()
		if b := img.Bounds(); b.Dx() != want.width || b.Dy() != want.height || red>>8 != want.red || blue>>8 != want.blue {
			t.Errorf("%s: %v, red %d, blue %d", name, b, red>>8, blue>>8)
		}
	}
	for _, v := range r.Snapshot.Routes { // the tab of the start page is used again, at its first width
		if d := difference(r.Snapshot.Routes[0].Picture, v.Picture); len(v.Picture) == 0 || d > 0.02 {
			t.Errorf("%s: %d bytes, difference %v", v.Route, len(v.Picture), d)
		}
	}
}

// TestRoutesShareNothing: what a page stores does not reach the next one, though it has the same tab.
func TestRoutesShareNothing(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{Parallel: 1})
	target := serve(t, newPages(`
		show("<p>" + JSON.stringify([localStorage.n, sessionStorage.n, document.cookie]) + "</p>");
		localStorage.n = sessionStorage.n = 1; document.cookie = "n=1"`).site)
	target.Routes = []string{"/a", "/b"}
	for _, v := range verify(t, c, target).Snapshot.Routes {
		if !slices.Equal(v.Lines, []string{`[null,null,""]`}) {
			t.Errorf("%s knows %q", v.Route, v.Lines)
		}
	}
}

func TestLinks(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	p := newPages(`show(path !== "/" ? "<a href=/deep>deeper</a>" : ` + "`" + `
		<a href="/">home</a><a href="/about">About</a><a href="/about#team">team</a><a href="/%C3%BCber">Über</a>
		<a href="/log-out">Bye</a><a href="/items/1/delete">x</a><a href="/bye">Sign out</a><a href="/export">All data</a>
		<a href="/report.pdf">Report</a><a href="/list?sort=name">Sorted</a><a href="http://other.localhost/x">Other</a>
		<a href="/api/items">API</a><a href="/file" download>File</a><a href="mailto:a@example.org">Mail</a>` + "`" + `)`)
	target := serve(t, p.site)
	r := verify(t, c, target)
	if diff := cmp.Diff([]string{"/about", "/über", "/log-out", "/items/1/delete", "/bye", "/export", "/report.pdf", "/api/items"}, r.Links); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/about", "/über"}, p.opened()); diff != "" {
		t.Errorf("opened: %s", diff)
	}
	if diff := cmp.Diff([]string{"/", "/about", "/über"}, routesOf(r.Snapshot)); diff != "" || !r.OK {
		t.Error(diff, r.Problems)
	}
	target.Routes = []string{"/1", "/2", "/3", "/4", "/5"}
	if r := verify(t, c, target); len(r.Snapshot.Routes) != 6 || len(r.Links) != 8 {
		t.Errorf("with enough routes no link is followed: %v, %v", routesOf(r.Snapshot), r.Links)
	}
}

// TestDeadLink: nobody promised a page behind a link, but a route is a promise.
func TestDeadLink(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, app(`document.getElementById("root").innerHTML = "<a href=/gone>gone</a>"`))
	r := verify(t, c, target)
	if !r.OK || !slices.ContainsFunc(r.Problems, func(d model.Diagnostic) bool {
		return d.Warning && d.Message == "On /gone: The page asks for /gone, which answers with status 404."
	}) {
		t.Errorf("got %+v", r.Problems)
	}
	target.Routes = []string{"/gone"}
	if r := verify(t, c, target); r.OK {
		t.Errorf("got %+v", r.Problems)
	}
}

func TestTooManyRoutes(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, newPages(`show(path)`).site)
	for i := range 14 {
		target.Routes = append(target.Routes, fmt.Sprintf("/page-%c", 'a'+i), "/")
	}
	r := verify(t, c, target)
	if !r.OK || len(r.Snapshot.Routes) != 12 || r.Notice != "Of 15 pages, the first 12 were opened." {
		t.Errorf("%d routes, %q, %+v", len(r.Snapshot.Routes), r.Notice, r.Problems)
	}
	if diff := cmp.Diff([]string{"/page-l", "/page-m", "/page-n"}, r.Snapshot.Unopened); diff != "" {
		t.Error(diff)
	}
	target.Routes = []string{"//other.localhost/"}
	if _, err := c.Verify(t.Context(), target); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// TestTimeIsUp: a start page that opened is a result, however slow the others are.
func TestTimeIsUp(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{Timeout: 4 * time.Second, Blank: 10 * time.Second})
	verify(t, c, serve(t, app(good))) // so that the browser runs
	target := serve(t, newPages(`if (path === "/") show("Here")`).site)
	target.Routes = []string{"/a", "/b", "/c"}
	r := verify(t, c, target)
	if !r.OK || r.Notice != "Of 4 pages, 1 were opened before the time was up." || r.Duration > 4*time.Second {
		t.Errorf("%v %q %+v", r.Duration, r.Notice, r.Problems)
	}
	if diff := cmp.Diff([]string{"/a", "/b", "/c"}, r.Snapshot.Unopened); diff != "" {
		t.Error(diff)
	}
}

// TestLoopAfterShowing: pages that show something, and hang a moment later.
func TestLoopAfterShowing(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := newChecker(t, Config{Hang: 2 * time.Second})
	for name, script := range map[string]string{
		"on another route": `show(path); if (path === "/list") setTimeout(() => { for (;;); }, 120)`,
		"at another width": `show(path); onresize = () => { for (;;); }`,
	} {
		t.Run(name, func(t *testing.T) {
			target := serve(t, newPages(script).site)
			if name == "on another route" {
				target.Routes = []string{"/list"}
			}
			r := verify(t, c, target)
			wrong := errorsOf(r)
			if r.OK || len(wrong) != 1 || wrong[0].Class != "timeout" || !strings.HasSuffix(wrong[0].Message, stuckText) {
				t.Fatalf("got %+v", r.Problems)
			}
			if len(target.Routes) > 0 != strings.HasPrefix(wrong[0].Message, "On /list: ") {
				t.Errorf("got %q", wrong[0].Message)
			}
		})
	}
	if r := verify(t, c, serve(t, app(good))); !r.OK || !r.Opened {
		t.Errorf("the next check must not suffer: %s", brief(r))
	}
}

// lively is a page with a clock, an identifier, a random order of elements' ids and three kinds of movement.
const lively = `
	show("<style>@keyframes k { from { margin-left: 0 } to { margin-left: 300px } } .m { animation: k 1s infinite alternate; width: 50px; height: 50px; background: navy }</style>" +
		"<h1>Orders</h1><h2 id=clock></h2><p>Request " + crypto.randomUUID() + "</p><p>Your code: <b>k" + Math.floor(1e9 * Math.random()) + "x" + Math.floor(1e9 * Math.random()) + "</b></p>" +
		"<input autofocus><div class=m></div><p>Two orders</p>");
	const clock = document.getElementById("clock"), tick = () => { clock.textContent = new Date().toISOString() };
	tick(); setInterval(tick, 10); document.querySelector("input").focus();
	document.querySelector("p").animate([{ opacity: 0 }, { opacity: 1 }], 60000);
`

func TestSamePageTwice(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	target := serve(t, newPages(lively).site)
	target.Routes = []string{"/orders"}
	first := verify(t, c, target)
	target.Baseline = stored(t, first.Snapshot)
	second := verify(t, c, target)
	if diff := cmp.Diff(model.Changes{Against: "1.0.1", Opened: 2}, second.Changes); diff != "" {
		t.Errorf("%s\n%q\n%q", diff, first.Snapshot.Routes[0].Lines, second.Snapshot.Routes[0].Lines)
	}
}

// stored is a snapshot as it comes back from the database.
func stored(t *testing.T, s Snapshot) *Snapshot {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out Snapshot
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, out); diff != "" {
		t.Error(diff)
	}
	return &out
}

func TestTwoVersions(t *testing.T) {
	browsertest.Need(t)
	t.Parallel()
	c := common.get(t)
	old := serve(t, newPages(`
		if (path === "/orders") { console.error("3 items left"); show("<h1>Orders</h1><p>Nothing here</p>") }
		else show("<h1>Shop</h1><p>Welcome</p>")`).site)
	old.Routes = []string{"/orders", "/help"}
	before := verify(t, c, old)

	s := newPages(`
		if (path === "/orders") { show("<h1>Orders</h1><p>Nothing to see</p>"); console.error("no connection on port :8123") }
		else show("<h1>Shop</h1><p>Welcome</p>"); if (path === "/") document.body.style.background = "seagreen"`)
	s.version = "1.0.2"
	now := serve(t, s.site)
	now.Routes = []string{"/orders", "/prices"}
	now.Baseline = stored(t, before.Snapshot)
	got := verify(t, c, now).Changes

	if len(got.Pages) != 2 || got.Pages[0].PictureDiff < 0.9 {
		t.Fatalf("got %+v", got)
	}
	for i := range got.Pages {
		got.Pages[i].PictureDiff = 0
	}
	want := model.Changes{
		Against: "1.0.1", Opened: 3,
		Pages:       []model.PageChange{{Route: "/"}, {Route: "/orders", TextAdded: []string{"Nothing to see"}, TextGone: []string{"Nothing here"}}},
		RoutesAdded: []string{"/prices"}, RoutesGone: []string{"/help"},
		ErrorsNew:   []string{"On /orders: console.error: no connection on port"},
		ErrorsCured: []string{"On /orders: console.error: N items left"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRoutesWithoutBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := newChecker(t, Config{})
	s := app(good)
	s.files["/about"] = s.files["/index.html"]
	s.files["/other"] = "<!doctype html><title>Other</title><main>another framework</main>"
	s.files["/data.json"] = "{}"
	target := serve(t, s)
	target.Routes = []string{"/about"}
	if r := verify(t, c, target); !r.OK || r.Opened || len(r.Snapshot.Routes) != 0 || r.Changes.Opened != 0 {
		t.Errorf("got %s", brief(r))
	}
	target.Routes = []string{"/about", "/gone", "/other", "/data.json"}
	var got []string
	for _, p := range errorsOf(verify(t, c, target)) {
		got = append(got, p.Class+": "+p.Message)
	}
	if diff := cmp.Diff([]string{
		"network: On /gone: The page answers with status 404.",
		"blank: On /other: The page has no element that the app could show itself in.",
		"network: On /data.json: The page is no HTML: its type is text/plain; charset=utf-8.",
	}, got); diff != "" {
		t.Error(diff)
	}
	for range 20 {
		target.Routes = append(target.Routes, fmt.Sprint("/", len(target.Routes)))
	}
	if r := verify(t, c, target); !strings.HasSuffix(r.Notice, "Of 25 pages, the first 12 were asked for.") {
		t.Errorf("got %q", r.Notice)
	}
}
