// Package agent lets a model work on an app's files through tools, until it says that it is done.
//
// A turn has two conversations in one. MakePlan offers tools that only look, and ends when the model calls
// os-plan. Build goes on with the same messages, offers the tools that change files, and ends with the first
// reply that calls none:
//
//	request ──> model ──> reply: prose + calls ──> tools, one after the other ──> results ──> model ...
//	                                                  │
//	                                                  └──> Journal: the call, its result, the changed files
//
// The agent trusts nothing that it did not check. Input is decoded strictly; what is wrong with a call is told
// to the model as a failed result, and never ends the turn. What does end it: a reply that broke off (none of
// its calls is run), a journal that cannot be written, the end of the context. The third identical call
// in a row of calls that changed nothing, and more than MaxSteps requests, stop the work with a reason.
//
// Every call is recorded before its result is used. A turn that was interrupted is resumed by running it again:
// calls that are recorded already are answered from the record, for their changes are in the tree.
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
	// Recorded returns the tool calls of this version so far, by Seq.
	Recorded(ctx context.Context) ([]model.ToolCall, error)
	// Record keeps a call and the files that it changed, in one transaction, and then tells those who watch.
	Record(ctx context.Context, call model.ToolCall, changed []Changed) error
	// Text keeps the builder's prose so far. It is called at most every 100 ms, and once at the end.
	Text(ctx context.Context, whole string) error
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

// Plan is what the model told the person before it began.
type Plan struct {
	AppName     string   `json:"app_name"`
	Tagline     string   `json:"tagline,omitempty"`
	VersionName string   `json:"version_name"`
	Understood  []string `json:"understood"`
	Assumed     []string `json:"assumed"`
	Cannot      []string `json:"cannot"`
	Changes     []string `json:"changes"`
}

// DefaultMaxSteps is how many requests a turn may make when Input does not say.
const DefaultMaxSteps = 30

// Input is everything that a turn works with.
type Input struct {
	Model   llm.Model
	Base    filetree.Tree // the version before: its migrations may not change any more
	Tree    filetree.Tree // the files now
	History []llm.Message // earlier turns, as plain text
	Request string        // what the person asks for

	Fill     func(content []byte) []byte // fills in {{APP_ID}} and the like; nil leaves contents alone
	Packages Packages                    // nil refuses to add or remove packages
	Journal  Journal
	Now      func() time.Time // nil is time.Now
	MaxSteps int              // requests that Build may make; 0 is DefaultMaxSteps

	// MigrationNames are the migrations that some database has already run: "20260102030405_todos", with or
	// without ".sql". They may not change, and new ones must be later.
	MigrationNames []string
	// CheckMigration tries a migration without keeping its effect; name is "<timestamp>_<name>".
	// Its error's text for people (package fault) is told to the model. Nil checks nothing.
	CheckMigration func(ctx context.Context, name, sql string) error
}

// Result is what Build made.
type Result struct {
	Tree    filetree.Tree
	Text    string // the builder's prose, of planning too
	Usage   llm.Usage
	Steps   int    // requests made
	Stopped string // why it ended before the model was done: StoppedMaxSteps, StoppedLoop, or ""

	// Conversation is the whole of it. For a recovery, append a User message with the error to it, and call Build
	// again: calls are numbered on from there.
	Conversation []llm.Message
}

// Why a build ended early.
const (
	StoppedMaxSteps = "max_steps"
	StoppedLoop     = "loop"
)

func (in Input) now() time.Time {
	if in.Now == nil {
		return time.Now()
	}
	return in.Now()
}

// opening is how the conversation begins: the earlier turns and the request.
func (in Input) opening() []llm.Message {
	messages := make([]llm.Message, 0, len(in.History)+1)
	messages = append(messages, in.History...)
	return append(messages, llm.Message{Role: llm.User, Text: in.Request})
}
