package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

const (
	// maxAttempts bounds how often a job that takes its worker down is tried again.
	maxAttempts = 4
	// deployTimeout ends a deployment that hangs somewhere.
	deployTimeout = 20 * time.Minute
	// maxLog bounds a deployment's log, in lines.
	maxLog = 500
)

var (
	errLost    = errors.New("the job's lease was lost")
	errStopped = fault.New(fault.Canceled, "It was stopped.")
)

// Runner does the work of deployments.
type Runner struct{ *Service }

// NewRunner returns a Runner for what the service starts.
func NewRunner(s *Service) *Runner { return &Runner{s} }

// Run takes a job to its end: the deployment is live, failed, or superseded then. It returns an error only when that
// could not be recorded, or when ctx ended; the job is then open again for the next worker.
func (r *Runner) Run(ctx context.Context, jobID int64) error {
	job, ok, err := r.Store.ClaimJob(ctx, jobID, store.Lease)
	if err != nil || !ok {
		return err
	}
	log := r.Log.With("job_id", job.ID, "app_id", job.AppID, "deployment_id", job.DeploymentID, "attempt", job.Attempts)
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stopTimer := context.WithTimeoutCause(work, deployTimeout,
		fault.New(fault.Unavailable, "This took longer than %d minutes and was ended.", int(deployTimeout.Minutes())))
	defer stopTimer()
	var beat sync.WaitGroup
	beat.Go(func() {
		r.Store.KeepLease(work, job, store.Holder{
			Stopped: func() { cancel(errStopped) },
			Lost:    func() { cancel(errLost) },
			Failed:  func(err error) { log.WarnContext(work, "lease not renewed", "error", err) },
		})
	})
	runErr := r.deployment(work, job, log)
	cause := context.Cause(work)
	cancel(nil)
	beat.Wait()

	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(cause, errLost):
		log.WarnContext(ctx, "another worker has the job")
		return nil
	case runErr != nil && errors.Is(cause, context.Canceled): // the process is shutting down
		if err := r.Store.EndJob(ctx, job, model.JobQueued, ""); err != nil {
			return err
		}
		return cause
	case runErr != nil && cause != nil:
		runErr = cause
	}
	return r.end(ctx, job, runErr, log)
}

// end records how a deployment ended.
func (r *Runner) end(ctx context.Context, job model.Job, runErr error, log *slog.Logger) error {
	status, text := model.JobDone, ""
	switch {
	case errors.Is(runErr, errStopped), fault.Is(runErr, fault.Conflict):
		status = model.JobCanceled // what ended it has said so in the row
	case runErr != nil:
		status, text = model.JobFailed, runErr.Error()
		log.ErrorContext(ctx, "deployment failed", "error", runErr)
		if err := r.Store.EndDeployment(ctx, job.DeploymentID, fault.Text(runErr)); err != nil {
			return err
		}
	}
	return r.Store.EndJob(ctx, job, status, text)
}

// work is one deployment while it is made.
type work struct {
	*Runner
	log    *slog.Logger
	app    model.App
	v      model.Version
	tree   filetree.Tree
	d      model.Deployment
	target target.Target
	row    model.DeployTarget
	site   target.Site

	mu sync.Mutex // of d.Log
}

// deployment loads what a deployment needs and makes it.
func (r *Runner) deployment(ctx context.Context, job model.Job, log *slog.Logger) error {
	w := &work{Runner: r, log: log}
	var err error
	if w.d, err = r.Store.Deployment(ctx, job.AppID, job.DeploymentID); err != nil {
		return err
	}
	promoted := w.d.Status == model.DeployDeployed && w.d.Stage == stagePromote // by a worker that died before it looked
	if w.d.Ended() && !promoted {
		return nil
	}
	if job.Attempts > maxAttempts {
		return fault.New(fault.Internal, "This deployment stopped the worker %d times. Nothing was changed.", maxAttempts)
	}
	if w.app, err = r.Store.App(ctx, job.AppID); err != nil {
		return err
	}
	if w.v, err = r.Store.Version(ctx, w.d.VersionID); err != nil {
		return err
	}
	if w.tree, err = r.Store.Tree(ctx, w.d.VersionID); err != nil {
		return err
	}
	if w.target, w.row, err = r.place(ctx, w.app.TeamID); err != nil {
		return err
	}
	if w.row.Kind != w.d.Target {
		return fault.New(fault.Conflict, "The team publishes elsewhere now.")
	}
	w.site = site(w.app, w.d.Environment)
	defer w.saveLog(context.WithoutCancel(ctx))
	if promoted {
		before, err := r.Store.LastShown(ctx, w.d)
		if err != nil {
			return err
		}
		// Promoting again is harmless, and says what the address is now: this server may have another since.
		live, err := w.target.Promote(ctx, w.site, w.d.PlacedID)
		if err == nil {
			w.d.URL = live.URL
		}
		return w.confirm(ctx, before, live.NewHost)
	}
	if w.d.StartedAt.IsZero() {
		w.d.StartedAt = time.Now().UTC()
		if err := w.save(ctx, "started_at"); err != nil {
			return err
		}
	}
	if w.d.Kind == model.KindRollback && w.d.PlacedID != "" {
		same, err := w.settled(ctx)
		if err != nil {
			return err
		}
		if same {
			err := w.rollback(ctx)
			if !fault.Is(err, fault.NotFound) {
				return err
			}
			w.say(model.LogInfo, "What was live then is gone from the target. It is built and deployed again.")
		} else {
			w.say(model.LogInfo, "Secrets, or who may open the app, have changed since it was live. It is built and deployed again with those of today.")
		}
	}
	return w.publish(ctx)
}

// maxRounds is how often a deployment follows settings that change while it is made.
const maxRounds = 5

// publish makes the deployment from the version's source.
func (w *work) publish(ctx context.Context) error {
	built, err := w.build(ctx)
	if err != nil {
		return err
	}
	if err := w.check(ctx, built); err != nil {
		return err
	}
	for range maxRounds {
		if err := w.deploy(ctx, built); err != nil {
			return err
		}
		if err := w.verify(ctx, built); err != nil {
			return err
		}
		if same, err := w.settled(ctx); err != nil {
			return err
		} else if same {
			return w.promote(ctx)
		}
		w.info("Secrets, or who may open the app, were changed meanwhile. It is deployed with the new ones.")
	}
	return fault.New(fault.Unavailable, "The app's secrets were changed again and again while it was deployed. Publish it once they stay.")
}

// The stages, as the row and the page name them.
const (
	stageBuild   = "build"
	stageCheck   = "check"
	stageDeploy  = "deploy"
	stageVerify  = "verify"
	stagePromote = "promote"
	stageLive    = "live" // looked at once more at its public address
)

// stage begins one.
func (w *work) stage(ctx context.Context, name string, status model.DeploymentStatus) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	w.d.Stage, w.d.Status = name, status
	w.saveLog(ctx)
	return w.save(ctx, "stage", "status")
}

// save writes columns of the row. A Conflict says that the deployment has ended in the meantime.
func (w *work) save(ctx context.Context, columns ...string) error {
	return w.Store.SaveDeployment(ctx, w.d, columns...)
}

// say adds a line to the deployment's log.
func (w *work) say(level model.LogLevel, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.d.Log) < maxLog {
		w.d.Log = append(w.d.Log, model.DeployLine{At: time.Now().UTC(), Level: level, Text: text})
	}
}

func (w *work) info(format string, args ...any) { w.say(model.LogInfo, fmt.Sprintf(format, args...)) }

// saveLog writes the log, however the deployment ends.
func (w *work) saveLog(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.d.Log == nil {
		w.d.Log = []model.DeployLine{}
	}
	if err := w.Store.SaveDeploymentResult(ctx, w.d); err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "deployment log not saved", "error", err)
	}
}
