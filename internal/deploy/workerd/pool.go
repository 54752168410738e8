package workerd

import (
	"context"
	"time"

	"overskill/internal/fault"
)

// slot is the place of one Key: its process, or its start, or how its last ones failed.
type slot struct {
	name     string
	proc     *process      // nil when none runs
	starting chan struct{} // closed when a start is over; nil when none is under way
	failures int           // starts and short lives in a row
	retry    time.Time     // no start before this
	err      error         // of the last start
	used     time.Time
}

const (
	// supersededIdle is how long a process waits for a request when its Name has a younger one.
	supersededIdle = 15 * time.Second
	// shortLife is the age below which a process that dies has failed.
	shortLife = 10 * time.Second
	// maxBackoff bounds the pause between starts of what fails again and again.
	maxBackoff = 10 * time.Second
	// maxInflight bounds the requests that one app may have open.
	maxInflight = 1000
	// quietLogs is how long lines are kept after the last one.
	quietLogs = 24 * time.Hour
)

// backoff is the pause before the next start. The first failure costs nothing: the next request is to start afresh.
func backoff(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	return min(250*time.Millisecond<<min(failures-2, 10), maxBackoff)
}

// Prepare starts an app's process, if none runs, and returns when it answers. Code that does not start is an Invalid
// fault that quotes the runtime.
func (r *Runtime) Prepare(ctx context.Context, app App) error {
	p, err := r.acquire(ctx, app)
	if err == nil {
		r.release(p)
	}
	return err
}

// acquire returns the app's process, which it starts where there is none, and keeps it from being stopped until
// release. Waiting for a start ends with ctx; the start goes on, for others.
func (r *Runtime) acquire(ctx context.Context, app App) (*process, error) {
	for {
		p, wait, err := r.try(app)
		if p != nil || err != nil {
			return p, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try returns the app's process or an error, or else what to wait for.
func (r *Runtime) try(app App) (*process, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, fault.New(fault.Unavailable, "The server is stopping.")
	}
	s := r.slots[app.Key]
	if s == nil {
		s = &slot{name: app.Name}
		r.slots[app.Key] = s
	}
	now := time.Now()
	s.used = now
	if s.proc != nil && !s.proc.alive() {
		s.lost(now)
	}
	switch {
	case s.proc != nil && s.proc.inflight >= maxInflight:
		return nil, nil, fault.New(fault.Unavailable, "The app has too many requests open. Try again in a moment.")
	case s.proc != nil:
		s.proc.inflight++
		return s.proc, nil, nil
	case s.starting != nil:
		return nil, s.starting, nil
	case now.Before(s.retry):
		err := s.err
		if err == nil {
			err = fault.New(fault.Unavailable, "The app's server code ended unexpectedly several times. It is started again in a few seconds.")
		}
		return nil, nil, err
	case !r.makeRoom():
		return nil, nil, fault.New(fault.Unavailable, "All processes for server code are busy. Try again in a moment.")
	}
	s.starting = make(chan struct{})
	r.serial++
	serial, log := r.serial, r.ring(app.Name)
	r.background.Go(func() {
		p, err := r.start(context.Background(), app, serial, log)
		r.begun(app, s, p, err)
	})
	return nil, s.starting, nil
}

// lost takes note of a process that ended by itself.
func (s *slot) lost(now time.Time) {
	if now.Sub(s.proc.started) > shortLife {
		s.failures = 0
	}
	s.failures++
	s.retry = now.Add(backoff(s.failures))
	s.proc, s.err = nil, nil
}

// begun ends a start.
func (r *Runtime) begun(app App, s *slot, p *process, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(s.starting)
	s.starting = nil
	now := time.Now()
	switch {
	case err != nil:
		s.failures++
		// Those who wait get this error, and not another start each.
		s.retry = now.Add(max(backoff(s.failures), time.Second))
		s.err = err
		r.cfg.Log.Warn("app did not start", "app", app.Name, "err", err)
	case r.closed || r.slots[app.Key] != s: // deleted meanwhile
		p.kill(causeStopped)
	default:
		p.started, p.lastUse = now, now
		s.proc, s.err = p, nil
	}
}

func (r *Runtime) release(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.inflight--
	p.lastUse = time.Now()
}

// makeRoom reports whether another process may start. It ends the one that was idle for longest if it must.
func (r *Runtime) makeRoom() bool {
	var oldest *slot
	var key string
	n := 0
	for k, s := range r.slots {
		if s.starting != nil || s.proc != nil {
			n++
		}
		if s.proc != nil && s.proc.inflight == 0 && (oldest == nil || s.proc.lastUse.Before(oldest.proc.lastUse)) {
			oldest, key = s, k
		}
	}
	if n < r.cfg.MaxProcesses {
		return true
	}
	if oldest == nil {
		return false
	}
	r.retire(key, oldest)
	return true
}

// retire takes a process without requests out of the table, and ends it. The caller holds r.mu.
func (r *Runtime) retire(key string, s *slot) {
	delete(r.slots, key)
	r.background.Go(s.proc.stop)
}

// Forget kills all processes of a name, with the requests they have, and drops its log: the app is gone.
func (r *Runtime) Forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.slots {
		if s.name != name {
			continue
		}
		if s.proc != nil {
			s.proc.kill(causeStopped)
		}
		delete(r.slots, key)
	}
	delete(r.logs, name)
}

// reap ends idle processes until Close.
func (r *Runtime) reap() {
	tick := time.NewTicker(min(max(r.cfg.Idle/4, 10*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-r.stopReaper:
			return
		case <-tick.C:
			r.reapOnce(time.Now())
		}
	}
}

func (r *Runtime) reapOnce(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	youngest := map[string]time.Time{}
	for _, s := range r.slots {
		if s.proc != nil && s.proc.started.After(youngest[s.name]) {
			youngest[s.name] = s.proc.started
		}
	}
	for key, s := range r.slots {
		switch {
		case s.starting != nil:
		case s.proc == nil:
			if now.Sub(s.used) > r.cfg.Idle && now.After(s.retry) {
				delete(r.slots, key)
			}
		case !s.proc.alive():
			s.lost(now)
		case s.proc.inflight > 0:
		default:
			limit := r.cfg.Idle
			if s.proc.started.Before(youngest[s.name]) {
				limit = min(limit, supersededIdle)
			}
			if now.Sub(s.proc.lastUse) >= limit {
				r.retire(key, s)
			}
		}
	}
	for name, l := range r.logs {
		if _, live := youngest[name]; !live && now.Sub(l.quietSince()) > quietLogs {
			delete(r.logs, name)
		}
	}
}
