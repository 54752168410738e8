package cloudflare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"overskill/internal/fault"
)

// transport carries out every call to the API. It is given to the SDK as its HTTP client.
type transport struct {
	client  *http.Client
	limiter Limiter
	log     *slog.Logger
	redact  redactor
	backoff time.Duration // before the first repetition; doubled after each
	timeout time.Duration // of one attempt, before the time that its body takes
}

// How a call is carried out.
const (
	attempts    = 5
	firstWait   = 300 * time.Millisecond
	longestWait = 30 * time.Second // also of a Retry-After
	callTimeout = 30 * time.Second // of one attempt, before the time that its body takes
	bodyRate    = 250_000          // bytes a second that an upload is given at least
	maxReply    = 32 << 20
)

func newTransport(cfg Config) *transport {
	return &transport{client: cfg.HTTPClient, limiter: cfg.Limiter, log: cfg.Log, backoff: firstWait, timeout: callTimeout}
}

// apiError is what Cloudflare answered to a call. Its text holds no secret.
type apiError struct {
	Method, Path string
	Status       int
	Code         int // Cloudflare's own number, such as 10007; 0 when there was none
	Message      string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: %d (code %d): %s", e.Method, e.Path, e.Status, e.Code, e.Message)
}

// Do carries out a call: it waits for the rate limit, and repeats what failed because of the network, of a rate limit or
// of Cloudflare's own troubles. Every call of this package may be repeated: what is put is put again, and a version that
// was uploaded twice is the same version twice. The reply has been read when Do returns, so that a connection
// that breaks within it is repeated too. Errors are faults; a status of 400 or more is an error.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	wait := t.backoff
	for attempt := 1; ; attempt++ {
		if err := t.limiter.Wait(ctx); err != nil {
			return nil, stopped(ctx, err)
		}
		res, pause, err := t.once(req)
		if err == nil || ctx.Err() != nil {
			return res, stopped(ctx, err)
		}
		if pause < 0 || attempt == attempts {
			return nil, err
		}
		pause = max(pause, wait)
		wait *= 2
		t.log.DebugContext(ctx, "cloudflare call is repeated", "method", req.Method, "path", req.URL.Path, "attempt", attempt, "error", err)
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// stopped gives a call that was ended by its caller the caller's reason.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// once makes one attempt. After an error, pause is how long the server wants to be left alone, or negative when
// repeating is pointless.
func (t *transport) once(req *http.Request) (res *http.Response, pause time.Duration, err error) {
	timeout := t.timeout + time.Duration(req.ContentLength/bodyRate)*time.Second
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	defer cancel()
	try := req.Clone(ctx)
	for name := range try.Header {
		if strings.HasPrefix(name, "X-Stainless-") { // what machine we run on is nobody's business
			try.Header.Del(name)
		}
	}
	if req.GetBody != nil {
		if try.Body, err = req.GetBody(); err != nil {
			return nil, -1, fmt.Errorf("body of %s %s: %w", req.Method, req.URL.Path, err)
		}
	}
	res, err = t.client.Do(try)
	if err != nil {
		return nil, 0, t.unreachable(req, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return nil, 0, t.unreachable(req, err)
	}
	if res.StatusCode >= 400 {
		return nil, retryAfter(res), t.refused(req, res.StatusCode, body)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, 0, nil
}

// unreachable is the fault of a call that got no answer. The cause is kept as text only: the errors of net/http hold
// the request's address, and who unwraps them could print it.
func (t *transport) unreachable(req *http.Request, err error) error {
	cause := errors.New(t.redact.text(fmt.Sprintf("%s %s: %v", req.Method, req.URL.Path, err)))
	return fault.Wrap(cause, fault.Unavailable, "Cloudflare could not be reached. Nothing was changed; try again in a minute.")
}

// retryAfter says how long to wait before a failed call is repeated; negative means that it need not be.
func retryAfter(res *http.Response) time.Duration {
	switch {
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		seconds, err := strconv.ParseFloat(res.Header.Get("Retry-After"), 64)
		if err != nil || !(seconds > 0) {
			return 0
		}
		return min(time.Duration(min(seconds, longestWait.Seconds())*float64(time.Second)), longestWait)
	case res.StatusCode >= 500, res.StatusCode == http.StatusRequestTimeout:
		return 0
	}
	return -1
}

// envelope is around every reply of the API.
type envelope struct {
	Success bool            `json:"success"`
	Errors  []problem       `json:"errors"`
	Result  json.RawMessage `json:"result"`
	Info    struct {
		Cursor     string `json:"cursor"`
		Truncated  bool   `json:"is_truncated"`
		TotalPages int    `json:"total_pages"`
	} `json:"result_info"`
}

type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// refused turns a reply into a fault.
func (t *transport) refused(req *http.Request, status int, body []byte) error {
	var env envelope
	_ = json.Unmarshal(body, &env) // a gateway's page of HTML has no errors in it, and that is fine
	e := &apiError{Method: req.Method, Path: t.redact.text(req.URL.Path), Status: status, Message: http.StatusText(status)}
	if len(env.Errors) > 0 {
		var all []string
		for _, p := range env.Errors {
			all = append(all, p.Message)
		}
		e.Code, e.Message = env.Errors[0].Code, t.redact.text(strings.Join(all, "; "))
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusBadRequest && strings.Contains(e.Message, "Authorization header"):
		return fault.Wrap(e, fault.Forbidden, "Cloudflare does not accept the API token. It may have been rolled, deleted or copied in part; enter a new one.")
	case status == http.StatusForbidden:
		return fault.Wrap(e, fault.Forbidden, "%s", denied(req))
	case status == http.StatusNotFound:
		return fault.Wrap(e, fault.NotFound, "Cloudflare does not have this: %s", e.Message)
	case status == http.StatusRequestEntityTooLarge:
		return fault.Wrap(e, fault.TooLarge, "Cloudflare says that this is too large: %s", e.Message)
	case status == http.StatusTooManyRequests:
		return fault.Wrap(e, fault.Unavailable, "Cloudflare asks us to make fewer calls. Try again in five minutes.")
	case status >= 500, status == http.StatusRequestTimeout:
		return fault.Wrap(e, fault.Unavailable, "Cloudflare has troubles of its own (%d). Nothing was changed; try again in a minute.", status)
	}
	return fault.Wrap(e, fault.Invalid, "Cloudflare refused this: %s", e.Message)
}

// has reports whether err is Cloudflare's answer with one of the codes.
func has(err error, codes ...int) bool {
	var e *apiError
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// payload is the body of a call and its type.
type payload struct {
	Type string
	Body []byte
}

// call makes a call for which the SDK has no use: either it gets the body wrong, or one more of its packages would cost
// more than it saves. out may be nil; header values replace ours.
func (t *Target) call(ctx context.Context, method, path string, body *payload, out any, header ...string) (envelope, error) {
	var env envelope
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, nil)
	if err != nil {
		return env, fmt.Errorf("call %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+t.cfg.Token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		b := body.Body
		req.Header.Set("Content-Type", body.Type)
		req.ContentLength = int64(len(b))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
		req.Body, _ = req.GetBody()
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := t.api.Do(req)
	if err != nil {
		return env, err
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return env, fmt.Errorf("read the reply to %s: %w", path, err)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return env, nil
	}
	if err := json.Unmarshal(raw, &env); err != nil {
		return env, fault.Wrap(err, fault.Unavailable, "Cloudflare answered with something that is not JSON. Try again in a minute.")
	}
	if out != nil && len(env.Result) > 0 {
		if err := json.Unmarshal(env.Result, out); err != nil {
			return env, fmt.Errorf("result of %s: %w", path, err)
		}
	}
	return env, nil
}

// account returns the path of something in the account.
func (t *Target) account(format string, args ...any) string {
	return "/accounts/" + t.cfg.AccountID + fmt.Sprintf(format, args...)
}

// asJSON is a body of JSON.
func asJSON(v any) (*payload, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return &payload{Type: "application/json", Body: b}, nil
}

// reader is what the SDK must be given: it takes the length of a body from a bytes.Reader only, and Cloudflare refuses
// an upload without one.
func (p *payload) reader() *bytes.Reader { return bytes.NewReader(p.Body) }
