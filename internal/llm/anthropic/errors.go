package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"overskill/internal/llm"
	"overskill/internal/llm/wire"
)

var (
	errSilent     = errors.New("nothing came for too long")
	errNoReply    = errors.New("the answer holds no reply")
	errBrokeOff   = errors.New("the stream ended before the reply did")
	errNonsense   = errors.New("the reply makes no sense")
	errWindowFull = errors.New("the context window was full before anything came")
)

// maxQuote is how much of a provider's words are quoted.
const maxQuote = 300

// explain says in a sentence for people why a request failed. begun is whether some of the reply had come.
func (m *Model) explain(err error, begun bool) error {
	var e *llm.Error
	var failed *sdk.Error
	cause := errors.New(m.redact(err.Error())) // not err itself, which may hold the key or an address with a password
	switch {
	case errors.As(err, &failed):
		e = m.explainAPI(failed)
	case errors.Is(err, errSilent):
		e = llm.NewError(llm.Silent, cause, "%s fell silent, and the request was given up.", m.provider)
	case errors.Is(err, errWindowFull):
		e = m.tooLong(cause)
	case errors.Is(err, errNonsense), errors.Is(err, errNoReply), isJSON(err):
		e = llm.NewError(llm.Broken, cause, "The reply from %s made no sense.", m.provider)
	case begun, errors.Is(err, wire.ErrTooLarge):
		e = llm.NewError(llm.Broken, cause, "The reply from %s broke off.", m.provider)
	default:
		e = llm.NewError(llm.Unreachable, cause, "%s cannot be reached.", m.provider)
	}
	e.Begun = begun
	return e
}

// explainAPI is explain for what the API itself says, with an HTTP status or within a stream that began well.
func (m *Model) explainAPI(failed *sdk.Error) *llm.Error {
	said, kind := m.providerWords(failed)
	cause := fmt.Errorf("%d %s: %s (request %s)", failed.StatusCode, kind, said, failed.RequestID)
	var e *llm.Error
	switch status := statusOf(failed.StatusCode, kind); {
	case status == http.StatusPaymentRequired, strings.Contains(strings.ToLower(said), "credit balance is too low"):
		e = llm.NewError(llm.NoMoney, cause, "The account at %s has no credit left.", m.provider)
	case status == http.StatusUnauthorized:
		e = llm.NewError(llm.Unauthorized, cause, "%s did not accept the key.", m.provider)
	case status == http.StatusForbidden:
		e = llm.NewError(llm.Unauthorized, cause, "%s does not let this key use %s.", m.provider, m.name)
	case status == http.StatusNotFound && kind == "":
		e = llm.NewError(llm.BadRequest, cause, "%s does not speak the Messages API at this address.", m.provider)
	case status == http.StatusNotFound:
		e = llm.NewError(llm.UnknownModel, cause, "%s has no model %q, or not for this key.", m.provider, m.name)
	case status == http.StatusRequestEntityTooLarge, saysTooLong(said):
		e = m.tooLong(cause)
	case status == http.StatusTooManyRequests:
		e = m.rateLimited(failed, cause)
	case status == 529:
		e = llm.NewError(llm.Overloaded, cause, "%s is overloaded.", m.provider)
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict:
		e = llm.NewError(llm.Overloaded, cause, "%s has a problem of its own (%d).", m.provider, status)
	default:
		e = llm.NewError(llm.BadRequest, cause, "%s refused the request: %s", m.provider, said)
	}
	if failed.StatusCode >= 400 {
		e.Status = failed.StatusCode
		e.RetryAfter, _ = wire.RetryAfter(failed.Response.Header, time.Now())
	}
	return e
}

func (m *Model) tooLong(cause error) *llm.Error {
	return llm.NewError(llm.TooLong, cause, "The conversation is longer than %s can read.", m.name)
}

func (m *Model) rateLimited(failed *sdk.Error, cause error) *llm.Error {
	if wait, ok := wire.RetryAfter(failed.Response.Header, time.Now()); ok && wait > 0 {
		return llm.NewError(llm.RateLimited, cause, "%s takes no more requests for now and asks to wait %s.", m.provider, spell(wait))
	}
	return llm.NewError(llm.RateLimited, cause, "%s takes no more requests for now.", m.provider)
}

// statusOf is the HTTP status that goes with a kind of error. Errors within a stream have none: the stream began with 200.
func statusOf(status int, kind string) int {
	if status >= 400 {
		return status
	}
	switch kind {
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "invalid_request_error":
		return http.StatusBadRequest
	case "overloaded_error":
		return 529
	}
	return http.StatusInternalServerError // api_error, timeout_error and what is to come
}

// saysTooLong knows the words for a prompt that does not fit; the API has no kind of error for it.
func saysTooLong(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "prompt is too long") || strings.Contains(said, "exceed context limit")
}

// providerWords reads an error's body: {"error": {"type", "message"}}, or whatever a proxy says instead.
func (m *Model) providerWords(failed *sdk.Error) (said, kind string) {
	var body struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	raw := strings.TrimSpace(m.redact(failed.RawJSON()))
	if json.Unmarshal([]byte(raw), &body) == nil && body.Error.Message != "" {
		return quote(body.Error.Message), body.Error.Type
	}
	if raw == "" || raw[0] == '<' { // a web page
		return http.StatusText(failed.StatusCode), body.Error.Type
	}
	return quote(raw), body.Error.Type
}

// quote cuts words that are too many to be read.
func quote(text string) string {
	if len(text) <= maxQuote {
		return text
	}
	n := maxQuote
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// redact takes the key out of a text.
func (m *Model) redact(text string) string {
	if m.key == "" {
		return text
	}
	return strings.ReplaceAll(text, m.key, "[key]")
}

// isJSON reports whether an event could not be decoded.
func isJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

// spell writes a duration for people, to the second or, from two minutes on, to the minute.
func spell(d time.Duration) string {
	switch s := int((d + time.Second/2) / time.Second); {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case s == 1:
		return "1 second"
	case s < 120:
		return fmt.Sprintf("%d seconds", s)
	default:
		return fmt.Sprintf("%d minutes", (s+30)/60)
	}
}
