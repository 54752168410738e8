package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// DeployTarget returns where a team publishes, with its sealed token. A team that chose nothing publishes locally.
func (s *Store) DeployTarget(ctx context.Context, teamID int64) (model.DeployTarget, error) {
	t := model.DeployTarget{TeamID: teamID, Kind: model.TargetLocal, Mode: "script", Gate: model.GateBlock}
	var rows []model.DeployTarget
	err := s.db.NewSelect().Model(&rows).Where("team_id = ?", teamID).Scan(ctx)
	if len(rows) > 0 {
		t = rows[0]
	}
	return t, wrapf(err, "read deploy target of team %d", teamID)
}

// SetDeployTarget sets where a team publishes.
func (s *Store) SetDeployTarget(ctx context.Context, t model.DeployTarget, audit model.AuditEntry) error {
	if t.Token == nil {
		t.Token = []byte{}
	}
	t.UpdatedAt = time.Now().UTC()
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&t).On("conflict (team_id) do update").
			Set("kind = excluded.kind, account_id = excluded.account_id, token = excluded.token, token_hint = excluded.token_hint, mode = excluded.mode").
			Set("namespace = excluded.namespace, bucket = excluded.bucket, zone = excluded.zone, gate = excluded.gate, updated_at = excluded.updated_at").
			Exec(ctx); err != nil {
			return wrapf(err, "set deploy target")
		}
		return addAudit(ctx, tx, audit)
	})
}

// EnvVars lists an app's variables of both environments, by name.
func (s *Store) EnvVars(ctx context.Context, appID int64) ([]model.EnvVar, error) {
	var out []model.EnvVar
	err := s.db.NewSelect().Model(&out).Where("app_id = ?", appID).Order("environment", "key").Scan(ctx)
	return out, wrapf(err, "list variables")
}

// maxVars is how many variables an app may have in one environment: Cloudflare takes 64 on its free plan, and ours are
// among them.
const maxVars = 56

// SetEnvVar adds or replaces a variable.
func (s *Store) SetEnvVar(ctx context.Context, v model.EnvVar, audit model.AuditEntry) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&v).On("conflict (app_id, environment, key) do update").
			Set("value = excluded.value, hint = excluded.hint, updated_at = now()").Exec(ctx); err != nil {
			return wrapf(err, "set variable %s", v.Key)
		}
		n, err := tx.NewSelect().Model((*model.EnvVar)(nil)).Where("app_id = ? and environment = ?", v.AppID, v.Environment).Count(ctx)
		if err != nil {
			return wrapf(err, "count variables")
		}
		if n > maxVars {
			return fault.New(fault.Invalid, "An app can have %d variables in one environment.", maxVars)
		}
		return addAudit(ctx, tx, audit)
	})
}

// DeleteEnvVar removes a variable; one that is not there is NotFound.
func (s *Store) DeleteEnvVar(ctx context.Context, appID int64, env model.Environment, key string, audit model.AuditEntry) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewDelete().Model((*model.EnvVar)(nil)).Where("app_id = ? and environment = ? and key = ?", appID, env, key).Exec(ctx)
		if err != nil {
			return wrapf(err, "delete variable %s", key)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.NotFound, "There is no variable %s.", key)
		}
		return addAudit(ctx, tx, audit)
	})
}

// AccessOf returns who may open an app in an environment. Mode is "" while nobody chose.
func (s *Store) AccessOf(ctx context.Context, appID int64, env model.Environment) (model.AppAccess, error) {
	a := model.AppAccess{AppID: appID, Environment: env, Epoch: 1}
	var rows []model.AppAccess
	err := s.db.NewSelect().Model(&rows).Where("app_id = ? and environment = ?", appID, env).Scan(ctx)
	if len(rows) > 0 {
		a = rows[0]
	}
	return a, wrapf(err, "read access")
}

// SetAccess sets who may open an app. Every session and link of before is taken back.
func (s *Store) SetAccess(ctx context.Context, a model.AppAccess, audit model.AuditEntry) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, `insert into app_access as x (app_id, environment, mode, password_hash, epoch)
			values (?, ?, ?, ?, 2) on conflict (app_id, environment) do update
			set mode = excluded.mode, password_hash = excluded.password_hash, epoch = x.epoch + 1, updated_at = now()`,
			a.AppID, a.Environment, a.Mode, a.PasswordHash); err != nil {
			return wrapf(err, "set access")
		}
		return addAudit(ctx, tx, audit)
	})
}

// Domains lists an app's own domains.
func (s *Store) Domains(ctx context.Context, appID int64) ([]model.Domain, error) {
	var out []model.Domain
	err := s.db.NewSelect().Model(&out).Where("app_id = ?", appID).Order("name").Scan(ctx)
	return out, wrapf(err, "list domains")
}

// Domain returns one domain of an app.
func (s *Store) Domain(ctx context.Context, appID, id int64) (model.Domain, error) {
	var d model.Domain
	err := s.db.NewSelect().Model(&d).Where("app_id = ? and id = ?", appID, id).Scan(ctx)
	return d, orNotFound(err, "There is no such domain.")
}

// AddDomain adds a domain. One that an app has already proved to be its own is a Conflict; one that somebody only
// claimed is given to whoever proves it.
func (s *Store) AddDomain(ctx context.Context, d model.Domain, audit model.AuditEntry) (model.Domain, error) {
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "delete from app_domains where name = ? and status <> 'active' and app_id <> ?", d.Name, d.AppID); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&d).Column("app_id", "name", "token", "status", "detail").Returning("*").Exec(ctx); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
	if violates(err, "app_domains_name_key") {
		return d, fault.New(fault.Conflict, "%s is in use already.", d.Name)
	}
	return d, wrapf(err, "add domain")
}

// SaveDomain records what was found about a domain.
func (s *Store) SaveDomain(ctx context.Context, d model.Domain) error {
	_, err := s.db.NewUpdate().Model(&d).Column("status", "detail", "remote_id", "checked_at").WherePK().Exec(ctx)
	return wrapf(err, "save domain")
}

// DeleteDomain removes a domain of an app.
func (s *Store) DeleteDomain(ctx context.Context, appID, id int64, audit model.AuditEntry) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*model.Domain)(nil)).Where("app_id = ? and id = ?", appID, id).Exec(ctx); err != nil {
			return wrapf(err, "delete domain")
		}
		return addAudit(ctx, tx, audit)
	})
}

// Audit returns what was done about an app, the newest first.
func (s *Store) Audit(ctx context.Context, appID int64, limit int) ([]model.AuditEntry, error) {
	var out []model.AuditEntry
	err := s.db.NewSelect().Model(&out).Where("app_id = ?", appID).Order("id desc").Limit(int64(limit)).Scan(ctx)
	return out, wrapf(err, "read audit")
}

func addAudit(ctx context.Context, tx bun.IDB, e model.AuditEntry) error {
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	_, err := tx.NewInsert().Model(&e).Exec(ctx)
	return wrapf(err, "write audit entry %s", e.Action)
}

// SaveLook keeps how a version looked: its pictures, which may be empty, and its pages.
func (s *Store) SaveLook(ctx context.Context, versionID int64, narrow, snapshot []byte, changes model.Changes) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		v := model.Version{ID: versionID, Snapshot: snapshot, Changes: changes}
		columns := []string{"snapshot", "changes"}
		if len(narrow) > 0 {
			b := newBlob(filetree.HashOf(narrow), narrow)
			if err := putBlobs(ctx, tx, []blob{b}); err != nil {
				return err
			}
			v.ScreenshotNarrowHash = b.Hash
			columns = append(columns, "screenshot_narrow_hash")
		}
		_, err := tx.NewUpdate().Model(&v).Column(columns...).WherePK().Exec(ctx)
		return wrapf(err, "save the look of version %d", versionID)
	})
}
