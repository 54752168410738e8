package smoke

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// TestGateway stands where the browser stands: it may reach the app under check, and nothing else inside.
func TestGateway(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.Header.Get("Accept-Encoding"))
	}))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGateway("localhost:1", "127.0.0.1:1") // our own sites are elsewhere
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	client := &http.Client{Transport: &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: g.addr()}),
		DisableCompression: true,
	}}
	defer client.CloseIdleConnections()
	get := func(u string) (int, string) {
		t.Helper()
		r, err := client.Get(u)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(b)
	}
	app := "http://preview-todo.localhost:" + port + "/"
	u, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := get(app); code != http.StatusBadGateway {
		t.Errorf("before the check: %d", code)
	}
	end := g.allow(u, "")
	if code, body := get(app); code != 200 || strings.TrimSpace(body) != "preview-todo.localhost:"+port {
		t.Errorf("the app: %d %q", code, body)
	}
	for _, other := range []string{
		"http://127.0.0.1:" + port + "/", "http://localhost:" + port + "/", "http://preview-other.localhost:" + port + "/",
		"http://[::ffff:127.0.0.1]:" + port + "/", "http://0.0.0.0:" + port + "/",
	} {
		if code, body := get(other); code != http.StatusBadGateway {
			t.Errorf("%s: %d %q", other, code, body)
		}
	}
	if code, text := get("https://127.0.0.1:" + port + "/"); code != 0 || !strings.Contains(text, "Bad Gateway") {
		t.Errorf("tunnel inside: %d %s", code, text)
	}
	if r, err := http.Get("http://" + g.addr() + "/"); err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("asked as a server: %v", err)
	} else {
		r.Body.Close()
	}
	g.allow(u, "")() // two checks at once: the end of one must not end the other
	if code, _ := get(app); code != 200 {
		t.Errorf("after the other check: %d", code)
	}
	end()
	client.CloseIdleConnections()
	g.direct.CloseIdleConnections()
	if code, _ := get(app); code != http.StatusBadGateway {
		t.Errorf("after the check: %d", code)
	}
}

// TestTunnel sends bytes both ways through CONNECT, as WebSockets and https do.
func TestTunnel(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		c, err := echo.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	g, err := newGateway("LocalHost:1234", echo.Addr().String()) // wherever our own sites are said to be
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	defer g.allow(&url.URL{Scheme: "http", Host: "todo.localhost:1234"}, "")()
	c, err := net.Dial("tcp", g.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "CONNECT todo.localhost:1234 HTTP/1.1\r\nHost: todo.localhost:1234\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\n\r\n"
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("%q %v", buf, err)
	}
	_, _ = io.WriteString(c, "ping")
	if _, err := io.ReadFull(c, buf[:4]); err != nil || string(buf[:4]) != "ping" {
		t.Fatalf("%q %v", buf[:4], err)
	}
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(buf); err == nil {
		t.Errorf("the tunnel outlives the gateway: %d bytes", n)
	}
}

// TestHold: what the server does to a request's body once a reply has begun does not reach the request that went on.
func TestHold(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://app.localhost/", strings.NewReader("a request"))
	inbound := r.Body
	if !hold(r) {
		t.Fatal("the client is gone")
	}
	if err := inbound.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(inbound); len(rest) != 0 {
		t.Errorf("%q was left in the inbound body, %v", rest, err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "a request" || err != nil {
		t.Errorf("the request goes on with %q, %v", body, err)
	}
	r = httptest.NewRequest(http.MethodPost, "http://app.localhost/", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.ContentLength = 10
	if hold(r) {
		t.Error("half a request goes on")
	}
}
