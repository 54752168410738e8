package providers

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/catalog"
	"overskill/internal/model"
)

const (
	retestAfter = 10 * time.Minute // a failed test stands for so long, unless somebody asks for another
	freshFor    = 10 * time.Second // a test is not repeated at once, however often somebody asks
)

// trusted reports whether a model needs no test.
func (t target) trusted() bool {
	if t.composer() {
		return true
	}
	known, ok := catalog.Lookup(t.model)
	return ok && known.Kind == t.conn.Kind && t.conn.BaseURL == ""
}

// Test tries now whether a model can call tools, for a person who may change the team's settings. It returns nil
// when it can, and otherwise the sentence why not. Faults: as of a request when the connection fails.
func (p *Providers) Test(ctx context.Context, u model.User, teamID int64, ref string) error {
	if err := p.mayManage(ctx, u, teamID); err != nil {
		return err
	}
	conns, err := p.connections(ctx, teamID)
	if err != nil {
		return err
	}
	t, err := resolve(conns, ref, "Choose another model.")
	if err != nil || t.composer() {
		return err
	}
	key, err := p.key(t.conn)
	if err != nil {
		return err
	}
	if teamID == 0 { // somebody has to be in the ledger
		if teamID, err = p.cfg.Store.PersonalTeam(ctx, u.ID); err != nil {
			return err
		}
	}
	return p.test(ctx, t, key, teamID, u.ID, func(known model.ModelTest) bool {
		return p.cfg.Now().Sub(known.TestedAt) < freshFor
	})
}

// ensureTested lets trusted models pass, and those that passed a test; others are tested now, unless they failed
// just before.
func (p *Providers) ensureTested(ctx context.Context, t target, key string, teamID int64) error {
	if t.trusted() {
		return nil
	}
	return p.test(ctx, t, key, teamID, 0, p.stands)
}

// stands reports whether a test's result still counts.
func (p *Providers) stands(known model.ModelTest) bool {
	return known.OK || p.cfg.Now().Sub(known.TestedAt) < retestAfter
}

// test returns the kept result if it is good enough, and else tests the model. Of several that want the same, one
// tests and the others take its result.
func (p *Providers) test(ctx context.Context, t target, key string, teamID, userID int64, enough func(model.ModelTest) bool) error {
	fingerprint := p.fingerprint(t.conn, key)
	unlock, err := p.testing.lock(ctx, fingerprint+t.model)
	if err != nil {
		return err
	}
	defer unlock()
	tests, err := p.tests(ctx, fingerprint)
	if err != nil {
		return err
	}
	if known, ok := tests[t.model]; ok && enough(known) {
		return t.verdict(known)
	}
	// A model that is asked for the first time and fails by the connection has neither passed nor failed.
	_, err = llm.SelfTest(ctx, p.cfg.Meter(p.open(t, key), teamID, userID))
	result := model.ModelTest{Connection: fingerprint, Model: t.model, OK: err == nil, Reason: fault.Text(err), TestedAt: p.cfg.Now().UTC()}
	if err != nil && !aboutModel(err) {
		return fmt.Errorf("test %s: %w", t.reference(), err)
	}
	if err := p.cfg.Store.SaveModelTest(ctx, result); err != nil {
		return err
	}
	p.cfg.Log.InfoContext(ctx, "model tested", "model", t.reference(), "team_id", teamID, "ok", result.OK, "reason", result.Reason)
	return t.verdict(result)
}

// aboutModel reports whether a failed test says something of the model. A server that refuses a request with tools
// does; one that is busy or does not know the key does not.
func aboutModel(err error) bool {
	if e, ok := llm.AsError(err); ok {
		return e.Kind == llm.BadRequest
	}
	return fault.Is(err, fault.Invalid)
}

// verdict is nil for a model that passed.
func (t target) verdict(known model.ModelTest) error {
	if known.OK {
		return nil
	}
	return fault.New(fault.Invalid, "The model %s cannot write apps. %s Choose another model in the settings, or test this one again there.", t.reference(), known.Reason)
}

// tests returns the kept results of a connection, by model.
func (p *Providers) tests(ctx context.Context, fingerprints ...string) (map[string]model.ModelTest, error) {
	rows, err := p.cfg.Store.ModelTests(ctx, fingerprints)
	out := make(map[string]model.ModelTest, len(rows))
	for _, r := range rows {
		out[r.Model] = r
	}
	return out, err
}

// stripes are locks for more things than are worth a lock each.
type stripes struct {
	seed  maphash.Seed
	locks [32]chan struct{}
}

func newStripes() *stripes {
	s := &stripes{seed: maphash.MakeSeed()}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	return s
}

// lock waits for the lock of a name, or until ctx ends.
func (s *stripes) lock(ctx context.Context, name string) (unlock func(), err error) {
	c := s.locks[maphash.String(s.seed, name)%uint64(len(s.locks))]
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
