package access

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	maxWrong    = 5           // passwords in a window from one address at one site
	window      = time.Minute //
	maxVisitors = 10_000      // whose attempts are remembered
)

// attempts counts wrong passwords. The zero value is ready to use.
type attempts struct {
	mu   sync.Mutex
	seen map[string]tally
}

type tally struct {
	since time.Time
	wrong int
}

// take counts an attempt before it is known to be wrong, so that many at once are no way around the limit; forgive
// takes a right one back. It returns how long to wait when there were too many.
func (a *attempts) take(visitor string, now time.Time) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[string]tally{}
	}
	t, known := a.seen[visitor]
	if !known && len(a.seen) >= maxVisitors {
		for v, old := range a.seen {
			if now.Sub(old.since) >= window {
				delete(a.seen, v)
			}
		}
		if len(a.seen) >= maxVisitors {
			// So many within a minute are one who guesses from everywhere: better that nobody new is let in for a while.
			return window, false
		}
	}
	if now.Sub(t.since) >= window {
		t = tally{since: now}
	}
	if t.wrong >= maxWrong {
		return t.since.Add(window).Sub(now), false
	}
	t.wrong++
	a.seen[visitor] = t
	return 0, true
}

func (a *attempts) forgive(visitor string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.seen, visitor)
}

// visitorOf names who sends a request, as far as the limit distinguishes them: the site and the address, of which
// IPv6 gives everybody 2^64.
func visitorOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		if ip.Is6() {
			if p, err := ip.Prefix(64); err == nil {
				host = p.String()
			}
		}
	}
	return origin(r.Host) + " " + host
}
