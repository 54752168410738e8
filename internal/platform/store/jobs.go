package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/model"
)

// ClaimJob takes a job that nobody runs: it is queued, or its lease has run out because whoever ran it died.
// ok is false when there is nothing to do: the job is done, somebody else has it, or it does not exist.
func (s *Store) ClaimJob(ctx context.Context, id int64, lease time.Duration) (job model.Job, ok bool, err error) {
	err = s.db.NewRaw(`update jobs set status = 'running', attempts = attempts + 1, updated_at = now(),
		lease_until = now() + make_interval(secs => ?1)
		where id = ?0 and (status = 'queued' or status = 'running' and lease_until < now()) returning *`,
		id, lease.Seconds()).Scan(ctx, &job)
	if errors.Is(err, sql.ErrNoRows) {
		return job, false, nil
	}
	if err != nil {
		return job, false, wrapf(err, "claim job %d", id)
	}
	_, err = s.db.ExecContext(ctx, "update app_versions set status = 'building' where id = ? and status = 'queued'", job.VersionID)
	return job, err == nil, wrapf(err, "start version")
}

// RenewJob extends the lease of a running job and reports whether a person asked to stop it. held is false
// when the job was taken over: whoever calls must stop working on it.
func (s *Store) RenewJob(ctx context.Context, job model.Job, lease time.Duration) (stop, held bool, err error) {
	err = s.db.NewRaw(`update jobs set lease_until = now() + make_interval(secs => ?2), updated_at = now()
		where id = ?0 and attempts = ?1 and status = 'running' returning stop_asked`, job.ID, job.Attempts, lease.Seconds()).Scan(ctx, &stop)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return stop, err == nil, wrapf(err, "renew job %d", job.ID)
}

// EndJob records how a job ended.
func (s *Store) EndJob(ctx context.Context, job model.Job, status model.JobStatus, text string) error {
	_, err := s.db.ExecContext(ctx, `update jobs set status = ?, error = ?, lease_until = null, updated_at = now()
		where id = ? and attempts = ?`, status, text, job.ID, job.Attempts)
	return wrapf(err, "end job %d", job.ID)
}

// OpenJobs returns jobs that should run and that nobody runs, oldest first: queued for longer than grace,
// or with a lease that ran out.
func (s *Store) OpenJobs(ctx context.Context, grace time.Duration) ([]model.Job, error) {
	var out []model.Job
	err := s.db.NewSelect().Model(&out).
		Where("status = 'queued' and updated_at < now() - make_interval(secs => ?)", grace.Seconds()).
		WhereOr("status = 'running' and lease_until < now()").Order("id").Limit(100).Scan(ctx)
	return out, wrapf(err, "list open jobs")
}

// ReleaseJobs ends the leases of all running jobs. Only a process that knows that it is the only one, because
// it has just locked the data directory, may call it.
func (s *Store) ReleaseJobs(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "update jobs set lease_until = now() where status = 'running'")
	return wrapf(err, "release jobs")
}

// JobOfVersion returns the job that builds a version.
func (s *Store) JobOfVersion(ctx context.Context, versionID int64) (model.Job, error) {
	var job model.Job
	err := s.db.NewSelect().Model(&job).Where("version_id = ? and deployment_id is null", versionID).Order("id desc").Limit(1).Scan(ctx)
	return job, orNotFound(err, "Nothing is being built.")
}

// AskStop asks whoever builds the app's running version to stop. A job that nobody has begun is cancelled
// at once. It returns the version, or 0 when nothing runs.
func (s *Store) AskStop(ctx context.Context, appID int64) (model.Version, bool, error) {
	var v model.Version
	var begun bool
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewSelect().Model(&v).Where("app_id = ? and status in ('queued', 'building')", appID).For("update").Scan(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update jobs set stop_asked = true, updated_at = now(),
			status = case when status = 'queued' then 'cancelled' else status end
			where version_id = ? and status in ('queued', 'running')`, v.ID); err != nil {
			return err
		}
		return tx.NewRaw("select exists (select from jobs where version_id = ? and status = 'running')", v.ID).Scan(ctx, &begun)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return model.Version{}, false, nil
	}
	return v, begun, wrapf(err, "stop")
}
