package pipeline

import (
	"context"
	"encoding/json"
	"fmt"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// What the stages need from the outside. One implementation of each is wired up in cmd.

// Author writes the app: a language model with tools, or the Composer.
type Author interface {
	// Plan reads the request and says what will be done; it changes nothing.
	Plan(ctx context.Context, s *State) (Plan, error)
	// Build does it, through tools that record each change, and returns the files as they are then.
	Build(ctx context.Context, s *State) (filetree.Tree, error)
	// Recovers returns nil if Recover may be called now, ErrNoRecovery if this author never can, or what forbids it.
	Recovers(ctx context.Context) error
	// Recover goes on with the same conversation, to cure an error. It may be called again for the same attempt,
	// to go on where it was interrupted.
	Recover(ctx context.Context, s *State, t Trouble) (filetree.Tree, error)
}

// Foundation holds the files that every app starts from.
type Foundation interface {
	Files(app model.App) (map[string][]byte, error)
}

// Reviewer reads files without running anything.
type Reviewer interface {
	Validate(tree filetree.Tree) []model.Diagnostic
	// Fix cures what has a known cure, whoever found it, and says what it did. It asks no model.
	Fix(ctx context.Context, tree filetree.Tree, problems []model.Diagnostic) (filetree.Tree, []Fix, error)
	// Signature names a set of problems: the same ones have the same name after another attempt.
	Signature(problems []model.Diagnostic) string
	// Explain writes the message that asks an author to cure problems. shown are the files whose lines it quotes.
	Explain(tree filetree.Tree, problems []model.Diagnostic, attempt, of int, earlier string) (text string, shown []string)
}

// Bundler turns files into what a deployment target serves. Problems of the app are a *ProblemsError.
type Bundler interface {
	Bundle(ctx context.Context, s *State, r *Reporter) (Bundle, error)
}

// Checker looks for problems that a bundler does not see: types, and migrations that would not apply.
type Checker interface {
	Check(ctx context.Context, s *State, r *Reporter) ([]model.Diagnostic, error)
}

// Target is where versions are served.
type Target interface {
	// Deploy makes the version's bundle and data available at an address of its own, without changing what
	// the preview shows.
	Deploy(ctx context.Context, s *State, r *Reporter) error
	// Verify fetches the version back from that address by hash and opens it in a browser.
	Verify(ctx context.Context, s *State, r *Reporter) ([]model.Diagnostic, error)
}

// Parts are the implementations that the stages use.
type Parts struct {
	Author     Author
	Foundation Foundation
	Reviewer   Reviewer
	Bundler    Bundler
	Checker    Checker
	Target     Target
}

// V4 is the rows below, one after the other. Stages of one row run side by side: neither needs the other's result.

// writing are the rows that make the version's files.
func writing(p Parts) [][]Stage {
	return [][]Stage{
		{understand{}},
		{plan{p.Author}},
		{foundation{p.Foundation}},
		{generate{p.Author}},
	}
}

// proving are the rows that show that the files work. They may run several times.
func proving(p Parts) [][]Stage {
	return [][]Stage{
		{validate{p.Reviewer}},
		{build{p.Bundler}, check{p.Checker}},
		{deploy{p.Target}},
		{verify{p.Target}},
	}
}

// WritingStages are those that produce the version's files. A restored version has its files already.
func WritingStages() []model.Stage {
	var out []model.Stage
	for _, row := range writing(Parts{}) {
		for _, st := range row {
			out = append(out, model.Stage{Name: st.Name(), Step: st.Step()})
		}
	}
	return out
}

// understand makes sure that there is something to do and says what it starts from.
type understand struct{}

func (understand) Name() string { return "understand" }
func (understand) Step() int    { return 1 }

func (understand) Run(_ context.Context, s *State, r *Reporter) error {
	if s.Request == "" {
		return fault.New(fault.Invalid, "The request is empty.")
	}
	if s.Base.Len() == 0 {
		r.Info("First version of %s", s.App.Slug)
	} else {
		r.Info("Version %s, from %d files", s.Version.Number, s.Base.Len())
	}
	return nil
}

func (understand) Output(*State) any                     { return nil }
func (understand) Restore(*State, json.RawMessage) error { return nil }

// plan asks the author what it understood.
type plan struct{ author Author }

func (plan) Name() string { return "plan" }
func (plan) Step() int    { return 2 }

func (st plan) Run(ctx context.Context, s *State, r *Reporter) error {
	p, err := st.author.Plan(ctx, s)
	if err != nil {
		return err
	}
	s.Plan = p
	for _, line := range p.Understood {
		r.Info("Understood: %s", line)
	}
	for _, line := range p.Cannot {
		r.Warn("Cannot: %s", line)
	}
	return nil
}

func (plan) Output(s *State) any { return s.Plan }

func (plan) Restore(s *State, output json.RawMessage) error {
	if output == nil {
		return nil
	}
	return json.Unmarshal(output, &s.Plan)
}

// foundation lays the files that every app starts from. A follow-up has them already.
type foundation struct{ files Foundation }

func (foundation) Name() string { return "foundation" }
func (foundation) Step() int    { return 3 }

func (st foundation) Run(ctx context.Context, s *State, r *Reporter) error {
	if s.Base.Len() > 0 {
		r.Info("The foundation is in place")
		return nil
	}
	app := s.App
	if s.Plan.AppName != "" {
		app.Name = s.Plan.AppName
	}
	files, err := st.files.Files(app)
	if err != nil {
		return err
	}
	next, err := s.Tree.WithAll(files)
	if err != nil {
		return err
	}
	if err := r.Changed(ctx, s.Tree, next); err != nil {
		return err
	}
	s.Tree = next
	r.Info("%d foundation files", len(files))
	return nil
}

// The files themselves come back with the version's tree.
func (foundation) Output(*State) any                     { return nil }
func (foundation) Restore(*State, json.RawMessage) error { return nil }

// generate lets the author write.
type generate struct{ author Author }

func (generate) Name() string { return "generate" }
func (generate) Step() int    { return 4 }

func (st generate) Run(ctx context.Context, s *State, r *Reporter) error {
	tree, err := st.author.Build(ctx, s)
	if err != nil {
		return err
	}
	changes := tree.Diff(s.Tree)
	s.Tree, s.written = tree, true
	r.Info("%d files written or changed, %d in all", len(changes), tree.Len())
	return nil
}

func (generate) Output(*State) any                     { return nil }
func (generate) Restore(*State, json.RawMessage) error { return nil }

// validate reads the files, and cures what has a known cure, before anything is built.
type validate struct{ reviewer Reviewer }

func (validate) Name() string { return "validate" }
func (validate) Step() int    { return 5 }

func (st validate) Run(ctx context.Context, s *State, r *Reporter) error {
	problems := st.reviewer.Validate(s.Tree)
	if len(problems) > 0 {
		cured, err := mend(ctx, st.reviewer, s, r, problems)
		if err != nil {
			return err
		}
		if cured {
			problems = st.reviewer.Validate(s.Tree)
		}
	}
	if err := r.Diagnostics(problems); err != nil {
		return err
	}
	r.Info("%d files read, no problems", s.Tree.Len())
	return nil
}

// build bundles; it runs again after a restart, for its product is in memory.
type build struct{ bundler Bundler }

func (build) Name() string { return "build" }
func (build) Step() int    { return 5 }

func (st build) Run(ctx context.Context, s *State, r *Reporter) error {
	b, err := st.bundler.Bundle(ctx, s, r)
	if err != nil {
		return err
	}
	s.Bundle = b
	return nil
}

// check looks at types and migrations.
type check struct{ checker Checker }

func (check) Name() string { return "check" }
func (check) Step() int    { return 5 }

func (st check) Run(ctx context.Context, s *State, r *Reporter) error {
	problems, err := st.checker.Check(ctx, s, r)
	if err != nil {
		return err
	}
	return r.Diagnostics(problems)
}

// deploy puts the bundle at an address of its own.
type deploy struct{ target Target }

func (deploy) Name() string { return "deploy" }
func (deploy) Step() int    { return 6 }

func (st deploy) Run(ctx context.Context, s *State, r *Reporter) error {
	if s.Bundle.Hash == "" {
		return fmt.Errorf("deploy without a bundle")
	}
	return st.target.Deploy(ctx, s, r)
}

// verify opens it there.
type verify struct{ target Target }

func (verify) Name() string { return "verify" }
func (verify) Step() int    { return 6 }

func (st verify) Run(ctx context.Context, s *State, r *Reporter) error {
	problems, err := st.target.Verify(ctx, s, r)
	if err != nil {
		return err
	}
	return r.Diagnostics(problems)
}
