package vm

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"overskill/internal/model"
)

// Turn is one request and everything that came of it.
type Turn struct {
	Slug    string
	ID      int64  // of its version
	Number  string // of its version, such as 1.0.3
	Name    string // of its version, in words
	State   model.VersionStatus
	Newest  bool // nothing was asked after it: its question can be answered, and it can be tried again
	Open    bool // its steps are printed; a closed turn fetches them when it is opened
	Author  Person
	Asked   string
	At      Time
	Model   string // who wrote the code; "" before that is known
	Took    string // "" while it runs
	Since   int64  // Unix milliseconds at which it started, while it runs; else 0
	Now     int    // the step that runs, from 1; 0 when none does
	Six     [6]string
	Steps   []Step
	Rule    Rule
	Prose   string // safe HTML
	Changes int    // tool calls that changed files
	Added   int
	Removed int
	Error   string   // a sentence; "" unless it failed
	Tried   []string // where it ended, and what was done more than once
	Live    string   // the version that stayed live when this one failed or was stopped; may be ""

	Bill       Bill
	Fixes      []Fix
	Recoveries []Recovery
	Question   *Question // nil unless it ended with one
	Again      string    // the version number that it was to restore, when that is what was asked
	Settings   bool      // it failed for something that is cured in the settings
}

// Step is one of the six steps that people see. Several pipeline stages may stand behind one.
type Step struct {
	Number int
	Name   string
	State  string // done, now, fail, wait: the classes of the rule
	Word   string // the same for who does not see it, and "stopped"
	Took   string
	Since  int64 // Unix milliseconds, while it runs
	Tools  []Tool
	Error  string
}

// Tool is one call of a tool by whoever writes the code.
type Tool struct {
	URL     string // of its detail
	Seq     int
	Verb    string
	Dir     string // the path up to the last slash, with it
	File    string
	OK      bool
	Added   int
	Removed int
	Took    string // "" below 0.1 s
}

// Running reports whether more will happen to the turn.
func (t Turn) Running() bool { return t.ID != 0 && !t.State.Ended() }

// NewTurn says how t appears at now. live is the number of the version that was live before it, or "".
func NewTurn(slug string, t model.Turn, live string, open bool, now time.Time) Turn {
	v := t.Version
	out := Turn{
		Slug: slug, ID: v.ID, Number: v.Number, State: v.Status, Name: v.DisplayName, Model: v.AIModelUsed,
		Author: NewPerson(t.Author), Asked: t.Request.Content, At: NewTime(t.Request.CreatedAt, now),
		Prose: Prose(t.Reply.Content), Live: live,
	}
	if out.Name == "" {
		out.Name = shorten(t.Request.Content, 60)
	}
	out.Open = open || out.Running()
	out.Steps = steps(slug, t, now)
	for i, s := range out.Steps {
		switch s.State {
		case "done":
			out.Six[i] = "done"
			if v.Status == model.VersionGreen {
				out.Six[i] = "ok"
			}
		case "now":
			out.Six[i], out.Now = "now", s.Number
		case "fail":
			out.Six[i] = "bad"
		}
	}
	for _, call := range t.Tools {
		if call.OK && (call.Added != 0 || call.Removed != 0) {
			out.Changes++
			out.Added += call.Added
			out.Removed += call.Removed
		}
	}
	out.time(t, now)
	out.Fixes, out.Recoveries = newFixes(t.Fixes), newRecoveries(t.Recoveries, out.Running())
	out.Bill = NewBill(v, len(out.Recoveries) > 0)
	if v.Status == model.VersionUnchanged {
		out.Question = newQuestion(t.Reply)
	}
	if out.Question != nil && strings.TrimSpace(t.Reply.Content) == out.Question.Text {
		out.Prose = "" // the question says it
	}
	if v.Status == model.VersionFailed {
		out.fail(t)
	}
	return out
}

// fail says what went wrong, what was tried, and what can be done.
func (out *Turn) fail(t model.Turn) {
	out.Error = t.Version.Error
	if out.Error == "" {
		out.Error = "This change could not be finished."
	}
	out.Tried = append(mended(out.Fixes, out.Recoveries, out.Error), tried(t.Stages, len(out.Fixes)+len(out.Recoveries) > 0)...)
	out.Again, out.Settings = restored(t.Request), settable[t.Version.ErrorClass]
	for i := range out.Steps {
		if strings.Contains(out.Error, out.Steps[i].Error) {
			out.Steps[i].Error = "" // the turn says it already
		}
	}
}

// restored is the number of the version that a request was to restore; "" when it asked for something else.
func restored(request model.Message) string {
	var meta struct {
		Type   string `json:"type"`
		Number string `json:"number"`
	}
	if json.Unmarshal(request.Metadata, &meta) != nil || meta.Type != "restore" {
		return ""
	}
	return meta.Number
}

func (out *Turn) time(t model.Turn, now time.Time) {
	start, end := t.Version.CreatedAt, t.Version.EndedAt
	if start.IsZero() {
		start = t.Request.CreatedAt
	}
	if out.Running() {
		out.Since = start.UnixMilli()
		return
	}
	if end.IsZero() {
		for _, s := range t.Stages {
			if s.EndedAt.After(end) {
				end = s.EndedAt
			}
		}
	}
	if !end.IsZero() && !end.Before(start) {
		out.Took = Took(end.Sub(start))
		out.Rule = newRule(start, end, t.Stages)
	}
}

// steps folds the stages into the six steps and hangs each tool call under the step during which it ran.
func steps(slug string, t model.Turn, now time.Time) []Step {
	out := make([]Step, len(model.Steps))
	for i := range out {
		out[i] = Step{Number: i + 1, Name: model.Steps[i], State: "wait", Word: "waiting"}
	}
	var spans [6][]model.Stage
	for _, s := range t.Stages {
		if s.Step < 1 || s.Step > len(out) {
			continue
		}
		step := &out[s.Step-1]
		spans[s.Step-1] = append(spans[s.Step-1], s)
		step.fold(s)
	}
	var took [6]time.Duration
	for i := range took {
		took[i] = covered(spans[i])
	}
	for i := range out {
		s := &out[i]
		// Between two stages of one step nothing runs for a moment, but the step is not over.
		if s.State == "done" && !t.Version.Status.Ended() && hasWaiting(t.Stages, s.Number) {
			s.State, s.Word = "now", "running"
			s.Since = now.Add(-took[i]).UnixMilli()
		}
		if (s.State == "done" || s.State == "fail") && took[i] > 0 {
			s.Took = Took(took[i])
		}
	}
	for _, call := range t.Tools {
		i := stepOf(call, t.Stages) - 1
		out[i].Tools = append(out[i].Tools, newTool(slug, t.Version.ID, call))
	}
	return out
}

func (s *Step) fold(stage model.Stage) {
	switch stage.Status {
	case model.StageRunning:
		s.State, s.Word, s.Error = "now", "running", "" // an error of before is being worked on
		s.Since = stage.StartedAt.UnixMilli()
	case model.StageFailed:
		s.State, s.Word, s.Error = "fail", "failed", stage.Error
	case model.StageStopped:
		if s.State != "fail" {
			s.State, s.Word = "wait", "stopped"
		}
	case model.StageDone:
		if s.State == "wait" && s.Word == "waiting" {
			s.State, s.Word = "done", "done"
		}
	}
}

// covered is how long any of the stages ran: some run side by side.
func covered(stages []model.Stage) time.Duration {
	stages = slices.SortedFunc(slices.Values(stages), func(a, b model.Stage) int { return a.StartedAt.Compare(b.StartedAt) })
	var sum time.Duration
	var until time.Time
	for _, s := range stages {
		if s.StartedAt.Before(until) {
			s.StartedAt = until
		}
		sum += span(s)
		if s.EndedAt.After(until) {
			until = s.EndedAt
		}
	}
	return sum
}

func span(s model.Stage) time.Duration {
	if s.StartedAt.IsZero() || s.EndedAt.Before(s.StartedAt) {
		return 0
	}
	return s.EndedAt.Sub(s.StartedAt)
}

func hasWaiting(stages []model.Stage, step int) bool {
	for _, s := range stages {
		if s.Step == step && s.Status == model.StageWaiting {
			return true
		}
	}
	return false
}

// stepOf finds the step during which a call started; calls without a time belong to Features.
func stepOf(call model.ToolCall, stages []model.Stage) int {
	const features = 4
	for _, s := range stages {
		if s.Step < 1 || s.Step > 6 || s.StartedAt.IsZero() || call.StartedAt.Before(s.StartedAt) {
			continue
		}
		if s.EndedAt.IsZero() || call.StartedAt.Before(s.EndedAt) {
			return s.Step
		}
	}
	return features
}

// verbs are what the tools did, for people.
var verbs = map[string]string{
	"os-write": "Wrote", "os-line-replace": "Edited", "os-view": "Read", "os-search-files": "Searched",
	"os-delete": "Deleted", "os-rename": "Renamed", "os-add-dependency": "Added", "os-remove-dependency": "Removed",
	"os-plan": "Planned", "os-migrate": "Migrated", "os-read-logs": "Read logs", "os-ask": "Asked",
}

func newTool(slug string, versionID int64, call model.ToolCall) Tool {
	verb, known := verbs[call.Name]
	if !known {
		verb = call.Name
	}
	slash := strings.LastIndexByte(call.Path, '/') + 1
	tool := Tool{
		URL: fmt.Sprintf("/apps/%s/turns/%d/tools/%d", slug, versionID, call.Seq), Seq: call.Seq, Verb: verb,
		Dir: call.Path[:slash], File: call.Path[slash:], OK: call.OK, Added: call.Added, Removed: call.Removed,
	}
	if call.Name == "os-search-files" { // a regular expression is no path
		tool.Dir, tool.File = "", call.Path
	}
	if call.Millis >= 100 {
		tool.Took = Took(time.Duration(call.Millis) * time.Millisecond)
	}
	return tool
}

// tried says in words where the pipeline ended and what it did more than once before it gave up. The error
// itself is not repeated. When errors were mended, stages ran again because of that, which is said elsewhere.
func tried(stages []model.Stage, mended bool) []string {
	var out []string
	for _, s := range stages {
		if s.Step < 1 || s.Step > 6 {
			continue
		}
		name := model.Steps[s.Step-1]
		switch {
		case s.Status == model.StageFailed && s.Attempts > 1 && !mended:
			out = append(out, fmt.Sprintf("It ended at step %d, %s (%s), after %d tries.", s.Step, name, s.Name, s.Attempts))
		case s.Status == model.StageFailed:
			out = append(out, fmt.Sprintf("It ended at step %d, %s (%s).", s.Step, name, s.Name))
		case s.Attempts > 1 && !mended:
			out = append(out, fmt.Sprintf("%s (%s) ran %d times.", name, s.Name, s.Attempts))
		}
	}
	return out
}

// ToolDetail is what opens under a tool's line.
type ToolDetail struct {
	Tool
	Lines  []DiffLine
	Result string // what the tool answered, when there is no difference to show, or not all of it was made
}

// partly matches the answer to a call of which some edits were made and others refused.
var partly = regexp.MustCompile(`^\d+ of \d+ edits were made`)

// maxResult bounds on a page what a tool answered or the author was told, in runes.
const maxResult = 4000

// NewToolDetail opens one call of a turn.
func NewToolDetail(slug string, versionID int64, call model.ToolCall) ToolDetail {
	d := ToolDetail{Tool: newTool(slug, versionID, call), Lines: ParseDiff(call.Detail)}
	if len(d.Lines) == 0 || !call.OK || partly.MatchString(call.Result) {
		d.Result = bounded(call.Result)
	}
	return d
}

// bounded cuts a text that a machine wrote.
func bounded(text string) string {
	out := []rune(strings.TrimSpace(text))
	if len(out) > maxResult {
		out = append(out[:maxResult], '…')
	}
	return string(out)
}
