package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// conversation has everything that a conversation may have, and some of what it should not.
var conversation = []llm.Message{
	{Role: llm.User, Text: "Build it."},
	{Role: llm.User, Text: "With a list."},
	{Role: llm.Assistant, Text: " \n"},
	{Role: llm.Assistant, Text: "I look.", Calls: []llm.ToolCall{
		{ID: "toolu_01", Name: "os-view", Input: llm.RawInput(`{"path":"<a & b>"}`)},
		{ID: "toolu_02", Name: "os-write", Input: llm.RawInput(`{"path":"b`)},
		{ID: "toolu_03", Name: "os-list"},
		{ID: "toolu_04", Name: "os-view", Input: llm.RawInput(`{}`)},
	}},
	{Role: llm.User, Text: "Go on.", Results: []llm.ToolResult{
		{CallID: "toolu_02", Text: "broken JSON", Failed: true},
		{CallID: "toolu_01", Text: "1: <a>"},
		{CallID: "toolu_03", Text: ""},
		{CallID: "toolu_99", Text: "long ago"},
	}},
	{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "toolu_05", Name: "os-view", Input: llm.RawInput(`{}`)}}},
}

func TestConversation(t *testing.T) {
	want := []modelscript.Message{
		{Role: "user", Text: "Build it.\n\nWith a list."},
		{Role: "assistant", Text: "I look.", Calls: []modelscript.SentCall{
			{ID: "toolu_01", Name: "os-view", Input: json.RawMessage(`{"path":"<a & b>"}`)},
			{ID: "toolu_02", Name: "os-write", Input: json.RawMessage(`{"_broken_input":"{\"path\":\"b"}`)},
			{ID: "toolu_03", Name: "os-list", Input: json.RawMessage(`{}`)},
			{ID: "toolu_04", Name: "os-view", Input: json.RawMessage(`{}`)},
		}},
		{Role: "user", Text: "A tool that was called earlier answered: long ago\n\nGo on.", Results: []modelscript.Result{
			{CallID: "toolu_01", Text: "1: <a>"},
			{CallID: "toolu_02", Text: "broken JSON", Failed: true},
			{CallID: "toolu_03", Text: ""},
			{CallID: "toolu_04", Text: "This call was not run.", Failed: true},
		}},
		{Role: "assistant", Calls: []modelscript.SentCall{{ID: "toolu_05", Name: "os-view", Input: json.RawMessage(`{}`)}}},
		{Role: "user", Results: []modelscript.Result{{CallID: "toolu_05", Text: "This call was not run.", Failed: true}}},
	}
	over(t, []modelscript.Step{{Text: "Done."}, {Text: "Done."}}, nil, func(t *testing.T, m *Model, s *modelscript.Script) {
		req := llm.Request{Messages: conversation}
		for range 2 {
			if _, err := listen(t, m, req); err != nil {
				t.Fatal(err)
			}
		}
		got := s.Requests()
		if diff := cmp.Diff(want, got[0].Messages); diff != "" {
			t.Error(diff)
		}
		if string(got[0].Body) != string(got[1].Body) {
			t.Error("the same conversation is not the same bytes, which caches need")
		}
		if strings.Contains(string(got[0].Body), `\u003c`) {
			t.Error("HTML is escaped, which costs tokens")
		}
	})
}

// TestCachePrefix checks that a longer conversation begins with the bytes of the shorter one.
func TestCachePrefix(t *testing.T) {
	m := New(Config{Model: "m", BaseURL: "http://127.0.0.1:1"})
	var before string
	req := llm.Request{System: hello.System}
	for i := range 12 {
		req.Messages = append(req.Messages, llm.Message{Role: llm.User, Text: "More."}, llm.Message{Role: llm.Assistant, Text: "Yes, " + strings.Repeat("x", i)})
		b, err := encode(m.chatRequest(req, dialect{}).Messages)
		if err != nil {
			t.Fatal(err)
		}
		if now := strings.TrimSuffix(string(b), "]"); !strings.HasPrefix(now, before) {
			t.Fatalf("turn %d does not continue the one before", i)
		} else {
			before = now
		}
	}
}

// TestReasoningGoesBack takes the reasoning of a reply with calls into the next request, and nobody else's.
func TestReasoningGoesBack(t *testing.T) {
	steps := []modelscript.Step{
		{Reasoning: "I think so.", Calls: []modelscript.Call{{Name: "os-list", Input: "{}"}}},
		{Text: "Done."},
	}
	over(t, steps, nil, func(t *testing.T, m *Model, s *modelscript.Script) {
		h, err := listen(t, m, hello)
		if err != nil || len(h.Thinking) != 1 {
			t.Fatalf("%+v, %v", h, err)
		}
		req := hello
		req.Messages = append(req.Messages[:1:1],
			llm.Message{Role: llm.Assistant, Calls: h.Calls, Thinking: append(h.Thinking, llm.Thinking{Model: "another", Text: "not mine", Signature: "reasoning_content"})},
			llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: h.Calls[0].ID, Text: "a.tsx"}}})
		if _, err := listen(t, m, req); err != nil {
			t.Fatal(err)
		}
		body := string(s.Requests()[1].Body)
		if !strings.Contains(body, `"reasoning_content":"I think so."`) && !strings.Contains(body, `"encrypted_content":"encrypted-1"`) || strings.Contains(body, "not mine") {
			t.Error(body)
		}
	})
}

// picky is a server that refuses requests until they are as it wants them.
type picky struct {
	mu      sync.Mutex
	refuse  func(path string, body map[string]any) (status int, text string)
	refused int
	paths   []string
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	status, text := p.refuse(r.URL.Path, body)
	p.mu.Lock()
	p.paths = append(p.paths, r.URL.Path)
	if status != 0 {
		p.refused++
	}
	p.mu.Unlock()
	if status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": text}})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if strings.HasSuffix(r.URL.Path, "/responses") {
		_, _ = io.WriteString(w, sse(`{"type":"response.output_text.delta","delta":"Hi"}`, `{"type":"response.completed","response":{"model":"m"}}`))
		return
	}
	_, _ = io.WriteString(w, sse(delta(`"content":"Hi"`), finish("stop"), done))
}

func TestLearnsFromRefusals(t *testing.T) {
	has := func(fields ...string) func(string, map[string]any) (int, string) {
		return func(_ string, body map[string]any) (int, string) {
			for _, f := range fields {
				if _, ok := body[f]; ok {
					return 400, "Unknown parameter: '" + f + "'."
				}
			}
			return 0, ""
		}
	}
	for _, tt := range []struct {
		name     string
		official bool
		refuse   func(path string, body map[string]any) (int, string)
		refused  int // requests, before it works
	}{
		{"no stream_options", false, has("stream_options"), 1},
		{"no stream_options, as FastAPI says it", false, func(_ string, b map[string]any) (int, string) {
			if b["stream_options"] != nil {
				return 422, `[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]`
			}
			return 0, ""
		}, 1},
		{"the newer name of max_tokens", false, func(_ string, b map[string]any) (int, string) {
			if b["max_tokens"] != nil {
				return 400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
			}
			return 0, ""
		}, 1},
		{"two things", false, has("stream_options", "max_tokens"), 2},
		{"needs Responses", false, func(path string, _ map[string]any) (int, string) {
			if strings.HasSuffix(path, "/chat/completions") {
				return 400, "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."
			}
			return 0, ""
		}, 1},
		{"needs Responses, which a server in between lacks", false, func(path string, b map[string]any) (int, string) {
			switch {
			case strings.HasSuffix(path, "/responses"):
				return 404, "Not Found"
			case b["reasoning_effort"] != "none":
				return 400, "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."
			}
			return 0, ""
		}, 2},
		{"no summaries", true, func(_ string, b map[string]any) (int, string) {
			if b["reasoning"] != nil {
				return 400, "Your organization must be verified to generate reasoning summaries."
			}
			return 0, ""
		}, 1},
		{"no reasoning at all", true, func(_ string, b map[string]any) (int, string) {
			switch {
			case b["include"] != nil:
				return 400, "Encrypted content is not supported with this model."
			case b["reasoning"] != nil:
				return 400, "Unsupported parameter: 'reasoning.summary' is not supported with this model."
			}
			return 0, ""
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &picky{refuse: tt.refuse}
			srv := httptest.NewServer(p)
			t.Cleanup(srv.Close)
			cfg := Config{Model: "m", BaseURL: srv.URL}
			if tt.official {
				cfg = Config{Model: "m", Client: &http.Client{Transport: asOpenAI{srv.URL}}}
			}
			m := New(cfg)
			for range 2 { // the second time it knows
				if h, err := listen(t, m, hello); err != nil || h.Text != "Hi" {
					t.Fatalf("%+v, %v", h, err)
				}
			}
			if p.refused != tt.refused || len(p.paths) != tt.refused+2 {
				t.Errorf("%d of %v were refused, want %d", p.refused, p.paths, tt.refused)
			}
		})
	}
}

// TestLearningEnds asks servers that can never be pleased.
func TestLearningEnds(t *testing.T) {
	for _, text := range []string{
		"stream_options", "max_tokens is not supported, nor max_completion_tokens", "use /v1/responses", "reasoning summary, encrypted_content", "reasoning_content",
		"stream_options max_completion_tokens /v1/responses summary encrypted reasoning_content", "no",
	} {
		for _, status := range []int{400, 404, 422} {
			for _, official := range []bool{false, true} {
				p := &picky{refuse: func(string, map[string]any) (int, string) { return status, text }}
				srv := httptest.NewServer(p)
				cfg := Config{Model: "m", BaseURL: srv.URL}
				if official {
					cfg = Config{Model: "m", Client: &http.Client{Transport: asOpenAI{srv.URL}}}
				}
				m := New(cfg)
				if _, err := listen(t, m, hello); err == nil {
					t.Errorf("%q: no error", text)
				}
				if p.refused > 8 {
					t.Errorf("%q: %d requests", text, p.refused)
				}
				srv.Close()
			}
		}
	}
}

func TestProtocolByAddress(t *testing.T) {
	for _, p := range protocols {
		srv := modelscript.OpenAI(t, modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
			var body map[string]any
			if err := json.Unmarshal(r.Body, &body); err != nil {
				t.Fatal(err)
			}
			newer := body["input"] != nil
			if newer != (p.name == "responses") {
				t.Errorf("%s: %s", p.name, r.Body)
			}
			if newer && (body["store"] != false || body["max_output_tokens"] != 1000.0 || len(body["prompt_cache_key"].(string)) != 32) {
				t.Errorf("%s", r.Body)
			}
			if !newer && (body["max_tokens"] != 1000.0 || body["max_completion_tokens"] != nil || body["reasoning_effort"] != nil) {
				t.Errorf("%s", r.Body)
			}
		}})
		cfg := p.config(srv.URL)
		cfg.Model = "m"
		if _, err := listen(t, New(cfg), hello); err != nil {
			t.Error(err)
		}
	}
}
