package handlers_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"overskill/internal/model"
	"overskill/internal/testing/browsertest"
)

// browser opens a real Chromium. Whatever it complains about (scripts that throw, what the content security
// policy refused, files that are missing) is in complaints.
type browser struct {
	t          *testing.T
	ctx        context.Context
	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	browsertest.Need(t)
	b := &browser{t: t}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(alloc)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, cdplog.Enable, cdp.Empty{})
		return chromedp.Void{}, err
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, "exception: "+e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a JavaScript expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
			b.t.Fatalf("never true: %s (%v)\n%.1500s\n%s", expression, err, text, b.heard())
		}
	}
}

func (b *browser) run(statement string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`(() => { `+statement+`; return true })()`)); err != nil {
		b.t.Fatalf("%s: %v", statement, err)
	}
}

// visit leads to a path of the site.
func (b *browser) visit(st *site, path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(st.base + path))
}

// signIn signs the owner of "harbour" in and leads on.
func (b *browser) signIn(st *site, next string) {
	b.t.Helper()
	b.visit(st, "/signin?next="+url.QueryEscape(next))
	b.run(`document.querySelector("#e").value = "mareike@harbour.example"; document.querySelector("#w").value = "correct horse"; document.querySelector("main form").requestSubmit()`)
}

// quiet fails the test if the browser complained.
func (b *browser) quiet() {
	b.t.Helper()
	if heard := b.heard(); heard != "" {
		b.t.Errorf("the browser says: %s", heard)
	}
}

func (b *browser) heard() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.complaints, "\n")
}

// localSite is a site that a browser can visit.
func localSite(t *testing.T) *site {
	t.Helper()
	st := newSite(t)
	st.base = "http://localhost" + st.server.URL[strings.LastIndexByte(st.server.URL, ':'):]
	return st
}

// happens changes an app and tells about it, as a worker does.
func (s *services) happens(a *app, version int64, kind string, data any, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change != nil {
		change()
	}
	s.emit(a, version, kind, data)
}

// finish makes the running turn of an app green.
func (s *services) finish(a *app) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &a.turns[len(a.turns)-1]
	now := time.Now()
	for i := range t.Stages {
		st := &t.Stages[i]
		st.Status = model.StageDone
		if st.StartedAt.IsZero() {
			st.StartedAt = now.Add(-time.Second)
		}
		if st.EndedAt.IsZero() {
			st.EndedAt = now
		}
	}
	t.Version.Status, t.Version.EndedAt = model.VersionGreen, now
	a.HeadVersionID, a.Status = t.Version.ID, model.AppGenerated
	a.logs = append(a.logs, model.LogEvent{VersionID: t.Version.ID, Stage: "deploy", Level: model.LogInfo, Text: "opened in a browser", At: now})
	s.emit(a, t.Version.ID, model.EventLog, a.logs[len(a.logs)-1])
	s.emit(a, t.Version.ID, model.EventTurn, model.TurnEvent{VersionID: t.Version.ID, Number: t.Version.Number, Status: model.VersionGreen})
	s.emit(a, t.Version.ID, model.EventPreview, model.PreviewEvent{VersionID: t.Version.ID, Number: t.Version.Number, URL: a.PreviewURL})
}

// A person signs in, watches a turn become green while a difference stays open, reads the live log, loses the
// connection and gets it back, sends a message and stops it; and the browser has nothing to complain about.
func TestBuilderInABrowser(t *testing.T) {
	st := newSite(t)
	port := st.server.URL[strings.LastIndexByte(st.server.URL, ':'):]
	st.base = "http://localhost" + port
	a := st.s.apps[0]
	a.PreviewURL = "http://preview-harbour.localhost" + port + "/"
	b := newBrowser(t)

	b.signIn(st, "/apps/harbour")
	b.until(`location.pathname === "/apps/harbour" && document.querySelector("#vers")?.textContent.includes("Building 1.0.2")`)
	b.until(`/^\d/.test(document.querySelector(".steps li.now time").textContent)`)

	b.run(`document.querySelector(".turns:last-child details.tool:nth-of-type(3) summary").click()`)
	b.until(`document.querySelector(".turns:last-child details[open] .diff .a")`)
	b.run(`window.kept = document.querySelector(".turns:last-child details[open] .diff")`)
	st.s.finish(a)
	b.until(`document.querySelector("#vers").textContent.includes("Live 1.0.2") && document.querySelector(".turns:last-child .pill.ok")`)
	b.until(`window.kept.isConnected && !document.querySelector("#stop button")`)

	b.run(`document.querySelector("#tab-logs").click()`)
	b.until(`location.pathname.endsWith("/logs") && document.querySelector("#log-lines").textContent.includes("opened in a browser")`)
	b.until(`document.querySelector("#tab-logs").getAttribute("aria-selected") === "true"`)
	st.server.CloseClientConnections()
	st.s.mu.Lock()
	st.s.emit(a, a.HeadVersionID, model.EventLog, model.LogEvent{VersionID: a.HeadVersionID, Stage: "deploy", Level: model.LogWarn, Text: "<i>while nobody listened</i>", At: time.Now()})
	st.s.mu.Unlock()
	b.until(`document.querySelector("#log-lines").textContent.includes("<i>while nobody listened</i>")`)
	b.until(`[...document.querySelectorAll("#log-lines p")].filter((p) => p.textContent.includes("nobody listened")).length === 1`)

	b.run(`const field = document.querySelector("#say"); field.value = "One <b>more</b>"; field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }))`)
	b.until(`document.querySelectorAll("[data-turn]").length === 4 && document.querySelector(".turns:last-child .said").textContent === "One <b>more</b>" && document.querySelector("#say").value === ""`)
	b.run(`document.querySelector("#stop button").click()`)
	b.until(`document.querySelector("#vers").textContent.includes("Stopped 1.0.3")`)

	b.run(`document.querySelector("[data-theme-switch]").click(); window.theme = document.documentElement.dataset.theme`)
	b.until(`localStorage.getItem("theme") === window.theme`)
	for _, line := range strings.Split(b.heard(), "\n") {
		if line != "" && !strings.Contains(line, "ERR_") { // the connection was cut on purpose
			t.Errorf("the browser says: %s", line)
		}
	}
}

// The first green version brings the preview: the page began without an address to show.
func TestFirstPreviewInABrowser(t *testing.T) {
	st := localSite(t)
	a := st.s.apps[0]
	a.turns, a.HeadVersionID, a.PreviewURL = a.turns[2:], 0, ""
	b := newBrowser(t)
	b.signIn(st, "/apps/harbour")
	b.until(`document.querySelector("#no-preview")?.textContent.includes("being built")`)
	st.s.mu.Lock()
	a.PreviewURL = strings.Replace(st.base, "localhost", "preview-harbour.localhost", 1) + "/"
	st.s.mu.Unlock()
	st.s.finish(a)
	b.until(`document.querySelector("#frame")?.src.includes("preview-harbour.localhost")`)
	b.quiet()
}
