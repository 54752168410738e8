package modelscript

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// OpenAI plays a script in OpenAI's wire formats: POST /chat/completions, and POST /responses, which only OpenAI itself
// has. A request may come in either; the script is one. GET /models lists "scripted" and is no step. The server's URL
// ends with /v1, as base URLs of OpenAI's clients do.
//
// In this format a hidden reasoning has no signature, a cache is never written for an hour (such tokens count as
// written), and a failed result is told by its text, which starts with "Error: ".
func OpenAI(t testing.TB, steps ...Step) *Server {
	t.Helper()
	s := serve(t, steps, func(script *Script) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
			playOpenAI(w, r, script, decodeChat, chatEvents)
		})
		mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
			playOpenAI(w, r, script, decodeResponses, responsesEvents)
		})
		mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"scripted","object":"model","created":1790000000,"owned_by":"modelscript"}]}`)
		})
		return mux
	})
	s.URL += "/v1"
	return s
}

// playOpenAI answers one request by the next step.
func playOpenAI(w http.ResponseWriter, r *http.Request, script *Script, decode func([]byte) (Request, error), events func(*stream, Step, openAIReply)) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	req, err := decode(body)
	if err != nil {
		script.t.Errorf("modelscript: decode request: %v", err)
		http.Error(w, `{"error":{"message":"the request makes no sense"}}`, http.StatusBadRequest)
		return
	}
	req.Body = body
	req.Header = map[string]string{}
	for _, name := range []string{"authorization", "user-agent", "x-stainless-retry-count"} {
		if v := r.Header.Get(name); v != "" {
			req.Header[name] = v
		}
	}
	step, n, ok := script.take(req)
	if !ok {
		step = Step{Status: http.StatusBadRequest, ErrorText: "the script is over"}
	}
	w.Header().Set("X-Request-Id", fmt.Sprintf("req_%d", n+1))
	if step.Status != 0 {
		refuse(w, step, openAIError(step))
		return
	}
	rep := openAIReply{n: n + 1, model: step.Model}
	if rep.model == "" {
		rep.model = req.Model
	}
	var s stream
	events(&s, step, rep)
	failure := jsonFrame("", openAIError(step))
	if strings.HasSuffix(r.URL.Path, "/responses") {
		flat := openAIError(step)["error"].(object)
		flat["type"] = "error"
		failure = jsonFrame("error", flat)
	}
	s.play(script.t, w, r, step, failure)
}

// openAIReply is how a reply names itself.
type openAIReply struct {
	n     int
	model string
}

func openAIError(step Step) object {
	kind, code := "server_error", any(nil)
	switch step.Status {
	case http.StatusUnauthorized:
		kind, code = "invalid_request_error", "invalid_api_key"
	case http.StatusNotFound:
		kind, code = "invalid_request_error", "model_not_found"
	case http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	default:
		if step.Status >= 400 && step.Status < 500 {
			kind = "invalid_request_error"
		}
	}
	if step.ErrorType != "" {
		kind, code = step.ErrorType, step.ErrorType
	}
	text := step.ErrorText
	if text == "" {
		text = "The scripted error."
	}
	return object{"error": object{"message": text, "type": kind, "code": code, "param": nil}}
}

// prompt is the whole prompt, of which cached tokens are part.
func (u Usage) prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite + u.CacheWrite1h }

func (u Usage) details() object {
	return object{"cached_tokens": u.CacheRead, "cache_write_tokens": u.CacheWrite + u.CacheWrite1h}
}

// chatEvents writes a reply as chat completion chunks, with the usage in one of its own before the end.
func chatEvents(s *stream, step Step, rep openAIReply) {
	id := fmt.Sprintf("chatcmpl-%d", rep.n)
	chunk := func(delta object, reason any) {
		s.event("", object{
			"id": id, "object": "chat.completion.chunk", "created": 1790000000, "model": rep.model,
			"choices": []object{{"index": 0, "delta": delta, "finish_reason": reason}},
		})
	}
	chunk(object{"role": "assistant", "content": nil}, nil)
	for _, p := range pieces(step.Reasoning, step.Split) {
		chunk(object{"reasoning_content": p}, nil)
	}
	field := "content"
	if step.stop() == "refusal" {
		field = "refusal"
	}
	for _, p := range pieces(step.Text, step.Split) {
		chunk(object{field: p}, nil)
	}
	for i, input := range step.inputs() {
		call := object{"index": i, "id": openAICallID(rep, i), "type": "function", "function": object{"name": step.Calls[i].Name, "arguments": ""}}
		chunk(object{"tool_calls": []object{call}}, nil)
		for _, p := range pieces(input, step.Split) {
			chunk(object{"tool_calls": []object{{"index": i, "function": object{"arguments": p}}}}, nil)
		}
	}
	reason := map[string]string{"tool_use": "tool_calls", "max_tokens": "length", "end_turn": "stop", "refusal": "stop"}[step.stop()]
	chunk(object{}, reason)
	u := step.usage()
	s.event("", object{
		"id": id, "object": "chat.completion.chunk", "created": 1790000000, "model": rep.model, "choices": []object{},
		"usage": object{"prompt_tokens": u.prompt(), "completion_tokens": u.Output, "total_tokens": u.prompt() + u.Output, "prompt_tokens_details": u.details()},
	})
	s.line("", "[DONE]")
}

func openAICallID(rep openAIReply, i int) string {
	return fmt.Sprintf("call_%d_%d_scripted", rep.n, i+1)
}

// responsesEvents writes a reply as events of the Responses protocol.
func responsesEvents(s *stream, step Step, rep openAIReply) {
	seq := 0
	event := func(kind string, fields object) {
		fields["type"], fields["sequence_number"] = kind, seq
		seq++
		s.event(kind, fields)
	}
	response := func(status string, more object) object {
		r := object{"id": fmt.Sprintf("resp_%d", rep.n), "object": "response", "model": rep.model, "status": status, "error": nil, "incomplete_details": nil, "usage": nil}
		for k, v := range more {
			r[k] = v
		}
		return object{"response": r}
	}
	event("response.created", response("in_progress", nil))
	index := 0
	item := func(fields object, write func(), done object) {
		event("response.output_item.added", object{"output_index": index, "item": fields})
		write()
		for k, v := range done {
			fields[k] = v
		}
		event("response.output_item.done", object{"output_index": index, "item": fields})
		index++
	}
	deltas := func(kind, text string) func() {
		return func() {
			for _, p := range pieces(text, step.Split) {
				event(kind, object{"output_index": index, "delta": p})
			}
		}
	}
	if step.Reasoning != "" {
		item(object{"type": "reasoning", "id": fmt.Sprintf("rs_%d", rep.n), "summary": []object{}},
			deltas("response.reasoning_summary_text.delta", step.Reasoning),
			object{"summary": []object{{"type": "summary_text", "text": step.Reasoning}}, "encrypted_content": fmt.Sprintf("encrypted-%d", rep.n)})
	}
	if step.Text != "" {
		kind := "response.output_text.delta"
		if step.stop() == "refusal" {
			kind = "response.refusal.delta"
		}
		item(object{"type": "message", "id": fmt.Sprintf("msg_%d", rep.n), "role": "assistant"}, deltas(kind, step.Text), nil)
	}
	for i, input := range step.inputs() {
		fields := object{"type": "function_call", "id": fmt.Sprintf("fc_%d_%d", rep.n, i+1), "call_id": openAICallID(rep, i), "name": step.Calls[i].Name, "arguments": ""}
		item(fields, deltas("response.function_call_arguments.delta", input), object{"arguments": input})
	}
	u := step.usage()
	usage := object{"input_tokens": u.prompt(), "output_tokens": u.Output, "total_tokens": u.prompt() + u.Output, "input_tokens_details": u.details()}
	if step.stop() == "max_tokens" {
		event("response.incomplete", response("incomplete", object{"usage": usage, "incomplete_details": object{"reason": "max_output_tokens"}}))
		return
	}
	event("response.completed", response("completed", object{"usage": usage}))
}
