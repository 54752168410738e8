package modelscript

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// Anthropic starts a server on loopback that answers the requests of the Messages API with the steps, streamed. It is
// as strict as the API where a mistake of a client would show only there: a conversation that the API would refuse
// fails the test. Counting tokens is answered by a quarter of the body's bytes and takes no step.
func Anthropic(t testing.TB, steps ...Step) *Server {
	t.Helper()
	return serve(t, steps, func(s *Script) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /v1/messages", s.anthropicMessages)
		mux.HandleFunc("POST /v1/messages/count_tokens", s.anthropicCount)
		return mux
	})
}

func (s *Script) anthropicMessages(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away while it asked
	}
	req, err := readAnthropic(r, body)
	if err != nil {
		s.t.Errorf("modelscript: the API would refuse this request: %v", err)
	}
	step, n, ok := s.take(req)
	if !ok {
		refuse(w, Step{Status: http.StatusBadRequest}, anthropicError("invalid_request_error", "the script is over"))
		return
	}
	w.Header().Set("Request-Id", fmt.Sprintf("req_script_%d", n+1))
	if step.Status != 0 {
		refuse(w, step, anthropicError(step.anthropicErrorType(), step.ErrorText))
		return
	}
	failure := jsonFrame("error", anthropicError(step.anthropicErrorType(), step.ErrorText))
	anthropicReply(step, n, req.Model).play(s.t, w, r, step, failure)
}

func (s *Script) anthropicCount(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"input_tokens": len(body) / 4})
}

// anthropicReply is the step as events: a block of thinking, a block of text and a block for each call.
func anthropicReply(step Step, n int, asked string) *stream {
	s := &stream{}
	model := step.Model
	if model == "" {
		model = asked
	}
	u := step.usage()
	usage := map[string]any{
		"input_tokens":                u.Input,
		"output_tokens":               min(u.Output, 1),
		"cache_read_input_tokens":     u.CacheRead,
		"cache_creation_input_tokens": u.CacheWrite + u.CacheWrite1h,
		"cache_creation": map[string]int64{
			"ephemeral_5m_input_tokens": u.CacheWrite,
			"ephemeral_1h_input_tokens": u.CacheWrite1h,
		},
	}
	s.event("message_start", object{"type": "message_start", "message": object{
		"id": fmt.Sprintf("msg_script_%d", n+1), "type": "message", "role": "assistant", "model": model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": usage,
	}})
	s.event("ping", object{"type": "ping"})
	index := 0
	if step.Reasoning != "" {
		s.anthropicThinking(index, step)
		index++
	}
	if step.Text != "" {
		s.anthropicBlock(index, object{"type": "text", "text": ""}, "text_delta", "text", pieces(step.Text, step.Split))
		index++
	}
	for i, input := range step.inputs() {
		block := object{"type": "tool_use", "id": anthropicCallID(n, i), "name": step.Calls[i].Name, "input": object{}}
		// The API begins with an empty piece.
		s.anthropicBlock(index, block, "input_json_delta", "partial_json", append([]string{""}, pieces(input, step.Split)...))
		index++
	}
	s.event("message_delta", object{
		"type":  "message_delta",
		"delta": object{"stop_reason": step.stop(), "stop_sequence": nil},
		"usage": object{
			"input_tokens": u.Input, "output_tokens": u.Output,
			"cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite + u.CacheWrite1h,
		},
	})
	s.event("message_stop", object{"type": "message_stop"})
	return s
}

// anthropicCallID names call i of step n, both from 0.
func anthropicCallID(n, i int) string { return fmt.Sprintf("toolu_script_%d_%d", n+1, i+1) }

// anthropicBlock adds a block of content whose field grows by deltas.
func (s *stream) anthropicBlock(index int, block object, delta, field string, grown []string) {
	s.event("content_block_start", object{"type": "content_block_start", "index": index, "content_block": block})
	for _, piece := range grown {
		s.event("content_block_delta", object{
			"type": "content_block_delta", "index": index, "delta": object{"type": delta, field: piece},
		})
	}
	s.event("content_block_stop", object{"type": "content_block_stop", "index": index})
}

// anthropicThinking adds a block of thinking, whose signature comes before its end.
func (s *stream) anthropicThinking(index int, step Step) {
	block := object{"type": "thinking", "thinking": "", "signature": ""}
	s.anthropicBlock(index, block, "thinking_delta", "thinking", pieces(step.Reasoning, step.Split))
	end := s.frames[len(s.frames)-1]
	s.frames = s.frames[:len(s.frames)-1]
	s.event("content_block_delta", object{
		"type": "content_block_delta", "index": index,
		"delta": object{"type": "signature_delta", "signature": signature(step.Reasoning)},
	})
	s.frames = append(s.frames, end)
}

const signaturePrefix = "signed-by-script-"

// signature signs thinking, so that it shows when a client changed it.
func signature(thinking string) string {
	sum := sha256.Sum256([]byte(thinking))
	return signaturePrefix + base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (s Step) anthropicErrorType() string {
	switch {
	case s.ErrorType != "":
		return s.ErrorType
	case s.Status == 0 || s.Status == 529:
		return "overloaded_error"
	case s.Status >= http.StatusInternalServerError:
		return "api_error"
	}
	switch s.Status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	return "invalid_request_error"
}

func anthropicError(kind, text string) object {
	if text == "" {
		text = "scripted " + kind
	}
	return object{"type": "error", "error": object{"type": kind, "message": text}}
}
