package openai

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
)

// raw serves one reply as it stands.
func raw(t testing.TB, contentType, body string) *Model {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return New(Config{BaseURL: srv.URL, Model: "scripted", MaxRetries: -1})
}

// sse frames events; a line that is no JSON stands for itself.
func sse(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		if strings.HasPrefix(e, ":") {
			fmt.Fprintf(&b, "%s\n\n", e)
			continue
		}
		fmt.Fprintf(&b, "data: %s\n\n", e)
	}
	return b.String()
}

// delta is a chunk with one delta.
func delta(fields string) string {
	return `{"id":"c1","model":"scripted","choices":[{"index":0,"delta":{` + fields + `},"finish_reason":null}]}`
}

func finish(reason string) string {
	return `{"id":"c1","model":"scripted","choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}`
}

const done = "[DONE]"

func TestServersThatNumberCallsDifferently(t *testing.T) {
	a, b := `a {\"x\":1}`, `b {\"y\":[2]}`
	for _, tt := range []struct {
		name   string
		events []string
		want   []string // name and input
	}{
		{"by the book", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","type":"function","function":{"name":"a","arguments":""}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]`),
			delta(`"tool_calls":[{"index":1,"id":"call_bbbbbb","type":"function","function":{"name":"b","arguments":""}}]`),
			delta(`"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":[2]}"}}]`),
		}, []string{a, b}},
		{"whole calls in one chunk", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\":1}"}},{"index":1,"id":"call_bbbbbb","function":{"name":"b","arguments":"{\"y\":[2]}"}}]`),
		}, []string{a, b}},
		{"index 0 for all, with IDs", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\":1}"}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_bbbbbb","function":{"name":"b","arguments":"{\"y\":[2]}"}}]`),
		}, []string{a, b}},
		{"index 0 for all, no IDs, same tool", []string{
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"x\":1}"}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"x\":2}"}}]`),
		}, []string{a, `a {\"x\":2}`}},
		{"index 0 and one ID for all", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_0","function":{"name":"a","arguments":"{\"x\":1}"}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_0","function":{"name":"a","arguments":"{\"x\":2}"}}]`),
		}, []string{a, `a {\"x\":2}`}},
		{"index 0 for all, no inputs", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":""}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_bbbbbb","function":{"name":"a"}}]`),
		}, []string{`a {}`, `a {}`}},
		{"no index", []string{
			delta(`"tool_calls":[{"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\""}}]`),
			delta(`"tool_calls":[{"function":{"arguments":":1}"}}]`),
			delta(`"tool_calls":[{"id":"call_bbbbbb","function":{"name":"b","arguments":"{\"y\":[2]}"}}]`),
		}, []string{a, b}},
		{"no index, interleaved by ID", []string{
			delta(`"tool_calls":[{"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\""}},{"id":"call_bbbbbb","function":{"name":"b","arguments":"{"}}]`),
			delta(`"tool_calls":[{"id":"call_aaaaaa","function":{"arguments":":1}"}},{"id":"call_bbbbbb","function":{"arguments":"\"y\":[2]}"}}]`),
		}, []string{a, b}},
		{"name and ID with every piece", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":""}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\":"}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"n\":1}}"}}]`),
		}, []string{`a {\"x\":{\"n\":1}}`}},
		{"name with every piece, no ID", []string{
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":""}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"x\":"}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":"1}"}}]`),
		}, []string{a}},
		{"another ID with every piece", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\":"}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_cccccc","function":{"arguments":"1}"}}]`),
		}, []string{a}},
		{"name after the first input", []string{
			delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"arguments":"{\"x\""}}]`),
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":":1}"}}]`),
		}, []string{a}},
		{"input as an object", []string{
			delta(`"tool_calls":[{"index":0,"id":null,"function":{"name":"a","arguments":{"x":1}}}]`),
		}, []string{a}},
		{"input null", []string{
			delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":null}}]`),
		}, []string{`a {}`}},
		{"indices in reverse", []string{
			delta(`"tool_calls":[{"index":1,"id":"call_aaaaaa","function":{"name":"a","arguments":"{"}}]`),
			delta(`"tool_calls":[{"index":0,"id":"call_bbbbbb","function":{"name":"b","arguments":"{\"y\":[2]}"}}]`),
			delta(`"tool_calls":[{"index":1,"function":{"arguments":"\"x\":1}"}}]`),
		}, []string{a, b}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, reason := range []string{"tool_calls", "stop", "function_call"} {
				m := raw(t, "text/event-stream", sse(append(append([]string{": PROCESSING"}, tt.events...), finish(reason), done)...))
				h, err := listen(t, m, hello)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				ids := map[string]bool{}
				for _, c := range h.Calls {
					got = append(got, c.Name+" "+strings.ReplaceAll(string(c.Input), `"`, `\"`))
					ids[c.ID] = true
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if len(ids) != len(h.Calls) || ids[""] || ids["call_0"] {
					t.Errorf("IDs %v of %d calls", ids, len(h.Calls))
				}
				if h.Stop != llm.ToolUse {
					t.Errorf("stop %q", h.Stop)
				}
			}
		})
	}
}

func TestServersThatReplyDifferently(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want heard
	}{
		{"no end mark", sse(delta(`"content":"Hi"`), finish("stop")), heard{Text: "Hi", Stop: llm.EndTurn}},
		{"line ends of Windows", strings.ReplaceAll(sse(delta(`"content":"Hi"`), finish("stop"), done), "\n", "\r\n"), heard{Text: "Hi", Stop: llm.EndTurn}},
		{"content in parts", sse(delta(`"content":[{"type":"text","text":"H"},{"type":"text","text":"i"}]`), finish("stop"), done), heard{Text: "Hi", Stop: llm.EndTurn}},
		{"null everywhere", sse(`{"id":null,"model":null,"error":null,"usage":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi","tool_calls":null,"refusal":null},"finish_reason":null}]}`, finish("stop"), done), heard{Text: "Hi", Stop: llm.EndTurn}},
		{"other choices", sse(`{"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"length"}]}`, delta(`"content":"Hi"`), finish("stop"), done), heard{Text: "Hi", Stop: llm.EndTurn}},
		{
			"usage with every chunk", sse(
				`{"model":"scripted","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`,
				`{"model":"scripted","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, done),
			heard{Text: "Hi", Stop: llm.EndTurn, Usage: []llm.Usage{{Input: 9, Output: 1}, {Input: 9, Output: 2}}},
		},
		{"usage of nothing", sse(delta(`"content":"Hi"`), finish("stop"), `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, done), heard{Text: "Hi", Stop: llm.EndTurn}},
		{
			"cache as DeepSeek counts", sse(finish("stop"), `{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}}`, done),
			heard{Stop: llm.EndTurn, Usage: []llm.Usage{{Input: 36, CacheRead: 64, Output: 5}}},
		},
		{
			"reasoning beside the completion", sse(finish("stop"), `{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":5,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":30}}}`, done),
			heard{Stop: llm.EndTurn, Usage: []llm.Usage{{Input: 100, Output: 35}}},
		},
		{
			"reasoning within the completion", sse(finish("stop"), `{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":35,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":30}}}`, done),
			heard{Stop: llm.EndTurn, Usage: []llm.Usage{{Input: 100, Output: 35}}},
		},
		{
			"impossible usage", sse(finish("stop"), `{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":-5,"prompt_tokens_details":{"cached_tokens":50,"cache_write_tokens":50}}}`, done),
			heard{Stop: llm.EndTurn, Usage: []llm.Usage{{CacheRead: 10}}},
		},
		{
			"filtered", sse(delta(`"content":"He"`), delta(`"tool_calls":[{"index":0,"function":{"name":"a","arguments":"{\"x"}}]`), finish("content_filter"), done),
			heard{Text: "He", Begun: []string{"a"}, Inputs: map[string]string{"a": `{"x`}, Stop: llm.Refusal},
		},
		{"claims calls", sse(delta(`"content":"Hi"`), finish("tool_calls"), done), heard{Text: "Hi", Stop: llm.EndTurn}},
		{"reasoning in two fields", sse(delta(`"reasoning":"Hm","reasoning_content":"Hm"`), delta(`"content":"Hi"`), finish("stop"), done), heard{Reasoning: "Hm", Text: "Hi", Stop: llm.EndTurn}},
		{
			"reasoning, as OpenRouter has it", sse(
				delta(`"reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]`),
				delta(`"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{}"}}]`), finish("tool_calls"), done),
			heard{
				Reasoning: "Hm", Begun: []string{"a"}, Inputs: map[string]string{"a": "{}"}, Calls: []llm.ToolCall{{ID: "call_aaaaaa", Name: "a", Input: llm.RawInput("{}")}}, Stop: llm.ToolUse,
				Thinking: []llm.Thinking{{Model: "scripted", Signature: "reasoning_details", Redacted: `[{"type":"reasoning.text","text":"Hm"},{"type":"reasoning.encrypted","data":"x"}]`}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := listen(t, raw(t, "text/event-stream; charset=utf-8", tt.body), hello)
			if err != nil {
				t.Fatal(err)
			}
			h.Answer = llm.Answer{}
			if tt.want.Inputs == nil {
				tt.want.Inputs = map[string]string{}
			}
			if diff := cmp.Diff(tt.want, h); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServerThatDoesNotStream(t *testing.T) {
	m := raw(t, "application/json", `{"id":"c1","object":"chat.completion","model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"Hi",
		"tool_calls":[{"id":"call_aaaaaa","type":"function","function":{"name":"a","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}`)
	h, err := listen(t, m, hello)
	if err != nil || h.Text != "Hi" || len(h.Calls) != 1 || h.Stop != llm.ToolUse || len(h.Usage) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestRepliesThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		name, kind, body string
		want             llm.ErrorKind
		begun            bool
		says             string
	}{
		{"end mark without an end", "text/event-stream", sse(delta(`"content":"Hi"`), done), llm.Broken, true, "broke off in the middle"},
		{"no end", "text/event-stream", sse(delta(`"content":"Hi"`)), llm.Broken, true, "broke off in the middle"},
		{"half an event", "text/event-stream", sse(delta(`"content":"Hi"`)) + `data: {"choices":[{"ind`, llm.Broken, true, "broke off in the middle"},
		{"nothing", "text/event-stream", "", llm.Broken, false, "makes no sense"},
		{"no JSON", "text/event-stream", sse("hello"), llm.Broken, false, "makes no sense"},
		{"a web page", "text/html; charset=utf-8", "<html>", llm.Broken, false, "makes no sense"},
		{"a call without a name", "text/event-stream", sse(delta(`"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]`), finish("tool_calls"), done), llm.Broken, true, "broke off"},
		{"an error at once", "text/event-stream", sse(`{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"x"}}}`), llm.Overloaded, false, "overloaded"},
		{"an error of a few words", "text/event-stream", sse(delta(`"content":"Hi"`), `{"error":"llama runner terminated"}`), llm.Broken, true, "broke off"},
		{"an error as its end", "text/event-stream", sse(delta(`"content":"Hi"`), finish("error"), done), llm.Broken, true, "broke off"},
		{"too often, within", "text/event-stream", sse(`{"error":{"message":"slow down","code":429}}`), llm.RateLimited, false, "no more requests"},
		{"a whole answer that is an error", "application/json", `{"error":{"message":"no","code":402}}`, llm.NoMoney, false, "no credit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := listen(t, raw(t, tt.kind, tt.body), hello)
			e, ok := llm.AsError(err)
			if !ok || e.Kind != tt.want || e.Begun != tt.begun || !strings.Contains(fault.Text(err), tt.says) {
				t.Errorf("%v (begun %v), want %s and %q", err, ok && e.Begun, tt.want, tt.says)
			}
			if len(h.Calls) > 0 {
				t.Errorf("calls %v", h.Calls)
			}
		})
	}
}

func TestErrorBodies(t *testing.T) {
	for _, tt := range []struct {
		body string
		want problem
	}{
		{`{"error":{"message":"m","type":"t","code":"c","param":"p"}}`, problem{"m", "t", "c", "p"}},
		{`{"error":{"message":"m","code":null}}`, problem{Message: "m"}},
		{`{"error":{"message":"m","code":429,"metadata":{"raw":"why"}}}`, problem{Message: `m {"raw":"why"}`, Code: "429"}},
		{`{"error":"model not found"}`, problem{Message: "model not found"}},
		{`{"object":"error","message":"m","type":"BadRequestError","code":400}`, problem{"m", "BadRequestError", "400", ""}},
		{`{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`, problem{Message: `[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]`}},
		{`[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]`, problem{Message: "m", Code: "400"}},
		{"404 page not found", problem{Message: "404 page not found"}},
		{"\xff", problem{}},
		{"", problem{}},
		{"null", problem{}},
		{"[]", problem{Message: "[]"}},
	} {
		if diff := cmp.Diff(tt.want, readProblem([]byte(tt.body))); diff != "" {
			t.Errorf("%s: %s", tt.body, diff)
		}
	}
}

// FuzzReplies feeds both readers with anything. Whatever comes, the promises of llm.Model hold, and a call that is
// complete has the input that its deltas brought.
func FuzzReplies(f *testing.F) {
	f.Add(delta(`"content":"Hi"`)+"\n"+delta(`"tool_calls":[{"index":0,"id":"call_aaaaaa","function":{"name":"a","arguments":"{\"x\":1}"}}]`)+"\n"+finish("tool_calls"), false)
	f.Add(delta(`"tool_calls":[{"id":"1","function":{"arguments":{"x":1}}},{"id":"1","function":{"name":"b"}}]`)+"\n"+finish("length"), false)
	f.Add(`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"call_aaaaaa","name":"a","arguments":""}}
{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","arguments":"{}"}}
{"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}`, true)
	f.Fuzz(func(t *testing.T, events string, newer bool) {
		inputs := map[string]string{}
		var stop llm.StopReason
		out := &output{model: "m", emit: func(e llm.Event) error {
			switch {
			case stop != "":
				t.Fatal("an event after Stop")
			case e.Begun != nil:
				if _, ok := inputs[e.Begun.ID]; ok || e.Begun.Name == "" {
					t.Fatalf("begun %+v", e.Begun)
				}
				inputs[e.Begun.ID] = ""
			case e.Input != nil:
				if _, ok := inputs[e.Input.CallID]; !ok {
					t.Fatal("input of a call that did not begin")
				}
				inputs[e.Input.CallID] += e.Input.JSON
			case e.Call != nil:
				want := strings.TrimSpace(inputs[e.Call.ID])
				if want == "" {
					want = "{}"
				}
				if got := strings.TrimSpace(string(e.Call.Input)); got != want {
					t.Fatalf("call %q, deltas %q", got, want)
				}
			case e.Usage != nil:
				if u := e.Usage; u.Input < 0 || u.Output < 0 || u.CacheRead < 0 || u.CacheWrite < 0 {
					t.Fatalf("usage %+v", u)
				}
			}
			stop = e.Stop
			return nil
		}}
		var rep reply = &chatReply{out: out}
		if newer {
			rep = &responsesReply{out: out}
		}
		for line := range strings.Lines(events) {
			if rep.event([]byte(strings.TrimSpace(line))) != nil {
				return
			}
		}
		if err := rep.end(true); (err == nil) != (stop != "") {
			t.Fatalf("end %v, stop %q", err, stop)
		}
	})
}

func FuzzErrorBodies(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"m","type":"t","code":"c","param":"p"}}`), 400)
	f.Add([]byte(`[{"error":"x"}]`), 429)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		p := readProblem(body)
		if k := p.kind(status); k == "" {
			t.Error("no kind")
		}
		if _, err := json.Marshal(cleanText(p.Message, "key", 300)); err != nil {
			t.Error(err)
		}
	})
}
