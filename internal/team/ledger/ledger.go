// Package ledger writes down every request to a model, so that what people are billed is the sum of lines that anybody
// can check.
//
// A Meter stands around a model. Before a request is sent, its line is opened; if that cannot be written, nothing is
// sent. When the reply ended, the line is settled with the provider's count of tokens, the model that answered, and
// the price of that day. How a request ended says who pays:
//
//	done    the reply came to its end            its team
//	broken  it broke off in the middle           the instance, unless a person stopped it
//	failed  nothing came                         nobody: no tokens, no cost
//	open    its process was killed               the instance, with the estimate, once Sweep found it
//
// The instance also pays for all requests of a recovery and of a model's self-test, whatever became of them. That
// follows from the purpose alone, which the server sets. What the instance pays in a calendar month has a cap.
//
// Where a provider does not say how many tokens a request had, they are estimated, and the line says so. A model
// without a known price costs nil, which is "unknown" and never 0. The Composer's requests cost nothing and are not
// written down.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// Store keeps the lines.
type Store interface {
	// OpenRequest adds a line that is not billable yet. RateLimited means that the team's budget has no room for what is
	// reserved for it; nothing is written then.
	OpenRequest(ctx context.Context, r model.ModelRequest) error
	// SettleRequest ends an open line, once; again, it changes nothing.
	SettleRequest(ctx context.Context, r model.ModelRequest) error
	// AbandonRequests ends lines that are open since before a time, at the instance's expense.
	AbandonRequests(ctx context.Context, before time.Time) (int, error)
	// AbsorbedSince is what the instance paid itself, in micro-USD.
	AbsorbedSince(ctx context.Context, from time.Time) (int64, error)
}

// Config is what a Ledger needs.
type Config struct {
	Store Store
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: none
	// AbsorbedCapMicros is how much the instance pays itself in a calendar month (UTC), in micro-USD. 0: no limit.
	AbsorbedCapMicros int64
}

// Ledger is safe for concurrent use.
type Ledger struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	cap   int64
	// waits are the pauses before each further try to settle a line.
	waits []time.Duration
}

// New returns a Ledger.
func New(c Config) *Ledger {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Ledger{
		store: c.Store, now: c.Now, log: c.Log, cap: c.AbsorbedCapMicros,
		waits: []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second},
	}
}

// About is what requests are made for. The team must exist; the others are 0 where there is none.
type About struct {
	TeamID, AppID, VersionID, MessageID, UserID int64

	AppSlug string
	Purpose model.Purpose
	Attempt int // of a recovery, from 1
}

// billable reports whether a team may have to pay for such requests.
func billable(p model.Purpose) bool {
	return p != model.PurposeRecovery && p != model.PurposeSelfTest
}

// MayAbsorb refuses with RateLimited when the instance has paid as much itself this month as its cap allows. Ask it
// before work that nobody is billed for begins.
func (l *Ledger) MayAbsorb(ctx context.Context) error {
	if l.cap <= 0 {
		return nil
	}
	now := l.now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	spent, err := l.store.AbsorbedSince(ctx, month)
	if err != nil {
		return fmt.Errorf("ask for the month's absorbed cost: %w", err)
	}
	if spent >= l.cap {
		return fault.New(fault.RateLimited, "Repairs and tests of models that nobody is billed for have cost this instance %s of the %s that it allows a month. "+
			"They are possible again on %s (UTC).", dollars(spent), dollars(l.cap), month.AddDate(0, 1, 0).Format("2 January 2006"))
	}
	return nil
}

// longest is longer than any request takes: adapters end a silent one after minutes, and a turn has a limit too.
const longest = time.Hour

// Sweep settles the lines that killed processes left open, and returns how many there were. Call it now and then.
func (l *Ledger) Sweep(ctx context.Context) (int, error) {
	return l.store.AbandonRequests(ctx, l.now().Add(-longest))
}

// Each use of the store is bounded. Settling is tried a few times and delays who waits for the reply's end, so its
// tries are shorter.
const (
	storeTimeout  = 10 * time.Second
	settleTimeout = 4 * time.Second
)

// open writes a line before its request is sent.
func (l *Ledger) open(ctx context.Context, r model.ModelRequest) error {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := l.store.OpenRequest(limited, r); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fault.Is(err, fault.RateLimited) { // the team's budget
			return err
		}
		return fault.Wrap(err, fault.Unavailable, "The cost of this could not be written down, so the model was not asked. Try again.")
	}
	return nil
}

// settle writes how a request ended, also when ctx has. What cannot be written is logged with all its figures, so that
// it can be entered by hand: the reply has come, and throwing it away would help nobody.
func (l *Ledger) settle(ctx context.Context, r model.ModelRequest) {
	ctx = context.WithoutCancel(ctx)
	var err error
	for try := 0; ; try++ {
		if err = l.trySettle(ctx, r); err == nil {
			return
		}
		if try == len(l.waits) {
			break
		}
		time.Sleep(l.waits[try])
	}
	cost := int64(-1) // unknown
	if r.CostMicros != nil {
		cost = *r.CostMicros
	}
	l.log.ErrorContext(ctx, "a model request could not be settled in the ledger", "error", err, "request_id", r.RequestID,
		"provider_request_id", r.ProviderRequestID, "team_id", r.TeamID, "app_id", r.AppID, "version_id", r.VersionID, "user_id", r.UserID,
		"purpose", r.Purpose, "attempt", r.Attempt, "status", r.Status, "model_asked", r.ModelAsked, "model", r.Model,
		"input_tokens", r.InputTokens, "output_tokens", r.OutputTokens, "cache_read_tokens", r.CacheReadTokens,
		"cache_write_tokens", r.CacheWriteTokens, "cache_write_1h_tokens", r.CacheWrite1hTokens, "cost_micros", cost,
		"price_version", r.PriceVersion, "billable", r.Billable, "estimated", r.Estimated, "started_at", r.StartedAt, "ended_at", r.EndedAt)
}

func (l *Ledger) trySettle(ctx context.Context, r model.ModelRequest) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return l.store.SettleRequest(ctx, r)
}

// dollars writes micro-USD for people, to the cent, rounded half up.
func dollars(micros int64) string {
	cents := (micros + 5_000) / 10_000
	return fmt.Sprintf("$%d.%02d", cents/100, cents%100)
}

// clean makes a provider's text fit for the database and for people: UTF-8, without NUL, bounded.
func clean(text string, limit int) string {
	text = strings.ReplaceAll(text, "\x00", "")
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(text, "")
}

// isComposer reports whether a model is the Composer, whose requests cost nothing.
func isComposer(m llm.Model) bool { return strings.HasPrefix(m.ID(), "composer/") }
