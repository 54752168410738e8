package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
)

const (
	finishTimeout = 10 * time.Second // to write the last text
	textInterval  = 100 * time.Millisecond
	maxCutReplies = 3 // replies in a row that hit the token limit
	maxPlanSteps  = 12
	maxReminders  = 2 // to call os-plan
)

const (
	cutText = "Your reply was cut at the length limit. Go on where it ended; a call that was cut has not been run. " +
		"Write one file per reply."
	planText = "Call os-plan now, with what you understood and what you are going to change. " +
		"If nothing is to be changed, leave changes empty."
)

// untilPlanned runs the conversation until os-plan or os-ask was called, and reminds a model that only talks.
func (s *session) untilPlanned(ctx context.Context) error {
	for s.plan == nil {
		stopped, err := s.run(ctx, 0, min(maxPlanSteps, s.in.MaxSteps))
		if err != nil || s.plan != nil {
			return err
		}
		reminders := 0
		for _, m := range s.said {
			if m.Role == llm.User && m.Text == planText {
				reminders++
			}
		}
		if stopped != "" || reminders >= maxReminders {
			return fault.New(fault.Unavailable, "The model looked around but made no plan. Try again, or choose another model.")
		}
		if err := s.say(ctx, llm.Message{Role: llm.User, Text: planText}); err != nil {
			return err
		}
	}
	return nil
}

// work runs the conversation to the end of its part; its steps count from message from on.
func (s *session) work(ctx context.Context, from, maxSteps int) (Result, error) {
	stopped, err := s.run(ctx, from, maxSteps)
	err = s.finish(ctx, err)
	return Result{Tree: s.tree, Text: s.prose, Steps: s.steps(from), Requests: s.requests, Stopped: stopped}, err
}

// run asks the model and runs its calls until a reply calls none, a plan was made, or the work is stopped. What to do
// next is read from the last message alone, so that it is the same after an interruption.
func (s *session) run(ctx context.Context, from, maxSteps int) (stopped string, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		last := s.said[len(s.said)-1]
		switch {
		case len(last.Calls) > 0:
			if err := s.answer(ctx, last); err != nil {
				return "", err
			}
			if s.planning && s.plan != nil {
				return "", nil // calls behind the plan are run by Build
			}
			continue
		case slices.ContainsFunc(last.Results, func(r llm.ToolResult) bool { return r.Text == loopText }):
			return StoppedLoop, nil
		case isCut(last):
			if err := s.say(ctx, llm.Message{Role: llm.User, Text: cutText}); err != nil {
				return "", err
			}
		case last.Role == llm.Assistant:
			return "", nil
		}
		if s.steps(from) >= maxSteps {
			return StoppedMaxSteps, nil
		}
		if n := s.cuts(); n >= maxCutReplies {
			return "", fault.New(fault.Unavailable, "The model's replies were cut at its length limit %d times in a row. Ask for less at once.", n)
		}
		reply, err := s.ask(ctx)
		if err != nil {
			return "", err
		}
		if err := s.say(ctx, reply); err != nil {
			return "", err
		}
	}
}

// finish keeps the words that people have seen, even if the turn ended because its context did.
func (s *session) finish(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return errors.Join(err, s.writeProse(ctx, true))
}

// writeProse hands the prose to the journal, when it changed and, unless it is the end, not too often.
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

// lastSentence is the end of a text that grows, fit for one line.
func lastSentence(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "**", "")), " ")
	trimmed := strings.TrimRight(text, ".!?: ")
	if i := strings.LastIndexAny(trimmed, ".!?"); i >= 0 && i+1 < len(trimmed) && trimmed[i+1] == ' ' {
		text = text[i+2:]
	}
	return bounded(text, maxActivity)
}
