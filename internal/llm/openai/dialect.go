package openai

import "strings"

// dialect is what had to be learned about a server and a model, because they refused it otherwise. A field never
// becomes false again, so that learning ends.
type dialect struct {
	responses     bool // the Responses protocol instead of chat completions
	noResponses   bool // ... which the server does not have after all
	otherMax      bool // the other one of max_tokens and max_completion_tokens
	noUsage       bool // no stream_options: it will not count tokens
	noReasoning   bool // reasoning must be switched off before it calls tools
	noSummary     bool // no summary of the reasoning
	forgetsItself bool // it does not want its earlier reasoning back
}

// speaksResponses says which protocol to use.
func (d dialect) speaksResponses() bool { return d.responses && !d.noResponses }

// or joins what was learned in requests that ran at the same time.
func (d dialect) or(e dialect) dialect {
	return dialect{
		responses:     d.responses || e.responses,
		noResponses:   d.noResponses || e.noResponses,
		otherMax:      d.otherMax || e.otherMax,
		noUsage:       d.noUsage || e.noUsage,
		noReasoning:   d.noReasoning || e.noReasoning,
		noSummary:     d.noSummary || e.noSummary,
		forgetsItself: d.forgetsItself || e.forgetsItself,
	}
}

// learn returns the dialect in which to repeat a refused request. ok is false when there is nothing to learn.
func (d dialect) learn(r *refusal, official bool) (next dialect, ok bool) {
	next = d
	text := strings.ToLower(r.problem.Message + " " + r.problem.Param)
	says := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case d.speaksResponses() && !official && (r.status == 404 || r.status == 405):
		next.noResponses, next.noReasoning = true, true
	case r.status != 400 && r.status != 422:
		return d, false
	case d.speaksResponses() && says("summar"):
		next.noSummary = true
	case d.speaksResponses() && (says("encrypted") || says("type 'reasoning'") || says("reasoning item")):
		next.forgetsItself = true
	case d.speaksResponses():
		return d, false
	case says("v1/responses"):
		next.responses, next.noReasoning = true, d.noResponses
	case says("stream_options") || says("include_usage"):
		next.noUsage = true
	case says("max_completion_tokens") || says("max_tokens") && (says("not support") || says("unsupported") || says("unknown") || says("not permitted") || says("unrecognized")):
		next.otherMax = true
	case says("reasoning_content") || says("reasoning_details"):
		next.forgetsItself = true
	default:
		return d, false
	}
	return next, next != d
}
