package release

import (
	"context"
	"time"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// Site is this machine's server of apps.
type Site interface {
	// Put makes a plan servable; what was put before costs nothing.
	Put(ctx context.Context, p plan.Plan) error
	// Has reports whether a plan can be served.
	Has(hash string) bool
	// Logs returns what an app's server code wrote.
	Logs(appID int64, env string, since time.Time) []target.Line
}

// local publishes on this machine. Which deployment an address shows is a row of the store, which every web process
// reads at each request, so that promoting is that row and nothing else.
type local struct {
	site      Site
	addresses Addresses
}

// NewLocal returns the target that is this machine.
func NewLocal(s Site, a Addresses) target.Target { return local{s, a} }

func (l local) Verify(context.Context) error { return nil }

func (l local) Deploy(ctx context.Context, r target.Release, _ target.Progress) (target.Placed, error) {
	sent := r.Plan.WorkerBytes
	if l.site.Has(r.Plan.Hash) {
		sent = 0
	}
	if err := l.site.Put(ctx, r.Plan); err != nil {
		return target.Placed{}, err
	}
	return target.Placed{ID: r.Plan.Hash, URL: l.addresses.Deployment(r.Slug, r.DeploymentID), Bytes: r.Plan.WorkerBytes, Sent: sent}, nil
}

func (l local) Promote(_ context.Context, s target.Site, _ string) (target.Live, error) {
	return target.Live{URL: l.addresses.Public(s.Slug, s.Environment)}, nil
}

func (l local) Rollback(ctx context.Context, s target.Site, id string) (target.Live, error) {
	if !l.site.Has(id) {
		return target.Live{}, fault.New(fault.NotFound, "The files of that version are no longer on this server.")
	}
	return l.Promote(ctx, s, id)
}

// SetSecrets has nothing to do: the server code of this machine is given its secrets when it starts, from the store.
func (l local) SetSecrets(context.Context, target.Site, map[string]string) (string, error) {
	return "", nil
}

// Delete has nothing to do: without its row nothing is shown, and the files go when nothing names them any more.
func (l local) Delete(context.Context, target.Site) error { return nil }

func (l local) Logs(_ context.Context, s target.Site, since time.Time) ([]target.Line, error) {
	return l.site.Logs(s.AppID, string(s.Environment), since), nil
}
