package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	browserdomain "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"overskill/internal/model"
)

// The window that a page is opened in, in CSS pixels, and the scale of its picture.
const (
	viewWidth, viewHeight = 1280, 800
	pictureScale          = 0.5
)

// The rhythm of a look. A page counts as shown when something is visible and its requests have been quiet.
const (
	tick      = 15 * time.Millisecond
	quiet     = 100 * time.Millisecond
	maxSettle = 1500 * time.Millisecond // after something is visible: a page may poll for ever
	afterFail = 500 * time.Millisecond  // how long a page that threw gets to recover and show something
	hangAfter = 8 * time.Second         // a page that answers nothing for so long is stuck in a loop
	tabWithin = 15 * time.Second        // a busy machine needs seconds for a tab
	patience  = 3                       // times Config.Blank that a page may stay empty while it still loads
)

// findings is what a look at a page brought.
type findings struct {
	problems   []model.Diagnostic
	console    []Line
	network    []Line
	screenshot []byte
	title      string
}

func (f *findings) add(class, format string, args ...any) {
	f.problems = append(f.problems, model.Diagnostic{Class: class, Message: fmt.Sprintf(format, args...)})
}

// state is what probe returns.
type state struct {
	Loaded bool   `json:"loaded"` // all that the document names has been loaded
	Shows  bool   `json:"shows"`  // there is something to see
	Title  string `json:"title"`
}

// probe looks whether the page shows anything: text, or a picture or control of some size, in the element that
// frameworks render into, or else in the body.
const probe = `(() => {
  const root = document.querySelector("#root, #app, #__next") || document.body;
  const s = { loaded: document.readyState === "complete", shows: false, title: document.title };
  if (!root) return s;
  s.shows = root.innerText.trim() !== "";
  if (!s.shows) for (const e of root.querySelectorAll("img,svg,canvas,video,input,textarea,select,iframe")) {
    const r = e.getBoundingClientRect();
    if (r.width >= 4 && r.height >= 4 && e.checkVisibility({ visibilityProperty: true })) { s.shows = true; break; }
  }
  return s;
})()`

// errStuck says that a page no longer answers. Its findings stand, but its browser must be ended: a page in an
// endless loop cannot be closed.
var errStuck = errors.New("the page does not answer")

// tab is an empty page in a browser context of its own, with a watch on it.
type tab struct {
	ctx   context.Context
	close context.CancelFunc // waits until the tab is closed
	watch *watch
	err   error // the tab could not be made
}

// newTab makes a tab. What it starts in the background, it starts with background.
func (p *process) newTab(background func(func())) *tab {
	w := newWatch(background)
	ctx, closeTab := chromedp.NewContext(p.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.event))
	t := &tab{ctx: ctx, close: closeTab, watch: w}
	late := time.AfterFunc(tabWithin, closeTab)
	defer late.Stop()
	if _, t.err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	}); t.err != nil {
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

// look opens u in a tab. An error other than errStuck means that the browser is gone; what the page does wrong is
// in the findings. The tab is closed in the background.
func (p *process) look(parent context.Context, u *url.URL, blank time.Duration, background func(func())) (findings, error) {
	t := p.take(background)
	defer background(t.close)
	if t.err != nil {
		return findings{}, fmt.Errorf("%w: %w", errNoTab, t.err)
	}
	defer p.prepare(background)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(parent, cancel)()
	t.watch.aim(u)
	return lookIn(ctx, t.watch, u, blank)
}

func lookIn(ctx context.Context, w *watch, u *url.URL, blank time.Duration) (findings, error) {
	var f findings
	res, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: u.String()})
	if err != nil {
		return f, fmt.Errorf("navigate: %w", err)
	}
	if res.ErrorText != "" {
		f.add(classNetwork, "The page does not open: %s.", res.ErrorText)
		return f, nil
	}
	last, err := settle(ctx, w, blank)
	if err != nil {
		return f, err
	}
	err = conclude(ctx, w, last, blank, &f)
	return f, err
}

// outcome is how settling ended.
type outcome struct {
	state
	stuck   bool // the page stopped answering
	crashed bool // its process died
}

// settle waits until the page shows something and is quiet, or until there is no more hope.
func settle(ctx context.Context, w *watch, blank time.Duration) (outcome, error) {
	start := time.Now()
	var shown time.Time
	for {
		var out outcome
		pctx, cancel := context.WithTimeout(ctx, hangAfter)
		s, err := chromedp.Run(pctx, chromedp.Evaluate[state](probe))
		hung := pctx.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case w.hasCrashed():
			return outcome{crashed: true}, nil
		case hung:
			return outcome{stuck: true}, nil
		case ctx.Err() != nil:
			return out, ctx.Err()
		case err == nil: // an error here is a navigation in between: ask again
			out.state = s
		}
		now := time.Now()
		if out.Shows && shown.IsZero() {
			shown = now
		}
		idle := w.quietFor(now)
		switch {
		case out.Shows && out.Loaded && idle >= quiet,
			out.Shows && now.Sub(shown) >= maxSettle,
			out.Loaded && !out.Shows && w.hasThrown() && idle >= afterFail,
			w.reloads() > maxReloads,
			!out.Shows && out.Loaded && idle >= quiet && now.Sub(start) >= blank,
			!out.Shows && now.Sub(start) >= patience*blank:
			return out, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
}

// conclude turns what was seen into findings and takes the picture.
func conclude(ctx context.Context, w *watch, last outcome, blank time.Duration, f *findings) error {
	f.title = strings.TrimSpace(last.Title)
	f.problems = w.problems()
	f.console, f.network = w.lines()
	switch {
	case last.crashed:
		f.add(classRuntime, "The page crashed: it may need too much memory.")
		return nil
	case last.stuck:
		f.add(classTimeout, "The page stopped answering: its code runs in an endless loop.")
		return errStuck
	case w.reloads() > maxReloads:
		f.add(classRuntime, "The page reloads itself again and again.")
		return nil // it would not hold still for a picture
	case !last.Shows:
		f.add(classBlank, "The page stays blank: nothing is visible after %s.", blank)
	}
	pctx, cancel := context.WithTimeout(ctx, hangAfter)
	defer cancel()
	shot, err := chromedp.Call(pctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format:           page.CaptureScreenshotFormatPng,
		Clip:             &page.Viewport{Width: viewWidth, Height: viewHeight, Scale: pictureScale},
		OptimizeForSpeed: new(true),
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	f.screenshot = shot.Data // a page that moves on in this moment has no picture
	return nil
}
