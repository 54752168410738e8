package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"overskill/internal/model"
)

const (
	// MaxRecoveries is how often an author is asked to cure what it wrote.
	MaxRecoveries = 2
	// maxMends bounds the rounds of cures without a model, which could otherwise undo each other.
	maxMends = 6
)

// Trouble is what an author is asked to cure.
type Trouble struct {
	Attempt int      // from 1
	Text    string   // the message: the errors, the files around them, advice
	Shown   []string // the files that Text quotes
}

// ErrNoRecovery is what an Author answers that cannot cure its own mistakes, because it would make them again.
var ErrNoRecovery = errors.New("this author does not recover")

// GaveUpError is a problem of the app that stayed after all that was tried.
type GaveUpError struct {
	Problems *ProblemsError
	Why      string // a sentence: what was tried
	Cause    error  // what kept recovery from going on; may be nil
}

func (e *GaveUpError) Error() string { return e.Problems.Error() + " " + e.Why }

func (e *GaveUpError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Problems}
	}
	return []error{e.Problems, e.Cause}
}

// prove runs the stages that prove the version, and answers the problems that they find:
//
//	problem ──> a known cure? ──> apply it, "fixed for $0", prove again
//	        └─> seen before, or asked twice? ──> give up, the last green version stays
//	        └─> ask the author, in the same conversation, at our cost ──> prove again
func (p *Pipeline) prove(ctx context.Context, s *State, rec Recorder, done map[string]json.RawMessage) error {
	h, err := p.history(ctx, s, rec, done)
	if err != nil {
		return err
	}
	for mends := 0; ; {
		err := p.provenOnce(ctx, s, rec)
		var problems *ProblemsError
		if err == nil || !errors.As(err, &problems) || ctx.Err() != nil {
			return err
		}
		if mends < maxMends {
			mends++
			cured, err := mend(ctx, p.parts.Reviewer, s, &Reporter{stage: problems.Stage, rec: rec}, problems.Diagnostics)
			if err != nil {
				return err
			}
			if cured {
				continue
			}
		}
		if err := p.recover(ctx, s, rec, h, problems); err != nil {
			return err
		}
		mends = 0
	}
}

func (p *Pipeline) provenOnce(ctx context.Context, s *State, rec Recorder) error {
	for _, row := range p.proving {
		if err := p.runRow(ctx, row, s, rec, nil); err != nil {
			return err
		}
	}
	return nil
}

// mend applies the cures that need no model, and records them.
func mend(ctx context.Context, reviewer Reviewer, s *State, r *Reporter, problems []model.Diagnostic) (cured bool, err error) {
	tree, fixes, err := reviewer.Fix(ctx, s.Tree, problems)
	if err != nil {
		return false, err
	}
	if len(fixes) == 0 || tree.Hash() == s.Tree.Hash() {
		return false, nil
	}
	if err := r.Changed(ctx, s.Tree, tree); err != nil {
		return false, err
	}
	for _, f := range fixes {
		r.Info("Fixed for $0: %s: %s", f.File, f.What)
	}
	s.Tree = tree
	return true, r.rec.Fixed(ctx, fixes)
}

// recoveries is what has been tried for this version, also by processes before this one.
type recoveries struct {
	attempts   int
	signatures map[string]bool
	earlier    string // the last error that an attempt was made at
}

// history reads what has been tried, and takes an attempt to its end that was interrupted.
func (p *Pipeline) history(ctx context.Context, s *State, rec Recorder, done map[string]json.RawMessage) (*recoveries, error) {
	messages, err := rec.Recoveries(ctx)
	if err != nil {
		return nil, fmt.Errorf("read earlier recoveries: %w", err)
	}
	h := &recoveries{signatures: map[string]bool{}}
	var last Trouble
	var lastNote model.RecoveryNote
	for _, m := range messages {
		var note model.RecoveryNote
		if err := json.Unmarshal(m.Metadata, &note); err != nil {
			return nil, fmt.Errorf("read recovery %d: %w", m.ID, err)
		}
		h.attempts = max(h.attempts, note.Attempt)
		h.signatures[note.Signature] = true
		h.earlier = note.Error
		last, lastNote = Trouble{Attempt: note.Attempt, Text: m.Content}, note
	}
	var finished recovered
	if output, ok := done[recovery{}.Name()]; ok && output != nil {
		if err := json.Unmarshal(output, &finished); err != nil {
			return nil, fmt.Errorf("read the finished recovery: %w", err)
		}
	}
	if h.attempts > finished.Attempt {
		err := p.runStage(ctx, &recovery{author: p.parts.Author, trouble: last}, s, rec)
		if err != nil && ctx.Err() == nil {
			return nil, &GaveUpError{
				Problems: &ProblemsError{Stage: "recover", Diagnostics: []model.Diagnostic{{Class: lastNote.ErrorClass, Message: lastNote.Error}}},
				Why:      "An attempt to fix it could not be finished: " + sentence(err), Cause: err,
			}
		}
		return h, err
	}
	return h, nil
}

// recover asks the author to cure problems, or gives up with the reason.
func (p *Pipeline) recover(ctx context.Context, s *State, rec Recorder, h *recoveries, problems *ProblemsError) error {
	if !slices.ContainsFunc(problems.Diagnostics, func(d model.Diagnostic) bool { return d.Class != model.ClassDeployment }) {
		return problems // no change of the files can cure it
	}
	signature := p.parts.Reviewer.Signature(problems.Diagnostics)
	gaveUp := &GaveUpError{Problems: problems}
	switch {
	case h.signatures[signature]:
		gaveUp.Why = "The same error came back after an attempt to fix it, so it was stopped. The attempt was not billed."
		return gaveUp
	case h.attempts == MaxRecoveries:
		gaveUp.Why = fmt.Sprintf("%d attempts to fix it did not help. They were not billed.", MaxRecoveries)
		return gaveUp
	}
	trouble := Trouble{Attempt: h.attempts + 1}
	trouble.Text, trouble.Shown = p.parts.Reviewer.Explain(s.Tree, problems.Diagnostics, trouble.Attempt, MaxRecoveries, h.earlier)
	note := model.RecoveryNote{
		Type: model.ErrorRecovery, Attempt: trouble.Attempt, ErrorClass: ClassOf(problems), Error: sentence(problems),
		Signature: signature, BillingIgnore: true,
	}
	if err := p.parts.Author.Recovers(ctx); err != nil {
		if errors.Is(err, ErrNoRecovery) {
			return problems
		}
		gaveUp.Why, gaveUp.Cause = "No attempt to fix it was made: "+sentence(err), err
		return gaveUp
	}
	before := s.Tree.Hash()
	err := p.runStage(ctx, &recovery{author: p.parts.Author, trouble: trouble, note: &note}, s, rec)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		gaveUp.Why, gaveUp.Cause = "An attempt to fix it could not be made: "+sentence(err), err
		return gaveUp
	case s.Tree.Hash() == before:
		gaveUp.Why = "An attempt to fix it changed nothing, so it was stopped. The attempt was not billed."
		return gaveUp
	}
	h.attempts, h.signatures[signature], h.earlier = trouble.Attempt, true, note.Error
	return nil
}

// recovery is the stage in which the author works on an error. It is no row of the list: it runs when it must.
type recovery struct {
	author  Author
	trouble Trouble
	note    *model.RecoveryNote // nil: it is on record already
}

// recovered is the output of a recovery.
type recovered struct {
	Attempt int `json:"attempt"`
}

func (recovery) Name() string { return "recover" }
func (recovery) Step() int    { return 5 }

func (st *recovery) Run(ctx context.Context, s *State, r *Reporter) error {
	if st.note != nil {
		if err := r.rec.Recovering(ctx, *st.note, st.trouble.Text); err != nil {
			return err
		}
	}
	r.Info("Attempt %d of %d to fix it, not billed", st.trouble.Attempt, MaxRecoveries)
	tree, err := st.author.Recover(ctx, s, st.trouble)
	if err != nil {
		return err
	}
	r.Info("%d files changed", len(tree.Diff(s.Tree)))
	s.Tree = tree
	return nil
}

func (st *recovery) Output(*State) any                  { return recovered{st.trouble.Attempt} }
func (*recovery) Restore(*State, json.RawMessage) error { return nil }
