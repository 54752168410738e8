package anthropic

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"overskill/internal/llm"
)

// reply turns the events of one streamed reply into those of package llm.
type reply struct {
	model     string // as asked, whose thinking it is
	requestID string
	emit      func(llm.Event) error
	emitErr   error // what emit returned; nothing is emitted after it

	begun, over bool // its first event came, its last event came
	useful      bool // there is text or a call in it
	called      bool
	stop        sdk.StopReason
	usage       llm.Usage
	blocks      map[int64]*block // those that began and did not end
	doubtful    *llm.ToolCall    // a call that ended with broken JSON: by mistake, or cut. What follows tells
}

// block is a block of content while it grows.
type block struct {
	call      llm.ToolCall // of a tool_use; its ID is "" in other blocks
	whole     string       // input that came with the block's beginning, as a few servers send it
	input     strings.Builder
	thinking  bool
	summary   strings.Builder
	signature string
	redacted  string
}

// event takes the next event of the stream. Kinds that it does not know are ignored, as the API asks.
func (r *reply) event(e *sdk.MessageStreamEventUnion) error {
	if e.Type == "message_start" {
		return r.begin(e)
	}
	if !r.begun {
		return fmt.Errorf("%w: %s came before message_start", errNonsense, e.Type)
	}
	switch e.Type {
	case "content_block_start":
		return r.beginBlock(e.Index, &e.ContentBlock)
	case "content_block_delta":
		return r.growBlock(e.Index, &e.Delta)
	case "content_block_stop":
		return r.endBlock(e.Index)
	case "message_delta":
		if e.Delta.StopReason != "" {
			r.stop = e.Delta.StopReason
		}
		return r.spent(&e.Usage)
	case "message_stop":
		return r.end()
	}
	return nil
}

// tell emits an event.
func (r *reply) tell(e llm.Event) error {
	if r.emitErr == nil {
		r.emitErr = r.emit(e)
	}
	return r.emitErr
}

func (r *reply) begin(e *sdk.MessageStreamEventUnion) error {
	if r.begun {
		return fmt.Errorf("%w: a second message_start", errNonsense)
	}
	r.begun = true
	r.blocks = map[int64]*block{}
	if err := r.tell(llm.Event{Answer: &llm.Answer{Model: e.Message.Model, RequestID: r.requestID}}); err != nil {
		return err
	}
	u := &e.Message.Usage
	if !e.Message.JSON.Usage.Valid() {
		return nil // there are servers that do not count
	}
	hour := u.CacheCreation.Ephemeral1hInputTokens
	r.usage = llm.Usage{
		Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadInputTokens,
		CacheWrite1h: hour, CacheWrite: max(0, u.CacheCreationInputTokens-hour),
	}
	return r.tellUsage()
}

// spent takes the figures of a message_delta, which are of the whole request so far. They only grow: a figure that is
// missing, or that a server sets to 0 there, stays as it was.
func (r *reply) spent(u *sdk.MessageDeltaUsage) error {
	before := r.usage
	r.usage.Input = max(before.Input, u.InputTokens)
	r.usage.Output = max(before.Output, u.OutputTokens)
	r.usage.CacheRead = max(before.CacheRead, u.CacheReadInputTokens)
	// For how long it is kept was said at the start, if at all.
	r.usage.CacheWrite = max(before.CacheWrite, u.CacheCreationInputTokens-before.CacheWrite1h)
	if r.usage == before {
		return nil
	}
	return r.tellUsage()
}

func (r *reply) tellUsage() error {
	usage := r.usage
	return r.tell(llm.Event{Usage: &usage})
}

func (r *reply) beginBlock(index int64, c *sdk.ContentBlockStartEventContentBlockUnion) error {
	if err := r.settle(true); err != nil {
		return err
	}
	b := &block{}
	r.blocks[index] = b
	switch c.Type {
	case "text":
		return r.text(c.Text)
	case "thinking":
		b.thinking, b.signature = true, c.Signature
		return r.reasoning(b, c.Thinking)
	case "redacted_thinking":
		b.redacted = c.Data
	case "tool_use":
		if c.ID == "" || c.Name == "" {
			return fmt.Errorf("%w: a call %q of tool %q", errNonsense, c.ID, c.Name)
		}
		b.call = llm.ToolCall{ID: c.ID, Name: c.Name}
		if input := c.JSON.Input.Raw(); input != "{}" && input != "null" {
			b.whole = input
		}
		return r.tell(llm.Event{Begun: &llm.ToolCall{ID: c.ID, Name: c.Name}})
	}
	return nil
}

func (r *reply) growBlock(index int64, d *sdk.MessageStreamEventUnionDelta) error {
	b := r.blocks[index]
	if b == nil {
		return fmt.Errorf("%w: block %d grew without a beginning", errNonsense, index)
	}
	switch d.Type {
	case "text_delta":
		return r.text(d.Text)
	case "thinking_delta":
		return r.reasoning(b, d.Thinking)
	case "signature_delta":
		b.signature += d.Signature
	case "input_json_delta":
		if b.call.ID == "" || d.PartialJSON == "" {
			return nil
		}
		b.input.WriteString(d.PartialJSON)
		return r.tell(llm.Event{Input: &llm.InputDelta{CallID: b.call.ID, JSON: d.PartialJSON}})
	}
	return nil
}

func (r *reply) text(text string) error {
	if text == "" {
		return nil
	}
	r.useful = true
	return r.tell(llm.Event{Text: text})
}

func (r *reply) reasoning(b *block, text string) error {
	if text == "" {
		return nil
	}
	b.summary.WriteString(text)
	return r.tell(llm.Event{Reasoning: text})
}

func (r *reply) endBlock(index int64) error {
	b := r.blocks[index]
	if b == nil {
		return fmt.Errorf("%w: block %d ended without a beginning", errNonsense, index)
	}
	delete(r.blocks, index)
	switch {
	case b.redacted != "":
		return r.tell(llm.Event{Thinking: &llm.Thinking{Model: r.model, Redacted: b.redacted}})
	case b.thinking && b.signature != "": // unsigned, the provider would not take it back
		return r.tell(llm.Event{Thinking: &llm.Thinking{Model: r.model, Text: b.summary.String(), Signature: b.signature}})
	case b.call.ID != "":
		return r.endCall(b)
	}
	return nil
}

// endCall emits a call whose input is whole, and keeps any other until it is known why it is not.
func (r *reply) endCall(b *block) error {
	input := b.input.String()
	if input == "" {
		input = b.whole
	}
	call := b.call
	call.Input = llm.RawInput(input)
	r.doubtful = &call
	if !json.Valid(call.Input) {
		return nil
	}
	return r.settle(true)
}

// settle emits the call that was kept, if it is to be run, or forgets it.
func (r *reply) settle(run bool) error {
	call := r.doubtful
	r.doubtful = nil
	if call == nil || !run {
		return nil
	}
	if len(call.Input) == 0 {
		call.Input = llm.RawInput("{}") // a tool without parameters
	}
	r.useful, r.called = true, true
	return r.tell(llm.Event{Call: call})
}

// end emits the last call and the reason why the reply ended. A stop that we do not ask for, such as pause_turn of the
// provider's own tools, or that we do not know, leaves work undone: it is told as MaxTokens, so that the agent goes on.
// A full context window is the same as long as something came of the reply, and an error otherwise.
func (r *reply) end() error {
	for _, index := range slices.Sorted(maps.Keys(r.blocks)) { // left open by a careless server
		if err := r.endBlock(index); err != nil {
			return err
		}
	}
	var stop llm.StopReason
	switch r.stop {
	case "":
		return fmt.Errorf("%w: it ended without a reason", errNonsense)
	case sdk.StopReasonEndTurn, sdk.StopReasonStopSequence, sdk.StopReasonToolUse:
		stop = llm.EndTurn
	case sdk.StopReasonRefusal:
		stop = llm.Refusal
	default:
		stop = llm.MaxTokens
	}
	if err := r.settle(stop == llm.EndTurn); err != nil {
		return err
	}
	switch {
	case r.stop == sdk.StopReasonModelContextWindowExceeded && !r.useful:
		return errWindowFull
	case stop == llm.EndTurn && r.called:
		stop = llm.ToolUse
	}
	if err := r.tell(llm.Event{Stop: stop}); err != nil {
		return err
	}
	r.over = true
	return nil
}
