package ledger

import (
	"context"
	"crypto/rand"
	"errors"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/catalog"
	"overskill/internal/model"
)

// Unlisted is implemented by models to which the catalogue's prices do not apply, although they bear a name that it
// knows: they are asked somewhere else than at their provider, and what it costs there is unknown.
type Unlisted interface{ Unlisted() bool }

// Meter returns a model that writes down each request of m. Its Stream promises what llm.Model does, and that no
// request is sent which is not in the ledger. The Composer comes back as it is.
func (l *Ledger) Meter(m llm.Model, about About) llm.Model {
	if isComposer(m) {
		return m
	}
	return &metered{Model: m, ledger: l, about: about}
}

// metered forwards everything but Stream.
type metered struct {
	llm.Model

	ledger *Ledger
	about  About
}

// Stream implements llm.Model. Its own faults are Unavailable when the ledger cannot be written, and RateLimited when
// the instance would have to pay and its cap is reached.
func (m *metered) Stream(ctx context.Context, req llm.Request, emit func(llm.Event) error) error {
	if !billable(m.about.Purpose) {
		if err := m.ledger.MayAbsorb(ctx); err != nil {
			return err
		}
	}
	r := m.line(req)
	if err := m.ledger.open(ctx, r); err != nil {
		return err
	}
	seen := tally{calls: map[string]*callSize{}}
	err := m.Model.Stream(ctx, req, func(e llm.Event) error {
		seen.add(e)
		return emit(e)
	})
	m.ledger.settle(ctx, m.ended(r, req, &seen, err, stopped(ctx)))
	return err
}

// line is the ledger's line before the request is sent.
func (m *metered) line(req llm.Request) model.ModelRequest {
	a := m.about
	r := model.ModelRequest{
		RequestID: rand.Text(), TeamID: a.TeamID, AppID: a.AppID, AppSlug: a.AppSlug, VersionID: a.VersionID, MessageID: a.MessageID,
		UserID: a.UserID, Purpose: a.Purpose, Attempt: a.Attempt, ModelAsked: m.ID(), Model: m.ID(),
		Estimated: true, StartedAt: m.ledger.now().UTC(),
	}
	input := llm.Estimate(req)
	if billable(a.Purpose) {
		m.price(&r, llm.Usage{Input: input, Output: m.mostOutput(req)})
		if r.CostMicros != nil {
			r.ReservedMicros = *r.CostMicros
		}
	}
	m.price(&r, llm.Usage{Input: input})
	return r
}

// usualOutput is what a reply may have where neither the request nor the model's limits say.
const usualOutput = 32_000

// mostOutput is how many tokens the reply may have.
func (m *metered) mostOutput(req llm.Request) int64 {
	most := m.Limits().MaxOutput
	switch {
	case req.MaxTokens > 0 && most > 0:
		return min(int64(req.MaxTokens), most)
	case req.MaxTokens > 0:
		return int64(req.MaxTokens)
	case most > 0:
		return most
	}
	return usualOutput
}

// ended is the line of a request after Stream returned err.
func (m *metered) ended(r model.ModelRequest, req llm.Request, seen *tally, err error, byPerson bool) model.ModelRequest {
	r.EndedAt = m.ledger.now().UTC()
	if seen.answer.Model != "" {
		r.Model = clean(seen.answer.Model, maxName)
	}
	r.ProviderRequestID = clean(seen.answer.RequestID, maxName)
	if err != nil {
		r.Error = clean(err.Error(), maxError)
	}
	var usage llm.Usage
	switch {
	case seen.stopped:
		r.Status, r.Billable = model.RequestDone, err == nil || byPerson
		usage, r.Estimated = seen.whole(req)
	case seen.events > 0 || begun(err):
		// A reply that broke off is ours to pay: whoever asked for it got nothing of it, and it will be asked again. One
		// that a person stopped was theirs.
		r.Status, r.Billable = model.RequestBroken, byPerson
		usage, r.Estimated = seen.soFar(req), true
	default:
		// Nothing came. An answer of HTTP says so for certain; otherwise it is what we believe.
		r.Status, r.Estimated = model.RequestFailed, !refused(err)
	}
	r.Billable = r.Billable && billable(m.about.Purpose)
	m.price(&r, usage)
	return r
}

// Limits of what providers say about themselves, in bytes.
const (
	maxName  = 200
	maxError = 1000
)

// price sets the tokens of a line, and what they cost on the day on which the request was made, by the model that
// answered it.
func (m *metered) price(r *model.ModelRequest, u llm.Usage) {
	r.InputTokens, r.OutputTokens, r.CacheReadTokens = u.Input, u.Output, u.CacheRead
	r.CacheWriteTokens, r.CacheWrite1hTokens = u.CacheWrite+u.CacheWrite1h, u.CacheWrite1h
	r.CostMicros, r.PriceVersion, r.SavedMicros = nil, "", 0
	if x, ok := m.Model.(Unlisted); ok && x.Unlisted() {
		return
	}
	p, ok := catalog.PriceOf(r.Model, r.StartedAt, u.Prompt())
	if !ok {
		return
	}
	cost := p.Cost(u)
	r.CostMicros, r.PriceVersion = &cost, p.Version
	r.SavedMicros = p.Cost(llm.Usage{Input: u.Prompt(), Output: u.Output}) - cost
}

// stopped reports whether a person ended ctx: its cause says so in a fault. A bare cancellation is a process that
// shuts down; the turn goes on elsewhere then, and asks again.
func stopped(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return fault.Is(cause, fault.Canceled) && !errors.Is(cause, context.Canceled)
}

// begun reports whether an adapter knows that some of the reply had come.
func begun(err error) bool {
	e, ok := llm.AsError(err)
	return ok && e.Begun
}

// refused reports whether the provider answered that it will not do it.
func refused(err error) bool {
	e, ok := llm.AsError(err)
	return ok && e.Status >= 400
}
