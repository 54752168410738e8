package local

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	pagedomain "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/plan"
	"overskill/internal/testing/browsertest"
)

// question is one request to both servers, and reply what either answers.
type question struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

type reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"` // latin1, so that bytes survive
}

// compared are the headers that both must send alike. Content-Length is left out where a platform sets it.
var compared = []string{
	"content-type", "cache-control", "etag", "content-range", "accept-ranges", "allow", "x-content-type-options",
	"referrer-policy", "x-robots-tag", "cross-origin-opener-policy", "content-security-policy",
}

// TestWorkerAgrees runs the generated Worker in Chromium, whose Request, Response and ES modules are those of the
// web platform, and compares every answer with the Server's. It keeps runtime.js and plan.Route the same.
func TestWorkerAgrees(t *testing.T) {
	browsertest.Need(t)
	for _, env := range []string{"preview", "production"} {
		t.Run(env, func(t *testing.T) {
			host := "http://preview-todo.localhost"
			if env == "production" {
				host = "http://todo.localhost"
			}
			p, err := plan.Make(build(), nil, plan.Options{AppID: 7, VersionID: 42, Slug: "todo", VersionNumber: "1.0.3", Environment: env})
			if err != nil {
				t.Fatal(err)
			}
			s, _, same := newServer(t)
			if same.Hash != p.Hash {
				t.Fatal("the environment must not change the hash")
			}
			var asked []question
			var want []reply
			for _, q := range questions() {
				q.URL = host + q.URL
				asked = append(asked, q)
				want = append(want, fromServer(t, s, q))
			}
			got := fromWorker(t, p, asked)
			for i, q := range asked {
				w, g := narrowed(want[i]), narrowed(got[i])
				if w.Status == http.StatusRequestedRangeNotSatisfiable {
					w, g = reply{Status: w.Status, Headers: map[string]string{"": w.Headers["content-range"]}}, reply{Status: g.Status, Headers: map[string]string{"": g.Headers["content-range"]}}
				}
				if diff := cmp.Diff(w, g); diff != "" {
					t.Errorf("%s %s %v: server -, worker +\n%s", q.Method, q.URL, q.Headers, diff)
				}
			}
		})
	}
}

func questions() (out []question) {
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	paths := []string{
		"/", "/index.html", "/assets/index-AB23CD45.js", "/assets/logo.svg", "/assets/big.png", "/a%20b.txt", "/docs/", "/docs",
		"/todos/17?x=1", "/users/jane.doe", "/assets/gone.js", "/assets/gone.JS", "/gone", "/_health", "/_deployment", "/%zz", "/%e0%a4",
		"/constructor", "/__proto__",
	}
	for _, p := range paths {
		for _, accept := range []string{page, "*/*"} {
			if p == "/%zz" || p == "/%e0%a4" {
				continue // net/http refuses the first, and the Worker cannot decode the second
			}
			out = append(out, question{"GET", p, map[string]string{"Accept": accept}}, question{"HEAD", p, map[string]string{"Accept": accept}})
		}
	}
	tag := plan.ETag(mustHash("a b.txt"))
	// Not asked: "bytes=-0", which net/http answers with an empty range and RFC 9110 section 14.1.2 calls unsatisfiable.
	for _, h := range []map[string]string{
		{"Range": "bytes=1-3"},
		{"Range": "bytes=-2"},
		{"Range": "bytes=2-"},
		{"Range": "bytes=0-99"},
		{"Range": "bytes=6-"},
		{"Range": "bytes=0-0"},
		{"If-None-Match": tag},
		{"If-None-Match": "W/" + tag},
		{"If-None-Match": `"x", ` + tag},
		{"If-None-Match": "*"},
		{"If-None-Match": `"x"`},
		{"If-None-Match": tag, "Range": "bytes=1-3"},
		{"If-Range": tag, "Range": "bytes=1-3"},
		{"If-Range": `"x"`, "Range": "bytes=1-3"},
	} {
		out = append(out, question{"GET", "/a%20b.txt", h}, question{"HEAD", "/a%20b.txt", h})
	}
	out = append(out, question{"GET", "/assets/big.png", map[string]string{"Range": "bytes=69990-"}})
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		out = append(out, question{m, "/", nil})
	}
	return out
}

func mustHash(name string) string {
	p, err := plan.Make(build(), nil, plan.Options{})
	if err != nil {
		panic(err)
	}
	return p.Hashes()["/"+name]
}

func narrowed(r reply) reply {
	out := reply{Status: r.Status, Body: r.Body, Headers: map[string]string{}}
	for _, name := range compared {
		if v := r.Headers[name]; v != "" {
			out.Headers[name] = v
		}
	}
	return out
}

func fromServer(t *testing.T, s *Server, q question) reply {
	t.Helper()
	var header []string
	for k, v := range q.Headers {
		header = append(header, k, v)
	}
	res := ask(s, q.Method, q.URL, header...)
	r := reply{Status: res.StatusCode, Headers: map[string]string{}, Body: latin1(bodyOf(t, res))}
	for k := range res.Header {
		r.Headers[strings.ToLower(k)] = res.Header.Get(k)
	}
	if q.Method == http.MethodHead { // the recorder keeps what net/http would not send
		r.Body = ""
	}
	return r
}

func latin1(s string) string {
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}

const runWorker = `(async (questions) => {
  const worker = (await import("/worker/index.js")).default;
  const env = { BUCKET: { async get(key, options) {
    const r = await fetch("/r2?key=" + encodeURIComponent(key));
    if (!r.ok) return null;
    let b = await r.arrayBuffer();
    if (options) b = b.slice(options.range.offset, options.range.offset + options.range.length);
    return { body: new Response(b).body };
  } } };
  const out = [];
  for (const q of questions) {
    const r = await worker.fetch(new Request(q.url, { method: q.method, headers: q.headers || {} }), env);
    const bytes = new Uint8Array(await r.arrayBuffer());
    let body = "";
    for (const b of bytes) body += String.fromCharCode(b);
    out.push({ status: r.status, headers: Object.fromEntries(r.headers), body });
  }
  return out;
})`

// fromWorker asks the Worker of a plan in Chromium.
func fromWorker(t *testing.T, p plan.Plan, asked []question) []reply {
	t.Helper()
	srv := httptest.NewServer(workerHost(p))
	defer srv.Close()
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	defer cancel()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.Call(ctx, pagedomain.Navigate, pagedomain.NavigateParams{URL: srv.URL}); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[[]reply](runWorker+"("+string(b)+")", chromedp.EvalAwaitPromise))
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
	for _, m := range p.Modules() {
		mux.HandleFunc("GET /worker/"+m.Name, func(w http.ResponseWriter, _ *http.Request) {
			js(w, []byte(`export default await (await fetch("/raw/`+m.Name+`")).arrayBuffer();`))
		})
		mux.HandleFunc("GET /raw/"+m.Name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(m.Content) })
	}
	mux.HandleFunc("GET /r2", func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Query().Get("key")
		for _, a := range p.Assets {
			if a.R2Key == key && !a.Embedded {
				_, _ = w.Write(a.Content)
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}
