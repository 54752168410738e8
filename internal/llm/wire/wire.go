// Package wire is what the adapters share about HTTP: a watch over servers that fall silent, bounds for what they
// send, and how long they ask us to wait. It knows no provider.
package wire

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// MaxReply bounds a streamed reply, framing included, in bytes.
const MaxReply = 64 << 20

// ErrTooLarge is what a Body answers once its limit is read.
var ErrTooLarge = errors.New("the answer is too large")

// Watch calls a function when a server has been silent for too long. The clock runs only while something is waited
// for: neither during a pause between two tries, nor while the reader of a reply is busy with it. One goroutine uses a
// Watch at a time.
type Watch struct {
	silence time.Duration
	timer   *time.Timer
}

// NewWatch returns a Watch that stands still.
func NewWatch(silence time.Duration, end func()) *Watch {
	timer := time.AfterFunc(silence, end)
	timer.Stop()
	return &Watch{silence, timer}
}

// Begin starts the clock anew, Stop ends it.
func (w *Watch) Begin() { w.timer.Reset(w.silence) }
func (w *Watch) Stop()  { w.timer.Stop() }

// Hurry shortens what counts as silence from now on, when all that matters has come.
func (w *Watch) Hurry(silence time.Duration) { w.silence = min(w.silence, silence) }

// Body watches over the reading of an answer, of at most limit bytes. Every byte is a sign of life, also a comment that
// only keeps the connection open.
func (w *Watch) Body(body io.ReadCloser, limit int) io.ReadCloser {
	return &watched{ReadCloser: body, watch: w, left: limit}
}

type watched struct {
	io.ReadCloser
	watch *Watch
	left  int
}

func (b *watched) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	b.watch.Begin()
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.watch.Stop()
	b.left -= n
	return n, err
}

// RetryAfter is how long a server asks to wait: in seconds or until a date (RFC 9110, section 10.2.3), or in
// milliseconds in a header that some send, which counts first. It is never negative and never more than a day. ok is
// false when the server did not say, or nothing that can be understood.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	for _, v := range []struct {
		header string
		unit   time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		text := h.Get(v.header)
		if text == "" {
			continue
		}
		wait, err := strconv.ParseFloat(text, 64)
		if err != nil {
			at, err := http.ParseTime(text)
			if err != nil {
				continue
			}
			wait = float64(at.Sub(now)) / float64(v.unit)
		}
		if math.IsNaN(wait) {
			continue
		}
		const day = 24 * time.Hour
		return time.Duration(min(max(wait, 0)*float64(v.unit), float64(day))), true
	}
	return 0, false
}
