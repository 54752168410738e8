package modelscript

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// anthropicMessage is a message in the terms of the Messages API.
type anthropicMessage struct {
	Role    string          `json:"role"`
	Content anthropicBlocks `json:"content"`
}

// anthropicBlocks is content: blocks, or a string that stands for one block of text.
type anthropicBlocks []anthropicBlock

type anthropicBlock struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	Thinking     string          `json:"thinking"`
	Signature    string          `json:"signature"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	IsError      bool            `json:"is_error"`
	Content      anthropicBlocks `json:"content"`
	CacheControl json.RawMessage `json:"cache_control"`
}

func (b *anthropicBlocks) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*b = anthropicBlocks{{Type: "text", Text: text}}
		return nil
	}
	var list []anthropicBlock
	err := json.Unmarshal(data, &list)
	*b = list
	return err
}

// text joins the blocks of text.
func (b anthropicBlocks) text() string {
	var list []string
	for _, block := range b {
		if block.Type == "text" {
			list = append(list, block.Text)
		}
	}
	return strings.Join(list, "\n")
}

// readAnthropic reads a request. An error says why the API would refuse it; the request is then read as far as possible.
func readAnthropic(r *http.Request, body []byte) (Request, error) {
	var wire struct {
		Model     string             `json:"model"`
		MaxTokens int                `json:"max_tokens"`
		Stream    bool               `json:"stream"`
		System    anthropicBlocks    `json:"system"`
		Messages  []anthropicMessage `json:"messages"`
		Tools     []anthropicBlock   `json:"tools"`
	}
	req := Request{Header: map[string]string{}, Body: body}
	for _, name := range []string{"Authorization", "X-Api-Key", "User-Agent", "Anthropic-Version"} {
		if v := r.Header.Get(name); v != "" {
			req.Header[strings.ToLower(name)] = v
		}
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return req, fmt.Errorf("the body is no request: %w", err)
	}
	req.Model = wire.Model
	for _, part := range wire.System {
		req.System = append(req.System, part.Text)
	}
	for _, tool := range wire.Tools {
		req.Tools = append(req.Tools, tool.Name)
	}
	for _, m := range wire.Messages {
		req.Messages = append(req.Messages, m.neutral())
	}
	switch {
	case r.Header.Get("Anthropic-Version") == "":
		return req, errors.New("no anthropic-version header")
	case wire.Model == "" || wire.MaxTokens < 1 || !wire.Stream:
		return req, fmt.Errorf("model %q, max_tokens %d, stream %v", wire.Model, wire.MaxTokens, wire.Stream)
	}
	return req, errors.Join(checkMarks(wire.Tools, wire.System, wire.Messages), checkConversation(wire.Messages))
}

// neutral is the message in the terms of this package.
func (m anthropicMessage) neutral() Message {
	out := Message{Role: m.Role, Text: m.Content.text()}
	for _, b := range m.Content {
		switch b.Type {
		case "tool_use":
			out.Calls = append(out.Calls, SentCall{ID: b.ID, Name: b.Name, Input: b.Input})
		case "tool_result":
			out.Results = append(out.Results, Result{CallID: b.ToolUseID, Text: b.Content.text(), Failed: b.IsError})
		}
	}
	return out
}

// checkMarks counts the cache marks: the API takes four.
func checkMarks(tools, system []anthropicBlock, messages []anthropicMessage) error {
	n := 0
	count := func(blocks []anthropicBlock) {
		for _, b := range blocks {
			if len(b.CacheControl) > 0 {
				n++
			}
		}
	}
	count(tools)
	count(system)
	for _, m := range messages {
		count(m.Content)
	}
	if n > 4 {
		return fmt.Errorf("%d cache marks, and 4 are allowed", n)
	}
	return nil
}

// checkConversation applies the API's rules for the order of messages and blocks.
func checkConversation(messages []anthropicMessage) error {
	if len(messages) == 0 || messages[0].Role != "user" || messages[len(messages)-1].Role != "user" {
		return errors.New("a conversation begins and ends with a message of the user")
	}
	open := map[string]bool{} // calls of the message before
	for i, m := range messages {
		if i > 0 && m.Role == messages[i-1].Role {
			return fmt.Errorf("messages %d and %d are both of role %s", i-1, i, m.Role)
		}
		called, err := m.check(open)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		open = called
	}
	return nil
}

// check applies the rules of one message, which must answer the open calls, and returns the calls it makes itself.
func (m anthropicMessage) check(open map[string]bool) (called map[string]bool, err error) {
	called = map[string]bool{}
	if len(m.Content) == 0 {
		return nil, errors.New("no content")
	}
	other := false
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			other = true
			if strings.TrimSpace(b.Text) == "" {
				return nil, errors.New("a block of text without text")
			}
		case "thinking":
			if strings.HasPrefix(b.Signature, signaturePrefix) && b.Signature != signature(b.Thinking) {
				return nil, fmt.Errorf("thinking was changed: %q", b.Thinking)
			}
		case "tool_use":
			called[b.ID] = true
			if !strings.HasPrefix(strings.TrimSpace(string(b.Input)), "{") {
				return nil, fmt.Errorf("the input of call %s is not an object: %s", b.ID, b.Input)
			}
		case "tool_result":
			if !open[b.ToolUseID] || other {
				return nil, fmt.Errorf("a result for %s, which the message before did not call or which stands behind text", b.ToolUseID)
			}
			delete(open, b.ToolUseID)
		}
	}
	for id := range open {
		return nil, fmt.Errorf("no result for call %s", id)
	}
	return called, nil
}
