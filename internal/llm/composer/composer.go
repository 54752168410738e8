// Package composer is the llm.Model that needs no language model: it reads a request by rules (package
// understand), compiles it into files (package compile), and writes them through the very same tools that a
// language model would call. It costs nothing, answers at once and gives the same app for the same words.
//
// The agent asks in two ways, and the Composer tells them apart by the conversation. Until os-plan was called it says
// what it understood, after it read the app's spec if there is one. Then it writes: a whole app the first time,
// afterwards only the lines that changed.
//
// A Composer keeps no state. What was done already stands in the conversation, so a build that was
// interrupted goes on with the same calls.
package composer

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"overskill/internal/llm"
)

// ID is the name and version of the rules; a version of an app records it.
const ID = "composer/1"

// The tools that the Composer calls.
const (
	toolPlan    = "os-plan"
	toolView    = "os-view"
	toolWrite   = "os-write"
	toolReplace = "os-line-replace"
	toolDelete  = "os-delete"
	toolMigrate = "os-migrate"
)

// Composer implements llm.Model. The zero value is ready to use.
type Composer struct{}

var _ llm.Model = (*Composer)(nil)

// New returns a Composer.
func New() *Composer { return &Composer{} }

// ID implements llm.Model.
func (*Composer) ID() string { return ID }

// Limits implements llm.Model. Rules have no context window.
func (*Composer) Limits() llm.Limits { return llm.Limits{Context: 1 << 40, MaxOutput: 1 << 40} }

// CountTokens implements llm.Model: the Composer uses none.
func (*Composer) CountTokens(context.Context, llm.Request) (int64, error) { return 0, nil }

// Stream implements llm.Model. It plans (os-plan on offer, and not called yet) and builds (os-write on offer);
// with neither it can only talk. It fails only when ctx ends, when emit does, or when a
// spec does not compile, which is a mistake of ours.
func (*Composer) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	t := readTurn(req)
	var r reply
	var err error
	switch {
	case offers(req, toolPlan) && !(t.planned && offers(req, toolWrite)):
		r, err = plan(t)
	case offers(req, toolWrite):
		r, err = build(t)
	default:
		r.text = "I write apps through tools, and none of them is on offer here."
	}
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	return r.send(ctx, len(req.Messages), emit)
}

func offers(req llm.Request, name string) bool {
	for _, t := range req.Tools {
		if t.Name == name {
			return true
		}
	}
	return false
}

// reply is what one request is answered with.
type reply struct {
	text  string
	calls []call
}

type call struct {
	name  string
	input any
}

// chunk is how many characters of prose one event carries.
const chunk = 160

// send emits the reply: prose in a few pieces, the calls in order, no tokens, the end. seq makes the ids of the
// calls unique within the conversation.
func (r reply) send(ctx context.Context, seq int, emit func(llm.Event) error) error {
	put := func(e llm.Event) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return emit(e)
	}
	for rest := []rune(r.text); len(rest) > 0; {
		n := min(chunk, len(rest))
		if err := put(llm.Event{Text: string(rest[:n])}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	for i, c := range r.calls {
		input, err := json.Marshal(c.input)
		if err != nil {
			return fmt.Errorf("input of %s: %w", c.name, err)
		}
		id := "call_" + strconv.Itoa(seq) + "_" + strconv.Itoa(i+1)
		if err := put(llm.Event{Call: &llm.ToolCall{ID: id, Name: c.name, Input: input}}); err != nil {
			return err
		}
	}
	if err := put(llm.Event{Usage: &llm.Usage{}}); err != nil {
		return err
	}
	stop := llm.EndTurn
	if len(r.calls) > 0 {
		stop = llm.ToolUse
	}
	return put(llm.Event{Stop: stop})
}

// Inputs of the tools, as their schemas name them.
type (
	viewInput struct {
		Path      string `json:"path"`
		FirstLine int    `json:"first_line,omitempty"`
	}
	writeInput struct {
		Path     string `json:"path"`
		Content  string `json:"content"`
		Removing string `json:"removing,omitempty"`
	}
	replaceInput struct {
		Path     string      `json:"path"`
		Edits    []editInput `json:"edits"`
		Removing string      `json:"removing,omitempty"`
	}
	editInput struct {
		FirstLine int    `json:"first_line"`
		LastLine  int    `json:"last_line,omitempty"` // 0: search tells
		Search    string `json:"search"`
		Replace   string `json:"replace"`
	}
	deleteInput struct {
		Path string `json:"path"`
	}
	migrateInput struct {
		Name string `json:"name"`
		SQL  string `json:"sql"`
	}
	planInput struct {
		AppName     string   `json:"app_name"`
		Tagline     string   `json:"tagline,omitempty"`
		VersionName string   `json:"version_name"`
		Understood  []string `json:"understood"`
		Assumed     []string `json:"assumed"`
		Cannot      []string `json:"cannot"`
		Changes     []string `json:"changes"`
	}
)
