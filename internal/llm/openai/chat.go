package openai

import (
	"bytes"
	"encoding/json"
	"strings"

	"overskill/internal/llm"
)

// chatRequest is the body of POST /chat/completions.
type chatRequest struct {
	Model     string        `json:"model"`
	Messages  []chatMessage `json:"messages"`
	Tools     []chatTool    `json:"tools,omitempty"`
	MaxTokens int           `json:"max_tokens,omitempty"`
	// OpenAI's newer name of max_tokens, which others do not know.
	MaxCompletionTokens int          `json:"max_completion_tokens,omitempty"`
	ReasoningEffort     string       `json:"reasoning_effort,omitempty"`
	Stream              bool         `json:"stream"`
	StreamOptions       *chatOptions `json:"stream_options,omitempty"`
}

type chatOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content,omitempty"` // a message of the assistant may consist of calls
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`

	// Reasoning that came in these fields goes back in them: DeepSeek and others refuse their own tool calls without.
	ReasoningContent string          `json:"reasoning_content,omitempty"`
	Reasoning        string          `json:"reasoning,omitempty"`
	ReasoningDetails json.RawMessage `json:"reasoning_details,omitempty"`
}

type chatCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type chatTool struct {
	Type     string   `json:"type"`
	Function chatSpec `json:"function"`
}

type chatSpec struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// The fields in which reasoning comes, as llm.Thinking.Signature keeps them.
const (
	fieldReasoningContent = "reasoning_content"
	fieldReasoning        = "reasoning"
	fieldDetails          = "reasoning_details"
)

// notRun answers a call whose result the conversation lacks: servers want one for each.
const notRun = "This call was not run."

func (m *Model) chatRequest(req llm.Request, d dialect) chatRequest {
	r := chatRequest{Model: m.cfg.Model, Stream: true}
	if d.otherMax != m.official {
		r.MaxCompletionTokens = req.MaxTokens
	} else {
		r.MaxTokens = req.MaxTokens
	}
	if !d.noUsage {
		r.StreamOptions = &chatOptions{IncludeUsage: true}
	}
	if d.noReasoning {
		r.ReasoningEffort = "none"
	}
	if system := joined(req.System); system != "" {
		r.Messages = append(r.Messages, chatMessage{Role: "system", Content: &system})
	}
	for _, t := range turns(req.Messages) {
		r.Messages = append(r.Messages, m.chatTurn(t, d)...)
	}
	for _, t := range req.Tools {
		r.Tools = append(r.Tools, chatTool{Type: "function", Function: chatSpec{Name: t.Name, Description: t.Description, Parameters: t.Schema}})
	}
	return r
}

// chatTurn writes one turn: results first, each a message of its own, directly after the calls that they answer.
func (m *Model) chatTurn(t turn, d dialect) []chatMessage {
	var list []chatMessage
	if t.role == llm.Assistant {
		msg := chatMessage{Role: "assistant"}
		if t.text != "" {
			msg.Content = &t.text
		}
		for _, c := range t.calls {
			msg.ToolCalls = append(msg.ToolCalls, chatCall{ID: c.ID, Type: "function", Function: chatFunction{Name: c.Name, Arguments: arguments(c.Input)}})
		}
		if len(t.calls) > 0 && !d.forgetsItself {
			m.remind(&msg, t.thinking)
		}
		return append(list, msg)
	}
	for _, r := range t.results {
		text := r.Text
		if r.Failed {
			text = "Error: " + text // the protocol has no other way to say so
		}
		list = append(list, chatMessage{Role: "tool", ToolCallID: r.CallID, Content: &text})
	}
	if t.text != "" {
		list = append(list, chatMessage{Role: "user", Content: &t.text})
	}
	return list
}

// remind gives the model its own reasoning back, in the field in which it came.
func (m *Model) remind(msg *chatMessage, thinking []llm.Thinking) {
	for _, t := range thinking {
		if t.Model != m.cfg.Model {
			continue
		}
		switch t.Signature {
		case fieldReasoningContent:
			msg.ReasoningContent += t.Text
		case fieldReasoning:
			msg.Reasoning += t.Text
		case fieldDetails:
			if json.Valid([]byte(t.Redacted)) {
				msg.ReasoningDetails = json.RawMessage(t.Redacted)
			}
		}
	}
}

// turn is what one side said in a row.
type turn struct {
	role     llm.Role
	text     string
	calls    []llm.ToolCall
	results  []llm.ToolResult
	thinking []llm.Thinking
}

// turns joins neighbouring messages of one role, and gives every call exactly one result, in the calls' order.
// Results that answer no call of the turn before are told as text, so that nothing is lost.
func turns(messages []llm.Message) []turn {
	var list []turn
	for _, msg := range messages {
		if n := len(list); n == 0 || list[n-1].role != msg.Role {
			list = append(list, turn{role: msg.Role})
		}
		t := &list[len(list)-1]
		t.text = joined([]string{t.text, msg.Text})
		t.calls = append(t.calls, msg.Calls...)
		t.results = append(t.results, msg.Results...)
		t.thinking = append(t.thinking, msg.Thinking...)
	}
	var open []llm.ToolCall
	var kept []turn
	for _, t := range list {
		if t.role == llm.Assistant {
			open = t.calls
			if t.text == "" && len(t.calls) == 0 {
				continue
			}
			kept = append(kept, t)
			continue
		}
		t.results, t.text = answers(open, t.results, t.text)
		open = nil
		if t.text != "" || len(t.results) > 0 {
			kept = append(kept, t)
		}
	}
	if len(open) > 0 { // the conversation ends with calls
		results, _ := answers(open, nil, "")
		kept = append(kept, turn{role: llm.User, results: results})
	}
	return kept
}

// answers sorts results to their calls.
func answers(calls []llm.ToolCall, results []llm.ToolResult, text string) ([]llm.ToolResult, string) {
	var list []llm.ToolResult
	left := append([]llm.ToolResult(nil), results...)
	for _, c := range calls {
		answer := llm.ToolResult{CallID: c.ID, Text: notRun, Failed: true}
		for i, r := range left {
			if r.CallID == c.ID {
				answer = r
				left = append(left[:i], left[i+1:]...)
				break
			}
		}
		list = append(list, answer)
	}
	for _, r := range left {
		text = joined([]string{"A tool that was called earlier answered: " + r.Text, text})
	}
	return list, text
}

// joined puts the parts that are not empty below each other.
func joined(parts []string) string {
	var kept []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n\n")
}

// arguments writes a call's input as servers take it: one JSON object, whatever the model wrote.
func arguments(input llm.RawInput) string {
	if len(bytes.TrimSpace(input)) == 0 {
		return "{}"
	}
	b, err := input.MarshalJSON()
	if err != nil {
		return "{}" // cannot happen: it is an object already, or a string is encoded
	}
	return string(b)
}
