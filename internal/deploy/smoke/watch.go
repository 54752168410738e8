package smoke

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	pagedomain "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"overskill/internal/model"
)

// Limits of what one page can fill a report with.
const (
	maxProblems = 30
	maxMessage  = 600 // bytes
	maxLines    = 200 // of the console, and of the network
	maxReloads  = 4   // navigations of the page by itself
)

// watch collects what a page does wrong from the events of its tab. The browser calls event from one goroutine;
// everything else may be called from another.
type watch struct {
	background func(func()) // starts a goroutine that the browser's end waits for

	mu       sync.Mutex
	origin   string
	found    []problem
	seen     map[string]bool
	console  []Line
	network  []Line
	requests map[network.RequestID]request // that have not ended
	waiting  int                           // those of them that do not stream
	active   time.Time                     // when a request last began or ended
	loads    int                           // of the main document
	thrown   bool
	crashed  bool
	linked   bool // the page was found by a link
	dismiss  func()
	paused   func(*fetch.EventRequestPaused)
}

// problem is something that a page does wrong, with what else is known of it.
type problem struct {
	model.Diagnostic
	refused bool // the app itself answered with 401 or 403
	extra   bool // the page works without what it did not get, and the browser asks for it when it likes
}

type request struct {
	url     string
	streams bool // it may never end, so that nobody waits for it
}

func newWatch(background func(func())) *watch {
	return &watch{background: background, seen: map[string]bool{}, requests: map[network.RequestID]request{}}
}

// aim says which page the watch is for, before it is opened. What it knew of another page is forgotten.
func (w *watch) aim(v visit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.origin, w.linked = origin(v.url), v.linked
	w.found, w.console, w.network = nil, nil, nil
	clear(w.seen)
	clear(w.requests)
	w.waiting = 0
	w.loads, w.thrown, w.crashed = 0, false, false
	w.active = time.Now()
}

// event takes one event of the tab. It must not wait, nor talk to the browser.
func (w *watch) event(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		w.requestStarted(ev)
	case *network.EventResponseReceived:
		w.responded(ev)
	case *network.EventLoadingFinished:
		w.requestEnded(ev.RequestID)
	case *network.EventLoadingFailed:
		w.failed(ev)
	case *runtime.EventExceptionThrown:
		w.threw(ev.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		w.wrote(ev)
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			w.logged(ev)
		}
	case *log.EventEntryAdded:
		w.refused(ev.Entry)
	case *inspector.EventTargetCrashed:
		w.crashed = true
	case *pagedomain.EventJavascriptDialogOpening: // alert() holds the page until it is answered
		if w.dismiss != nil {
			w.background(w.dismiss)
		}
	case *fetch.EventRequestPaused:
		if resume := w.paused; resume != nil {
			w.background(func() { resume(ev) })
		}
	}
}

// requestStarted notes a request that the page waits for. Streams do not count: they never end.
func (w *watch) requestStarted(ev *network.EventRequestWillBeSent) {
	streams := false
	switch ev.Type {
	case network.ResourceTypeEventSource, network.ResourceTypeWebSocket, network.ResourceTypePing, network.ResourceTypeMedia:
		streams = true
	case network.ResourceTypeDocument:
		if ev.Request.URL == ev.DocumentURL && ev.RedirectResponse == nil {
			w.loads++
		}
	}
	w.requestEnded(ev.RequestID) // it was redirected
	w.requests[ev.RequestID] = request{ev.Request.URL, streams}
	if !streams {
		w.waiting++
		w.active = time.Now()
	}
}

func (w *watch) requestEnded(id network.RequestID) {
	if r, ok := w.requests[id]; ok && !r.streams {
		w.waiting--
		w.active = time.Now()
	}
	delete(w.requests, id)
}

// responded reports an error status. What the page's own origin does not have is a problem; what another origin
// refuses may work tomorrow, so it is a warning, and so are icons and an API that asks for a sign-in.
func (w *watch) responded(ev *network.EventResponseReceived) {
	if _, known := w.requests[ev.RequestID]; !known || ev.Response.Status < 400 {
		return // an unknown request is one of the page before
	}
	u, own := w.ownPath(ev.Response.URL)
	w.network = line(w.network, model.LogError, strconv.FormatInt(ev.Response.Status, 10)+" "+u)
	w.add(problem{Diagnostic: model.Diagnostic{
		Class: classNetwork, Message: "The page asks for " + u + ", which answers with status " + strconv.FormatInt(ev.Response.Status, 10) + ".",
		Warning: !own || isExtra(ev.Type) || isSignIn(u, ev.Response.Status) || w.linked && ev.Type == network.ResourceTypeDocument && isGone(ev.Response.Status),
	}, refused: own && (ev.Response.Status == 401 || ev.Response.Status == 403), extra: isExtra(ev.Type)})
}

func (w *watch) failed(ev *network.EventLoadingFailed) {
	req, known := w.requests[ev.RequestID]
	w.requestEnded(ev.RequestID)
	if !known || req.streams || ev.Canceled || ev.ErrorText == "net::ERR_ABORTED" {
		return
	}
	u, own := w.ownPath(req.url)
	text := strings.TrimPrefix(ev.ErrorText, "net::")
	if ev.CorsErrorStatus != nil {
		text = "refused by CORS: " + string(ev.CorsErrorStatus.CorsError)
	}
	w.network = line(w.network, model.LogError, text+" "+u)
	w.add(problem{Diagnostic: model.Diagnostic{
		Class: classNetwork, Message: "The page asks for " + u + ", and gets nothing (" + text + ").",
		Warning: !own || isExtra(ev.Type),
	}, extra: isExtra(ev.Type)})
}

// isExtra reports whether a page works without a request of this kind: icons, manifests, what it fetches ahead.
func isExtra(kind network.ResourceType) bool {
	switch kind {
	case network.ResourceTypeOther, network.ResourceTypeManifest, network.ResourceTypePrefetch, network.ResourceTypePing:
		return true
	}
	return false
}

// isGone reports whether a status says no more than that there is nothing: what a link promises, nobody vouched for. A
// page that fails is broken wherever one comes from.
func isGone(status int64) bool { return status == 404 || status == 410 }

// isSignIn reports whether an answer of the app's API only says that nobody is signed in.
func isSignIn(p string, status int64) bool {
	auth := strings.HasPrefix(p, "/auth/v1/")
	return (status == 401 || status == 403) && (auth || strings.HasPrefix(p, "/rest/v1/")) || auth && status < 500
}

// ownPath returns the path of a URL on the page's own origin, or the whole of another one without its query.
func (w *watch) ownPath(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return raw, false
	}
	if origin(u) == w.origin {
		return u.Path, true
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), false
}

// threw reports an exception that nothing caught.
func (w *watch) threw(d *runtime.ExceptionDetails) {
	text := d.Text
	if d.Exception != nil && d.Exception.Description != "" {
		text = strings.TrimPrefix(text+" ", "Uncaught ") + d.Exception.Description
	} else if d.Exception != nil && len(d.Exception.Value) > 0 {
		text += " " + string(d.Exception.Value)
	}
	w.thrown = true
	w.console = line(w.console, model.LogError, strings.TrimSpace(text))
	diag := model.Diagnostic{Class: classRuntime, Message: strings.TrimSpace(text)}
	file, own := w.ownPath(d.URL)
	if own {
		diag.File, diag.Line, diag.Column = strings.TrimPrefix(file, "/"), int(d.LineNumber)+1, int(d.ColumnNumber)+1
	}
	// An error from another origin's script, such as a widget, is not the app's to repair.
	diag.Warning = d.URL != "" && !own && !strings.HasPrefix(d.URL, "blob:")
	w.add(problem{Diagnostic: diag})
}

// wrote keeps what the page's code says on the console.
func (w *watch) wrote(ev *runtime.EventConsoleAPICalled) {
	level := model.LogInfo
	switch ev.Type {
	case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeAssert:
		level = model.LogError
	case runtime.ConsoleAPICalledTypeWarning:
		level = model.LogWarn
	}
	var parts []string
	for _, a := range ev.Args {
		parts = append(parts, shown(a))
	}
	w.console = line(w.console, level, strings.Join(parts, " "))
}

// quoted is an address in what the browser says about a security policy.
var quoted = regexp.MustCompile(`'((?:https?|wss?)://[^'\s]+)'`)

// refused reports what the browser did not do for the page because of a security policy, such as running an inline
// script. What the app's policy keeps out from another origin is a warning: the page may do without.
func (w *watch) refused(e *log.Entry) {
	if e.Source != log.EntrySourceSecurity || e.Level != log.EntryLevelError || strings.Contains(e.Text, "[Report Only]") || strings.Contains(e.Text, "report-only") {
		return
	}
	w.console = line(w.console, model.LogError, e.Text)
	d := model.Diagnostic{Class: classRuntime, Message: "The browser refuses what the page wants: " + e.Text}
	if m := quoted.FindStringSubmatch(e.Text); m != nil {
		_, own := w.ownPath(m[1])
		d.Warning = !own
	}
	if file, own := w.ownPath(e.URL); own && e.URL != "" {
		d.File, d.Line = strings.TrimPrefix(file, "/"), int(e.LineNumber)
	}
	w.add(problem{Diagnostic: d})
}

// shown is what a developer would read of a value on the console.
func shown(a *runtime.RemoteObject) string {
	if a.Description != "" {
		return a.Description
	}
	return strings.Trim(string(a.Value), `"`)
}

// line adds a line while there is room.
func line(lines []Line, level model.LogLevel, text string) []Line {
	if len(lines) >= maxLines {
		return lines
	}
	return append(lines, Line{level, bounded(text)})
}

// brokenCode matches what an engine says about broken code, as opposed to what code says about broken data, and
// React's own words for a component that threw.
var brokenCode = regexp.MustCompile(`^(ReferenceError|SyntaxError|RangeError|TypeError): |^(Error: )?Minified React error #|^The above error occurred in |^(Warning: )?An error occurred in the <`)

// logged reports console.error. Frameworks catch exceptions, show something in place of what failed, and log the
// error: that is a problem. Other lines are for developers, such as React's advice, and are warnings; so is a
// failed fetch, which is reported as a request already.
func (w *watch) logged(ev *runtime.EventConsoleAPICalled) {
	var parts []string
	broken := false
	for _, a := range ev.Args {
		text := shown(a)
		broken = broken || brokenCode.MatchString(text) && !strings.HasPrefix(text, "TypeError: Failed to fetch")
		parts = append(parts, text)
	}
	diag := model.Diagnostic{Class: classRuntime, Message: "console.error: " + strings.Join(parts, " "), Warning: !broken}
	w.thrown = w.thrown || broken
	if st := ev.StackTrace; st != nil && len(st.CallFrames) > 0 {
		if file, own := w.ownPath(st.CallFrames[0].URL); own {
			diag.File, diag.Line = strings.TrimPrefix(file, "/"), int(st.CallFrames[0].LineNumber)+1
		}
	}
	w.add(problem{Diagnostic: diag})
}

// add keeps a problem once, and not too many of them.
func (w *watch) add(p problem) {
	p.Message = bounded(p.Message)
	key := p.Class + p.Message
	if w.seen[key] || len(w.found) >= maxProblems {
		return
	}
	w.seen[key] = true
	w.found = append(w.found, p)
}

func bounded(text string) string {
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

func (w *watch) onDialog(dismiss func()) { w.mu.Lock(); defer w.mu.Unlock(); w.dismiss = dismiss }

// onPaused says what goes on with a request that the tab holds for us.
func (w *watch) onPaused(resume func(*fetch.EventRequestPaused)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = resume
}

func (w *watch) problems() []problem { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.found) }

// lines returns what the page wrote and what it did not get.
func (w *watch) lines() (console, network []Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.console), slices.Clone(w.network)
}

// quietFor returns for how long no request has been under way.
func (w *watch) quietFor(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 {
		return 0
	}
	return now.Sub(w.active)
}

func (w *watch) hasThrown() bool  { w.mu.Lock(); defer w.mu.Unlock(); return w.thrown }
func (w *watch) hasCrashed() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.crashed }

// reloads returns how often the page has loaded itself again.
func (w *watch) reloads() int { w.mu.Lock(); defer w.mu.Unlock(); return w.loads - 1 }
