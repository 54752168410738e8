package smoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	tabWithin = 15 * time.Second        // a busy machine needs seconds for a tab
	patience  = 3                       // times Config.Blank that a page may stay empty while it still loads
)

// findings is what a look at a page brought.
type findings struct {
	problems   []problem
	console    []Line
	network    []Line
	screenshot []byte
	narrow     []byte // the picture of a phone; of the start page only
	title      string
	view       *view // nil when the page did not hold still, or did not live on
}

func (f *findings) add(class, format string, args ...any) {
	f.problems = append(f.problems, problem{Diagnostic: model.Diagnostic{Class: class, Message: fmt.Sprintf(format, args...)}})
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

func lookIn(ctx context.Context, w *watch, v visit) (findings, error) {
	var f findings
	res, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: v.url.String()})
	if err != nil {
		return f, fmt.Errorf("navigate: %w", err)
	}
	if res.ErrorText != "" {
		f.add(classNetwork, "The page does not open: %s.", res.ErrorText)
		return f, nil
	}
	last, err := settle(ctx, w, v)
	if err != nil {
		return f, err
	}
	err = conclude(ctx, w, last, v, &f)
	return f, err
}

// outcome is how settling ended.
type outcome struct {
	state
	stuck   bool // the page stopped answering
	crashed bool // its process died
	after   time.Duration
}

// settle waits until the page shows something and is quiet, or until there is no more hope.
func settle(ctx context.Context, w *watch, v visit) (outcome, error) {
	start := time.Now()
	var shown time.Time
	for {
		var out outcome
		pctx, cancel := context.WithTimeout(ctx, v.hang)
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
		out.after = now.Sub(start)
		if out.Shows && shown.IsZero() {
			shown = now
		}
		idle := w.quietFor(now)
		switch {
		case out.Shows && out.Loaded && idle >= quiet,
			out.Shows && now.Sub(shown) >= maxSettle,
			out.Loaded && !out.Shows && w.hasThrown() && idle >= afterFail,
			w.reloads() > maxReloads,
			!out.Shows && out.Loaded && idle >= quiet && out.after >= v.blank,
			!out.Shows && out.after >= patience*v.blank:
			return out, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
}

// conclude turns what was seen into findings and takes the pictures.
func conclude(ctx context.Context, w *watch, last outcome, v visit, f *findings) error {
	f.title = strings.TrimSpace(last.Title)
	switch {
	case last.crashed:
		f.from(w)
		f.add(classRuntime, crashText)
		return nil
	case last.stuck:
		f.from(w)
		f.add(classTimeout, stuckText)
		return errStuck
	case w.reloads() > maxReloads:
		f.from(w)
		f.add(classRuntime, "The page reloads itself again and again.")
		return nil // it would not hold still for a picture
	}
	err := portray(ctx, v, f)
	f.from(w)
	if !last.Shows {
		f.add(classBlank, "The page stays blank: nothing is visible after %s.", last.after.Round(time.Second))
	}
	switch {
	case w.hasCrashed():
		f.view = nil
		f.add(classRuntime, crashText)
		return nil
	case errors.Is(err, errStuck):
		f.view = nil
		f.add(classTimeout, stuckText)
	}
	return err
}

const (
	crashText = "The page crashed: it may need too much memory."
	stuckText = "The page stopped answering: its code runs in an endless loop."
)

// from takes what the watch has seen so far. What add reports comes after it.
func (f *findings) from(w *watch) {
	f.problems = w.problems()
	f.console, f.network = w.lines()
}
