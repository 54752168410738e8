package composer

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"overskill/internal/llm"
	"overskill/internal/llm/composer/spec"
)

// turn is what the conversation says about the work at hand.
type turn struct {
	request  string // the person's words
	system   string // lists the files that are there
	history  bool   // there were earlier turns
	planned  bool   // os-plan was called
	after    string // what somebody said after the plan: an error to recover from
	done     []done // calls with their results, in order
	planning int    // how many of done came before os-plan, os-plan included
	old      *spec.Spec
	oldText  string
}

// done is a call that was answered.
type done struct {
	call   llm.ToolCall
	text   string
	failed bool // also if only some edits of the call were made
	round  int  // the reply that made it, from 0
}

// attachment begins what the agent shows behind the person's words.
const attachment = "\n\n<attached-files>\n"

// readTurn finds where the current turn begins and what was done in it. The turn begins with the last words
// that the person wrote before the last os-plan; without a plan, with the last words.
func readTurn(req llm.Request) turn {
	t := turn{system: strings.Join(req.System, "\n")}
	planAt := -1
	building := offers(req, toolWrite)
	for i, m := range req.Messages {
		for _, c := range m.Calls {
			if c.Name == toolPlan && building {
				planAt = i
			}
		}
	}
	start := -1
	for i, m := range req.Messages {
		if m.Role == llm.User && m.Text != "" && len(m.Results) == 0 && (planAt < 0 || i < planAt) {
			start = i
		}
	}
	if start < 0 {
		return t
	}
	t.request, _, _ = strings.Cut(req.Messages[start].Text, attachment)
	t.history = start > 0
	round := 0
	pending := map[string]int{}
	for i, m := range req.Messages[start+1:] {
		if m.Role == llm.User && m.Text != "" && planAt >= 0 && start+1+i > planAt {
			t.after = m.Text
		}
		for _, c := range m.Calls {
			pending[c.ID] = len(t.done)
			t.done = append(t.done, done{call: c, round: round, failed: true})
			if c.Name == toolPlan {
				t.planned, t.planning = true, len(t.done)
			}
		}
		if len(m.Calls) > 0 {
			round++
		}
		for _, r := range m.Results {
			if at, ok := pending[r.CallID]; ok {
				t.done[at].text, t.done[at].failed = r.Text, r.Failed || partNote.MatchString(r.Text) && t.done[at].call.Name == toolReplace
			}
		}
	}
	t.readSpec()
	return t
}

// readSpec decodes the app's spec if the turn has seen it before the plan (the build overwrites it).
func (t *turn) readSpec() {
	limit := len(t.done)
	if t.planned {
		limit = t.planning
	}
	text, complete := t.viewed(spec.Path, limit)
	if !complete {
		return
	}
	s, err := spec.Decode([]byte(text))
	if err != nil {
		return
	}
	t.old, t.oldText = &s, text
}

var (
	lineNumber = regexp.MustCompile(`^\s*(\d+)\| ?(.*)$`)
	partNote   = regexp.MustCompile(`^\d+ of \d+ edits were made`)
	cutNote    = regexp.MustCompile(`^\(the file has \d+ lines; ask for more with first_line (\d+)\)$`)
)

// viewed returns a file as os-view showed it among the first limit calls, whole or in parts. complete is false when
// it was not shown to its end.
func (t *turn) viewed(path string, limit int) (text string, complete bool) {
	lines, next := t.shown(path, limit)
	if lines == nil || next > 0 {
		return "", false
	}
	return strings.Join(lines, "\n") + "\n", true
}

// shown collects the lines of a file that os-view showed, and the line to go on from, or 0 at its end.
func (t *turn) shown(path string, limit int) (lines []string, next int) {
	for _, d := range t.done[:limit] {
		var in viewInput
		if d.call.Name != toolView || d.failed || json.Unmarshal(d.call.Input, &in) != nil || in.Path != path {
			continue
		}
		if in.FirstLine <= 1 {
			lines = []string{}
		}
		next = 0
		for _, l := range strings.Split(d.text, "\n") {
			if m := lineNumber.FindStringSubmatch(l); m != nil {
				lines = append(lines, m[2])
			} else if m := cutNote.FindStringSubmatch(l); m != nil {
				next, _ = strconv.Atoi(m[1])
			}
		}
	}
	return lines, next
}

// asked reports whether a file was asked for among the calls from from on, and whether the last answer failed.
func (t *turn) asked(path string, from, limit int) (asked, failed bool) {
	for _, d := range t.done[from:limit] {
		var in viewInput
		if d.call.Name == toolView && json.Unmarshal(d.call.Input, &in) == nil && in.Path == path {
			asked, failed = true, d.failed
		}
	}
	return asked, failed
}

// built returns the calls after the plan.
func (t *turn) built() []done { return t.done[t.planning:] }
