// Package jobs carries work over Redis with asynq. A task's payload is the id of a row in Postgres, and
// that row is the truth: a task that is lost, doubled or late does no harm, because whoever runs it first
// claims the row. The sweeper enqueues rows that nobody runs.
package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"overskill/internal/model"
)

// The queues, with their weights: how often one is served when all have work.
const (
	QueueGeneration = "ai_generation"
	QueueProcessing = "ai_processing"
	QueueDeployment = "deployment"
	QueuePreview    = "preview_updates"
)

var weights = map[string]int{QueueGeneration: 6, QueueDeployment: 3, QueueProcessing: 2, QueuePreview: 1}

// payload is what every task carries.
type payload struct {
	JobID int64 `json:"job_id"`
}

// Client enqueues jobs.
type Client struct{ asynq *asynq.Client }

// NewClient connects to Redis when it is first used.
func NewClient(redisURL string) (*Client, error) {
	opt, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return nil, fmt.Errorf("read REDIS_URL: %w", err)
	}
	return &Client{asynq.NewClient(opt)}, nil
}

// queueOf is the queue of a kind of job. A kind that has none of its own is a turn of an author.
var queueOf = map[string]string{"deploy": QueueDeployment}

// Enqueue wakes up a worker for a job row. The task's id is the row's id with the number of attempts so
// far: the same wake-up twice is one task, and a job whose worker was killed gets a new task at once, not
// when Redis notices after a minute that the old one is orphaned.
func (c *Client) Enqueue(ctx context.Context, kind string, jobID int64, attempts int) error {
	body, err := json.Marshal(payload{jobID})
	if err != nil {
		return err
	}
	_, err = c.asynq.EnqueueContext(ctx, asynq.NewTask(kind, body),
		asynq.Queue(cmp.Or(queueOf[kind], QueueGeneration)), asynq.TaskID(fmt.Sprintf("%d.%d", jobID, attempts)),
		asynq.MaxRetry(0), // the row decides about another attempt
		asynq.Timeout(45*time.Minute))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// Ping reports whether Redis answers.
func (c *Client) Ping() error { return c.asynq.Ping() }

// Close ends the connection.
func (c *Client) Close() error { return c.asynq.Close() }

// Runner does the work of one job row.
type Runner interface {
	Run(ctx context.Context, jobID int64) error
}

// Server runs jobs.
type Server struct {
	asynq *asynq.Server
	ctx   context.Context // ends when the server is to stop
	stop  context.CancelFunc
}

// StartServer begins to run jobs, at most concurrency at once. runners are by the kind of job that they do.
func StartServer(redisURL string, concurrency int, runners map[string]Runner, log *slog.Logger) (*Server, error) {
	opt, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return nil, fmt.Errorf("read REDIS_URL: %w", err)
	}
	s := &Server{asynq: asynq.NewServer(opt, asynq.Config{
		Concurrency: concurrency, Queues: weights,
		TaskCheckInterval: 50 * time.Millisecond, // the default of 1 s is a third of a small app's time
		ShutdownTimeout:   8 * time.Second,
		Logger:            logger{log}, LogLevel: asynq.WarnLevel,
	})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	mux := asynq.NewServeMux()
	for kind, run := range runners {
		mux.HandleFunc(kind, s.handler(run))
	}
	if err := s.asynq.Start(mux); err != nil {
		s.stop()
		return nil, fmt.Errorf("start jobs: %w", err)
	}
	return s, nil
}

// handler runs the job that a task names.
func (s *Server) handler(run Runner) asynq.HandlerFunc {
	return func(ctx context.Context, t *asynq.Task) error {
		var p payload
		if err := json.Unmarshal(t.Payload(), &p); err != nil {
			return fmt.Errorf("read payload of %s: %w: %w", t.Type(), err, asynq.SkipRetry)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)() // stopping the server gives the job back at once
		return run.Run(ctx, p.JobID)
	}
}

// Stop gives running jobs back and waits for them, at most 8 seconds.
func (s *Server) Stop() {
	s.stop()
	s.asynq.Shutdown()
}

// Rows is where open jobs are.
type Rows interface {
	OpenJobs(ctx context.Context, grace time.Duration) ([]model.Job, error)
}

// Sweep enqueues rows that nobody runs, until ctx ends: their wake-up was lost, or their worker died.
func Sweep(ctx context.Context, rows Rows, c *Client, log *slog.Logger) {
	const every, grace = 2 * time.Second, 3 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		open, err := rows.OpenJobs(ctx, grace)
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "sweep failed", "error", err)
		}
		for _, job := range open {
			if err := c.Enqueue(ctx, job.Kind, job.ID, job.Attempts); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "enqueue failed", "job_id", job.ID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// logger writes asynq's log with slog.
type logger struct{ log *slog.Logger }

func (l logger) Debug(args ...any) { l.log.Debug("asynq", "message", fmt.Sprint(args...)) }
func (l logger) Info(args ...any)  { l.log.Info("asynq", "message", fmt.Sprint(args...)) }
func (l logger) Warn(args ...any)  { l.log.Warn("asynq", "message", fmt.Sprint(args...)) }
func (l logger) Error(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }
func (l logger) Fatal(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }
