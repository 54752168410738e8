package workerd

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"overskill/internal/netguard"
	"overskill/internal/testing/pgtest"
)

// fetcher passes on what it is told to fetch or to connect to.
const fetcher = `
import { connect } from "cloudflare:sockets";
export async function handle(request) {
  const url = new URL(request.url), to = url.searchParams.get("to");
  try {
    if (url.pathname === "/api/connect") {
      const socket = connect(to);
      await socket.opened;
      const writer = socket.writable.getWriter();
      await writer.write(new TextEncoder().encode("ping\n"));
      const { value } = await socket.readable.getReader().read();
      return new Response("reached " + new TextDecoder().decode(value));
    }
    const answer = await fetch(to, { redirect: "follow" });
    return new Response("answer " + answer.status + " " + await answer.text());
  } catch (error) {
    return new Response("error " + error.message);
  }
}`

func TestPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	reached := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was reached", r.Host)
	}))
	defer reached.Close()
	_, port, err := net.SplitHostPort(reached.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	db, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, Config{})
	app := appOf("1/preview", fetcher)
	for _, host := range []string{
		"127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port, "0.0.0.0:" + port, "2130706433:" + port,
		"127.1:" + port, "10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]", "100.64.0.1", db.Host,
	} {
		for _, path := range []string{"/api/fetch?to=" + url.QueryEscape("http://"+host+"/"), "/api/fetch?to=" + url.QueryEscape("https://"+host+"/"), "/api/connect?to=" + url.QueryEscape(hostPort(host))} {
			status, body := ask(t, r, app, path)
			if status != 200 || !strings.HasPrefix(body, "error ") && !strings.HasPrefix(body, "answer 403 The address ") {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	}
	if text := logText(r, app.Name); !strings.Contains(text, "warn The address 169.254.169.254 is not on the public internet") {
		t.Errorf("log %s", text)
	}
	// Not even a socket of ours: neither by name nor as a path.
	p := running(t, r, app)
	for _, to := range []string{"unix:" + filepath.Join(p.dir, "bucket.sock"), "unix:bucket.sock"} {
		if _, body := ask(t, r, app, "/api/connect?to="+url.QueryEscape(to)); !strings.HasPrefix(body, "error ") {
			t.Errorf("%s: %s", to, body)
		}
	}
}

func hostPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return host + ":80"
}

// publicServer declares one address of this machine part of the public internet.
func publicServer(r *Runtime, addr string) {
	r.control = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if address == addr {
			return nil
		}
		return netguard.PublicOnly(ctx, network, address, c)
	}
}

func TestPublicAddressesAreReached(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed inside") }))
	defer inside.Close()
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			http.Redirect(w, r, inside.URL, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "hello "+r.Host)
	}))
	defer outside.Close()
	r := newRuntime(t, Config{})
	publicServer(r, outside.Listener.Addr().String())
	app := appOf("1/preview", fetcher)
	wantBody(t, r, app, "/api/fetch?to="+outside.URL, "answer 200 hello "+outside.Listener.Addr().String())
	if _, body := ask(t, r, app, "/api/fetch?to="+outside.URL+"/inside"); !strings.HasPrefix(body, "answer 403 ") {
		t.Errorf("a redirect to the inside: %s", body)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 5)
		_, _ = io.ReadFull(c, b)
		_, _ = c.Write([]byte("got " + string(b)))
	}()
	publicServer(r, l.Addr().String())
	wantBody(t, r, app, "/api/connect?to="+l.Addr().String(), "reached got ping\n")
}

// TestSupabaseJS runs the real client of the apps against their data API, as SUPABASE_URL names it.
func TestSupabaseJS(t *testing.T) {
	t.Parallel()
	dir, err := fromNPM(t)(t.Context(), "@supabase/supabase-js", "2.119.1",
		"sha512-uypIljL8NVQ6de+Z2F2qPW5HW2Isavh/NmpuqUo8AKpoj1NvbNZTy5sMeA0NWy/kXxcpwq94abKOvQnbjSkR0w==")
	if err != nil {
		t.Fatal(err)
	}
	library, err := os.ReadFile(filepath.Join(dir, "dist", "umd", "supabase.js"))
	if err != nil {
		t.Fatal(err)
	}
	server := string(library) + `
export async function handle(request, env) {
  const client = supabase.createClient(env.SUPABASE_URL, env.SUPABASE_SERVICE_ROLE_KEY);
  const { data, error } = await client.from("todos").insert({ title: "x" }).select();
  return Response.json({ data, error });
}`
	r := newRuntime(t, Config{})
	app := appOf("7/preview", server, "SUPABASE_URL", DataURL, "SUPABASE_SERVICE_ROLE_KEY", "the-key")
	app.Data = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.String() != "/rest/v1/todos?select=*" || r.Header.Get("Apikey") != "the-key" || string(body) != `{"title":"x"}` {
			t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `[{"id":1,"title":"x"}]`)
	})
	wantBody(t, r, app, "/api/x", `{"data":[{"id":1,"title":"x"}],"error":null}`)

	none := appOf("8/preview", fetcher)
	if _, body := ask(t, r, none, "/api/fetch?to="+DataURL+"/rest/v1/todos"); !strings.HasPrefix(body, "answer 404") {
		t.Errorf("the data API of an app that has none: %s", body)
	}
}
