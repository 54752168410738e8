package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// edits returns an author's cure: it changes a file each time, and calls then.
func edits(then func(t Trouble)) func(*State, Trouble) (filetree.Tree, error) {
	return func(s *State, t Trouble) (filetree.Tree, error) {
		then(t)
		return s.Tree.With("src/App.tsx", fmt.Appendf(nil, "try %d", t.Attempt))
	}
}

func problem(class, message string) []model.Diagnostic {
	return []model.Diagnostic{{Class: class, Message: message}}
}

func TestAnErrorIsCuredByTheAuthor(t *testing.T) {
	for _, stage := range []string{"validate", "check", "bundle", "verify"} {
		w, s := newWorld(), &State{Request: "bees"}
		w.problems[stage] = problem("type", "no such name")
		w.recover = edits(func(Trouble) { delete(w.problems, stage) })
		if err := w.run(t, s); err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		want := []Trouble{{Attempt: 1, Text: "1/2: no such name; before: ", Shown: []string{"src/App.tsx"}}}
		if diff := cmp.Diff(want, w.troubles); diff != "" {
			t.Errorf("%s: %s", stage, diff)
		}
		var note model.RecoveryNote
		if err := json.Unmarshal(w.notes[0].Metadata, &note); err != nil {
			t.Fatal(err)
		}
		wantNote := model.RecoveryNote{
			Type: "error_recovery", Attempt: 1, ErrorClass: "type", Error: "no such name", Signature: "no such name", BillingIgnore: true,
		}
		if diff := cmp.Diff(wantNote, note); diff != "" {
			t.Errorf("%s: %s", stage, diff)
		}
		if st := w.ended["recover"]; st.Status != model.StageDone || st.Step != 5 {
			t.Errorf("%s: recover ended as %+v", stage, st)
		}
	}
}

func TestTheSameErrorTwiceStops(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "no such name")
	w.recover = edits(func(Trouble) {})
	err := w.run(t, &State{Request: "bees"})
	if len(w.troubles) != 1 || ClassOf(err) != "type" {
		t.Errorf("%d attempts, class %q, error %v", len(w.troubles), ClassOf(err), err)
	}
	want := "no such name. The same error came back after an attempt to fix it, so it was stopped. The attempt was not billed."
	if got := Sentence(err); got != want {
		t.Errorf("sentence %q", got)
	}
	if _, deployed := w.ended["deploy"]; deployed {
		t.Error("it was deployed")
	}
}

func TestTwoAttemptsAreAll(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "error 0")
	w.recover = edits(func(tr Trouble) { w.problems["check"] = problem("syntax", fmt.Sprintf("error %d", tr.Attempt)) })
	err := w.run(t, &State{Request: "bees"})
	if len(w.troubles) != 2 || w.troubles[1].Text != "2/2: error 1; before: error 0" {
		t.Errorf("attempts: %+v", w.troubles)
	}
	if got := Sentence(err); got != "error 2. 2 attempts to fix it did not help. They were not billed." {
		t.Errorf("sentence %q", got)
	}
}

func TestAnAttemptThatChangesNothingStops(t *testing.T) {
	w := newWorld()
	w.problems["verify"] = problem("blank", "The page stays blank.")
	w.recover = func(s *State, _ Trouble) (filetree.Tree, error) { return s.Tree, nil }
	err := w.run(t, &State{Request: "bees"})
	if len(w.troubles) != 1 || !strings.Contains(Sentence(err), "changed nothing") || ClassOf(err) != "blank" {
		t.Errorf("%d attempts, error %v", len(w.troubles), err)
	}
}

func TestRecoveryThatIsForbiddenOrFails(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "no such name")
	w.recover = edits(func(Trouble) {})
	w.fail["recovers"] = fault.New(fault.RateLimited, "This month's allowance for repairs is used up.")
	err := w.run(t, &State{Request: "bees"})
	if len(w.troubles) != 0 || Sentence(err) != "no such name. No attempt to fix it was made: This month's allowance for repairs is used up." {
		t.Errorf("%d attempts, %q", len(w.troubles), Sentence(err))
	}

	w = newWorld()
	w.problems["check"] = problem("type", "no such name")
	w.recover = edits(func(Trouble) {})
	w.fail["author recovers 1"] = fault.New(fault.Unavailable, "The model does not answer.")
	err = w.run(t, &State{Request: "bees"})
	if Sentence(err) != "no such name. An attempt to fix it could not be made: The model does not answer." || ClassOf(err) != "type" {
		t.Errorf("%q, class %s", Sentence(err), ClassOf(err))
	}
}

// TestAnAuthorByRules: who would make the same mistake again is not asked to.
func TestAnAuthorByRules(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "no such name")
	err := w.run(t, &State{Request: "bees"})
	if len(w.notes) != 0 || Sentence(err) != "no such name" {
		t.Errorf("notes %v, sentence %q", w.notes, Sentence(err))
	}
	if _, ran := w.ended["recover"]; ran {
		t.Error("a recovery is on record")
	}
}

// TestCuresOfLaterStages: what the compiler finds is cured for nothing, too, before anybody is asked.
func TestCuresOfLaterStages(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "did you mean")
	w.problems["cure"] = w.problems["check"]
	w.recover = edits(func(Trouble) {})
	if err := w.run(t, &State{Request: "bees"}); err != nil {
		t.Fatal(err)
	}
	if len(w.troubles) != 0 || len(w.fixes) != 1 {
		t.Errorf("%d recoveries, fixes %v", len(w.troubles), w.fixes)
	}
}

// TestARecoveryIsTakenToItsEnd: a worker that dies in an attempt leaves it to the next one.
func TestARecoveryIsTakenToItsEnd(t *testing.T) {
	w := newWorld()
	w.problems["check"] = problem("type", "no such name")
	w.recover = edits(func(Trouble) {})
	w.stopIn, w.fail["author recovers 1"] = "author recovers 1", errors.New("the worker died")
	s := &State{Request: "bees"}
	if err := w.run(t, s); !errors.Is(err, ErrStopped) {
		t.Fatalf("error %v", err)
	}
	w.stopIn, w.happened = "", nil
	delete(w.fail, "author recovers 1")
	w.recover = edits(func(Trouble) { delete(w.problems, "check") })
	if err := w.run(t, &State{Request: "bees", Tree: s.Tree}); err != nil {
		t.Fatal(err)
	}
	if w.happened[0] != "author recovers 1" || len(w.notes) != 1 {
		t.Errorf("happened %v, %d notes", w.happened, len(w.notes))
	}
	// And one that was finished is not made again.
	w.happened = nil
	if err := w.run(t, &State{Request: "bees", Tree: s.Tree}); err != nil {
		t.Fatal(err)
	}
	if w.happened[0] == "author recovers 1" {
		t.Error("a finished recovery was made again")
	}
}

func TestAQuestionEndsTheTurn(t *testing.T) {
	w := newWorld()
	w.question = &model.Question{Type: model.AskedQuestion, Text: "Which one?", Choices: []string{"a", "b"}}
	for range 2 { // the second time from the record
		s := &State{Request: "bees"}
		if err := w.run(t, s); !errors.Is(err, ErrAsked) || s.Plan.Question.Text != "Which one?" {
			t.Fatalf("error %v, plan %+v", err, s.Plan)
		}
	}
	if diff := cmp.Diff([]string{"author plans"}, w.happened); diff != "" {
		t.Error(diff)
	}
}
