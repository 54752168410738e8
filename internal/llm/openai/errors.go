package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"overskill/internal/llm"
	"overskill/internal/llm/wire"
)

// problem is what a server says about an error. Servers agree on little more than that there is a message.
type problem struct {
	Message string
	Type    string
	Code    string
	Param   string
}

// streamError is an error that came instead of the rest of a reply.
type streamError struct{ problem problem }

func (e *streamError) Error() string { return "the server reports: " + e.problem.Message }

// readProblem reads an error's body: {"error": {...}} as OpenAI has it, {"error": "..."} as Ollama, {"message": "..."}
// as older vLLM, {"detail": ...} as FastAPI, a list of those as Google, or plain text.
func readProblem(body []byte) problem {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return problem{Message: strings.ToValidUTF8(string(body), "")}
	}
	fields := outer
	if raw, ok := outer["error"]; ok {
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) == nil && inner != nil {
			fields = inner
		} else {
			return problem{Message: plain(raw)}
		}
	}
	p := problem{Message: plain(fields["message"]), Type: plain(fields["type"]), Code: plain(fields["code"]), Param: plain(fields["param"])}
	if p.Message == "" {
		p.Message = plain(outer["detail"])
	}
	if metadata := plain(fields["metadata"]); metadata != "" {
		p.Message += " " + metadata // OpenRouter: what the provider behind it said
	}
	return p
}

// plain is a JSON string's text; of anything else, its JSON.
func plain(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// phrases tell by the words of a message what its status does not.
var phrases = []struct {
	kind  llm.ErrorKind
	words []string
}{
	{llm.NoMoney, []string{"insufficient_quota", "exceeded your current quota", "insufficient credit", "insufficient balance", "billing_hard_limit", "credit balance", "requires more credits", "billing_not_active"}},
	{llm.TooLong, []string{"context_length_exceeded", "maximum context length", "context window", "context length", "exceed_context_size", "available context size", "prompt is too long", "request too large", "string_above_max_length"}},
	{llm.UnknownModel, []string{"model_not_found", "no such model", "unknown model", "not a valid model", "model does not exist"}},
	{llm.Unauthorized, []string{"invalid_api_key", "incorrect api key"}},
	{llm.RateLimited, []string{"rate_limit_exceeded", "rate limit", "too many requests"}},
	{llm.Overloaded, []string{"server_error", "overloaded", "temporarily unavailable", "internal error"}},
}

// kind says what sort of error it is. status is 0 inside a stream, where the code may be one.
func (p problem) kind(status int) llm.ErrorKind {
	if status == 0 {
		if n, err := strconv.Atoi(p.Code); err == nil {
			status = n
		}
	}
	text := strings.ToLower(p.Code + " " + p.Type + " " + p.Message)
	switch {
	case status == http.StatusUnauthorized:
		return llm.Unauthorized
	case status == http.StatusPaymentRequired:
		return llm.NoMoney
	case status == http.StatusRequestEntityTooLarge:
		return llm.TooLong
	}
	for _, ph := range phrases {
		for _, w := range ph.words {
			if strings.Contains(text, w) && wordsCount(ph.kind, status) {
				return ph.kind
			}
		}
	}
	switch {
	case status == 0:
		return llm.Broken
	case status == http.StatusForbidden && !strings.Contains(text, "flagged"):
		return llm.Unauthorized
	case status == http.StatusNotFound && strings.Contains(text, "model"):
		return llm.UnknownModel
	case status == http.StatusTooManyRequests:
		return llm.RateLimited
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500 && status != http.StatusNotImplemented:
		return llm.Overloaded
	}
	return llm.BadRequest
}

// wordsCount reports whether words may say more than the status does: of a fault of the server they tell little, and
// that there is one the status tells better.
func wordsCount(kind llm.ErrorKind, status int) bool {
	switch kind {
	case llm.NoMoney, llm.TooLong:
		return true
	case llm.Overloaded:
		return status == 0
	}
	return status < 500
}

// explain turns a refusal into an error that people can act on.
func (m *Model) explain(r *refusal) *llm.Error {
	wait, _ := wire.RetryAfter(r.header, time.Now())
	e := m.say(r.problem.kind(r.status), r.problem, fmt.Errorf("status %d: %s", r.status, m.clean(r.problem.Message, 2000)), wait)
	e.Status = r.status
	if r.status == http.StatusNotFound && e.Kind == llm.BadRequest {
		return m.nowhere(e, r.status)
	}
	return e
}

// nowhere is a base URL behind which something else is.
func (m *Model) nowhere(cause error, status int) *llm.Error {
	e := llm.NewError(llm.BadRequest, cause, "%s has no models at this address. Check the base URL; it usually ends with /v1.", m.server)
	e.Status = status
	return e
}

// explainStream does the same for an error in the middle of a reply.
func (m *Model) explainStream(s *streamError, begun bool) *llm.Error {
	e := m.say(s.problem.kind(0), s.problem, errors.New(m.clean(s.Error(), 2000)), 0)
	e.Begun = begun
	return e
}

// say has the sentences.
func (m *Model) say(kind llm.ErrorKind, p problem, cause error, wait time.Duration) *llm.Error {
	var e *llm.Error
	switch kind {
	case llm.Unauthorized:
		e = llm.NewError(kind, cause, "%s does not accept the key, or the key may not do this. Check it in the settings.", m.server)
	case llm.NoMoney:
		e = llm.NewError(kind, cause, "The account at %s has no credit left. Add credit there, or choose another model.", m.server)
	case llm.UnknownModel:
		e = llm.NewError(kind, cause, "%s has no model called %q, or the key may not use it.", m.server, m.cfg.Model)
	case llm.TooLong:
		e = llm.NewError(kind, cause, "This is more than %s can read in one request.", m.cfg.Model)
	case llm.RateLimited:
		if wait > 0 {
			e = llm.NewError(kind, cause, "%s takes no more requests at the moment. It asks to try again in %s.", m.server, roundUp(wait))
			break
		}
		e = llm.NewError(kind, cause, "%s takes no more requests at the moment. Try again in a minute.", m.server)
	case llm.Overloaded:
		e = llm.NewError(kind, cause, "%s is overloaded or has a fault. Try again in a minute.", m.server)
	case llm.Broken:
		e = llm.NewError(kind, cause, "%s broke off its reply. Try again.", m.server)
	default:
		e = llm.NewError(kind, cause, "%s refused the request: %s", m.server, m.clean(p.Message, 300))
		if lower := strings.ToLower(p.Message); strings.Contains(lower, "tool") && (strings.Contains(lower, "not support") || strings.Contains(lower, "unsupported")) {
			e = llm.NewError(kind, cause, "%s cannot call tools, and a model that builds apps must. Choose another model.", m.cfg.Model)
		}
	}
	e.RetryAfter = wait
	return e
}

// broken explains what went wrong below HTTP; nil stays nil. The end of the caller's context is returned as it is.
func (m *Model) broken(ctx context.Context, w *watch, begun bool, err error) error {
	var e *llm.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case w.silent():
		e = llm.NewError(llm.Silent, errSilent, "%s has sent nothing for %s.", m.server, roundUp(m.cfg.Silence))
	case begun:
		e = llm.NewError(llm.Broken, err, "The connection to %s broke off in the middle of its reply.", m.server)
	case w.answered:
		e = llm.NewError(llm.Broken, err, "%s sent a reply that makes no sense. Check the base URL; it usually ends with /v1.", m.server)
	default:
		e = llm.NewError(llm.Unreachable, err, "There is no connection to %s.", m.server)
	}
	e.Begun = begun
	return e
}

// clean makes a server's words fit to be shown: without the key, on one line, bounded.
func (m *Model) clean(text string, most int) string {
	return cleanText(text, m.cfg.Key, most)
}

func cleanText(text, key string, most int) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "[key]")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return text
}

// roundUp is a duration for people.
func roundUp(d time.Duration) string {
	switch s := int64((d + time.Second - 1) / time.Second); {
	case s == 1:
		return "1 second"
	case s <= 120:
		return fmt.Sprintf("%d seconds", s)
	default:
		return fmt.Sprintf("%d minutes", (s+59)/60)
	}
}
