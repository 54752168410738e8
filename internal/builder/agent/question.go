package agent

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"overskill/internal/model"
)

const askName = "os-ask"

// Bounds of a question: it is read in a chat, and its choices are buttons.
const (
	maxQuestion = 400 // characters
	maxChoice   = 80  // characters
	minChoices  = 2
	maxChoices  = 6
)

const questionAccepted = "The person sees the question now. Their answer opens the next turn."

func askTool() tool {
	return tool{
		name: askName,
		description: "Asks the person one question with choices, instead of a plan, and ends the turn; nothing is changed. Only when a wrong guess " +
			"would waste the whole work. Otherwise assume what is most likely and say so in the plan.",
		schema: `{"type":"object","additionalProperties":false,"required":["question","choices"],"properties":{
			"question":{"type":"string","maxLength":400,"description":"one plain sentence or two"},
			"choices":{"type":"array","minItems":2,"maxItems":6,"items":{"type":"string","maxLength":80},"description":"short answers that exclude each other"}}}`,
		look: true,
		run: func(_ context.Context, s *session, raw json.RawMessage) outcome {
			if !s.planning {
				return failed("", "Questions are asked before the plan. Assume what is most likely, and say so at the end.")
			}
			p, out := readQuestion(raw)
			if !out.failed {
				s.plan = p
			}
			return out
		},
	}
}

// readQuestion decodes and checks a question.
func readQuestion(raw json.RawMessage) (*Plan, outcome) {
	var input struct {
		Question string  `json:"question"`
		Choices  strList `json:"choices"`
	}
	if problem := decode(raw, &input); problem != "" {
		return nil, failed("", "%s", problem)
	}
	q := &model.Question{Type: model.AskedQuestion, Text: oneLine(input.Question)}
	switch n := utf8.RuneCountInString(q.Text); {
	case n == 0:
		return nil, failed("", "The question is empty.")
	case n > maxQuestion:
		return nil, failed("", "The question has %d characters; %d are allowed.", n, maxQuestion)
	}
	seen := map[string]bool{}
	for _, c := range input.Choices {
		if c = oneLine(c); c == "" || seen[c] {
			continue
		}
		if n := utf8.RuneCountInString(c); n > maxChoice {
			return nil, failed("", "A choice has %d characters; %d are allowed.", n, maxChoice)
		}
		seen[c] = true
		q.Choices = append(q.Choices, c)
	}
	if n := len(q.Choices); n < minChoices || n > maxChoices {
		return nil, failed("", "There are %d different choices; %d to %d are allowed.", n, minChoices, maxChoices)
	}
	return &Plan{Question: q}, outcome{text: questionAccepted}
}
