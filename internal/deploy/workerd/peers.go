package workerd

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"overskill/internal/deploy/target"
	"overskill/internal/model"
	"overskill/internal/netguard"
)

// servePeers opens the two sockets that the process may reach.
func (p *process) servePeers(app App, out *guard, hide *strings.Replacer) error {
	say := func(text string) {
		p.log.add(target.Line{At: time.Now(), Level: model.LogWarn, Text: hide.Replace(text)})
	}
	for name, h := range map[string]http.Handler{
		"bucket.sock": bucket{app.Files, say},
		"out.sock":    outbound{out, app.Data, say},
	} {
		l, err := net.Listen("unix", filepath.Join(p.dir, name))
		if err != nil {
			return err
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		p.peers = append(p.peers, s)
		go func() { _ = s.Serve(l) }() // ends with cleanUp
	}
	return nil
}

// guard dials for apps: addresses of the public internet only, judged on the address that is really dialled, so a name
// that resolves to something private does not help. All apps share its connections.
type guard struct {
	dialer    net.Dialer
	transport *http.Transport
	proxy     *httputil.ReverseProxy

	mu      sync.Mutex
	tunnels map[net.Conn]bool
}

const (
	dialTimeout = 10 * time.Second
	// answerTimeout is how long another server may take until its answer begins: models take minutes.
	answerTimeout = 3 * time.Minute
)

func newGuard(control controlFunc) *guard {
	g := &guard{tunnels: map[net.Conn]bool{}, dialer: net.Dialer{Timeout: dialTimeout, ControlContext: control}}
	g.transport = &http.Transport{
		DialContext:           g.dialer.DialContext,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // the app asked for what it wants
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
	}
	g.proxy = &httputil.ReverseProxy{
		Transport:     g.transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if failed, ok := r.Context().Value(failureKey{}).(*error); ok {
				*failed = err
			}
		},
	}
	return g
}

func (g *guard) close() {
	g.transport.CloseIdleConnections()
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.tunnels {
		_ = c.Close()
	}
}

// outbound answers whatever an app's server code fetches or connects to.
type outbound struct {
	guard *guard
	data  http.Handler // may be nil
	say   func(text string)
}

// protoHeader is where the runtime says whether a request is to go by http or https. It sets it on every request, so an
// app cannot. (In its style for proxies it sends no Host, which Go's server refuses.)
const protoHeader = "X-Out-Proto"

// ServeHTTP sends requests on to the host that they name, and CONNECT for plain sockets.
func (o outbound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Scheme, r.URL.Host = r.Header.Get(protoHeader), r.Host
	r.Header.Del(protoHeader)
	switch {
	case r.Method == http.MethodConnect:
		o.tunnel(w, r)
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		http.Error(w, "only http and https are sent on", http.StatusBadRequest)
	case strings.EqualFold(r.URL.Hostname(), dataHost):
		o.serveData(w, r)
	default:
		o.forward(w, r)
	}
}

// serveData hands a request to the app's data API as if it had come to the API's own address.
func (o outbound) serveData(w http.ResponseWriter, r *http.Request) {
	if o.data == nil {
		http.Error(w, "This app has no data API.", http.StatusNotFound)
		return
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:0"
	if ip, err := netip.ParseAddr(r.Header.Get("CF-Connecting-IP")); err == nil { // the site's Worker passed a visitor on
		r.RemoteAddr = netip.AddrPortFrom(ip, 0).String()
	}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		r.Host = host
	}
	r.Header.Del("X-Forwarded-For")
	r.Header.Del("X-Real-Ip")
	o.data.ServeHTTP(w, r)
}

func (o outbound) forward(w http.ResponseWriter, r *http.Request) {
	if _, ok := hold(r); !ok {
		return
	}
	var failed error
	o.guard.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), failureKey{}, &failed)))
	if failed != nil && r.Context().Err() == nil {
		o.refuse(w, r.URL.Host, failed)
	}
}

// tunnel connects a socket of cloudflare:sockets. Port 25 is closed, as on Cloudflare: it is where spam goes.
func (o outbound) tunnel(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Host, ":25") {
		http.Error(w, "Port 25 is closed.", http.StatusForbidden)
		return
	}
	far, err := o.guard.dialer.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		o.refuse(w, r.Host, err)
		return
	}
	defer far.Close()
	near, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	defer o.guard.track(near, far)()
	if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, buf)
		if c, ok := far.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

// track makes close end a tunnel: the server forgets hijacked connections.
func (g *guard) track(conns ...net.Conn) (end func()) {
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

// refuse answers for a server that was not reached, and says so in the app's log.
func (o outbound) refuse(w http.ResponseWriter, host string, err error) {
	status, text := http.StatusBadGateway, "The server "+host+" did not answer."
	if errors.Is(err, netguard.ErrPrivate) {
		status = http.StatusForbidden
		text = "The address " + host + " is not on the public internet, and server code may not reach another."
	}
	o.say(text)
	http.Error(w, text, status)
}
