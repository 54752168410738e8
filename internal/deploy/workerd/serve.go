package workerd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"overskill/internal/fault"
)

// Handler returns Serve for one app.
func (r *Runtime) Handler(app App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.Serve(w, req, app) })
}

// Serve has an app's Worker answer a request. Bodies stream both ways, and WebSockets pass. The Worker sees the address
// that the visitor asked for: the Host as it is, https where the request came by TLS or its X-Forwarded-Proto says so
// (whoever stands before us must set that header or remove it), and the visitor's address in CF-Connecting-IP.
//
// What goes wrong on our side of the Worker is a 503 with a sentence, as {"error": "..."} or, for a page, as text.
func (r *Runtime) Serve(w http.ResponseWriter, req *http.Request, app App) {
	again, ok := hold(req)
	if !ok {
		return // the client is gone
	}
	if again == nil { // HTTP/1 would read the rest of the body before the reply may begin; HTTP/2 needs no asking
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	var err error
	for range 2 {
		if err = r.serveOnce(w, req, app); err == nil || !errors.Is(err, errNotSent) || again == nil {
			break
		}
		again() // its process had died before the request reached it
	}
	if err != nil && req.Context().Err() == nil {
		writeError(w, req, err)
	}
}

// errNotSent is wrapped by the error of a request that certainly did not reach the Worker.
var errNotSent = errors.New("the process does not listen any more")

func (r *Runtime) serveOnce(w http.ResponseWriter, req *http.Request, app App) error {
	p, err := r.acquire(req.Context(), app)
	if err != nil {
		return err
	}
	defer r.release(p)
	var failed error
	p.proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), failureKey{}, &failed)))
	if failed == nil || req.Context().Err() != nil {
		return nil
	}
	var op *net.OpError
	if errors.As(failed, &op) && op.Op == "dial" {
		p.kill(causeCrash) // nobody listens, so nothing is lost; the next try must not meet it again
		<-p.done
		return errors.Join(errNotSent, p.failure(failed))
	}
	return p.failure(failed)
}

// failureKey is where a request's context holds what the proxy's error handler is told.
type failureKey struct{}

// failure explains a request that got no answer. A connection breaks a moment before the process is known to be gone.
func (p *process) failure(err error) error {
	select {
	case <-p.done:
	case <-time.After(500 * time.Millisecond):
	}
	if text := p.why().sentence(); text != "" {
		return fault.Wrap(err, fault.Unavailable, "%s", text)
	}
	return fault.Wrap(err, fault.Unavailable, "The app's server code broke off its answer.")
}

// newProxy passes requests on to one process.
func newProxy(transport http.RoundTripper) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // a reply that breaks off is in the app's log when it is the app's doing
		Rewrite: func(r *httputil.ProxyRequest) {
			proto := "http"
			if r.In.TLS != nil || strings.EqualFold(r.In.Header.Get("X-Forwarded-Proto"), "https") {
				proto = "https"
			}
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "worker"
			r.Out.Host = r.In.Host
			if r.Out.Body == nil {
				// A transport repeats a request without a body by itself. One that ended its process must not end the next.
				r.Out.Body = io.NopCloser(strings.NewReader(""))
			}
			r.Out.Header.Set("X-Forwarded-Proto", proto)
			r.Out.Header.Del("CF-Connecting-IP")
			if host, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
				r.Out.Header.Set("CF-Connecting-IP", host)
			}
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			if failed, ok := r.Context().Value(failureKey{}).(*error); ok {
				*failed = err
			}
		},
	}
}

// maxHeld is how many bytes of a request are read before it goes on.
const maxHeld = 1 << 20

// hold reads the body of a request, if it is of a usual size, before the request goes on. Otherwise a reply that begins
// early makes the server close a body that the transport still reads, which breaks the reply off. again makes the
// request ready to be sent once more; it is nil when the body streams. ok is false when the client is gone.
func hold(r *http.Request) (again func(), ok bool) {
	if r.Body == nil || r.ContentLength == 0 {
		return func() {}, true
	}
	if r.ContentLength < 0 || r.ContentLength > maxHeld {
		return nil, true
	}
	body, err := io.ReadAll(r.Body)
	again = func() { r.Body = io.NopCloser(bytes.NewReader(body)) }
	again()
	return again, err == nil
}

// writeError answers for a Worker that could not. What is wrong with the code itself is for those who wrote it, in the
// log, and not for visitors.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	text := fault.Text(err)
	if !fault.Is(err, fault.Unavailable) {
		text = "The app's server code does not start."
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "1")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, text, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // the connection is gone, and with it whom to tell
}
