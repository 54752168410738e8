package release

import (
	"context"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/toolchain"
)

// historyLength is how many deployments the publish page shows.
const historyLength = 50

// Publication returns what the publish page of an app shows.
func (s *Service) Publication(ctx context.Context, u model.User, slug string) (model.Publication, error) {
	app, err := s.Store.AppBySlug(ctx, u, slug)
	if err != nil {
		return model.Publication{}, err
	}
	p := model.Publication{App: app, URL: s.Addresses.Public(app.Slug, model.Production), CanEdit: u.Admin}
	if !u.Admin {
		role, err := s.Store.RoleIn(ctx, app.TeamID, u.ID)
		if err != nil {
			return p, err
		}
		p.CanEdit = role.CanEdit()
	}
	if app.HeadVersionID != 0 {
		if p.Head, err = s.Store.Version(ctx, app.HeadVersionID); err != nil {
			return p, err
		}
		if p.HasServer, err = s.hasServer(ctx, app.HeadVersionID); err != nil {
			return p, err
		}
	}
	if p.History, err = s.Store.Deployments(ctx, app.ID, model.Production, historyLength); err != nil {
		return p, err
	}
	for i := range p.History {
		d := &p.History[i]
		if d.Status == model.DeployDeployed {
			p.Live = d
			if d.Target != model.TargetCloudflare { // this server's addresses are what they are now
				d.URL = p.URL
			}
			if d.URL != "" {
				p.URL = d.URL
			}
		}
		if !d.Ended() && p.Running == nil {
			p.Running = d
		}
	}
	if p.Access, err = s.accessOf(ctx, app.ID, model.Production); err != nil {
		return p, err
	}
	if p.Preview, err = s.accessOf(ctx, app.ID, model.Preview); err != nil {
		return p, err
	}
	if p.Vars, err = s.Store.EnvVars(ctx, app.ID); err != nil {
		return p, err
	}
	for i := range p.Vars {
		p.Vars[i].Value = nil
	}
	if p.Domains, err = s.domains(ctx, app); err != nil {
		return p, err
	}
	if p.Target, err = s.Store.DeployTarget(ctx, app.TeamID); err != nil {
		return p, err
	}
	if _, err := s.targetOf(p.Target); err != nil {
		p.NotReady = fault.Text(err)
	}
	p.Target.Token = nil
	return p, nil
}

// hasServer reports whether a version holds server code.
func (s *Service) hasServer(ctx context.Context, versionID int64) (bool, error) {
	tree, err := s.Store.Tree(ctx, versionID)
	return err == nil && toolchain.HasServer(tree), err
}

// Publish starts a deployment of a green version ("" is the newest) to production.
func (s *Service) Publish(ctx context.Context, u model.User, slug, number string) (model.Deployment, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	versionID := app.HeadVersionID
	if number != "" {
		v, err := s.Store.VersionByNumber(ctx, app.ID, number)
		if err != nil {
			return model.Deployment{}, err
		}
		if v.Status != model.VersionGreen {
			return model.Deployment{}, fault.New(fault.Conflict, "Version %s never worked, so it cannot be published.", v.Number)
		}
		versionID = v.ID
	}
	if versionID == 0 {
		return model.Deployment{}, fault.New(fault.Conflict, "There is nothing to publish yet: no version of the app has worked so far.")
	}
	return s.start(ctx, u, app, model.Deployment{VersionID: versionID, Kind: model.KindPublish})
}

// Rollback shows an earlier deployment again.
func (s *Service) Rollback(ctx context.Context, u model.User, slug string, id int64) (model.Deployment, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	old, err := s.Store.Deployment(ctx, app.ID, id)
	switch {
	case err != nil:
		return old, err
	case old.Environment != model.Production || old.PromotedAt.IsZero():
		return old, fault.New(fault.Conflict, "This deployment was never live, so there is nothing to go back to.")
	case old.Status == model.DeployDeployed:
		return old, fault.New(fault.Conflict, "This deployment is what is live now.")
	}
	return s.start(ctx, u, app, model.Deployment{
		VersionID: old.VersionID, Kind: model.KindRollback, ContentHash: old.ContentHash, PlacedID: old.PlacedID,
		WorkerBytes: old.WorkerBytes, SizeBytes: old.SizeBytes, Target: old.Target, SettingsHash: old.SettingsHash, BucketKeys: old.BucketKeys,
	})
}

// start records a deployment to production and wakes a worker up.
func (s *Service) start(ctx context.Context, u model.User, app model.App, d model.Deployment) (model.Deployment, error) {
	t, row, err := s.place(ctx, app.TeamID)
	if err != nil {
		return d, err
	}
	if err := t.Verify(ctx); err != nil {
		return d, err
	}
	if d.Target != row.Kind { // what lies at another target must be deployed anew
		d.PlacedID, d.ContentHash, d.BucketKeys = "", "", nil
	}
	d.AppID, d.UserID, d.Environment, d.Target = app.ID, u.ID, model.Production, row.Kind
	v, err := s.Store.Version(ctx, d.VersionID)
	if err != nil {
		return d, err
	}
	d, job, err := s.Store.StartDeployment(ctx, d, JobKind, audit(app, u, "app."+string(d.Kind), map[string]any{"version": v.Number, "target": row.Kind}))
	if err != nil {
		return d, err
	}
	d.Number, d.UserEmail = v.Number, u.Email
	if err := s.Queue.Enqueue(ctx, job.Kind, job.ID, job.Attempts); err != nil {
		s.Log.WarnContext(ctx, "enqueue failed; the sweeper will find the job", "job_id", job.ID, "error", err)
	}
	return d, nil
}

// Unpublish takes the published app from its address, and from its target.
func (s *Service) Unpublish(ctx context.Context, u model.User, slug string) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	if app.PublishedAt.IsZero() {
		return fault.New(fault.Conflict, "The app is not published.")
	}
	t, _, err := s.livePlace(ctx, app)
	if err != nil {
		return err
	}
	// The row last: asking again finishes what a target that could not be reached has left.
	if err := t.Delete(ctx, site(app, model.Production)); err != nil {
		return err
	}
	return s.Store.Unpublish(ctx, app.ID, audit(app, u, "app.unpublish", nil))
}

// CancelDeployment stops a deployment that has not ended.
func (s *Service) CancelDeployment(ctx context.Context, u model.User, slug string, id int64) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	d, err := s.Store.Deployment(ctx, app.ID, id)
	if err != nil {
		return err
	}
	if d.Ended() {
		return fault.New(fault.Conflict, "This deployment has ended.")
	}
	_, err = s.Store.CancelDeployments(ctx, app.ID, d.Environment, "It was cancelled.")
	return err
}

// Deployment returns one deployment with its log.
func (s *Service) Deployment(ctx context.Context, u model.User, slug string, id int64) (model.Deployment, error) {
	app, err := s.Store.AppBySlug(ctx, u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	return s.Store.Deployment(ctx, app.ID, id)
}

// DeploymentShot returns a picture of a deployment, a PNG: as a desktop or as a telephone shows it.
func (s *Service) DeploymentShot(ctx context.Context, u model.User, slug string, id int64, narrow bool) ([]byte, error) {
	d, err := s.Deployment(ctx, u, slug, id)
	if err != nil {
		return nil, err
	}
	hash := d.ScreenshotHash
	if narrow {
		hash = d.ScreenshotNarrowHash
	}
	if hash == "" {
		return nil, fault.New(fault.NotFound, "There is no picture of this deployment.")
	}
	return s.Store.Blob(ctx, hash)
}

// logsSince is how far back the server logs go.
const logsSince = time.Hour

// ServerLogs returns what the published app's server code wrote in the last hour.
func (s *Service) ServerLogs(ctx context.Context, u model.User, slug string) ([]model.DeployLine, error) {
	app, err := s.Store.AppBySlug(ctx, u, slug)
	if err != nil {
		return nil, err
	}
	t, _, err := s.livePlace(ctx, app)
	if err != nil {
		return nil, err
	}
	lines, err := t.Logs(ctx, site(app, model.Production), time.Now().Add(-logsSince))
	out := make([]model.DeployLine, len(lines))
	for i, l := range lines {
		out[i] = model.DeployLine{At: l.At, Level: l.Level, Text: l.Text}
	}
	return out, err
}

// Forget takes a deleted app from where it was published.
func (s *Service) Forget(ctx context.Context, app model.App) error {
	if app.PublishedAt.IsZero() {
		return nil
	}
	t, _, err := s.livePlace(ctx, app)
	if err != nil {
		return err
	}
	return t.Delete(ctx, site(app, model.Production))
}
