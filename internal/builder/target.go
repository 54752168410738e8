package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/routes"
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
	// access is a token that opens a preview for the verifier, however private it is.
	access func(ctx context.Context, appID int64, address string) (string, error)
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
	look := smoke.Target{
		URL: t.candidateURL(s.App.Slug, s.Version.ID), Version: s.Version.Number, Hash: s.Bundle.Hash, Assets: s.Bundle.Assets, Routes: routes.Of(s.Tree),
	}
	before, number, err := t.baseline(ctx, s.Version.ParentID)
	if err != nil {
		return nil, err
	}
	look.Baseline = before
	if look.Access, err = t.access(ctx, s.App.ID, look.URL); err != nil {
		return nil, err
	}
	report, err := t.verifier.Verify(ctx, look)
	if err != nil {
		return nil, err
	}
	if err := t.keep(ctx, s, r, report, before, number); err != nil {
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

// baseline is how the version before looked, and its number; nil when there was none or nobody looked.
func (t target) baseline(ctx context.Context, versionID int64) (*smoke.Snapshot, string, error) {
	if versionID == 0 {
		return nil, "", nil
	}
	v, err := t.store.Version(ctx, versionID)
	if err != nil {
		return nil, "", err
	}
	var s smoke.Snapshot
	if err := json.Unmarshal(v.Snapshot, &s); err != nil || len(s.Routes) == 0 {
		return nil, "", nil // a version from before there were any
	}
	return &s, v.Number, nil
}

// keep records how the version looks, and says what else changed.
func (t target) keep(ctx context.Context, s *pipeline.State, r *pipeline.Reporter, report smoke.Report, before *smoke.Snapshot, number string) error {
	if len(report.Screenshot) > 0 {
		if err := t.store.SaveScreenshot(ctx, s.Version.ID, report.Screenshot); err != nil {
			return err
		}
	}
	snapshot, err := json.Marshal(report.Snapshot)
	if err != nil {
		return fmt.Errorf("encode the look of the app: %w", err)
	}
	changes := model.Changes{Opened: len(report.Snapshot.Routes)}
	if before != nil {
		changes = smoke.Compare(*before, report.Snapshot)
		changes.Against = number
		for _, line := range changes.Sentences() {
			r.Info("%s", line)
		}
	}
	return t.store.SaveLook(ctx, s.Version.ID, report.ScreenshotNarrow, snapshot, changes)
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
	// BuildEnv is what an app's preview is built with: import.meta.env.
	BuildEnv func(ctx context.Context, appID int64) (map[string]string, error)
	// CheckAccess is a token that opens an app's preview at an address, however private it is.
	CheckAccess func(ctx context.Context, appID int64, address string) (string, error)
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
	bundles := bundler{tools: c.Tools, env: c.BuildEnv}
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
				access: c.CheckAccess,
			},
		}
	}
	return r
}
