package openai

import (
	"bytes"
	"crypto/rand"
	"errors"

	"overskill/internal/llm"
)

// errUnfinished is a stream that ended before its reply did.
var errUnfinished = errors.New("the stream ended before the reply did")

// output emits what either protocol's reader finds out.
type output struct {
	model     string // as asked for
	requestID string
	emit      func(llm.Event) error

	answered bool
	usage    llm.Usage
	calls    []*call
	text     bool // some prose came
	refused  bool
}

// call is a tool call that is being written.
type call struct {
	id     string // ours, unique within the reply
	theirs string // the server's
	name   string
	input  []byte
	begun  bool // emitted
}

// answer says once who answers.
func (o *output) answer(model, id string) error {
	if o.answered {
		return nil
	}
	o.answered = true
	if model == "" {
		model = o.model
	}
	if o.requestID != "" {
		id = o.requestID
	}
	return o.emit(llm.Event{Answer: &llm.Answer{Model: model, RequestID: id}})
}

func (o *output) prose(text string) error {
	if text == "" {
		return nil
	}
	o.text = true
	return o.emit(llm.Event{Text: text})
}

func (o *output) reasoning(text string) error {
	if text == "" {
		return nil
	}
	return o.emit(llm.Event{Reasoning: text})
}

// add starts a call. An ID that is missing, taken, or so short that it can hardly be unique in a conversation is
// replaced by one of ours; servers only want to see the same one in the call and in its result.
func (o *output) add(id, name string) *call {
	c := &call{id: id, theirs: id, name: name}
	for len(c.id) < 9 || o.find(c.id) {
		c.id = "call_" + rand.Text()
	}
	o.calls = append(o.calls, c)
	return c
}

func (o *output) find(id string) bool {
	for _, c := range o.calls {
		if c.id == id {
			return true
		}
	}
	return false
}

// grow adds to a call's input. A call begins for others once its name is known.
func (o *output) grow(c *call, input string) error {
	fresh := input
	if !c.begun && c.name != "" {
		c.begun = true
		if err := o.emit(llm.Event{Begun: &llm.ToolCall{ID: c.id, Name: c.name}}); err != nil {
			return err
		}
		fresh = string(c.input) + input
	}
	c.input = append(c.input, input...)
	if fresh == "" || !c.begun {
		return nil
	}
	return o.emit(llm.Event{Input: &llm.InputDelta{CallID: c.id, JSON: fresh}})
}

// count reports the tokens so far, when they changed.
func (o *output) count(u llm.Usage) error {
	if u == o.usage || u == (llm.Usage{}) {
		return nil
	}
	o.usage = u
	return o.emit(llm.Event{Usage: &u})
}

// finish emits the calls and the end. A call that the limit of the reply cut is left out: only the last one can be,
// and its input is not whole then.
func (o *output) finish(stop llm.StopReason) error {
	if o.refused {
		stop = llm.Refusal
	}
	calls := o.calls
	if stop == llm.Refusal {
		calls = nil // a filter cuts anywhere
	}
	if n := len(calls); n > 0 && stop == llm.MaxTokens && !llm.RawInput(calls[n-1].input).Object() {
		calls = calls[:n-1]
	}
	for _, c := range calls {
		if c.name == "" {
			return errors.New("a tool call without a name")
		}
		input := llm.RawInput(bytes.TrimSpace(c.input))
		if len(input) == 0 {
			input = llm.RawInput("{}")
		}
		if err := o.emit(llm.Event{Call: &llm.ToolCall{ID: c.id, Name: c.name, Input: input}}); err != nil {
			return err
		}
	}
	if stop == llm.EndTurn && len(calls) > 0 {
		stop = llm.ToolUse // some servers say "stop" whatever happened
	}
	if stop == llm.ToolUse && len(calls) == 0 {
		stop = llm.EndTurn
	}
	return o.emit(llm.Event{Stop: stop})
}

func (o *output) anything() bool { return o.answered || o.text || len(o.calls) > 0 }
