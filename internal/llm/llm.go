// Package llm says what the builder needs from whoever writes the code: a language model behind an API, or
// the rule-based Composer. Adapters live in the folders below, one each.
//
// A Request is a whole conversation; the Model streams Events back; the agent runs the tools that the Model
// called, appends their results to the conversation and asks again, until a reply calls no tool.
package llm

import (
	"context"
	"encoding/json"
)

// Model writes code through tools.
type Model interface {
	// ID names the model as it is asked for, such as "claude-sonnet-5-5" or "composer/1".
	ID() string
	// Limits says how much the model reads and writes.
	Limits() Limits
	// CountTokens returns how many input tokens a request has. Where the provider does not tell, it is an estimate.
	CountTokens(ctx context.Context, req Request) (int64, error)
	// Stream sends one request and calls emit for every event, in order. It returns nil only after it
	// emitted a Stop event; a reply that breaks off is an *Error, and its tool calls must not be run.
	// It stops when ctx ends, or when emit returns an error, and returns that error.
	Stream(ctx context.Context, req Request, emit func(Event) error) error
}

// Limits are in tokens.
type Limits struct {
	Context   int64 // of a request and its reply together
	MaxOutput int64 // of one reply
}

// Role is who wrote a message of the conversation.
type Role string

const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Request is one request to a model.
type Request struct {
	// System holds the parts of the system prompt, the one that changes least first: adapters whose provider
	// caches put a mark behind each.
	System    []string
	Messages  []Message
	Tools     []Tool
	MaxTokens int
}

// Message is one entry of the conversation: text, tool calls (of the assistant) and their results (of the user).
// An assistant's message always has text or a call.
type Message struct {
	Role     Role         `json:"role"`
	Text     string       `json:"text,omitempty"`
	Calls    []ToolCall   `json:"calls,omitempty"`
	Results  []ToolResult `json:"results,omitempty"`
	Thinking []Thinking   `json:"thinking,omitempty"`
}

// Thinking is a piece of a model's reasoning that its provider wants back unchanged with the conversation. An
// adapter sends back only what is its own.
type Thinking struct {
	Model     string `json:"model"`
	Text      string `json:"text,omitempty"` // the summary
	Signature string `json:"signature,omitempty"`
	Redacted  string `json:"redacted,omitempty"`
}

// Tool is a tool on offer, with the JSON schema of its input.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage
}

// ToolCall is a model's wish to run a tool. Its input is what the model wrote, which may be no JSON at all.
type ToolCall struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Input RawInput `json:"input,omitempty"`
}

// ToolResult answers a ToolCall.
type ToolResult struct {
	CallID string `json:"call_id"`
	Text   string `json:"text"`
	Failed bool   `json:"failed,omitempty"`
}

// Usage counts the tokens of one request. The classes do not overlap: the whole prompt is Input + CacheRead +
// CacheWrite + CacheWrite1h. The Composer uses none.
type Usage struct {
	Input        int64 // not cached
	Output       int64 // reasoning included
	CacheRead    int64
	CacheWrite   int64 // kept for five minutes
	CacheWrite1h int64
}

// Prompt is everything that the model read.
func (u Usage) Prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite + u.CacheWrite1h }

// Plus adds two usages up.
func (u Usage) Plus(v Usage) Usage {
	return Usage{
		Input: u.Input + v.Input, Output: u.Output + v.Output, CacheRead: u.CacheRead + v.CacheRead,
		CacheWrite: u.CacheWrite + v.CacheWrite, CacheWrite1h: u.CacheWrite1h + v.CacheWrite1h,
	}
}

// StopReason is why a reply ended.
type StopReason string

const (
	EndTurn   StopReason = "end_turn"
	ToolUse   StopReason = "tool_use"
	MaxTokens StopReason = "max_tokens" // a call that was cut there is not emitted
	Refusal   StopReason = "refusal"
)

// Event is one piece of a streamed reply: exactly one of its fields is set.
type Event struct {
	Text      string      // prose grew by this
	Reasoning string      // the summary of what the model thinks grew by this
	Begun     *ToolCall   // a tool call began; its Input is not known yet
	Input     *InputDelta // the input of a call that began grew
	Call      *ToolCall   // a tool call is complete
	Thinking  *Thinking   // belongs into the reply's message
	Answer    *Answer     // who answers; comes once, early
	Usage     *Usage      // of the whole request so far: it replaces what came before
	Stop      StopReason  // the last event
}

// InputDelta is a piece of a tool call's input.
type InputDelta struct {
	CallID string
	JSON   string
}

// Answer is how the provider names what it does.
type Answer struct {
	Model     string // such as "claude-sonnet-5-5-20261001"
	RequestID string // the provider's, for its support
}
