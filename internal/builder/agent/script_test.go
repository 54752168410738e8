package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// script is a model that says what it was told to say: one step a request.
type script struct {
	steps    []step
	requests []llm.Request
	limits   llm.Limits // zero: a large window
	counts   int        // calls of CountTokens
}

type step struct {
	text  string
	think string // reasoning, and a piece of thinking that belongs into the reply
	calls []llm.ToolCall
	stop  llm.StopReason // "" is ToolUse or EndTurn, as fits
	err   error          // the stream breaks off with it, after everything else
	quiet bool           // no Stop event, and no error
	usage *llm.Usage     // nil: none is told
	then  func()         // runs before the stream ends
}

func (m *script) ID() string { return "script/1" }

func (m *script) Limits() llm.Limits {
	if m.limits.Context == 0 {
		return llm.Limits{Context: 1_000_000, MaxOutput: 64_000}
	}
	return m.limits
}

func (m *script) CountTokens(_ context.Context, req llm.Request) (int64, error) {
	m.counts++
	return llm.Estimate(req), nil
}

func (m *script) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	req.Messages = append([]llm.Message(nil), req.Messages...)
	m.requests = append(m.requests, req)
	if len(m.requests) > len(m.steps) {
		return errors.New("the script is over")
	}
	s := m.steps[len(m.requests)-1]
	var events []llm.Event
	if s.think != "" {
		events = append(events, llm.Event{Reasoning: s.think}, llm.Event{Thinking: &llm.Thinking{Model: m.ID(), Text: s.think, Signature: "sig"}})
	}
	for _, word := range strings.SplitAfter(s.text, " ") {
		if word != "" {
			events = append(events, llm.Event{Text: word})
		}
	}
	for i := range s.calls {
		begun := llm.ToolCall{ID: s.calls[i].ID, Name: s.calls[i].Name}
		events = append(events, llm.Event{Begun: &begun})
		for piece := range slices.Chunk(s.calls[i].Input, 40) {
			events = append(events, llm.Event{Input: &llm.InputDelta{CallID: begun.ID, JSON: string(piece)}})
		}
		c := s.calls[i]
		events = append(events, llm.Event{Call: &c})
	}
	if s.usage != nil {
		events = append(events, llm.Event{Usage: s.usage})
	}
	if s.err == nil && !s.quiet {
		stop := s.stop
		if stop == "" {
			stop = llm.EndTurn
			if len(s.calls) > 0 {
				stop = llm.ToolUse
			}
		}
		events = append(events, llm.Event{Stop: stop})
	}
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	if s.then != nil {
		s.then()
	}
	return s.err
}

// call writes a tool call; input is a Go value or, as a string, JSON itself.
func call(name string, input any) llm.ToolCall {
	raw, isText := input.(string)
	if !isText {
		b, err := json.Marshal(input)
		if err != nil {
			panic(err)
		}
		raw = string(b)
	}
	return llm.ToolCall{ID: "id-" + name, Name: name, Input: llm.RawInput(raw)}
}

type in map[string]any

func write(path, content string) llm.ToolCall {
	return call("os-write", in{"path": path, "content": content})
}

func replaceLines(path, search string, first, last int, replace string) llm.ToolCall {
	return replaceAll(path, in{"search": search, "first_line": first, "last_line": last, "replace": replace})
}

func replaceAll(path string, edits ...in) llm.ToolCall {
	return call("os-line-replace", in{"path": path, "edits": edits})
}

// at is an edit whose search tells where it ends.
func at(first int, search, replace string) in {
	return in{"first_line": first, "search": search, "replace": replace}
}

// memory is a Journal that keeps everything, and the files as a store would: by replaying the changes.
type memory struct {
	mu       sync.Mutex
	said     []string // messages, as JSON
	doings   []string // activities
	calls    []model.ToolCall
	changes  [][]Changed
	texts    []string
	files    map[string][]byte
	failAt   int // the n-th Record fails; 0 never
	cancelAt int // after the n-th Say or Record cancel is called
	kept     int // Says and Records
	cancel   func()
}

func (j *memory) Load(context.Context) ([]llm.Message, []model.ToolCall, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	said := make([]llm.Message, len(j.said))
	for i, text := range j.said {
		if err := json.Unmarshal([]byte(text), &said[i]); err != nil {
			return nil, nil, err
		}
	}
	return said, append([]model.ToolCall(nil), j.calls...), nil
}

func (j *memory) Say(_ context.Context, n int, m llm.Message) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n != len(j.said) {
		return fmt.Errorf("message %d is said after %d", n, len(j.said))
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	j.said = append(j.said, string(text))
	j.keep()
	return nil
}

// keep counts what became durable, and kills the process behind it when that is asked for.
func (j *memory) keep() {
	if j.kept++; j.kept == j.cancelAt {
		j.cancel()
	}
}

func (j *memory) Activity(_ context.Context, text string, thinking bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if thinking {
		text = "(" + text + ")"
	}
	j.doings = append(j.doings, text)
}

func (j *memory) Record(_ context.Context, c model.ToolCall, changed []Changed) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, other := range j.calls {
		if other.Seq == c.Seq {
			return fmt.Errorf("call %d is recorded twice", c.Seq)
		}
	}
	if j.failAt > 0 && len(j.calls)+1 == j.failAt {
		return errors.New("the database is gone")
	}
	// A database keeps JSON its own way.
	var v any
	if err := json.Unmarshal(c.Input, &v); err != nil {
		return fmt.Errorf("input is no JSON: %w", err)
	}
	c.Input, _ = json.MarshalIndent(v, "", " ")
	j.calls = append(j.calls, c)
	j.changes = append(j.changes, changed)
	for _, f := range changed {
		if f.Deleted {
			delete(j.files, f.Path)
		} else {
			j.files[f.Path] = f.Content
		}
	}
	j.keep()
	return nil
}

func (j *memory) Text(_ context.Context, whole string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.texts = append(j.texts, whole)
	return nil
}

// packages edits package.json only; the real one is in the toolchain.
type packages struct{}

func (packages) AddDependency(_ context.Context, tree filetree.Tree, name, rng string, _ bool) (filetree.Tree, string, error) {
	if name == "no-such-package" {
		return tree, "", fault.New(fault.NotFound, "There is no package no-such-package.")
	}
	next, err := tree.WithAll(map[string][]byte{
		"package.json": []byte(`{"dependencies":{"` + name + `":"1.2.3"}}`), lockFile: []byte(`{"lock":"` + name + `"}`),
	})
	return next, "1.2.3", err
}

func (packages) RemoveDependency(_ context.Context, tree filetree.Tree, _ string) (filetree.Tree, error) {
	return tree.With("package.json", []byte(`{"dependencies":{}}`))
}

const appSource = `import { useState } from "react";

export function App() {
  const [n, setN] = useState(0);
  return (
    <main>
      <button onClick={() => setN(n + 1)}>{n}</button>
      <p>Hello</p>
    </main>
  );
}
`

func baseFiles() map[string][]byte {
	return map[string][]byte{
		"index.html":      []byte("<div id=root></div>\n"),
		"package.json":    []byte(`{"dependencies":{"react":"19.0.0"}}`),
		lockFile:          []byte("{}"),
		"src/main.tsx":    []byte("import { App } from \"./App\";\nApp();\n"),
		"src/App.tsx":     []byte(appSource),
		"public/logo.png": {0x89, 0, 1},
		"supabase/migrations/20260101000000_init.sql": []byte("create table app_7_todos ();\n"),
	}
}

// world is one turn in a test.
type world struct {
	t       *testing.T
	journal *memory
	input   Input
	model   *script
	slept   []time.Duration
}

func newWorld(t *testing.T, steps ...step) *world {
	t.Helper()
	base, err := filetree.New(baseFiles())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w := &world{t: t, journal: &memory{files: baseFiles()}, model: &script{steps: steps}}
	w.input = Input{
		Model: w.model, Base: base, Tree: base, Request: "A todo app.", Packages: packages{}, Journal: w.journal,
		Fill: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "{{APP_ID}}", "7")) },
		Now: func() time.Time { // every look at the clock takes a millisecond
			clock = clock.Add(time.Millisecond)
			return clock
		},
		Sleep: func(_ context.Context, d time.Duration) error {
			w.slept = append(w.slept, d)
			return nil
		},
	}
	w.tells(llm.Message{Role: llm.User, Text: w.input.Request}, llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{goodPlan()}},
		llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: "id-os-plan", Text: planAccepted}}})
	return w
}

// tells puts messages into the journal. A new world's turn is planned.
func (w *world) tells(messages ...llm.Message) {
	w.journal.said = nil
	for i, m := range messages {
		if err := w.journal.Say(context.Background(), i, m); err != nil {
			w.t.Fatal(err)
		}
	}
	w.journal.kept = 0
}

func (w *world) build() Result {
	w.t.Helper()
	res, err := Build(context.Background(), w.input, Plan{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.consistent(res)
	return res
}

// consistent checks that the recorded changes are exactly what the result's tree holds.
func (w *world) consistent(res Result) {
	w.t.Helper()
	stored, err := filetree.New(w.journal.files)
	if err != nil {
		w.t.Fatal(err)
	}
	if stored.Hash() != res.Tree.Hash() {
		w.t.Errorf("the journal's files differ from the result: %v", res.Tree.Diff(stored))
	}
}

// said is the turn's conversation.
func (w *world) said() []llm.Message {
	w.t.Helper()
	said, _, err := w.journal.Load(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}

// results are what the model was told after its first reply.
func (w *world) results(request int) []llm.ToolResult {
	w.t.Helper()
	messages := w.model.requests[request].Messages
	return messages[len(messages)-1].Results
}

func content(t *testing.T, tree filetree.Tree, path string) string {
	t.Helper()
	b, ok := tree.Get(path)
	if !ok {
		t.Errorf("%s is missing", path)
	}
	return string(b)
}

func decodeInto(raw []byte, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		panic(err)
	}
}
