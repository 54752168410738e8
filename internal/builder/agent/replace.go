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
			"replace":{"type":"string","description":"the new lines, in full"}}}`,
		slow: true,
		run: func(context.Context, *session, json.RawMessage) outcome {
			return failed("", "The edit was not planned.") // not reached: edits run through their batch
		},
	}
}

type editInput struct {
	Path      string `json:"path"`
	Search    string `json:"search"`
	FirstLine int    `json:"first_line"`
	LastLine  int    `json:"last_line"`
	Replace   string `json:"replace"`
}

// batch is the line-replaces of one reply to one file, which nothing else in the reply changes in between.
type batch struct {
	path     string
	members  []member
	outcomes map[int]outcome // by index of the call, once planned
}

type member struct {
	index    int // of the call in its reply
	input    editInput
	problem  string // what is wrong with the input
	replayed bool   // answered from the record
	made     bool   // and it was made: its change is in the file
}

// batchEdits finds the batches of a reply, by the index of each call; nil for other calls.
func batchEdits(calls []llm.ToolCall) []*batch {
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
		m.problem = decode(call.Input, &m.input)
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

// replayed notes that a call was answered from the record. It is fine to ask on a nil batch.
func (b *batch) replayed(index int, made bool) {
	if b == nil {
		return
	}
	for i := range b.members {
		if b.members[i].index == index {
			b.members[i].replayed, b.members[i].made = true, made
		}
	}
}

// run returns the outcome of one call; the first one to run plans them all.
func (b *batch) run(ctx context.Context, s *session, index int) outcome {
	if b.outcomes == nil {
		b.plan(ctx, s)
	}
	return b.outcomes[index]
}

// plan tries all edits together, on the file as it is now. Each call's outcome holds the file with the edits up
// to that call, so that a turn that is interrupted between two calls can go on with the rest.
func (b *batch) plan(ctx context.Context, s *session) {
	b.outcomes = map[int]outcome{}
	todo := b.pending(s)
	content, there := s.tree.Get(b.path)
	problem := ""
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
	edits := make([]edit.Edit, len(todo))
	for i, m := range todo {
		edits[i] = edit.Edit{
			Search: string(s.in.Fill([]byte(m.input.Search))), FirstLine: m.input.FirstLine, LastLine: m.input.LastLine,
			Replace: string(s.in.Fill([]byte(m.input.Replace))),
		}
	}
	var planned edit.Batch
	if problem == "" {
		planned = edit.Plan(b.path, content, edits)
		if len(planned.Applied()) > 0 {
			_, problem = s.put(ctx, b.path, planned.Content(len(edits)))
		}
	}
	for i, m := range todo {
		if problem != "" {
			b.outcomes[m.index] = failed(bounded(b.path, filetree.MaxPathLen), "%s", problem)
			continue
		}
		b.outcomes[m.index] = b.outcomeOf(s, planned, i, len(todo))
	}
}

// pending lists the members that are to be run, with their numbers moved by those that ran before an interruption.
func (b *batch) pending(s *session) []member {
	var todo []member
	for _, m := range b.members {
		switch {
		case m.replayed:
			continue
		case m.problem != "":
			b.outcomes[m.index] = failed(bounded(m.input.Path, filetree.MaxPathLen), "%s", m.problem)
			continue
		}
		moved := 0
		for _, done := range b.members {
			if done.made && done.input.LastLine < m.input.FirstLine {
				moved += countLines(s.in.Fill([]byte(done.input.Replace))) - (done.input.LastLine - done.input.FirstLine + 1)
			}
		}
		m.input.FirstLine += moved
		m.input.LastLine += moved
		todo = append(todo, m)
	}
	return todo
}

// outcomeOf tells one call how it went, and what became of the others.
func (b *batch) outcomeOf(s *session, planned edit.Batch, i, of int) outcome {
	text, made := "", false
	for _, r := range planned.Applied() {
		if r.Edit == i {
			text, made = r.String(), true
		}
	}
	others := ""
	if err, ok := planned.Err().(*edit.Error); ok {
		for _, f := range err.Failures {
			if f.Edit == i {
				text = f.Text
			}
		}
		others = fmt.Sprintf("\n%d of the %d edits of this reply in %s were made.", len(err.Applied), of, b.path)
		if len(err.Applied) > 0 {
			others += " Do not send those again; line numbers below them have moved."
		}
	}
	if of == 1 {
		others = ""
	}
	if !made {
		return failed(b.path, "%s%s", text, others)
	}
	tree, err := s.tree.With(b.path, planned.Content(i+1))
	if err != nil { // bounds of the tree were checked with all edits; fewer can be larger only in theory
		return failed(b.path, "%v", err)
	}
	return ok(b.path, tree, "%s%s", text, others)
}
