package store_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

func TestConversationOfARunningTurn(t *testing.T) {
	s := open(t)
	_, turn, _ := newApp(t, s, newUser(t, s, "a@example.com"), "one")
	v := turn.Version
	said := []llm.Message{
		{Role: llm.User, Text: "a todo app"},
		{
			Role: llm.Assistant, Text: "Yes.", Thinking: []llm.Thinking{{Model: "m", Text: "hm", Signature: "abc="}},
			Calls: []llm.ToolCall{
				{ID: "1", Name: "os-view", Input: llm.RawInput(`{"path":"a\u0000b"}`)},
				{ID: "2", Name: "os-write", Input: llm.RawInput(`{"path": "cut off`)}, // what a model wrote may be no JSON
			},
		},
		{Role: llm.User, Results: []llm.ToolResult{{CallID: "1", Text: "ok"}, {CallID: "2", Text: "no JSON", Failed: true}}},
	}
	for i, m := range said {
		if err := s.Said(t.Context(), v.ID, i, m); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.WhatWasSaid(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(said, got); diff != "" {
		t.Error(diff)
	}
	if err := s.Said(t.Context(), v.ID, 1, said[1]); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second worker's message: %v", err)
	}
	if err := s.EndTurn(t.Context(), v, model.VersionFailed, "type", "no"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.WhatWasSaid(t.Context(), v.ID); err != nil || len(got) != 0 {
		t.Errorf("after the turn %d messages are kept, %v", len(got), err)
	}
}

func TestRecoveriesAndFixesAreInTheTurn(t *testing.T) {
	s := open(t)
	app, turn, _ := newApp(t, s, newUser(t, s, "a@example.com"), "one")
	v := turn.Version
	note := model.RecoveryNote{Type: model.ErrorRecovery, Attempt: 1, ErrorClass: "type", Error: "no such name", Signature: "s", BillingIgnore: true}
	if err := s.AddRecovery(t.Context(), v, note, "Please fix it"); err != nil {
		t.Fatal(err)
	}
	fix := model.FixEvent{VersionID: v.ID, File: "a.ts", Text: "Added the import."}
	if err := s.AddFixes(t.Context(), app.ID, []model.FixEvent{fix}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Turn(t.Context(), app.ID, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Request.Content != "p" || len(got.Recoveries) != 1 || got.Recoveries[0].Content != "Please fix it" {
		t.Errorf("turn %+v", got)
	}
	var back model.RecoveryNote
	if err := json.Unmarshal(got.Recoveries[0].Metadata, &back); err != nil || back != note {
		t.Errorf("note %+v, %v", back, err)
	}
	if diff := cmp.Diff([]model.FixEvent{fix}, got.Fixes); diff != "" {
		t.Error(diff)
	}
	recoveries, err := s.Recoveries(t.Context(), v.ID)
	if err != nil || len(recoveries) != 1 {
		t.Errorf("recoveries %v, %v", recoveries, err)
	}
	if earlier, err := s.Conversation(t.Context(), app.ID, v.ID+1); err != nil || len(earlier) != 1 || earlier[0].Content != "p" {
		t.Errorf("what is told to the next turn: %+v, %v", earlier, err)
	}
}

// TestAQuestionLeavesTheAppWaiting: an author that asks has not failed.
func TestAQuestionLeavesTheAppWaiting(t *testing.T) {
	s := open(t)
	u := newUser(t, s, "a@example.com")
	app, turn, _ := newApp(t, s, u, "one")
	q := model.Question{Type: model.AskedQuestion, Text: "Which one?", Choices: []string{"a", "b"}}
	if err := s.AskPerson(t.Context(), turn.Version, q); err != nil {
		t.Fatal(err)
	}
	app, err := s.App(t.Context(), app.ID)
	if err != nil || app.Status != model.AppDraft || app.DeploymentStatus != model.DeployNone {
		t.Errorf("app is %s, deployment %q, %v", app.Status, app.DeploymentStatus, err)
	}
	earlier, err := s.Conversation(t.Context(), app.ID, turn.Version.ID+1)
	if err != nil || len(earlier) != 2 {
		t.Fatalf("%d messages are told to the next turn, %v", len(earlier), err)
	}
	var back model.Question
	if err := json.Unmarshal(earlier[1].Metadata, &back); err != nil || !cmp.Equal(q, back) {
		t.Errorf("question %+v, %v", back, err)
	}
	if _, _, err := s.StartTurn(t.Context(), app.ID, newTurn(u, "b")); err != nil {
		t.Errorf("the answer: %v", err)
	}
}

func TestOnlyTheNewestActivityIsKept(t *testing.T) {
	s := open(t)
	app, turn, _ := newApp(t, s, newUser(t, s, "a@example.com"), "one")
	for _, text := range []string{"Writing a", "Writing b"} {
		if err := s.ShowActivity(t.Context(), app.ID, model.ActivityEvent{VersionID: turn.Version.ID, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.EventsAfter(t.Context(), app.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, e := range events {
		if e.Kind == model.EventActivity {
			seen = append(seen, string(e.Data))
		}
	}
	if len(seen) != 1 {
		t.Errorf("activities %v", seen)
	}
}

func newTurn(u model.User, text string) store.NewTurn {
	return store.NewTurn{UserID: u.ID, Content: text, JobKind: "k"}
}
