package local

import (
	"sync"
	"time"
)

// limiter counts events per key and refuses a key that had too many in a window. It lives in one process: with
// several, a key may have its limit in each.
type limiter struct {
	most   int
	window time.Duration
	now    func() time.Time

	mu     sync.Mutex
	counts map[string]*window
	swept  time.Time
}

type window struct {
	n   int
	end time.Time
}

func newLimiter(most int, per time.Duration, now func() time.Time) *limiter {
	return &limiter{most: most, window: per, now: now, counts: map[string]*window{}, swept: now()}
}

// take counts an event of key and reports whether it is within the limit. Counting first means that attempts
// made at the same time cannot slip through together.
func (l *limiter) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.swept) > l.window {
		for k, w := range l.counts {
			if now.After(w.end) {
				delete(l.counts, k)
			}
		}
		l.swept = now
	}
	w := l.counts[key]
	if w == nil || now.After(w.end) {
		w = &window{end: now.Add(l.window)}
		l.counts[key] = w
	}
	w.n++
	return w.n <= l.most
}

// clear forgets key, as after a sign-in that worked.
func (l *limiter) clear(key string) {
	l.mu.Lock()
	delete(l.counts, key)
	l.mu.Unlock()
}
