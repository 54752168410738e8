package modelscript

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenAIFormatsMeanTheSame(t *testing.T) {
	chat := `{"model":"m","stream":true,"tools":[{"type":"function","function":{"name":"os-view"}}],"messages":[
		{"role":"system","content":"Rules."},{"role":"user","content":"Hi"},
		{"role":"assistant","content":"I look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"os-view","arguments":"{\"path\":\"a\"}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"Error: no such file"},{"role":"user","content":"Go on."}]}`
	newer := `{"model":"m","stream":true,"tools":[{"type":"function","name":"os-view"}],"instructions":"Rules.","input":[
		{"role":"user","content":"Hi"},{"type":"reasoning","id":"r1"},{"role":"assistant","content":"I look."},
		{"type":"function_call","call_id":"c1","name":"os-view","arguments":"{\"path\":\"a\"}"},
		{"type":"function_call_output","call_id":"c1","output":"Error: no such file"},{"role":"user","content":"Go on."}]}`
	want := Request{Model: "m", System: []string{"Rules."}, Tools: []string{"os-view"}, Messages: []Message{
		{Role: "user", Text: "Hi"},
		{Role: "assistant", Text: "I look.", Calls: []SentCall{{ID: "c1", Name: "os-view", Input: []byte(`{"path":"a"}`)}}},
		{Role: "user", Text: "Go on.", Results: []Result{{CallID: "c1", Text: "no such file", Failed: true}}},
	}}
	for _, tt := range []struct {
		body   string
		decode func([]byte) (Request, error)
	}{{chat, decodeChat}, {newer, decodeResponses}} {
		got, err := tt.decode([]byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOpenAIRequestsThatNoServerTakes(t *testing.T) {
	call := `{"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"a","arguments":"{}"}}]}`
	for _, tt := range []struct {
		decode     func([]byte) (Request, error)
		body, want string
	}{
		{decodeChat, `{"messages":[]}`, "does not stream"},
		{decodeChat, `{"stream":true,"messages":[` + call + `]}`, "1 calls have no result"},
		{decodeChat, `{"stream":true,"messages":[` + call + `,{"role":"user","content":"x"}]}`, "stands where the results"},
		{decodeChat, `{"stream":true,"messages":[{"role":"tool","tool_call_id":"c9","content":"x"}]}`, `a result for "c9"`},
		{decodeChat, `{"stream":true,"messages":[` + strings.Replace(call, `"{}"`, `"{"`, 1) + `,{"role":"tool","tool_call_id":"c1","content":"x"}]}`, "is no object"},
		{decodeChat, `{"stream":true,"messages":[{"role":"robot"}]}`, `a message of "robot"`},
		{decodeResponses, `{"stream":true,"input":[{"type":"function_call","call_id":"c1","name":"a","arguments":"{}"}]}`, "1 calls have no result"},
		{decodeResponses, `{"stream":true,"input":[{"type":"function_call_output","call_id":"c1"}]}`, `a result for "c1"`},
		{decodeResponses, `{"stream":true,"input":[{"type":"image"}]}`, `an item of type "image"`},
		{decodeResponses, `{`, "unexpected end"},
	} {
		if _, err := tt.decode([]byte(tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.body, err, tt.want)
		}
	}
}

func TestOpenAIServes(t *testing.T) {
	s := OpenAI(t, Step{Text: "Hi", Usage: Usage{Input: 10, CacheRead: 5, Output: 3}})
	res, err := http.Post(s.URL+"/chat/completions", "application/json", strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"content":"Hi"`, `"finish_reason":"stop"`, `"prompt_tokens":15`, `"cached_tokens":5`, "data: [DONE]\n\n"} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	if s.Left() != 0 || len(s.Requests()) != 1 {
		t.Errorf("%d steps left, %d requests", s.Left(), len(s.Requests()))
	}
}
