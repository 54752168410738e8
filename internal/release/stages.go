package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	"overskill/internal/deploy/gate"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/routes"
	"overskill/internal/deploy/smoke"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain"
)

// built is a version as it would be published.
type built struct {
	plan    plan.Plan
	dist    toolchain.Dist
	secrets map[string]string // of the server code
	vars    map[string]string
}

// assemble builds a version for production.
func (s *Service) assemble(ctx context.Context, app model.App, v model.Version, tree filetree.Tree, row model.DeployTarget, say toolchain.Progress) (built, error) {
	env, err := s.Build(ctx, app.ID, model.Production)
	if err != nil {
		return built{}, err
	}
	in := toolchain.BuildInput{Tree: tree, Mode: toolchain.Production, Env: env, Progress: say}
	var b built
	if b.dist, err = s.Tools.Build(ctx, in); err != nil {
		return b, ownProblem(err)
	}
	server, err := s.Tools.BuildServer(ctx, in)
	if err != nil {
		return b, ownProblem(err)
	}
	if b.vars, b.secrets, err = s.Bindings(ctx, app.ID, model.Production); err != nil {
		return b, err
	}
	b.plan, err = plan.Make(b.dist.Files, b.dist.Entry, plan.Options{
		AppID: app.ID, VersionID: v.ID, Slug: app.Slug, VersionNumber: v.Number, Environment: string(model.Production),
		Mode: modeOf(row, len(server.Code) > 0), Server: server.Code,
	})
	return b, err
}

// modeOf is how a Worker carries its files: without a bucket of the team's, Cloudflare's static assets hold them all. So
// they do for an app with server code, which must not reach the bucket that it would share with the team's other apps.
func modeOf(row model.DeployTarget, hasServer bool) plan.Mode {
	if row.Kind == model.TargetCloudflare && (row.Bucket == "" || hasServer) {
		return plan.Assets
	}
	return plan.Embed
}

// ownProblem says of an app that does not build that this is its own doing.
func ownProblem(err error) error {
	var p *toolchain.ProblemsError
	if errors.As(err, &p) {
		return fault.Wrap(err, fault.Invalid, "The version does not build for production: %s", p.Error())
	}
	return err
}

func (w *work) build(ctx context.Context) (built, error) {
	if err := w.stage(ctx, stageBuild, model.DeployBuilding); err != nil {
		return built{}, err
	}
	start := time.Now()
	b, err := w.assemble(ctx, w.app, w.v, w.tree, w.row, w.say)
	if err != nil {
		return b, err
	}
	for _, note := range b.plan.Notes {
		w.say(model.LogWarn, note)
	}
	w.d.ContentHash, w.d.WorkerBytes, w.d.SizeBytes = b.plan.Hash, b.plan.WorkerBytes, 0
	for _, a := range b.plan.Assets {
		w.d.SizeBytes += a.Size
	}
	w.info("Built for production in %d ms: %d files", time.Since(start).Milliseconds(), len(b.plan.Assets))
	w.d.BucketKeys = []string{}
	for _, a := range b.plan.Assets {
		if a.Place == plan.InBucket {
			w.d.BucketKeys = append(w.d.BucketKeys, a.R2Key)
		}
	}
	return b, w.save(ctx, "content_hash", "worker_bytes", "size_bytes", "bucket_keys")
}

// findings runs the gate on what would be published.
func (s *Service) findings(ctx context.Context, tree filetree.Tree, b built) ([]model.Finding, error) {
	packages, err := s.Tools.Licenses(ctx, tree)
	if err != nil {
		return nil, err
	}
	in := gate.Input{Files: b.dist.Files, Source: tree, Server: b.plan.Server, Secrets: b.secrets}
	installed := map[string][]string{}
	for _, p := range packages {
		if p.Dev { // nothing of it reaches visitors
			continue
		}
		installed[p.Name] = append(installed[p.Name], p.Version)
		in.Packages = append(in.Packages, gate.Package{Name: p.Name, Version: p.Version, License: p.License, Direct: p.Direct})
	}
	audit := s.Tools.Audit(ctx, installed)
	in.Releases, in.Unchecked = audit.Releases, audit.Unchecked
	for _, a := range audit.Advisories {
		level := gate.Level(a.Severity)
		if a.Malicious {
			level = gate.Malicious
		}
		in.Advisories = append(in.Advisories, gate.Advisory{Package: a.Package, Range: a.Range, Level: level, Title: a.Title, Source: a.URL})
	}
	for _, p := range tree.Paths() {
		if strings.HasPrefix(p, "supabase/migrations/") && strings.HasSuffix(p, ".sql") {
			sql, _ := tree.Get(p)
			in.Migrations = append(in.Migrations, gate.Migration{Name: path.Base(p), SQL: string(sql)})
		}
	}
	return gate.Check(in), nil
}

func (w *work) check(ctx context.Context, b built) error {
	if err := w.stage(ctx, stageCheck, model.DeployBuilding); err != nil {
		return err
	}
	found, err := w.findings(ctx, w.tree, b)
	if err != nil {
		return err
	}
	w.d.Findings = append([]model.Finding{}, found...)
	if err := w.save(ctx, "findings"); err != nil {
		return err
	}
	if !gate.Blocks(w.row.Gate, found) {
		w.info("Checked before publishing: %d findings, none that keeps it back", len(found))
		return nil
	}
	n := 0
	first := ""
	for _, f := range found {
		if f.Severity == model.SeverityBlock {
			if n++; first == "" {
				first = f.Title
			}
		}
	}
	return fault.New(fault.Invalid, "It was not published. What was found must be cured first (%d): %s", n, first)
}

func (w *work) deploy(ctx context.Context, b built) error {
	if err := w.stage(ctx, stageDeploy, model.DeployDeploying); err != nil {
		return err
	}
	vars := maps.Clone(b.vars)
	if w.row.Kind == model.TargetCloudflare && w.Addresses.Reachable {
		vars["SUPABASE_URL"] = strings.TrimSuffix(w.Addresses.Public(w.app.Slug, model.Production), "/")
	}
	if w.row.Kind == model.TargetCloudflare && !w.Addresses.Reachable {
		w.say(model.LogWarn, "This server cannot be reached from outside, and it holds the app's data: the published app opens, but cannot sign anybody in or keep anything. Set OVERSKILL_PUBLIC_URL.")
	}
	start := time.Now()
	now, err := w.settings(ctx, w.app, w.d.Environment, w.row.Kind)
	if err != nil {
		return err
	}
	placed, err := w.target.Deploy(ctx, target.Release{
		Site: w.site, DeploymentID: w.d.ID, VersionID: w.v.ID, Version: w.v.Number, Plan: b.plan,
		Vars: vars, Secrets: now.secrets, Access: now.rule,
	}, w.say)
	if err != nil {
		return err
	}
	w.d.PlacedID, w.d.CandidateURL, w.d.SentBytes, w.d.SettingsHash = placed.ID, placed.URL, placed.Sent, now.hash
	w.info("Deployed in %d ms, %d bytes sent", time.Since(start).Milliseconds(), placed.Sent)
	return w.save(ctx, "placed_id", "candidate_url", "sent_bytes", "settings_hash")
}

// How long Cloudflare's network may take to show a version at an address, and to know a new host name at all: its DNS
// record and its certificate are made first.
const (
	appearElsewhere = time.Minute
	appearNewHost   = 5 * time.Minute
)

// appear is how long a version may take to show. On this server it is there at once, or not at all.
func (w *work) appear(newHost bool) time.Duration {
	switch {
	case w.row.Kind != model.TargetCloudflare:
		return 0
	case newHost:
		return appearNewHost
	}
	return appearElsewhere
}

// look opens an address of the deployment, and fails when it is not as it must be.
func (w *work) look(ctx context.Context, address string, appear time.Duration, b *built, baseline *smoke.Snapshot) (smoke.Report, error) {
	token, err := w.CheckAccess(ctx, w.app.ID, w.d.Environment, address)
	if err != nil {
		return smoke.Report{}, err
	}
	t := smoke.Target{URL: address, Version: w.v.Number, Hash: w.d.ContentHash, Routes: routes.Of(w.tree), Access: token, Baseline: baseline, Appear: appear}
	if b != nil {
		t.Assets = b.plan.Hashes()
	}
	report, err := w.Verifier.Verify(ctx, t)
	if err != nil {
		return report, err
	}
	if report.Notice != "" {
		w.say(model.LogWarn, report.Notice)
	}
	first := ""
	for _, p := range report.Problems {
		level := model.LogWarn
		if !p.Warning {
			level = model.LogError
			if first == "" {
				first = p.Message
			}
		}
		w.say(level, p.Message)
	}
	if !report.OK {
		return report, fault.New(fault.Invalid, "It does not work at %s: %s", address, first)
	}
	how := "fetched"
	if report.Opened {
		how = "fetched and opened in a browser"
	}
	w.info("%s: %s in %d ms", address, how, report.Duration.Milliseconds())
	return report, nil
}

// verify opens the deployment where nobody else sees it, and compares it with what is live.
func (w *work) verify(ctx context.Context, b built) error {
	if err := w.stage(ctx, stageVerify, model.DeployDeploying); err != nil {
		return err
	}
	if w.d.CandidateURL == "" {
		w.info("The target has no address for a deployment that is not live; it is opened at the public one.")
		return nil
	}
	before, number, err := w.baseline(ctx)
	if err != nil {
		return err
	}
	report, err := w.look(ctx, w.d.CandidateURL, w.appear(before == nil), &b, before)
	if saveErr := w.Store.SaveDeploymentShots(ctx, w.d.ID, report.Screenshot, report.ScreenshotNarrow); err == nil {
		err = saveErr
	}
	if err != nil {
		return err
	}
	if w.d.Snapshot, err = json.Marshal(report.Snapshot); err != nil {
		return fmt.Errorf("encode the look of the app: %w", err)
	}
	if before != nil {
		w.d.Changes = smoke.Compare(*before, report.Snapshot)
		w.d.Changes.Against = number
	}
	return w.save(ctx, "snapshot", "changes")
}

// baseline is how what is live now looked, and which version it is; nil when nothing is.
func (w *work) baseline(ctx context.Context) (*smoke.Snapshot, string, error) {
	live, err := w.Store.CurrentDeployment(ctx, w.app.ID, w.d.Environment)
	if fault.Is(err, fault.NotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var s smoke.Snapshot
	if err := json.Unmarshal(live.Snapshot, &s); err != nil || len(s.Routes) == 0 {
		return nil, "", nil // made before there were any
	}
	return &s, live.Number, nil
}

// promote shows the deployment at the public address, and looks whether it is there.
func (w *work) promote(ctx context.Context) error {
	return w.show(ctx, w.target.Promote)
}

// rollback shows what was live before. It was built and looked at then.
func (w *work) rollback(ctx context.Context) error {
	return w.show(ctx, w.target.Rollback)
}

func (w *work) show(ctx context.Context, move func(context.Context, target.Site, string) (target.Live, error)) error {
	if err := w.stage(ctx, stagePromote, model.DeployDeploying); err != nil {
		return err
	}
	live, err := move(ctx, w.site, w.d.PlacedID)
	if err != nil {
		return err
	}
	if live.Note != "" {
		w.say(model.LogWarn, live.Note)
	}
	w.d.URL = live.URL
	before, err := w.Store.PromoteDeployment(ctx, w.d)
	if err != nil {
		return err
	}
	return w.confirm(ctx, before, live.NewHost)
}

// confirm looks at the public address. When it does not show this deployment as it should, it goes back to what it
// showed before.
func (w *work) confirm(ctx context.Context, before *model.Deployment, newHost bool) error {
	_, err := w.look(ctx, w.d.URL, w.appear(newHost), nil, nil)
	if err == nil {
		w.d.Stage = stageLive
		w.leave(ctx, before)
		if err := w.Store.SaveDeploymentStage(ctx, w.d.ID, stageLive); err != nil {
			return err
		}
		w.tidy(ctx)
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errLost) || errors.Is(cause, context.Canceled) {
		return err // whoever has the job next looks again
	}
	ctx = context.WithoutCancel(ctx)
	back, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text := fault.Text(err) + w.takeBack(back, before)
	w.say(model.LogError, text)
	if err := w.Store.RevertPromotion(ctx, w.d, before, text); err != nil {
		return err
	}
	return fault.Wrap(err, fault.KindOf(err), "%s", text)
}

// takeBack shows at the target what was live before, and says in a sentence how that went.
func (w *work) takeBack(ctx context.Context, before *model.Deployment) string {
	if before != nil && before.Target == w.d.Target {
		if _, err := w.target.Rollback(ctx, w.site, before.PlacedID); err != nil {
			return " Going back to what was live before failed, too: " + fault.Text(err)
		}
		return " The version before it is live again."
	}
	if err := w.target.Delete(ctx, w.site); err != nil {
		return " It could not be taken down, either: " + fault.Text(err)
	}
	if before != nil {
		return " The version before it is live still."
	}
	return ""
}

// keptReleases is how many releases of an app a target keeps to go back to; older ones are built again. Cloudflare keeps
// as many versions of a Worker.
const keptReleases = 100

// tidy removes what old deployments left at the target. When it cannot, the next deployment tries again.
func (w *work) tidy(ctx context.Context) {
	t, ok := w.target.(target.Tidier)
	if !ok {
		return
	}
	list, err := w.Store.Kept(ctx, w.app.ID, w.row.Kind, keptReleases)
	keep := target.Kept{IDs: map[string]bool{}, Objects: map[string]bool{}}
	for _, d := range list {
		if d.BucketKeys == nil {
			return // nobody knows what it needs
		}
		keep.IDs[d.PlacedID] = true
		for _, key := range d.BucketKeys {
			keep.Objects[key] = true
		}
	}
	if err == nil {
		err = t.Tidy(ctx, w.site, keep)
	}
	if err != nil {
		w.log.WarnContext(ctx, "old deployments not removed from the target", "error", err)
	}
}

// leave takes the app from the place where it was live before, when that is another one.
func (w *work) leave(ctx context.Context, before *model.Deployment) {
	if before == nil || before.Target == w.d.Target {
		return
	}
	row := w.row
	row.Kind = before.Target
	old, err := w.targetOf(row)
	if err == nil {
		err = old.Delete(ctx, w.site)
	}
	if err != nil {
		w.say(model.LogWarn, "The app could not be removed from where it was published before: "+fault.Text(err))
		return
	}
	w.info("Removed from where it was published before (%s)", before.Target)
}
