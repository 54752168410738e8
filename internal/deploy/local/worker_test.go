package local

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
	"overskill/internal/model"
)

// question is one request to both servers, and reply what either answers.
type question struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body,omitempty"`
}

type reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"` // latin1, so that bytes survive
}

// compared are the headers that both must send alike. Content-Length is left out where a platform sets it.
var compared = []string{
	"content-type", "cache-control", "etag", "content-range", "accept-ranges", "allow", "x-content-type-options",
	"referrer-policy", "x-robots-tag", "cross-origin-opener-policy", "content-security-policy", "location", "retry-after",
	"x-custom", "x-frame-options", "x-title", "link", "content-disposition",
}

const ownHeaders = `# comment
/*
  X-Custom: one
  X-Content-Type-Options: none
  X-Frame-Options: DENY
  ! X-Robots-Tag
/assets/*
  Cache-Control: public, max-age=60
  X-Custom: two
/a%20b.txt
  ! X-Custom
  ! Referrer-Policy
/todos/:id
  X-Title: todo :id of :splat
/docs/*
  Link: </:splat>; rel=canonical
  Content-Type: text/plain
  Content-Disposition: attachment; filename=:splat
/_health
  X-Custom: no
`

const ownRedirects = `
/old /new 301
/old /newer
/old/:id /todos/:id?from=old#top
/go/* /:splat 307
/away/* https://other.example/x/:splat 308
/from-:a/to-:b /:b/:a 303
/alias/* /docs/ 200
/copy/* /:splat 200
/pic /assets/big.png 200
/nowhere /gone.png 200
/docs/x /docs/y
/_health / 302
/api/hello / 302
/caf%C3%A9/:x /é/:x
/* /index.html 200
`

// ownServer is an app's server code.
const ownServer = `export async function handle(request, env, ctx) {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/api/hello": return new Response("hello " + Object.keys(env).sort().join(), { headers: { "content-type": "text/plain" } });
    case "/api/own": return Response.json({ a: 1 }, { status: 201, headers: { "referrer-policy": "no-referrer", "cache-control": "max-age=5" } });
    case "/api/echo": return new Response(request.method + " " + url.search + await request.text() + request.headers.get("overskill-access"));
    case "/api/fail": throw new Error("what nobody may read");
    case "/api/odd": return "no response";
    case "/api/empty": return new Response(null, { status: 204 });
    case "/api/moved": return Response.redirect("http://other.example/", 302);
  }
}`

// TestWorkerAgrees runs the generated Worker in Chromium, whose Request, Response and ES modules are those of the
// web platform, and compares every answer with the Server's. It keeps the scripts of a Worker and the Go that does the
// same in package plan and here the same.
func TestWorkerAgrees(t *testing.T) {
	browser := newBrowser(t)
	private := access.Rule{Mode: access.Private, Key: []byte("0123456789abcdef0123456789abcdef"), Epoch: 3}
	dist := build()
	dist["_headers"], dist["_redirects"] = []byte(ownHeaders), []byte(ownRedirects)
	for name, tt := range map[string]struct {
		env    model.Environment
		mode   plan.Mode
		ranges bool // static assets answer ranges
		dist   map[string][]byte
		server string
		rule   access.Rule
	}{
		"preview":                 {env: model.Preview, dist: build()},
		"production":              {env: model.Production, dist: build()},
		"preview, all its own":    {env: model.Preview, dist: dist, server: ownServer, rule: private},
		"production, all its own": {env: model.Production, dist: dist, server: ownServer},
		"static assets":           {env: model.Production, mode: plan.Assets, dist: dist, server: ownServer},
		"static assets, ranges":   {env: model.Preview, mode: plan.Assets, ranges: true, dist: dist},
	} {
		t.Run(name, func(t *testing.T) {
			host := Host("todo", tt.env, "localhost")
			p, err := plan.Make(tt.dist, nil, plan.Options{
				AppID: 7, VersionID: 42, Slug: "todo", VersionNumber: "1.0.3", Environment: string(tt.env), Mode: tt.mode, Server: []byte(tt.server),
			})
			if err != nil {
				t.Fatal(err)
			}
			asked := questions()
			for i := range asked {
				asked[i].URL = "http://" + host + asked[i].URL
			}
			with := workerEnv{Ranges: tt.ranges, Plain: map[string]string{"GREETING": "hi"}}
			api := map[string]reply{}
			if tt.server != "" {
				alone := with
				alone.Main = "functions.js"
				for i, r := range fromWorker(browser, t, p, asked, alone) {
					api[keyOf(asked[i].Method, asked[i].URL)] = r
				}
			}
			if tt.rule.Mode != "" {
				asked = accessQuestions(tt.rule, host, asked)
				text, err := json.Marshal(tt.rule)
				if err != nil {
					t.Fatal(err)
				}
				with.Plain["ACCESS"] = string(text)
			}
			s := serverOf(t, p, tt.env, tt.rule, api)
			for i, g := range fromWorker(browser, t, p, asked, with) {
				q := asked[i]
				w, g := narrowed(t, fromServer(t, s, q)), narrowed(t, g)
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

// serverOf returns a Server that shows a plan. Its server code is played from what ServerMain answered.
func serverOf(t *testing.T, p plan.Plan, env model.Environment, rule access.Rule, api map[string]reply) *Server {
	t.Helper()
	rel := Release{AppID: 7, VersionID: 42, Slug: "todo", Version: "1.0.3", Hash: p.Hash, Access: rule}
	s, err := New(Config{
		Dir: t.TempDir(), Store: &memStore{live: map[Address]Release{{Slug: "todo", Environment: env}: rel}},
		Functions: func(_ Release, code ServerCode) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if b, err := code.Bytes(); err != nil || string(b) != string(p.Server) || r.Header.Get(access.Header) != "" {
					t.Errorf("server code %d bytes, %v, headers %v", len(b), err, r.Header)
				}
				answer, ok := api[keyOf(r.Method, "http://"+r.Host+r.URL.RequestURI())]
				if !ok {
					t.Errorf("nobody asked the server code for %s", r.URL)
				}
				for k, v := range answer.Headers {
					w.Header().Set(k, v)
				}
				w.WriteHeader(answer.Status)
				for _, c := range answer.Body {
					_, _ = w.Write([]byte{byte(c)})
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return s
}

func keyOf(method, url string) string { return method + " " + url }

// accessQuestions asks the questions as somebody who may, and some as others.
func accessQuestions(rule access.Rule, host string, asked []question) (out []question) {
	token := rule.Token(host, time.Hour, time.Now())
	for _, q := range asked {
		h := map[string]string{access.Header: token}
		for k, v := range q.Headers {
			h[k] = v
		}
		q.Headers = h
		out = append(out, q)
	}
	for _, path := range []string{"/", "/assets/index-AB23CD45.js", "/_health", "/_deployment", "/api/hello", "/rest/v1/x", "/old", "/?_access=" + token + "&a=b", "/?_access=no"} {
		for _, accept := range []string{"text/html", "*/*"} {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				out = append(out, question{Method: method, URL: "http://" + host + path, Headers: map[string]string{"Accept": accept}})
			}
		}
	}
	return out
}

func questions() (out []question) {
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	paths := []string{
		"/", "/index.html", "/assets/index-AB23CD45.js", "/assets/logo.svg", "/assets/big.png", "/a%20b.txt", "/docs/", "/docs",
		"/todos/17?x=1", "/users/jane.doe", "/assets/gone.js", "/assets/gone.JS", "/gone", "/_health", "/_deployment", "/%zz", "/%e0%a4",
		"/constructor", "/__proto__", "/_headers", "/_redirects",
		"/old", "/old?q=1", "/old/5?q=1", "/old/a%2Fb", "/go/a/b?x=%20", "/go//evil.example/", "/go/%2F%5Cevil.example", "/go/%0d%0aX:y%C3%A9?z",
		"/away/a?b=c", "/away/", "/from-1/to-2-to-3", "/alias/x", "/alias/", "/copy/a%20b.txt", "/copy/_health", "/pic", "/nowhere",
		"/docs/x", "/docs/%0aa%C3%A9%3F%23.txt", "/caf%C3%A9/x", "/caf\u00e9/x", "/todos/a:b", "/todos/%25",
		"/rest/v1/todos", "/storage/v1/x", "/auth/v1/", "/realtime/v1/websocket",
		"/api/hello", "/api/own", "/api/echo?a=b", "/api/fail", "/api/odd", "/api/empty", "/api/moved", "/api/none", "/api", "/%61pi/none",
	}
	for _, p := range paths {
		for _, accept := range []string{page, "*/*"} {
			if p == "/%zz" || p == "/%e0%a4" {
				continue // net/http refuses the first, and the Worker cannot decode the second
			}
			out = append(out, question{Method: "GET", URL: p, Headers: map[string]string{"Accept": accept}}, question{Method: "HEAD", URL: p, Headers: map[string]string{"Accept": accept}})
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
		out = append(out, question{Method: "GET", URL: "/a%20b.txt", Headers: h}, question{Method: "HEAD", URL: "/a%20b.txt", Headers: h})
	}
	for _, h := range []map[string]string{
		{"Range": "bytes=69990-"}, {"Range": "bytes=1-2"}, {"Range": "bytes=0-69999"}, {"Range": "bytes=-1"}, {"Accept-Encoding": "br"},
	} {
		out = append(out, question{Method: "GET", URL: "/assets/big.png", Headers: h})
	}
	for _, coding := range []string{"gzip", "br, gzip", "identity"} {
		out = append(out, question{Method: "GET", URL: "/assets/index-AB23CD45.js", Headers: map[string]string{"Accept-Encoding": coding}},
			question{Method: "GET", URL: "/assets/index-AB23CD45.js", Headers: map[string]string{"Accept-Encoding": coding, "Range": "bytes=5-9"}})
	}
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		for _, p := range []string{"/", "/old", "/pic", "/_health", "/_deployment", "/rest/v1/todos", "/api/none"} {
			out = append(out, question{Method: m, URL: p})
		}
		out = append(out, question{Method: m, URL: "/api/echo", Body: "body"})
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

// narrowed keeps what is compared. Compressed bytes are unpacked: Cloudflare compresses after the Worker, and then makes
// the entity tag weak too.
func narrowed(t *testing.T, r reply) reply {
	t.Helper()
	out := reply{Status: r.Status, Body: r.Body, Headers: map[string]string{}}
	for _, name := range compared {
		if v := r.Headers[name]; v != "" {
			out.Headers[name] = v
		}
	}
	if coding := r.Headers["content-encoding"]; coding != "" {
		out.Headers["etag"] = strings.TrimPrefix(out.Headers["etag"], "W/")
		if r.Body != "" {
			packed := make([]byte, 0, len(r.Body))
			for _, c := range r.Body {
				packed = append(packed, byte(c))
			}
			out.Body = latin1(string(decode(t, coding, bytes.NewReader(packed))))
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
	res := askWith(s, q.Method, q.URL, strings.NewReader(q.Body), header...)
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
