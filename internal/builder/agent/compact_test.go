package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
)

// small is what a local server offers: 16k tokens for everything.
var small = llm.Limits{Context: 16_384, MaxOutput: 16_384}

// busy is a turn of n replies that read and write files.
func busy(n int) []step {
	var steps []step
	for i := range n {
		p := fmt.Sprintf("src/f%d.ts", i)
		steps = append(steps, step{text: fmt.Sprintf("Step %d.", i), think: strings.Repeat("thought ", 50), calls: []llm.ToolCall{
			write(p, long(60)), call("os-view", in{"path": p}), call("os-search-files", in{"pattern": fmt.Sprintf("value%d", i)}),
		}})
	}
	return append(steps, step{text: "Done."})
}

// TestCompaction runs long turns in small windows. Every request fits, what is new stays whole, and the journal keeps
// it all.
func TestCompaction(t *testing.T) {
	t.Run("tiny", func(t *testing.T) { testCompaction(t, small, keptSqueezed) })
	t.Run("small", func(t *testing.T) { testCompaction(t, llm.Limits{Context: 32_768, MaxOutput: 8_192}, keptMessages) })
}

func testCompaction(t *testing.T, limits llm.Limits, kept int) {
	w := newWorld(t, busy(25)...)
	w.model.limits = limits
	w.input.Request = "A todo app, please."
	w.tells(llm.Message{Role: llm.User, Text: w.input.Request}, llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{goodPlan()}},
		llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: "id-os-plan", Text: planAccepted}}})
	w.build()
	room := limits.Context - int64(w.model.requests[0].MaxTokens)
	most := 0
	for i, req := range w.model.requests {
		if n := llm.Estimate(req); n > room {
			t.Errorf("request %d has %d tokens, %d fit", i, n, room)
		}
		if req.MaxTokens > 8192 {
			t.Errorf("request %d wants %d tokens", i, req.MaxTokens)
		}
		if req.Messages[0].Text != w.input.Request || string(req.Messages[1].Calls[0].Input) != asWire(t, goodPlan()) || req.Messages[2].Results[0].Text != planAccepted {
			t.Errorf("request %d lost the request or the plan: %+v", i, req.Messages[:3])
		}
		n := 0 // messages with stubs
		for j, m := range req.Messages {
			if strings.Contains(plainText(m), leftOut) {
				n++
				if j >= len(req.Messages)-kept {
					t.Errorf("request %d left out a part of message %d of %d", i, j, len(req.Messages))
				}
			}
			for _, c := range m.Calls {
				if !c.Input.Object() {
					t.Errorf("request %d: the input of a call is no object any more: %s", i, c.Input)
				}
			}
			if len(m.Results) > 0 && len(m.Results) != len(req.Messages[j-1].Calls) {
				t.Errorf("request %d: message %d answers other calls than were made", i, j)
			}
		}
		most = max(most, n)
	}
	if most < 4 {
		t.Errorf("at most %d messages were cut short", most)
	}
	sent := func(i int) string {
		var all strings.Builder
		for _, m := range w.model.requests[i].Messages {
			all.WriteString(plainText(m) + "\n")
		}
		return all.String()
	}
	if text := sent(15); !strings.Contains(text, ".ts was shown, 60 lines; view it again if you need it") {
		t.Error(text)
	}
	if text := sent(25); kept == keptSqueezed && !strings.Contains(text, "the first replies of this turn)\nThey changed src/f0.ts, src/f1.ts") {
		t.Error(text)
	}
	for i, m := range w.said() {
		if strings.Contains(plainText(m), leftOut) {
			t.Errorf("message %d of the journal is not whole", i)
		}
	}
}

func asWire(t *testing.T, c llm.ToolCall) string {
	t.Helper()
	b, err := c.Input.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func plainText(m llm.Message) string {
	text := m.Text
	for _, c := range m.Calls {
		text += "\n" + string(c.Input)
	}
	for _, r := range m.Results {
		text += "\n" + r.Text
	}
	return text
}

// A stub that the model copies is no file.
func TestStubsAreNotWritten(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{
		write("src/a.ts", "// "+leftOut+": 60 lines; view the file if you need them)\n"),
		replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, leftOut+": 1 lines)"),
		call("os-migrate", in{"name": "x", "sql": leftOut + ": 3 lines)"}),
	}}, step{text: "Done."})
	w.build()
	for i, r := range w.results(1) {
		if !r.Failed || r.Text != stubText {
			t.Errorf("call %d: %+v", i, r)
		}
	}
}

// A provider that says that a request is too long gets a shorter one, once.
func TestTooLong(t *testing.T) {
	tooLong := step{err: llm.NewError(llm.TooLong, nil, "The conversation is too long for this model.")}
	steps := busy(5)
	w := newWorld(t, append(steps[:5:5], tooLong, step{text: "Done."})...)
	w.input.Attach = strings.Repeat("12| a line of a file\n", 500)
	w.tells()
	w.model.steps = append([]step{{calls: []llm.ToolCall{goodPlan()}}}, w.model.steps...)
	plan, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	res, err := Build(context.Background(), w.input, plan)
	if err != nil || !strings.HasSuffix(res.Text, "Done.") {
		t.Fatalf("%v: %q", err, res.Text)
	}
	before, after := w.model.requests[6], w.model.requests[7]
	if a, b := llm.Estimate(before), llm.Estimate(after); b > a*2/3 {
		t.Errorf("%d tokens became %d", a, b)
	}
	if first := after.Messages[0].Text; !strings.HasPrefix(first, "A todo app.\n\n"+leftOut) {
		t.Errorf("%.200s", first)
	}
	if len(w.slept) > 0 {
		t.Errorf("waited %v for nothing", w.slept)
	}

	w = newWorld(t, tooLong, tooLong)
	if _, err := Build(context.Background(), w.input, Plan{}); fault.Text(err) != "The conversation is too long for this model." || len(w.model.requests) != 2 {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
}

// The provider is asked to count when it gets tight, and only then, and only if it never told.
func TestCounting(t *testing.T) {
	w := newWorld(t, busy(6)...)
	w.build()
	if w.model.counts != 0 {
		t.Errorf("counted %d times in a large window", w.model.counts)
	}
	w = newWorld(t, busy(8)...)
	w.model.limits = small
	w.build()
	if w.model.counts != 1 {
		t.Errorf("counted %d times", w.model.counts)
	}
	steps := busy(8)
	for i := range steps {
		steps[i].usage = &llm.Usage{Input: 500, CacheRead: 1500}
	}
	w = newWorld(t, steps...)
	w.model.limits = small
	w.build()
	if w.model.counts != 0 {
		t.Errorf("counted %d times although each reply told", w.model.counts)
	}
	if slices.ContainsFunc(w.model.requests, func(r llm.Request) bool {
		return slices.ContainsFunc(r.Messages, func(m llm.Message) bool { return strings.Contains(plainText(m), leftOut) })
	}) {
		t.Error("something was left out although the provider counts far less")
	}
}

// Earlier turns fit in a part of the window, the newest first, and begin with the person.
func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t, step{text: "Done."})
	w.model.limits = small
	for i := range 40 {
		w.input.History = append(w.input.History, llm.Message{Role: llm.User, Text: fmt.Sprintf("Wish %d: %s", i, strings.Repeat("x", 300))},
			llm.Message{Role: llm.Assistant, Text: strings.Repeat("y", 300)})
	}
	w.build()
	messages := w.model.requests[0].Messages
	n := len(messages) - 3 // the turn itself
	if n < 6 || n > 30 || messages[0].Role != llm.User || !strings.HasPrefix(messages[n-2].Text, "Wish 39") {
		t.Errorf("%d messages, from %.20q to %.20q", n, messages[0].Text, messages[n-2].Text)
	}
	w.input.History = []llm.Message{{Role: llm.User, Text: "Short."}, {Role: llm.Assistant, Text: "Yes."}}
	s, err := newSession(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.input.History, s.history); diff != "" {
		t.Error(diff)
	}
}

// What a tool shows is bounded by the window, and says how to see the rest.
func TestResultsAreBounded(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", long(2000)), call("os-view", in{"path": "src/a.ts"}), call("os-search-files", in{"pattern": "value"})}}, step{text: "Done."})
	w.model.limits = small
	w.build()
	for i, r := range w.results(1) {
		if len(r.Text) > 8000 {
			t.Errorf("result %d has %d bytes", i, len(r.Text))
		}
	}
	if text := w.results(1)[1].Text; !strings.Contains(text, "(the file has 2000 lines; ask for more with first_line ") {
		t.Errorf("%q", text[len(text)-100:])
	}
}

// Every kind of long text has a line that stands for it.
func TestStubs(t *testing.T) {
	much := strings.Repeat("a line of it\n", 100)
	for _, test := range []struct {
		call   llm.ToolCall
		result llm.ToolResult
		input  string // what is left of the input
		text   string // and of the result
	}{
		{call("os-view", in{"path": "src/a.ts"}), llm.ToolResult{Text: much}, `{"path":"src/a.ts"}`, "(left out here: src/a.ts was shown, 101 lines; view it again if you need it)"},
		{call("os-search-files", in{"pattern": "a.*b"}), llm.ToolResult{Text: much}, `{"pattern":"a.*b"}`, `(left out here: the matches of "a.*b", 101 lines; search again if you need them)`},
		{call("os-read-logs", in{"source": "build"}), llm.ToolResult{Text: much}, `{"source":"build"}`, "(left out here: 101 lines of the build log; read it again if you need it)"},
		{
			replaceLines("a.ts", much, 1, 100, "b"),
			llm.ToolResult{Text: "It is not there.\n" + much, Failed: true},
			`{"edits":[{"first_line":1,"last_line":100,"replace":"b","search":"(left out here: 101 lines; view the file if you need them)"}],"path":"a.ts"}`, "It is not there.\n(left out here: the rest)",
		},
		{call("os-migrate", in{"name": "x", "sql": much}), llm.ToolResult{Text: "Wrote it."}, `{"name":"x","sql":"(left out here: 101 lines; view the file if you need them)"}`, "Wrote it."},
		{call("os-write", `{"path": "`+much), llm.ToolResult{Text: "No JSON.", Failed: true}, `{}`, "No JSON."},
		{goodPlan(), llm.ToolResult{Text: planAccepted}, string(goodPlan().Input), planAccepted},
	} {
		s := &session{said: []llm.Message{{Role: llm.User}, {Role: llm.Assistant, Calls: []llm.ToolCall{test.call}}, {Role: llm.User, Results: []llm.ToolResult{test.result}}}}
		if diff := cmp.Diff(test.input, string(s.stub(1).Calls[0].Input)); diff != "" {
			t.Errorf("%s: %s", test.call.Name, diff)
		}
		if diff := cmp.Diff(test.text, s.stub(2).Results[0].Text); diff != "" {
			t.Errorf("%s: %s", test.call.Name, diff)
		}
		if got := s.said[2].Results[0].Text; got != test.result.Text {
			t.Errorf("%s: the conversation itself was changed: %q", test.call.Name, got)
		}
	}
}
