// Package openai lets models write code that speak OpenAI's protocols: at OpenAI itself, at resellers such as
// OpenRouter, and on one's own machine through Ollama, llama.cpp, vLLM or LM Studio.
//
// There are two protocols. Chat completions is the old one, which everybody else implements. Responses is the one
// that OpenAI's own reasoning models need before they call tools: with chat completions GPT-6.1 Sol refuses tools
// altogether. So OpenAI's own address is asked through Responses, every other one through chat completions, and an
// answer that names the other protocol changes that.
//
// Servers differ in details that their model lists do not tell: whether they count tokens while they stream, how the
// limit of a reply is called, whether they number parallel calls. What can be read leniently is (see calls); what
// must be sent differently is learned from the refusal, once, and remembered (see dialect).
//
// The SDK carries the requests: addresses, authentication, retries, the framing of events. The bodies are our own
// types: they keep the order of a schema's properties, which models follow when they write, are the same bytes for
// the same conversation, which is what providers cache by, and hold fields that only some servers know.
package openai

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"overskill/internal/llm"
)

// officialURL is where OpenAI itself is.
const officialURL = "https://api.openai.com/v1"

const (
	defaultSilence = 90 * time.Second
	localSilence   = 10 * time.Minute // a processor that reads a long prompt says nothing for minutes
	defaultRetries = 3
	longestWait    = time.Minute // a server that asks for more is not waited for
)

// Config says where a model is.
type Config struct {
	Key     string // may be empty: local servers want none
	BaseURL string // "": OpenAI's own. An address without a path is taken to mean its /v1.
	Model   string // as the server calls it
	Limits  llm.Limits

	Client  *http.Client  // nil: one without limits of its own; Silence and the context bound a request
	Silence time.Duration // for how long a server may send nothing at all; 0: 90 seconds, 10 minutes on loopback

	// MaxRetries is how often a request is sent again before its reply began, when there was no connection or the
	// server asked for it (429, 5xx). 0: three times; negative: never. The server's Retry-After is kept to; one of
	// more than a minute ends the request with an *llm.Error that has it.
	MaxRetries int
}

// Model is an llm.Model. It is safe for concurrent use.
type Model struct {
	cfg       Config
	server    string // for people: "OpenAI" or a host
	official  bool
	chat      sdk.ChatCompletionService
	responses responses.ResponseService

	mu      sync.Mutex
	dialect dialect
}

var _ llm.Model = (*Model)(nil)

// New returns a model. It connects to nothing, and reads nothing from the environment.
func New(cfg Config) *Model {
	cfg.BaseURL = normalURL(cfg.BaseURL)
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	if cfg.Silence == 0 {
		cfg.Silence = defaultSilence
		if loopback(cfg.BaseURL) {
			cfg.Silence = localSilence
		}
	}
	if cfg.MaxRetries == 0 {
		cfg.MaxRetries = defaultRetries
	}
	m := &Model{cfg: cfg, official: official(cfg.BaseURL), server: serverName(cfg.BaseURL)}
	m.dialect.responses = m.official
	// The SDK's Client would look into the environment; its services do not.
	opts := []option.RequestOption{
		option.WithBaseURL(cfg.BaseURL),
		option.WithHTTPClient(cfg.Client),
		option.WithMaxRetries(max(0, cfg.MaxRetries)),
		option.WithMaxRetryDelay(longestWait),
	}
	if cfg.Key != "" {
		opts = append(opts, option.WithAPIKey(cfg.Key))
	}
	m.chat = sdk.NewChatCompletionService(opts...)
	m.responses = responses.NewResponseService(opts...)
	return m
}

// ID is the model's name at its server.
func (m *Model) ID() string { return m.cfg.Model }

// Limits are the configured ones.
func (m *Model) Limits() llm.Limits { return m.cfg.Limits }

// CountTokens estimates: these protocols have no way to ask that all servers know.
func (m *Model) CountTokens(_ context.Context, req llm.Request) (int64, error) {
	return llm.Estimate(req), nil
}

// Stream sends one request, as llm.Model says. A server that refuses a detail of it is asked again without.
func (m *Model) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	for {
		m.mu.Lock()
		d := m.dialect
		m.mu.Unlock()
		err := m.once(ctx, req, d, emit)
		var refused *refusal
		if !errors.As(err, &refused) {
			return err
		}
		learned, ok := d.learn(refused, m.official)
		if !ok {
			return m.explain(refused)
		}
		m.mu.Lock()
		m.dialect = m.dialect.or(learned)
		m.mu.Unlock()
	}
}

// normalURL completes an address as people write it.
func normalURL(base string) string {
	if base == "" {
		return officialURL
	}
	u, err := url.Parse(base)
	if err != nil {
		return base // the request will say what is wrong with it
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u.String()
}

func official(base string) bool {
	u, err := url.Parse(base)
	return err == nil && u.Hostname() == "api.openai.com"
}

func loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// serverName names the server in a sentence.
func serverName(base string) string {
	u, err := url.Parse(base)
	switch {
	case official(base):
		return "OpenAI"
	case err != nil || u.Host == "":
		return "The model's server"
	}
	return u.Host
}
