package anthropic

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/testing/modelscript"
)

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		step modelscript.Step
		kind llm.ErrorKind
		says string // the sentence for people has it
	}{
		{"bad key", modelscript.Step{Status: 401, ErrorText: "invalid x-api-key"}, llm.Unauthorized, "did not accept the key"},
		{"key without rights", modelscript.Step{Status: 403}, llm.Unauthorized, "does not let this key use claude-sonnet-5-5"},
		{"no credit", modelscript.Step{Status: 402}, llm.NoMoney, "no credit left"},
		{"no credit, as the API words it", modelscript.Step{Status: 400, ErrorText: "Your credit balance is too low to access the Anthropic API."}, llm.NoMoney, "no credit left"},
		{"unknown model", modelscript.Step{Status: 404, ErrorText: "model: claude-sonnet-5-5"}, llm.UnknownModel, `no model "claude-sonnet-5-5"`},
		{"too large", modelscript.Step{Status: 413}, llm.TooLong, "longer than claude-sonnet-5-5 can read"},
		{"prompt too long", modelscript.Step{Status: 400, ErrorText: "prompt is too long: 208310 tokens > 200000 maximum"}, llm.TooLong, "longer than"},
		{"prompt and reply too long", modelscript.Step{Status: 400, ErrorText: "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}, llm.TooLong, "longer than"},
		{"bad request", modelscript.Step{Status: 400, ErrorText: "tools.3.name: too long"}, llm.BadRequest, "refused the request: tools.3.name: too long"},
		{"the key comes back", modelscript.Step{Status: 400, ErrorText: "what is " + testKey + "?"}, llm.BadRequest, "what is [key]?"},
		{"the key comes back cut", modelscript.Step{Status: 400, ErrorText: strings.Repeat("!", maxQuote-4) + testKey}, llm.BadRequest, "[key…"},
		{"rate limit", modelscript.Step{Status: 429}, llm.RateLimited, "takes no more requests for now."},
		{"rate limit for long", modelscript.Step{Status: 429, RetryAfter: "3600"}, llm.RateLimited, "asks to wait 60 minutes"},
		{"overloaded", modelscript.Step{Status: 529}, llm.Overloaded, "is overloaded"},
		{"broken server", modelscript.Step{Status: 500}, llm.Overloaded, "problem of its own (500)"},
		{"broken gateway", modelscript.Step{Status: 502}, llm.Overloaded, "problem of its own (502)"},
		{"server timeout", modelscript.Step{Status: 504}, llm.Overloaded, "problem of its own (504)"},
		{"request timeout", modelscript.Step{Status: 408}, llm.Overloaded, "problem of its own (408)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := modelscript.Anthropic(t, test.step)
			e, _ := fails(t, newModel(t, srv.URL, func(c *Config) { c.MaxRetries = -1 }), hi(), test.kind)
			if text := fault.Text(e); !strings.Contains(text, test.says) || strings.Contains(text, "sk-test") {
				t.Errorf("people read %q, want %q in it", text, test.says)
			}
			if e.Status != test.step.Status || e.Begun {
				t.Errorf("status %d, begun %v; want %d, not begun", e.Status, e.Begun, test.step.Status)
			}
		})
	}
	t.Run("no such API", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("<html>404</html>"))
		})
		e, _ := fails(t, newModel(t, url), hi(), llm.BadRequest)
		if text := fault.Text(e); !strings.Contains(text, "does not speak the Messages API") {
			t.Errorf("people read %q", text)
		}
	})
}

// TestErrorsWithinAReply has errors that come as events, after the reply began with status 200.
func TestErrorsWithinAReply(t *testing.T) {
	for kind, want := range map[string]llm.ErrorKind{
		"overloaded_error": llm.Overloaded, "api_error": llm.Overloaded, "timeout_error": llm.Overloaded, "error_of_the_future": llm.Overloaded,
		"rate_limit_error": llm.RateLimited, "authentication_error": llm.Unauthorized, "permission_error": llm.Unauthorized,
		"billing_error": llm.NoMoney, "not_found_error": llm.UnknownModel, "request_too_large": llm.TooLong, "invalid_request_error": llm.BadRequest,
	} {
		t.Run(kind, func(t *testing.T) {
			srv := modelscript.Anthropic(t, modelscript.Step{
				Text: "I begin to say something that is long enough.", ErrorAfter: 5, ErrorType: kind, ErrorText: "with " + testKey,
				Calls: []modelscript.Call{{Name: "os-list"}},
			})
			e, h := fails(t, newModel(t, srv.URL), hi(), want)
			if !e.Begun || h.Text == "" || len(h.Calls) > 0 {
				t.Errorf("begun %v, heard %q and %d calls", e.Begun, h.Text, len(h.Calls))
			}
			if len(h.Usages) != 1 || h.usage().Input != 100 {
				t.Errorf("the usage known so far is %v", h.Usages)
			}
		})
	}
}

// TestBreaks ends the connection after every number of events: no reply that broke off is taken for a whole one.
func TestBreaks(t *testing.T) {
	step := modelscript.Step{Reasoning: "Hm.", Text: "Two.", Calls: []modelscript.Call{{Name: "os-view", Input: `{"path":"src/App.tsx"}`}, {Name: "os-list"}}}
	// start, ping; thinking: 4; text: 3; calls: 5 and 3; delta, stop
	const events = 2 + 4 + 3 + 5 + 3 + 2
	for n := 1; n < events; n++ {
		broken := step
		broken.BreakAfter = n
		srv := modelscript.Anthropic(t, broken)
		if e, _ := fails(t, newModel(t, srv.URL), hi(), llm.Broken); !e.Begun {
			t.Errorf("after %d events the reply had not begun", n)
		}
	}
	srv := modelscript.Anthropic(t, func() modelscript.Step { s := step; s.BreakAfter = events; return s }())
	if h := ask(t, newModel(t, srv.URL), hi()); len(h.Calls) != 2 {
		t.Errorf("a connection that breaks after the last event leaves %d calls, want 2", len(h.Calls))
	}
}

func TestRetries(t *testing.T) {
	t.Run("until it works", func(t *testing.T) {
		srv := modelscript.Anthropic(
			t, modelscript.Step{Status: 529, RetryAfter: "0.01"}, modelscript.Step{Status: 429, RetryAfter: "0.3"},
			modelscript.Step{Status: 503, RetryAfter: "0"}, modelscript.Step{Text: "At last."},
		)
		began := time.Now()
		if h := ask(t, newModel(t, srv.URL), hi()); h.Text != "At last." || len(h.Answers) != 1 {
			t.Errorf("heard %q from %v", h.Text, h.Answers)
		}
		if waited := time.Since(began); waited < 300*time.Millisecond {
			t.Errorf("it took %v, and the server asked to wait 310 ms", waited)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		again := modelscript.Step{Status: 529, RetryAfter: "0.01"}
		srv := modelscript.Anthropic(t, again, again, again, again)
		if e, _ := fails(t, newModel(t, srv.URL), hi(), llm.Overloaded); e.RetryAfter != 10*time.Millisecond {
			t.Errorf("RetryAfter is %v, want 10 ms", e.RetryAfter)
		}
	})
	t.Run("not after a mistake of ours", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Status: 400})
		fails(t, newModel(t, srv.URL), hi(), llm.BadRequest)
	})
	t.Run("not once words have come", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Text: "I begin.", BreakAfter: 4})
		fails(t, newModel(t, srv.URL), hi(), llm.Broken)
	})
	for _, wait := range []string{"61", "86400", "Inf", time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat)} {
		t.Run("not after a wait of "+wait, func(t *testing.T) {
			srv := modelscript.Anthropic(t, modelscript.Step{Status: 429, RetryAfter: wait})
			began := time.Now()
			e, _ := fails(t, newModel(t, srv.URL), hi(), llm.RateLimited)
			if e.RetryAfter < 61*time.Second || e.RetryAfter > 24*time.Hour || time.Since(began) > patience {
				t.Errorf("RetryAfter is %v, after %v", e.RetryAfter, time.Since(began))
			}
		})
	}
	t.Run("a wait that is no time", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Status: 429, RetryAfter: "NaN"}, modelscript.Step{Text: "Hi"})
		ask(t, newModel(t, srv.URL), hi())
	})
	t.Run("an end while it waits", func(t *testing.T) {
		srv := modelscript.Anthropic(t, modelscript.Step{Status: 429, RetryAfter: "30"})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := newModel(t, srv.URL).Stream(ctx, hi(), new(heard).hear); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stream: %v, want the context's error", err)
		}
	})
}

func TestUnreachable(t *testing.T) {
	srv := modelscript.Anthropic(t)
	gone := strings.Replace(srv.URL, "http://", "http://user:secret@", 1)
	m := newModel(t, gone, func(c *Config) {
		c.MaxRetries = -1
		c.Client = &http.Client{Transport: &http.Transport{DialContext: (&brokenNet{}).dial}}
	})
	e, _ := fails(t, m, hi(), llm.Unreachable)
	if !e.Temporary() || e.Begun || strings.Contains(e.Error(), "secret") {
		t.Errorf("the error is %v, begun %v", e, e.Begun)
	}
}
