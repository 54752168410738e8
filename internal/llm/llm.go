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
	// ID names the model as the ledger and the version record it, such as "composer/1".
	ID() string
	// Stream sends one request and calls emit for every event, in order. It returns nil only after it
	// emitted a Stop event; a reply that breaks off is an error, and its tool calls must not be run.
	// It stops when ctx ends, or when emit returns an error, and returns that error.
	Stream(ctx context.Context, req Request, emit func(Event) error) error
}

// Role is who wrote a message of the conversation.
type Role string

const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Request is one request to a model.
type Request struct {
	System    string
	Messages  []Message
	Tools     []Tool
	MaxTokens int
}

// Message is one entry of the conversation: text, tool calls (of the assistant) and their results (of the user).
type Message struct {
	Role    Role
	Text    string
	Calls   []ToolCall
	Results []ToolResult
}

// Tool is a tool on offer, with the JSON schema of its input.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage
}

// ToolCall is a model's wish to run a tool.
type ToolCall struct {
	ID    string
	Name  string
	Input json.RawMessage
}

// ToolResult answers a ToolCall.
type ToolResult struct {
	CallID string
	Text   string
	Failed bool
}

// Usage counts tokens of one request. The Composer uses none.
type Usage struct {
	Input, Output, CacheRead, CacheWrite int64
}

// StopReason is why a reply ended.
type StopReason string

const (
	EndTurn   StopReason = "end_turn"
	ToolUse   StopReason = "tool_use"
	MaxTokens StopReason = "max_tokens"
	Refusal   StopReason = "refusal"
)

// Event is one piece of a streamed reply: exactly one of its fields is set.
type Event struct {
	Text  string    // prose grew by this
	Call  *ToolCall // a tool call is complete
	Usage *Usage
	Stop  StopReason // the last event
}
