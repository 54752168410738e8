package store

import (
	"context"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Released is what a deployment target serves at an address.
type Released struct {
	AppID, TeamID, VersionID int64
	DeploymentID             int64 // 0 for a version that is built but not deployed
	Slug, Number             string
	ContentHash              string
	Target                   model.TargetKind
	PlacedID, URL            string
	Environment              model.Environment
	AccessMode, PasswordHash string // "" when nobody chose
	AccessEpoch              int64
}

const (
	releasedColumns = `a.id as app_id, a.team_id, v.id as version_id, a.slug, v.number,
		coalesce(x.mode, '') as access_mode, coalesce(x.password_hash, '') as password_hash, coalesce(x.epoch, 1) as access_epoch`
	deployedColumns = releasedColumns + `, d.id as deployment_id, coalesce(nullif(d.content_hash, ''), v.content_hash) as content_hash,
		d.target, d.placed_id, d.url, d.environment`
	deployedFrom = ` from deployments d join apps a on a.id = d.app_id join app_versions v on v.id = d.version_id
		left join app_access x on x.app_id = a.id and x.environment = d.environment `
)

// CurrentRelease returns what an app's address shows now, or NotFound.
func (s *Store) CurrentRelease(ctx context.Context, slug string, env model.Environment) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+deployedColumns+deployedFrom+`where a.slug = ? and d.environment = ? and d.status = 'deployed'`, slug, env).Scan(ctx, &r)
	return r, orNotFound(err, "Nothing is deployed at this address yet.")
}

// DeploymentRelease returns one deployment, whether or not it is live, or NotFound.
func (s *Store) DeploymentRelease(ctx context.Context, slug string, id int64) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+deployedColumns+deployedFrom+`where a.slug = ? and d.id = ? and d.content_hash <> ''`, slug, id).Scan(ctx, &r)
	return r, orNotFound(err, "There is no such deployment.")
}

// DomainRelease returns what an active domain of a person's own shows, or NotFound.
func (s *Store) DomainRelease(ctx context.Context, host string) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+deployedColumns+deployedFrom+`join app_domains m on m.app_id = a.id
		where m.name = ? and m.status = 'active' and d.environment = 'production' and d.status = 'deployed'`, host).Scan(ctx, &r)
	return r, orNotFound(err, "Nothing is published at this domain.")
}

// CandidateRelease returns a version that is built but perhaps not the current one, or NotFound.
func (s *Store) CandidateRelease(ctx context.Context, slug string, versionID int64) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+releasedColumns+`, v.content_hash, 'preview' as environment from app_versions v join apps a on a.id = v.app_id
		left join app_access x on x.app_id = a.id and x.environment = 'preview'
		where a.slug = ? and v.id = ? and v.content_hash <> ''`, slug, versionID).Scan(ctx, &r)
	return r, orNotFound(err, "This version is not built.")
}

// SlugExists reports whether an app has this slug, built or not.
func (s *Store) SlugExists(ctx context.Context, slug string) (bool, error) {
	return s.db.NewSelect().Model((*model.App)(nil)).Where("slug = ?", slug).Exists(ctx)
}

// DeployedHashes returns the content hashes that an address shows or may show again: those of all green
// versions, of the ones being built, and of all deployments that were live or are on their way.
func (s *Store) DeployedHashes(ctx context.Context) (map[string]bool, error) {
	var hashes []string
	err := s.db.NewRaw(`select content_hash from app_versions where content_hash <> '' and status in ('green', 'building', 'queued')
		union select content_hash from deployments where content_hash <> '' and status <> 'failed'`).Scan(ctx, &hashes)
	out := make(map[string]bool, len(hashes))
	for _, h := range hashes {
		out[h] = true
	}
	return out, wrapf(err, "list deployed bundles")
}

// PlacedIDs returns what a target holds that an address shows or may show again.
func (s *Store) PlacedIDs(ctx context.Context, kind model.TargetKind) (map[string]bool, error) {
	var ids []string
	err := s.db.NewRaw("select distinct placed_id from deployments where target = ? and placed_id <> '' and status <> 'failed'", kind).Scan(ctx, &ids)
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, wrapf(err, "list placed releases")
}

// Kept returns the published deployments of an app whose files a target must keep: what is live, what is on its
// way, and the last so many that were live, which somebody may go back to.
func (s *Store) Kept(ctx context.Context, appID int64, kind model.TargetKind, last int) ([]model.Deployment, error) {
	var out []model.Deployment
	err := s.db.NewRaw(`(select id, placed_id, bucket_keys from deployments where app_id = ?0 and target = ?1 and environment = 'production' and promoted_at is not null order by promoted_at desc limit ?2)
		union all select id, placed_id, bucket_keys from deployments where app_id = ?0 and target = ?1 and environment = 'production' and (status = 'deployed' or status in `+running+`)`,
		appID, kind, last).Scan(ctx, &out)
	return out, wrapf(err, "list kept deployments")
}

// running are the states of a deployment that has not ended.
const running = "('pending', 'building', 'deploying')"

// StartDeployment records the wish to deploy, with its job and an entry of the audit. Deployments of the app to the
// same environment that have not ended are superseded by it, and their jobs asked to stop.
func (s *Store) StartDeployment(ctx context.Context, d model.Deployment, jobKind string, audit model.AuditEntry) (model.Deployment, model.Job, error) {
	var job model.Job
	d.Status = model.DeployPending
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select 1 from apps where id = ? for update", d.AppID); err != nil {
			return err
		}
		if err := supersede(ctx, tx, d.AppID, d.Environment); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&d).Column("app_id", "version_id", "environment", "status", "kind", "target", "url", "user_id",
			"content_hash", "placed_id", "worker_bytes", "size_bytes").Returning("id, created_at").Exec(ctx); err != nil {
			return err
		}
		job = model.Job{Kind: jobKind, AppID: d.AppID, VersionID: d.VersionID, DeploymentID: d.ID, Status: model.JobQueued}
		if _, err := tx.NewInsert().Model(&job).Returning("*").Exec(ctx); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
	return d, job, wrapf(err, "start deployment")
}

// supersede ends deployments that have not ended.
func supersede(ctx context.Context, tx bun.IDB, appID int64, env model.Environment) error {
	_, err := tx.ExecContext(ctx, `with old as (
			update deployments set status = 'superseded', ended_at = now(), error = 'A newer deployment took its place.'
			where app_id = ? and environment = ? and status in `+running+` returning id)
		update jobs set stop_asked = true, updated_at = now(), status = case when status = 'queued' then 'cancelled' else status end
		where deployment_id in (select id from old) and status in ('queued', 'running')`, appID, env)
	return wrapf(err, "supersede deployments")
}

// CancelDeployments ends what is on its way to an environment, and says whether anything was.
func (s *Store) CancelDeployments(ctx context.Context, appID int64, env model.Environment, why string) (bool, error) {
	n := 0
	err := s.db.NewRaw(`with old as (
			update deployments set status = 'failed', ended_at = now(), error = ?2
			where app_id = ?0 and environment = ?1 and status in `+running+` returning id),
		stopped as (update jobs set stop_asked = true, updated_at = now(), status = case when status = 'queued' then 'cancelled' else status end
			where deployment_id in (select id from old) and status in ('queued', 'running'))
		select count(*) from old`, appID, env, why).Scan(ctx, &n)
	return n > 0, wrapf(err, "cancel deployments")
}

// SaveDeployment writes columns of a deployment that has not ended. It is a Conflict when it has: whoever runs it must
// stop, because a newer one took its place.
func (s *Store) SaveDeployment(ctx context.Context, d model.Deployment, columns ...string) error {
	res, err := s.db.NewUpdate().Model(&d).Column(columns...).WherePK().Where("status in " + running).Exec(ctx)
	if err != nil {
		return wrapf(err, "save deployment %d", d.ID)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.Conflict, "This deployment has ended.")
	}
	return nil
}

// SaveDeploymentResult writes what is known of a deployment however it ends: its log, and what it looks like.
func (s *Store) SaveDeploymentResult(ctx context.Context, d model.Deployment) error {
	_, err := s.db.NewUpdate().Model(&d).Column("log").WherePK().Exec(ctx)
	return wrapf(err, "save log of deployment %d", d.ID)
}

// SaveDeploymentShots keeps a deployment's pictures, PNGs; what is empty is not there.
func (s *Store) SaveDeploymentShots(ctx context.Context, id int64, wide, narrow []byte) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for column, png := range map[string][]byte{"screenshot_hash": wide, "screenshot_narrow_hash": narrow} {
			if len(png) == 0 {
				continue
			}
			hash := filetree.HashOf(png)
			if err := putBlobs(ctx, tx, []blob{newBlob(hash, png)}); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "update deployments set ? = ? where id = ?", bun.Ident(column), hash, id); err != nil {
				return wrapf(err, "save screenshot")
			}
		}
		return nil
	})
}

// PromoteDeployment makes a deployment what the app's address shows. The one before it is superseded, and returned
// (nil when there was none), so that it can be shown again.
func (s *Store) PromoteDeployment(ctx context.Context, d model.Deployment) (before *model.Deployment, err error) {
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select 1 from apps where id = ? for update", d.AppID); err != nil {
			return err
		}
		var old []model.Deployment
		if err := tx.NewRaw(`update deployments set status = 'superseded', ended_at = now()
			where app_id = ? and environment = ? and status = 'deployed' and id <> ? returning *`, d.AppID, d.Environment, d.ID).Scan(ctx, &old); err != nil {
			return err
		}
		if len(old) > 0 {
			before = &old[0]
		}
		res, err := tx.ExecContext(ctx, `update deployments set status = 'deployed', error = '', url = ?, promoted_at = now(), ended_at = now()
			where id = ? and status in ('pending', 'building', 'deploying', 'deployed')`, d.URL, d.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "This deployment has ended.")
		}
		_, err = tx.ExecContext(ctx, "update apps set published_at = now(), updated_at = now() where id = ?", d.AppID)
		return err
	})
	return before, wrapf(err, "promote deployment %d", d.ID)
}

// RevertPromotion undoes PromoteDeployment: the deployment failed after all, and before, if there was one, is live again.
func (s *Store) RevertPromotion(ctx context.Context, d model.Deployment, before *model.Deployment, why string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "update deployments set status = 'failed', error = ?, ended_at = now() where id = ? and status = 'deployed'", why, d.ID); err != nil {
			return err
		}
		if before == nil {
			_, err := tx.ExecContext(ctx, "update apps set published_at = null where id = ?", d.AppID)
			return err
		}
		_, err := tx.ExecContext(ctx, "update deployments set status = 'deployed', ended_at = promoted_at where id = ?", before.ID)
		return err
	})
}

// EndDeployment records that a deployment failed. One that has ended stays as it is.
func (s *Store) EndDeployment(ctx context.Context, id int64, text string) error {
	_, err := s.db.ExecContext(ctx, "update deployments set status = 'failed', error = ?, ended_at = now() where id = ? and status in "+running, text, id)
	return wrapf(err, "end deployment %d", id)
}

// Unpublish takes an app's published address away.
func (s *Store) Unpublish(ctx context.Context, appID int64, audit model.AuditEntry) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, `update deployments set status = 'superseded', ended_at = now()
			where app_id = ? and environment = 'production' and status = 'deployed'`, appID); err != nil {
			return err
		}
		if err := supersede(ctx, tx, appID, model.Production); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "update apps set published_at = null, updated_at = now() where id = ?", appID); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

// Deployment returns one deployment of an app, for people.
func (s *Store) Deployment(ctx context.Context, appID, id int64) (model.Deployment, error) {
	list, err := s.deployments(ctx, "d.app_id = ? and d.id = ?", 1, appID, id)
	if err == nil && len(list) == 0 {
		err = fault.New(fault.NotFound, "There is no such deployment.")
	}
	if err != nil {
		return model.Deployment{}, err
	}
	return list[0], nil
}

// CurrentDeployment returns what an environment shows, or NotFound.
func (s *Store) CurrentDeployment(ctx context.Context, appID int64, env model.Environment) (model.Deployment, error) {
	list, err := s.deployments(ctx, "d.app_id = ? and d.environment = ? and d.status = 'deployed'", 1, appID, env)
	if err == nil && len(list) == 0 {
		err = fault.New(fault.NotFound, "Nothing is deployed there.")
	}
	if err != nil {
		return model.Deployment{}, err
	}
	return list[0], nil
}

// LastShown returns what an environment showed before a deployment, or nil when it showed nothing.
func (s *Store) LastShown(ctx context.Context, d model.Deployment) (*model.Deployment, error) {
	var out []model.Deployment
	err := s.db.NewSelect().Model(&out).ColumnExpr("d.*").
		Where("app_id = ? and environment = ? and id <> ? and status = 'superseded' and promoted_at is not null", d.AppID, d.Environment, d.ID).
		OrderExpr("promoted_at desc").Limit(1).Scan(ctx)
	if err != nil || len(out) == 0 {
		return nil, wrapf(err, "read the deployment before %d", d.ID)
	}
	return &out[0], nil
}

// Deployments lists the deployments of an app to an environment, the newest first.
func (s *Store) Deployments(ctx context.Context, appID int64, env model.Environment, limit int) ([]model.Deployment, error) {
	return s.deployments(ctx, "d.app_id = ? and d.environment = ?", limit, appID, env)
}

func (s *Store) deployments(ctx context.Context, where string, limit int, args ...any) ([]model.Deployment, error) {
	var out []model.Deployment
	err := s.db.NewSelect().Model(&out).ColumnExpr("d.*").ColumnExpr("v.number").ColumnExpr("coalesce(u.email, '') as user_email").
		Join("join app_versions v on v.id = d.version_id").Join("left join users u on u.id = d.user_id").
		Where(where, args...).OrderExpr("d.id desc").Limit(int64(limit)).Scan(ctx)
	return out, wrapf(err, "list deployments")
}

// SaveLiveSettings records that a deployment carries other settings now, and, unless it is "", has another name at its
// target.
func (s *Store) SaveLiveSettings(ctx context.Context, id int64, placedID, hash string) error {
	_, err := s.db.ExecContext(ctx, "update deployments set settings_hash = ?, placed_id = coalesce(nullif(?, ''), placed_id) where id = ?", hash, placedID, id)
	return wrapf(err, "save the settings of deployment %d", id)
}

// SaveDeploymentStage records how far a deployment is that is live.
func (s *Store) SaveDeploymentStage(ctx context.Context, id int64, stage string) error {
	_, err := s.db.ExecContext(ctx, "update deployments set stage = ? where id = ? and status = 'deployed'", stage, id)
	return wrapf(err, "save stage of deployment %d", id)
}
