package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"overskill/internal/builder/pipeline"
	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

const (
	// maxAttempts bounds how often a job that takes its worker down is tried again.
	maxAttempts = 4
	// turnTimeout ends a turn that hangs somewhere.
	turnTimeout = 30 * time.Minute
)

// errLost is the cause when another worker has taken a job over.
var errLost = errors.New("the job's lease was lost")

// Runner does the work of turns.
type Runner struct {
	store *store.Store
	bus   Bus
	log   *slog.Logger
	parts partsFor
	model func(ctx context.Context, app model.App) (llm.Model, error)
	url   func(slug string) string

	mu      sync.Mutex
	running map[int64]context.CancelCauseFunc // by version
}

// partsFor returns the pipeline's parts for one version.
type partsFor func(m llm.Model, c Charge, rec *recorder) pipeline.Parts

// Run takes a job to its end: the version is green, failed or stopped then. It returns an error only when
// that could not be recorded, or when ctx ended; the job is then open again for the next worker. A job that
// is not to be had (done, or somebody else's) is nil at once.
func (r *Runner) Run(ctx context.Context, jobID int64) error {
	job, ok, err := r.store.ClaimJob(ctx, jobID, store.Lease)
	if err != nil || !ok {
		return err
	}
	v, err := r.store.Version(ctx, job.VersionID)
	if err != nil {
		return err
	}
	log := r.log.With("job_id", job.ID, "app_id", job.AppID, "version_id", v.ID, "attempt", job.Attempts)
	rec := &recorder{store: r.store, bus: r.bus, log: log, v: v}

	turnCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	turnCtx, stopTimer := context.WithTimeoutCause(turnCtx, turnTimeout,
		fault.New(fault.Unavailable, "This took longer than %d minutes and was ended.", int(turnTimeout.Minutes())))
	defer stopTimer()
	r.register(v.ID, cancel)
	defer r.unregister(v.ID)
	var beat sync.WaitGroup
	beat.Go(func() { r.keepLease(turnCtx, job, cancel) })

	runErr := r.turn(turnCtx, job, &v, rec)
	cause := context.Cause(turnCtx)
	if runErr != nil && errors.Is(cause, pipeline.ErrStopped) {
		runErr = pipeline.ErrStopped // whatever was interrupted by it
	}
	cancel(nil)
	beat.Wait()
	rec.flush(context.WithoutCancel(ctx))

	switch {
	case errors.Is(cause, errLost):
		log.WarnContext(ctx, "another worker has the job")
		return nil
	case runErr != nil && ctx.Err() != nil && !errors.Is(cause, pipeline.ErrStopped):
		return r.giveBack(ctx, job) // the process is shutting down
	}
	return r.end(context.WithoutCancel(ctx), job, v, rec, runErr, log)
}

// turn loads what the stages need and runs them.
func (r *Runner) turn(ctx context.Context, job model.Job, v *model.Version, rec *recorder) error {
	if job.Attempts > maxAttempts {
		return fault.New(fault.Internal, "Building this stopped the builder %d times. Nothing was changed.", maxAttempts)
	}
	app, err := r.store.App(ctx, job.AppID)
	if err != nil {
		return err
	}
	m, err := r.model(ctx, app)
	if err != nil {
		return err
	}
	s := &pipeline.State{App: app, Version: *v}
	if s.Base, err = r.store.Tree(ctx, v.ParentID); err != nil {
		return err
	}
	if s.Tree, err = r.store.Tree(ctx, v.ID); err != nil {
		return err
	}
	turn, err := r.conversation(ctx, s)
	if err != nil {
		return err
	}
	charge := Charge{App: app, VersionID: v.ID, MessageID: turn.Request.ID, UserID: v.CreatedBy}
	err = pipeline.New(r.parts(m, charge, rec), time.Now).Run(ctx, s, rec)
	if errors.Is(err, pipeline.ErrAsked) {
		return &asked{*s.Plan.Question}
	}
	return err
}

// asked ends a turn with a question to the person.
type asked struct{ question model.Question }

func (a *asked) Error() string { return "asked: " + a.question.Text }

// conversation sets the request and what was said before it. While an app has no green version, its earlier
// requests belong to the request: there is nothing yet that they could have changed.
func (r *Runner) conversation(ctx context.Context, s *pipeline.State) (model.Turn, error) {
	turn, err := r.store.Turn(ctx, s.App.ID, s.Version.ID)
	if err != nil {
		return turn, err
	}
	earlier, err := r.store.Conversation(ctx, s.App.ID, s.Version.ID)
	if err != nil {
		return turn, err
	}
	s.Request = turn.Request.Content
	if s.Base.Len() > 0 {
		s.History = history(earlier)
		return turn, nil
	}
	var said []string
	for _, m := range earlier {
		if m.Role == model.RoleUser && !isRestore(m) {
			said = append(said, m.Content)
		} else if q, ok := questionOf(m); ok {
			said = append(said, "(You asked: "+q.Text+")")
		}
	}
	s.Request = strings.Join(slices.Compact(append(said, s.Request)), "\n\n") // what was tried again is meant once
	return turn, nil
}

// end records how the turn ended.
func (r *Runner) end(ctx context.Context, job model.Job, v model.Version, rec *recorder, runErr error, log *slog.Logger) error {
	status, text := model.JobDone, ""
	var err error
	var question *asked
	switch {
	case errors.As(runErr, &question):
		err = r.store.AskPerson(ctx, v, question.question)
	case runErr == nil:
		app, aerr := r.store.App(ctx, v.AppID)
		if aerr != nil {
			return aerr
		}
		err = r.store.Promote(ctx, v, r.url(app.Slug))
	case errors.Is(runErr, pipeline.ErrUnchanged):
		err = r.store.EndTurn(ctx, v, model.VersionUnchanged, "", "")
	case errors.Is(runErr, pipeline.ErrStopped):
		status = model.JobCanceled
		err = r.store.EndTurn(ctx, v, model.VersionStopped, string(fault.Canceled), fault.Text(pipeline.ErrStopped))
	default:
		status, text = model.JobFailed, runErr.Error()
		log.ErrorContext(ctx, "turn failed", "error", runErr)
		err = r.store.EndTurn(ctx, v, model.VersionFailed, pipeline.ClassOf(runErr), pipeline.Sentence(runErr))
	}
	if err != nil {
		return fmt.Errorf("record the end of version %d: %w", v.ID, err)
	}
	if err := r.store.EndJob(ctx, job, status, text); err != nil {
		return err
	}
	return rec.published(ctx, nil)
}

// giveBack opens the job for whoever comes next.
func (r *Runner) giveBack(ctx context.Context, job model.Job) error {
	if err := r.store.EndJob(context.WithoutCancel(ctx), job, model.JobQueued, ""); err != nil {
		return err
	}
	return ctx.Err()
}

// keepLease renews the lease until ctx ends, and ends the turn when a person asked to or the lease is lost.
func (r *Runner) keepLease(ctx context.Context, job model.Job, cancel context.CancelCauseFunc) {
	r.store.KeepLease(ctx, job, store.Holder{
		Stopped: func() { cancel(pipeline.ErrStopped) },
		Lost:    func() { cancel(errLost) },
		Failed:  func(err error) { r.log.WarnContext(ctx, "lease not renewed", "job_id", job.ID, "error", err) },
	})
}

func (r *Runner) register(versionID int64, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[versionID] = cancel
}

func (r *Runner) unregister(versionID int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, versionID)
}

// StopVersion ends a version's turn if this process runs it.
func (r *Runner) StopVersion(versionID int64) {
	r.mu.Lock()
	cancel := r.running[versionID]
	r.mu.Unlock()
	if cancel != nil {
		cancel(pipeline.ErrStopped)
	}
}
