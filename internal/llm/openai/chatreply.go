package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"overskill/internal/llm"
)

// chatChunk is one event of a streamed chat completion, or a whole completion of a server that does not stream.
type chatChunk struct {
	ID      string          `json:"id"`
	Model   string          `json:"model"`
	Choices []chatChoice    `json:"choices"`
	Usage   *chatUsage      `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type chatChoice struct {
	Index        int        `json:"index"`
	Delta        *chatDelta `json:"delta"`
	Message      *chatDelta `json:"message"`
	FinishReason string     `json:"finish_reason"`
}

type chatDelta struct {
	Content          lenientText     `json:"content"`
	Refusal          lenientText     `json:"refusal"`
	ReasoningContent lenientText     `json:"reasoning_content"`
	Reasoning        lenientText     `json:"reasoning"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"`
	ToolCalls        []callDelta     `json:"tool_calls"`
}

type callDelta struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string      `json:"name"`
		Arguments lenientText `json:"arguments"`
	} `json:"function"`
}

type chatUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	Details    struct {
		Cached     int64 `json:"cached_tokens"`
		CacheWrite int64 `json:"cache_write_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	CacheHit int64 `json:"prompt_cache_hit_tokens"` // DeepSeek's name of cached_tokens
}

// usage sorts the counts into classes that do not overlap. A server that counts nothing says zero.
func (u chatUsage) usage() llm.Usage {
	output := max(0, u.Completion)
	if r := u.CompletionDetails.Reasoning; r > 0 && u.Total == u.Prompt+u.Completion+r {
		output += r // xAI and Google count reasoning beside the completion, OpenAI within it
	}
	return classes(u.Prompt, max(u.Details.Cached, u.CacheHit), u.Details.CacheWrite, output)
}

// classes splits a prompt, of which cached and written tokens are part.
func classes(prompt, cached, written, output int64) llm.Usage {
	prompt = max(0, prompt)
	cached = min(max(0, cached), prompt)
	written = min(max(0, written), prompt-cached)
	return llm.Usage{Input: prompt - cached - written, CacheRead: cached, CacheWrite: written, Output: output}
}

// lenientText is a string where some servers send null, a list of parts, or an object.
type lenientText string

// UnmarshalJSON never fails: what is no text at all stands there as its JSON.
func (t *lenientText) UnmarshalJSON(b []byte) error {
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if b[0] == '[' && json.Unmarshal(b, &parts) == nil {
		for _, p := range parts {
			*t += lenientText(p.Text)
		}
		return nil
	}
	*t = lenientText(plain(b))
	return nil
}

// chatReply reads the events of a chat completion.
type chatReply struct {
	out     *output
	byIndex map[int]*call // the newest call of each index
	reason  string        // finish_reason
	thought strings.Builder
	field   string // in which the reasoning comes
	details []json.RawMessage
}

func (r *chatReply) begun() bool { return r.out.anything() }

func (r *chatReply) event(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var c chatChunk
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	if len(c.Error) > 0 && !bytes.Equal(c.Error, []byte("null")) {
		return &streamError{readProblem(data)}
	}
	if len(c.Choices) > 0 {
		if err := r.out.answer(c.Model, c.ID); err != nil {
			return err
		}
	}
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		for _, d := range []*chatDelta{choice.Delta, choice.Message} {
			if d == nil {
				continue
			}
			if err := r.delta(d); err != nil {
				return err
			}
		}
		if choice.FinishReason != "" {
			r.reason = choice.FinishReason
		}
	}
	if c.Usage != nil {
		return r.out.count(c.Usage.usage())
	}
	return nil
}

func (r *chatReply) delta(d *chatDelta) error {
	if err := r.reasoning(d); err != nil {
		return err
	}
	if d.Refusal != "" {
		r.out.refused = true
	}
	if err := r.out.prose(string(d.Content + d.Refusal)); err != nil {
		return err
	}
	for _, c := range d.ToolCalls {
		if err := r.out.grow(r.callOf(c), string(c.Function.Arguments)); err != nil {
			return err
		}
	}
	return nil
}

// reasoning takes the first of the fields that has any: some servers send the same text in two.
func (r *chatReply) reasoning(d *chatDelta) error {
	text := string(d.ReasoningContent)
	field := fieldReasoningContent
	if text == "" {
		text, field = string(d.Reasoning), fieldReasoning
	}
	var details []json.RawMessage
	if json.Unmarshal(d.ReasoningDetails, &details) == nil {
		r.details = append(r.details, details...)
	}
	if text == "" {
		return nil
	}
	r.field = field
	r.thought.WriteString(text)
	return r.out.reasoning(text)
}

// callOf finds the call that a piece belongs to, or starts one.
//
// By the book a call has an index, its first piece has ID and name, and further pieces only input. But some servers
// give every call index 0 or none, omit the IDs, or repeat ID and name with every piece. So a piece with a name
// starts a call unless the one with its index can still be meant: it has the same ID, or it has not come to its end
// and the piece does not look like a beginning.
func (r *chatReply) callOf(d callDelta) *call {
	var c *call
	if d.Index != nil {
		c = r.byIndex[*d.Index]
	} else if n := len(r.out.calls); n > 0 {
		c = r.out.calls[n-1]
		for _, other := range r.out.calls {
			if d.ID != "" && other.theirs == d.ID {
				c = other
			}
		}
	}
	if c == nil || d.Function.Name != "" && r.another(c, d) {
		c = r.out.add(d.ID, d.Function.Name)
		if d.Index != nil {
			if r.byIndex == nil {
				r.byIndex = map[int]*call{}
			}
			r.byIndex[*d.Index] = c
		}
		return c
	}
	if c.name == "" {
		c.name = d.Function.Name
	}
	return c
}

// another reports whether a piece that has a name, and would belong to c by its index, starts another call.
func (r *chatReply) another(c *call, d callDelta) bool {
	if c.name == "" {
		return false
	}
	whole := func() bool { return llm.RawInput(c.input).Object() } // reads all of it: asked for last
	beginning := strings.HasPrefix(strings.TrimSpace(string(d.Function.Arguments)), "{")
	if d.ID != "" && c.theirs != "" && d.ID != c.theirs || d.Function.Name != c.name {
		return beginning || d.Function.Arguments == "" || whole()
	}
	return beginning && whole()
}

// end decides how the reply ended. Its finish_reason is its end: without one it broke off, even when the stream says
// that it is over; with one it is whole, even when the stream just stops, as that of some servers does.
func (r *chatReply) end(bool) error {
	if r.reason == "" {
		return errUnfinished
	}
	if len(r.out.calls) > 0 {
		if err := r.remember(); err != nil {
			return err
		}
	}
	switch r.reason {
	case "length", "max_tokens", "model_length":
		return r.out.finish(llm.MaxTokens)
	case "content_filter", "refusal":
		return r.out.finish(llm.Refusal)
	case "error":
		return errors.New("the server ended the reply with an error")
	default: // stop, tool_calls, function_call, eos, end_turn
		return r.out.finish(llm.EndTurn)
	}
}

// remember emits the reasoning that the model will want back with the results of its calls.
func (r *chatReply) remember() error {
	if len(r.details) > 0 {
		all, err := json.Marshal(r.details)
		if err != nil {
			return fmt.Errorf("encode reasoning: %w", err)
		}
		return r.out.emit(llm.Event{Thinking: &llm.Thinking{Model: r.out.model, Signature: fieldDetails, Redacted: string(all)}})
	}
	if r.thought.Len() == 0 {
		return nil
	}
	return r.out.emit(llm.Event{Thinking: &llm.Thinking{Model: r.out.model, Signature: r.field, Text: r.thought.String()}})
}
