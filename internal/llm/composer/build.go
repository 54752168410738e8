package composer

import (
	"encoding/json"
	"slices"
	"strings"

	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/spec"
	"overskill/internal/llm/composer/understand"
)

// build writes the app, or the change, and says what it did.
func build(t turn) (reply, error) {
	switch {
	case t.after != "" && !slices.ContainsFunc(t.built(), func(d done) bool { return d.call.Name != toolView }) && t.old == nil:
		return first(t)
	case t.after != "":
		return reply{text: "I write by fixed rules and would write the same files again, so I cannot repair this error. The last working version stays live. A language model can be chosen in the app's settings."}, nil
	case t.old != nil:
		return followUp(t)
	case foreign(t) && len(t.built()) == 0 && !t.planned:
		return reply{text: "This app was not written by the Composer, so I left it as it is."}, nil
	default:
		return first(t)
	}
}

// first writes a whole app in one reply, then tells about it.
func first(t turn) (reply, error) {
	s := understand.Prompt(t.request)
	if foreignPlan(t) {
		return reply{text: "I left the app as it is: I can only change apps that I wrote myself."}, nil
	}
	if len(t.built()) > 0 {
		return reply{text: firstText(t, s)}, nil
	}
	files, err := compile.Files(s)
	if err != nil {
		return reply{}, err
	}
	name, sql, err := compile.Migration(nil, s)
	if err != nil {
		return reply{}, err
	}
	var r reply
	if sql != "" {
		r.calls = append(r.calls, call{toolMigrate, migrateInput{Name: name, SQL: sql}})
	}
	for _, p := range compile.Order(files) {
		r.calls = append(r.calls, call{toolWrite, writeInput{Path: p, Content: string(files[p])}})
	}
	return r, nil
}

// foreignPlan reports whether the plan already said that nothing will be done.
func foreignPlan(t turn) bool {
	for _, d := range t.done[:t.planning] {
		var p planInput
		if d.call.Name == toolPlan && json.Unmarshal(d.call.Input, &p) == nil && p.VersionName == "No change" {
			return true
		}
	}
	return false
}

// followUp changes an app: it looks at the files that the change touches, edits the lines that differ, tries a
// failed edit once more with the whole file, and tells about it.
func followUp(t turn) (reply, error) {
	next, out := change(t)
	if !out.Changed {
		return reply{text: refusal(out)}, nil
	}
	e, err := newEdit(*t.old, next)
	if err != nil {
		return reply{}, err
	}
	built := t.built()
	var views, writes []done
	rounds := map[int]bool{}
	for _, d := range built {
		if d.call.Name == toolView {
			views = append(views, d)
		} else {
			writes = append(writes, d)
			rounds[d.round] = true
		}
	}
	if len(writes) == 0 {
		if calls := e.look(t, len(views) > 0); len(calls) > 0 {
			return reply{calls: calls}, nil
		}
		calls := e.calls(t)
		if len(calls) == 0 {
			return reply{text: changeText(out, nil)}, nil
		}
		return reply{calls: calls}, nil
	}
	if len(rounds) == 1 {
		if again := e.again(t, writes); len(again) > 0 {
			return reply{calls: again}, nil
		}
	}
	return reply{text: changeText(out, e.leftAlone(writes))}, nil
}

// edit is the difference between two specs in files.
type edit struct {
	before, after map[string][]byte
	changed       []string // paths that differ, in the order of writing
	gone          []string // paths that vanish
	name, sql     string   // the migration, if any
}

func newEdit(old, next spec.Spec) (*edit, error) {
	e := &edit{}
	var err error
	if e.before, err = compile.Files(old); err != nil {
		return nil, err
	}
	if e.after, err = compile.Files(next); err != nil {
		return nil, err
	}
	if e.name, e.sql, err = compile.Migration(&old, next); err != nil {
		return nil, err
	}
	for _, p := range compile.Order(e.after) {
		if b, ok := e.before[p]; !ok || string(b) != string(e.after[p]) {
			e.changed = append(e.changed, p)
		}
	}
	for _, p := range compile.Order(e.before) {
		if _, ok := e.after[p]; !ok {
			e.gone = append(e.gone, p)
		}
	}
	return e, nil
}

// look returns the views that are still missing: first those of all changed files, then the rest of long ones.
func (e *edit) look(t turn, begun bool) []call {
	var out []call
	for _, p := range e.changed {
		if _, there := e.before[p]; !there {
			continue
		}
		lines, next := t.shown(p, len(t.done))
		switch {
		case p == spec.Path && lines != nil && next == 0:
		case !begun:
			out = append(out, call{toolView, viewInput{Path: p}})
		case next > len(lines):
			out = append(out, call{toolView, viewInput{Path: p, FirstLine: next}})
		}
	}
	return out
}

// calls returns the database change, the edits of every changed file, and the deletions.
func (e *edit) calls(t turn) []call {
	var out []call
	if e.sql != "" {
		out = append(out, call{toolMigrate, migrateInput{Name: e.name, SQL: e.sql}})
	}
	for _, p := range e.changed {
		after := string(e.after[p])
		before, there := e.before[p]
		now, complete := t.viewed(p, len(t.done))
		_, failed := t.asked(p, 0, len(t.done))
		whole := call{toolWrite, writeInput{Path: p, Content: after, Removing: e.removing(p)}}
		switch {
		case !there || failed: // new, or somebody deleted it and the change needs it
			out = append(out, whole)
		case complete && strings.TrimRight(now, "\n") == strings.TrimRight(after, "\n"):
			continue
		default:
			hunks := hunksOf(string(before), after)
			if small(hunks, string(before), after) || !complete || !sameText(now, string(before)) {
				for some := range slices.Chunk(hunks, maxEdits) {
					out = append(out, call{toolReplace, replaceInput{p, editsOf(some), e.removing(p)}})
				}
				continue
			}
			out = append(out, whole)
		}
	}
	for _, p := range e.gone {
		out = append(out, call{toolDelete, deleteInput{p}})
	}
	return out
}

// removing says why a file becomes shorter: the tools refuse to let most of one vanish without a reason.
func (e *edit) removing(p string) string {
	if len(e.after[p]) < len(e.before[p]) {
		return "The person asked for what this takes away."
	}
	return ""
}

func sameText(a, b string) bool { return strings.TrimRight(a, "\n") == strings.TrimRight(b, "\n") }

// again repeats a failed line replacement with the whole file, unless a person changed the file: their work is not
// overwritten.
func (e *edit) again(t turn, writes []done) []call {
	var out []call
	seen := map[string]bool{}
	for _, d := range writes {
		var in writeInput
		if !d.failed || d.call.Name != toolReplace || json.Unmarshal(d.call.Input, &in) != nil || seen[in.Path] {
			continue
		}
		seen[in.Path] = true
		if now, complete := t.viewed(in.Path, len(t.done)); complete && sameText(now, string(e.before[in.Path])) {
			out = append(out, call{toolWrite, writeInput{Path: in.Path, Content: string(e.after[in.Path]), Removing: e.removing(in.Path)}})
		}
	}
	return out
}

// leftAlone lists what could not be done: files whose last call failed, and a refused migration.
func (e *edit) leftAlone(writes []done) []string {
	state := map[string]bool{}
	var order []string
	for _, d := range writes {
		var in writeInput
		if json.Unmarshal(d.call.Input, &in) != nil {
			continue
		}
		p := in.Path
		if d.call.Name == toolMigrate {
			p = "the database"
		}
		if d.call.Name == toolDelete && d.failed {
			continue // it was not there any more
		}
		if _, seen := state[p]; !seen {
			order = append(order, p)
		}
		if d.call.Name == toolReplace && d.round == writes[0].round {
			state[p] = state[p] || d.failed
		} else {
			state[p] = d.failed
		}
	}
	return slices.DeleteFunc(order, func(p string) bool { return !state[p] })
}
