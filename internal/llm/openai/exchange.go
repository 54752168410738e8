package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"overskill/internal/llm"
)

const (
	mostReply = 64 << 20 // bytes of one reply, with all of its framing
	mostError = 64 << 10 // bytes of an error that are read
)

var errSilent = errors.New("nothing came for too long")

// refusal is an HTTP answer that is an error. It becomes an *llm.Error unless something can be learned from it.
type refusal struct {
	status  int
	header  http.Header
	problem problem
}

func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.problem.Message) }

// stopped is an error of the one who receives the events.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

// reply reads one protocol's events.
type reply interface {
	// event reads the data of one event.
	event(data []byte) error
	// end is called when the stream is over; marked says that the stream itself said so.
	end(marked bool) error
	// begun reports whether some of the reply had come.
	begun() bool
}

// once sends the request in one dialect and reads the reply. A *refusal is returned as such.
func (m *Model) once(ctx context.Context, req llm.Request, d dialect, emit func(llm.Event) error) error {
	w := newWatch(ctx, m.cfg.Silence)
	defer w.stop()
	out := &output{model: m.cfg.Model, emit: func(e llm.Event) error {
		if err := emit(e); err != nil {
			return &stopped{err}
		}
		return nil
	}}
	res, err := m.send(w, req, d)
	if err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			return refused
		}
		return m.broken(ctx, w, false, err)
	}
	defer func() { _ = res.Body.Close() }()
	out.requestID = res.Header.Get("X-Request-Id")
	var rep reply = &chatReply{out: out}
	if d.speaksResponses() {
		rep = &responsesReply{out: out}
	}
	err = read(res, rep)
	var stop *stopped
	if errors.As(err, &stop) {
		return stop.err
	}
	var inStream *streamError
	if errors.As(err, &inStream) {
		return m.explainStream(inStream, rep.begun())
	}
	return m.broken(ctx, w, rep.begun(), err)
}

// send returns the answer whose reply is to be read.
func (m *Model) send(w *watch, req llm.Request, d dialect) (*http.Response, error) {
	var body any = m.chatRequest(req, d)
	if d.speaksResponses() {
		body = m.responsesRequest(req, d)
	}
	encoded, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var res *http.Response
	var refused *refusal
	opts := []option.RequestOption{
		option.WithRequestBody("application/json", encoded),
		option.WithResponseBodyInto(&res),
		option.WithHeader("Accept", "text/event-stream"),
		option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
			w.arm()
			res, err := next(r)
			w.disarm()
			refused = nil
			if err == nil && res.StatusCode >= 400 {
				refused = readRefusal(res)
			}
			return res, err
		}),
	}
	if d.speaksResponses() {
		_, err = m.responses.New(w.ctx, responses.ResponseNewParams{}, opts...)
	} else {
		_, err = m.chat.New(w.ctx, sdk.ChatCompletionNewParams{}, opts...)
	}
	switch {
	case w.ctx.Err() != nil:
		return nil, w.ctx.Err()
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, err
	}
	w.answered = true
	res.Body = &watchedBody{ReadCloser: res.Body, watch: w, left: mostReply}
	return res, nil
}

// readRefusal reads an error's body, bounded, and keeps the SDK from trying again what cannot succeed.
func readRefusal(res *http.Response) *refusal {
	body, _ := io.ReadAll(io.LimitReader(res.Body, mostError))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	r := &refusal{status: res.StatusCode, header: res.Header, problem: readProblem(body)}
	if kind := r.problem.kind(r.status); kind != llm.RateLimited && kind != llm.Overloaded {
		res.Header.Set("X-Should-Retry", "false")
	}
	return r
}

// read hands the events to the reply. It returns nil when the reply came to its end.
func read(res *http.Response, rep reply) error {
	switch kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind {
	case "application/json": // a server that does not stream
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if err := rep.event(body); err != nil {
			return err
		}
		return rep.end(true)
	case "text/html":
		return errors.New("the answer is a web page")
	}
	events := ssestream.NewDecoder(res)
	marked := false
	for !marked && events.Next() {
		data := bytes.TrimSpace(events.Event().Data)
		if marked = bytes.HasPrefix(data, []byte("[DONE]")); marked {
			break
		}
		if err := rep.event(data); err != nil {
			return err
		}
	}
	if err := events.Err(); err != nil {
		return err
	}
	return rep.end(marked)
}

// encode writes JSON as providers get it from everybody else: with < and > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// watch ends a request when its server has been silent for too long. Time counts only while we wait for the server:
// neither between two attempts nor while somebody handles an event.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration

	answered bool // the server accepted the request
}

func newWatch(ctx context.Context, limit time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(errSilent) })
	w.timer.Stop()
	return w
}

func (w *watch) arm()    { w.timer.Reset(w.limit) }
func (w *watch) disarm() { w.timer.Stop() }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

func (w *watch) silent() bool { return errors.Is(context.Cause(w.ctx), errSilent) }

// watchedBody is a reply's body. Every byte is a sign of life, a comment that only keeps the connection open too.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	left  int64
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a reply of more than %d MB", mostReply>>20)
	}
	b.watch.arm()
	n, err := b.ReadCloser.Read(p)
	b.watch.disarm()
	b.left -= int64(n)
	return n, err
}
