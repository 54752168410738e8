package modelscript

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// openAIRequest has the fields of both formats.
type openAIRequest struct {
	Model        string          `json:"model"`
	Stream       bool            `json:"stream"`
	Messages     []openAIMessage `json:"messages"`
	Instructions string          `json:"instructions"`
	Input        []openAIItem    `json:"input"`
	Tools        []struct {
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

type openAIMessage struct {
	Role       string `json:"role"`
	Content    string `json:"content"`
	ToolCallID string `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type openAIItem struct {
	Type      string `json:"type"`
	Role      string `json:"role"`
	Content   string `json:"content"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
	Output    string `json:"output"`
}

// decodeOpenAI reads what both formats share and refuses what no OpenAI server would take.
func decodeOpenAI(body []byte) (w openAIRequest, r Request, err error) {
	if err := json.Unmarshal(body, &w); err != nil {
		return w, r, err
	}
	if !w.Stream {
		return w, r, errors.New("a request that does not stream")
	}
	r.Model = w.Model
	for _, t := range w.Tools {
		r.Tools = append(r.Tools, t.Function.Name+t.Name)
	}
	return w, r, nil
}

// decodeChat reads a chat completion's request. Results, which are messages of their own there, join the user's
// message that they belong to.
func decodeChat(body []byte) (Request, error) {
	w, r, err := decodeOpenAI(body)
	if err != nil {
		return r, err
	}
	open := map[string]bool{} // calls without a result
	for _, m := range w.Messages {
		if m.Role != "tool" && len(open) > 0 {
			return r, fmt.Errorf("a message of %s stands where the results of %d calls should", m.Role, len(open))
		}
		switch m.Role {
		case "system":
			r.System = append(r.System, m.Content)
		case "assistant":
			msg := Message{Role: m.Role, Text: m.Content}
			for _, c := range m.ToolCalls {
				msg.Calls = append(msg.Calls, SentCall{ID: c.ID, Name: c.Function.Name, Input: json.RawMessage(c.Function.Arguments)})
				open[c.ID] = true
			}
			r.Messages = append(r.Messages, msg)
		case "tool":
			if !open[m.ToolCallID] {
				return r, fmt.Errorf("a result for %q, which is no call that waits for one", m.ToolCallID)
			}
			delete(open, m.ToolCallID)
			msg := r.fromUser()
			msg.Results = append(msg.Results, openAIResult(m.ToolCallID, m.Content))
		case "user":
			r.fromUser().Text += m.Content
		default:
			return r, fmt.Errorf("a message of %q", m.Role)
		}
	}
	if len(open) > 0 {
		return r, fmt.Errorf("%d calls have no result", len(open))
	}
	return r, r.checkInputs()
}

// decodeResponses reads a request of the Responses protocol, whose items stand in a row.
func decodeResponses(body []byte) (Request, error) {
	w, r, err := decodeOpenAI(body)
	if err != nil {
		return r, err
	}
	if w.Instructions != "" {
		r.System = []string{w.Instructions}
	}
	open := map[string]bool{}
	for _, item := range w.Input {
		switch {
		case item.Type == "function_call":
			msg := r.last("assistant")
			msg.Calls = append(msg.Calls, SentCall{ID: item.CallID, Name: item.Name, Input: json.RawMessage(item.Arguments)})
			open[item.CallID] = true
		case item.Type == "function_call_output":
			if !open[item.CallID] {
				return r, fmt.Errorf("a result for %q, which is no call that waits for one", item.CallID)
			}
			delete(open, item.CallID)
			msg := r.fromUser()
			msg.Results = append(msg.Results, openAIResult(item.CallID, item.Output))
		case item.Role != "":
			r.last(item.Role).Text += item.Content
		case item.Type != "reasoning":
			return r, fmt.Errorf("an item of type %q", item.Type)
		}
	}
	if len(open) > 0 {
		return r, fmt.Errorf("%d calls have no result", len(open))
	}
	return r, r.checkInputs()
}

// last returns the last message, of a role: a new one when another role had the last word.
func (r *Request) last(role string) *Message {
	if n := len(r.Messages); n == 0 || r.Messages[n-1].Role != role {
		r.Messages = append(r.Messages, Message{Role: role})
	}
	return &r.Messages[len(r.Messages)-1]
}

func (r *Request) fromUser() *Message { return r.last("user") }

// checkInputs refuses calls whose inputs are no JSON objects, as some servers do.
func (r *Request) checkInputs() error {
	for _, m := range r.Messages {
		for _, c := range m.Calls {
			var o map[string]any
			if err := json.Unmarshal(c.Input, &o); err != nil {
				return fmt.Errorf("the input of call %s is no object: %.80s", c.ID, c.Input)
			}
		}
	}
	return nil
}

// openAIResult undoes how a failure is told.
func openAIResult(id, text string) Result {
	text, failed := strings.CutPrefix(text, "Error: ")
	return Result{CallID: id, Text: text, Failed: failed}
}
