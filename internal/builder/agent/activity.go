package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"overskill/internal/llm"
)

const (
	activityInterval = 300 * time.Millisecond
	maxActivity      = 200 // bytes of one line
)

// activity is what the model does this moment, read from the pieces of its reply as they come.
type activity struct {
	told   time.Time
	drafts map[string]*draft // calls that are being written, by ID
	mind   string            // the summary of what the model thinks, so far
}

// draft is a call that is being written.
type draft struct {
	name    string
	head    string // the beginning of its input, in which the path is
	lines   int    // that are complete
	escaped bool   // the last piece ended in a backslash
}

// doing says in words what a call does.
var doing = map[string]string{
	"os-write": "Writing", lineReplaceName: "Editing", "os-view": "Reading", "os-search-files": "Searching", "os-delete": "Deleting",
	"os-rename": "Renaming", "os-add-dependency": "Adding", "os-remove-dependency": "Removing", "os-migrate": "Changing the database",
	planName: "Making the plan", askName: "Asking", logsName: "Reading the logs",
}

// watch follows a stream, and now and then tells people what it is about.
func (s *session) watch(ctx context.Context, e llm.Event) {
	a := &s.activity
	switch {
	case e.Begun != nil:
		if a.drafts == nil {
			a.drafts = map[string]*draft{}
		}
		a.drafts[e.Begun.ID] = &draft{name: e.Begun.Name}
		a.mind = ""
		s.tell(ctx, a.drafts[e.Begun.ID].words(), false)
	case e.Input != nil:
		if d := a.drafts[e.Input.CallID]; d != nil {
			d.grow(e.Input.JSON)
			s.tell(ctx, d.words(), false)
		}
	case e.Reasoning != "":
		a.mind += e.Reasoning
		s.tell(ctx, lastSentence(a.mind), true)
	case e.Stop != "":
		a.drafts, a.mind = nil, ""
	}
}

// tell shows a line to people, unless they were shown one a moment ago.
func (s *session) tell(ctx context.Context, text string, thinking bool) {
	now := s.in.now()
	if text == "" || now.Sub(s.activity.told) < activityInterval {
		return
	}
	s.activity.told = now
	s.in.Journal.Activity(ctx, bounded(storableText(text), maxActivity), thinking)
}

const maxHead = 1000 // bytes of an input that are searched for the path

// grow reads the next piece of the input. Lines are counted by the \n of JSON strings.
func (d *draft) grow(piece string) {
	if room := maxHead - len(d.head); room > 0 {
		d.head += bounded(piece, room)
	}
	for i := range len(piece) {
		switch c := piece[i]; {
		case d.escaped:
			d.escaped = false
			if c == 'n' {
				d.lines++
			}
		case c == '\\':
			d.escaped = true
		}
	}
}

// subject finds what a call is about before its input is complete.
var subject = regexp.MustCompile(`"(?:path|from|name|pattern)"\s*:\s*("(?:[^"\\]|\\.)*")`)

func (d *draft) words() string {
	text := doing[d.name]
	if m := subject.FindStringSubmatch(d.head); m != nil && text != "" && d.name != planName {
		var of string
		if json.Unmarshal([]byte(m[1]), &of) == nil {
			text += " " + of
		}
	}
	if d.lines > 0 && (d.name == "os-write" || d.name == lineReplaceName) {
		text += fmt.Sprintf(", %d lines", d.lines)
	}
	return text
}
