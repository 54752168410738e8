package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// batch is the line-replaces of one reply to one file, which nothing else in the reply changes in between.
type batch struct {
	path     string
	members  []member
	outcomes map[int]outcome // by index of the call, once planned
	missed   bool            // one of them failed, and that was counted
}

// member is one call of a batch.
type member struct {
	index   int // of the call in its reply
	input   replaceInput
	problem string // what is wrong with the input as a whole
	ran     bool   // by an earlier process
	made    []int  // which of its edits were made then, from 0
}

// batchEdits finds the batches of a reply, by the index of each call; nil for other calls. done holds the records of
// the calls that were run already, nil for the others.
func batchEdits(calls []llm.ToolCall, done []*model.ToolCall) []*batch {
	out := make([]*batch, len(calls))
	open := map[string]*batch{}
	for i, call := range calls {
		if call.Name != lineReplaceName {
			for _, p := range touches(call) {
				delete(open, p) // later edits mean the file as this call leaves it
			}
			continue
		}
		m := member{index: i}
		m.input, m.problem = readReplace([]byte(call.Input))
		if done[i] != nil {
			m.ran, m.made = true, madeEdits(*done[i], len(m.input.edits))
		}
		b := open[m.input.path]
		if b == nil {
			b = &batch{path: m.input.path}
			if m.problem == "" {
				open[m.input.path] = b
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
	if s.rehearsing {
		return out
	}
	if out.failed {
		out.text += r.others(index)
	}
	if out.failed || out.made < b.edits(index) {
		b.miss(s, &out)
	}
	return out
}

// edits counts the edits of one call.
func (b *batch) edits(index int) int {
	for _, m := range b.members {
		if m.index == index {
			return max(1, len(m.input.edits))
		}
	}
	return 0
}

// others tells a call that failed what became of the other edits of the reply.
func (r *rehearsal) others(index int) string {
	switch {
	case r.edits == r.batches[index].edits(index):
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
	tree := s.tree
	if out.tree != nil {
		tree = *out.tree
	}
	content, there := tree.Get(b.path)
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

// plan tries all edits of all calls together, on the file as it is now. Each call's outcome holds the file with the
// edits up to that call, so that a turn that is interrupted between two calls can go on with the rest.
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
	var planned edit.Batch
	if problem == "" {
		var edits []edit.Edit
		for _, m := range todo {
			edits = append(edits, m.input.planned(s.in.Fill)...)
		}
		planned = s.planEdits(b.path, content, edits)
		if len(planned.Applied()) > 0 {
			_, problem = s.put(ctx, b.path, planned.Content(len(edits)))
		}
	}
	first := 0 // of the call's edits among all
	for _, m := range todo {
		if problem != "" {
			out := failed(bounded(b.path, filetree.MaxPathLen), "%s", problem)
			out.shows = shows
			b.outcomes[m.index] = out
			continue
		}
		b.outcomes[m.index] = b.outcomeOf(s, planned, m, first)
		first += len(m.input.edits)
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

// staleText refuses edits of a file that somebody else has changed since the model saw it.
func (b *batch) staleText(s *session, content []byte, todo []member) string {
	n := countLines(content)
	first, last := n, 1
	for _, m := range todo {
		for _, e := range m.input.edits {
			first, last = min(first, e.FirstLine), max(last, e.LastLine)
		}
	}
	if len(content) <= maxShownBytes/2 {
		first, last = 1, n
	}
	first = min(max(1, first-shownAround), n)
	last = max(first, min(n, last+shownAround))
	return fmt.Sprintf("%s was corrected automatically since you last saw it, so nothing was edited. Go by how it reads now:\n%s",
		b.path, bounded(s.showLines(b.path, content, first, last).text, maxShownBytes))
}

// pending lists the calls that are to be run. Those that ran before an interruption have moved the numbers of the
// rest. If nothing of them was made, they are planned again with the rest, since they may have failed together.
func (b *batch) pending(s *session) []member {
	anyMade := false
	for _, m := range b.members {
		anyMade = anyMade || len(m.made) > 0
	}
	var todo []member
	for _, m := range b.members {
		switch {
		case m.problem != "":
			b.outcomes[m.index] = failed(bounded(m.input.path, filetree.MaxPathLen), "%s", m.problem)
			continue
		case m.ran && anyMade:
			continue
		}
		m.input.edits = slices.Clone(m.input.edits)
		for i := range m.input.edits {
			e := &m.input.edits[i]
			moved := b.moved(s, e.FirstLine)
			e.FirstLine += moved
			e.LastLine += moved
		}
		todo = append(todo, m)
	}
	return todo
}

// moved is how far down a line went by the edits above it that an earlier process made.
func (b *batch) moved(s *session, line int) (by int) {
	for _, m := range b.members {
		for _, i := range m.made {
			if e := m.input.edits[i]; e.LastLine < line {
				by += countLines(s.in.Fill([]byte(e.text))) - (e.LastLine - e.FirstLine + 1)
			}
		}
	}
	return by
}

// outcomeOf tells one call how it went; first is where its edits begin among those that were planned.
func (b *batch) outcomeOf(s *session, planned edit.Batch, m member, first int) outcome {
	answers := make([]answer, len(m.input.edits))
	mine := func(i int) bool { return i >= first && i < first+len(answers) }
	if err, isEdit := planned.Err().(*edit.Error); isEdit {
		for _, f := range err.Failures {
			if mine(f.Edit) {
				answers[f.Edit-first].text = f.Text
			}
		}
	}
	for _, r := range planned.Applied() {
		if mine(r.Edit) {
			answers[r.Edit-first] = answer{made: true, text: r.String()}
		}
	}
	for i, e := range m.input.edits {
		if e.problem != "" {
			answers[i].text = e.problem
		}
	}
	text, made := tellEdits(answers)
	if made == 0 {
		return failed(b.path, "%s", text)
	}
	tree, err := s.tree.With(b.path, planned.Content(first+len(answers)))
	if err != nil { // bounds of the tree were checked with all edits; fewer can be larger only in theory
		return failed(b.path, "%v", err)
	}
	out := ok(b.path, tree, "%s", text)
	out.made = made
	return out
}
