// Package modelscript plays scripted replies over HTTP in the wire formats of model providers, so that real SDKs
// can be tested without a model. It says nothing about how good any model is.
//
// A script is a list of steps, one a request. It must be played to its end: the test fails when a step is left over
// or when a request comes that no step answers.
package modelscript

import (
	"encoding/json"
	"sync"
	"testing"
	"time"
)

// Step answers one request.
type Step struct {
	Want func(t testing.TB, r Request) // looks at the request; may be nil

	Reasoning string // a summary of thinking, with a signature made up from it
	Text      string
	Calls     []Call
	Usage     Usage  // zero: 100 in, 20 out
	Stop      string // "": tool_use with calls, else end_turn; max_tokens, refusal, in the terms of package llm
	Model     string // as answered; "": as asked

	// What goes wrong.
	Status     int           // an HTTP error instead of a reply, such as 429 or 529
	RetryAfter string        // header of that error
	ErrorType  string        // of the error's body; "": what goes with the status
	ErrorText  string        // of the error's body
	ErrorAfter int           // an error event in the stream, after so many events of the reply; 0: none
	BreakAfter int           // the connection ends after so many events; 0: never
	CutInput   int           // the last call's input ends after so many bytes, and Stop is max_tokens unless set; 0: whole
	Hang       time.Duration // silence after half of the events
	Split      int           // bytes of a piece of text or of JSON; 0: 17
}

// Call is a tool call of a reply. Input is a Go value that encodes to JSON, or a string that is JSON (or broken JSON) itself.
type Call struct {
	Name  string
	Input any
}

// Usage is what the provider says the request cost, in the classes of llm.Usage.
type Usage struct{ Input, Output, CacheRead, CacheWrite, CacheWrite1h int64 }

// Request is what came over the wire, in neither provider's terms.
type Request struct {
	Model    string
	System   []string
	Messages []Message
	Tools    []string          // names
	Header   map[string]string // selected ones, lower case: authorization or x-api-key, user-agent
	Body     json.RawMessage   // as it came
}

// Message is one message of a request.
type Message struct {
	Role    string
	Text    string
	Calls   []SentCall
	Results []Result
}

// SentCall is a call that the client sends back in the conversation.
type SentCall struct {
	ID, Name string
	Input    json.RawMessage
}

// Result is a tool result that the client sends.
type Result struct {
	CallID, Text string
	Failed       bool
}

// Last returns the last message.
func (r Request) Last() Message {
	if len(r.Messages) == 0 {
		return Message{}
	}
	return r.Messages[len(r.Messages)-1]
}

// Script is what a server plays. It is safe for concurrent use.
type Script struct {
	t     testing.TB
	mu    sync.Mutex
	steps []Step
	next  int
	seen  []Request
}

// newScript returns a script that must be over when the test is.
func newScript(t testing.TB, steps []Step) *Script {
	s := &Script{t: t, steps: steps}
	t.Cleanup(func() {
		if left := s.Left(); left > 0 && !t.Failed() {
			t.Errorf("modelscript: %d of %d steps were not asked for", left, len(s.steps))
		}
	})
	return s
}

// Left is how many steps are not played yet.
func (s *Script) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.steps) - s.next
}

// Requests are those that came so far, failed ones included.
func (s *Script) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.seen...)
}

// take returns the step for a request. ok is false when the script is over, which fails the test.
func (s *Script) take(r Request) (step Step, n int, ok bool) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	n = s.next
	if n < len(s.steps) {
		step, ok = s.steps[n], true
		s.next++
	}
	s.mu.Unlock()
	if !ok {
		s.t.Errorf("modelscript: request %d came, and the script has %d steps; its last message: %.300s", n+1, len(s.steps), r.Last().Text)
		return step, n, false
	}
	if step.Want != nil {
		step.Want(s.t, r)
	}
	return step, n, true
}
