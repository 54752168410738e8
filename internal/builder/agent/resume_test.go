package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// turn takes a version through its three parts, and notes which of them are done, as the pipeline's stages do.
type turn struct {
	w    *world
	plan *Plan
	part int
	last Result
}

// run goes on with the first part that is not done.
func (u *turn) run(ctx context.Context) error {
	tree, err := filetree.New(u.w.journal.files)
	if err != nil {
		return err
	}
	u.w.input.Tree = tree
	for u.part < 3 {
		switch u.part {
		case 0:
			plan, err := MakePlan(ctx, u.w.input)
			if err != nil {
				return err
			}
			u.plan = &plan
		case 1:
			u.last, err = Build(ctx, u.w.input, *u.plan)
		case 2:
			u.last, err = Recover(ctx, u.w.input, Recovery{Attempt: 1, Text: "The build failed: a must be 2."})
		}
		if err != nil {
			return err
		}
		if u.part > 0 {
			u.w.input.Tree = u.last.Tree
		}
		u.part++
	}
	return nil
}

// TestResume ends a process behind everything that it makes durable, goes on with another one, and expects that the
// model was asked once for each of its replies, that each call was run once, and that all is as if nothing had been.
func TestResume(t *testing.T) {
	same := call("os-search-files", in{"pattern": "nothing"})
	steps := []step{
		{text: "I look.", think: "Hm.", calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"}), same}},
		{text: "Certainly."},
		{text: "Now.", calls: []llm.ToolCall{
			call("os-view", `{"path": "src/`), goodPlan(),
			call("os-migrate", in{"name": "todos", "sql": "create table app_{{APP_ID}}_x ();"}),
		}, stop: llm.MaxTokens},
		{text: "One moment.", calls: []llm.ToolCall{
			write("src/a.ts", "export const a = 1;\n"),
			replaceAll("src/App.tsx", // a part of it cannot be made
				in{"first_line": 1, "search": "import { useState } from \"react\";", "below": "import \"./a\";\nimport \"./b\";"},
				at(3, "nothing like it", "x"), at(2, "", "y")),
			replaceLines("src/App.tsx", "nothing like it", 3, 3, "x"),
			replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, ""),
			replaceAll("src/App.tsx", at(6, "    <main>", "    <main id=\"app\">"), at(9, "    </main>", "    </main>\n")),
		}},
		{text: "And so", stop: llm.MaxTokens},
		{calls: []llm.ToolCall{ // together they would hollow values.ts out, so neither is made
			replaceLines("src/lib/values.ts", "export const value0 = 0;\n...\nexport const value29 = 841;", 1, 30, ""),
			replaceLines("src/lib/values.ts", "export const value40 = 1600;\n...\nexport const value69 = 4761;", 41, 70, ""),
			replaceLines("src/main.tsx", "App();", 2, 2, "if (App) {"), replaceLines("src/main.tsx", "import { App } from \"./App\";", 1, 1, "import { App } from \"@/App\";"),
		}},
		{calls: []llm.ToolCall{
			call("os-rename", in{"from": "src/a.ts", "to": "src/b.ts"}), call("os-add-dependency", in{"name": "clsx"}), same,
			call("os-delete", in{"path": "public/logo.png"}), write("src/c.ts", "export {};\n"),
		}},
		{text: "Done."},
		{calls: []llm.ToolCall{replaceLines("src/b.ts", "export const a = 1;", 1, 1, "export const a = 2;"), same, same}},
		{calls: []llm.ToolCall{same, write("src/d.ts", "export {};\n")}}, // the third of its kind
	}
	begin := func() *turn {
		w := newWorld(t, steps...)
		w.tells()
		w.app(map[string]string{"src/lib/values.ts": long(100)})
		return &turn{w: w}
	}
	whole := begin()
	if err := whole.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if whole.last.Stopped != StoppedLoop || len(whole.w.model.requests) != len(steps) || len(whole.w.journal.calls) != 22 {
		t.Fatalf("stopped %q after %d requests and %d calls", whole.last.Stopped, len(whole.w.model.requests), len(whole.w.journal.calls))
	}
	for n := 1; n < whole.w.journal.kept; n++ {
		u := begin()
		ctx, cancel := context.WithCancel(context.Background())
		u.w.journal.cancelAt, u.w.journal.cancel = n, cancel
		if err := u.run(ctx); !errors.Is(err, context.Canceled) && n < whole.w.journal.kept-1 {
			t.Fatalf("after %d: %v", n, err)
		}
		cancel()
		if err := u.run(context.Background()); err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if got := len(u.w.model.requests); got != len(steps) {
			t.Errorf("after %d: %d requests", n, got)
		}
		for i, req := range u.w.model.requests {
			if diff := cmp.Diff(plain(whole.w.model.requests[i].Messages), plain(req.Messages)); diff != "" {
				t.Fatalf("after %d, request %d:\n%s", n, i, diff)
			}
		}
		if diff := cmp.Diff(plain(whole.w.said()), plain(u.w.said())); diff != "" {
			t.Fatalf("after %d:\n%s", n, diff)
		}
		if diff := cmp.Diff(deeds(whole.w.journal.calls), deeds(u.w.journal.calls)); diff != "" {
			t.Fatalf("after %d:\n%s", n, diff)
		}
		if diff := u.last.Tree.Diff(whole.last.Tree); len(diff) > 0 || u.last.Text != whole.last.Text || u.last.Stopped != whole.last.Stopped || u.last.Steps != whole.last.Steps {
			t.Errorf("after %d: %v, %q, %q", n, diff, u.last.Text, u.last.Stopped)
		}
		u.w.consistent(u.last)
	}
}

// plain is a conversation without the words of results: those of an edit whose reply was interrupted tell where the
// lines are by now.
func plain(messages []llm.Message) string {
	var out []llm.Message
	for _, m := range messages {
		m.Results = slices.Clone(m.Results)
		for i := range m.Results {
			m.Results[i].Text = ""
		}
		m.Calls = slices.Clone(m.Calls)
		for i, c := range m.Calls {
			m.Calls[i].Input = llm.RawInput(canonical(storable(c.Input)))
		}
		out = append(out, m)
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// deeds is what the calls did, without the time that they took and their words.
func deeds(calls []model.ToolCall) []model.ToolCall {
	out := slices.Clone(calls)
	for i := range out {
		out[i].Millis, out[i].StartedAt, out[i].Result, out[i].Detail = 0, time.Time{}, "", ""
	}
	return out
}

// A turn whose conversation was not kept goes on from its plan, as far as the record tells how it was made.
func TestPlanWithoutConversation(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"})}}, step{calls: []llm.ToolCall{goodPlan()}},
		step{text: "Done."})
	w.tells()
	plan, err := MakePlan(context.Background(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	w.tells()
	if _, err := Build(context.Background(), w.input, plan); err != nil {
		t.Fatal(err)
	}
	got := w.model.requests[2].Messages
	if len(got) != 3 || len(got[1].Calls) != 2 || len(got[2].Results) != 2 || got[2].Results[1].Text != planAccepted {
		t.Errorf("%+v", got)
	}

	w = newWorld(t, step{text: "Done."})
	w.tells()
	if _, err := Build(context.Background(), w.input, plan); err != nil {
		t.Fatal(err)
	}
	got = w.model.requests[0].Messages
	var seen Plan
	if len(got) != 3 || got[0].Text != w.input.Request || json.Unmarshal(got[1].Calls[0].Input, &seen) != nil || seen.AppName != plan.AppName {
		t.Errorf("%+v", got)
	}
}

// A record that tells of other calls than the conversation is nothing to build on.
func TestRecordOfAnotherConversation(t *testing.T) {
	w := newWorld(t)
	w.journal.calls = []model.ToolCall{{Seq: 2, Name: "os-write", Input: json.RawMessage(`{"path":"src/x.ts","content":"x"}`), OK: true}}
	w.tells(llm.Message{Role: llm.User, Text: "A todo app."},
		llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{goodPlan(), write("src/y.ts", "export {};\n")}})
	_, err := Build(context.Background(), w.input, Plan{})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "another version of the builder") {
		t.Error(err)
	}
}

// A recovery goes on in the conversation of the build, and counts its own steps.
func TestRecovery(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export const a = 1;\n")}}, step{text: "Done."},
		step{calls: []llm.ToolCall{write("src/a.ts", "export const a = 2;\n")}}, step{text: "Repaired."},
		step{calls: []llm.ToolCall{call("os-view", in{"path": "src/a.ts"})}})
	res := w.build()
	w.input.Tree = res.Tree
	for range 2 { // the second time nothing is left to do
		var err error
		if res, err = Recover(context.Background(), w.input, Recovery{Attempt: 1, Text: "The build failed: a must be 2."}); err != nil {
			t.Fatal(err)
		}
		if res.Steps != 2 || res.Text != "Done.\n\nRepaired." || len(w.model.requests) != 4 {
			t.Errorf("%+v after %d requests", res, len(w.model.requests))
		}
		w.input.Tree = res.Tree
	}
	if got := content(t, res.Tree, "src/a.ts"); got != "export const a = 2;\n" || w.journal.calls[1].Seq != 3 {
		t.Errorf("%q, %+v", got, w.journal.calls)
	}
	if first := w.model.requests[2].Messages[0]; first.Text != "A todo app." {
		t.Errorf("the request is forgotten: %+v", first)
	}
	res, err := Recover(context.Background(), w.input, Recovery{Attempt: 2, Text: "Still.", MaxSteps: 1})
	if err != nil || res.Stopped != StoppedMaxSteps || res.Steps != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A build that was given up between two calls can be recovered all the same: every call has a result.
func TestRecoveryOfHalfAReply(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n"), write("src/b.ts", "export {};\n")}}, step{text: "Well."})
	w.journal.cancelAt, w.journal.cancel = 2, cancel
	if _, err := Build(ctx, w.input, Plan{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Recover(context.Background(), w.input, Recovery{Attempt: 1, Text: "It failed."}); err != nil {
		t.Fatal(err)
	}
	messages := w.model.requests[1].Messages
	if got := messages[len(messages)-2]; len(got.Results) != 2 || got.Results[1].Text != notRunText {
		t.Errorf("%+v", got)
	}
}
