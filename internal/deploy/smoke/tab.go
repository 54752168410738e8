package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	browserdomain "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// tab is an empty page in a browser context of its own, with a watch on it.
type tab struct {
	owner  *process
	ctx    context.Context
	close  context.CancelFunc // waits until the tab is closed
	watch  *watch
	err    error // the tab could not be made
	shrunk bool  // its window is a phone's
	admits bool  // it says who we are
}

// newTab makes a tab. What it starts in the background, it starts with background.
func (p *process) newTab(background func(func())) *tab {
	w := newWatch(background)
	ctx, closeTab := chromedp.NewContext(p.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.event))
	t := &tab{owner: p, ctx: ctx, close: closeTab, watch: w}
	late := time.AfterFunc(tabWithin, closeTab)
	defer late.Stop()
	if _, t.err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	}); t.err != nil {
		return t
	}
	// The window counts the browser's own bars.
	if t.err = setWindow(ctx, viewWidth, viewHeight); t.err != nil {
		return t
	}
	_, t.err = chromedp.CallBrowser(ctx, browserdomain.SetDownloadBehavior, browserdomain.SetDownloadBehaviorParams{
		Behavior:         browserdomain.SetDownloadBehaviorBehaviorDeny,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	})
	w.onDialog(func() {
		_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false})
	})
	return t
}

// setWindow sets what a page has for its window, in CSS pixels.
func setWindow(ctx context.Context, width, height int64) error {
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1,
	})
	return err
}

// clear makes a tab as good as new for another page of the same app: nothing of the page before runs or is stored.
// What remains is the cache of files, which is what makes using a tab again worth while.
func (t *tab) clear(ctx context.Context, v visit) error {
	ctx, cancel := context.WithTimeout(ctx, v.hang)
	defer cancel()
	if t.shrunk { // while there is a page: an empty one takes long to follow its window
		if err := setWindow(ctx, viewWidth, viewHeight); err != nil {
			return err
		}
		t.shrunk = false
	}
	// What a page keeps for its tab can only be reached from the page.
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => { try { sessionStorage.clear() } catch {} return true })()`)); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: "about:blank"}); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{
		Origin: origin(v.url), StorageTypes: "cookies,local_storage,indexeddb,service_workers,cache_storage",
	}); err != nil {
		return err
	}
	return nil
}

// admit makes the tab's requests to the app's own origin carry the access token, and no others: a header of the
// whole tab would tell it to every host that the page names. Over http the gateway adds it.
func (t *tab) admit(ctx context.Context, u *url.URL, access string) error {
	if access == "" || u.Scheme != "https" || t.admits {
		return nil
	}
	own := origin(u)
	t.watch.onPaused(func(ev *fetch.EventRequestPaused) {
		params := fetch.ContinueRequestParams{RequestID: ev.RequestID}
		if to, err := url.Parse(ev.Request.URL); err == nil && origin(to) == own {
			// These headers do not extend to where a redirect leads: that request is paused again.
			for name, value := range ev.Request.Headers {
				params.Headers = append(params.Headers, &fetch.HeaderEntry{Name: name, Value: fmt.Sprint(value)})
			}
			params.Headers = append(params.Headers, &fetch.HeaderEntry{Name: AccessHeader, Value: access})
		}
		_, _ = chromedp.Call(t.ctx, fetch.ContinueRequest, params) // a page that has gone needs no answer
	})
	_, err := chromedp.Call(ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: own + "/*"}}})
	t.admits = err == nil
	return err
}

// prepare makes the tab of the next look in the background: it takes longer than most pages.
func (p *process) prepare(background func(func())) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil && p.ctx.Err() == nil {
		next := make(chan *tab, 1)
		p.next = next
		background(func() { next <- p.newTab(background) })
	}
}

// take returns the prepared tab, or a new one.
func (p *process) take(background func(func())) *tab {
	p.mu.Lock()
	next := p.next
	p.next = nil
	p.mu.Unlock()
	if next == nil {
		return p.newTab(background)
	}
	return <-next
}

// errNoTab says that the browser did not even give an empty page.
var errNoTab = errors.New("the browser gives no tab")

// visit is a page to look at.
type visit struct {
	url   *url.URL
	route string
	// linked: only a link leads there, so that nobody promised that there is something.
	linked bool
	// How long the page may stay empty, and how long it may answer nothing.
	blank, hang time.Duration
}

func (v visit) start() bool { return v.route == "/" }

// session is a check's use of the browser. Its tabs are used again for other pages of the same app, one page at a
// time.
type session struct {
	access     string
	background func(func())

	mu    sync.Mutex
	tabs  []*tab
	owner *process // whose tabs were used last
}

func newSession(access string, background func(func())) *session {
	return &session{access: access, background: background}
}

// close gives the tabs back, and has one prepared for the next check.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tabs {
		s.background(t.close)
	}
	s.tabs = nil
	if s.owner != nil {
		s.owner.prepare(s.background)
	}
}

// take returns a tab of a process, empty and ready for v.
func (s *session) take(ctx context.Context, p *process, v visit) *tab {
	s.mu.Lock()
	s.owner = p
	var t *tab
	for i := len(s.tabs) - 1; i >= 0 && t == nil; i-- {
		if s.tabs[i].owner == p {
			t = s.tabs[i]
			s.tabs = append(s.tabs[:i], s.tabs[i+1:]...)
		}
	}
	s.mu.Unlock()
	if t != nil {
		tctx, cancel := within(t, ctx)
		err := t.clear(tctx, v)
		cancel()
		if err == nil {
			return t
		}
		s.background(t.close) // the page before may have begun to loop
	}
	t = p.take(s.background)
	if t.err == nil {
		tctx, cancel := within(t, ctx)
		t.err = t.admit(tctx, v.url, s.access)
		cancel()
	}
	return t
}

// put keeps a tab for the next page.
func (s *session) put(t *tab) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tabs = append(s.tabs, t)
}

// within returns the tab's context, ended also by parent.
func within(t *tab, parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.ctx)
	stop := context.AfterFunc(parent, cancel)
	return ctx, func() { stop(); cancel() }
}

// look opens a page in a tab. An error other than errStuck means that the browser is gone; what the page does wrong
// is in the findings. A tab that is not used again is closed in the background.
func (p *process) look(parent context.Context, s *session, v visit) (findings, error) {
	t := s.take(parent, p, v)
	if t.err != nil {
		s.background(t.close)
		return findings{}, fmt.Errorf("%w: %w", errNoTab, t.err)
	}
	ctx, cancel := within(t, parent)
	defer cancel()
	t.watch.aim(v)
	t.shrunk = v.start()
	f, err := lookIn(ctx, t.watch, v)
	if err != nil || t.watch.hasCrashed() {
		s.background(t.close)
	} else {
		s.put(t)
	}
	return f, err
}
