// Package agent lets a model work on an app's files through tools, until it says that it is done.
//
// A turn is one conversation in up to three parts. MakePlan ends when the model calls os-plan, or asks the person
// with os-ask; nothing can be changed before. Build goes on until a reply calls no tool. Recover adds a message about
// an error, and goes on again:
//
//	request ──> model ──> reply: prose + calls ──> tools, one after the other ──> results ──> model ...
//	              │          │                        │                              │
//	              └──────────┴──────── Journal ───────┴──────────────────────────────┘
//
// The tools on offer are the same in all parts, for a provider's cache begins with them; what may not be done yet is
// refused with the reason.
//
// The conversation is durable. A message is kept in the Journal before anything is done because of it, and a call
// with its files before its result is used. A turn that was interrupted at any point goes on from there: no request is
// made twice, and no call is run twice.
//
// The agent trusts nothing that it did not check. Input is decoded strictly. All changes of a reply are rehearsed
// together before the first is made, and those that would remove what is still in use are refused. What is wrong with a
// call is told to the model as a failed result, and never ends the turn. What does end it: a reply that breaks off
// again and again, a journal that cannot be written, a budget, the end of the context. The third identical call while
// nothing changes, and too many requests, stop the work with a reason.
package agent

import (
	"context"
	"time"

	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// Packages edits package.json and the lock file together.
type Packages interface {
	// AddDependency returns the tree with the package in it, and the version that was chosen.
	// An empty rng means the newest.
	AddDependency(ctx context.Context, tree filetree.Tree, name, rng string, dev bool) (filetree.Tree, string, error)
	RemoveDependency(ctx context.Context, tree filetree.Tree, name string) (filetree.Tree, error)
}

// Journal is the durable record of a turn.
type Journal interface {
	// Load returns what was said in this turn, from its opening on, and the calls that were run, by Seq.
	Load(ctx context.Context) (said []llm.Message, calls []model.ToolCall, err error)
	// Say keeps message n of the turn's conversation, counted from 0.
	Say(ctx context.Context, n int, m llm.Message) error
	// Record keeps a call and the files that it changed, in one transaction, and then tells those who watch.
	Record(ctx context.Context, call model.ToolCall, changed []Changed) error
	// Text keeps the builder's prose so far. It is called at most every 100 ms, and once at the end. The text
	// can become shorter: words of a reply that broke off are taken back.
	Text(ctx context.Context, whole string) error
	// Activity says what happens this moment, at most every 300 ms. Losing one is fine.
	Activity(ctx context.Context, text string, thinking bool)
}

// Changed is one file that a call created, changed or deleted. A rename is two of them: the new path with
// Action Rename and From, and the old path, deleted.
type Changed struct {
	Path    string
	Content []byte // nil when Deleted
	Deleted bool
	Action  filetree.Action
	From    string // the path before, of a rename
}

// Plan is what the model told the person before it began, or what it has to know first.
type Plan struct {
	AppName     string   `json:"app_name"`
	Tagline     string   `json:"tagline,omitempty"`
	VersionName string   `json:"version_name"`
	Understood  []string `json:"understood"`
	Assumed     []string `json:"assumed"`
	Cannot      []string `json:"cannot"`
	Changes     []string `json:"changes"`

	// Question is set instead of all that when the turn ends with a question to the person.
	Question *model.Question `json:"question,omitempty"`
}

// DefaultMaxSteps is how many replies a turn may take when Input does not say.
const DefaultMaxSteps = 30

// Input is everything that a turn works with.
type Input struct {
	Model      llm.Model
	Base       filetree.Tree // the version before: its migrations may not change any more
	Tree       filetree.Tree // the files now
	Foundation filetree.Tree // what a first version starts from; described to the model while Base is empty
	History    []llm.Message // earlier turns, as plain text, oldest first
	Request    string        // what the person asks for

	Attach   string   // files chosen for the request, as numbered lines; shown behind the request
	Attached []string // their paths
	Notes    string   // the app's own notes to its builder
	Schema   string   // the tables of the app in short
	Locked   []string // paths that only people may change

	Fill     func(content []byte) []byte // fills in {{APP_ID}} and the like; nil leaves contents alone
	Packages Packages                    // nil refuses to add or remove packages
	Journal  Journal
	// Logs returns the last lines of a log, oldest first; source is build, console or network. Nil: there are none.
	Logs func(ctx context.Context, source string) ([]string, error)
	// Allow is asked before every request. Its error ends the turn: a budget is used up. Nil allows all.
	Allow func(ctx context.Context) error

	Now      func() time.Time                                 // nil is time.Now
	Sleep    func(ctx context.Context, d time.Duration) error // nil waits by the clock
	MaxSteps int                                              // replies that planning and building may take; 0 is DefaultMaxSteps

	// MigrationNames are the migrations that some database has already run: "20260102030405_todos", with or
	// without ".sql". They may not change, and new ones must be later.
	MigrationNames []string
	// CheckMigration tries a migration without keeping its effect; name is "<timestamp>_<name>".
	// Its error's text for people (package fault) is told to the model. Nil checks nothing.
	CheckMigration func(ctx context.Context, name, sql string) error
}

// Recovery asks for the cure of an error.
type Recovery struct {
	Attempt  int      // from 1; each is said once
	Text     string   // the error, the code around it, advice
	Shown    []string // paths whose text as it is now is in Text, with line numbers
	MaxSteps int      // replies that the attempt may take; 0 is DefaultMaxSteps
}

// Result is what came of Build or Recover.
type Result struct {
	Tree     filetree.Tree
	Text     string // the builder's prose, of the whole turn
	Steps    int    // replies of this part, also those of an earlier process
	Requests int    // requests made by this process, failed ones included
	Stopped  string // why it ended before the model was done: StoppedMaxSteps, StoppedLoop, or ""
}

// Why a part ended early.
const (
	StoppedMaxSteps = "max_steps"
	StoppedLoop     = "loop"
)

// MakePlan asks the model what it understood and what it is going to do, before anything is changed. It may look at
// files first, and it may ask the person: then Plan.Question is set. The error is Unavailable when the model does not
// answer or does not plan, Invalid when it declines. Called again after an interruption, it goes on.
func MakePlan(ctx context.Context, in Input) (Plan, error) {
	s, err := newSession(ctx, in)
	if err != nil {
		return Plan{}, err
	}
	s.planning = true
	if s.tree.Len() == 0 {
		s.tree = in.Foundation // it is laid after the plan, and may be looked at before
	}
	if err := s.open(ctx); err != nil {
		return Plan{}, err
	}
	if err := s.finish(ctx, s.untilPlanned(ctx)); err != nil {
		return Plan{}, err
	}
	return *s.plan, nil
}

// Build lets the model carry its plan out. On an error nothing is lost that was recorded: call it again to go on.
func Build(ctx context.Context, in Input, plan Plan) (Result, error) {
	s, err := newSession(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if err := s.open(ctx); err != nil {
		return Result{}, err
	}
	if err := s.planned(ctx, plan); err != nil {
		return Result{}, err
	}
	return s.work(ctx, 0, s.in.MaxSteps)
}

// Recover tells the model about an error that its work has, and lets it go on. An attempt that was begun already
// goes on where it was.
func Recover(ctx context.Context, in Input, r Recovery) (Result, error) {
	s, err := newSession(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if err := s.open(ctx); err != nil {
		return Result{}, err
	}
	s.recovering = true
	from, err := s.recover(ctx, r)
	if err != nil {
		return Result{}, err
	}
	if r.MaxSteps <= 0 {
		r.MaxSteps = DefaultMaxSteps
	}
	return s.work(ctx, from, r.MaxSteps)
}

func (in Input) now() time.Time {
	if in.Now == nil {
		return time.Now()
	}
	return in.Now()
}

func (in Input) sleep(ctx context.Context, d time.Duration) error {
	if in.Sleep != nil {
		return in.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// opening is the turn's first message: the person's words, and behind them the files that go with them.
func (in Input) opening() llm.Message {
	text := in.Request
	if in.Attach != "" {
		text += "\n\n" + asData("attached-files", in.Attach)
	}
	return llm.Message{Role: llm.User, Text: text}
}
