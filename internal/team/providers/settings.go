package providers

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/anthropic"
	"overskill/internal/llm/catalog"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
)

// maySee refuses people who are no members of a team. Team 0 is the instance, which is for administrators.
func (p *Providers) maySee(ctx context.Context, u model.User, teamID int64) (model.Role, error) {
	switch {
	case teamID == 0 && u.Admin:
		return model.Owner, nil
	case teamID == 0:
		return "", fault.New(fault.Forbidden, "Only administrators look after the models of the whole instance.")
	case u.Admin:
		_, err := p.cfg.Store.TeamModel(ctx, teamID) // the team exists
		return model.Owner, err
	}
	return p.cfg.Store.RoleIn(ctx, teamID, u.ID)
}

// mayManage refuses people who may not change a team's settings.
func (p *Providers) mayManage(ctx context.Context, u model.User, teamID int64) error {
	role, err := p.maySee(ctx, u, teamID)
	if err == nil && role != model.Owner && role != model.Admin {
		return fault.New(fault.Forbidden, "Only the owner and the admins of this team can change its models and keys.")
	}
	return err
}

// MayManage reports whether a person may change a team's connections and default model.
func (p *Providers) MayManage(ctx context.Context, u model.User, teamID int64) (bool, error) {
	err := p.mayManage(ctx, u, teamID)
	if fault.Is(err, fault.Forbidden) {
		return false, nil
	}
	return err == nil, err
}

// Connections lists what a team can use, for its members: its own connections, then the environment's and the
// instance's. Team 0 is the instance. No key is among it, and hints and addresses only for those who look after them.
func (p *Providers) Connections(ctx context.Context, u model.User, teamID int64) ([]model.Connection, error) {
	role, err := p.maySee(ctx, u, teamID)
	if err != nil {
		return nil, err
	}
	conns, err := p.connections(ctx, teamID)
	if err != nil {
		return nil, err
	}
	out := make([]model.Connection, len(conns))
	for i, c := range conns {
		shown := c.Connection
		shown.SealedKey = nil
		if shown.TeamID == 0 && !u.Admin {
			shown.KeyHint, shown.BaseURL = "", ""
		}
		if role != model.Owner && role != model.Admin {
			shown.KeyHint = ""
		}
		out[i] = shown
	}
	return out, nil
}

// NewConnection is what somebody enters.
type NewConnection struct {
	Name    string // "": anthropic or openai, by the kind
	Kind    model.ConnectionKind
	BaseURL string // "": the provider's own
	Key     string // may be empty where the server wants none
	Model   string // one that is expected there; it becomes the team's default if there is none yet. May be empty.
}

const (
	maxConnections = 20
	maxKey         = 500 // bytes
	verifyTimeout  = 30 * time.Second
)

var connectionName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// Connect adds a connection to a team, or to the instance (team 0), after the provider accepted its key. Owner and
// admins of the team may; for the instance, administrators. Faults: Forbidden, Invalid with what to correct, Conflict
// for a name that is taken, Unavailable when the provider does not answer.
func (p *Providers) Connect(ctx context.Context, u model.User, teamID int64, n NewConnection) (model.Connection, error) {
	if err := p.mayManage(ctx, u, teamID); err != nil {
		return model.Connection{}, err
	}
	c, err := p.read(teamID, n)
	if err != nil {
		return model.Connection{}, err
	}
	if err := p.free(ctx, c); err != nil {
		return model.Connection{}, err
	}
	key, id := strings.TrimSpace(n.Key), strings.TrimSpace(n.Model)
	if err := p.verify(ctx, connection{Connection: c}, key, id); err != nil {
		return model.Connection{}, err
	}
	if key != "" {
		c.SealedKey, c.KeyHint = p.cfg.Key.Seal([]byte(key), place(c)), hint(key)
	}
	c.CreatedBy = u.ID
	if c, err = p.cfg.Store.AddConnection(ctx, c); err != nil {
		return model.Connection{}, err
	}
	c.SealedKey = nil
	if id == "" || teamID == 0 {
		return c, nil
	}
	current, err := p.cfg.Store.TeamModel(ctx, teamID)
	if err == nil && current == "" {
		err = p.cfg.Store.SetTeamModel(ctx, teamID, c.Name+"/"+id)
	}
	return c, err
}

// read checks what somebody entered.
func (p *Providers) read(teamID int64, n NewConnection) (model.Connection, error) {
	var none model.Connection
	if n.Kind != model.Anthropic && n.Kind != model.OpenAI {
		return none, fault.New(fault.Invalid, "Choose Anthropic or OpenAI-compatible.")
	}
	name := strings.ToLower(strings.TrimSpace(n.Name))
	if name == "" {
		name = string(n.Kind)
	}
	key, id := strings.TrimSpace(n.Key), strings.TrimSpace(n.Model)
	base, err := parseBase(n.BaseURL, teamID != 0)
	if err != nil {
		return none, err
	}
	base = official(n.Kind, base)
	switch {
	case !connectionName.MatchString(name) || name == Composer:
		return none, fault.New(fault.Invalid, "%q cannot be a connection's name. Use up to 32 of a-z, 0-9 and -, such as openrouter.", name)
	case len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return none, fault.New(fault.Invalid, "This is not a key: it may have up to %d letters, digits and signs, and no spaces. Copy it again.", maxKey)
	case key == "" && base == "":
		return none, fault.New(fault.Invalid, "A key is needed. You find it in your account at the provider.")
	case id != "" && !sensible(id):
		return none, fault.New(fault.Invalid, "%q cannot be a model's name.", id)
	}
	return model.Connection{TeamID: teamID, Name: name, Kind: n.Kind, BaseURL: base, Local: teamID == 0 && onLoopback(base)}, nil
}

// free refuses a name that is taken, and one connection too many.
func (p *Providers) free(ctx context.Context, c model.Connection) error {
	conns, err := p.connections(ctx, c.TeamID)
	if err != nil {
		return err
	}
	own := 0
	for _, other := range conns {
		if other.TeamID != c.TeamID {
			continue
		}
		own++
		if other.Name == c.Name && other.FromEnvironment {
			return fault.New(fault.Conflict, "The connection %q is set by the operator's environment. Choose another name.", c.Name)
		}
		if other.Name == c.Name {
			return fault.New(fault.Conflict, "There is a connection called %q already. Remove it first, or choose another name.", c.Name)
		}
	}
	if own >= maxConnections {
		return fault.New(fault.TooLarge, "There are %d connections, which is the limit. Remove one first.", own)
	}
	return nil
}

// verify asks the provider for something that costs nothing, to see whether it takes the key.
func (p *Providers) verify(ctx context.Context, c connection, key, id string) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	if c.TeamID != 0 && c.BaseURL != "" {
		if err := p.clients.reachPublic(ctx, c.BaseURL); err != nil {
			return err
		}
	}
	if c.Kind == model.OpenAI {
		names, err := openai.ListModels(ctx, p.client(c), c.BaseURL, key)
		if err == nil && id != "" && len(names) > 0 && !slices.Contains(names, id) {
			return fault.New(fault.Invalid, "The provider accepts the key, but has no model called %q for it.", id)
		}
		return err
	}
	if id == "" {
		id = defaultModel(c.Kind)
	}
	m := anthropic.New(anthropic.Config{
		Key: key, BaseURL: c.BaseURL, Model: id, Limits: catalog.AssumedLimits(), Client: p.client(c), MaxRetries: 1,
	})
	_, err := m.CountTokens(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Hello"}}, MaxTokens: 1})
	return err
}

// Disconnect removes a connection and its key. Apps and teams that use it say so when they are asked for a change.
func (p *Providers) Disconnect(ctx context.Context, u model.User, teamID, id int64) error {
	if err := p.mayManage(ctx, u, teamID); err != nil {
		return err
	}
	return p.cfg.Store.DeleteConnection(ctx, teamID, id)
}

// SetDefault sets the model that writes a team's apps unless they have one of their own; "" leaves it to the order of
// choice. The instance (team 0) has OVERSKILL_MODEL instead.
func (p *Providers) SetDefault(ctx context.Context, u model.User, teamID int64, ref string) error {
	if err := p.mayManage(ctx, u, teamID); err != nil {
		return err
	}
	if teamID == 0 {
		return fault.New(fault.Invalid, "The instance's default model is set by its operator, as OVERSKILL_MODEL.")
	}
	if err := p.usable(ctx, teamID, ref); err != nil {
		return err
	}
	return p.cfg.Store.SetTeamModel(ctx, teamID, ref)
}

// SetAppModel sets the model that writes an app, for people who may change the app; "" leaves it to the team.
func (p *Providers) SetAppModel(ctx context.Context, u model.User, slug, ref string) error {
	app, err := p.cfg.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	if err := p.usable(ctx, app.TeamID, ref); err != nil {
		return err
	}
	return p.cfg.Store.SetAppModel(ctx, app.ID, ref)
}

// usable refuses a reference that names nothing, or a model that failed its test just before.
func (p *Providers) usable(ctx context.Context, teamID int64, ref string) error {
	if ref == "" {
		return nil
	}
	conns, err := p.connections(ctx, teamID)
	if err != nil {
		return err
	}
	t, err := resolve(conns, ref, "Choose one of the list.")
	if err != nil || t.trusted() {
		return err
	}
	key, err := p.key(t.conn)
	if err != nil {
		return err
	}
	tests, err := p.tests(ctx, p.fingerprint(t.conn, key))
	if err != nil {
		return err
	}
	if known, ok := tests[t.model]; ok && p.stands(known) {
		return t.verdict(known)
	}
	return nil
}
