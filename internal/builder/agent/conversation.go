package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"overskill/internal/builder/edit"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// session is a turn being continued.
type session struct {
	in      Input
	tools   toolset
	system  []string
	history []llm.Message // earlier turns, bounded
	said    []llm.Message // this turn, as the journal has it
	tree    filetree.Tree

	planning   bool // nothing may be changed yet
	recovering bool // an error is being cured
	rehearsing bool // what happens is not for real: no database is asked

	record   map[int]model.ToolCall // the calls that were run, by Seq
	loops    loopGuard
	sight    *sight
	window   window
	activity activity
	requests int

	prose   string // finished replies, and the current one so far
	written string // the prose that the journal has
	wrote   time.Time

	plan *Plan // set by os-plan and os-ask

	// What was found out about the reply at hand, so that its rehearsal and its run need not both.
	checked map[string]string     // what is wrong with a file that is written, by its content
	plans   map[string]edit.Batch // of edits, by their file and themselves
}

// newSession takes a turn up where the journal left it.
func newSession(ctx context.Context, in Input) (*session, error) {
	if in.MaxSteps <= 0 {
		in.MaxSteps = DefaultMaxSteps
	}
	if in.Fill == nil {
		in.Fill = func(b []byte) []byte { return b }
	}
	said, calls, err := in.Journal.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the turn: %w", err)
	}
	s := &session{in: in, tools: allTools(in.Logs != nil), said: said, tree: in.Tree, record: map[int]model.ToolCall{}}
	for _, c := range calls {
		s.record[c.Seq] = c
	}
	s.window = newWindow(in.Model.Limits())
	s.history = s.window.recent(in.History)
	s.system = systemPrompt(in, s.window)
	for _, m := range said {
		if m.Role == llm.Assistant {
			s.addProse(proseOf(m))
		}
	}
	s.written = s.prose
	s.remember()
	return s, nil
}

// remember recalls what the recorded calls mean for those to come.
func (s *session) remember() {
	s.sight = newSight(s)
	for _, seq := range slices.Sorted(maps.Keys(s.record)) {
		c := s.record[seq]
		s.loops.count(c.Name, c.Input)
		if changedFiles(c) {
			s.loops.reset()
		}
		if p, ok := decision(c); ok {
			s.plan = p
		}
	}
}

// decision is the plan or the question that a call made.
func decision(c model.ToolCall) (*Plan, bool) {
	if !c.OK {
		return nil, false
	}
	var p *Plan
	var out outcome
	switch c.Name {
	case planName:
		p, out = readPlan(c.Input)
	case askName:
		p, out = readQuestion(c.Input)
	default:
		return nil, false
	}
	return p, !out.failed
}

// say adds a message to the conversation, once it is kept.
func (s *session) say(ctx context.Context, m llm.Message) error {
	if err := s.in.Journal.Say(ctx, len(s.said), m); err != nil {
		return fmt.Errorf("keep message %d: %w", len(s.said), err)
	}
	s.said = append(s.said, m)
	return nil
}

// open begins the conversation.
func (s *session) open(ctx context.Context) error {
	if len(s.said) > 0 {
		return nil
	}
	return s.say(ctx, s.in.opening())
}

// seqOf is the number of the first call of message n. Calls are numbered through the turn, from 1, also those that
// were not run.
func (s *session) seqOf(n int) int {
	seq := 1
	for _, m := range s.said[:n] {
		seq += len(m.Calls)
	}
	return seq
}

// steps counts the replies from message from on.
func (s *session) steps(from int) int {
	n := 0
	for _, m := range s.said[from:] {
		if m.Role == llm.Assistant {
			n++
		}
	}
	return n
}

// find returns the recorded call with this number. A record that tells of another call is of another conversation.
func (s *session) find(seq int, call llm.ToolCall) (model.ToolCall, bool, error) {
	c, ok := s.record[seq]
	if ok && (c.Name != callName(call) || canonical(c.Input) != canonical(storable(call.Input))) {
		return model.ToolCall{}, false, fault.New(fault.Unavailable,
			"This turn was begun by another version of the builder and cannot be continued. Send the request again.")
	}
	return c, ok, nil
}

// planned makes sure that the conversation holds the plan. Turns from before conversations were kept have only their
// recorded calls.
func (s *session) planned(ctx context.Context, plan Plan) error {
	for _, m := range s.said {
		if slices.ContainsFunc(m.Calls, func(c llm.ToolCall) bool { return c.Name == planName }) {
			return nil
		}
	}
	for _, m := range s.planningFromRecord(plan) {
		if err := s.say(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// planningFromRecord writes down how the plan was made, as far as the record knows.
func (s *session) planningFromRecord(plan Plan) []llm.Message {
	said, heard := llm.Message{Role: llm.Assistant}, llm.Message{Role: llm.User}
	add := func(name string, input json.RawMessage, result string, failed bool) {
		id := fmt.Sprintf("plan_%d", len(said.Calls)+1)
		said.Calls = append(said.Calls, llm.ToolCall{ID: id, Name: name, Input: llm.RawInput(input)})
		heard.Results = append(heard.Results, llm.ToolResult{CallID: id, Text: result, Failed: failed})
	}
	for seq := 1; ; seq++ {
		c, ok := s.record[seq]
		if !ok {
			break
		}
		add(c.Name, c.Input, c.Result, !c.OK)
		if c.Name == planName && c.OK {
			return []llm.Message{said, heard}
		}
	}
	said.Calls, heard.Results = nil, nil
	input, err := json.Marshal(plan)
	if err != nil { // strings always encode
		input = json.RawMessage(`{}`)
	}
	add(planName, input, planAccepted, false)
	return []llm.Message{said, heard}
}

// Marks by which a message tells, after a restart, what it is.
const (
	cutMark     = "(cut)" // ends a reply that the length limit ended
	attemptMark = "Attempt %d to fix an error."
)

func isCut(m llm.Message) bool {
	return m.Role == llm.Assistant && strings.HasSuffix(m.Text, cutMark)
}

// proseOf is what people read of a reply.
func proseOf(m llm.Message) string {
	if isCut(m) {
		return strings.TrimSuffix(m.Text, cutMark)
	}
	return m.Text
}

// cuts counts the last replies that were cut, one after the other.
func (s *session) cuts() int {
	n := 0
	for _, m := range slices.Backward(s.said) {
		switch {
		case m.Role != llm.Assistant:
		case isCut(m):
			n++
		default:
			return n
		}
	}
	return n
}

// recover says what is wrong, unless this attempt was begun already. It returns the message from which its steps count.
func (s *session) recover(ctx context.Context, r Recovery) (from int, err error) {
	head := fmt.Sprintf(attemptMark, r.Attempt)
	for i, m := range s.said {
		if m.Role == llm.User && strings.HasPrefix(m.Text, head) {
			s.sight.look(r.Shown, i)
			return i, nil
		}
	}
	if last := s.said[len(s.said)-1]; len(last.Calls) > 0 { // a build that was given up in the middle of a reply
		if err := s.say(ctx, unanswered(last)); err != nil {
			return 0, err
		}
	}
	text := head + "\n\n" + r.Text
	if changed := s.sight.staleOther(r.Shown); len(changed) > 0 {
		text += "\n\nChanged meanwhile by automatic corrections, so view before you edit: " + strings.Join(changed, ", ") + "."
	}
	if err := s.say(ctx, llm.Message{Role: llm.User, Text: text}); err != nil {
		return 0, err
	}
	s.sight.look(r.Shown, len(s.said)-1)
	return len(s.said) - 1, nil
}

// unanswered answers the calls of a reply that nobody will run any more.
func unanswered(m llm.Message) llm.Message {
	out := llm.Message{Role: llm.User}
	for _, c := range m.Calls {
		out.Results = append(out.Results, llm.ToolResult{CallID: c.ID, Text: notRunText, Failed: true})
	}
	return out
}

// addProse begins or ends a paragraph: replies of one turn read as one text.
func (s *session) addProse(text string) {
	if text = strings.TrimSpace(storableText(text)); text == "" {
		return
	}
	if s.prose != "" {
		s.prose += "\n\n"
	}
	s.prose += text
}
