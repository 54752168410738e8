// Package anthropic lets a model behind Anthropic's Messages API write code. It is the llm.Model on the official SDK.
//
// # What is asked
//
// Every request is streamed. Thinking is adaptive and comes back summarised, so that people see something between two
// tools; the input of tools is streamed while it is written. The 5.5 family takes no sampling parameters, no prefilled
// reply and no forced tool, so none is ever sent.
//
// The prompt is cached by up to four marks; cache.go says where and why.
//
// Servers that are compatible only in part refuse some of these parameters with a 400. Such a request is repeated
// without the parameter, and the Model remembers what its server refused.
//
// # What can go wrong
//
// The SDK repeats a request that failed before its reply began, and waits as long as the provider asks, but never
// longer than a minute: a longer wait is for a person to decide and comes back as an error. Once a reply has begun,
// nothing is repeated here, because the words were shown already. A reply counts as whole when its last event came; one
// that broke off, or that was silent for too long, is an *llm.Error, whatever had come of it.
//
// No error holds the key, even where a server sends it back.
package anthropic

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"overskill/internal/llm"
)

const (
	defaultSilence   = 90 * time.Second
	defaultRetries   = 3
	defaultMaxTokens = 32_000
	countTimeout     = 20 * time.Second
)

// Config says which model to ask, and how.
type Config struct {
	Key     string // "" where a server wants none
	BaseURL string // of the API, with /v1 or without; "" is the provider's own
	Model   string // as the provider names it
	Limits  llm.Limits
	// Client sends the requests; nil is one that uses the connections of http.DefaultTransport. It should have no
	// Timeout, which would cut long replies. Redirects are not followed, because the key would go with them.
	Client     *http.Client
	Silence    time.Duration // how long nothing may come, not even a ping, before a request is given up; 0 is 90 seconds
	MaxRetries int           // of a request whose reply has not begun; 0 is 3, less than 0 is none
	// CacheHour keeps the system prompt and the tools in the provider's cache for an hour instead of five minutes.
	// That costs more to write and pays where people think for longer than five minutes between two requests.
	CacheHour bool
}

// Model asks one model of one server. It is safe for concurrent use.
type Model struct {
	key, name, provider string
	limits              llm.Limits
	silence             time.Duration
	cacheHour           bool
	api                 sdk.MessageService
	refused             atomic.Uint32 // features that the server was found not to take
	uncounted           atomic.Bool   // the server has no endpoint that counts tokens
}

// New returns a Model. It reads nothing from the environment and asks nothing yet.
func New(c Config) *Model {
	m := &Model{
		key: strings.TrimSpace(c.Key), name: c.Model, provider: providerName(c.BaseURL), limits: c.Limits,
		silence: cmp.Or(c.Silence, defaultSilence), cacheHour: c.CacheHour,
	}
	client := http.Client{Transport: http.DefaultTransport}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	options := []option.RequestOption{
		option.WithEnvironmentProduction(), // the provider's own address
		option.WithoutOpenTelemetry(),      // whose settings would come from the environment
		option.WithHTTPClient(&client),
		option.WithMaxRetries(max(0, cmp.Or(c.MaxRetries, defaultRetries))),
	}
	if c.BaseURL != "" {
		// The SDK's paths begin with v1 themselves.
		base := strings.TrimSuffix(strings.TrimRight(c.BaseURL, "/"), "/v1")
		options = append(options, option.WithBaseURL(base))
	}
	if m.key != "" {
		options = append(options, option.WithAPIKey(m.key))
	}
	// The service, unlike the SDK's client, adds nothing from the environment to its options.
	m.api = sdk.NewMessageService(options...)
	return m
}

// providerName is how people call the server at an address.
func providerName(base string) string {
	if base == "" {
		return "Anthropic"
	}
	if u, err := url.Parse(base); err == nil && u.Host != "" {
		return u.Host
	}
	return "the model's server"
}

// ID is the model's name as it is asked for.
func (m *Model) ID() string { return m.name }

// Limits says how much the model reads and writes.
func (m *Model) Limits() llm.Limits { return m.limits }

// CountTokens asks the provider how many tokens a request has. Where a server cannot tell, it is an estimate.
func (m *Model) CountTokens(ctx context.Context, req llm.Request) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, countTimeout, errSilent)
	defer cancel()
	// Marks and streaming make no difference here.
	for use := m.features().without(eager | caching); !m.uncounted.Load(); {
		params, err := m.params(req, use)
		if err != nil {
			return 0, err
		}
		n, err := m.count(ctx, countParams(params))
		if err == nil {
			return n, nil
		}
		refused, _ := refusal(err, use)
		use = use.without(refused)
		switch status := statusCode(err); {
		case refused != 0:
		case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
			m.uncounted.Store(true)
		case ctx.Err() != nil && !errors.Is(err, errSilent):
			return 0, ctx.Err()
		default:
			return 0, m.explain(err, false)
		}
	}
	return llm.Estimate(req), nil
}

// count asks once.
func (m *Model) count(ctx context.Context, params sdk.MessageCountTokensParams) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatch(m.silence, func() { cancel(errSilent) })
	defer w.Stop()
	count, err := m.api.CountTokens(ctx, params, option.WithMiddleware(w.middleware))
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return 0, errSilent
	case err != nil:
		return 0, err
	}
	return count.InputTokens, nil
}

// Stream sends one request and tells what comes back; see llm.Model for what it promises.
func (m *Model) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	use := m.features()
	var learned features
	for {
		params, err := m.params(req, use)
		if err != nil {
			return err
		}
		r := &reply{model: m.name, emit: emit}
		err = m.send(ctx, params, r)
		if r.begun { // without what was refused the server takes the request
			m.refused.Or(uint32(learned))
		}
		switch {
		case err == nil:
			return nil
		case r.emitErr != nil:
			return r.emitErr
		case ctx.Err() != nil:
			return ctx.Err()
		}
		refused, lasting := refusal(err, use)
		if refused == 0 || r.begun {
			return m.explain(err, r.begun)
		}
		use = use.without(refused)
		if lasting {
			learned |= refused
		}
	}
}

// send asks once and reads the reply to its end.
func (m *Model) send(ctx context.Context, params sdk.MessageNewParams, r *reply) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatch(m.silence, func() { cancel(errSilent) })
	defer w.Stop()
	var res *http.Response
	stream := m.api.NewStreaming(ctx, params, option.WithMiddleware(w.middleware), option.WithResponseInto(&res))
	defer stream.Close()
	if res != nil {
		r.requestID = res.Header.Get("Request-Id")
	}
	for stream.Next() {
		event := stream.Current()
		if err := r.event(&event); err != nil {
			return err
		}
		if r.over {
			// The stream's end is read too, because a connection that is closed before it cannot be used again.
			w.Hurry(endOfReply)
			stream.Next()
			return nil
		}
	}
	switch err := stream.Err(); {
	case errors.Is(context.Cause(ctx), errSilent):
		return errSilent
	case err != nil:
		return err
	case !r.begun:
		return errNoReply
	default:
		return errBrokeOff
	}
}
