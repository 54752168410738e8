package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"overskill/internal/fault"
)

const (
	selfTestTool     = "self-test-order" // with hyphens, as the agent's tools have
	selfTestReceipt  = "QX-4817"         // what only the tool knows
	selfTestRequests = 3
	selfTestTokens   = 4096 // of each reply, for models that think first
	selfTestTimeout  = 5 * time.Minute
)

// selfTestInput is what the model is to call the tool with. It has what edits of code are made of: quotes, a line
// break, angle brackets and a backslash in a string, a number that is not a string, a list, an object within.
const selfTestInput = `{"customer":{"name":"Zoë \"Zed\" O'Neil","vip":true},"note":"<b>First line</b>\nsecond line: C:\\temp","quantity":12,"tags":["new","urgent"]}`

const selfTestSchema = `{"type":"object","properties":{` +
	`"customer":{"type":"object","properties":{"name":{"type":"string"},"vip":{"type":"boolean"}},"required":["name","vip"],"additionalProperties":false},` +
	`"note":{"type":"string","description":"Any text, with line breaks"},` +
	`"quantity":{"type":"integer"},` +
	`"tags":{"type":"array","items":{"type":"string"}}},` +
	`"required":["customer","note","quantity","tags"],"additionalProperties":false}`

// SelfTest finds out whether a model can work with tools at all, which no model list tells: it has to call a harmless
// tool with exactly the values that it is given, put the tool's answer into its own, and come to an end. A wrong call
// is told what is wrong with it, once, as the agent would. It takes two requests, three at most, and five minutes at
// most.
//
// The usage is the sum of what the provider counted, in every case. A connection that fails is returned as its
// *Error; any other error is a fault.Invalid whose sentence says why the model cannot be used here.
func SelfTest(ctx context.Context, m Model) (Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	test := selfTest{model: m, messages: []Message{{Role: User, Text: "Call the tool " + selfTestTool + " once, with exactly this input:\n\n" + selfTestInput +
		"\n\nThen tell me the receipt number that it returns. Call nothing else."}}}
	for range selfTestRequests {
		done, err := test.step(ctx)
		if done || err != nil {
			return test.usage, err
		}
	}
	if test.passed {
		return test.usage, fault.New(fault.Invalid, "%s does not come to an end: it calls the tool again and again.", m.ID())
	}
	return test.usage, fault.New(fault.Invalid, "%s cannot call tools reliably: %s.", m.ID(), test.wrong)
}

// selfTest is a self-test that runs.
type selfTest struct {
	model    Model
	messages []Message
	usage    Usage
	passed   bool   // the tool was called as it should be
	wrong    string // with the last call, as the end of a sentence
}

// step is one request. done reports that the model answered, and well.
func (s *selfTest) step(ctx context.Context) (done bool, err error) {
	answer, stop, err := s.ask(ctx)
	if err != nil {
		return false, err
	}
	id := s.model.ID()
	switch {
	case stop == Refusal:
		return false, fault.New(fault.Invalid, "%s refused to take the tool-call test.", id)
	case stop == MaxTokens:
		return false, fault.New(fault.Invalid, "%s did not finish a short reply within %d tokens.", id, selfTestTokens)
	case len(answer.Calls) > 0:
		s.answer(answer)
		return false, nil
	case s.passed && strings.Contains(answer.Text, selfTestReceipt):
		return true, nil
	case s.passed:
		return false, fault.New(fault.Invalid, "%s called the tool, but did not use what the tool returned.", id)
	case s.wrong != "":
		return false, fault.New(fault.Invalid, "%s cannot call tools reliably: %s.", id, s.wrong)
	case strings.Contains(answer.Text, selfTestTool) || strings.Contains(answer.Text, "O'Neil"):
		return false, fault.New(fault.Invalid, "%s writes tool calls as text instead of making them. Its server may need a setting for tool calls, or the model was not trained for them.", id)
	}
	return false, fault.New(fault.Invalid, "%s did not call the tool that it was asked to call.", id)
}

// ask sends the conversation and collects the reply.
func (s *selfTest) ask(ctx context.Context) (answer Message, stop StopReason, err error) {
	answer.Role = Assistant
	var last Usage
	err = s.model.Stream(ctx, Request{
		System:    []string{"You work with tools. Use them exactly as you are asked to."},
		Messages:  s.messages,
		Tools:     []Tool{{Name: selfTestTool, Description: "Saves an order and returns its receipt number.", Schema: json.RawMessage(selfTestSchema)}},
		MaxTokens: selfTestMaxTokens(s.model.Limits()),
	}, func(e Event) error {
		answer.Text += e.Text
		switch {
		case e.Call != nil:
			answer.Calls = append(answer.Calls, *e.Call)
		case e.Thinking != nil:
			answer.Thinking = append(answer.Thinking, *e.Thinking)
		case e.Usage != nil:
			last = *e.Usage
		case e.Stop != "":
			stop = e.Stop
		}
		return nil
	})
	s.usage = s.usage.Plus(last)
	return answer, stop, err
}

func selfTestMaxTokens(l Limits) int {
	if l.MaxOutput > 0 {
		return int(min(l.MaxOutput, selfTestTokens))
	}
	return selfTestTokens
}

// answer runs the model's calls, which is to look at them.
func (s *selfTest) answer(reply Message) {
	results := Message{Role: User}
	for _, c := range reply.Calls {
		if wrong := wrongCall(c); wrong != "" {
			s.wrong = wrong
			results.Results = append(results.Results, ToolResult{CallID: c.ID, Text: "The order was not saved: " + wrong + ". Call " + selfTestTool + " again, with exactly the input that you were given.", Failed: true})
			continue
		}
		s.passed = true
		results.Results = append(results.Results, ToolResult{CallID: c.ID, Text: "The order was saved. Its receipt number is " + selfTestReceipt + ". Now tell it, and call no more tools."})
	}
	s.messages = append(s.messages, reply, results)
}

// wrongCall says what is wrong with a call, as the end of a sentence; "" when nothing is.
func wrongCall(c ToolCall) string {
	if c.Name != selfTestTool {
		return fmt.Sprintf("it called a tool %.60q that does not exist", c.Name)
	}
	if !c.Input.Object() {
		return "the input of its call is not valid JSON"
	}
	var got, want map[string]any
	if json.Unmarshal(c.Input, &got) != nil || json.Unmarshal([]byte(selfTestInput), &want) != nil {
		return "the input of its call is not valid JSON"
	}
	for _, field := range []string{"customer", "note", "quantity", "tags"} {
		if value, ok := got[field]; !ok {
			return fmt.Sprintf("its call lacks the field %q", field)
		} else if !reflect.DeepEqual(value, want[field]) {
			return fmt.Sprintf("its call has another value for %q than it was asked for", field)
		}
	}
	if len(got) != len(want) {
		return "its call has fields that the tool does not have"
	}
	return ""
}
