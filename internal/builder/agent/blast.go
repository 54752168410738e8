package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"overskill/internal/builder/edit"
	"overskill/internal/builder/repair"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// rehearsal is what all calls of one reply together would do to the files, found out before the first of them is run.
type rehearsal struct {
	batches []*batch       // by index of the call; nil for other calls
	paths   []string       // the file that each call changes
	refused map[int]string // calls that would do damage, with the reason for the model
	edits   int            // edits of all line-replaces in the reply
	made    int            // and how many of them can be made, or were
}

// change is the input of the calls that change one file.
type change struct {
	Path     string `json:"path"`
	Removing string `json:"removing"`
}

const maxRemoving = 200 // characters

// fileTools are those that a rehearsal plays. The others ask a registry or a database, and leave code alone.
var fileTools = []string{"os-write", lineReplaceName, "os-delete", "os-rename"}

// rehearse plays a reply on a copy of the files and judges the outcome as a whole: an export may go if its importers
// change in the same reply. What a refused call would have done may have been what made another one right, so it plays
// again without it, until nothing more is refused.
func (s *session) rehearse(calls []llm.ToolCall, first int) (*rehearsal, error) {
	r := &rehearsal{paths: make([]string, len(calls)), refused: map[int]string{}}
	done := make([]*model.ToolCall, len(calls)) // the records of those that were run already
	for i, call := range calls {
		c, recorded, err := s.find(first+i, call)
		if err != nil {
			return nil, err
		}
		if recorded {
			done[i] = &c
		}
		var in change
		if slices.Contains(fileTools, call.Name) && json.Unmarshal(call.Input, &in) == nil {
			r.paths[i] = in.Path
		}
	}
	r.batches = batchEdits(calls, done)
	if s.planning {
		return r, nil
	}
	for {
		outcomes, tree := s.play(calls, done, r)
		if !s.judge(calls, outcomes, tree, r) {
			r.countEdits(outcomes)
			return r, nil
		}
	}
}

// play runs the calls on a copy of the session.
func (s *session) play(calls []llm.ToolCall, done []*model.ToolCall, r *rehearsal) ([]outcome, filetree.Tree) {
	stage := *s
	stage.rehearsing = true
	played := *r
	played.batches = batchEdits(calls, done)
	outcomes := make([]outcome, len(calls))
	for i, call := range calls {
		if done[i] != nil || r.refused[i] != "" || !slices.Contains(fileTools, call.Name) {
			continue
		}
		outcomes[i] = stage.guarded(context.Background(), call, &played, i)
		if out := outcomes[i]; out.tree != nil {
			stage.tree = *out.tree
		}
	}
	return outcomes, stage.tree
}

// countEdits tells how many edits the reply has, and how many of them can be made.
func (r *rehearsal) countEdits(outcomes []outcome) {
	for i, b := range r.batches {
		if b == nil {
			continue
		}
		r.edits += b.edits(i)
		r.made += outcomes[i].made
		for _, m := range b.members {
			if m.index == i {
				r.made += len(m.made)
			}
		}
	}
}

// judge adds to the refused calls those that would do damage, and reports whether there are any.
func (s *session) judge(calls []llm.ToolCall, outcomes []outcome, after filetree.Tree, r *rehearsal) bool {
	before := len(r.refused)
	var touched []string
	for i, out := range outcomes {
		if out.tree == nil || calls[i].Name == "os-rename" { // its answer names the importers; they follow in a moment
			continue
		}
		if !slices.Contains(touched, r.paths[i]) {
			touched = append(touched, r.paths[i])
		}
	}
	for _, p := range touched {
		if why := s.shrinks(calls, p, after, r); why != "" {
			r.refuse(p, outcomes, why)
		}
	}
	if len(r.refused) > before {
		return true
	}
	lost := map[string][]repair.LostExport{}
	var files []string
	for _, l := range repair.LostExports(s.tree, after, touched) {
		if lost[l.File] == nil {
			files = append(files, l.File)
		}
		lost[l.File] = append(lost[l.File], l)
	}
	for _, p := range files {
		r.refuse(p, outcomes, lostText(p, after.Has(p), lost[p]))
	}
	return len(r.refused) > before
}

// refuse refuses all calls that would change a file. Which one of them does the damage is for the model to say.
func (r *rehearsal) refuse(p string, outcomes []outcome, why string) {
	for i, out := range outcomes {
		if out.tree != nil && r.paths[i] == p {
			r.refused[i] = why
		}
	}
}

// shrinks says why a file may not lose so much of its text, or "". Files that the turn itself has brought are the
// model's to shape, until it is called back to mend them.
func (s *session) shrinks(calls []llm.ToolCall, p string, after filetree.Tree, r *rehearsal) string {
	if !s.in.Base.Has(p) && !s.recovering {
		return ""
	}
	old, had := s.tree.Get(p)
	now, has := after.Get(p)
	if !had || !has {
		return ""
	}
	for i, call := range calls {
		var in change
		if r.paths[i] == p && json.Unmarshal(call.Input, &in) == nil && oneLine(in.Removing) != "" {
			return ""
		}
	}
	was, is, much := edit.Shrinks(old, now)
	if !much {
		return ""
	}
	return fmt.Sprintf("%s has %d lines of text and would be left with %d of them: more than half of it would vanish. Nothing was changed. "+
		"If a feature is to stay, keep its code. If the person asked for this, or the code moved, send the call again with removing saying so.", p, was, is)
}

// lostText says who still needs what would be gone.
func lostText(p string, there bool, lost []repair.LostExport) string {
	var b strings.Builder
	if there {
		fmt.Fprintf(&b, "%s was not changed: other files import from it what it would not export any more.", p)
	} else {
		fmt.Fprintf(&b, "%s was not deleted: other files import it.", p)
	}
	for i, l := range lost {
		if i == 10 {
			fmt.Fprintf(&b, "\nand %d more", len(lost)-i)
			break
		}
		name := l.Name
		if name == repair.WholeFile {
			name = "the file"
		}
		fmt.Fprintf(&b, "\n%s: %s", name, strings.Join(l.Importers[:min(10, len(l.Importers))], ", "))
	}
	b.WriteString("\nChange these files first or in the same reply, or keep the names.")
	return b.String()
}
