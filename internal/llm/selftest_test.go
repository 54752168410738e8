package llm_test

import (
	"net/http"
	"strings"
	"testing"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/anthropic"
	"overskill/internal/llm/openai"
	"overskill/internal/testing/modelscript"
)

const (
	tool    = "self-test-order"
	input   = `{"tags":["new","urgent"],"quantity":12,"customer":{"vip":true,"name":"Zoë \"Zed\" O'Neil"},"note":"<b>First line</b>\nsecond line: C:\\temp"}`
	receipt = "The receipt number is QX-4817."
)

func call(name string, in any) modelscript.Step {
	return modelscript.Step{Calls: []modelscript.Call{{Name: name, Input: in}}}
}

func say(text string) modelscript.Step { return modelscript.Step{Text: text} }

// told checks that the model hears of a failed call.
func told(s modelscript.Step, part string) modelscript.Step {
	s.Want = func(t testing.TB, r modelscript.Request) {
		t.Helper()
		results := r.Last().Results
		if len(results) == 0 || !results[0].Failed || !strings.Contains(results[0].Text, part) {
			t.Errorf("the model hears %+v, want a failure with %q", results, part)
		}
	}
	return s
}

var selfTests = []struct {
	name  string
	steps []modelscript.Step
	want  string // of the sentence; "": passes
	kind  llm.ErrorKind
}{
	{"works", []modelscript.Step{call(tool, input), say(receipt)}, "", ""},
	{"thinks first", []modelscript.Step{{Reasoning: "Let me see.", Text: "I will.", Calls: []modelscript.Call{{Name: tool, Input: input}}}, say(receipt)}, "", ""},
	{"corrects itself", []modelscript.Step{call(tool, `{"quantity":"12"}`), told(call(tool, input), "lacks the field"), say(receipt)}, "", ""},
	{"writes the call as text", []modelscript.Step{say("<tool_call>{\"name\": \"" + tool + "\"}</tool_call>")}, "writes tool calls as text", ""},
	{"does not call", []modelscript.Step{say("Sure! Your order is saved.")}, "did not call the tool", ""},
	{"says nothing", []modelscript.Step{{}}, "did not call the tool", ""},
	{"invents tools", []modelscript.Step{call("saveOrder", input), told(call("order.save", input), `"saveOrder" that does not exist`), call("save", input)}, `"save" that does not exist`, ""},
	{"gives up", []modelscript.Step{call("saveOrder", input), say("I cannot.")}, `"saveOrder" that does not exist`, ""},
	{"broken JSON", []modelscript.Step{call(tool, `{"note":"a`), told(call(tool, `{"note": "a" "b"}`), "not valid JSON"), call(tool, `}`)}, "not valid JSON", ""},
	{"string for a number", []modelscript.Step{call(tool, strings.Replace(input, "12", `"12"`, 1)), say("Done.")}, `another value for "quantity"`, ""},
	{"loses the line break", []modelscript.Step{call(tool, strings.Replace(input, `\n`, ` `, 1)), say("Done.")}, `another value for "note"`, ""},
	{"adds fields", []modelscript.Step{call(tool, strings.Replace(input, `{"tags"`, `{"x":1,"tags"`, 1)), say("Done.")}, "fields that the tool does not have", ""},
	{"loops", []modelscript.Step{call(tool, input), call(tool, input), call(tool, input)}, "does not come to an end", ""},
	{"ignores the result", []modelscript.Step{call(tool, input), say("The receipt number is 1.")}, "did not use what the tool returned", ""},
	{"is cut off", []modelscript.Step{{Calls: []modelscript.Call{{Name: tool, Input: input}}, CutInput: 40}}, "did not finish", ""},
	{"refuses", []modelscript.Step{{Text: "I can't help with that.", Stop: "refusal"}}, "refused", ""},
	{"wrong key", []modelscript.Step{{Status: http.StatusUnauthorized}}, "accept the key", llm.Unauthorized},
	{"breaks off", []modelscript.Step{{Text: "Sure, I will save the order right now.", BreakAfter: 3}}, "broke off", llm.Broken},
}

func TestSelfTestOverOpenAI(t *testing.T) {
	for _, tt := range selfTests {
		t.Run(tt.name, func(t *testing.T) {
			srv := modelscript.OpenAI(t, tt.steps...)
			check(t, openai.New(openai.Config{BaseURL: srv.URL, Model: "scripted", MaxRetries: -1}), srv.Script, tt.want, tt.kind)
		})
	}
}

func TestSelfTestOverAnthropic(t *testing.T) {
	for _, tt := range selfTests {
		t.Run(tt.name, func(t *testing.T) {
			srv := modelscript.Anthropic(t, tt.steps...)
			check(t, anthropic.New(anthropic.Config{Key: "sk-test", BaseURL: srv.URL, Model: "scripted", MaxRetries: 1}), srv.Script, tt.want, tt.kind)
		})
	}
}

func check(t *testing.T, m llm.Model, script *modelscript.Script, want string, kind llm.ErrorKind) {
	t.Helper()
	usage, err := llm.SelfTest(t.Context(), m)
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
	} else if err == nil || fault.Text(err) == "" || !strings.Contains(fault.Text(err), want) {
		t.Fatalf("%v, want a sentence with %q", err, want)
	}
	e, ok := llm.AsError(err)
	switch {
	case kind != "":
		if !ok || e.Kind != kind {
			t.Errorf("%v, want %s", err, kind)
		}
		return
	case ok:
		t.Errorf("an error of the connection: %v", err)
	case want != "" && !fault.Is(err, fault.Invalid):
		t.Errorf("kind %s, want invalid", fault.KindOf(err))
	}
	n := int64(len(script.Requests()))
	if usage != (llm.Usage{Input: 100 * n, Output: 20 * n}) {
		t.Errorf("%+v in %d requests", usage, n)
	}
}
