package vm_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/model"
	"overskill/views/vm"
)

func encoded(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func note(t *testing.T, attempt int, sentence string) model.Message {
	return model.Message{Content: "Cure it.", Metadata: encoded(t, model.RecoveryNote{Type: model.ErrorRecovery, Attempt: attempt, ErrorClass: "missing_export", Error: sentence})}
}

func TestRecoveries(t *testing.T) {
	turn := model.Turn{
		Version:    model.Version{ID: 1, Status: model.VersionBuilding, CreatedAt: noon},
		Recoveries: []model.Message{note(t, 1, "One."), {Content: "no note"}, {Metadata: json.RawMessage(`{"type":"other"}`)}, note(t, 2, "Two.")},
	}
	want := []vm.Recovery{
		{Attempt: 1, Most: 2, Verb: "Tried to fix", Error: "One.", Class: "missing export", Told: "Cure it."},
		{Attempt: 2, Most: 2, Verb: "Trying to fix", Error: "Two.", Class: "missing export", Told: "Cure it."},
	}
	if diff := cmp.Diff(want, vm.NewTurn("s", turn, "", true, noon).Recoveries); diff != "" {
		t.Error(diff)
	}
	turn.Version.Status = model.VersionGreen
	got := vm.NewTurn("s", turn, "", true, noon).Recoveries
	if got[1].Verb != "Tried to fix" || got[1].Which() != "Attempt 2 of 2, missing export" {
		t.Errorf("%+v", got[1])
	}
}

// A turn that failed says what was tried, and nothing twice.
func TestWhatWasTried(t *testing.T) {
	turn := model.Turn{
		Version: model.Version{ID: 1, Status: model.VersionFailed, Error: "Two. The same error came back, so it was stopped.", CreatedAt: noon},
		Stages: []model.Stage{
			{Name: "build", Step: 5, Status: model.StageFailed, Attempts: 3, Error: "Two."},
			{Name: "validate", Step: 5, Status: model.StageDone, Attempts: 3},
		},
		Fixes:      []model.FixEvent{{Text: "An import had the wrong path."}},
		Recoveries: []model.Message{note(t, 1, "One."), note(t, 2, "Two.")},
	}
	got := vm.NewTurn("s", turn, "", true, noon)
	want := []string{
		"Fixed for $0: An import had the wrong path.", "Attempt 1 of 2 to fix it, not billed: One.", "Attempt 2 of 2 to fix it, not billed.",
		"It ended at step 5, Validating and building (build).",
	}
	if diff := cmp.Diff(want, got.Tried); diff != "" {
		t.Error(diff)
	}
	if got.Steps[4].Error != "" {
		t.Errorf("the step repeats the error: %q", got.Steps[4].Error)
	}
}

// While an error is worked on, the step that found it runs: it does not look failed.
func TestAStepIsProvenAgain(t *testing.T) {
	failed := stage(5, model.StageFailed, 0, time.Second)
	failed.Error = "It does not build."
	turn := model.Turn{
		Version: model.Version{ID: 1, Status: model.VersionBuilding, CreatedAt: noon},
		Stages:  []model.Stage{failed, {Name: "recover", Step: 5, Status: model.StageRunning, StartedAt: noon.Add(time.Second)}},
	}
	if s := vm.NewTurn("s", turn, "", true, noon).Steps[4]; s.State != "now" || s.Error != "" {
		t.Errorf("%+v", s)
	}
}

func TestWhereATurnIsCured(t *testing.T) {
	for class, settings := range map[string]bool{"unauthorized": true, "no_money": true, "unknown_model": true, "budget": true, "invalid": true, "rate_limited": true, "unavailable": false, "type": false, "": false} {
		turn := model.Turn{Version: model.Version{ID: 1, Status: model.VersionFailed, ErrorClass: class}}
		if got := vm.NewTurn("s", turn, "", true, noon).Settings; got != settings {
			t.Errorf("%q: %v", class, got)
		}
	}
	turn := model.Turn{Version: model.Version{ID: 1, Status: model.VersionFailed}}
	for metadata, again := range map[string]string{`{"type":"restore","number":"1.0.2"}`: "1.0.2", `{"type":"x","number":"1"}`: "", `nonsense`: "", ``: ""} {
		turn.Request.Metadata = json.RawMessage(metadata)
		if got := vm.NewTurn("s", turn, "", true, noon).Again; got != again {
			t.Errorf("%s: %q", metadata, got)
		}
	}
}

func TestQuestion(t *testing.T) {
	asked := model.Question{Type: model.AskedQuestion, Text: "Which colour?", Choices: []string{"Red", " ", "Blue "}}
	turn := model.Turn{
		Version: model.Version{ID: 1, Status: model.VersionUnchanged},
		Reply:   model.Message{Content: "Which colour?\n", Metadata: encoded(t, asked)},
	}
	got := vm.NewTurn("s", turn, "", true, noon)
	if diff := cmp.Diff(&vm.Question{Text: "Which colour?", Choices: []string{"Red", "Blue"}}, got.Question); diff != "" || got.Prose != "" {
		t.Errorf("%s, and the prose says it again: %q", diff, got.Prose)
	}
	turn.Reply.Content = "I made nothing yet."
	if got := vm.NewTurn("s", turn, "", true, noon); got.Prose == "" {
		t.Error("what was said beside the question is gone")
	}
	items := vm.NewVersionItems(model.App{}, []model.Version{turn.Version}, "", "changes", noon)
	if vm.MarkQuestions(items, []vm.Turn{got}); items[0].Pill.Text != "Question" {
		t.Errorf("in the timeline it is %q", items[0].Pill.Text)
	}
	got.Newest = true
	if bar := vm.NewVersionBar(model.App{}, []model.Version{turn.Version}, got); !bar.Asks || bar.Pending != "" {
		t.Errorf("%+v", bar)
	}
	turn.Version.Status = model.VersionGreen
	if vm.NewTurn("s", turn, "", true, noon).Question != nil {
		t.Error("a version that was built asks nothing")
	}
	for _, metadata := range []string{"", "{", `{"type":"question"}`, `{"type":"error_recovery","text":"x"}`, `[]`} {
		turn.Version.Status, turn.Reply.Metadata = model.VersionUnchanged, json.RawMessage(metadata)
		if q := vm.NewTurn("s", turn, "", true, noon).Question; q != nil {
			t.Errorf("%s asks %q", metadata, q.Text)
		}
	}
}

func TestModelPicker(t *testing.T) {
	composer := model.ModelOption{Reference: "composer", Name: "Composer", Price: "free", Tested: true}
	sonnet := model.ModelOption{Reference: "a/sonnet", Name: "Sonnet", Connection: "A", Price: "$2"}
	usual := model.ModelOption{Reference: "a/opus", Name: "Opus", Connection: "A", Usual: true}
	tiny := model.ModelOption{Reference: "o/tiny", Connection: "O", Reason: "It calls no tools."}
	for name, tc := range map[string]struct {
		current string
		options []model.ModelOption
		alone   bool
		shown   string
	}{
		"composer alone":         {"", []model.ModelOption{composer}, true, "The team’s choice"},
		"the team's":             {"", []model.ModelOption{usual, composer}, false, "Team: Opus"},
		"nothing":                {"", nil, true, "The team’s choice"},
		"chosen":                 {"a/sonnet", []model.ModelOption{sonnet, tiny, composer}, false, "Sonnet"},
		"chosen, cannot be used": {"o/tiny", []model.ModelOption{sonnet, tiny, composer}, false, "o/tiny, cannot be used"},
		"chosen, gone":           {"b/old", []model.ModelOption{composer}, false, "b/old, not there any more"},
	} {
		p := vm.NewModelPicker("s", "", tc.current, tc.options)
		if p.Alone != tc.alone || p.Shown != tc.shown {
			t.Errorf("%s: alone %v, shown %q", name, p.Alone, p.Shown)
		}
		chosen := 0
		for _, g := range p.Groups {
			for _, c := range g.Choices {
				if c.Chosen {
					chosen++
				}
				if c.Chosen && c.Disabled {
					t.Errorf("%s: what is chosen cannot be sent again", name)
				}
			}
		}
		if chosen != 1 {
			t.Errorf("%s: %d are chosen", name, chosen)
		}
	}
	p := vm.NewModelPicker("s", "", "", []model.ModelOption{sonnet, tiny, composer})
	if c := p.Groups[2].Choices[0]; !c.Disabled || c.Title != "It calls no tools." {
		t.Errorf("%+v", c)
	}
}
