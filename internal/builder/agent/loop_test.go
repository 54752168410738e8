package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

func goodPlan() llm.ToolCall {
	return call("os-plan", in{
		"app_name": "Todo  List", "version_name": "First version", "understood": []string{"You want todos.", " "},
		"assumed": []string{}, "cannot": []string{}, "changes": []string{"A list of todos"},
	})
}

func TestMakePlan(t *testing.T) {
	w := newWorld(t,
		step{text: "I look first.", calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"})}},
		step{text: "Here is the plan.", calls: []llm.ToolCall{write("src/early.ts", "export {};\n"), goodPlan(), write("src/a.ts", "export {};\n")}})
	w.tells()
	w.input.History = []llm.Message{{Role: llm.User, Text: "Hello."}, {Role: llm.Assistant, Text: "Good day."}}
	plan, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{AppName: "Todo List", VersionName: "First version", Understood: []string{"You want todos."}, Assumed: []string{}, Cannot: []string{}, Changes: []string{"A list of todos"}}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c := w.journal.calls[1]; c.OK || !strings.Contains(c.Result, "call os-plan first") || len(w.journal.changes[1]) > 0 {
		t.Errorf("something was changed before the plan: %+v", c)
	}
	if got := w.journal.texts[len(w.journal.texts)-1]; got != "I look first.\n\nHere is the plan." {
		t.Errorf("text %q", got)
	}

	// Building goes on with the same conversation and the same tools. What stood behind the plan is run now.
	w.model.steps = append(w.model.steps, step{text: "All done."})
	res, err := Build(context.Background(), w.input, plan)
	if err != nil {
		t.Fatal(err)
	}
	if res.Text != "I look first.\n\nHere is the plan.\n\nAll done." || res.Steps != 3 || res.Requests != 1 || res.Stopped != "" || !res.Tree.Has("src/a.ts") {
		t.Errorf("%+v", res)
	}
	if got := w.journal.calls[3]; got.Seq != 4 || got.Name != "os-write" {
		t.Errorf("recorded as %+v", got)
	}
	first, last := w.model.requests[0], w.model.requests[2]
	if diff := cmp.Diff(first.Tools, last.Tools); diff != "" {
		t.Errorf("the tools changed, and with them all that a provider had cached:\n%s", diff)
	}
	if diff := cmp.Diff(first.System, last.System); diff != "" {
		t.Errorf("the system prompt changed:\n%s", diff)
	}
	if diff := cmp.Diff(w.model.requests[1].Messages, last.Messages[:len(w.model.requests[1].Messages)]); diff != "" {
		t.Errorf("the conversation was rewritten:\n%s", diff)
	}
	// Asked again, the plan costs nothing.
	if again, err := MakePlan(context.Background(), w.input); err != nil || cmp.Diff(plan, again) != "" || len(w.model.requests) != 3 {
		t.Errorf("%v after %d requests: %+v", err, len(w.model.requests), again)
	}
}

// A first version can be planned with a look at the foundation, which gets the app's name afterwards.
func TestFoundationIsSeenBeforeThePlan(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"}), call("os-search-files", in{"pattern": "Hello"})}},
		step{calls: []llm.ToolCall{goodPlan(), replaceLines("src/App.tsx", "export function App() {", 3, 3, "export function App(): null {")}},
		step{text: "Done."})
	w.tells()
	foundation := w.input.Base
	w.input.Foundation, w.input.Base, w.input.Tree = foundation, filetree.Tree{}, filetree.Tree{}
	plan, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.results(1); got[0].Failed || !strings.Contains(got[1].Text, "src/App.tsx") {
		t.Errorf("%+v", got)
	}
	w.input.Tree = foundation
	w.change("src/App.tsx", "Hello", "Todo List")
	if _, err := Build(context.Background(), w.input, plan); err != nil {
		t.Fatal(err)
	}
	if got := w.results(2)[1]; got.Failed {
		t.Errorf("%+v", got)
	}
}

func TestMakePlanInsists(t *testing.T) {
	bad := call("os-plan", in{"app_name": "", "version_name": "x"})
	w := newWorld(t, step{text: "Certainly."}, step{calls: []llm.ToolCall{bad}}, step{calls: []llm.ToolCall{goodPlan()}})
	w.tells()
	if _, err := MakePlan(context.Background(), w.input); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.results(2)[0].Text, "app_name is missing") {
		t.Errorf("%+v", w.results(2))
	}
	w = newWorld(t, step{text: "a"}, step{text: "b"}, step{text: "c"})
	w.tells()
	if _, err := MakePlan(context.Background(), w.input); !fault.Is(err, fault.Unavailable) || len(w.model.requests) != 3 {
		t.Errorf("a model that never plans: %v", err)
	}
}

func TestAsk(t *testing.T) {
	ask := call("os-ask", in{"question": "Who may see the entries?", "choices": []string{"Only me", " Only me ", "Everybody in the team"}})
	w := newWorld(t,
		step{calls: []llm.ToolCall{call("os-ask", in{"question": "Which?", "choices": []string{"one"}})}},
		step{text: "One question first.", calls: []llm.ToolCall{ask, goodPlan()}})
	w.tells()
	plan, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{Question: &model.Question{Type: model.AskedQuestion, Text: "Who may see the entries?", Choices: []string{"Only me", "Everybody in the team"}}}
	if diff := cmp.Diff(want, plan); diff != "" || len(w.journal.calls) != 2 {
		t.Errorf("%d calls, %s", len(w.journal.calls), diff)
	}
	if text := w.results(1)[0].Text; !strings.Contains(text, "2 to 6 are allowed") {
		t.Error(text)
	}
	w = newWorld(t, step{calls: []llm.ToolCall{ask}}, step{text: "Done."})
	w.build()
	if got := w.results(1)[0]; !got.Failed || !strings.Contains(got.Text, "before the plan") {
		t.Errorf("%+v", got)
	}
}

func TestCutReply(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n")}, stop: llm.MaxTokens},
		step{text: "Done."})
	w.build()
	messages := w.model.requests[1].Messages
	last := messages[len(messages)-1]
	if len(last.Results) != 1 || last.Results[0].Failed || !strings.Contains(last.Text, "length limit") {
		t.Errorf("%+v", last)
	}
	cut := step{text: "And so on.", stop: llm.MaxTokens}
	w = newWorld(t, cut, step{stop: llm.MaxTokens}, cut, cut)
	_, err := Build(context.Background(), w.input, Plan{})
	if !fault.Is(err, fault.Unavailable) || len(w.model.requests) != maxCutReplies {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
	if got := w.journal.texts[len(w.journal.texts)-1]; got != "And so on.\n\nAnd so on." {
		t.Errorf("people read %q", got)
	}
}

func TestLoopStops(t *testing.T) {
	same := call("os-view", in{"path": "index.html"})
	sameAgain := call("os-view", `{ "path" : "index.html" }`)
	w := newWorld(t, step{calls: []llm.ToolCall{same}}, step{calls: []llm.ToolCall{sameAgain}},
		step{calls: []llm.ToolCall{same, write("src/a.ts", "export {};\n")}})
	res := w.build()
	if res.Stopped != StoppedLoop || res.Steps != 4 || len(w.journal.calls) != 2 || res.Tree.Has("src/a.ts") {
		t.Errorf("stopped %q after %d steps and %d calls", res.Stopped, res.Steps, len(w.journal.calls))
	}
	last := w.said()[len(w.said())-1]
	if len(last.Results) != 2 || !last.Results[0].Failed || !last.Results[1].Failed {
		t.Errorf("every call must have a result: %+v", last)
	}

	// The same look at files that changed in between is no loop.
	var steps []step
	for i := range 5 {
		steps = append(steps, step{calls: []llm.ToolCall{same, write("src/a.ts", strings.Repeat("export {};\n", i+1))}})
	}
	w = newWorld(t, append(steps, step{text: "Done."})...)
	if res := w.build(); res.Stopped != "" {
		t.Errorf("stopped %q", res.Stopped)
	}
}

func TestMaxSteps(t *testing.T) {
	var steps []step
	for i := range 10 {
		steps = append(steps, step{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx", "first_line": i + 1})}})
	}
	w := newWorld(t, steps...)
	w.input.MaxSteps = 4 // the plan was one
	for range 2 {
		if res := w.build(); res.Stopped != StoppedMaxSteps || res.Steps != 4 || len(w.model.requests) != 3 {
			t.Errorf("stopped %q after %d steps", res.Stopped, res.Steps)
		}
	}
}

func TestCancelBetweenCalls(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, step{text: "Now.", calls: []llm.ToolCall{
		write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n"), write("src/c.ts", "export {};\n"),
	}})
	w.journal.cancelAt, w.journal.cancel = 3, cancel // the reply, and two calls
	res, err := Build(ctx, w.input, Plan{})
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Canceled {
		t.Errorf("error %v", err)
	}
	if len(w.journal.calls) != 2 || !res.Tree.Has("src/b.ts") || res.Tree.Has("src/c.ts") {
		t.Errorf("%d calls ran", len(w.journal.calls))
	}
	w.consistent(res)
	if got := w.journal.texts[len(w.journal.texts)-1]; !strings.HasSuffix(got, "Now.") {
		t.Errorf("the last text is kept after a cancel: %q", got)
	}
}

func TestJournalFailure(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n")}})
	w.journal.failAt = 2
	res, err := Build(context.Background(), w.input, Plan{})
	if err == nil || !strings.Contains(err.Error(), "the database is gone") || fault.KindOf(err) != fault.Internal {
		t.Errorf("error %v", err)
	}
	if !res.Tree.Has("src/a.ts") || res.Tree.Has("src/b.ts") {
		t.Error("what is not recorded did not happen")
	}
}

func TestPanicIsAFailedResult(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	w := newWorld(t, step{calls: []llm.ToolCall{call("os-add-dependency", in{"name": "clsx"}), call("os-view", in{"path": "index.html"})}}, step{text: "Done."})
	w.input.Packages = panicking{}
	w.build()
	answers := w.results(1)
	if !answers[0].Failed || strings.Contains(answers[0].Text, "kaboom") || answers[1].Failed {
		t.Errorf("%+v", answers)
	}
	if !strings.Contains(log.String(), "kaboom") {
		t.Errorf("the log lacks the panic: %s", log.String())
	}
}

type panicking struct{ packages }

func (panicking) AddDependency(context.Context, filetree.Tree, string, string, bool) (filetree.Tree, string, error) {
	panic("kaboom")
}

func TestTextIsThrottled(t *testing.T) {
	w := newWorld(t, step{text: strings.Repeat("word ", 950)})
	w.build() // the clock moves by 1 ms at each look, and every word looks once
	if n := len(w.journal.texts); n < 8 || n > 12 {
		t.Errorf("written %d times in about a second", n)
	}
	if got := w.journal.texts[len(w.journal.texts)-1]; !strings.HasSuffix(got, strings.TrimSpace(strings.Repeat("word ", 950))) {
		t.Errorf("the end is missing: %q", got[len(got)-20:])
	}
}

// BenchmarkBuild is a turn like the Composer's: 60 files in one reply.
func BenchmarkBuild(b *testing.B) {
	body := strings.Repeat("export const value = [1, 2, 3].map((n) => n + 1);\n{\n}\n", 1) + strings.Repeat("// a line of a file\n", 100)
	var calls []llm.ToolCall
	for i := range 60 {
		calls = append(calls, write("src/f"+strings.Repeat("x", i)+".ts", body))
	}
	tree, err := filetree.New(baseFiles())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m := &script{steps: []step{{calls: calls}, {text: "Done."}}}
		in := Input{Model: m, Base: tree, Tree: tree, Journal: &memory{files: map[string][]byte{}}, Now: time.Now}
		if _, err := Build(context.Background(), in, Plan{}); err != nil {
			b.Fatal(err)
		}
	}
}
