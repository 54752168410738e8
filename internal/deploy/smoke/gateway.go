package smoke

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"overskill/internal/netguard"
)

// gateway is the HTTP proxy through which the browser reaches everything. Hosts under check are dialled wherever
// they are; every other host must be on the public internet. The decision is taken on the address that is really
// dialled, so a name that resolves to something private later does not help.
type gateway struct {
	own    string // host:port of this server, below which its sites are, or ""
	dial   string // where those answer
	server *http.Server
	listen net.Listener
	proxy  *httputil.ReverseProxy
	direct *http.Transport

	mu      sync.Mutex
	allowed map[string]*guest // by host:port: those under check
	tunnels map[net.Conn]bool
}

// guest is a host under check.
type guest struct {
	checks int
	access string // the token that opens it; "" when it is open
}

// AccessHeader is the request header that carries Target.Access.
const AccessHeader = "Overskill-Access"

func newGateway(own, dial string) (*gateway, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gateway{own: strings.ToLower(own), dial: dial, listen: l, allowed: map[string]*guest{}, tunnels: map[net.Conn]bool{}}
	g.direct = &http.Transport{
		DialContext:         g.dialContext,
		DisableCompression:  true, // the browser asks for what it wants
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     10 * time.Second,
	}
	quiet := log.New(io.Discard, "", 0) // a request that fails is the page's problem, and is reported as such
	g.proxy = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport:     admitting{g, g.direct},
		FlushInterval: -1,
		ErrorLog:      quiet,
	}
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	go func() { _ = g.server.Serve(l) }() // ends with close
	return g, nil
}

func (g *gateway) addr() string { return g.listen.Addr().String() }

func (g *gateway) close() error {
	err := g.server.Close()
	g.direct.CloseIdleConnections()
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.tunnels {
		_ = c.Close()
	}
	return err
}

// allow lets the host of u be dialled, private or not, until the returned function is called. Requests to it carry
// the access token, if there is one.
func (g *gateway) allow(u *url.URL, access string) (end func()) {
	key := hostPort(u)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.allowed[key] == nil {
		g.allowed[key] = &guest{}
	}
	g.allowed[key].checks++
	if access != "" { // of two checks of one address, either token opens it
		g.allowed[key].access = access
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.allowed[key].checks--; g.allowed[key].checks == 0 {
			delete(g.allowed, key)
		}
	}
}

// admitting is a transport that shows the access token to the hosts under check, and to no others. It looks at every
// request by itself, so a redirect takes the token nowhere.
type admitting struct {
	gateway *gateway
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a admitting) RoundTrip(r *http.Request) (*http.Response, error) {
	a.gateway.mu.Lock()
	var access string
	if guest := a.gateway.allowed[hostPort(r.URL)]; guest != nil {
		access = guest.access
	}
	a.gateway.mu.Unlock()
	if access != "" {
		r = r.Clone(r.Context())
		r.Header.Set(AccessHeader, access)
	}
	return a.next.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (a admitting) CloseIdleConnections() {
	if t, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// origin is the origin of a URL as a browser writes it: in lower case, and without the port that its scheme has anyway.
func origin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return scheme + "://" + host
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// dialContext connects to a host of a page.
func (g *gateway) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	g.mu.Lock()
	known := g.allowed[strings.ToLower(addr)] != nil
	g.mu.Unlock()
	d := net.Dialer{Timeout: 5 * time.Second}
	if !known {
		d.ControlContext = netguard.PublicOnly
		return d.DialContext(ctx, network, addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	host = strings.ToLower(host)
	switch at := net.JoinHostPort(host, port); {
	case g.own != "" && g.dial != "" && (at == g.own || strings.HasSuffix(at, "."+g.own)):
		addr = g.dial
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		// RFC 6761 section 6.3: these names are the loopback address, whether or not a resolver knows it.
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return d.DialContext(ctx, network, addr)
}

// ServeHTTP is the proxy: absolute requests for http, CONNECT for https and WebSockets.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		g.tunnel(w, r)
	case r.URL.IsAbs() && r.URL.Scheme == "http":
		if hold(r) {
			g.proxy.ServeHTTP(w, r)
		}
	default:
		http.Error(w, "this is a proxy", http.StatusBadRequest)
	}
}

// maxHeld is how many bytes of a request are read before it goes on.
const maxHeld = 8 << 20

// hold reads the body of a request, if it is of a usual size, before the request goes on. Otherwise a reply that
// begins early makes the server close a body that the transport still reads, which breaks the reply off: a page
// would be blamed for it. It reports whether the client is still there.
func hold(r *http.Request) bool {
	if r.ContentLength <= 0 || r.ContentLength > maxHeld {
		return true
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil
}

func (g *gateway) tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := g.dialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "cannot connect", http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	defer g.track(near, far)()
	if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, buf)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

// track makes close end a tunnel: the server forgets hijacked connections.
func (g *gateway) track(conns ...net.Conn) (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.tunnels[c] = true
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, c := range conns {
			delete(g.tunnels, c)
		}
	}
}
