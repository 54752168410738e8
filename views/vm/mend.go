package vm

import (
	"encoding/json"
	"fmt"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// Fix is one problem that was cured without a model.
type Fix struct {
	File string // "" when it is of the whole app
	Text string
}

// Recovery is one attempt of the author at an error, which nobody pays for.
type Recovery struct {
	Attempt int
	Most    int    // how many attempts there are at most
	Verb    string // "Trying to fix", "Tried to fix"
	Error   string // a sentence
	Class   string // of the error, in words
	Told    string // what the author was told; bounded
}

// Which says which attempt it was, and at what sort of error.
func (r Recovery) Which() string {
	out := fmt.Sprintf("Attempt %d of %d", r.Attempt, r.Most)
	if r.Class != "" {
		out += ", " + r.Class
	}
	return out
}

// maxRecoveries is how many attempts the pipeline makes.
const maxRecoveries = 2

// Question is what the builder asks before it goes on.
type Question struct {
	Text    string
	Choices []string
}

// classes are the classes of model.Diagnostic in words.
var classes = map[string]string{
	"missing_package": "missing package", "missing_file": "missing file", "missing_export": "missing export", "type": "type error",
	"syntax": "syntax error", "css": "style sheet", "html": "page", "too_big": "too large", "migration": "migration refused",
	"runtime": "error in the browser", "network": "failed request", "blank": "blank page", "timeout": "took too long",
}

func classWord(class string) string {
	if word, known := classes[class]; known {
		return word
	}
	return strings.ReplaceAll(class, "_", " ")
}

func newFixes(events []model.FixEvent) []Fix {
	var out []Fix
	for _, e := range events {
		out = append(out, Fix{File: e.File, Text: e.Text})
	}
	return out
}

// newRecoveries reads the messages by which the builder asked for a cure. What carries no note is left out:
// it was not the server that wrote it.
func newRecoveries(messages []model.Message, running bool) []Recovery {
	var out []Recovery
	for _, m := range messages {
		var note model.RecoveryNote
		if json.Unmarshal(m.Metadata, &note) != nil || note.Type != model.ErrorRecovery {
			continue
		}
		out = append(out, Recovery{
			Attempt: note.Attempt, Most: max(maxRecoveries, note.Attempt), Verb: "Tried to fix", Error: note.Error,
			Class: classWord(note.ErrorClass), Told: bounded(m.Content),
		})
	}
	if running && len(out) > 0 {
		out[len(out)-1].Verb = "Trying to fix"
	}
	return out
}

// newQuestion reads the question that a reply ends with, if it does.
func newQuestion(reply model.Message) *Question {
	var q model.Question
	if json.Unmarshal(reply.Metadata, &q) != nil || q.Type != model.AskedQuestion || strings.TrimSpace(q.Text) == "" {
		return nil
	}
	out := &Question{Text: strings.TrimSpace(q.Text)}
	for _, choice := range q.Choices {
		if choice = strings.TrimSpace(choice); choice != "" {
			out.Choices = append(out.Choices, choice)
		}
	}
	return out
}

// mended says what was done about errors before a turn failed with the sentence failure, which is not repeated.
func mended(fixes []Fix, recoveries []Recovery, failure string) []string {
	var out []string
	switch len(fixes) {
	case 0:
	case 1:
		out = append(out, "Fixed for $0: "+fixes[0].Text)
	default:
		out = append(out, Count(len(fixes), "problem")+" fixed for $0.")
	}
	for _, r := range recoveries {
		line := fmt.Sprintf("Attempt %d of %d to fix it, not billed", r.Attempt, r.Most)
		if r.Error != "" && !strings.Contains(failure, r.Error) {
			line += ": " + r.Error
		} else {
			line += "."
		}
		out = append(out, line)
	}
	return out
}

// settable are the classes of errors that a person cures in the settings: the key, the money, the choice of model.
// What is wrong with an app has the class of its diagnostic; what a provider or a budget refused has the kind of its
// fault.
var settable = map[string]bool{
	string(fault.Invalid): true, string(fault.Unauthorized): true, string(fault.RateLimited): true,
	"no_money": true, "unknown_model": true, "budget": true,
}
