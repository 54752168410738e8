// Package pipeline is V4: the ordered stages that turn a request into a version that is really live.
//
//	understand -> plan -> foundation -> generate -> validate -> build -> check -> deploy -> verify
//
// A stage is a small struct with Run. Stages share a State; they report through a Recorder, which persists;
// the pipeline itself knows no SQL, no HTTP and no queue. Whatever a stage needs from the outside is an
// interface of this package, so the list in stages.go reads as the story of a turn.
//
// The stages from validate on prove what the ones before have written. When they find a problem of the app's own
// code, it is cured without a model where the cure is known, and else the author is asked to, at most twice:
// recovery.go.
//
// A pipeline may be cut off at any point and run again for the same version. A stage that implements
// Resumable is skipped when it is recorded as done, and gives its output back to the State; the others
// are cheap and idempotent and run again. Nothing here makes a version live before the last stage has
// passed: that is the last-green rule.
package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// State is what the stages of one turn share.
type State struct {
	App     model.App
	Version model.Version

	Request string        // what the person asked for
	History []llm.Message // earlier turns, oldest first
	Base    filetree.Tree // the parent version's files: the last green ones
	Tree    filetree.Tree // the version's files so far

	Plan   Plan
	Bundle Bundle // set by build

	written bool // generate has run in this process
}

// Unchanged reports whether the author is done and left every file as it was: there is nothing to build.
func (s *State) Unchanged() bool {
	return s.written && s.Base.Len() > 0 && s.Tree.Hash() == s.Base.Hash()
}

// Plan is what the author understood and is going to do.
type Plan struct {
	AppName     string   `json:"app_name"`
	VersionName string   `json:"version_name"`
	Understood  []string `json:"understood"`
	Assumed     []string `json:"assumed"`
	Cannot      []string `json:"cannot"`
	Changes     []string `json:"changes"`
	// Question is set instead of all that when the author has to ask before it can plan. It ends the turn.
	Question *model.Question `json:"question,omitempty"`
}

// Bundle is a built version, ready to be served.
type Bundle struct {
	Hash    string // identifies the served bytes and rules
	Bytes   int64  // of the Worker
	Assets  map[string]string
	Payload any // the target's own form
}

// Stage is one step of the pipeline.
type Stage interface {
	Name() string
	Step() int // which of the six steps that people see, 1 to 6
	Run(ctx context.Context, s *State, r *Reporter) error
}

// Resumable is a Stage that is not run again once it is done.
type Resumable interface {
	// Output is what the State must get back after a restart; nil for nothing.
	Output(s *State) any
	Restore(s *State, output json.RawMessage) error
}

// Recorder persists what happens. Its methods return only when the record is durable.
type Recorder interface {
	StageStarted(ctx context.Context, st model.Stage) error
	StageEnded(ctx context.Context, st model.Stage) error
	// Log adds a line to the live build log. It may be written a moment later.
	Log(stage string, level model.LogLevel, text string)
	// Changed saves the files that differ between two states of the version's tree.
	Changed(ctx context.Context, before, after filetree.Tree) error
	// Done returns the stages that are recorded as done, with their outputs.
	Done(ctx context.Context) (map[string]json.RawMessage, error)

	Chat
}

// Chat records what the builder does by itself about an error, where the person reads it.
type Chat interface {
	// Fixed says what was cured without a model.
	Fixed(ctx context.Context, fixes []Fix) error
	// Recovering adds the message by which the author is asked to cure an error.
	Recovering(ctx context.Context, note model.RecoveryNote, text string) error
	// Recoveries returns the messages of this version that Recovering has added.
	Recoveries(ctx context.Context) ([]model.Message, error)
}

// Fix is one cure that cost nothing.
type Fix struct {
	File string
	What string // a sentence
}

// ProblemsError says that the app's own code keeps it from being green.
type ProblemsError struct {
	Stage       string
	Diagnostics []model.Diagnostic
}

func (e *ProblemsError) Error() string {
	if len(e.Diagnostics) == 0 {
		return e.Stage + " failed"
	}
	return fmt.Sprintf("%s: %s", e.Stage, Describe(e.Diagnostics[0]))
}

// Describe puts a diagnostic in one line.
func Describe(d model.Diagnostic) string {
	where := d.File
	if d.Line > 0 {
		where = fmt.Sprintf("%s:%d", d.File, d.Line)
	}
	switch {
	case where == "":
	case strings.HasPrefix(d.Message, d.File):
		d.Message = d.Message[len(d.File):]
	default:
		where += ": "
	}
	text := where + d.Message
	if d.Code != "" {
		text = strings.TrimSuffix(text, ".") + " (" + d.Code + ")"
	}
	return text
}

// Pipeline runs stages in order; those of one row run side by side.
type Pipeline struct {
	writing [][]Stage
	proving [][]Stage
	parts   Parts
	now     func() time.Time
}

// New returns V4 on these parts.
func New(p Parts, now func() time.Time) *Pipeline {
	return &Pipeline{writing: writing(p), proving: proving(p), parts: p, now: now}
}

// Run takes the version through all stages, beginning at the first unfinished one. It returns nil when the
// last stage passed; the caller then promotes the version. The returned error's class is ClassOf.
func (p *Pipeline) Run(ctx context.Context, s *State, rec Recorder) error {
	done, err := rec.Done(ctx)
	if err != nil {
		return fmt.Errorf("read finished stages: %w", err)
	}
	for _, row := range p.writing {
		if err := p.runRow(ctx, row, s, rec, done); err != nil {
			return err
		}
		switch {
		case s.Plan.Question != nil:
			return ErrAsked
		case s.Unchanged():
			return ErrUnchanged
		}
	}
	return p.prove(ctx, s, rec, done)
}

// runRow runs the stages of a row that are not done. Problems of the app that several of them find are one error:
// a person, and the author, read all that is wrong at once.
func (p *Pipeline) runRow(ctx context.Context, row []Stage, s *State, rec Recorder, done map[string]json.RawMessage) error {
	errs := make([]error, len(row))
	var running sync.WaitGroup
	for i, stage := range row {
		output, finished := done[stage.Name()]
		if again, ok := stage.(Resumable); ok && finished {
			if err := again.Restore(s, output); err != nil {
				return fmt.Errorf("resume %s: %w", stage.Name(), err)
			}
			continue
		}
		running.Go(func() { errs[i] = p.runStage(ctx, stage, s, rec) })
	}
	running.Wait()
	var all *ProblemsError
	for _, err := range errs {
		var problems *ProblemsError
		switch {
		case err == nil:
		case !errors.As(err, &problems):
			return err // of ours: what the app does wrong beside it can wait
		case all == nil:
			all = &ProblemsError{Stage: problems.Stage, Diagnostics: problems.Diagnostics}
		default:
			all.Diagnostics = append(all.Diagnostics, problems.Diagnostics...)
		}
	}
	if all != nil {
		return all
	}
	return nil
}

func (p *Pipeline) runStage(ctx context.Context, stage Stage, s *State, rec Recorder) error {
	st := model.Stage{VersionID: s.Version.ID, Name: stage.Name(), Step: stage.Step(), StartedAt: p.now()}
	if err := rec.StageStarted(ctx, st); err != nil {
		return errors.Join(context.Cause(ctx), fmt.Errorf("record %s: %w", st.Name, err))
	}
	runErr := guard(ctx, stage, s, &Reporter{stage: stage.Name(), rec: rec})

	st.EndedAt = p.now()
	st.Status = model.StageDone
	if runErr != nil {
		st.Status, st.Error = model.StageFailed, sentence(runErr)
		if stopped(ctx) {
			st.Status, st.Error = model.StageStopped, ""
		}
	} else if again, ok := stage.(Resumable); ok {
		if out := again.Output(s); out != nil {
			var err error
			if st.Output, err = json.Marshal(out); err != nil {
				return fmt.Errorf("encode the output of %s: %w", st.Name, err)
			}
		}
	}
	// Also when ctx has ended: how the stage ended must be on record.
	if err := rec.StageEnded(context.WithoutCancel(ctx), st); err != nil {
		return errors.Join(runErr, fmt.Errorf("record %s: %w", st.Name, err))
	}
	return runErr
}

// guard runs a stage and turns a panic into an error: one bad app must not take the worker down.
func guard(ctx context.Context, stage Stage, s *State, r *Reporter) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in %s: %v\n%s", stage.Name(), v, debug.Stack())
		}
	}()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	err = stage.Run(ctx, s, r)
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// ErrStopped is the cause of a context that a person ended.
var ErrStopped = fault.New(fault.Canceled, "It was stopped. The last working version stays live.")

// ErrUnchanged ends a turn in which the author answered without changing anything.
var ErrUnchanged = errors.New("nothing was changed")

// ErrAsked ends a turn in which the author has to ask the person something before it can plan.
var ErrAsked = errors.New("the author asks")

func stopped(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrStopped) }

// sentence is what a person reads about an error.
func sentence(err error) string {
	var gaveUp *GaveUpError
	if errors.As(err, &gaveUp) {
		return strings.TrimRight(sentence(gaveUp.Problems), ".") + ". " + gaveUp.Why
	}
	var problems *ProblemsError
	if errors.As(err, &problems) {
		if len(problems.Diagnostics) == 0 {
			return problems.Error()
		}
		text := Describe(problems.Diagnostics[0])
		if more := len(problems.Diagnostics) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		return text
	}
	return fault.Text(err)
}

// Sentence and ClassOf describe why a run ended, for the version's record.
func Sentence(err error) string { return sentence(err) }

// ClassOf names the sort of error: a diagnostic's class, why a model refused, or the kind of fault.
func ClassOf(err error) string {
	var problems *ProblemsError
	if errors.As(err, &problems) && len(problems.Diagnostics) > 0 {
		return problems.Diagnostics[0].Class
	}
	if refused, ok := llm.AsError(err); ok {
		return string(refused.Kind)
	}
	return string(fault.KindOf(err))
}

// Reporter is a Recorder's face for one stage.
type Reporter struct {
	stage string
	rec   Recorder
}

// Info, Warn and Progress add lines to the live build log.
func (r *Reporter) Info(format string, args ...any) {
	r.rec.Log(r.stage, model.LogInfo, fmt.Sprintf(format, args...))
}

func (r *Reporter) Warn(format string, args ...any) {
	r.rec.Log(r.stage, model.LogWarn, fmt.Sprintf(format, args...))
}

func (r *Reporter) Progress(level model.LogLevel, text string) { r.rec.Log(r.stage, level, text) }

// Browser adds a line of what a browser said about the app, to the log called console or network.
func (r *Reporter) Browser(log string, level model.LogLevel, text string) {
	r.rec.Log(log, level, text)
}

// Diagnostics logs problems and returns them as the stage's error; warnings alone are no error.
func (r *Reporter) Diagnostics(ds []model.Diagnostic) error {
	var hard []model.Diagnostic
	for _, d := range ds {
		level := model.LogError
		if d.Warning {
			level = model.LogWarn
		} else {
			hard = append(hard, d)
		}
		r.rec.Log(r.stage, level, Describe(d))
		if d.Snippet != "" {
			r.rec.Log(r.stage, level, "    "+d.Snippet)
		}
		if d.Cure != "" {
			r.rec.Log(r.stage, level, "    "+d.Cure)
		}
	}
	if len(hard) == 0 {
		return nil
	}
	return &ProblemsError{Stage: r.stage, Diagnostics: hard}
}

// Changed saves the difference between two states of the tree.
func (r *Reporter) Changed(ctx context.Context, before, after filetree.Tree) error {
	return r.rec.Changed(ctx, before, after)
}
