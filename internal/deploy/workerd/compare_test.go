package workerd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/model"
	"overskill/internal/testing/miniflaretest"
)

// shown is a Store whose public address shows one release, and a Sealer that changes nothing.
type shown struct{ id string }

func (s shown) Current(context.Context, target.Site) (string, error) { return s.id, nil }
func (shown) Seal(plain, _ []byte) []byte                            { return plain }
func (shown) Open(sealed, _ []byte) ([]byte, error)                  { return sealed, nil }

const comparedHeaders = `
/*
  X-Custom: one
/assets/*
  Cache-Control: public, max-age=60
`

const comparedRedirects = `
/old /new 301
/old/:id /todos/:id?from=old 302
/away/* https://other.example/x/:splat 308
/copy/* /:splat 200
`

const comparedServer = `export async function handle(request, env, ctx) {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/api/hello": return new Response("hello " + env.GREETING + env.SECRET, { headers: { "x-names": Object.keys(env).sort().join() } });
    case "/api/own": return Response.json({ a: 1 }, { status: 201, headers: { "cache-control": "max-age=5" } });
    case "/api/echo": return new Response(request.method + " " + url.search + " " + await request.text());
    case "/api/fail": throw new Error("what nobody may read");
    case "/api/odd": return "no response";
    case "/api/empty": return new Response(null, { status: 204 });
    case "/api/moved": return Response.redirect("http://other.example/", 302);
    case "/api/stream": return new Response(new ReadableStream({ async start(c) { for (const s of ["a", "b"]) c.enqueue(new TextEncoder().encode(s)); c.close(); } }));
    case "/api/cookies": return new Response("", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2; Path=/"]] });
  }
}`

// TestMiniflareAgrees asks the same Worker the same things here and in Miniflare, with R2, and compares the answers.
func TestMiniflareAgrees(t *testing.T) {
	t.Parallel()
	film := bytes.Repeat([]byte{0, 1, 2, 3}, 300_000) // too big to travel in the Worker
	dist := map[string][]byte{
		"index.html": []byte("<!doctype html><title>Todo</title><div id=root></div>"), "404.html": []byte("gone"),
		"assets/index-AB23CD45.js": []byte(strings.Repeat("export const answer = 42;\n", 200)),
		"assets/film-ZX98CV76.mp4": film, "a b.txt": []byte("spaces"), "docs/index.html": []byte("docs"), "caf\u00e9.txt": []byte("unicode"),
		"_headers": []byte(comparedHeaders), "_redirects": []byte(comparedRedirects),
	}
	site := target.Site{TeamID: 1, AppID: 7, Slug: "todo", Environment: model.Production}
	p, err := plan.Make(dist, nil, plan.Options{
		AppID: site.AppID, VersionID: 42, Slug: site.Slug, VersionNumber: "1.0.3", Environment: string(site.Environment), Server: []byte(comparedServer),
	})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := placedHere(t, site, p), placedInMiniflare(t, p)
	for _, q := range comparedQuestions(p) {
		want, got := send(t, theirs, q), send(t, ours, q)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s %v: Miniflare -, workerd +\n%s", q.method, q.path, q.headers, diff)
		}
	}
}

// placedHere publishes a plan to this package's Target, and returns where it answers.
func placedHere(t testing.TB, site target.Site, p plan.Plan) string {
	t.Helper()
	place, err := NewTarget(newRuntime(t, Config{}), TargetConfig{
		Store: shown{}, Seal: shown{}, URL: func(target.Site, int64) string { return "http://todo.localhost/" },
	})
	if err != nil {
		t.Fatal(err)
	}
	placed, err := place.Deploy(t.Context(), target.Release{
		Site: site, DeploymentID: 3, VersionID: 42, Version: "1.0.3", Plan: p,
		Vars: map[string]string{"GREETING": "there "}, Secrets: map[string]string{"SECRET": "whisper"},
	}, func(model.LogLevel, string) {})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !place.ServePlaced(w, r, site, placed.ID) {
			t.Errorf("%s is not served", r.URL)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// placedInMiniflare runs what an upload to Cloudflare would hold, and returns where it answers.
func placedInMiniflare(t *testing.T, p plan.Plan) string {
	t.Helper()
	w := miniflaretest.Worker{
		Name: "os-7-todo", Main: plan.Main, CompatibilityDate: "2026-04-01", Vars: map[string]string{"GREETING": "there ", "SECRET": "whisper"},
		Modules: []miniflaretest.Module{{Name: plan.Main, Type: plan.TypeModule, Content: p.WorkerScript}},
		Buckets: map[string]map[string]miniflaretest.Object{"BUCKET": {}},
	}
	for _, m := range p.Modules() {
		w.Modules = append(w.Modules, miniflaretest.Module{Name: m.Name, Type: m.Type, Content: m.Content})
	}
	for _, a := range p.Assets {
		if a.Place == plan.InBucket {
			w.Buckets["BUCKET"][a.R2Key] = miniflaretest.Object{ContentType: a.ContentType, Content: a.Content}
		}
	}
	if len(w.Buckets["BUCKET"]) == 0 {
		t.Fatal("nothing lies in the bucket")
	}
	address, err := miniflaretest.Start(t).Serve(w)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(address, "/")
}

type asked struct {
	method, path string
	headers      map[string]string
	body         string
}

func comparedQuestions(p plan.Plan) (out []asked) {
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, path := range []string{
		"/", "/index.html", "/assets/index-AB23CD45.js", "/assets/film-ZX98CV76.mp4", "/a%20b.txt", "/caf%C3%A9.txt", "/docs/", "/docs", "/404.html",
		"/todos/17?x=1", "/users/jane.doe", "/assets/gone.js", "/gone", "/_health", "/_deployment", "/_headers", "/constructor", "/__proto__",
		"/old", "/old?q=1", "/old/5?q=1", "/old/a%2Fb", "/away/a?b=c", "/away//evil.example", "/copy/a%20b.txt", "/copy/none",
		"//evil.example/", "/a//b", "/%2e%2e/%2e%2e/etc/passwd", "/a/../a%20b.txt", "/assets%2Findex-AB23CD45.js", "/" + strings.Repeat("long/", 1000),
		"/api/hello", "/api/own", "/api/echo?a=b&a=%20c", "/api/fail", "/api/odd", "/api/empty", "/api/moved", "/api/stream", "/api/cookies", "/api/none", "/api", "/%61pi/hello",
	} {
		for _, accept := range []string{page, "*/*"} {
			for _, method := range []string{"GET", "HEAD"} {
				out = append(out, asked{method: method, path: path, headers: map[string]string{"Accept": accept}})
			}
		}
	}
	for _, file := range []string{"/a%20b.txt", "/assets/film-ZX98CV76.mp4"} {
		name := strings.ReplaceAll(file, "%20", " ")
		tag := plan.ETag(p.Hashes()[name])
		for _, h := range []map[string]string{
			{"Range": "bytes=1-3"},
			{"Range": "bytes=-2"},
			{"Range": "bytes=2-"},
			{"Range": "bytes=0-0"},
			{"Range": "bytes=9000000-"},
			{"Range": "bytes=1-2,4-5"},
			{"Range": "lines=1-2"},
			{"If-None-Match": tag},
			{"If-None-Match": "W/" + tag},
			{"If-None-Match": `"x", ` + tag},
			{"If-None-Match": "*"},
			{"If-None-Match": `"x"`},
			{"If-None-Match": tag, "Range": "bytes=1-3"},
			{"If-Range": tag, "Range": "bytes=1-3"},
			{"If-Range": `"x"`, "Range": "bytes=1-3"},
		} {
			out = append(out, asked{method: "GET", path: file, headers: h}, asked{method: "HEAD", path: file, headers: h})
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for _, path := range []string{"/", "/old", "/a%20b.txt", "/_health", "/api/none", "/api/echo?q"} {
			out = append(out, asked{method: method, path: path, body: "a body"})
		}
	}
	return out
}

// answer is an answer as far as both must give the same.
type answer struct {
	Status  int
	Headers http.Header
	Body    string
}

// send sends a path as it is written, which a client would clean.
func send(t *testing.T, address string, q asked) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: todo.localhost\r\nConnection: close\r\n", q.method, q.path)
	for k, v := range q.headers {
		fmt.Fprintf(&head, "%s: %s\r\n", k, v)
	}
	if q.body != "" {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(q.body))
	}
	_, err = io.WriteString(conn, head.String()+"\r\n"+q.body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: q.method})
	if err != nil {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	out := answer{Status: res.StatusCode, Headers: http.Header{}, Body: string(body)}
	if len(body) > 4096 {
		out.Body = fmt.Sprintf("%d bytes: %x", len(body), body[:64])
	}
	for name, values := range res.Header {
		switch name {
		case "Date", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length":
		default:
			out.Headers[name] = values
		}
	}
	return out
}
