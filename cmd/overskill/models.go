package main

import (
	"context"

	"overskill/internal/llm"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/team/ledger"
	"overskill/internal/team/providers"
)

// models shows the providers to the web face.
type models struct {
	*providers.Providers
	store *store.Store
}

func (m models) MyTeam(ctx context.Context, u model.User) (int64, error) {
	return m.store.PersonalTeam(ctx, u.ID)
}

func (m models) Connections(ctx context.Context, u model.User, team int64) (model.TeamModels, error) {
	var out model.TeamModels
	var err error
	if out.Connections, err = m.Providers.Connections(ctx, u, team); err != nil {
		return out, err
	}
	if out.CanEdit, err = m.MayManage(ctx, u, team); err != nil {
		return out, err
	}
	if team != 0 {
		if out.Default, err = m.store.TeamModel(ctx, team); err != nil {
			return out, err
		}
	}
	if out.Options, err = m.Options(ctx, u, team); err != nil {
		return out, err
	}
	if team == 0 && u.Admin {
		found, err := m.LocalServers(ctx, u)
		if err != nil {
			return out, err
		}
		for _, l := range found {
			out.Local = append(out.Local, model.LocalServer{Name: l.Name, BaseURL: l.BaseURL, Models: l.Models})
		}
	}
	return out, nil
}

func (m models) Connect(ctx context.Context, u model.User, team int64, c model.NewConnection) (model.Connection, error) {
	return m.Providers.Connect(ctx, u, team, providers.NewConnection{Name: c.Name, Kind: c.Kind, BaseURL: c.BaseURL, Key: c.Key})
}

func (m models) SetDefaultModel(ctx context.Context, u model.User, team int64, reference string) error {
	return m.SetDefault(ctx, u, team, reference)
}

func (m models) TestModel(ctx context.Context, u model.User, team int64, reference string) error {
	return m.Test(ctx, u, team, reference)
}

// meterTests writes self-tests of models down.
func meterTests(l *ledger.Ledger) func(m llm.Model, teamID, userID int64) llm.Model {
	return func(m llm.Model, teamID, userID int64) llm.Model {
		return l.Meter(m, ledger.About{TeamID: teamID, UserID: userID, Purpose: model.PurposeSelfTest})
	}
}

// localServers looks for model servers on this machine, at every port where such servers usually are.
func localServers(ctx context.Context) []providers.Local { return openai.Detect(ctx) }
