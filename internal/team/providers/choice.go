package providers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/anthropic"
	"overskill/internal/llm/catalog"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
)

// target is one model behind one connection; the zero value is the Composer.
type target struct {
	conn  connection
	model string
}

func (t target) composer() bool { return t.model == "" }

func (t target) reference() string {
	if t.composer() {
		return Composer
	}
	return t.conn.Name + "/" + t.model
}

// Model returns the model that writes an app, by the order of choice. A model that must show first that it can call
// tools does so now, which takes a few requests. Faults have a sentence that says what to change, and where.
func (p *Providers) Model(ctx context.Context, app model.App) (llm.Model, error) {
	t, err := p.target(ctx, app)
	if err != nil {
		return nil, err
	}
	if t.composer() {
		return p.cfg.Composer, nil
	}
	key, err := p.key(t.conn)
	if err != nil {
		return nil, err
	}
	if err := p.ensureTested(ctx, t, key, app.TeamID); err != nil {
		return nil, err
	}
	return p.open(t, key), nil
}

// target follows the order of choice.
func (p *Providers) target(ctx context.Context, app model.App) (target, error) {
	conns, err := p.connections(ctx, app.TeamID)
	if err != nil {
		return target{}, err
	}
	if app.Model != "" {
		return resolve(conns, app.Model, "Choose another model in the app's settings.")
	}
	ref, err := p.cfg.Store.TeamModel(ctx, app.TeamID)
	if err != nil {
		return target{}, err
	}
	if ref != "" {
		return resolve(conns, ref, "Choose another default model in the team's settings.")
	}
	return p.choose(ctx, conns)
}

// choose is the order of choice where nobody chose.
func (p *Providers) choose(ctx context.Context, conns []connection) (target, error) {
	var own, shared, local []connection
	for _, c := range conns {
		switch {
		case c.TeamID != 0:
			own = append(own, c)
		case c.Local:
			local = append(local, c)
		default:
			shared = append(shared, c)
		}
	}
	if c, ok := first(own); ok {
		return p.defaultOf(ctx, c)
	}
	if p.cfg.Environment.Model != "" {
		return named(append(shared, local...), operatorsSetting, p.cfg.Environment.Model)
	}
	if c, ok := first(shared); ok {
		return p.defaultOf(ctx, c)
	}
	if c, ok := first(local); ok {
		return p.defaultOf(ctx, c)
	}
	return target{}, nil
}

// first is the connection to take when several would do: Anthropic before others, the provider's own address before
// others, then in their order.
func first(conns []connection) (connection, bool) {
	if len(conns) == 0 {
		return connection{}, false
	}
	rank := func(c connection) int {
		n := 0
		if c.Kind != model.Anthropic {
			n += 2
		}
		if c.BaseURL != "" {
			n++
		}
		return n
	}
	return slices.MinFunc(conns, func(a, b connection) int { return cmp.Compare(rank(a), rank(b)) }), true
}

// defaultOf is the model to take when only the connection is known: the catalogue's default of its kind where it is
// offered, the only one, or on this machine the first that is not known to fail. Among a reseller's hundreds none is
// guessed.
func (p *Providers) defaultOf(ctx context.Context, c connection) (target, error) {
	usual := defaultModel(c.Kind)
	if c.BaseURL == "" || c.Kind == model.Anthropic {
		return target{c, usual}, nil
	}
	key, err := p.key(c)
	if err != nil {
		return target{}, err
	}
	names, err := p.list(ctx, c, key)
	switch {
	case err != nil:
		return target{}, fmt.Errorf("list the models of %s: %w", c.Name, err)
	case len(names) == 0:
		return target{}, fault.New(fault.Invalid, "The connection %q offers no models. Load one there, or choose another model in the settings.", c.Name)
	case slices.Contains(names, usual):
		return target{c, usual}, nil
	case len(names) == 1:
		return target{c, names[0]}, nil
	case c.Local:
		return p.firstThatMayWork(ctx, c, key, names)
	}
	return target{}, fault.New(fault.Invalid, "The connection %q offers %d models. Choose one of them in the settings.", c.Name, len(names))
}

// firstThatMayWork prefers a model that is known to call tools, then one of which nothing is known.
func (p *Providers) firstThatMayWork(ctx context.Context, c connection, key string, names []string) (target, error) {
	tests, err := p.tests(ctx, p.fingerprint(c, key))
	if err != nil {
		return target{}, err
	}
	for _, want := range []func(model.ModelTest, bool) bool{
		func(t model.ModelTest, known bool) bool { return known && t.OK },
		func(_ model.ModelTest, known bool) bool { return !known },
	} {
		for _, name := range names {
			if t, known := tests[name]; want(t, known) {
				return target{c, name}, nil
			}
		}
	}
	return target{c, names[0]}, nil
}

func defaultModel(kind model.ConnectionKind) string {
	for _, m := range catalog.Models() {
		if m.Kind == kind && m.Default {
			return m.ID
		}
	}
	return ""
}

// resolve finds what a reference names. advice says where to choose another.
func resolve(conns []connection, ref, advice string) (target, error) {
	if ref == Composer {
		return target{}, nil
	}
	name, id, ok := strings.Cut(ref, "/")
	if !ok || !sensible(id) {
		return target{}, fault.New(fault.Invalid, "%q names no model. %s", ref, advice)
	}
	if i := slices.IndexFunc(conns, func(c connection) bool { return c.Name == name }); i >= 0 {
		return target{conns[i], id}, nil
	}
	return target{}, fault.New(fault.Invalid, "The model %q needs the connection %q, which does not exist or was removed. %s", ref, name, advice)
}

// sensible reports whether a model's name can be shown and sent. Names of the Composer's are its own: it costs
// nothing, and the ledger knows it by them.
func sensible(id string) bool {
	if id == "" || len(id) > 200 || strings.HasPrefix(id, Composer+"/") {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == ' ' })
}

// modelKey is what a model in use depends on.
type modelKey struct{ fingerprint, name string }

// maxModels bounds the models that are kept, which cost little to make again.
const maxModels = 500

// open returns a model to be asked.
func (p *Providers) open(t target, key string) llm.Model {
	id := modelKey{fmt.Sprint(t.conn.TeamID, " ", p.fingerprint(t.conn, key)), t.model}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m, ok := p.models[id]; ok {
		return m
	}
	if len(p.models) >= maxModels {
		clear(p.models)
	}
	limits := catalog.AssumedLimits()
	if known, ok := catalog.Lookup(t.model); ok {
		limits = known.Limits
	}
	var m llm.Model
	switch client := p.client(t.conn); t.conn.Kind {
	case model.Anthropic:
		m = anthropic.New(anthropic.Config{Key: key, BaseURL: t.conn.BaseURL, Model: t.model, Limits: limits, Client: client})
	default:
		m = openai.New(openai.Config{Key: key, BaseURL: t.conn.BaseURL, Model: t.model, Limits: limits, Client: client})
	}
	if !t.conn.listed() {
		m = elsewhere{m}
	}
	p.models[id] = m
	return m
}

// listed reports whether the catalogue's prices hold at a connection: at the provider's own address, and where the
// operator says that it is as good as that. A team's own server may call its models as it likes, and one on this
// machine asks nothing by the token.
func (c connection) listed() bool { return c.BaseURL == "" || c.TeamID == 0 && !c.Local }

// elsewhere is a model without a known price, whatever it is called.
type elsewhere struct{ llm.Model }

// Unlisted tells the ledger so.
func (elsewhere) Unlisted() bool { return true }
