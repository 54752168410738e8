package jobs_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"overskill/internal/model"
	"overskill/internal/testing/redistest"
	"overskill/jobs"
)

const kind = "test:work"

// worker counts what it is given to do.
type worker struct {
	mu    sync.Mutex
	ran   map[int64]int
	hold  bool // until the context ends
	ended chan int64
}

func newWorker() *worker { return &worker{ran: map[int64]int{}, ended: make(chan int64, 100)} }

func (w *worker) Run(ctx context.Context, id int64) error {
	w.mu.Lock()
	w.ran[id]++
	w.mu.Unlock()
	if w.hold {
		<-ctx.Done()
	}
	w.ended <- id
	return ctx.Err()
}

func (w *worker) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-w.ended:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing ran for ten seconds")
		}
	}
}

// onBoth runs a test against the Redis in the process and a real server.
func onBoth(t *testing.T, test func(t *testing.T, c *jobs.Client, start func(w *worker) *jobs.Server)) {
	for name, url := range redistest.Servers(t) {
		t.Run(name, func(t *testing.T) {
			c, err := jobs.NewClient(url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			test(t, c, func(w *worker) *jobs.Server {
				s, err := jobs.StartServer(url, 4, map[string]jobs.Runner{kind: w}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestEachJobRunsOnceHoweverOftenItIsEnqueued(t *testing.T) {
	onBoth(t, func(t *testing.T, c *jobs.Client, start func(*worker) *jobs.Server) {
		w := newWorker()
		for range 3 {
			for id := range int64(5) {
				if err := c.Enqueue(t.Context(), kind, id, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := start(w)
		defer s.Stop()
		w.wait(t, 5)
		time.Sleep(300 * time.Millisecond)
		w.mu.Lock()
		defer w.mu.Unlock()
		for id, n := range w.ran {
			if n != 1 {
				t.Errorf("job %d ran %d times", id, n)
			}
		}
	})
}

func TestStopGivesRunningJobsBackAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, c *jobs.Client, start func(*worker) *jobs.Server) {
		w := newWorker()
		w.hold = true
		s := start(w)
		if err := c.Enqueue(t.Context(), kind, 1, 0); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			w.mu.Lock()
			running := w.ran[1] > 0
			w.mu.Unlock()
			if running {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatal("the job does not start")
			}
		}
		stopped := make(chan struct{})
		go func() { s.Stop(); close(stopped) }()
		w.wait(t, 1)
		select {
		case <-stopped:
		case <-time.After(6 * time.Second):
			t.Error("the server waits although nothing runs")
		}
	})
}

// rows is where open jobs are, once.
type rows struct {
	mu   sync.Mutex
	open []model.Job
}

func (r *rows) OpenJobs(context.Context, time.Duration) ([]model.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open, nil
}

// TestSweepFindsWhatWasLost: a row without a task gets one, and a row whose worker died gets another, because the
// number of attempts is part of the task's id.
func TestSweepFindsWhatWasLost(t *testing.T) {
	onBoth(t, func(t *testing.T, c *jobs.Client, start func(*worker) *jobs.Server) {
		w := newWorker()
		s := start(w)
		defer s.Stop()
		open := &rows{open: []model.Job{{ID: 7, Kind: kind}}}
		ctx, cancel := context.WithCancel(t.Context())
		var sweep sync.WaitGroup
		sweep.Go(func() { jobs.Sweep(ctx, open, c, slog.New(slog.DiscardHandler)) })
		defer sweep.Wait()
		defer cancel()
		w.wait(t, 1)
		open.mu.Lock()
		open.open = []model.Job{{ID: 7, Kind: kind, Attempts: 1}}
		open.mu.Unlock()
		w.wait(t, 1)
	})
}

func TestBadURL(t *testing.T) {
	if _, err := jobs.NewClient("postgres://x"); err == nil {
		t.Error("a URL that is not Redis' was accepted")
	}
}
