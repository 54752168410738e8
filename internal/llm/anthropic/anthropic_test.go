package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

const (
	testKey   = "sk-test-0123456789abcdef"
	testModel = "claude-sonnet-5-5"
	patience  = 10 * time.Second
)

// newModel returns a model at url whose connections end with the test.
func newModel(t testing.TB, url string, change ...func(*Config)) *Model {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := Config{
		Key: testKey, BaseURL: url, Model: testModel, Limits: llm.Limits{Context: 200_000, MaxOutput: 64_000},
		Client: &http.Client{Transport: transport}, Silence: patience,
	}
	for _, f := range change {
		f(&c)
	}
	return New(c)
}

// hi is the shortest request.
func hi() llm.Request {
	return llm.Request{System: []string{"Be brief."}, Messages: []llm.Message{{Role: llm.User, Text: "Hi"}}, MaxTokens: 1000}
}

// heard is what a stream told.
type heard struct {
	Text, Reasoning string
	Begun           []string          // names of calls
	Inputs          map[string]string // of calls, from the deltas
	Calls           []llm.ToolCall
	Thinking        []llm.Thinking
	Answers         []llm.Answer
	Usages          []llm.Usage
	Stop            llm.StopReason
	order           []string // kinds of events, each once in a row
}

func (h *heard) hear(e llm.Event) error {
	kind := ""
	switch {
	case e.Text != "":
		kind = "text"
		h.Text += e.Text
	case e.Reasoning != "":
		kind = "reasoning"
		h.Reasoning += e.Reasoning
	case e.Begun != nil:
		kind = "begun"
		h.Begun = append(h.Begun, e.Begun.Name)
	case e.Input != nil:
		kind = "input"
		if h.Inputs == nil {
			h.Inputs = map[string]string{}
		}
		h.Inputs[e.Input.CallID] += e.Input.JSON
	case e.Call != nil:
		kind = "call"
		h.Calls = append(h.Calls, *e.Call)
	case e.Thinking != nil:
		kind = "thinking"
		h.Thinking = append(h.Thinking, *e.Thinking)
	case e.Answer != nil:
		kind = "answer"
		h.Answers = append(h.Answers, *e.Answer)
	case e.Usage != nil:
		kind = "usage"
		h.Usages = append(h.Usages, *e.Usage)
	case e.Stop != "":
		kind = "stop"
		h.Stop = e.Stop
	}
	if n := len(h.order); n == 0 || h.order[n-1] != kind {
		h.order = append(h.order, kind)
	}
	return nil
}

// usage is the last one told.
func (h *heard) usage() llm.Usage {
	if len(h.Usages) == 0 {
		return llm.Usage{}
	}
	return h.Usages[len(h.Usages)-1]
}

// ask streams a request that must succeed.
func ask(t *testing.T, m *Model, req llm.Request) heard {
	t.Helper()
	h, err := try(t, m, req)
	if err != nil {
		t.Fatalf("Stream: %v", err)
	}
	return h
}

func try(t *testing.T, m *Model, req llm.Request) (heard, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var h heard
	err := m.Stream(ctx, req, h.hear)
	return h, err
}

// fails streams a request that must fail with a kind, and returns the error.
func fails(t *testing.T, m *Model, req llm.Request, kind llm.ErrorKind) (*llm.Error, heard) {
	t.Helper()
	h, err := try(t, m, req)
	e, ok := llm.AsError(err)
	if !ok || e.Kind != kind {
		t.Fatalf("Stream: %v, want an error of kind %s", err, kind)
	}
	if h.Stop != "" {
		t.Errorf("a failed request told the stop %q", h.Stop)
	}
	if strings.Contains(err.Error(), testKey) {
		t.Errorf("the key is in the error: %v", err)
	}
	return e, h
}

func TestReply(t *testing.T) {
	srv := modelscript.Anthropic(t, modelscript.Step{
		Reasoning: "They greet. I greet — back.", Text: "Grüß dich! 👋 What shall we build?",
		Usage: modelscript.Usage{Input: 7, Output: 42, CacheRead: 900, CacheWrite: 30, CacheWrite1h: 400},
		Model: "claude-sonnet-5-5-20261001", Split: 5,
	})
	h := ask(t, newModel(t, srv.URL), hi())
	want := heard{
		Text: "Grüß dich! 👋 What shall we build?", Reasoning: "They greet. I greet — back.",
		Answers: []llm.Answer{{Model: "claude-sonnet-5-5-20261001", RequestID: "req_script_1"}},
		Usages: []llm.Usage{
			{Input: 7, Output: 1, CacheRead: 900, CacheWrite: 30, CacheWrite1h: 400},
			{Input: 7, Output: 42, CacheRead: 900, CacheWrite: 30, CacheWrite1h: 400},
		},
		Stop: llm.EndTurn,
	}
	if len(h.Thinking) != 1 || h.Thinking[0].Model != testModel || h.Thinking[0].Text != want.Reasoning || h.Thinking[0].Signature == "" {
		t.Errorf("thinking is %+v, want it whole and signed", h.Thinking)
	}
	h.Thinking = nil
	order := h.order
	h.order = nil
	if diff := cmp.Diff(want, h, cmp.AllowUnexported(heard{})); diff != "" {
		t.Errorf("the reply differs (-want +got):\n%s", diff)
	}
	wantOrder := []string{"answer", "usage", "reasoning", "thinking", "text", "usage", "stop"}
	if diff := cmp.Diff(wantOrder, order); diff != "" {
		t.Errorf("the order differs (-want +got):\n%s", diff)
	}
}

func TestCalls(t *testing.T) {
	write := map[string]any{"path": "src/App.tsx", "content": "export const Ü = \"<b>\\n\";\n"}
	encoded, err := json.Marshal(write)
	if err != nil {
		t.Fatal(err)
	}
	type call struct{ name, input string }
	tests := []struct {
		name  string
		step  modelscript.Step
		calls []call
		begun int
		stop  llm.StopReason
	}{
		{
			"parallel, in pieces of a byte",
			modelscript.Step{Text: "Two.", Split: 1, Calls: []modelscript.Call{{Name: "os-write", Input: write}, {Name: "os-view", Input: `{"path":"a"}`}}},
			[]call{{"os-write", string(encoded)}, {"os-view", `{"path":"a"}`}},
			2, llm.ToolUse,
		},
		{"without input", modelscript.Step{Calls: []modelscript.Call{{Name: "os-list"}}}, []call{{"os-list", "{}"}}, 1, llm.ToolUse},
		{
			"broken JSON is told as it is",
			modelscript.Step{Calls: []modelscript.Call{{Name: "os-view", Input: `{"path": "a`}, {Name: "os-list"}, {Name: "os-view", Input: `{"path": b}`}}},
			[]call{{"os-view", `{"path": "a`}, {"os-list", "{}"}, {"os-view", `{"path": b}`}},
			3, llm.ToolUse,
		},
		{
			"the last call is cut",
			modelscript.Step{CutInput: 12, Calls: []modelscript.Call{{Name: "os-view", Input: `{"path":"a"}`}, {Name: "os-write", Input: write}}},
			[]call{{"os-view", `{"path":"a"}`}},
			2, llm.MaxTokens,
		},
		{
			"the limit comes after a whole call",
			modelscript.Step{Stop: "max_tokens", Calls: []modelscript.Call{{Name: "os-view", Input: `{"path":"a"}`}}},
			[]call{{"os-view", `{"path":"a"}`}},
			1, llm.MaxTokens,
		},
		{"the limit comes before the input", modelscript.Step{Stop: "max_tokens", Calls: []modelscript.Call{{Name: "os-view"}}}, nil, 1, llm.MaxTokens},
		{
			"an earlier call is broken and the last is cut",
			modelscript.Step{CutInput: 3, Calls: []modelscript.Call{{Name: "os-view", Input: `{"path":`}, {Name: "os-view", Input: `{"path":"a"}`}}},
			[]call{{"os-view", `{"path":`}},
			2, llm.MaxTokens,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := modelscript.Anthropic(t, test.step)
			h := ask(t, newModel(t, srv.URL), hi())
			var got []call
			for _, c := range h.Calls {
				got = append(got, call{c.Name, string(c.Input)})
				if grown := h.Inputs[c.ID]; grown != string(c.Input) && grown != "" {
					t.Errorf("call %s grew to %s and is %s", c.ID, grown, c.Input)
				}
			}
			if diff := cmp.Diff(test.calls, got, cmp.AllowUnexported(call{})); diff != "" {
				t.Errorf("calls differ (-want +got):\n%s", diff)
			}
			if h.Stop != test.stop || len(h.Begun) != test.begun {
				t.Errorf("stop %s after %d begun calls, want %s after %d", h.Stop, len(h.Begun), test.stop, test.begun)
			}
		})
	}
}

func TestStopReasons(t *testing.T) {
	view := []modelscript.Call{{Name: "os-view", Input: `{"path":"a"}`}}
	tests := []struct {
		name string
		step modelscript.Step
		want llm.StopReason
	}{
		{"end", modelscript.Step{Text: "Done."}, llm.EndTurn},
		{"nothing said", modelscript.Step{}, llm.EndTurn},
		{"stop sequence", modelscript.Step{Text: "Done.", Stop: "stop_sequence"}, llm.EndTurn},
		{"end with a call", modelscript.Step{Calls: view, Stop: "end_turn"}, llm.ToolUse},
		{"tool use without a call", modelscript.Step{Text: "Hm.", Stop: "tool_use"}, llm.EndTurn},
		{"limit", modelscript.Step{Text: "And th", Stop: "max_tokens"}, llm.MaxTokens},
		{"refusal", modelscript.Step{Text: "I can", Stop: "refusal"}, llm.Refusal},
		{"paused, so that work is left", modelscript.Step{Text: "Wait.", Stop: "pause_turn"}, llm.MaxTokens},
		{"the window is full after something came", modelscript.Step{Text: "So", Stop: "model_context_window_exceeded"}, llm.MaxTokens},
		{"a reason of the future", modelscript.Step{Text: "So", Stop: "lunch"}, llm.MaxTokens},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := modelscript.Anthropic(t, test.step)
			if h := ask(t, newModel(t, srv.URL), hi()); h.Stop != test.want {
				t.Errorf("stop is %q, want %q", h.Stop, test.want)
			}
		})
	}
	t.Run("the window is full before anything came", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Stop: "model_context_window_exceeded"})
		if e, _ := fails(t, newModel(t, srv.URL), hi(), llm.TooLong); !e.Begun {
			t.Error("a reply that began is told as one that did not")
		}
	})
}

// TestEnvironmentIsNotRead sets everything that the SDK's own client would take from the environment.
func TestEnvironmentIsNotRead(t *testing.T) {
	for _, name := range []string{
		"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE", "ANTHROPIC_CUSTOM_HEADERS",
	} {
		t.Setenv(name, "http://127.0.0.1:1/from-the-environment")
	}
	srv := modelscript.Anthropic(t,
		modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
			want := map[string]string{"x-api-key": testKey}
			for _, name := range []string{"x-api-key", "authorization"} {
				if r.Header[name] != want[name] {
					t.Errorf("%s is %q, want %q", name, r.Header[name], want[name])
				}
			}
		}},
		modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
			if r.Header["x-api-key"] != "" || r.Header["authorization"] != "" {
				t.Errorf("without a key the request has the headers %v", r.Header)
			}
		}},
	)
	ask(t, newModel(t, srv.URL), hi())
	ask(t, newModel(t, srv.URL, func(c *Config) { c.Key = "" }), hi())
}

func TestAddress(t *testing.T) {
	for _, end := range []string{"", "/", "/v1", "/v1/"} {
		srv := modelscript.Anthropic(t, modelscript.Step{Text: "Hi"})
		ask(t, newModel(t, srv.URL+end, func(c *Config) { c.Key = " " + testKey + "\n" }), hi())
	}
	if m := New(Config{Model: testModel}); m.provider != "Anthropic" || m.ID() != testModel {
		t.Errorf("without an address the provider is %q and the model %q", m.provider, m.ID())
	}
}

func TestCountTokens(t *testing.T) {
	srv := modelscript.Anthropic(t)
	m := newModel(t, srv.URL)
	req := hi()
	small, err := m.CountTokens(t.Context(), req)
	if err != nil || small <= 0 {
		t.Fatalf("CountTokens: %d, %v", small, err)
	}
	req.Tools = []llm.Tool{{Name: "os-view", Description: strings.Repeat("It shows a file. ", 40), Schema: json.RawMessage(`{"type":"object"}`)}}
	large, err := m.CountTokens(t.Context(), req)
	if err != nil || large < small+100 {
		t.Errorf("with a tool of 170 words there are %d tokens (%v), and %d without it", large, err, small)
	}
	if m.uncounted.Load() {
		t.Error("the server counts, and is remembered as one that does not")
	}
}

func TestCountTokensWhereTheServerCannot(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		asked := 0
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			http.Error(w, "no", status)
		})
		m := newModel(t, srv, func(c *Config) { c.MaxRetries = -1 })
		for range 2 {
			n, err := m.CountTokens(t.Context(), hi())
			if err != nil || n != llm.Estimate(hi()) {
				t.Errorf("after %d: %d tokens, %v; want the estimate %d", status, n, err, llm.Estimate(hi()))
			}
		}
		if asked != 1 {
			t.Errorf("after %d the server was asked %d times, want once", status, asked)
		}
	}
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	_, err := newModel(t, srv).CountTokens(t.Context(), hi())
	if e, ok := llm.AsError(err); !ok || e.Kind != llm.Unauthorized {
		t.Errorf("CountTokens with a bad key: %v", err)
	}
	older := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "adaptive") {
			http.Error(w, `{"error":{"message":"thinking: adaptive is not supported"}}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"input_tokens":12}`)
	})
	if n, err := newModel(t, older).CountTokens(t.Context(), hi()); err != nil || n != 12 {
		t.Errorf("CountTokens of an older model: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newModel(t, older).CountTokens(ctx, hi()); !errors.Is(err, context.Canceled) {
		t.Errorf("CountTokens in a context that ended: %v", err)
	}
	hang := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err = newModel(t, hang, func(c *Config) { c.Silence = 50 * time.Millisecond }).CountTokens(t.Context(), hi())
	if e, ok := llm.AsError(err); !ok || e.Kind != llm.Silent {
		t.Errorf("CountTokens of a silent server: %v", err)
	}
}

// TestConcurrentUse asks one model for several replies at a time.
func TestConcurrentUse(t *testing.T) {
	const n = 8
	srv := modelscript.Anthropic(t, slices.Repeat([]modelscript.Step{{Text: "Hi there, all of you.", Split: 1}}, n)...)
	m := newModel(t, srv.URL)
	done := make(chan heard, n)
	for range n {
		go func() {
			var h heard
			if err := m.Stream(t.Context(), hi(), h.hear); err != nil {
				t.Errorf("Stream: %v", err)
			}
			done <- h
		}()
	}
	for range n {
		if h := <-done; h.Text != "Hi there, all of you." {
			t.Errorf("heard %q", h.Text)
		}
	}
}
