package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	pagedomain "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"overskill/internal/deploy/plan"
	"overskill/internal/testing/browsertest"
)

// workerEnv says how a Worker is run.
type workerEnv struct {
	Main   string            `json:"main"`   // "" means index.js
	Plain  map[string]string `json:"plain"`  // bindings that are texts
	Ranges bool              `json:"ranges"` // the static assets answer ranges
	Record bool              `json:"record"` // what the Worker fetches is answered with what was asked
}

const runWorker = `(async (questions, options) => {
  const worker = (await import("/worker/" + (options.main || "index.js"))).default;
  const real = globalThis.fetch;
  const bytesOf = async (r) => (r.ok ? await r.arrayBuffer() : null);
  const env = { ...options.plain };
  env.BUCKET = { async get(key, options) {
    let b = await bytesOf(await real("/r2?key=" + encodeURIComponent(key)));
    if (b && options) b = b.slice(options.range.offset, options.range.offset + options.range.length);
    return b && { body: new Response(b).body };
  } };
  env.ASSETS = { async fetch(request) {
    const path = decodeURIComponent(new URL(request.url).pathname);
    const b = await bytesOf(await real("/static?path=" + encodeURIComponent(path)));
    if (!b) return new Response("not here", { status: 404 });
    const m = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") || "");
    if (m && options.ranges) return new Response(b.slice(Number(m[1]), Number(m[2]) + 1), { status: 206 });
    return new Response(b);
  } };
  if (options.main) { delete env.BUCKET; delete env.ASSETS; }
  if (options.record) globalThis.fetch = async (r) => {
    if (r.url.endsWith("/broken")) throw new Error("connection refused");
    const asked = { url: r.url, method: r.method, redirect: r.redirect, headers: Object.fromEntries(r.headers), body: await r.text() };
    return new Response(JSON.stringify(asked), { status: 409, headers: { "content-type": "application/x", "x-up": "1" } });
  };
  const out = [];
  for (const q of questions) {
    const r = await worker.fetch(new Request(q.url, { method: q.method, headers: q.headers || {}, body: q.body }), env, { waitUntil() {} });
    const bytes = new Uint8Array(await r.arrayBuffer());
    let body = "";
    for (const b of bytes) body += String.fromCharCode(b);
    out.push({ status: r.status, headers: Object.fromEntries(r.headers), body });
  }
  return out;
})`

// newBrowser starts Chromium with an empty page.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	browsertest.Need(t)
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// fromWorker asks the Worker of a plan in Chromium.
func fromWorker(ctx context.Context, t *testing.T, p plan.Plan, asked []question, with workerEnv) []reply {
	t.Helper()
	srv := httptest.NewServer(workerHost(p))
	defer srv.Close()
	if _, err := chromedp.Call(ctx, pagedomain.Navigate, pagedomain.NavigateParams{URL: srv.URL}); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[[]reply](fmt.Sprintf("%s(%s, %s)", runWorker, b, options), chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// workerHost serves a Worker's script, its modules as the platform hands them over, and its bucket.
func workerHost(p plan.Plan) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html>"))
	})
	js := func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(body)
	}
	mux.HandleFunc("GET /worker/index.js", func(w http.ResponseWriter, _ *http.Request) { js(w, p.WorkerScript) })
	mux.HandleFunc("GET /worker/functions.js", func(w http.ResponseWriter, _ *http.Request) { js(w, plan.ServerMain()) })
	for _, m := range p.Modules() {
		if m.Type == plan.TypeModule {
			mux.HandleFunc("GET /worker/"+m.Name, func(w http.ResponseWriter, _ *http.Request) { js(w, m.Content) })
			continue
		}
		mux.HandleFunc("GET /worker/"+m.Name, func(w http.ResponseWriter, _ *http.Request) {
			js(w, []byte(`export default await (await fetch("/raw/`+m.Name+`")).arrayBuffer();`))
		})
		mux.HandleFunc("GET /raw/"+m.Name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(m.Content) })
	}
	content := func(place plan.Place, is func(a plan.Asset) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for _, a := range p.Assets {
				if a.Place == place && is(a) {
					_, _ = w.Write(a.Content)
					return
				}
			}
			http.NotFound(w, r)
		}
	}
	mux.HandleFunc("GET /r2", func(w http.ResponseWriter, r *http.Request) {
		content(plan.InBucket, func(a plan.Asset) bool { return a.R2Key == r.URL.Query().Get("key") })(w, r)
	})
	mux.HandleFunc("GET /static", func(w http.ResponseWriter, r *http.Request) {
		content(plan.InAssets, func(a plan.Asset) bool { return a.Path == r.URL.Query().Get("path") })(w, r)
	})
	return mux
}
