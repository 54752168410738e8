package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/llm"
)

func lineReplaceTool() tool {
	return tool{
		name: lineReplaceName,
		description: "Replaces some lines of a file; cheap, and the way to change existing code. search holds the lines as they are now, " +
			"first_line and last_line their numbers as os-view showed them (last included). Of a long stretch write the first lines, " +
			"a line with only ..., and the last lines. All calls of one reply use the numbers of the file as it was before the reply. " +
			"An empty replace deletes the lines. To insert, replace a line by itself and the new lines.",
		schema: `{"type":"object","additionalProperties":false,"required":["path","search","first_line","last_line","replace"],"properties":{
			"path":{"type":"string"},
			"search":{"type":"string","description":"the lines to be replaced, exactly as they are"},
			"first_line":{"type":"integer","minimum":1},
			"last_line":{"type":"integer","minimum":1},
			"replace":{"type":"string","description":"the new lines, in full"},
			"removing":` + removingSchema + `}}`,
		slow: true,
		run: func(context.Context, *session, json.RawMessage) outcome {
			return failed("", "The edit was not planned.") // not reached: edits run through their batch
		},
	}
}

// removingSchema describes the input that lets a call remove more than half of a file.
const removingSchema = `{"type":"string","maxLength":200,"description":"only when more than half of the file is to vanish, ` +
	`and only because the person asked for it or the code moved: say which, and where to"}`

func removingProblem(s string) string {
	if n := len([]rune(s)); n > maxRemoving {
		return fmt.Sprintf("removing has %d characters; %d are allowed.", n, maxRemoving)
	}
	return ""
}

type editInput struct {
	Path      string `json:"path"`
	Search    string `json:"search"`
	FirstLine int    `json:"first_line"`
	LastLine  int    `json:"last_line"`
	Replace   string `json:"replace"`
	Removing  string `json:"removing"`
}

// batch is the line-replaces of one reply to one file, which nothing else in the reply changes in between.
type batch struct {
	path     string
	members  []member
	outcomes map[int]outcome // by index of the call, once planned
	missed   bool            // one of them failed, and that was counted
}

type member struct {
	index   int // of the call in its reply
	input   editInput
	problem string // what is wrong with the input
	done    *bool  // whether it was made, by an earlier process; nil: it was not run yet
}

// batchEdits finds the batches of a reply, by the index of each call; nil for other calls. done says of each call
// whether it was run already, and succeeded.
func batchEdits(calls []llm.ToolCall, done []*bool) []*batch {
	out := make([]*batch, len(calls))
	open := map[string]*batch{}
	for i, call := range calls {
		if call.Name != lineReplaceName {
			for _, p := range touches(call) {
				delete(open, p) // later edits mean the file as this call leaves it
			}
			continue
		}
		m := member{index: i, done: done[i]}
		if m.problem = decode([]byte(call.Input), &m.input); m.problem == "" {
			m.problem = removingProblem(m.input.Removing)
			if copiesStub(m.input.Search + m.input.Replace) {
				m.problem = stubText
			}
		}
		b := open[m.input.Path]
		if b == nil {
			b = &batch{path: m.input.Path}
			if m.problem == "" {
				open[m.input.Path] = b
			}
		}
		b.members = append(b.members, m)
		out[i] = b
	}
	return out
}

// touches names the files that another tool's call may change.
func touches(call llm.ToolCall) []string {
	var input struct {
		Path string `json:"path"`
		From string `json:"from"`
		To   string `json:"to"`
	}
	switch call.Name {
	case "os-write", "os-delete", "os-rename":
		if json.Unmarshal(call.Input, &input) == nil {
			return []string{input.Path, input.From, input.To}
		}
	case "os-add-dependency", "os-remove-dependency":
		return []string{"package.json"}
	}
	return nil
}

// run returns the outcome of one call; the first one to run plans them all.
func (b *batch) run(ctx context.Context, s *session, index int, r *rehearsal) outcome {
	if b.outcomes == nil {
		b.plan(ctx, s)
	}
	out := b.outcomes[index]
	if out.failed && !s.rehearsing {
		out.text += r.others()
		b.miss(s, &out)
	}
	return out
}

// others tells a failed edit what became of the rest of the reply.
func (r *rehearsal) others() string {
	switch {
	case r.edits < 2:
		return ""
	case r.made == 0:
		return fmt.Sprintf("\nNone of the %d edits of this reply was made.", r.edits)
	}
	return fmt.Sprintf("\nThe others were made (%d of the %d edits of this reply): do not send them again. Line numbers below them have moved.", r.made, r.edits)
}

// Bounds within which a file is shown together with a refused edit.
const (
	maxShownBytes = 24_000
	shownAround   = 20 // lines
)

// miss counts the replies that failed to edit the file. From the second on, the model may write it whole.
func (b *batch) miss(s *session, out *outcome) {
	content, there := s.tree.Get(b.path)
	if b.missed || !there || !filetree.IsText(content) {
		return
	}
	b.missed = true
	if s.sight.missed(b.path) < 2 || len(content) > maxShownBytes || s.writable(b.path) != "" {
		return
	}
	out.text += fmt.Sprintf("\n\nThis is not the first edit of %s that fails: you may write the whole file with os-write now. It reads:\n%s",
		b.path, s.showLines(b.path, content, 0, 0).text)
	out.shows = true
}

// plan tries all edits together, on the file as it is now. Each call's outcome holds the file with the edits up
// to that call, so that a turn that is interrupted between two calls can go on with the rest.
func (b *batch) plan(ctx context.Context, s *session) {
	b.outcomes = map[int]outcome{}
	todo := b.pending(s)
	content, there := s.tree.Get(b.path)
	problem, shows := "", false
	switch {
	case len(todo) == 0:
		return
	case !there:
		for _, m := range todo {
			b.outcomes[m.index] = s.noSuchFile(b.path)
		}
		return
	case !filetree.IsText(content):
		problem = b.path + " is not text, so it cannot be edited."
	default:
		problem = s.writable(b.path)
	}
	if problem == "" && s.sight.stale[b.path] {
		problem, shows = b.staleText(s, content, todo), true
	}
	edits := make([]edit.Edit, len(todo))
	for i, m := range todo {
		edits[i] = m.edit(s)
	}
	var planned edit.Batch
	if problem == "" {
		planned = s.planEdits(b.path, content, edits)
		if len(planned.Applied()) > 0 {
			_, problem = s.put(ctx, b.path, planned.Content(len(edits)))
		}
	}
	for i, m := range todo {
		if problem != "" {
			out := failed(bounded(b.path, filetree.MaxPathLen), "%s", problem)
			out.shows = shows
			b.outcomes[m.index] = out
			continue
		}
		b.outcomes[m.index] = b.outcomeOf(s, planned, i)
	}
}

// planEdits is edit.Plan, which the rehearsal of a reply has called with the same already.
func (s *session) planEdits(p string, content []byte, edits []edit.Edit) edit.Batch {
	key := fmt.Sprintf("%s\x00%s\x00%#v", p, filetree.HashOf(content), edits)
	planned, known := s.plans[key]
	if !known {
		planned = edit.Plan(p, content, edits)
		s.plans[key] = planned
	}
	return planned
}

func (m member) edit(s *session) edit.Edit {
	return edit.Edit{
		Search: string(s.in.Fill([]byte(m.input.Search))), FirstLine: m.input.FirstLine, LastLine: m.input.LastLine,
		Replace: string(s.in.Fill([]byte(m.input.Replace))),
	}
}

// staleText refuses edits of a file that somebody else has changed since the model saw it.
func (b *batch) staleText(s *session, content []byte, todo []member) string {
	first, last := todo[0].input.FirstLine, todo[0].input.LastLine
	for _, m := range todo {
		first, last = min(first, m.input.FirstLine), max(last, m.input.LastLine)
	}
	n := countLines(content)
	if len(content) <= maxShownBytes/2 {
		first, last = 1, n
	}
	first = min(max(1, first-shownAround), n)
	last = max(first, min(n, last+shownAround))
	return fmt.Sprintf("%s was corrected automatically since you last saw it, so nothing was edited. Go by how it reads now:\n%s",
		b.path, bounded(s.showLines(b.path, content, first, last).text, maxShownBytes))
}

// pending lists the members that are to be run. Those that ran before an interruption have moved the numbers of the
// rest. If none of them was made, they are planned again with the rest, since they may have failed together.
func (b *batch) pending(s *session) []member {
	anyMade := false
	for _, m := range b.members {
		anyMade = anyMade || m.done != nil && *m.done
	}
	var todo []member
	for _, m := range b.members {
		switch {
		case m.problem != "":
			b.outcomes[m.index] = failed(bounded(m.input.Path, filetree.MaxPathLen), "%s", m.problem)
			continue
		case m.done != nil && anyMade:
			continue
		}
		moved := 0
		for _, other := range b.members {
			if other.done != nil && *other.done && other.input.LastLine < m.input.FirstLine {
				moved += countLines(s.in.Fill([]byte(other.input.Replace))) - (other.input.LastLine - other.input.FirstLine + 1)
			}
		}
		m.input.FirstLine += moved
		m.input.LastLine += moved
		todo = append(todo, m)
	}
	return todo
}

// outcomeOf tells one call how it went.
func (b *batch) outcomeOf(s *session, planned edit.Batch, i int) outcome {
	for _, r := range planned.Applied() {
		if r.Edit != i {
			continue
		}
		tree, err := s.tree.With(b.path, planned.Content(i+1))
		if err != nil { // bounds of the tree were checked with all edits; fewer can be larger only in theory
			return failed(b.path, "%v", err)
		}
		return ok(b.path, tree, "%s", r.String())
	}
	if err, isEdit := planned.Err().(*edit.Error); isEdit {
		for _, f := range err.Failures {
			if f.Edit == i {
				return failed(b.path, "%s", f.Text)
			}
		}
	}
	return failed(b.path, "The edit was not made.")
}
