package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
)

const (
	maxReplyTokens = 32_000
	requestTimeout = 15 * time.Minute // of one request; adapters notice a silent line much earlier
	finishTimeout  = 10 * time.Second // to write the last text
	textInterval   = 100 * time.Millisecond
	maxCutReplies  = 3 // replies in a row that hit the token limit
	maxPlanSteps   = 12
	maxReminders   = 2 // to call os-plan
)

// session is one conversation being continued.
type session struct {
	in       Input
	tools    toolset
	system   string
	messages []llm.Message
	tree     filetree.Tree
	usage    llm.Usage
	steps    int

	seq    int     // of the next call
	record *record // what is recorded already
	loops  loopGuard

	prose   string // finished replies, and the current one so far
	written string // the prose that the journal has
	wrote   time.Time

	plan *Plan // set by os-plan
}

func newSession(ctx context.Context, in Input, tools toolset, plan *Plan, conversation []llm.Message) (*session, error) {
	if in.MaxSteps <= 0 {
		in.MaxSteps = DefaultMaxSteps
	}
	if in.Fill == nil {
		in.Fill = func(b []byte) []byte { return b }
	}
	recorded, err := in.Journal.Recorded(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the recorded tool calls: %w", err)
	}
	s := &session{in: in, tools: tools, tree: in.Tree, record: newRecord(recorded)}
	s.system = systemPrompt(in.Tree)
	if len(conversation) == 0 {
		conversation = in.opening()
		if plan != nil { // made by a run that did not hand on its conversation
			conversation = append(conversation, s.record.planning(*plan)...)
		}
	}
	s.messages = append(s.messages, conversation...)
	s.seq = s.record.align(conversation)
	for i, m := range conversation {
		if i > len(in.History) && m.Role == llm.Assistant {
			s.addProse(m.Text)
		}
	}
	s.written = s.prose
	return s, nil
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

// MakePlan asks the model what it understood and what it is going to do, before anything is changed. It may
// look at files first. It returns the plan and the conversation for Build to go on with. The error is
// Unavailable when the model does not answer or does not plan, Invalid when it declines.
func MakePlan(ctx context.Context, in Input) (Plan, []llm.Message, llm.Usage, error) {
	s, err := newSession(ctx, in, planningTools(), nil, nil)
	if err != nil {
		return Plan{}, nil, llm.Usage{}, err
	}
	s.in.MaxSteps = maxPlanSteps
	err = s.finish(ctx, s.untilPlanned(ctx))
	if err != nil {
		return Plan{}, nil, s.usage, err
	}
	return *s.plan, s.messages, s.usage, nil
}

// untilPlanned runs the conversation until os-plan was called, and reminds a model that only talks.
func (s *session) untilPlanned(ctx context.Context) error {
	for reminders := 0; ; reminders++ {
		stopped, err := s.run(ctx)
		if err != nil || s.plan != nil {
			return err
		}
		if stopped != "" || reminders == maxReminders {
			return fault.New(fault.Unavailable, "The model looked around but made no plan. Try again, or choose another model.")
		}
		s.say("Call os-plan now, with what you understood and what you are going to change. If nothing is to be changed, leave changes empty.")
	}
}

// Build lets the model write the app. plan and conversation come from MakePlan, or the conversation from the Result
// of an earlier Build with a message appended; without one, planning is taken from the journal, or from plan.
// On an error nothing is lost that was recorded: call it again to resume.
func Build(ctx context.Context, in Input, plan Plan, conversation []llm.Message) (Result, error) {
	s, err := newSession(ctx, in, buildingTools(), &plan, conversation)
	if err != nil {
		return Result{}, err
	}
	stopped, err := s.run(ctx)
	err = s.finish(ctx, err)
	return Result{
		Tree: s.tree, Text: s.prose, Usage: s.usage, Steps: s.steps, Stopped: stopped, Conversation: s.messages,
	}, err
}

// run asks the model and runs its calls until it calls none, makes a plan, or is stopped.
func (s *session) run(ctx context.Context) (stopped string, err error) {
	cut := 0
	for {
		if s.steps >= s.in.MaxSteps {
			return StoppedMaxSteps, nil
		}
		s.steps++
		reply, err := s.ask(ctx)
		if err != nil {
			return "", err
		}
		s.messages = append(s.messages, llm.Message{Role: llm.Assistant, Text: reply.text, Calls: reply.calls})
		if len(reply.calls) > 0 {
			stopped, err := s.runCalls(ctx, reply.calls)
			if err != nil { // calls without results are no conversation
				s.messages = s.messages[:len(s.messages)-1]
			}
			if err != nil || stopped != "" || s.plan != nil {
				return stopped, err
			}
		}
		if reply.stop != llm.MaxTokens {
			cut = 0
			if len(reply.calls) == 0 {
				return "", nil
			}
			continue
		}
		// The reply was cut at the limit. What it completed is kept, the rest it must write again, in smaller pieces.
		if cut++; cut >= maxCutReplies {
			return "", fault.New(fault.Unavailable, "The model's replies were cut at its length limit %d times in a row. Ask for less at once.", cut)
		}
		s.say("Your reply was cut at the length limit. Go on where it ended; a call that was cut has not been run. Write one file per reply.")
	}
}

// say adds a message of ours to the conversation.
func (s *session) say(text string) {
	if last := &s.messages[len(s.messages)-1]; last.Role == llm.User && last.Text == "" {
		last.Text = text // behind the results, which must follow their calls at once
		return
	}
	s.messages = append(s.messages, llm.Message{Role: llm.User, Text: text})
}

type reply struct {
	text  string
	calls []llm.ToolCall
	stop  llm.StopReason
}

// ask makes one request. A reply is only returned when it came to its end.
func (s *session) ask(ctx context.Context) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var r reply
	before := s.prose
	request := llm.Request{System: s.system, Messages: s.messages, Tools: s.tools.offer(), MaxTokens: maxReplyTokens}
	err := s.in.Model.Stream(ctx, request, func(e llm.Event) error {
		switch {
		case e.Call != nil:
			r.calls = append(r.calls, *e.Call)
		case e.Usage != nil:
			s.count(*e.Usage)
		case e.Stop != "":
			r.stop = e.Stop
		default:
			r.text += e.Text
			s.prose = before
			s.addProse(r.text)
			return s.writeProse(ctx, false)
		}
		return nil
	})
	switch {
	case err != nil:
	case r.stop == "":
		err = fault.New(fault.Unavailable, "The model's reply broke off. Try again.")
	case r.stop == llm.Refusal:
		err = fault.New(fault.Invalid, "The model declined this request. Say it in other words, or choose another model.")
	}
	if err != nil {
		return reply{}, fmt.Errorf("ask %s: %w", s.in.Model.ID(), err)
	}
	return r, nil
}

// finish keeps the words that people have seen, even if the turn ended because its context did.
func (s *session) finish(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return errors.Join(err, s.writeProse(ctx, true))
}

// writeProse hands the prose to the journal, when it grew and, unless it is the end, not too often.
func (s *session) writeProse(ctx context.Context, end bool) error {
	now := s.in.now()
	if s.prose == s.written || !end && now.Sub(s.wrote) < textInterval {
		return nil
	}
	s.wrote, s.written = now, s.prose
	if err := s.in.Journal.Text(ctx, s.prose); err != nil {
		return fmt.Errorf("record the text: %w", err)
	}
	return nil
}

func (s *session) count(u llm.Usage) {
	s.usage.Input += u.Input
	s.usage.Output += u.Output
	s.usage.CacheRead += u.CacheRead
	s.usage.CacheWrite += u.CacheWrite
}
