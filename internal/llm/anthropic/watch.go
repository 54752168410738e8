package anthropic

import (
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/anthropics/anthropic-sdk-go/option"

	"overskill/internal/llm/wire"
)

const (
	longestWait = time.Minute            // that a provider may ask for between two tries
	endOfReply  = 500 * time.Millisecond // how long the end of a stream may take after its last event
	maxBody     = 1 << 20                // bytes of an answer that is no stream, such as an error
)

// watch ends a request when the server is silent for too long.
type watch struct{ *wire.Watch }

func newWatch(silence time.Duration, end func()) *watch { return &watch{wire.NewWatch(silence, end)} }

// middleware watches one try, and keeps the SDK from long waits and large answers.
func (w *watch) middleware(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	w.Begin()
	res, err := next(req)
	w.Stop()
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
	limit := maxBody
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/event-stream" {
		limit = wire.MaxReply
	}
	res.Body = w.Body(res.Body, limit)
	return res, nil
}

// boundRetry keeps the SDK from a wait that is longer than a minute, or that is no time at all.
func boundRetry(h http.Header) {
	wait, ok := wire.RetryAfter(h, time.Now())
	switch {
	case !ok:
		h.Del("Retry-After")
		h.Del("Retry-After-Ms")
	case wait > longestWait:
		h.Set("X-Should-Retry", "false")
	}
}
