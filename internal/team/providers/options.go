package providers

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm/catalog"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
)

// ModelOptions returns what an app may be written by, and the app's own setting: "" is the team's choice.
func (p *Providers) ModelOptions(ctx context.Context, u model.User, slug string) (current string, options []model.ModelOption, err error) {
	app, err := p.cfg.Store.AppBySlug(ctx, u, slug)
	if err != nil {
		return "", nil, err
	}
	if options, err = p.options(ctx, app.TeamID); err != nil {
		return "", nil, err
	}
	usual, err := p.target(ctx, model.App{TeamID: app.TeamID})
	mark(options, usual, err)
	return app.Model, options, nil
}

// mark says which option writes where nothing is chosen. When that is an error, whoever builds will read it.
func mark(options []model.ModelOption, usual target, err error) {
	for i := range options {
		options[i].Usual = err == nil && options[i].Reference == usual.reference()
	}
}

// Options returns the models that a team's members can choose, the Composer last. Team 0 is the instance.
func (p *Providers) Options(ctx context.Context, u model.User, teamID int64) ([]model.ModelOption, error) {
	if _, err := p.maySee(ctx, u, teamID); err != nil {
		return nil, err
	}
	options, err := p.options(ctx, teamID)
	if err != nil {
		return nil, err
	}
	conns, err := p.connections(ctx, teamID)
	if err != nil {
		return nil, err
	}
	usual, err := p.choose(ctx, conns)
	mark(options, usual, err)
	return options, nil
}

func (p *Providers) options(ctx context.Context, teamID int64) ([]model.ModelOption, error) {
	conns, err := p.connections(ctx, teamID)
	if err != nil {
		return nil, err
	}
	groups := make([][]model.ModelOption, len(conns))
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { groups[i], errs[i] = p.optionsOf(ctx, c) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return append(slices.Concat(groups...), model.ModelOption{
		Reference: Composer, Name: "Composer", Connection: "by rules, without a key", Price: "free", Tested: true,
	}), nil
}

// optionsOf lists the models of a connection: the catalogue's at the provider's own address, elsewhere what the server
// offers. One that does not answer shows the models that were tried there, with that reason.
func (p *Providers) optionsOf(ctx context.Context, c connection) ([]model.ModelOption, error) {
	key, err := p.key(c)
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "connection without its key", "connection", c.Name, "team_id", c.TeamID, "error", err)
		return nil, nil // the other connections are of use still
	}
	tests, err := p.tests(ctx, p.fingerprint(c, key))
	if err != nil {
		return nil, err
	}
	var names []string
	silent := ""
	if c.BaseURL == "" || c.Kind == model.Anthropic {
		for _, m := range catalog.Models() {
			if m.Kind == c.Kind {
				names = append(names, m.ID)
			}
		}
	} else if names, err = p.list(ctx, c, key); err != nil {
		silent = fault.Text(err)
		for name := range tests {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	if c.Kind == model.Anthropic || c.BaseURL == "" { // tried, although no list has it
		for name := range tests {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	var out []model.ModelOption
	for _, name := range names {
		if sensible(name) {
			out = append(out, p.option(target{c, name}, tests, silent))
		}
	}
	return out, nil
}

func (p *Providers) option(t target, tests map[string]model.ModelTest, silent string) model.ModelOption {
	o := model.ModelOption{Reference: t.reference(), Name: t.model, Connection: describe(t.conn), Price: "unpriced", Reason: silent}
	if known, ok := catalog.Lookup(t.model); ok && known.ID == t.model {
		o.Name = known.Name
	}
	if price, ok := catalog.PriceOf(t.model, p.cfg.Now(), 0); ok && t.conn.listed() {
		o.Price = price.String()
	}
	switch known, ok := tests[t.model]; {
	case t.trusted():
		o.Tested = true
	case ok && known.OK:
		o.Tested = true
	case ok && p.stands(known):
		o.Reason = known.Reason
	}
	return o
}

// describe says where a model is, and whose key is used.
func describe(c connection) string {
	where := map[model.ConnectionKind]string{model.Anthropic: "Anthropic", model.OpenAI: "OpenAI"}[c.Kind]
	if c.BaseURL != "" {
		where = c.Name
	} else if c.Name != string(c.Kind) {
		where += " (" + c.Name + ")"
	}
	switch {
	case c.Local:
		return where + ", on this machine"
	case c.TeamID != 0:
		return where + ", the team's key"
	}
	return where + ", the instance's key"
}

// list is what a server said that it offers.
type list struct {
	names []string
	err   error
	at    time.Time
}

const (
	listFor     = time.Minute      // a list is not asked for more often
	failedFor   = 10 * time.Second // nor a server that does not answer
	listTimeout = 4 * time.Second
	maxLists    = 500
)

// list returns the names of the models that a connection offers, sorted.
func (p *Providers) list(ctx context.Context, c connection, key string) ([]string, error) {
	id := p.fingerprint(c, key)
	p.mu.Lock()
	kept, ok := p.lists[id]
	p.mu.Unlock()
	age := p.cfg.Now().Sub(kept.at)
	if ok && (kept.err == nil && age < listFor || age < failedFor) {
		return kept.names, kept.err
	}
	limited, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	names, err := openai.ListModels(limited, p.client(c), c.BaseURL, key)
	if ctx.Err() != nil {
		return nil, ctx.Err() // who asked went away; that says nothing of the server
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lists) >= maxLists {
		clear(p.lists)
	}
	p.lists[id] = list{names, err, p.cfg.Now()}
	return names, err
}

// LocalServers looks for model servers on this machine that nobody approved yet, for administrators. They are offered
// and never used by themselves.
func (p *Providers) LocalServers(ctx context.Context, u model.User) ([]Local, error) {
	if err := p.mayManage(ctx, u, 0); err != nil {
		return nil, err
	}
	if p.cfg.Detect == nil {
		return nil, nil
	}
	conns, err := p.connections(ctx, 0)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(p.cfg.Detect(ctx), func(l Local) bool {
		return slices.ContainsFunc(conns, func(c connection) bool { return sameServer(c.BaseURL, l.BaseURL) })
	}), nil
}

// ApproveLocal makes a model server on this machine a connection of the instance. It must answer now.
func (p *Providers) ApproveLocal(ctx context.Context, u model.User, baseURL string) error {
	found, err := p.LocalServers(ctx, u)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found, func(l Local) bool { return l.BaseURL == baseURL })
	if i < 0 || !onLoopback(baseURL) {
		return fault.New(fault.NotFound, "No model server answers at %s any more. Start it and look again.", baseURL)
	}
	conns, err := p.connections(ctx, 0)
	if err != nil {
		return err
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(conns, func(c connection) bool { return c.Name == name })
	}
	name := slug(found[i].Name)
	for n := 2; taken(name); n++ {
		name = slug(found[i].Name) + "-" + strconv.Itoa(n)
	}
	_, err = p.Connect(ctx, u, 0, NewConnection{Name: name, Kind: model.OpenAI, BaseURL: baseURL})
	return err
}

// slug makes a connection's name of a server's.
func slug(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name = strings.Trim(name[:min(len(name), 28)], "-"); name == "" || name == Composer {
		return "local"
	}
	return name
}

// sameServer compares two addresses on this machine, whatever they call it.
func sameServer(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.Port() == ub.Port() && onLoopback(a) && onLoopback(b)
}
