package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// world implements every part that the stages need, and the recorder, in memory. It writes down what happens.
type world struct {
	mu       sync.Mutex // build and check run side by side
	happened []string
	done     map[string]json.RawMessage
	ended    map[string]model.Stage
	lines    []string
	fail     map[string]error // by part
	problems map[string][]model.Diagnostic
	cancel   context.CancelCauseFunc
	stopIn   string

	recover  func(s *State, t Trouble) (filetree.Tree, error) // nil: an author that cannot
	troubles []Trouble
	notes    []model.Message
	fixes    []Fix
	question *model.Question
}

// order returns what happened, with build and check in one order.
func (w *world) order() []string {
	for i := range w.happened[1:] {
		if w.happened[i] == "check" && w.happened[i+1] == "bundle" {
			w.happened[i], w.happened[i+1] = "bundle", "check"
		}
	}
	return w.happened
}

func newWorld() *world {
	return &world{done: map[string]json.RawMessage{}, ended: map[string]model.Stage{}, fail: map[string]error{}, problems: map[string][]model.Diagnostic{}}
}

func (w *world) did(what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happened = append(w.happened, what)
	if w.stopIn == what {
		w.cancel(ErrStopped)
	}
	if err := w.fail[what]; err != nil {
		if err.Error() == "panic" {
			panic("nil map")
		}
		return err
	}
	return nil
}

func (w *world) Plan(context.Context, *State) (Plan, error) {
	return Plan{AppName: "Bees", Understood: []string{"hives"}, Cannot: []string{"honey"}, Question: w.question}, w.did("author plans")
}

func (w *world) Build(_ context.Context, s *State) (filetree.Tree, error) {
	if err := w.did("author builds for " + s.Plan.AppName); err != nil {
		return s.Tree, err
	}
	return s.Tree.With("src/App.tsx", []byte("app"))
}

func (w *world) Files(app model.App) (map[string][]byte, error) {
	return map[string][]byte{"package.json": []byte(app.Name)}, w.did("foundation")
}

func (w *world) Validate(tree filetree.Tree) []model.Diagnostic {
	if tree.Has("cured") {
		return nil
	}
	return w.problems["validate"]
}

func (w *world) Fix(_ context.Context, tree filetree.Tree, _ []model.Diagnostic) (filetree.Tree, []Fix, error) {
	if w.problems["cure"] == nil || tree.Has("cured") {
		return tree, nil, nil
	}
	tree, _ = tree.With("cured", nil)
	return tree, []Fix{{File: "a.ts", What: "cured it"}}, nil
}

func (w *world) Signature(ds []model.Diagnostic) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Message)
	}
	return strings.Join(out, "|")
}

func (w *world) Explain(_ filetree.Tree, ds []model.Diagnostic, attempt, of int, earlier string) (string, []string) {
	return fmt.Sprintf("%d/%d: %s; before: %s", attempt, of, ds[0].Message, earlier), []string{"src/App.tsx"}
}

func (w *world) Recovers(context.Context) error {
	if w.recover == nil {
		return ErrNoRecovery
	}
	return w.fail["recovers"]
}

func (w *world) Recover(_ context.Context, s *State, t Trouble) (filetree.Tree, error) {
	w.troubles = append(w.troubles, t)
	if err := w.did(fmt.Sprintf("author recovers %d", t.Attempt)); err != nil {
		return s.Tree, err
	}
	return w.recover(s, t)
}

func (w *world) Fixed(_ context.Context, fixes []Fix) error {
	w.fixes = append(w.fixes, fixes...)
	return nil
}

func (w *world) Recovering(_ context.Context, note model.RecoveryNote, text string) error {
	meta, err := json.Marshal(note)
	w.notes = append(w.notes, model.Message{Role: model.RoleUser, Content: text, Metadata: meta})
	return err
}

func (w *world) Recoveries(context.Context) ([]model.Message, error) { return w.notes, nil }

func (w *world) Bundle(_ context.Context, s *State, r *Reporter) (Bundle, error) {
	if err := w.did("bundle"); err != nil {
		return Bundle{}, err
	}
	return Bundle{Hash: s.Tree.Hash()}, r.Diagnostics(w.problems["bundle"])
}

func (w *world) Check(_ context.Context, s *State, _ *Reporter) ([]model.Diagnostic, error) {
	if s.Tree.Has("cured") && w.problems["cure"] != nil {
		return nil, w.did("check")
	}
	return w.problems["check"], w.did("check")
}

func (w *world) Deploy(context.Context, *State, *Reporter) error { return w.did("deploy") }

func (w *world) Verify(context.Context, *State, *Reporter) ([]model.Diagnostic, error) {
	return w.problems["verify"], w.did("verify")
}

func (w *world) StageStarted(context.Context, model.Stage) error { return nil }

func (w *world) StageEnded(_ context.Context, st model.Stage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[st.Name] = st
	if st.Status == model.StageDone {
		w.done[st.Name] = st.Output
	}
	return nil
}

func (w *world) Log(stage string, level model.LogLevel, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%s %s %s", stage, level, text))
}

func (w *world) Changed(_ context.Context, before, after filetree.Tree) error {
	for _, c := range after.Diff(before) {
		w.happened = append(w.happened, "saved "+c.Path)
	}
	return nil
}

func (w *world) Done(context.Context) (map[string]json.RawMessage, error) {
	return maps.Clone(w.done), nil
}

func (w *world) run(t *testing.T, s *State) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	w.cancel = cancel
	return New(Parts{w, w, w, w, w, w}, time.Now).Run(ctx, s, w)
}

func TestATurnInOrder(t *testing.T) {
	w, s := newWorld(), &State{Request: "bees"}
	if err := w.run(t, s); err != nil {
		t.Fatal(err)
	}
	want := []string{"author plans", "foundation", "saved package.json", "author builds for Bees", "bundle", "check", "deploy", "verify"}
	if diff := cmp.Diff(want, w.order()); diff != "" {
		t.Error(diff)
	}
	if b, _ := s.Tree.Get("package.json"); string(b) != "Bees" {
		t.Errorf("the foundation was laid for %q, want the name that the author found", b)
	}
	for _, st := range slices.Concat(append(writing(Parts{}), proving(Parts{})...)...) {
		if w.ended[st.Name()].Status != model.StageDone {
			t.Errorf("%s ended as %+v", st.Name(), w.ended[st.Name()])
		}
	}
}

func TestAFailureEndsTheTurnAndTheNextRunResumes(t *testing.T) {
	w, s := newWorld(), &State{Request: "bees"}
	w.fail["check"] = fault.New(fault.Unavailable, "The compiler is away.")
	if err := w.run(t, s); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("error %v", err)
	}
	if st := w.ended["check"]; st.Status != model.StageFailed || st.Error != "The compiler is away." {
		t.Errorf("check ended as %+v", st)
	}
	if _, ok := w.ended["deploy"]; ok {
		t.Error("deploy ran after a failed check")
	}
	delete(w.fail, "check")
	w.happened = nil
	again := &State{Request: "bees", Tree: s.Tree}
	if err := w.run(t, again); err != nil {
		t.Fatal(err)
	}
	want := []string{"bundle", "check", "deploy", "verify"}
	if diff := cmp.Diff(want, w.order()); diff != "" {
		t.Errorf("resumed: %s", diff)
	}
	if again.Plan.AppName != "Bees" {
		t.Errorf("the plan did not come back: %+v", again.Plan)
	}
}

func TestProblemsOfTheApp(t *testing.T) {
	hard := []model.Diagnostic{{Class: "type", File: "a.ts", Line: 3, Message: "wrong", Code: "TS1", Snippet: "let x", Cure: "say y"}, {Class: "type", Message: "more"}}
	for _, stage := range []string{"validate", "check", "verify"} {
		w, s := newWorld(), &State{Request: "bees"}
		w.problems[stage] = hard
		err := w.run(t, s)
		var problems *ProblemsError
		if !errors.As(err, &problems) || len(problems.Diagnostics) != 2 || ClassOf(err) != "type" {
			t.Errorf("%s: error %v, class %s", stage, err, ClassOf(err))
		}
		if got := Sentence(err); got != "a.ts:3: wrong (TS1) (and 1 more)" {
			t.Errorf("%s: sentence %q", stage, got)
		}
		if log := strings.Join(w.lines, "\n"); !strings.Contains(log, stage+" error a.ts:3: wrong (TS1)\n"+stage+" error     let x\n"+stage+" error     say y") {
			t.Errorf("%s: log\n%s", stage, log)
		}
	}
	w := newWorld()
	w.problems["check"] = []model.Diagnostic{{Warning: true, Message: "careful"}}
	if err := w.run(t, &State{Request: "bees"}); err != nil {
		t.Errorf("a warning ended the turn: %v", err)
	}
}

func TestKnownCuresAreAppliedAndSaved(t *testing.T) {
	w := newWorld()
	w.problems["validate"] = []model.Diagnostic{{Message: "broken import"}}
	w.problems["cure"] = w.problems["validate"]
	s := &State{Request: "bees"}
	if err := w.run(t, s); err != nil {
		t.Fatal(err)
	}
	if !s.Tree.Has("cured") || !strings.Contains(strings.Join(w.happened, ","), "saved cured") || len(w.fixes) != 1 {
		t.Errorf("files %v, happened %v", s.Tree.Paths(), w.happened)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	w := newWorld()
	w.fail["bundle"] = errors.New("panic")
	err := w.run(t, &State{Request: "bees"})
	if err == nil || !strings.Contains(err.Error(), "panic in build: nil map") {
		t.Fatalf("error %v", err)
	}
	if st := w.ended["build"]; st.Status != model.StageFailed || strings.Contains(st.Error, "nil map") {
		t.Errorf("build ended as %+v: people must not read the panic", st)
	}
}

func TestStopEndsBetweenStages(t *testing.T) {
	w := newWorld()
	w.stopIn = "author plans"
	err := w.run(t, &State{Request: "bees"})
	if !errors.Is(err, ErrStopped) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff([]string{"author plans"}, w.happened); diff != "" {
		t.Error(diff)
	}
	if st := w.ended["foundation"]; st.Status != model.StageStopped {
		t.Errorf("foundation ended as %+v", st)
	}
}

func TestFollowUpKeepsTheFoundation(t *testing.T) {
	base, err := filetree.New(map[string][]byte{"package.json": []byte("mine")})
	if err != nil {
		t.Fatal(err)
	}
	w, s := newWorld(), &State{Request: "bees", Base: base, Tree: base}
	if err := w.run(t, s); err != nil {
		t.Fatal(err)
	}
	if len(w.ended) != 9 {
		t.Errorf("%d stages ended, want all nine", len(w.ended))
	}
	if b, _ := s.Tree.Get("package.json"); string(b) != "mine" {
		t.Errorf("package.json is %q", b)
	}
}

// TestAnAnswerWithoutChangesBuildsNothing: asking a question must not cost a build.
func TestAnAnswerWithoutChangesBuildsNothing(t *testing.T) {
	base, err := filetree.New(map[string][]byte{"src/App.tsx": []byte("app")}) // what the author writes anyway
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	if err := w.run(t, &State{Request: "bees", Base: base, Tree: base}); !errors.Is(err, ErrUnchanged) {
		t.Fatalf("error %v, want unchanged", err)
	}
	if diff := cmp.Diff([]string{"author plans", "author builds for Bees"}, w.happened); diff != "" {
		t.Error(diff)
	}
}

// TestBuildAndCheckTellTogether: a person reads all that is wrong at once.
func TestBuildAndCheckTellTogether(t *testing.T) {
	w := newWorld()
	w.problems["bundle"] = []model.Diagnostic{{Class: "syntax", Message: "no bracket"}}
	w.problems["check"] = []model.Diagnostic{{Class: "type", Message: "no such name"}}
	if err := w.run(t, &State{Request: "bees"}); ClassOf(err) != "syntax" {
		t.Errorf("class %s of %v", ClassOf(err), err)
	}
	log := strings.Join(w.lines, "\n")
	if !strings.Contains(log, "no bracket") || !strings.Contains(log, "no such name") {
		t.Errorf("log\n%s", log)
	}
}

func TestDescribe(t *testing.T) {
	for want, d := range map[string]model.Diagnostic{
		"no place":                     {Message: "no place"},
		"a.ts: no line":                {File: "a.ts", Message: "no line"},
		"a.ts:3: with a line (TS1)":    {File: "a.ts", Line: 3, Message: "with a line", Code: "TS1"},
		"a.ts:3 imports what is gone.": {File: "a.ts", Line: 3, Message: "a.ts imports what is gone."},
	} {
		if got := Describe(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestStopWhileAStageIsRecorded: the record is the first thing that a stop interrupts.
func TestStopWhileAStageIsRecorded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrStopped)
	w := &deafWorld{newWorld()}
	err := New(Parts{w, w, w, w, w, w}, time.Now).Run(ctx, &State{Request: "bees"}, w)
	if !errors.Is(err, ErrStopped) {
		t.Errorf("error %v, want stopped", err)
	}
}

// deafWorld records nothing once the context has ended, as a database does.
type deafWorld struct{ *world }

func (*deafWorld) StageStarted(ctx context.Context, _ model.Stage) error { return ctx.Err() }
