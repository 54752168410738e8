package handlers_test

import (
	"context"
	"slices"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// connected is what the fake knows of models: the connections of team 0, the instance, and of team 1.
type connected struct {
	at       map[int64]*model.TeamModels
	chosen   map[string]string // by slug
	tried    []string
	provider error // what a provider answers, when it is asked
}

func newConnected() *connected {
	composer := model.ModelOption{Reference: "composer", Name: "Composer", Price: "free", Tested: true}
	c := &connected{at: map[int64]*model.TeamModels{}, chosen: map[string]string{}}
	for _, team := range []int64{0, 1} {
		c.at[team] = &model.TeamModels{Options: []model.ModelOption{composer}, CanEdit: true}
	}
	return c
}

// anthropic adds a connection to both, with a model that works and one that does not.
func (c *connected) anthropic() {
	options := []model.ModelOption{
		{Reference: "anthropic/claude-sonnet-5-5", Name: "Claude Sonnet 5.5", Connection: "Anthropic, the team’s key", Price: "$2 in, $10 out per million tokens", Tested: true},
		{Reference: "anthropic/claude-haiku-5-5", Name: "Claude Haiku 5.5", Connection: "Anthropic, the team’s key", Price: "$1 in, $5 out per million tokens"},
		{Reference: "ollama/tiny:1b", Name: "tiny:1b", Connection: "ollama, on this machine", Price: "free", Reason: "It answered in words instead of calling the tool."},
	}
	for team, m := range c.at {
		m.Connections = []model.Connection{
			{ID: 7, TeamID: team, Name: "anthropic", Kind: model.Anthropic, KeyHint: "sk-a...9f2c", SealedKey: []byte{1}},
			{ID: 8, TeamID: team, Name: "ollama", Kind: model.OpenAI, BaseURL: "http://127.0.0.1:11434/v1", Local: true},
			{TeamID: 0, Name: "openai", Kind: model.OpenAI, KeyHint: "sk-p...0aa1", FromEnvironment: true},
		}
		m.Options = append(slices.Clone(options), m.Options...)
	}
}

func (s *services) team(u model.User, team int64) (*model.TeamModels, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	if team == 0 && !u.Admin || team != 0 && team != u.ID {
		return nil, fault.New(fault.NotFound, "There is no such team.")
	}
	return s.models.at[team], nil
}

func (c *connected) option(team int64, reference string) error {
	if reference == "" {
		return nil
	}
	for _, o := range c.at[team].Options {
		if o.Reference == reference && o.Reason != "" {
			return fault.New(fault.Invalid, "%s cannot write apps. %s", o.Name, o.Reason)
		}
		if o.Reference == reference {
			return nil
		}
	}
	return fault.New(fault.Invalid, "There is no model %q.", reference)
}

func (s *services) MyTeam(_ context.Context, u model.User) (int64, error) { return u.ID, nil }

func (s *services) ModelOptions(_ context.Context, u model.User, slug string) (string, []model.ModelOption, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(u, slug); err != nil {
		return "", nil, err
	}
	return s.models.chosen[slug], s.models.at[1].Options, nil
}

func (s *services) SetAppModel(_ context.Context, u model.User, slug, reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(u, slug); err != nil {
		return err
	}
	if err := s.models.option(1, reference); err != nil {
		return err
	}
	s.models.chosen[slug] = reference
	return nil
}

func (s *services) Connections(_ context.Context, u model.User, team int64) (model.TeamModels, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.team(u, team)
	if err != nil {
		return model.TeamModels{}, err
	}
	return *m, nil
}

func (s *services) Connect(_ context.Context, u model.User, team int64, n model.NewConnection) (model.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.team(u, team)
	if err != nil {
		return model.Connection{}, err
	}
	if n.Name == "" || n.Name != strings.ToLower(n.Name) {
		return model.Connection{}, fault.New(fault.Invalid, "A name has small letters, digits and hyphens.")
	}
	if s.models.provider != nil {
		return model.Connection{}, s.models.provider
	}
	c := model.Connection{ID: s.id(), TeamID: team, Name: n.Name, Kind: n.Kind, BaseURL: n.BaseURL, KeyHint: "new1...new2"}
	m.Connections = append(m.Connections, c)
	return c, nil
}

func (s *services) Disconnect(_ context.Context, u model.User, team, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.team(u, team)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Connections, func(c model.Connection) bool { return c.ID == id && !c.FromEnvironment })
	if i < 0 {
		return fault.New(fault.NotFound, "There is no such connection.")
	}
	m.Connections = slices.Delete(slices.Clone(m.Connections), i, i+1)
	return nil
}

func (s *services) ApproveLocal(_ context.Context, u model.User, baseURL string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.team(u, 0)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Local, func(l model.LocalServer) bool { return l.BaseURL == baseURL })
	if i < 0 {
		return fault.New(fault.Invalid, "No server answers at %s any more.", baseURL)
	}
	m.Connections = append(m.Connections, model.Connection{ID: s.id(), Name: "ollama", Kind: model.OpenAI, BaseURL: baseURL, Local: true})
	m.Local = slices.Delete(slices.Clone(m.Local), i, i+1)
	return nil
}

func (s *services) SetDefaultModel(_ context.Context, u model.User, team int64, reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.team(u, team)
	if err != nil {
		return err
	}
	if err := s.models.option(team, reference); err != nil {
		return err
	}
	m.Default = reference
	return nil
}

func (s *services) TestModel(_ context.Context, u model.User, team int64, reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.team(u, team); err != nil {
		return err
	}
	if s.models.provider != nil {
		return s.models.provider
	}
	s.models.tried = append(s.models.tried, reference)
	return s.models.option(team, reference)
}

func (s *services) Locks(_ context.Context, u model.User, slug string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.locks), nil
}

func (s *services) SetLock(_ context.Context, u model.User, slug, path string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return err
	}
	v, err := a.version("")
	if err != nil {
		return err
	}
	if _, ok := a.files[v.ID][path]; !ok {
		return fault.New(fault.NotFound, "There is no file %s.", path)
	}
	a.locks = slices.DeleteFunc(a.locks, func(p string) bool { return p == path })
	if on {
		a.locks = append(a.locks, path)
	}
	return nil
}
