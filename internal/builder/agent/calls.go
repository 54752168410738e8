package agent

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// outcome is what a tool did: what the model is told, and the files as they are now.
type outcome struct {
	text   string
	failed bool
	path   string         // the file or expression that it was about
	tree   *filetree.Tree // nil: nothing changed
	from   string         // the path before, when path was renamed
}

func ok(path string, tree filetree.Tree, format string, args ...any) outcome {
	return outcome{path: path, tree: &tree, text: fmt.Sprintf(format, args...)}
}

func failed(path, format string, args ...any) outcome {
	return outcome{path: path, failed: true, text: fmt.Sprintf(format, args...)}
}

const (
	loopText    = "This is the third time that you make exactly this call, and nothing changed in between. The work was stopped here."
	notRunText  = "Not run: an earlier call of the reply ended this part of the work."
	maxToolText = 120_000 // bytes of a result; tools bound theirs far below
)

// runCalls runs the calls of one reply in order and appends their results to the conversation. Line-replaces of
// the same file are planned together.
func (s *session) runCalls(ctx context.Context, calls []llm.ToolCall) (stopped string, err error) {
	batches := batchEdits(calls)
	results := make([]llm.ToolResult, len(calls))
	for i, call := range calls {
		results[i] = llm.ToolResult{CallID: call.ID, Text: notRunText, Failed: true}
	}
	for i, call := range calls {
		if err := ctx.Err(); err != nil {
			return "", err // the reply is left out of the conversation's record; a resumed turn comes here again
		}
		done, recorded := s.record.find(s.seq, call)
		switch {
		case recorded:
			s.seq++
			s.replay(done)
			batches[i].replayed(i, done.OK)
		case s.loops.stuck(call, s.tree.Hash()):
			done = model.ToolCall{Result: loopText}
			stopped = StoppedLoop
		default:
			if done, err = s.runCall(ctx, call, batches[i], i); err != nil {
				return "", err
			}
		}
		results[i].Text, results[i].Failed = done.Result, !done.OK
		if stopped != "" || s.plan != nil {
			break
		}
	}
	s.messages = append(s.messages, llm.Message{Role: llm.User, Results: results})
	return stopped, nil
}

// runCall runs one call, records it, and only then takes its files over.
func (s *session) runCall(ctx context.Context, call llm.ToolCall, b *batch, index int) (model.ToolCall, error) {
	started := s.in.now()
	out := s.guarded(ctx, call, b, index)
	if err := ctx.Err(); err != nil {
		return model.ToolCall{}, err // what the tool says of an interrupted call is not worth keeping
	}
	if len(out.text) > maxToolText {
		out.text = out.text[:maxToolText] + "\n(cut)"
	}
	s.seq = s.record.free(s.seq)
	done := model.ToolCall{
		Seq: s.seq, Name: bounded(storableText(call.Name), 100), Path: bounded(out.path, filetree.MaxPathLen),
		Input: storable(call.Input), Result: storableText(out.text), OK: !out.failed,
		StartedAt: started, Millis: max(0, s.in.now().Sub(started).Milliseconds()),
	}
	var changed []Changed
	tree := s.tree
	if out.tree != nil {
		tree = *out.tree
		changed = s.changes(tree, out)
		done.Detail, done.Added, done.Removed = diff(s.tree, tree, changed)
	}
	if err := s.in.Journal.Record(ctx, done, changed); err != nil {
		return model.ToolCall{}, fmt.Errorf("record call %d (%s): %w", s.seq, call.Name, err)
	}
	s.seq++
	s.tree = tree
	return done, nil
}

// guarded runs the tool. A panic is a bug of ours, and no reason to lose the turn.
func (s *session) guarded(ctx context.Context, call llm.ToolCall, b *batch, index int) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "tool panicked", "tool", call.Name, "panic", p, "stack", string(debug.Stack()))
			out = failed("", "The tool %s failed for a reason of its own; nothing was changed. Try another way.", call.Name)
		}
	}()
	t, known := s.tools.find(call.Name)
	if !known {
		return failed("", "There is no tool %q now. There are: %s.", bounded(call.Name, 100), s.tools.names())
	}
	if b != nil {
		return b.run(ctx, s, index)
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	return t.run(ctx, s, call.Input)
}

// replay takes over what a recorded call did beyond the files, which are in the tree.
func (s *session) replay(done model.ToolCall) {
	if done.Name != planName || !done.OK {
		return
	}
	if p, out := readPlan(done.Input); !out.failed {
		s.plan = p
	}
}

// changes lists what a tool did to the files, for the journal.
func (s *session) changes(tree filetree.Tree, out outcome) []Changed {
	var changed []Changed
	for _, d := range tree.Diff(s.tree) {
		c := Changed{Path: d.Path, Action: d.Action, Deleted: d.Action == filetree.Delete}
		c.Content, _ = tree.Get(d.Path)
		switch {
		case c.Deleted:
		case out.from != "" && d.Path == out.path:
			c.Action, c.From = filetree.Rename, out.from
		case s.in.Base.Has(d.Path): // the word is relative to the version before, not to a minute ago
			c.Action = filetree.Update
		default:
			c.Action = filetree.Create
		}
		changed = append(changed, c)
	}
	return changed
}

// timeout bounds a tool: those that ask others get minutes, the pure ones are done at once anyway.
func (t tool) timeout() time.Duration {
	if t.slow {
		return 3 * time.Minute
	}
	return 30 * time.Second
}
