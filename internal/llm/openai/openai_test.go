package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// heard is a reply as its receiver puts it together.
type heard struct {
	Text, Reasoning string
	Begun           []string
	Inputs          map[string]string // of the deltas, by name
	Calls           []llm.ToolCall
	Thinking        []llm.Thinking
	Answer          llm.Answer
	Usage           []llm.Usage
	Stop            llm.StopReason
}

// listen sends a request and puts the reply together. It fails the test when the order of events breaks a promise.
func listen(t *testing.T, m llm.Model, req llm.Request) (h heard, err error) {
	t.Helper()
	h.Inputs = map[string]string{}
	names := map[string]string{}
	err = m.Stream(t.Context(), req, func(e llm.Event) error {
		if h.Stop != "" {
			t.Errorf("an event after Stop: %+v", e)
		}
		h.Text += e.Text
		h.Reasoning += e.Reasoning
		switch {
		case e.Begun != nil:
			h.Begun = append(h.Begun, e.Begun.Name)
			names[e.Begun.ID] = e.Begun.Name
		case e.Input != nil:
			name, ok := names[e.Input.CallID]
			if !ok {
				t.Errorf("input of a call that did not begin: %+v", e.Input)
			}
			h.Inputs[name] += e.Input.JSON
		case e.Call != nil:
			if names[e.Call.ID] != e.Call.Name {
				t.Errorf("a call that did not begin: %+v", e.Call)
			}
			h.Calls = append(h.Calls, *e.Call)
		case e.Thinking != nil:
			h.Thinking = append(h.Thinking, *e.Thinking)
		case e.Answer != nil:
			if h.Answer.Model != "" {
				t.Error("two answers")
			}
			h.Answer = *e.Answer
		case e.Usage != nil:
			h.Usage = append(h.Usage, *e.Usage)
		}
		h.Stop = e.Stop
		return nil
	})
	if (err == nil) != (h.Stop != "") {
		t.Errorf("error %v and stop %q", err, h.Stop)
	}
	return h, err
}

// asOpenAI sends what is meant for OpenAI's own address to a server of the test.
type asOpenAI struct{ base string }

func (a asOpenAI) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(a.base)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// protocols are the two ways to the same model.
var protocols = []struct {
	name   string
	config func(base string) Config
}{
	{"chat", func(base string) Config { return Config{BaseURL: base} }},
	{"responses", func(base string) Config { return Config{Client: &http.Client{Transport: asOpenAI{base}}} }},
}

// over runs a test over both protocols.
func over(t *testing.T, steps []modelscript.Step, change func(*Config), test func(t *testing.T, m *Model, s *modelscript.Script)) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			srv := modelscript.OpenAI(t, steps...)
			cfg := p.config(srv.URL)
			cfg.Model, cfg.Key, cfg.MaxRetries = "scripted", "sk-test-secret-0123456789", -1
			if change != nil {
				change(&cfg)
			}
			test(t, New(cfg), srv.Script)
		})
	}
}

var hello = llm.Request{
	System:    []string{"Rules.", "Map."},
	Messages:  []llm.Message{{Role: llm.User, Text: "Hello"}},
	Tools:     []llm.Tool{{Name: "os-write", Description: "Writes.", Schema: json.RawMessage(`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`)}},
	MaxTokens: 1000,
}

func TestReply(t *testing.T) {
	write := `{"path":"src/a.tsx","content":"const a = \"<b>ö</b>\";\n// 世界"}`
	step := modelscript.Step{
		Reasoning: "I think about it for a while.", Text: "I change two files now, größer.", Split: 5, Model: "scripted-2026-11-01",
		Calls: []modelscript.Call{{Name: "os-write", Input: write}, {Name: "os-view", Input: map[string]any{"path": "src/b.tsx"}}, {Name: "os-list", Input: ""}, {Name: "os-broken", Input: `{"a":`}},
		Usage: modelscript.Usage{Input: 1000, Output: 300, CacheRead: 5000, CacheWrite: 700},
	}
	over(t, []modelscript.Step{step}, nil, func(t *testing.T, m *Model, s *modelscript.Script) {
		h, err := listen(t, m, hello)
		if err != nil {
			t.Fatal(err)
		}
		for i := range h.Calls {
			if h.Calls[i].ID == "" {
				t.Error("a call without an ID")
			}
			h.Calls[i].ID = ""
		}
		if len(h.Thinking) != 1 || h.Thinking[0].Model != "scripted" {
			t.Errorf("thinking %+v", h.Thinking)
		}
		h.Thinking = nil
		want := heard{
			Text: step.Text, Reasoning: step.Reasoning,
			Begun:  []string{"os-write", "os-view", "os-list", "os-broken"},
			Inputs: map[string]string{"os-write": write, "os-view": `{"path":"src/b.tsx"}`, "os-broken": `{"a":`},
			Calls: []llm.ToolCall{
				{Name: "os-write", Input: llm.RawInput(write)},
				{Name: "os-view", Input: llm.RawInput(`{"path":"src/b.tsx"}`)},
				{Name: "os-list", Input: llm.RawInput(`{}`)},
				{Name: "os-broken", Input: llm.RawInput(`{"a":`)},
			},
			Answer: llm.Answer{Model: "scripted-2026-11-01", RequestID: "req_1"},
			Usage:  []llm.Usage{{Input: 1000, Output: 300, CacheRead: 5000, CacheWrite: 700}},
			Stop:   llm.ToolUse,
		}
		if diff := cmp.Diff(want, h); diff != "" {
			t.Error(diff)
		}
		got := s.Requests()[0]
		if diff := cmp.Diff([]string{"Rules.\n\nMap."}, got.System); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(string(got.Body), string(hello.Tools[0].Schema)) {
			t.Errorf("the schema's properties lost their order: %s", got.Body)
		}
		if got.Header["authorization"] != "Bearer sk-test-secret-0123456789" {
			t.Errorf("authorization %q", got.Header["authorization"])
		}
	})
}

func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		step  modelscript.Step
		stop  llm.StopReason
		calls int
	}{
		{"end", modelscript.Step{Text: "Done."}, llm.EndTurn, 0},
		{"nothing said", modelscript.Step{}, llm.EndTurn, 0},
		{"cut in prose", modelscript.Step{Text: "Then I", Stop: "max_tokens"}, llm.MaxTokens, 0},
		{"cut in a call", modelscript.Step{Calls: []modelscript.Call{{Name: "a", Input: `{"x":1}`}, {Name: "b", Input: `{"text":"a long text"}`}}, CutInput: 12}, llm.MaxTokens, 1},
		{"cut behind a call", modelscript.Step{Calls: []modelscript.Call{{Name: "a", Input: `{"x":1}`}}, Stop: "max_tokens"}, llm.MaxTokens, 1},
		{"cut before the input", modelscript.Step{Calls: []modelscript.Call{{Name: "a", Input: ""}}, Stop: "max_tokens"}, llm.MaxTokens, 0},
		{"refused", modelscript.Step{Text: "I can't help with that.", Stop: "refusal"}, llm.Refusal, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			over(t, []modelscript.Step{tt.step}, nil, func(t *testing.T, m *Model, _ *modelscript.Script) {
				h, err := listen(t, m, hello)
				if err != nil || h.Stop != tt.stop || len(h.Calls) != tt.calls || h.Text != tt.step.Text {
					t.Errorf("%+v, %v", h, err)
				}
				if diff := cmp.Diff([]llm.Usage{{Input: 100, Output: 20}}, h.Usage); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestErrors(t *testing.T) {
	long := "This is a reply that is long enough to be broken in the middle."
	for _, tt := range []struct {
		name  string
		step  modelscript.Step
		kind  llm.ErrorKind
		after time.Duration
		begun bool
		says  string
	}{
		{"wrong key", modelscript.Step{Status: 401, ErrorText: "Incorrect API key provided: sk-test-secret-0123456789."}, llm.Unauthorized, 0, false, "does not accept the key"},
		{"may not", modelscript.Step{Status: 403, ErrorText: "Project has no access."}, llm.Unauthorized, 0, false, "does not accept the key"},
		{"payment", modelscript.Step{Status: 402, ErrorText: "Insufficient credits."}, llm.NoMoney, 0, false, "no credit left"},
		{"quota", modelscript.Step{Status: 429, ErrorType: "insufficient_quota", ErrorText: "You exceeded your current quota."}, llm.NoMoney, 0, false, "no credit left"},
		{"no model", modelscript.Step{Status: 404, ErrorText: "The model `scripted` does not exist."}, llm.UnknownModel, 0, false, `no model called "scripted"`},
		{"too long", modelscript.Step{Status: 400, ErrorType: "context_length_exceeded"}, llm.TooLong, 0, false, "more than scripted can read"},
		{"too large", modelscript.Step{Status: 413}, llm.TooLong, 0, false, "more than scripted can read"},
		{"too large for a minute", modelscript.Step{Status: 429, ErrorText: "Request too large for scripted on tokens per min (TPM)."}, llm.TooLong, 0, false, "more than scripted can read"},
		{"too often", modelscript.Step{Status: 429, RetryAfter: "7"}, llm.RateLimited, 7 * time.Second, false, "try again in 7 seconds"},
		{"too often for long", modelscript.Step{Status: 429, RetryAfter: "3600"}, llm.RateLimited, time.Hour, false, "try again in 60 minutes"},
		{"fault", modelscript.Step{Status: 500}, llm.Overloaded, 0, false, "overloaded or has a fault"},
		{"overloaded", modelscript.Step{Status: 529, RetryAfter: "5"}, llm.Overloaded, 5 * time.Second, false, "overloaded or has a fault"},
		{"refused", modelscript.Step{Status: 400, ErrorText: "Bad\n\n value with sk-test-secret-0123456789."}, llm.BadRequest, 0, false, "refused the request: Bad value with [key]."},
		{"no tools", modelscript.Step{Status: 400, ErrorText: "scripted does not support tools"}, llm.BadRequest, 0, false, "cannot call tools"},
		{"breaks off", modelscript.Step{Text: long, BreakAfter: 4}, llm.Broken, 0, true, "broke off in the middle"},
		{"breaks off before the end", modelscript.Step{Text: long, Split: 100, BreakAfter: 2}, llm.Broken, 0, true, "broke off in the middle"},
		{"error within", modelscript.Step{Text: long, ErrorAfter: 4, ErrorText: "sk-test-secret-0123456789 overloaded"}, llm.Overloaded, 0, true, "overloaded"},
		{"quota within", modelscript.Step{Text: long, ErrorAfter: 4, ErrorType: "insufficient_quota"}, llm.NoMoney, 0, true, "no credit"},
		{"odd error within", modelscript.Step{Text: long, ErrorAfter: 4, ErrorType: "odd", ErrorText: "Oops."}, llm.Broken, 0, true, "broke off its reply"},
		{"silence", modelscript.Step{Text: long, Hang: time.Minute}, llm.Silent, 0, true, "has sent nothing for 1 second"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			over(t, []modelscript.Step{tt.step}, func(c *Config) { c.Silence = 200 * time.Millisecond }, func(t *testing.T, m *Model, _ *modelscript.Script) {
				h, err := listen(t, m, hello)
				e, ok := llm.AsError(err)
				if !ok {
					t.Fatalf("%v is no *llm.Error", err)
				}
				if e.Kind != tt.kind || e.Status != tt.step.Status || e.RetryAfter != tt.after || e.Begun != tt.begun {
					t.Errorf("%+v", e)
				}
				if !strings.Contains(fault.Text(err), tt.says) {
					t.Errorf("%q does not say %q", fault.Text(err), tt.says)
				}
				if strings.Contains(err.Error(), "sk-test") {
					t.Errorf("the key is in the error: %v", err)
				}
				if len(h.Calls) > 0 {
					t.Errorf("calls of a reply that failed: %+v", h.Calls)
				}
			})
		})
	}
}

func TestRetries(t *testing.T) {
	t.Run("as asked", func(t *testing.T) {
		over(t, []modelscript.Step{{Status: 429, RetryAfter: "1"}, {Status: 503, RetryAfter: "0"}, {Text: "Hi"}}, func(c *Config) { c.MaxRetries = 2 }, func(t *testing.T, m *Model, s *modelscript.Script) {
			start := time.Now()
			h, err := listen(t, m, hello)
			if err != nil || h.Text != "Hi" {
				t.Fatalf("%+v, %v", h, err)
			}
			if d := time.Since(start); d < time.Second || d > 3*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	})
	for _, step := range []modelscript.Step{
		{Status: 429, RetryAfter: "61"}, {Status: 429, ErrorType: "insufficient_quota"}, {Status: 401}, {Status: 400}, {Status: 404},
	} {
		over(t, []modelscript.Step{step}, func(c *Config) { c.MaxRetries = 3 }, func(t *testing.T, m *Model, s *modelscript.Script) {
			if _, err := listen(t, m, hello); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("silence does not count between attempts", func(t *testing.T) {
		over(t, []modelscript.Step{{Status: 503, RetryAfter: "1"}, {Text: "Hi"}}, func(c *Config) { c.MaxRetries, c.Silence = 1, 300*time.Millisecond }, func(t *testing.T, m *Model, _ *modelscript.Script) {
			if _, err := listen(t, m, hello); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestNobodyThere(t *testing.T) {
	m := New(Config{BaseURL: "http://127.0.0.1:1", Model: "x", MaxRetries: -1})
	_, err := listen(t, m, hello)
	if e, ok := llm.AsError(err); !ok || e.Kind != llm.Unreachable || !strings.Contains(fault.Text(err), "no connection to 127.0.0.1:1") {
		t.Error(err)
	}
	_, err = listen(t, New(Config{BaseURL: "http://[", Model: "x", MaxRetries: -1}), hello)
	if e, ok := llm.AsError(err); !ok || e.Kind != llm.Unreachable {
		t.Error(err)
	}
}

// TestStopping leaves nothing behind, whoever ends a request.
func TestStopping(t *testing.T) {
	text := strings.Repeat("It goes on and on. ", 50)
	steps := []modelscript.Step{{Text: text, Hang: time.Minute}, {Text: text, Hang: time.Minute}, {Text: text}}
	over(t, steps, nil, func(t *testing.T, m *Model, _ *modelscript.Script) {
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := m.Stream(ctx, hello, func(llm.Event) error {
			if n++; n == 10 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		mine := errors.New("mine")
		if err := m.Stream(t.Context(), hello, func(llm.Event) error { return mine }); err != mine { //nolint:errorlint // the same one
			t.Errorf("%v, want the receiver's error", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := m.Stream(ctx, hello, func(llm.Event) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if _, err := listen(t, m, hello); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		for range 100 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
	})
}

func TestEnvironmentIsNotRead(t *testing.T) {
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"} {
		t.Setenv(name, "from-environment")
	}
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
	srv := modelscript.OpenAI(t, modelscript.Step{Text: "Hi", Want: func(t testing.TB, r modelscript.Request) {
		if a := r.Header["authorization"]; a != "" {
			t.Errorf("authorization %q", a)
		}
	}})
	if _, err := listen(t, New(Config{BaseURL: srv.URL, Model: "x"}), hello); err != nil {
		t.Error(err)
	}
	if m := New(Config{}); m.cfg.BaseURL != officialURL {
		t.Errorf("%s", m.cfg.BaseURL)
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		base, want, server string
		official, local    bool
	}{
		{"", "https://api.openai.com/v1", "OpenAI", true, false},
		{"https://api.openai.com/v1/", "https://api.openai.com/v1", "OpenAI", true, false},
		{"https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1", "openrouter.ai", false, false},
		{"http://localhost:11434", "http://localhost:11434/v1", "localhost:11434", false, true},
		{"http://[::1]:8080/", "http://[::1]:8080/v1", "[::1]:8080", false, true},
		{"http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", "127.0.0.1:8000", false, true},
		{"https://api.openai.com.example.net", "https://api.openai.com.example.net/v1", "api.openai.com.example.net", false, false},
	} {
		m := New(Config{BaseURL: tt.base})
		if m.cfg.BaseURL != tt.want || m.server != tt.server || m.official != tt.official || loopback(m.cfg.BaseURL) != tt.local {
			t.Errorf("%q: %q, %q, %v", tt.base, m.cfg.BaseURL, m.server, m.official)
		}
	}
	if m := New(Config{Model: "m", Limits: llm.Limits{Context: 1, MaxOutput: 2}}); m.ID() != "m" || m.Limits() != (llm.Limits{Context: 1, MaxOutput: 2}) {
		t.Error(m.ID(), m.Limits())
	}
	if n, err := New(Config{}).CountTokens(t.Context(), hello); err != nil || n != llm.Estimate(hello) {
		t.Error(n, err)
	}
}
