package agent

import (
	"context"
	"strings"
	"testing"

	"overskill/internal/llm"
)

// change is what somebody else does to the files between two parts of a turn.
func (w *world) change(p, old, new string) {
	w.t.Helper()
	content := string(w.journal.files[p])
	if !strings.Contains(content, old) {
		w.t.Fatalf("%s does not hold %q", p, old)
	}
	tree, err := w.input.Tree.With(p, []byte(strings.Replace(content, old, new, 1)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.input.Tree = tree
	w.journal.files[p], _ = tree.Get(p)
}

// TestStaleReads lets the model see a file in some way, has the file corrected without it, and then has it edited. An
// edit of what is not any more as it was seen is refused once, with the lines as they are now.
func TestStaleReads(t *testing.T) {
	hello := replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "      <p>Hi</p>")
	again := replaceLines("src/App.tsx", "      <p>Hi</p>", 8, 8, "      <p>Hello</p>")
	view := call("os-view", in{"path": "src/App.tsx"})
	tests := []struct {
		name  string
		first []llm.ToolCall // of the build
		old   string         // becomes other words between the parts
		edit  llm.ToolCall
		shown []string
		stale bool
	}{
		{"viewed", []llm.ToolCall{view}, "react", hello, nil, true},
		{"viewed in part, elsewhere", []llm.ToolCall{call("os-view", in{"path": "src/App.tsx", "first_line": 6})}, "react", hello, nil, false},
		{"viewed in part, there", []llm.ToolCall{call("os-view", in{"path": "src/App.tsx", "first_line": 6})}, "<main>", hello, nil, true},
		{"written", []llm.ToolCall{write("src/App.tsx", strings.Replace(appSource, "useState(0)", "useState(1)", 1))}, "react", hello, nil, true},
		{"viewed and edited", []llm.ToolCall{view, hello}, "react", again, nil, true},
		{"edited, never viewed", []llm.ToolCall{hello}, "react", again, nil, false},
		{"never seen", []llm.ToolCall{call("os-view", in{"path": "index.html"})}, "react", hello, nil, false},
		{"searched", []llm.ToolCall{call("os-search-files", in{"pattern": "Hello"})}, "react", hello, nil, false},
		{"shown with the error", []llm.ToolCall{view}, "react", hello, []string{"src/App.tsx"}, false},
		{"not changed by anybody", []llm.ToolCall{view, hello}, "", again, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, step{calls: test.first}, step{text: "Done."}, step{calls: []llm.ToolCall{test.edit}}, step{calls: []llm.ToolCall{test.edit}}, step{text: "Well."})
			w.input.Tree = w.build().Tree
			if test.old != "" {
				w.change("src/App.tsx", test.old, strings.ToUpper(test.old))
			}
			if _, err := Recover(context.Background(), w.input, Recovery{Attempt: 1, Text: "It failed.", Shown: test.shown}); err != nil {
				t.Fatal(err)
			}
			messages := w.model.requests[2].Messages
			said := messages[len(messages)-1].Text
			if told := strings.Contains(said, "Changed meanwhile by automatic corrections"); told != test.stale {
				t.Errorf("the model is told that a file changed: %v: %s", told, said)
			}
			first := w.results(3)[0]
			if !test.stale {
				if first.Failed {
					t.Errorf("refused: %s", first.Text)
				}
				return
			}
			if !first.Failed || !strings.Contains(first.Text, "corrected automatically") || !strings.Contains(first.Text, "| ") || !strings.Contains(first.Text, strings.ToUpper(test.old)) {
				t.Errorf("failed=%v: %s", first.Failed, first.Text)
			}
			if second := w.results(4)[0]; second.Failed {
				t.Errorf("refused again: %s", second.Text)
			}
		})
	}
}

// A file that came with the request counts as seen.
func TestAttachedIsSeen(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "      <p>Hi</p>")}}, step{text: "Done."})
	w.input.Attached = []string{"src/App.tsx"}
	w.change("src/App.tsx", "react", "REACT")
	w.build()
	if got := w.results(1)[0]; !got.Failed || !strings.Contains(got.Text, "REACT") {
		t.Errorf("%+v", got)
	}
}

// After the second reply that fails to edit a file the model may write it whole, and sees how it reads.
func TestSecondMissShowsTheFile(t *testing.T) {
	miss := func(n string) llm.ToolCall { return replaceLines("src/App.tsx", "nothing like "+n, 3, 3, "x") }
	w := newWorld(t,
		step{calls: []llm.ToolCall{miss("a"), miss("b")}},
		step{calls: []llm.ToolCall{replaceLines("src/main.tsx", "nothing", 1, 1, "x"), miss("c"), miss("d"), write("src/a.ts", "export {};\n")}},
		step{text: "Done."})
	w.build()
	for _, r := range w.results(1) {
		if strings.Contains(r.Text, "os-write") {
			t.Errorf("too early: %s", r.Text)
		}
	}
	got := w.results(2)
	if strings.Contains(got[0].Text, "os-write") || !strings.Contains(got[1].Text, "you may write the whole file with os-write now. It reads:\n1| import { useState }") || strings.Contains(got[2].Text, "os-write") {
		t.Errorf("%s\n---\n%s\n---\n%s", got[0].Text, got[1].Text, got[2].Text)
	}

	// Another process counts on.
	again := newWorld(t, step{calls: []llm.ToolCall{miss("e")}}, step{text: "Well."})
	again.journal, again.input.Journal = w.journal, w.journal
	if _, err := Recover(context.Background(), again.input, Recovery{Attempt: 1, Text: "It failed."}); err != nil {
		t.Fatal(err)
	}
	if text := again.results(1)[0].Text; !strings.Contains(text, "os-write") {
		t.Error(text)
	}
}
