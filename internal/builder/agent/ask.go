package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
)

const (
	requestTimeout = 15 * time.Minute // of one request; adapters notice a silent line much earlier
	maxTries       = 3                // of one request whose reply breaks off
	maxWait        = 2 * time.Minute  // for a provider that asks to come back later
)

// firstWait is the pause after a reply that broke off; each further one is four times as long.
const firstWait = time.Second

// ask makes a request until a reply came to its end, and returns it. What came of a reply that broke off is
// forgotten, and the words of it that people saw are taken back.
func (s *session) ask(ctx context.Context) (llm.Message, error) {
	wait := firstWait
	for try := 1; ; {
		if err := ctx.Err(); err != nil {
			return llm.Message{}, err
		}
		if s.in.Allow != nil {
			if err := s.in.Allow(ctx); err != nil {
				return llm.Message{}, fmt.Errorf("before request %d: %w", s.requests+1, err)
			}
		}
		before := s.prose
		m, err := s.request(ctx)
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return llm.Message{}, fmt.Errorf("ask %s: %w", s.in.Model.ID(), ctx.Err())
		}
		s.prose = before
		again, pause := false, wait
		if e, ok := llm.AsError(err); ok {
			switch {
			case e.Kind == llm.TooLong && s.window.squeeze(s.said):
				continue
			case e.Temporary() && try < maxTries && e.RetryAfter <= maxWait:
				again, pause = true, max(wait, e.RetryAfter)
			}
		}
		if !again {
			return llm.Message{}, fmt.Errorf("ask %s: %w", s.in.Model.ID(), err)
		}
		try++
		wait *= 4
		s.tell(ctx, fmt.Sprintf("The model's reply broke off; asking again in %.0f s", pause.Seconds()), false)
		if err := s.writeProse(ctx, true); err != nil {
			return llm.Message{}, err
		}
		if err := s.in.sleep(ctx, pause); err != nil {
			return llm.Message{}, err
		}
	}
}

// reply is what a request is answered with.
type reply struct {
	text     string
	calls    []llm.ToolCall
	thinking []llm.Thinking
	stop     llm.StopReason
}

// request makes one request.
func (s *session) request(parent context.Context) (llm.Message, error) {
	ctx, cancel := context.WithTimeout(parent, requestTimeout)
	defer cancel()
	req := s.compose(ctx)
	s.requests++
	var r reply
	var ours error // what went wrong on our side of the stream
	before := s.prose
	err := s.in.Model.Stream(ctx, req, func(e llm.Event) error {
		ours = s.hear(ctx, &r, before, req, e)
		return ours
	})
	switch {
	case ours != nil:
		return llm.Message{}, ours
	case err != nil && ctx.Err() != nil && parent.Err() == nil:
		return llm.Message{}, fault.Wrap(err, fault.Unavailable, "The model took longer than %.0f minutes for one reply.", requestTimeout.Minutes())
	case err != nil:
		return llm.Message{}, err
	}
	return r.message(s.ids())
}

// hear takes one event over.
func (s *session) hear(ctx context.Context, r *reply, before string, req llm.Request, e llm.Event) error {
	switch {
	case e.Text != "":
		r.text += e.Text
		s.prose = before
		s.addProse(r.text)
		return s.writeProse(ctx, false)
	case e.Call != nil:
		r.calls = append(r.calls, *e.Call)
	case e.Thinking != nil:
		r.thinking = append(r.thinking, *e.Thinking)
	case e.Usage != nil:
		s.window.learn(req, *e.Usage)
	case e.Stop != "":
		r.stop = e.Stop
	}
	s.watch(ctx, e)
	return nil
}

// message is the reply as the conversation keeps it, or an error if it is none.
func (r reply) message(taken map[string]bool) (llm.Message, error) {
	m := llm.Message{Role: llm.Assistant, Text: strings.TrimSpace(r.text), Thinking: r.thinking}
	switch {
	case r.stop == "":
		return m, llm.NewError(llm.Broken, errors.New("no stop event"), "The model's reply broke off. Try again.")
	case r.stop == llm.Refusal:
		return m, fault.New(fault.Invalid, "The model declined this request. Say it in other words, or choose another model.")
	case r.stop == llm.MaxTokens:
		m.Text = strings.TrimSpace(m.Text + " " + cutMark)
	case r.stop == llm.ToolUse && len(r.calls) == 0:
		return m, llm.NewError(llm.Broken, errors.New("no call in a reply that ends for calls"), "The model's reply broke off. Try again.")
	case m.Text == "" && len(r.calls) == 0:
		return m, llm.NewError(llm.Broken, errors.New("empty answer"), "The model answered nothing. Try again, or choose another model.")
	}
	m.Calls = withIDs(r.calls, taken)
	return m, nil
}

// ids are those of the calls of the conversation.
func (s *session) ids() map[string]bool {
	taken := map[string]bool{}
	for _, m := range s.said {
		for _, c := range m.Calls {
			taken[c.ID] = true
		}
	}
	return taken
}

// withIDs makes sure that each call can be told from all others of the conversation. Small servers count from 0 in
// every reply.
func withIDs(calls []llm.ToolCall, taken map[string]bool) []llm.ToolCall {
	for i := range calls {
		for n := len(taken) + 1; calls[i].ID == "" || taken[calls[i].ID]; n++ {
			calls[i].ID = fmt.Sprintf("call_%d", n)
		}
		taken[calls[i].ID] = true
	}
	return calls
}
