package cloudflaretest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Fault is what can happen to a call.
type Fault int

// Faults.
const (
	TooMany     Fault = iota + 1 // 429 with Retry-After
	ServerError                  // 500
	Gateway                      // 502 with a page of HTML
	Cut                          // the connection breaks before the call takes effect
	HalfSent                     // the connection breaks while the body is being sent
	LostReply                    // the call takes effect, and the connection breaks instead of the reply
	Silence                      // nothing is answered until the client gives up; the call takes no effect
)

// Faults are all of them.
var Faults = map[string]Fault{
	"429": TooMany, "500": ServerError, "502": Gateway, "cut off": Cut, "half sent": HalfSent, "reply lost": LostReply, "silence": Silence,
}

// Reset forgets the calls that were counted, and the faults.
func (a *Account) Reset() {
	a.locked(func() { a.calls, a.faults, a.hooks, a.outage = nil, map[int]Fault{}, map[int]func(){}, 0 })
}

// At lets the n-th call since Reset, beginning with 1, suffer a fault.
func (a *Account) At(n int, f Fault) { a.locked(func() { a.faults[n] = f }) }

// Do calls f when the n-th call since Reset arrives, before anything is done about it.
func (a *Account) Do(n int, f func()) { a.locked(func() { a.hooks[n] = f }) }

// OutageFrom lets the n-th call since Reset and all that follow it fail with 503. 0 ends the outage.
func (a *Account) OutageFrom(n int) { a.locked(func() { a.outage = n }) }

// counted counts the calls of a handler, and lets them suffer.
func (a *Account) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		n := len(a.calls) + 1
		a.calls = append(a.calls, Call{Method: r.Method, Path: r.URL.Path})
		fault, hook, out := a.faults[n], a.hooks[n], a.outage > 0 && n >= a.outage
		a.mu.Unlock()
		if hook != nil {
			hook()
		}
		rec := &recorder{ResponseWriter: w}
		defer a.locked(func() {
			if n <= len(a.calls) { // Reset may have been called meanwhile
				a.calls[n-1].Status = rec.status
			}
		})
		if out {
			rec.Header().Set("Retry-After", "0")
			write(rec, reply{}, refuse(http.StatusServiceUnavailable, 7500, "The service is unavailable."))
			return
		}
		suffer(rec, r, next, fault)
	})
}

func suffer(w *recorder, r *http.Request, next http.Handler, f Fault) {
	switch f {
	case TooMany:
		w.Header().Set("Retry-After", "0")
		write(w, reply{}, refuse(http.StatusTooManyRequests, 971, "Please wait and consider throttling your request speed"))
	case ServerError:
		write(w, reply{}, refuse(http.StatusInternalServerError, 10013, "An unknown error has occurred."))
	case Gateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body>502 Bad Gateway</body></html>")
	case Cut:
		panic(http.ErrAbortHandler)
	case HalfSent:
		_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 1))
		panic(http.ErrAbortHandler)
	case LostReply:
		held, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(held))
		next.ServeHTTP(&discard{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case Silence:
		_, _ = io.Copy(io.Discard, r.Body) // so that the client is seen to leave
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		next.ServeHTTP(w, r)
	}
}

// recorder remembers the status of a reply.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) { r.status = status; r.ResponseWriter.WriteHeader(status) }

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// discard is where a lost reply goes.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// number reads a query parameter, with a value for when it is absent.
func number(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return otherwise
}
