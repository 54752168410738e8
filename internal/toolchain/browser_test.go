package toolchain

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"overskill/internal/testing/browsertest"
)

// serve serves a site as a host would.
func serve(t testing.TB, dist Dist) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := strings.TrimPrefix(r.URL.Path, "/")
		if p == "" {
			p = "index.html"
		}
		b, ok := dist.Files[p]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(p)))
		http.ServeContent(w, r, p, time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// visit uses the fixture as a person would and returns what could be seen, a line each.
const visit = `(async () => {
	const errors = [];
	const appears = async (selector) => {
		for (let i = 0; i < 500; i++) {
			const e = document.querySelector(selector);
			if (e) return e;
			await new Promise((f) => setTimeout(f, 20));
		}
		throw new Error(selector + " did not appear in " + document.documentElement.outerHTML);
	};
	const count = await appears("#count");
	count.click();
	await new Promise((f) => setTimeout(f, 50));
	count.click();
	(await appears("#more")).click();
	const details = await appears("#details");
	await new Promise((f) => setTimeout(f, 100));
	return [
		document.querySelector("h1").textContent,
		count.textContent,
		document.querySelector("#mode").textContent,
		details.textContent,
		getComputedStyle(count).borderTopColor,
		getComputedStyle(details).color,
		getComputedStyle(document.querySelector("main")).maxWidth,
		document.querySelector("img").naturalWidth > 0 ? "picture" : "no picture",
	].join("\n");
})()`

// TestInBrowser opens both builds in Chromium and uses them.
func TestInBrowser(t *testing.T) {
	browsertest.Need(t)
	tc, tree := open(t), fixture(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	for mode, production := range map[Mode]string{Production: "true", Development: "false"} {
		t.Run(string(mode), func(t *testing.T) {
			url := serve(t, build(t, tc, tree, mode))
			thrown := make(chan string, 100)
			ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(func(ev any) {
				if e, ok := ev.(*runtime.EventExceptionThrown); ok {
					select {
					case thrown <- e.ExceptionDetails.Text:
					default:
					}
				}
			}))
			defer cancel()
			if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
				t.Fatal(err)
			}
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			seen, err := chromedp.Run(limited, chromedp.Evaluate[string](visit, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"Hello World valid", "Count: 2", string(mode) + " " + production + " React 19.3.1", "Loaded on demand",
				"rgb(1, 2, 3)", "rgb(4, 5, 6)", "713px", "picture",
			}
			if d := cmp.Diff(want, strings.Split(seen, "\n")); d != "" {
				t.Error(d)
			}
			select {
			case e := <-thrown:
				t.Errorf("the page threw %s", e)
			default:
			}
		})
	}
}
