package main

import (
	"context"
	"errors"

	appdata "overskill/internal/appdata/local"
	"overskill/internal/builder"
	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/team/ledger"
	"overskill/internal/toolchain"
	"overskill/templates"
)

// appData shows the local data service to the builder.
type appData struct{ server *appdata.Server }

func (a appData) Check(ctx context.Context, appID int64, ms []builder.Migration) error {
	return a.server.Check(ctx, appID, appMigrations(ms))
}

func (a appData) Migrate(ctx context.Context, appID int64, ms []builder.Migration) ([]string, error) {
	return a.server.Migrate(ctx, appID, appMigrations(ms))
}

func (a appData) Diagnose(err error) (model.Diagnostic, bool) {
	var m *appdata.MigrationError
	if !errors.As(err, &m) {
		return model.Diagnostic{}, false
	}
	return model.Diagnostic{
		Class: "migration", File: "supabase/migrations/" + m.Name, Line: m.Line, Code: m.SQLState, Message: m.Message, Cure: m.Cure,
	}, true
}

func appMigrations(ms []builder.Migration) []appdata.Migration {
	out := make([]appdata.Migration, len(ms))
	for i, m := range ms {
		out[i] = appdata.Migration{Name: m.Name, SQL: m.SQL}
	}
	return out
}

// foundation is the shared templates with an app's values in them.
type foundation struct{}

func (foundation) Files(app model.App) (map[string][]byte, error) {
	return templates.Foundation(values(app))
}

func values(app model.App) templates.Values {
	return templates.Values{AppName: app.Name, AppSlug: app.Slug, AppID: app.ID, TeamID: app.TeamID}
}

func fill(app model.App, content []byte) []byte { return templates.Fill(content, values(app)) }

// packages is where the embedded Postgres comes from.
type packages struct{ tools *toolchain.Toolchain }

func (p packages) Package(ctx context.Context, name, version, integrity string, say func(model.LogLevel, string)) (string, error) {
	return p.tools.Package(ctx, name, version, integrity, say)
}

// accounts shows the ledger to the builder.
type accounts struct {
	ledger     *ledger.Ledger
	store      *store.Store
	turnBudget int64 // micro-USD
}

func (a accounts) Meter(m llm.Model, c builder.Charge) llm.Model {
	return a.ledger.Meter(m, ledger.About{
		TeamID: c.App.TeamID, AppID: c.App.ID, AppSlug: c.App.Slug, VersionID: c.VersionID, MessageID: c.MessageID, UserID: c.UserID,
		Purpose: c.Purpose, Attempt: c.Attempt,
	})
}

func (a accounts) MayAbsorb(ctx context.Context) error { return a.ledger.MayAbsorb(ctx) }

func (a accounts) MaySpend(ctx context.Context, versionID int64) error {
	spent, _, err := a.store.SpentOn(ctx, versionID)
	if err != nil {
		return err
	}
	if a.turnBudget > 0 && spent >= a.turnBudget {
		return fault.New(fault.RateLimited, "This request has cost $%.2f, and one may cost $%.2f (OVERSKILL_TURN_BUDGET). It was ended; ask for less at once.",
			float64(spent)/1e6, float64(a.turnBudget)/1e6)
	}
	return nil
}
