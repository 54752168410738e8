package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
)

// broken is a reply that breaks off after it wrote a call.
func broken(err error) step {
	return step{text: "I wri", calls: []llm.ToolCall{write("src/half.ts", "export {};\n")}, err: err}
}

// TestBrokenReplies sends replies that break off. They are asked for again from the same conversation; the words that
// people saw are taken back, and no call of theirs is ever run.
func TestBrokenReplies(t *testing.T) {
	gone := llm.NewError(llm.Broken, nil, "The line dropped.")
	late := llm.NewError(llm.RateLimited, nil, "Too many requests.")
	late.RetryAfter = 30 * time.Second
	tomorrow := llm.NewError(llm.RateLimited, nil, "The daily quota is used up.")
	tomorrow.RetryAfter = 9 * time.Hour
	done := step{text: "Done."}
	tests := []struct {
		name  string
		steps []step
		kind  fault.Kind // "" when it ends well
		says  string
		slept []time.Duration
	}{
		{"breaks off once", []step{broken(gone), done}, "", "", []time.Duration{time.Second}},
		{"breaks off twice", []step{broken(gone), broken(gone), done}, "", "", []time.Duration{time.Second, 4 * time.Second}},
		{"breaks off always", []step{broken(gone), broken(gone), broken(gone)}, fault.Unavailable, "The line dropped.", []time.Duration{time.Second, 4 * time.Second}},
		{"asks to come later", []step{broken(late), done}, "", "", []time.Duration{30 * time.Second}},
		{"asks to come tomorrow", []step{broken(tomorrow)}, fault.RateLimited, "The daily quota is used up.", nil},
		{"overloaded", []step{broken(llm.NewError(llm.Overloaded, nil, "Overloaded.")), done}, "", "", []time.Duration{time.Second}},
		{"no stop event", []step{{text: "I wri", calls: broken(nil).calls, quiet: true}, done}, "", "", []time.Duration{time.Second}},
		{"empty answer", []step{{}, {text: " \n"}, {}}, fault.Unavailable, "The model answered nothing.", []time.Duration{time.Second, 4 * time.Second}},
		{"ends for calls without one", []step{{text: "I wri", stop: llm.ToolUse}, done}, "", "", []time.Duration{time.Second}},
		{"refusal", []step{{text: "I wri", stop: llm.Refusal}}, fault.Invalid, "The model declined this request.", nil},
		{"bad key", []step{broken(llm.NewError(llm.Unauthorized, nil, "The key is not valid."))}, fault.Invalid, "The key is not valid.", nil},
		{"no credit", []step{broken(llm.NewError(llm.NoMoney, nil, "The account has no credit."))}, fault.Invalid, "The account has no credit.", nil},
		{"a mistake of ours", []step{broken(errors.New("dial tcp 10.0.0.1"))}, fault.Internal, "Something went wrong on our side.", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.steps...)
			res, err := Build(context.Background(), w.input, Plan{})
			if fault.KindOf(err) != test.kind || !strings.HasPrefix(fault.Text(err), test.says) {
				t.Errorf("error %v: %s", err, fault.Text(err))
			}
			if diff := cmp.Diff(test.slept, w.slept); diff != "" || len(w.model.requests) != len(test.steps) || res.Requests != len(test.steps) {
				t.Errorf("%d requests, %s", len(w.model.requests), diff)
			}
			if len(w.journal.calls) > 0 || res.Tree.Has("src/half.ts") {
				t.Error("a call of a broken reply was run")
			}
			for i, req := range w.model.requests {
				if diff := cmp.Diff(w.model.requests[0].Messages, req.Messages); diff != "" {
					t.Errorf("request %d knows of the broken reply:\n%s", i, diff)
				}
			}
			if test.kind == "" {
				if res.Text != "Done." || w.journal.texts[len(w.journal.texts)-1] != "Done." {
					t.Errorf("people read %q", w.journal.texts)
				}
			} else if res.Text != "" {
				t.Errorf("words of a broken reply stay: %q", res.Text)
			}
		})
	}
}

// The conversation holds at most so many replies, but requests that broke off are no replies.
func TestBrokenRepliesAreNoSteps(t *testing.T) {
	w := newWorld(t, broken(llm.NewError(llm.Silent, nil, "Silence.")), step{text: "Done."})
	w.input.MaxSteps = 2 // the plan, and one
	if res := w.build(); res.Steps != 2 || res.Requests != 2 || res.Stopped != "" {
		t.Errorf("%+v", res)
	}
}

func TestBudget(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n")}}, step{text: "Done."})
	asked := 0
	w.input.Allow = func(context.Context) error {
		if asked++; asked > 1 {
			return fault.New(fault.TooLarge, "This turn has used its budget of $2.00.")
		}
		return nil
	}
	res, err := Build(context.Background(), w.input, Plan{})
	if fault.Text(err) != "This turn has used its budget of $2.00." || len(w.model.requests) != 1 || !res.Tree.Has("src/a.ts") {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
	w.input.Allow, w.input.Tree = nil, res.Tree // somebody raised it
	if res, err = Build(context.Background(), w.input, Plan{}); err != nil || res.Text != "Done." || len(w.model.requests) != 2 {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
}

// A stop while the agent waits to ask again ends the turn at once.
func TestStopWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, broken(llm.NewError(llm.Unreachable, nil, "No connection.")))
	w.input.Sleep = nil
	w.model.steps[0].then = cancel
	if _, err := Build(ctx, w.input, Plan{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What the journal cannot keep is no reason to ask the model again.
func TestJournalFailsInAStream(t *testing.T) {
	w := newWorld(t, step{text: "Word after word."})
	w.input.Journal = deaf{w.journal}
	if _, err := Build(context.Background(), w.input, Plan{}); err == nil || !strings.Contains(err.Error(), "record the text") || len(w.model.requests) != 1 {
		t.Errorf("%v after %d requests", err, len(w.model.requests))
	}
}

type deaf struct{ *memory }

func (deaf) Text(context.Context, string) error { return errors.New("the database is gone") }

// Calls without an ID, or with one that was there before, get one of their own, for results are matched by it.
func TestCallIDs(t *testing.T) {
	again := write("src/a.ts", "export const a = 1;\n")
	again.ID = "call_0"
	none := call("os-view", in{"path": "src/App.tsx"})
	none.ID = ""
	w := newWorld(t, step{calls: []llm.ToolCall{again, none}}, step{calls: []llm.ToolCall{again, none}}, step{text: "Done."})
	w.build()
	seen := map[string]bool{}
	for _, m := range w.said() {
		for i, c := range m.Calls {
			if c.ID == "" || seen[c.ID] {
				t.Errorf("call %d has the ID %q", i, c.ID)
			}
			seen[c.ID] = true
		}
	}
	for _, m := range w.said() {
		for _, r := range m.Results {
			if !seen[r.CallID] {
				t.Errorf("a result of no call: %q", r.CallID)
			}
		}
	}
}

// What a provider wants back unchanged is sent back.
func TestThinkingIsSentBack(t *testing.T) {
	w := newWorld(t, step{think: "Let me see.", calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"})}}, step{text: "Done."})
	w.build()
	messages := w.model.requests[1].Messages
	want := []llm.Thinking{{Model: "script/1", Text: "Let me see.", Signature: "sig"}}
	if diff := cmp.Diff(want, messages[len(messages)-2].Thinking); diff != "" {
		t.Error(diff)
	}
}

// A message that cannot be kept is not acted upon.
func TestSayFails(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", "export {};\n")}})
	w.input.Journal = mute{w.journal}
	res, err := Build(context.Background(), w.input, Plan{})
	if err == nil || !strings.Contains(err.Error(), "keep message 3") || len(w.journal.calls) > 0 || res.Tree.Has("src/a.ts") {
		t.Errorf("%v after %d calls", err, len(w.journal.calls))
	}
}

type mute struct{ *memory }

func (mute) Say(context.Context, int, llm.Message) error { return errors.New("the database is gone") }
