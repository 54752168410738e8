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
	"overskill/internal/llm/wire"
)

const (
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
	defer w.end()
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
			w.Begin()
			res, err := next(r)
			w.Stop()
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
	res.Body = w.Body(res.Body, wire.MaxReply)
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

// watch ends a request when its server has been silent for too long.
type watch struct {
	*wire.Watch

	ctx    context.Context
	cancel context.CancelCauseFunc

	answered bool // the server accepted the request
}

func newWatch(ctx context.Context, silence time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watch{Watch: wire.NewWatch(silence, func() { cancel(errSilent) }), ctx: ctx, cancel: cancel}
}

// end lets go of everything, when the request is over.
func (w *watch) end() {
	w.Stop()
	w.cancel(context.Canceled)
}

func (w *watch) silent() bool { return errors.Is(context.Cause(w.ctx), errSilent) }
