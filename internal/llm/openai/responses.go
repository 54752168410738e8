package openai

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"overskill/internal/llm"
)

// signatureItem marks an llm.Thinking whose Redacted is a reasoning item of the Responses protocol.
const signatureItem = "responses"

// encryptedReasoning asks for the reasoning in a form that only OpenAI reads, so that it can go back without OpenAI
// having to keep the conversation.
const encryptedReasoning = "reasoning.encrypted_content"

// responsesRequest is the body of POST /responses.
type responsesRequest struct {
	Model           string              `json:"model"`
	Instructions    string              `json:"instructions,omitempty"`
	Input           []any               `json:"input"` // message, callItem, resultItem or a reasoning item
	Tools           []responsesTool     `json:"tools,omitempty"`
	MaxOutputTokens int                 `json:"max_output_tokens,omitempty"`
	Reasoning       *responsesReasoning `json:"reasoning,omitempty"`
	Include         []string            `json:"include,omitempty"`
	PromptCacheKey  string              `json:"prompt_cache_key,omitempty"`
	Store           bool                `json:"store"`
	Stream          bool                `json:"stream"`
}

type responsesReasoning struct {
	Summary string `json:"summary"`
}

type responsesTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      bool            `json:"strict"`
}

type messageItem struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type callItem struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type resultItem struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

// reasoningItem is what of a reasoning item goes back.
type reasoningItem struct {
	Type             string          `json:"type"`
	ID               string          `json:"id,omitempty"`
	Summary          json.RawMessage `json:"summary"`
	EncryptedContent string          `json:"encrypted_content"`
}

func (m *Model) responsesRequest(req llm.Request, d dialect) responsesRequest {
	r := responsesRequest{
		Model: m.cfg.Model, Instructions: joined(req.System), Input: []any{}, MaxOutputTokens: req.MaxTokens, Stream: true,
	}
	if !d.noSummary {
		r.Reasoning = &responsesReasoning{Summary: "auto"}
	}
	if !d.forgetsItself {
		r.Include = []string{encryptedReasoning}
	}
	all := turns(req.Messages)
	if m.official {
		r.PromptCacheKey = cacheKey(r.Instructions, all)
	}
	for _, t := range all {
		r.Input = append(r.Input, m.items(t, d)...)
	}
	for _, t := range req.Tools {
		r.Tools = append(r.Tools, responsesTool{Type: "function", Name: t.Name, Description: t.Description, Parameters: t.Schema})
	}
	return r
}

// cacheKey brings the requests of one conversation to the same cache: it depends on how the conversation began.
func cacheKey(instructions string, all []turn) string {
	h := sha256.New()
	h.Write([]byte(instructions))
	if len(all) > 0 {
		h.Write([]byte{0})
		h.Write([]byte(all[0].text))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// items writes one turn.
func (m *Model) items(t turn, d dialect) []any {
	var list []any
	if len(t.calls) > 0 && !d.forgetsItself {
		for _, th := range t.thinking {
			if th.Model == m.cfg.Model && th.Signature == signatureItem && json.Valid([]byte(th.Redacted)) {
				list = append(list, json.RawMessage(th.Redacted))
			}
		}
	}
	for _, r := range t.results {
		output := r.Text
		if r.Failed {
			output = "Error: " + output
		}
		list = append(list, resultItem{Type: "function_call_output", CallID: r.CallID, Output: output})
	}
	if t.text != "" {
		list = append(list, messageItem{Role: string(t.role), Content: t.text})
	}
	for _, c := range t.calls {
		list = append(list, callItem{Type: "function_call", CallID: c.ID, Name: c.Name, Arguments: arguments(c.Input)})
	}
	return list
}

// responsesEvent holds the fields that we read of all kinds of events.
type responsesEvent struct {
	Type        string          `json:"type"`
	Delta       string          `json:"delta"`
	OutputIndex int             `json:"output_index"`
	Item        *outputItem     `json:"item"`
	Response    *responseObject `json:"response"`
	Error       json.RawMessage `json:"error"` // of servers that do not know this protocol's own event
}

type outputItem struct {
	Type             string          `json:"type"`
	ID               string          `json:"id"`
	CallID           string          `json:"call_id"`
	Name             string          `json:"name"`
	Arguments        string          `json:"arguments"`
	EncryptedContent string          `json:"encrypted_content"`
	Summary          json.RawMessage `json:"summary"`
}

type responseObject struct {
	ID         string          `json:"id"`
	Model      string          `json:"model"`
	Error      json.RawMessage `json:"error"`
	Incomplete struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Details struct {
			Cached     int64 `json:"cached_tokens"`
			CacheWrite int64 `json:"cache_write_tokens"`
		} `json:"input_tokens_details"`
	} `json:"usage"`
}

// responsesReply reads the events of a response.
type responsesReply struct {
	out     *output
	byIndex map[int]*call
	thought bool // a part of the summary came
	stop    llm.StopReason
}

func (r *responsesReply) begun() bool { return r.out.anything() }

func (r *responsesReply) event(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var e responsesEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	if e.Type == "error" || e.Type == "" && len(e.Error) > 0 {
		return &streamError{readProblem(data)}
	}
	if e.Response != nil {
		if err := r.out.answer(e.Response.Model, e.Response.ID); err != nil {
			return err
		}
		if u := e.Response.Usage; u != nil {
			if err := r.out.count(classes(u.Input, u.Details.Cached, u.Details.CacheWrite, max(0, u.Output))); err != nil {
				return err
			}
		}
	}
	switch e.Type {
	case "response.output_text.delta":
		return r.out.prose(e.Delta)
	case "response.refusal.delta":
		r.out.refused = true
		return r.out.prose(e.Delta)
	case "response.reasoning_summary_part.added":
		if r.thought {
			return r.out.reasoning("\n\n")
		}
		return nil
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		r.thought = true
		return r.out.reasoning(e.Delta)
	case "response.output_item.added", "response.output_item.done", "response.function_call_arguments.delta":
		return r.item(e)
	case "response.completed", "response.incomplete", "response.failed":
		return r.ending(e)
	}
	return nil
}

// item reads the events of calls and of reasoning.
func (r *responsesReply) item(e responsesEvent) error {
	c := r.byIndex[e.OutputIndex]
	switch {
	case e.Item == nil:
		if c == nil {
			return errors.New("the input of a call that did not begin")
		}
		return r.out.grow(c, e.Delta)
	case e.Item.Type == "reasoning" && e.Type == "response.output_item.done":
		return r.remember(*e.Item)
	case e.Item.Type != "function_call":
		return nil
	case c == nil:
		c = r.out.add(e.Item.CallID, e.Item.Name)
		if r.byIndex == nil {
			r.byIndex = map[int]*call{}
		}
		r.byIndex[e.OutputIndex] = c
		return r.out.grow(c, e.Item.Arguments)
	}
	// Done: what the deltas did not bring is in the item.
	if rest, ok := strings.CutPrefix(e.Item.Arguments, string(c.input)); ok {
		return r.out.grow(c, rest)
	}
	return nil
}

// remember emits a reasoning item, which the model wants back with the results of its calls.
func (r *responsesReply) remember(item outputItem) error {
	if item.EncryptedContent == "" {
		return nil
	}
	if len(item.Summary) == 0 || bytes.Equal(item.Summary, []byte("null")) {
		item.Summary = json.RawMessage("[]")
	}
	b, err := encode(reasoningItem{Type: "reasoning", ID: item.ID, Summary: item.Summary, EncryptedContent: item.EncryptedContent})
	if err != nil {
		return fmt.Errorf("encode reasoning: %w", err)
	}
	return r.out.emit(llm.Event{Thinking: &llm.Thinking{Model: r.out.model, Signature: signatureItem, Redacted: string(b)}})
}

// ending reads the last event.
func (r *responsesReply) ending(e responsesEvent) error {
	switch {
	case e.Response == nil:
		return errors.New("an end without a response")
	case e.Type == "response.failed":
		return &streamError{readProblem(e.Response.Error)}
	case e.Type == "response.completed":
		r.stop = llm.EndTurn
	case e.Response.Incomplete.Reason == "content_filter":
		r.stop = llm.Refusal
	default:
		r.stop = llm.MaxTokens
	}
	return nil
}

func (r *responsesReply) end(bool) error {
	if r.stop == "" {
		return errUnfinished
	}
	return r.out.finish(r.stop)
}
