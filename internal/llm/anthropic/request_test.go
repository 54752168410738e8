package anthropic

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// body is a request as it came over the wire.
type body struct {
	Model     string           `json:"model"`
	MaxTokens int64            `json:"max_tokens"`
	Stream    bool             `json:"stream"`
	Thinking  map[string]any   `json:"thinking"`
	System    []map[string]any `json:"system"`
	Tools     []map[string]any `json:"tools"`
	Messages  []struct {
		Role    string           `json:"role"`
		Content []map[string]any `json:"content"`
	} `json:"messages"`
}

func read(t testing.TB, raw []byte) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatalf("read the request: %v", err)
	}
	return b
}

// sent asks once and returns the request as it came. The double refuses what the API would refuse.
func sent(t *testing.T, req llm.Request, change ...func(*Config)) (modelscript.Request, body) {
	t.Helper()
	srv := modelscript.Anthropic(t, modelscript.Step{Text: "Hi"})
	ask(t, newModel(t, srv.URL, change...), req)
	r := srv.Requests()[0]
	return r, read(t, r.Body)
}

func TestRequest(t *testing.T) {
	schema := `{"type":"object","properties":{"z":{"type":"string"},"a":{"enum":["<",1]}},"required":["z"],"additionalProperties":false}`
	req := hi()
	req.System = []string{"One.", " \n", "Two."}
	req.Tools = []llm.Tool{{Name: "os-view", Description: "Shows a file.", Schema: json.RawMessage(schema)}}
	raw, b := sent(t, req)
	if b.Model != testModel || b.MaxTokens != 1000 || !b.Stream {
		t.Errorf("model %s, max_tokens %d, stream %v", b.Model, b.MaxTokens, b.Stream)
	}
	if diff := cmp.Diff(map[string]any{"type": "adaptive", "display": "summarized"}, b.Thinking); diff != "" {
		t.Errorf("thinking differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"One.", "Two."}, raw.System); diff != "" {
		t.Errorf("the system prompt differs (-want +got):\n%s", diff)
	}
	if len(b.Tools) != 1 || b.Tools[0]["eager_input_streaming"] != true || b.Tools[0]["description"] != "Shows a file." {
		t.Errorf("tools are %v", b.Tools)
	}
	if want := strings.ReplaceAll(schema, "<", `\u003c`); !strings.Contains(string(raw.Body), schema) && !strings.Contains(string(raw.Body), want) {
		t.Errorf("the schema is not sent as it is: %s", raw.Body)
	}
	for _, word := range []string{"temperature", "top_p", "top_k", "tool_choice", "budget_tokens"} {
		if strings.Contains(string(raw.Body), word) {
			t.Errorf("the request has %s, which the models refuse", word)
		}
	}
}

func TestMaxTokens(t *testing.T) {
	tests := []struct {
		wanted int
		limit  int64
		want   int64
	}{{1000, 64_000, 1000}, {100_000, 64_000, 64_000}, {0, 64_000, 32_000}, {0, 8_000, 8_000}, {100_000, 0, 100_000}}
	for _, test := range tests {
		m := New(Config{Model: testModel, Limits: llm.Limits{MaxOutput: test.limit}})
		if got := m.maxTokens(test.wanted); got != test.want {
			t.Errorf("maxTokens(%d) of a model that writes %d is %d, want %d", test.wanted, test.limit, got, test.want)
		}
	}
}

// TestConversation has conversations as the agent may give them, and what of them goes over the wire. The double fails
// the test where the API would refuse one.
func TestConversation(t *testing.T) {
	call := func(id, input string) llm.ToolCall {
		return llm.ToolCall{ID: id, Name: "os-view", Input: llm.RawInput(input)}
	}
	type m = modelscript.Message
	type sentCall = modelscript.SentCall
	object := func(s string) json.RawMessage { return json.RawMessage(s) }
	tests := []struct {
		name string
		give []llm.Message
		want []m
	}{
		{"messages of one role become one", []llm.Message{
			{Role: llm.User, Text: "One"}, {Role: llm.User, Text: "Two"}, {Role: llm.Assistant, Text: "A"}, {Role: llm.Assistant, Text: "B"}, {Role: llm.User, Text: "Three"},
		}, []m{{Role: "user", Text: "One\nTwo"}, {Role: "assistant", Text: "A\nB"}, {Role: "user", Text: "Three"}}},
		{"results come before text, whoever says it first", []llm.Message{
			{Role: llm.User, Text: "Go"},
			{Role: llm.Assistant, Calls: []llm.ToolCall{call("a", `{"path": "x"}`), call("b", ``)}},
			{Role: llm.User, Text: "By the way", Results: []llm.ToolResult{{CallID: "b", Text: "no such file", Failed: true}}},
			{Role: llm.User, Results: []llm.ToolResult{{CallID: "a", Text: "1: x"}}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Calls: []sentCall{{ID: "a", Name: "os-view", Input: object(`{"path": "x"}`)}, {ID: "b", Name: "os-view", Input: object(`{}`)}}},
			{Role: "user", Text: "By the way", Results: []modelscript.Result{{CallID: "b", Text: "no such file", Failed: true}, {CallID: "a", Text: "1: x"}}},
		}},
		{"empty text is not sent", []llm.Message{
			{Role: llm.User, Text: "Go"},
			{Role: llm.User, Text: " \n"},
			{Role: llm.Assistant, Text: "\n", Calls: []llm.ToolCall{call("a", `{}`)}},
			{Role: llm.User, Results: []llm.ToolResult{{CallID: "a"}}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Calls: []sentCall{{ID: "a", Name: "os-view", Input: object(`{}`)}}},
			{Role: "user", Results: []modelscript.Result{{CallID: "a"}}},
		}},
		{"broken input goes back as an object", []llm.Message{
			{Role: llm.User, Text: "Go"},
			{Role: llm.Assistant, Calls: []llm.ToolCall{call("a", "{\"path\": \"x"), call("b", `["x"]`)}},
			{Role: llm.User, Results: []llm.ToolResult{{CallID: "a", Text: "no JSON", Failed: true}, {CallID: "b", Text: "no object", Failed: true}}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Calls: []sentCall{
				{ID: "a", Name: "os-view", Input: object(`{"_broken_input":"{\"path\": \"x"}`)}, {ID: "b", Name: "os-view", Input: object(`{"_broken_input":"[\"x\"]"}`)},
			}},
			{Role: "user", Results: []modelscript.Result{{CallID: "a", Text: "no JSON", Failed: true}, {CallID: "b", Text: "no object", Failed: true}}},
		}},
		{"calls that nobody answered were not run", []llm.Message{
			{Role: llm.User, Text: "Go"},
			{Role: llm.Assistant, Text: "I look.", Calls: []llm.ToolCall{call("a", `{}`), call("b", `{}`)}},
			{Role: llm.User, Text: "Stop, and do that", Results: []llm.ToolResult{{CallID: "b", Text: "1: x"}}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Text: "I look.", Calls: []sentCall{{ID: "a", Name: "os-view", Input: object(`{}`)}, {ID: "b", Name: "os-view", Input: object(`{}`)}}},
			{Role: "user", Text: "Stop, and do that", Results: []modelscript.Result{
				{CallID: "b", Text: "1: x"}, {CallID: "a", Text: "This call was not run: the work was stopped before it.", Failed: true},
			}},
		}},
		{"the last calls are open", []llm.Message{
			{Role: llm.User, Text: "Go"}, {Role: llm.Assistant, Calls: []llm.ToolCall{call("a", `{}`)}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Calls: []sentCall{{ID: "a", Name: "os-view", Input: object(`{}`)}}},
			{Role: "user", Results: []modelscript.Result{{CallID: "a", Text: "This call was not run: the work was stopped before it.", Failed: true}}},
		}},
		{"the beginning is cut off", []llm.Message{
			{Role: llm.Assistant, Text: "Done."}, {Role: llm.User, Text: "More", Results: []llm.ToolResult{{CallID: "gone", Text: "1: x"}}},
		}, []m{
			{Role: "user", Text: "(The beginning of the conversation is left out.)"},
			{Role: "assistant", Text: "Done."},
			{Role: "user", Text: "A result from earlier:\n1: x\nMore"},
		}},
		{"ids of another provider", []llm.Message{
			{Role: llm.User, Text: "Go"},
			{Role: llm.Assistant, Calls: []llm.ToolCall{call("functions.os-view:0", `{}`)}},
			{Role: llm.User, Results: []llm.ToolResult{{CallID: "functions.os-view:0", Text: "1: x"}}},
		}, []m{
			{Role: "user", Text: "Go"},
			{Role: "assistant", Calls: []sentCall{{ID: "functions_os-view_0", Name: "os-view", Input: object(`{}`)}}},
			{Role: "user", Results: []modelscript.Result{{CallID: "functions_os-view_0", Text: "1: x"}}},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw, _ := sent(t, llm.Request{Messages: test.give})
			if diff := cmp.Diff(test.want, raw.Messages); diff != "" {
				t.Errorf("the conversation differs (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a tool without a schema", func(t *testing.T) {
		req := hi()
		req.Tools = []llm.Tool{{Name: "os-view"}}
		fails(t, newModel(t, modelscript.Anthropic(t).URL), req, llm.BadRequest)
	})
	for name, give := range map[string][]llm.Message{
		"nothing": nil, "only blanks": {{Role: llm.User, Text: " "}}, "the assistant has the last word": {{Role: llm.User, Text: "Go"}, {Role: llm.Assistant, Text: "Done."}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := modelscript.Anthropic(t)
			fails(t, newModel(t, srv.URL), llm.Request{Messages: give}, llm.BadRequest)
		})
	}
}

// TestThinkingGoesBack sends signed thinking back as it came, and nothing of what others thought.
func TestThinkingGoesBack(t *testing.T) {
	srv := modelscript.Anthropic(t,
		modelscript.Step{Reasoning: "I must look first.\n\tThen write — carefully.", Calls: []modelscript.Call{{Name: "os-view", Input: `{"path":"a"}`}}},
		modelscript.Step{Text: "Done."},
	)
	m := newModel(t, srv.URL)
	first := ask(t, m, hi())
	req := hi()
	thought := append([]llm.Thinking{
		{Model: "claude-opus-5-5", Text: "Mine is not yours.", Signature: "x"}, {Model: testModel, Text: "I was never signed."}, {Model: testModel, Redacted: "QUJD"},
	}, first.Thinking...)
	req.Messages = append(
		req.Messages,
		llm.Message{Role: llm.Assistant, Text: "Let me see.", Thinking: thought, Calls: first.Calls},
		llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: first.Calls[0].ID, Text: "1: x"}}},
	)
	ask(t, m, req)
	b := read(t, srv.Requests()[1].Body)
	var kinds []string
	for _, block := range b.Messages[1].Content {
		kinds = append(kinds, block["type"].(string))
	}
	if diff := cmp.Diff([]string{"redacted_thinking", "thinking", "text", "tool_use"}, kinds); diff != "" {
		t.Fatalf("the assistant's blocks differ (-want +got):\n%s", diff)
	}
	if got := b.Messages[1].Content[1]; got["thinking"] != first.Thinking[0].Text || got["signature"] != first.Thinking[0].Signature {
		t.Errorf("thinking goes back as %v, want %+v", got, first.Thinking[0])
	}
}

// TestRefusedParameters has servers that know a part of the API.
func TestRefusedParameters(t *testing.T) {
	without := func(words ...string) func(t testing.TB, r modelscript.Request) {
		return func(t testing.TB, r modelscript.Request) {
			t.Helper()
			for _, word := range words {
				if strings.Contains(string(r.Body), word) {
					t.Errorf("the request still has %s", word)
				}
			}
		}
	}
	refuse := func(text string) modelscript.Step {
		return modelscript.Step{Status: http.StatusBadRequest, ErrorText: text}
	}
	req := func() llm.Request {
		r := hi()
		r.System = []string{strings.Repeat("Never guess. ", 500)}
		r.Tools = []llm.Tool{{Name: "os-view", Schema: json.RawMessage(`{"type":"object"}`)}}
		r.Messages = append(r.Messages, llm.Message{Role: llm.Assistant, Text: "Hi.", Thinking: []llm.Thinking{{Model: testModel, Text: "Hm", Signature: "s"}}}, llm.Message{Role: llm.User, Text: "More"})
		return r
	}
	t.Run("thinking, for good", func(t *testing.T) {
		srv := modelscript.Anthropic(
			t, refuse("adaptive thinking is not supported on this model"),
			modelscript.Step{Text: "Hi", Want: without("thinking")}, modelscript.Step{Text: "Hi", Want: without("thinking")},
		)
		m := newModel(t, srv.URL)
		ask(t, m, req())
		ask(t, m, req())
	})
	t.Run("a signature, this once", func(t *testing.T) {
		srv := modelscript.Anthropic(
			t, refuse("messages.1.content.0: Invalid `signature` in `thinking` block"),
			modelscript.Step{Text: "Hi", Want: without("thinking")}, modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
				if !strings.Contains(string(r.Body), "adaptive") {
					t.Error("one bad signature turned thinking off for good")
				}
			}},
		)
		m := newModel(t, srv.URL)
		ask(t, m, req())
		ask(t, m, req())
	})
	t.Run("one after the other", func(t *testing.T) {
		srv := modelscript.Anthropic(
			t, refuse("tools.0.custom.eager_input_streaming: Extra inputs are not permitted"),
			modelscript.Step{Status: http.StatusUnprocessableEntity, ErrorText: "unknown field cache_control", Want: without("eager_input_streaming")},
			refuse("thinking: Extra inputs are not permitted"),
			modelscript.Step{Text: "Hi", Want: without("eager_input_streaming", "cache_control", "thinking")},
		)
		ask(t, newModel(t, srv.URL), req())
	})
	t.Run("what is not the cause is not given up", func(t *testing.T) {
		srv := modelscript.Anthropic(
			t, refuse("thinking: no"), refuse("max_tokens: too large"),
			modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
				if !strings.Contains(string(r.Body), "adaptive") {
					t.Error("thinking was given up, though the server took nothing without it")
				}
			}},
		)
		m := newModel(t, srv.URL)
		fails(t, m, req(), llm.BadRequest)
		ask(t, m, req())
	})
}
