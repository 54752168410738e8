// Package catalog knows the models that we recommend: what people call them, how much they read and write, and what
// they cost on which day.
//
// A price belongs to a model, a day and a prompt length. Providers change prices, so each entry of the list says from
// which day it holds, and old entries stay: a request of last month keeps its price. Some providers ask more for
// every token of a request whose prompt is long, so a price may have bands; a request is priced wholly by the band of
// its prompt.
//
// A model that is not in the catalogue can still be used. It has no price then, which is "unpriced" and never $0, and
// limits that are a guess. In particular a model that a reseller offers under a name of its own, such as
// "anthropic/claude-sonnet-5.5", is not in the catalogue: what the reseller asks is not for us to know.
package catalog

import (
	"strings"
	"time"

	"overskill/internal/llm"
	"overskill/internal/model"
)

// Model is one entry of the catalogue.
type Model struct {
	ID      string // as its provider wants it in a request
	Name    string // for people
	Kind    model.ConnectionKind
	Limits  llm.Limits
	Default bool // the one to take when only a key is known; one of each kind is
}

// The limits are those of the providers' model pages in November 2026. Both providers share one window between
// prompt and reply.
var (
	claude = llm.Limits{Context: 1_000_000, MaxOutput: 128_000}
	gpt    = llm.Limits{Context: 1_050_000, MaxOutput: 128_000}
)

// AssumedLimits are for a model that the catalogue does not know. They are a guess that suits most models which can
// call tools; one that reads less answers with llm.TooLong.
func AssumedLimits() llm.Limits { return llm.Limits{Context: 128_000, MaxOutput: 16_000} }

// Models returns the catalogue in the order in which to offer it: by provider, its default first.
func Models() []Model {
	return []Model{
		{ID: "claude-sonnet-5-5", Name: "Claude Sonnet 5.5", Kind: model.Anthropic, Limits: claude, Default: true},
		{ID: "claude-opus-5-5", Name: "Claude Opus 5.5", Kind: model.Anthropic, Limits: claude},
		{ID: "claude-haiku-5-5", Name: "Claude Haiku 5.5", Kind: model.Anthropic, Limits: claude},
		{ID: "claude-fable-5-1", Name: "Claude Fable 5.1", Kind: model.Anthropic, Limits: claude},
		{ID: "gpt-6.1-sol", Name: "GPT-6.1 Sol", Kind: model.OpenAI, Limits: gpt, Default: true},
		{ID: "gpt-6.1-terra", Name: "GPT-6.1 Terra", Kind: model.OpenAI, Limits: gpt},
		{ID: "gpt-6-luna", Name: "GPT-6 Luna", Kind: model.OpenAI, Limits: gpt},
	}
}

// Lookup finds a model by its ID or by the ID of a dated snapshot of it, such as "claude-sonnet-5-5-20261001" or
// "gpt-6-luna-2026-09-22". Nothing else is taken for a known model: a name that only resembles one may cost anything.
func Lookup(id string) (Model, bool) {
	id = undated(id)
	for _, m := range Models() {
		if m.ID == id {
			return m, true
		}
	}
	return Model{}, false
}

// undated cuts the day off a snapshot's ID.
func undated(id string) string {
	for _, layout := range []string{"-20060102", "-2006-01-02"} {
		cut := len(id) - len(layout)
		if cut <= 0 || strings.HasSuffix(id[:cut], "-") {
			continue
		}
		if _, err := time.Parse(layout, id[cut:]); err == nil {
			return id[:cut]
		}
	}
	return id
}
