package store

import (
	"context"
	"time"

	"overskill/internal/model"
)

const (
	// Lease is how long a job stays taken without a sign of life from whoever runs it.
	Lease = 15 * time.Second
	// renewEvery leaves room for a slow moment before the lease runs out.
	renewEvery = 3 * time.Second
)

// Holder is told what happens to a job while somebody runs it.
type Holder struct {
	Stopped func()      // a person asked to stop it, or something newer takes its place
	Lost    func()      // another worker has it: nothing of it may be recorded any more
	Failed  func(error) // the lease could not be renewed this time
}

// KeepLease renews the lease of a running job until ctx ends.
func (s *Store) KeepLease(ctx context.Context, job model.Job, h Holder) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stop, held, err := s.RenewJob(ctx, job, Lease)
		switch {
		case err != nil:
			h.Failed(err)
		case !held:
			h.Lost()
		case stop:
			h.Stopped()
		}
	}
}
