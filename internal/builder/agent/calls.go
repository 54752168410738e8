package agent

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"overskill/internal/builder/edit"
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
	shows  bool           // text shows path as it is now
	made   int            // edits of a line-replace that were made
}

func ok(path string, tree filetree.Tree, format string, args ...any) outcome {
	return outcome{path: path, tree: &tree, text: fmt.Sprintf(format, args...)}
}

func failed(path, format string, args ...any) outcome {
	return outcome{path: path, failed: true, text: fmt.Sprintf(format, args...)}
}

const (
	loopText      = "This is the third time that you make exactly this call, and nothing changed in between. The work was stopped here."
	notRunText    = "Not run: an earlier call of the reply ended this part of the work."
	maxResultText = 60_000 // bytes of a result; tools bound theirs below
)

// answer runs the calls of a reply in order and says their results. Those that an earlier process ran are answered
// from the record.
func (s *session) answer(ctx context.Context, m llm.Message) error {
	first := s.seqOf(len(s.said) - 1)
	s.checked, s.plans = map[string]string{}, map[string]edit.Batch{}
	r, err := s.rehearse(m.Calls, first)
	if err != nil {
		return err
	}
	results := unanswered(m)
	for i, call := range m.Calls {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, recorded, err := s.find(first+i, call)
		if err != nil {
			return err
		}
		switch {
		case recorded:
		case s.loops.stuck(call):
			done = model.ToolCall{Result: loopText}
		default:
			if done, err = s.runCall(ctx, call, first+i, r, i); err != nil {
				return err
			}
		}
		results.Results[i].Text, results.Results[i].Failed = done.Result, !done.OK
		if done.Result == loopText {
			break
		}
		if s.planning && s.plan != nil {
			return nil
		}
	}
	if isCut(m) {
		results.Text = cutText
	}
	return s.say(ctx, results)
}

// runCall runs one call, records it, and only then takes its files over.
func (s *session) runCall(ctx context.Context, call llm.ToolCall, seq int, r *rehearsal, index int) (model.ToolCall, error) {
	started := s.in.now()
	s.loops.count(call.Name, storable(call.Input))
	out := s.guarded(ctx, call, r, index)
	if err := ctx.Err(); err != nil {
		return model.ToolCall{}, err // what the tool says of an interrupted call is not worth keeping
	}
	if most := s.window.bytes(resultPart, maxResultText); len(out.text) > most {
		out.text = bounded(out.text, most) + "\n(cut: that was too much for one answer; ask for less)"
	}
	done := model.ToolCall{
		Seq: seq, Name: callName(call), Path: bounded(out.path, filetree.MaxPathLen),
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
		return model.ToolCall{}, fmt.Errorf("record call %d (%s): %w", seq, call.Name, err)
	}
	s.record[seq] = done
	s.tree = tree
	if len(changed) > 0 {
		s.loops.reset()
	}
	s.sight.saw(out, changed)
	return done, nil
}

// callName is the name under which a call is recorded.
func callName(call llm.ToolCall) string { return bounded(storableText(call.Name), 100) }

// guarded runs the tool. A panic is a bug of ours, and no reason to lose the turn.
func (s *session) guarded(ctx context.Context, call llm.ToolCall, r *rehearsal, index int) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "tool panicked", "tool", call.Name, "panic", p, "stack", string(debug.Stack()))
			out = failed("", "The tool %s failed for a reason of its own; nothing was changed. Try another way.", call.Name)
		}
	}()
	t, known := s.tools.find(call.Name)
	switch {
	case !known:
		return failed("", "There is no tool %q. There are: %s.", bounded(call.Name, 100), s.tools.names())
	case s.planning && !t.look:
		return failed("", "Nothing was changed: call os-plan first. The calls that carry the plan out may stand behind it in the same reply.")
	case r.refused[index] != "":
		return failed(r.paths[index], "%s", r.refused[index])
	case r.batches[index] != nil:
		return r.batches[index].run(ctx, s, index, r)
	}
	if t.slow && !s.rehearsing {
		s.tell(ctx, (&draft{name: call.Name, head: bounded(string(call.Input), maxHead)}).words(), false)
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	return t.run(ctx, s, []byte(call.Input))
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
