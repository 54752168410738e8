package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
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
		step{text: "Here is the plan.", calls: []llm.ToolCall{goodPlan(), call("os-view", in{"path": "index.html"})}})
	w.input.History = []llm.Message{{Role: llm.User, Text: "Hello."}, {Role: llm.Assistant, Text: "Good day."}}
	plan, conversation, usage, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{AppName: "Todo List", VersionName: "First version", Understood: []string{"You want todos."}, Assumed: []string{}, Cannot: []string{}, Changes: []string{"A list of todos"}}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if usage.Input != 20 || usage.Output != 4 {
		t.Errorf("usage %+v", usage)
	}
	if last := conversation[len(conversation)-1]; last.Results[0].Failed || !last.Results[1].Failed {
		t.Errorf("nothing runs behind the plan: %+v", last.Results)
	}
	if got := w.model.requests[0].Tools; len(got) != 3 || got[0].Name != "os-plan" {
		t.Errorf("planning offers only what looks: %v", got)
	}
	if got := w.journal.texts[len(w.journal.texts)-1]; got != "I look first.\n\nHere is the plan." {
		t.Errorf("text %q", got)
	}

	// Building goes on with the same conversation and the same text, and with numbers of its own.
	w.model.steps = append(w.model.steps, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n")}}, step{text: "All done."})
	res, err := Build(context.Background(), w.input, plan, conversation)
	if err != nil {
		t.Fatal(err)
	}
	if res.Text != "I look first.\n\nHere is the plan.\n\nAll done." || res.Steps != 2 || res.Stopped != "" {
		t.Errorf("%+v", res)
	}
	if got := w.journal.calls[2]; got.Seq != 4 || got.Name != "os-write" { // 1 view, 2 plan, 3 was not run
		t.Errorf("recorded as %+v", got)
	}
	for _, tool := range w.model.requests[2].Tools {
		if tool.Name == "os-plan" {
			t.Error("os-plan is on offer while building")
		}
	}
}

// A plan that was made before an interruption is not made again.
func TestMakePlanResumes(t *testing.T) {
	steps := []step{{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"})}}, {calls: []llm.ToolCall{goodPlan()}}}
	w := newWorld(t, steps...)
	first, _, _, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	again := newWorld(t, steps...)
	again.input.Journal = w.journal
	second, conversation, _, err := MakePlan(context.Background(), again.input)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" || len(w.journal.calls) != 2 {
		t.Errorf("%d calls recorded, %s", len(w.journal.calls), diff)
	}
	if got := conversation[len(conversation)-1].Results[0]; got.Failed || got.Text != planAccepted {
		t.Errorf("%+v", got)
	}
}

func TestMakePlanInsists(t *testing.T) {
	bad := call("os-plan", in{"app_name": "", "version_name": "x"})
	w := newWorld(t, step{text: "Certainly."}, step{calls: []llm.ToolCall{bad}}, step{calls: []llm.ToolCall{goodPlan()}})
	if _, _, _, err := MakePlan(context.Background(), w.input); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.results(2)[0].Text, "app_name is missing") {
		t.Errorf("%+v", w.results(2))
	}
	w = newWorld(t, step{text: "a"}, step{text: "b"}, step{text: "c"})
	if _, _, _, err := MakePlan(context.Background(), w.input); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a model that never plans: %v", err)
	}
}

// What ends a turn with an error: none of the reply's calls may have run.
func TestBrokenReplies(t *testing.T) {
	calls := []llm.ToolCall{write("src/a.ts", "export {};\n")}
	tests := []struct {
		name string
		step step
		kind fault.Kind
	}{
		{"stream breaks off", step{text: "I wri", calls: calls, err: fault.New(fault.Unavailable, "The line dropped.")}, fault.Unavailable},
		{"no stop event", step{text: "I wri", calls: calls, quiet: true}, fault.Unavailable},
		{"refusal", step{text: "I wri", stop: llm.Refusal}, fault.Invalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.step)
			res, err := Build(context.Background(), w.input, Plan{}, w.conversation())
			if !fault.Is(err, test.kind) {
				t.Errorf("error %v", err)
			}
			if len(w.journal.calls) > 0 || res.Tree.Has("src/a.ts") {
				t.Error("a call of a broken reply was run")
			}
			if res.Usage.Input != 10 {
				t.Errorf("what was used counts all the same: %+v", res.Usage)
			}
			if got := w.journal.texts; len(got) == 0 || got[len(got)-1] != "Let me see.\n\nI wri" {
				t.Errorf("what people saw is kept: %q", got)
			}
		})
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
	w = newWorld(t, cut, cut, cut, cut)
	if _, err := Build(context.Background(), w.input, Plan{}, w.conversation()); !fault.Is(err, fault.Unavailable) || len(w.model.requests) != maxCutReplies {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
}

func TestLoopStops(t *testing.T) {
	same := call("os-view", in{"path": "index.html"})
	sameAgain := call("os-view", `{ "path" : "index.html" }`)
	w := newWorld(t, step{calls: []llm.ToolCall{same}}, step{calls: []llm.ToolCall{sameAgain}},
		step{calls: []llm.ToolCall{same, write("src/a.ts", "export {};\n")}})
	res := w.build()
	if res.Stopped != StoppedLoop || res.Steps != 3 || len(w.journal.calls) != 2 || res.Tree.Has("src/a.ts") {
		t.Errorf("stopped %q after %d steps and %d calls", res.Stopped, res.Steps, len(w.journal.calls))
	}
	last := res.Conversation[len(res.Conversation)-1]
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
	w.input.MaxSteps = 4
	if res := w.build(); res.Stopped != StoppedMaxSteps || res.Steps != 4 || len(w.model.requests) != 4 {
		t.Errorf("stopped %q after %d steps", res.Stopped, res.Steps)
	}
}

func TestCancelBetweenCalls(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, step{text: "Now.", calls: []llm.ToolCall{
		write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n"), write("src/c.ts", "export {};\n"),
	}})
	w.journal.cancelAt, w.journal.cancel = 2, cancel
	res, err := Build(ctx, w.input, Plan{}, w.conversation())
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Canceled {
		t.Errorf("error %v", err)
	}
	if len(w.journal.calls) != 2 || !res.Tree.Has("src/b.ts") || res.Tree.Has("src/c.ts") {
		t.Errorf("%d calls ran", len(w.journal.calls))
	}
	w.consistent(res)
	if len(res.Conversation) != len(w.conversation()) {
		t.Errorf("a reply without results is no part of a conversation")
	}
	if got := w.journal.texts[len(w.journal.texts)-1]; !strings.HasSuffix(got, "Now.") {
		t.Errorf("the last text is kept after a cancel: %q", got)
	}
}

func TestJournalFailure(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n")}})
	w.journal.failAt = 2
	res, err := Build(context.Background(), w.input, Plan{}, w.conversation())
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

// TestResume interrupts a turn behind every one of its calls, runs it again as a new process would, and expects the
// same files, and every call recorded once.
func TestResume(t *testing.T) {
	steps := []step{
		{text: "One moment.", calls: []llm.ToolCall{
			call("os-view", in{"path": "src/App.tsx"}),
			call("os-migrate", in{"name": "todos", "sql": "create table app_{{APP_ID}}_x ();"}),
			write("src/a.ts", "export const a = 1;\n"),
			replaceLines("src/App.tsx", "import { useState } from \"react\";", 1, 1, "import { useState } from \"react\";\nimport \"./a\";\nimport \"./b\";"),
			replaceLines("src/App.tsx", "nothing like it", 3, 3, "x"),
			replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, ""),
			replaceLines("src/App.tsx", "    <main>", 6, 6, "    <main id=\"app\">"),
		}},
		{calls: []llm.ToolCall{
			call("os-rename", in{"from": "src/a.ts", "to": "src/b.ts"}),
			call("os-add-dependency", in{"name": "clsx"}),
			call("os-delete", in{"path": "public/logo.png"}),
			write("src/c.ts", "export {};\n"),
		}},
		{text: "Done."},
	}
	whole := newWorld(t, steps...)
	want := whole.build()
	total := len(whole.journal.calls)
	if total != 11 {
		t.Fatalf("%d calls", total)
	}
	for n := 1; n < total; n++ {
		ctx, cancel := context.WithCancel(context.Background())
		w := newWorld(t, steps...)
		w.journal.cancelAt, w.journal.cancel = n, cancel
		if _, err := Build(ctx, w.input, Plan{}, w.conversation()); !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d: %v", n, err)
		}
		again := newWorld(t, steps...)
		again.journal = w.journal
		again.journal.cancelAt = 0
		again.input.Journal = w.journal
		tree, err := filetree.New(w.journal.files)
		if err != nil {
			t.Fatal(err)
		}
		again.input.Tree = tree
		res := again.build()
		if diff := res.Tree.Diff(want.Tree); len(diff) > 0 {
			t.Errorf("interrupted after %d: %v\n%s", n, diff, content(t, res.Tree, "src/App.tsx"))
		}
		if len(w.journal.calls) != total {
			t.Errorf("interrupted after %d: %d calls recorded", n, len(w.journal.calls))
		}
		for i, c := range w.journal.calls {
			if c.OK != whole.journal.calls[i].OK {
				t.Errorf("interrupted after %d: call %d ok=%v: %s", n, i+1, c.OK, c.Result)
			}
		}
	}
}

// A model that goes another way after an interruption gets nothing from the record, and numbers of its own.
func TestResumeApart(t *testing.T) {
	first := newWorld(t,
		step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n")}},
		step{text: "Done."})
	first.build()
	second := newWorld(t,
		step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n"), write("src/c.ts", "export {};\n"), write("src/b.ts", "export {};\n")}},
		step{text: "Done."})
	second.journal, second.input.Journal = first.journal, first.journal
	tree, err := filetree.New(first.journal.files)
	if err != nil {
		t.Fatal(err)
	}
	second.input.Tree = tree
	second.build()
	var got []int
	for _, c := range first.journal.calls {
		got = append(got, c.Seq)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4}, got); diff != "" {
		t.Error(diff)
	}
	if text := second.results(1)[2].Text; !strings.Contains(text, "nothing was changed") {
		t.Errorf("the second write of b was run again: %s", text)
	}
}

// Without a conversation, planning is read from the journal.
func TestBuildWithoutConversation(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"})}}, step{calls: []llm.ToolCall{goodPlan()}},
		step{text: "Done."})
	plan, conversation, _, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(context.Background(), w.input, plan, nil); err != nil {
		t.Fatal(err)
	}
	got := w.model.requests[2].Messages
	if len(got) != 3 || len(got[1].Calls) != 2 || len(got[2].Results) != 2 || got[2].Results[1].Text != conversation[len(conversation)-1].Results[0].Text {
		t.Errorf("%+v", got)
	}

	w = newWorld(t, step{text: "Done."})
	if _, err := Build(context.Background(), w.input, plan, nil); err != nil {
		t.Fatal(err)
	}
	got = w.model.requests[0].Messages
	var seen Plan
	if len(got) != 3 || got[0].Text != w.input.Request || json.Unmarshal(got[1].Calls[0].Input, &seen) != nil || seen.AppName != plan.AppName {
		t.Errorf("%+v", got)
	}
}

// A recovery goes on in the conversation of the build, and its calls are numbered on.
func TestRecovery(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export const a = 1;\n")}}, step{text: "Done."},
		step{calls: []llm.ToolCall{write("src/a.ts", "export const a = 2;\n")}}, step{text: "Repaired."})
	res := w.build()
	w.input.Tree = res.Tree
	again := append(res.Conversation, llm.Message{Role: llm.User, Text: "The build failed: a must be 2."})
	res, err := Build(context.Background(), w.input, Plan{}, again)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, res.Tree, "src/a.ts"); got != "export const a = 2;\n" || w.journal.calls[1].Seq != 2 {
		t.Errorf("%q, %+v", got, w.journal.calls)
	}
	if first := w.model.requests[2].Messages[0]; first.Text != "A todo app." {
		t.Errorf("the request is forgotten: %+v", first)
	}
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

func TestSystemPrompt(t *testing.T) {
	tree, err := filetree.New(baseFiles())
	if err != nil {
		t.Fatal(err)
	}
	got := systemPrompt(tree)
	for _, want := range []string{"app_{{APP_ID}}_", "src/App.tsx (11 lines)", "public/logo.png (3 bytes, not text)"} {
		if !strings.Contains(got, want) {
			t.Errorf("the prompt lacks %q", want)
		}
	}
	for _, sign := range []string{"src/features/", "supabase/migrations/", ".overskill/"} {
		if strings.Contains(prompt, sign) {
			t.Errorf("%s in the prompt reads like a file that is there", sign)
		}
	}
	if len(prompt) > 6000 {
		t.Errorf("the prompt has %d bytes; every request pays for it", len(prompt))
	}
	for _, name := range append(planningTools(), buildingTools()...) {
		if !json.Valid([]byte(name.schema)) {
			t.Errorf("the schema of %s is no JSON", name.name)
		}
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
		if _, err := Build(context.Background(), in, Plan{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
