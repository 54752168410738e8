package anthropic

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/anthropics/anthropic-sdk-go/option"
)

const (
	longestWait = time.Minute            // that a provider may ask for between two tries
	endOfReply  = 500 * time.Millisecond // how long the end of a stream may take after its last event
	maxReply    = 64 << 20               // bytes of a streamed reply
	maxBody     = 1 << 20                // bytes of any other answer, such as an error
)

var errTooLarge = errors.New("the answer is too large")

// watch ends a request when the server is silent for too long. The clock runs only while something is waited for:
// neither during a pause between two tries, nor while the reader of the reply is busy with it.
type watch struct {
	silence time.Duration
	timer   *time.Timer
}

func newWatch(silence time.Duration, end func()) *watch {
	timer := time.AfterFunc(silence, end)
	timer.Stop()
	return &watch{silence, timer}
}

func (w *watch) begin() { w.timer.Reset(w.silence) }
func (w *watch) stop()  { w.timer.Stop() }

// hurry is called when all that matters has come.
func (w *watch) hurry() { w.silence = min(w.silence, endOfReply) }

// middleware watches one try, and keeps the SDK from long waits and large answers.
func (w *watch) middleware(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	w.begin()
	res, err := next(req)
	w.stop()
	if err != nil || res == nil {
		return res, err
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		_ = res.Body.Close()
		return nil, fmt.Errorf("the server sends us elsewhere (%s), which is not followed", res.Status)
	}
	if res.StatusCode >= 400 {
		boundRetry(res.Header)
	}
	body := &watchedBody{ReadCloser: res.Body, watch: w, left: maxBody}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/event-stream" {
		body.left = maxReply
	}
	res.Body = body
	return res, nil
}

// watchedBody is the body of an answer, read under a watch.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	left  int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	b.watch.begin()
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.watch.stop()
	b.left -= n
	return n, err
}

// boundRetry keeps the SDK from a wait that is longer than a minute, or that is no time at all.
func boundRetry(h http.Header) {
	wait, ok := retryAfter(h, time.Now())
	switch {
	case !ok:
		h.Del("Retry-After")
		h.Del("Retry-After-Ms")
	case wait > longestWait:
		h.Set("X-Should-Retry", "false")
	}
}

// retryAfter is how long the provider asks to wait: in seconds or until a date (RFC 9110, section 10.2.3), or in
// milliseconds in a header of its own, which counts first. It is never negative and never more than a day.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
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
