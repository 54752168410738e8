package builder

import (
	"context"
	"fmt"
	"log/slog"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/smoke"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/toolchain"
)

// Site is where bundles are served.
type Site interface {
	Put(ctx context.Context, p plan.Plan) error
}

// Verifier opens a deployed version.
type Verifier interface {
	Verify(ctx context.Context, t smoke.Target) (smoke.Report, error)
}

// target is the pipeline's Target.
type target struct {
	store        *store.Store
	site         Site
	verifier     Verifier
	data         AppData
	bundler      bundler
	fill         func(model.App, []byte) []byte
	candidateURL func(slug string, versionID int64) string
}

// Deploy implements pipeline.Target. The migrations come first and only ever add: the version that is live
// goes on working beside them.
func (t target) Deploy(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) error {
	p, ok := s.Bundle.Payload.(plan.Plan)
	if !ok {
		return fmt.Errorf("the bundle is no plan but %T", s.Bundle.Payload)
	}
	applied, err := t.data.Migrate(ctx, s.App.ID, migrations(s.Tree, s.App, t.fill))
	if d, ok := t.data.Diagnose(err); ok {
		return r.Diagnostics([]model.Diagnostic{d})
	}
	if err != nil {
		return err
	}
	for _, name := range applied {
		r.Info("Migrated: %s", name)
	}
	if err := t.site.Put(ctx, p); err != nil {
		return err
	}
	if err := t.store.SetBundle(ctx, s.Version.ID, s.Bundle.Hash, s.Bundle.Bytes); err != nil {
		return err
	}
	r.Info("%d files deployed", len(p.Assets))
	return nil
}

// Verify implements pipeline.Target.
func (t target) Verify(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) ([]model.Diagnostic, error) {
	url := t.candidateURL(s.App.Slug, s.Version.ID)
	report, err := t.verifier.Verify(ctx, smoke.Target{URL: url, Version: s.Version.Number, Hash: s.Bundle.Hash, Assets: s.Bundle.Assets})
	if err != nil {
		return nil, err
	}
	if report.Notice != "" {
		r.Warn("%s", report.Notice)
	}
	for _, l := range report.Console {
		r.Browser(logConsole, l.Level, l.Text)
	}
	for _, l := range report.Network {
		r.Browser(logNetwork, l.Level, l.Text)
	}
	if len(report.Screenshot) > 0 {
		if err := t.store.SaveScreenshot(ctx, s.Version.ID, report.Screenshot); err != nil {
			return nil, err
		}
	}
	if report.OK {
		how := "Fetched back by hash"
		if report.Opened {
			how += " and opened in a browser"
		}
		r.Info("%s in %d ms", how, report.Duration.Milliseconds())
	} else if len(report.Problems) == 0 {
		return nil, fmt.Errorf("verification failed without saying why")
	}
	if p, ok := s.Bundle.Payload.(plan.Plan); ok {
		return t.bundler.locate(ctx, s, r, p, report.Problems), nil
	}
	return report.Problems, nil
}

// The logs of what the browser said, beside those of the stages.
const (
	logConsole = "console"
	logNetwork = "network"
)

// RunnerConfig is what turns are made with.
type RunnerConfig struct {
	Store      *store.Store
	Bus        Bus
	Log        *slog.Logger
	Tools      *toolchain.Toolchain
	Packages   agent.Packages
	Data       AppData
	Site       Site
	Verifier   Verifier
	Foundation pipeline.Foundation
	// Fill puts an app's values in the place of {{APP_ID}} and the like.
	Fill func(app model.App, content []byte) []byte
	// AnonKey is the key that an app's browser code may hold.
	AnonKey func(appID int64) (string, error)
	// Models chooses who writes an app.
	Models func(ctx context.Context, app model.App) (llm.Model, error)
	// Accounts keep account of what that costs.
	Accounts Accounts
	// PreviewURL and CandidateURL are the addresses of an app's preview and of one version.
	PreviewURL   func(slug string) string
	CandidateURL func(slug string, versionID int64) string
}

// NewRunner returns a Runner.
func NewRunner(c RunnerConfig) *Runner {
	r := &Runner{store: c.Store, bus: c.Bus, log: c.Log, model: c.Models, url: c.PreviewURL, running: map[int64]context.CancelCauseFunc{}}
	bundles := bundler{tools: c.Tools, keys: c.AnonKey}
	r.parts = func(m llm.Model, charge Charge, rec *recorder) pipeline.Parts {
		return pipeline.Parts{
			Author: &author{
				model: m, accounts: c.Accounts, charge: charge, packages: c.Packages, store: c.Store, rec: rec, fill: c.Fill,
				foundation: c.Foundation, checkMigration: migrationCheck(c.Data, c.Fill),
			},
			Foundation: c.Foundation,
			Reviewer:   reviewer{packages: c.Packages, exports: c.Tools.Exports, log: c.Log},
			Bundler:    bundles,
			Checker:    checker{tools: c.Tools, data: c.Data, fill: c.Fill},
			Target: target{
				store: c.Store, site: c.Site, verifier: c.Verifier, data: c.Data, bundler: bundles, fill: c.Fill, candidateURL: c.CandidateURL,
			},
		}
	}
	return r
}
