package anthropic

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
)

// serve starts a server that ends with the test, and returns its address.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only behind the body does a server notice that the client went away.
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// serveEvents starts a server that answers with the events, each in JSON with its type.
func serveEvents(t testing.TB, events ...string) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, onWire(events...))
	})
}

// onWire frames events.
func onWire(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		_, kind, _ := strings.Cut(e, `"type":"`)
		kind, _, _ = strings.Cut(kind, `"`)
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", kind, e)
	}
	return b.String()
}

const (
	start    = `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"usage":{"input_tokens":10,"output_tokens":1}}}`
	ended    = `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`
	used     = `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}}`
	stopped  = `{"type":"message_stop"}`
	closed0  = `{"type":"content_block_stop","index":0}`
	textOpen = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	textHi   = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`
	toolOpen = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t1","name":"os-view","input":{}}}`
)

// TestWire replays what servers send besides the usual.
func TestWire(t *testing.T) {
	view := func(input string) []llm.ToolCall {
		return []llm.ToolCall{{ID: "t1", Name: "os-view", Input: llm.RawInput(input)}}
	}
	tests := []struct {
		name   string
		events []string
		want   heard
	}{
		{"figures that are missing stay as they were", []string{start, textOpen, textHi, closed0, ended, stopped}, heard{
			Text: "Hi", Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn,
		}},
		{"figures that fall to 0 stay as they were", []string{
			start, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"output_tokens":5,"cache_read_input_tokens":0}}`, stopped,
		}, heard{Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn}},
		{"figures that come at the end", []string{
			`{"type":"message_start","message":{"model":"x","usage":{"input_tokens":0,"output_tokens":0}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":9,"output_tokens":5,"cache_creation_input_tokens":7,"cache_read_input_tokens":3}}`, stopped,
		}, heard{Usages: []llm.Usage{{}, {Input: 9, Output: 5, CacheRead: 3, CacheWrite: 7}}, Stop: llm.EndTurn}},
		{"cache writes that are not split are of five minutes", []string{
			`{"type":"message_start","message":{"model":"x","usage":{"input_tokens":1,"cache_creation_input_tokens":50,"output_tokens":1}}}`, ended, stopped,
		}, heard{Usages: []llm.Usage{{Input: 1, Output: 1, CacheWrite: 50}, {Input: 1, Output: 5, CacheWrite: 50}}, Stop: llm.EndTurn}},
		{"no figures at all", []string{
			`{"type":"message_start","message":{"model":"x"}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`, stopped,
		}, heard{Stop: llm.EndTurn}},
		{"redacted thinking is kept", []string{
			start, `{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"QUJD"}}`, closed0, textOpen, textHi, closed0, ended, stopped,
		}, heard{
			Text: "Hi", Thinking: []llm.Thinking{{Model: testModel, Redacted: "QUJD"}},
			Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn,
		}},
		{"unsigned thinking is shown and not kept", []string{
			start, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm"}}`, closed0, ended, stopped,
		}, heard{Reasoning: "Hm", Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn}},
		{"a signature without a summary is kept", []string{
			start, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":"s"}}`, closed0, ended, stopped,
		}, heard{
			Thinking: []llm.Thinking{{Model: testModel, Signature: "s"}},
			Usages:   []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn,
		}},
		{"a call whose input comes at once", []string{
			start, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t1","name":"os-view","input":{"path":"a"}}}`, closed0, used, stopped,
		}, heard{
			Begun: []string{"os-view"}, Calls: view(`{"path":"a"}`),
			Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.ToolUse,
		}},
		{"a block that the server does not close", []string{start, toolOpen, used, stopped}, heard{
			Begun: []string{"os-view"}, Calls: view(`{}`),
			Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.ToolUse,
		}},
		{"kinds of the future", []string{
			start, `{"type":"message_weather","sun":true}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"hologram","data":{}}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"hologram_delta","x":1}}`, closed0, textOpen, textHi, closed0, ended, stopped,
		}, heard{Text: "Hi", Usages: []llm.Usage{{Input: 10, Output: 1}, {Input: 10, Output: 5}}, Stop: llm.EndTurn}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := ask(t, newModel(t, serveEvents(t, test.events...)), hi())
			h.Answers, h.Inputs, h.order = nil, nil, nil
			if diff := cmp.Diff(test.want, h, cmp.AllowUnexported(heard{})); diff != "" {
				t.Errorf("the reply differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrokenWire has replies that are no replies.
func TestBrokenWire(t *testing.T) {
	tests := []struct {
		name   string
		events []string
		begun  bool
	}{
		{"nothing", nil, false},
		{"the stream ends in a text", []string{start, textOpen, textHi}, true},
		{"the stream ends before message_stop", []string{start, textOpen, textHi, closed0, ended}, true},
		{"no reason to stop", []string{start, textOpen, textHi, closed0, stopped}, true},
		{"no beginning", []string{textOpen, textHi}, false},
		{"two beginnings", []string{start, start}, true},
		{"no JSON", []string{start, `{"type":"message_delta",`}, true},
		{"JSON of another shape", []string{start, `["type":"message_stop"]`}, true},
		{"a block grows that did not begin", []string{start, textHi}, true},
		{"a block ends that did not begin", []string{start, closed0}, true},
		{"a call without an id", []string{start, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"os-view"}}`, closed0, used, stopped}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, h := fails(t, newModel(t, serveEvents(t, test.events...)), hi(), llm.Broken)
			if e.Begun != test.begun || !e.Temporary() {
				t.Errorf("begun %v, temporary %v", e.Begun, e.Temporary())
			}
			if len(h.Calls) > 0 {
				t.Errorf("calls were told: %v", h.Calls)
			}
		})
	}
}

func TestOtherAnswers(t *testing.T) {
	t.Run("a web page", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Welcome!</html>")
		})
		fails(t, newModel(t, url), hi(), llm.Broken)
	})
	t.Run("a redirect takes no key along", func(t *testing.T) {
		away := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, away+r.URL.Path, http.StatusTemporaryRedirect)
		})
		fails(t, newModel(t, url, func(c *Config) { c.MaxRetries = -1 }), hi(), llm.Unreachable)
	})
	t.Run("an error without end", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			for {
				if _, err := io.WriteString(w, strings.Repeat("no ", 1<<12)); err != nil {
					return
				}
			}
		})
		fails(t, newModel(t, url, func(c *Config) { c.MaxRetries = -1 }), hi(), llm.Broken)
	})
	t.Run("an event without end", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, onWire(start)+"data: ")
			for {
				if _, err := io.WriteString(w, strings.Repeat("no ", 1<<16)); err != nil {
					return
				}
			}
		})
		if e, _ := fails(t, newModel(t, url), hi(), llm.Broken); !e.Begun {
			t.Error("a reply that began is told as one that did not")
		}
	})
}

// transport answers every request with the same bytes, without a network.
type transport string

func (body transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, nil
}

// FuzzStream feeds any bytes as a reply: there is a stop exactly when there is no error, it is the last event, and a
// call is told only after it began, once, with JSON that takes the way back to the provider.
func FuzzStream(f *testing.F) {
	f.Add(onWire(start, textOpen, textHi, closed0, ended, stopped))
	f.Add(onWire(start, toolOpen, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1"}}`, closed0, used, stopped))
	f.Add(onWire(start, `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`))
	f.Add(onWire(start, toolOpen, closed0, `{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}`, stopped) + "event: ping\n\n:\n")
	f.Fuzz(func(t *testing.T, body string) {
		m := New(Config{Model: testModel, Client: &http.Client{Transport: transport(body)}})
		begun, told := map[string]int{}, map[string]int{}
		var last llm.Event
		stops := 0
		err := m.Stream(t.Context(), hi(), func(e llm.Event) error {
			last = e
			switch {
			case e.Begun != nil:
				begun[e.Begun.ID]++
			case e.Call != nil:
				told[e.Call.ID]++
				if told[e.Call.ID] > begun[e.Call.ID] {
					t.Errorf("call %q was told and did not begin", e.Call.ID)
				}
				if _, err := e.Call.Input.MarshalJSON(); err != nil {
					t.Errorf("input %q: %v", e.Call.Input, err)
				}
			case e.Stop != "":
				stops++
			}
			return nil
		})
		if (err == nil) != (stops == 1) || stops > 1 || (stops == 1 && last.Stop == "") {
			t.Errorf("%d stops, the last event %+v, error %v", stops, last, err)
		}
		if _, ok := llm.AsError(err); err != nil && !ok {
			t.Errorf("the error %v is no *llm.Error", err)
		}
	})
}
