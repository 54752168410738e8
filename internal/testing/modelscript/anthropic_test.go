package modelscript

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// post sends a body as a client of the Messages API does and returns the status and what came back, to its end or until
// the connection broke.
func post(t *testing.T, url, body string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Api-Key", "k")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

const hi = `{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`

func TestAnthropicStream(t *testing.T) {
	rec := &recorder{TB: t}
	srv := Anthropic(rec, Step{
		Reasoning: "Hm", Text: "Yes, I will do it.", Split: 10, Usage: Usage{Input: 5, Output: 9, CacheRead: 4, CacheWrite: 3, CacheWrite1h: 2},
		Calls: []Call{{Name: "os-view", Input: map[string]string{"path": "a/b.tsx"}}},
	})
	_, answer, err := post(t, srv.URL+"/v1/messages", hi)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(answer) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e struct {
			Type  string
			Delta struct{ Type string }
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("event %s: %v", data, err)
		}
		kinds = append(kinds, strings.Trim(e.Type+" "+e.Delta.Type, " "))
	}
	want := []string{
		"message_start", "ping",
		"content_block_start", "content_block_delta thinking_delta", "content_block_delta signature_delta", "content_block_stop",
		"content_block_start", "content_block_delta text_delta", "content_block_delta text_delta", "content_block_stop",
		"content_block_start", "content_block_delta input_json_delta", "content_block_delta input_json_delta", "content_block_delta input_json_delta", "content_block_stop",
		"message_delta", "message_stop",
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("events differ (-want +got):\n%s", diff)
	}
	for _, part := range []string{`"cache_creation_input_tokens":5`, `"ephemeral_1h_input_tokens":2`, `"output_tokens":9`, `"stop_reason":"tool_use"`} {
		if !strings.Contains(answer, part) {
			t.Errorf("the stream has no %s", part)
		}
	}
	if why := rec.end(); why != "" {
		t.Errorf("the script failed its test: %s", why)
	}
}

func TestAnthropicFaults(t *testing.T) {
	tests := []struct {
		name   string
		step   Step
		status int
		has    string
		broken bool
	}{
		{"refused", Step{Status: 429, RetryAfter: "3", ErrorText: "slow down"}, 429, `"type":"rate_limit_error"`, false},
		{"overloaded", Step{Status: 529}, 529, `"type":"overloaded_error"`, false},
		{"error in the stream", Step{Text: "I begin", ErrorAfter: 4}, 200, "event: error\n", false},
		{"broken", Step{Text: "I begin", BreakAfter: 4}, 200, "text_delta", true},
		{"cut", Step{Calls: []Call{{Name: "a", Input: `{"path":"b"}`}}, CutInput: 5}, 200, `"stop_reason":"max_tokens"`, false},
		{"a pause", Step{Text: "I begin", Hang: 10 * time.Millisecond}, 200, "message_stop", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := Anthropic(t, test.step)
			status, answer, err := post(t, srv.URL+"/v1/messages", hi)
			if status != test.status || !strings.Contains(answer, test.has) || (err != nil) != test.broken {
				t.Errorf("status %d, error %v, want %d and broken %v:\n%s", status, err, test.status, test.broken, answer)
			}
			if (test.broken || test.step.ErrorAfter > 0) && strings.Contains(answer, "message_stop") {
				t.Errorf("the reply came to its end:\n%s", answer)
			}
		})
	}
}

// TestAnthropicStrictness has what fails a test: a script that is not played as it is written, and requests that the
// API would refuse.
func TestAnthropicStrictness(t *testing.T) {
	call := `{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"v","input":{}}]}`
	with := func(messages string) string {
		return `{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"Hi"},` + messages + `]}`
	}
	one := []Step{{Text: "Hi"}}
	tests := []struct {
		name  string
		steps []Step
		ask   []string
		why   string
	}{
		{"a step is left", one, nil, "1 of 1 steps were not asked for"},
		{"a step is missing", nil, []string{hi}, "request 1 came, and the script has 0 steps"},
		{"a fault behind the end", []Step{{Text: "Hi", BreakAfter: 99}}, []string{hi}, "a fault after 99 events in a reply of"},
		{"no JSON", one, []string{`{`}, "the body is no request"},
		{"not streamed", one, []string{strings.Replace(hi, "true", "false", 1)}, "stream false"},
		{"no messages", one, []string{`{"model":"m","max_tokens":5,"stream":true}`}, "begins and ends with a message of the user"},
		{"a prefilled reply", one, []string{with(`{"role":"assistant","content":"Sure"}`)}, "begins and ends with a message of the user"},
		{"the same role twice", one, []string{with(`{"role":"user","content":"Hi"}`)}, "both of role user"},
		{"empty text", one, []string{`{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":" "}]}`}, "without text"},
		{"no content", one, []string{`{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":[]}]}`}, "no content"},
		{"a call without a result", one, []string{with(call + `,{"role":"user","content":"Hm"}`)}, "no result for call a"},
		{"a result for nothing", one, []string{with(call + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"},{"type":"tool_result","tool_use_id":"b"}]}`)}, "a result for b"},
		{"a result behind text", one, []string{with(call + `,{"role":"user","content":[{"type":"text","text":"Hm"},{"type":"tool_result","tool_use_id":"a"}]}`)}, "behind text"},
		{"input that is no object", one, []string{with(strings.Replace(call, "{}", `[]`, 1) + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}`)}, "is not an object"},
		{"thinking that was changed", one, []string{with(`{"role":"assistant","content":[{"type":"thinking","thinking":"Ha","signature":"` + signature("Hm") + `"},{"type":"text","text":"So"}]},{"role":"user","content":"Hm"}`)}, "thinking was changed"},
		{"five marks", one, []string{`{"model":"m","max_tokens":5,"stream":true,"system":[` + strings.Repeat(`{"type":"text","text":"x","cache_control":{"type":"ephemeral"}},`, 4) + `{"type":"text","text":"x","cache_control":{}}],"messages":[{"role":"user","content":"Hi"}]}`}, "5 cache marks"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			srv := Anthropic(rec, test.steps...)
			for _, body := range test.ask {
				if _, _, err := post(t, srv.URL+"/v1/messages", body); err != nil {
					t.Fatal(err)
				}
			}
			if why := rec.end(); !strings.Contains(why, test.why) {
				t.Errorf("the test fails with %q, want %q", why, test.why)
			}
		})
	}
}

func TestAnthropicCount(t *testing.T) {
	srv := Anthropic(t)
	status, answer, err := post(t, srv.URL+"/v1/messages/count_tokens", strings.Repeat("x", 400))
	if err != nil || status != http.StatusOK || strings.TrimSpace(answer) != `{"input_tokens":100}` {
		t.Errorf("status %d, %s, %v", status, answer, err)
	}
}
