package smoke

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The window of a phone, in CSS pixels.
const narrowWidth, narrowHeight = 390, 844

// view is what can be read on a page.
type view struct {
	Path  string `json:"path"` // where the page is now, as the browser writes it
	Text  string `json:"text"`
	Boxes []box  `json:"boxes"`
	Links []link `json:"links"`
}

// box is a part of the first screen whose look may pass: text with a digit or the like, a film, a frame.
type box struct {
	rect
	Text string `json:"text"`
	Live bool   `json:"live"` // it changes by itself
}

// link leads to another page of the app.
type link struct {
	Path string `json:"path"` // as the browser writes it
	Text string `json:"text"`
}

// readPage makes a page hold still and reads it: animations are put at their end, endless ones at their start, and the
// caret of a field is hidden.
const readPage = `(() => {
  document.documentElement.style.caretColor = "transparent";
  for (const a of document.getAnimations()) {
    try { a.finish() } catch { try { a.pause(); a.currentTime = 0 } catch {} }
  }
  const v = { path: location.pathname, text: "", boxes: [], links: [] };
  if (!document.body) return v;
  v.text = document.body.innerText.slice(0, 200000);
  const add = (r, text, live) => {
    if (r.width > 0 && r.height > 0 && r.top < innerHeight && r.left < innerWidth && r.bottom > 0 && r.right > 0)
      v.boxes.push({ x: r.x, y: r.y, w: r.width, h: r.height, text, live });
  };
  const range = document.createRange(), seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = texts.nextNode()) && v.boxes.length < 300;) {
    if (!/\d|ago|now|in an?/i.test(n.data)) continue;
    const p = n.parentElement;
    if (p.childElementCount === 0) {
      if (!seen.has(p)) add(p.getBoundingClientRect(), p.textContent.slice(0, 300), false);
      seen.add(p);
    } else {
      range.selectNode(n);
      add(range.getBoundingClientRect(), n.data.slice(0, 300), false);
    }
  }
  for (const e of document.querySelectorAll("video,iframe")) add(e.getBoundingClientRect(), "", true);
  for (const a of document.links) {
    if (v.links.length >= 200) break;
    if (a.origin === location.origin && !a.search && !a.hasAttribute("download") && a.href.length < 500)
      v.links.push({ path: a.pathname, text: (a.innerText || a.getAttribute("aria-label") || "").slice(0, 200) });
  }
  return v;
})()`

// portray reads a page and takes its pictures. A page that answers no longer, even if it did a moment ago, is errStuck.
func portray(ctx context.Context, v visit, f *findings) error {
	if seen, err := ask[view](ctx, v, readPage); err == nil {
		f.view = &seen
	} else if isFinal(ctx, err) {
		return err
	}
	var err error
	if f.screenshot, err = picture(ctx, v, viewWidth, viewHeight); err != nil {
		return err
	}
	if v.start() {
		if f.narrow, err = portrayNarrow(ctx, v); err != nil {
			return err
		}
	}
	// What was due while the pictures were taken comes before the answer.
	if _, err = ask[bool](ctx, v, `new Promise(done => setTimeout(() => done(true), 0))`, chromedp.EvalAwaitPromise); isFinal(ctx, err) {
		return err
	}
	return nil
}

// portrayNarrow takes the picture of a phone. A page that moves on in this moment has none.
func portrayNarrow(ctx context.Context, v visit) ([]byte, error) {
	if err := setWindow(ctx, narrowWidth, narrowHeight); err != nil {
		return nil, ctx.Err()
	}
	// Code that follows the width needs a frame to do so.
	_, err := ask[bool](ctx, v, `new Promise(done => requestAnimationFrame(() => setTimeout(() => done(true), 0)))`, chromedp.EvalAwaitPromise)
	if err != nil {
		if isFinal(ctx, err) {
			return nil, err
		}
		return nil, nil
	}
	return picture(ctx, v, narrowWidth, narrowHeight)
}

// picture takes a picture of what lies in the window, at half its size. A page that moves on in this moment has none.
func picture(ctx context.Context, v visit, width, height float64) ([]byte, error) {
	pctx, cancel := context.WithTimeout(ctx, v.hang)
	defer cancel()
	shot, err := chromedp.Call(pctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format:           page.CaptureScreenshotFormatPng,
		Clip:             &page.Viewport{Width: width, Height: height, Scale: pictureScale},
		OptimizeForSpeed: new(true),
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case pctx.Err() != nil:
		return nil, errStuck
	case err != nil:
		return nil, nil
	}
	return shot.Data, nil
}

// ask evaluates an expression. errStuck: the page does not answer within Config.Hang.
func ask[T any](ctx context.Context, v visit, expression string, opts ...chromedp.EvaluateOption) (T, error) {
	actx, cancel := context.WithTimeout(ctx, v.hang)
	defer cancel()
	answer, err := chromedp.Run(actx, chromedp.Evaluate[T](expression, opts...))
	switch {
	case ctx.Err() != nil:
		return answer, ctx.Err()
	case actx.Err() != nil:
		return answer, errStuck
	}
	return answer, err
}

// isFinal reports whether after this error of ask there is no use in asking on. Other errors come from a page that
// moves on.
func isFinal(ctx context.Context, err error) bool {
	return errors.Is(err, errStuck) || ctx.Err() != nil
}

// masks returns what of the first screen is not compared.
func (v *view) masks() (out []rect) {
	for _, b := range v.Boxes {
		if b.Live || lasting(b.Text) != b.Text {
			out = append(out, b.rect)
		}
	}
	return out
}

// Links that are only listed: what they lead to may do something, or is no page.
var (
	acts    = regexp.MustCompile(`(?i)(?:sign|log)[-_ ]?(?:out|off)|delete|remove|destroy|erase|export|download|unsubscribe|revoke|reset`)
	hasFile = regexp.MustCompile(`\.[A-Za-z0-9]{1,8}$`)
	noPage  = regexp.MustCompile(`^/(?:_|api/|api$)`)
)

// paths returns the paths of the links in their order, and of them those that can be opened without doing harm.
func paths(links []link) (all, safe []string) {
	known := map[string]bool{"/": true}
	for _, l := range links {
		p, err := url.PathUnescape(l.Path)
		if err != nil || known[p] || !validRoute(p) {
			continue
		}
		known[p] = true
		all = append(all, p)
		if !acts.MatchString(p) && !acts.MatchString(l.Text) && !hasFile.MatchString(p) && !noPage.MatchString(p) {
			safe = append(safe, p)
		}
	}
	return all, safe
}

// signIn matches the paths at which apps ask who one is.
var signIn = regexp.MustCompile(`(?i)(?:^|/)(?:sign-?in|log-?in|sign-?up|register|auth|welcome)(?:/|$)`)

func validRoute(r string) bool {
	return strings.HasPrefix(r, "/") && !strings.HasPrefix(r, "//") && !strings.ContainsAny(r, "?#\\\x00") && len(r) < 500
}

// endPath returns where a page that was opened at route went by itself, or "" when it stayed.
func (f *findings) endPath(route string) string {
	if f.view == nil {
		return ""
	}
	end, err := url.PathUnescape(f.view.Path)
	if err != nil || strings.TrimSuffix(end, "/") == strings.TrimSuffix(route, "/") {
		return ""
	}
	return end
}
