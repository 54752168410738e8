package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

// words is a text of about so many tokens.
func words(tokens int, about string) string {
	text := strings.Repeat(about+" is fine. ", tokens/2)
	return text[:min(len(text), tokens*7/2)]
}

// marks names the marked blocks of a request: "system.0", "messages.2.1", with the time to live if it is not the usual.
func marks(b body) []string {
	list := []string{}
	note := func(block map[string]any, name string) {
		if mark, ok := block["cache_control"].(map[string]any); ok {
			if ttl, ok := mark["ttl"]; ok {
				name += fmt.Sprint(" ", ttl)
			}
			list = append(list, name)
		}
	}
	for i, block := range b.Tools {
		note(block, fmt.Sprint("tools.", i))
	}
	for i, block := range b.System {
		note(block, fmt.Sprint("system.", i))
	}
	for i, m := range b.Messages {
		for j, block := range m.Content {
			note(block, fmt.Sprintf("messages.%d.%d", i, j))
		}
	}
	return list
}

func TestMarks(t *testing.T) {
	tool := llm.Tool{Name: "os-view", Description: words(1500, "a tool"), Schema: json.RawMessage(`{"type":"object"}`)}
	conversation := []llm.Message{
		{Role: llm.User, Text: "First"},
		{Role: llm.Assistant, Text: "Yes"},
		{Role: llm.User, Text: "Second"},
		{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "a", Name: "os-view"}, {ID: "b", Name: "os-view"}}},
		{Role: llm.User, Results: []llm.ToolResult{{CallID: "a", Text: "x"}, {CallID: "b", Text: "y"}}},
		{Role: llm.User, Text: "Third"},
	}
	tests := []struct {
		name string
		req  llm.Request
		hour bool
		want []string
	}{
		{"all four", llm.Request{System: []string{words(2000, "a rule"), words(300, "a note"), words(2000, "a file")}, Tools: []llm.Tool{tool}, Messages: conversation}, false, []string{"system.0", "system.2", "messages.2.0", "messages.4.2"}},
		{"what is stable stays for an hour", llm.Request{System: []string{words(2000, "a rule"), words(2000, "a file")}, Messages: conversation}, true, []string{"system.0 1h", "system.1 1h", "messages.2.0", "messages.4.2"}},
		{"a short last part gets none", llm.Request{System: []string{words(2000, "a rule"), words(300, "a note")}, Messages: conversation}, false, []string{"system.0", "messages.2.0", "messages.4.2"}},
		{"tools make up for a short first part", llm.Request{System: []string{words(300, "a rule")}, Tools: []llm.Tool{tool}, Messages: conversation}, false, []string{"system.0", "messages.2.0", "messages.4.2"}},
		{"tools alone", llm.Request{Tools: []llm.Tool{tool}, Messages: conversation[:1]}, false, []string{"tools.0", "messages.0.0"}},
		{"a prompt that is too short has none", llm.Request{System: []string{"Be brief."}, Messages: conversation}, false, []string{}},
		{"a long message", llm.Request{System: []string{"Be brief."}, Messages: append(conversation[:2:2], llm.Message{Role: llm.User, Text: words(1500, "a log")})}, false, []string{"messages.2.0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, b := sent(t, test.req, func(c *Config) { c.CacheHour = test.hour })
			if diff := cmp.Diff(test.want, marks(b)); diff != "" {
				t.Errorf("marks differ (-want +got):\n%s", diff)
			}
		})
	}
}

// prefixCache does what the provider documents of its cache: it keeps the prompt up to each mark, and reads the longest
// part that it kept and that ends at a mark or within the 20 blocks before it.
type prefixCache map[string]bool

// read returns how many bytes of the prompt came out of the cache, and how many it has.
func (c prefixCache) read(t *testing.T, raw []byte) (cached, all int) {
	t.Helper()
	b := read(t, raw)
	var blocks []map[string]any
	blocks = append(append(blocks, b.Tools...), b.System...)
	for _, m := range b.Messages {
		for _, block := range m.Content {
			block["role"] = m.Role
			blocks = append(blocks, block)
		}
	}
	var prefix strings.Builder
	var prefixes []string
	var marked []int
	for i, block := range blocks {
		if block["cache_control"] != nil {
			marked = append(marked, i)
			delete(block, "cache_control")
		}
		text, err := json.Marshal(block)
		if err != nil {
			t.Fatal(err)
		}
		prefix.Write(text)
		prefixes = append(prefixes, prefix.String())
	}
	for _, at := range marked {
		for i := at; i >= max(0, at-20); i-- {
			if c[prefixes[i]] {
				cached = max(cached, len(prefixes[i]))
				break
			}
		}
	}
	for _, at := range marked {
		c[prefixes[at]] = true
	}
	return cached, prefix.Len()
}

// TestCachedShare plays the requests of a turn of the agent, whose replies make one call or many, against a cache that
// works as the provider's does.
func TestCachedShare(t *testing.T) {
	for _, test := range []struct {
		name  string
		calls int // of a reply
		want  float64
	}{{"one call a reply", 1, 0.80}, {"25 calls a reply", 25, 0.80}} {
		t.Run(test.name, func(t *testing.T) {
			const turns = 12
			var steps []modelscript.Step
			for i := range turns {
				var calls []modelscript.Call
				for j := range test.calls {
					calls = append(calls, modelscript.Call{Name: "os-view", Input: map[string]any{"path": fmt.Sprintf("src/%d/%d.tsx", i, j)}})
				}
				steps = append(steps, modelscript.Step{Text: "I look.", Reasoning: "I need to see it.", Calls: calls})
			}
			srv := modelscript.Anthropic(t, steps...)
			m := newModel(t, srv.URL)
			req := llm.Request{
				System:   []string{words(3000, "a rule"), words(2000, "a file of the app")},
				Tools:    []llm.Tool{{Name: "os-view", Description: words(2000, "a tool"), Schema: json.RawMessage(`{"type":"object"}`)}},
				Messages: []llm.Message{{Role: llm.User, Text: "Build me a shop, please."}},
			}
			for range turns {
				h := ask(t, m, req)
				results := make([]llm.ToolResult, len(h.Calls))
				for i, c := range h.Calls {
					results[i] = llm.ToolResult{CallID: c.ID, Text: words(500/test.calls+1, "a line of "+string(c.Input))}
				}
				req.Messages = append(
					req.Messages,
					llm.Message{Role: llm.Assistant, Text: h.Text, Calls: h.Calls, Thinking: h.Thinking},
					llm.Message{Role: llm.User, Results: results},
				)
			}
			cache := prefixCache{}
			cached, all := 0, 0
			for i, r := range srv.Requests() {
				c, n := cache.read(t, r.Body)
				if i > 0 && c == 0 {
					t.Errorf("request %d read nothing from the cache", i+1)
				}
				cached, all = cached+c, all+n
			}
			share := float64(cached) / float64(all)
			t.Logf("%.1f%% of %d bytes came out of the cache", 100*share, all)
			if share < test.want {
				t.Errorf("%.1f%% came out of the cache, want %.0f%%", 100*share, 100*test.want)
			}
		})
	}
}
