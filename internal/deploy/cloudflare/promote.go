package cloudflare

import (
	"context"
	"fmt"

	"github.com/cloudflare/cloudflare-go/v7/workers"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// Promote makes a placed version the live one, in one call, and makes sure that the site's address leads to its Worker.
func (t *Target) Promote(ctx context.Context, s target.Site, id string) (target.Live, error) {
	return t.move(ctx, s, id, "promote")
}

// Rollback makes a version live that was live before. Bindings and secrets belong to a version: they go back with it,
// so a secret that was changed since should be set again. NotFound: Cloudflare keeps the last hundred versions, and a
// dispatch script as long as Collect is told to keep it.
func (t *Target) Rollback(ctx context.Context, s target.Site, id string) (target.Live, error) {
	return t.move(ctx, s, id, "rollback")
}

func (t *Target) move(ctx context.Context, s target.Site, id, why string) (target.Live, error) {
	name, err := script(s)
	if err != nil {
		return target.Live{}, err
	}
	if t.cfg.Mode == ModeDispatch {
		return t.moveDispatch(ctx, s, name, id)
	}
	if err := t.findVersion(ctx, name, id); err != nil {
		return target.Live{}, fmt.Errorf("%s %s: %w", why, name, err)
	}
	if err := t.share(ctx, name, why, part{id, 100}); err != nil {
		return target.Live{}, fmt.Errorf("%s %s: %w", why, name, err)
	}
	return t.address(ctx, s, name)
}

// PromoteGradually gives a placed version a share of the visitors, 1 to 99 percent, and leaves the rest with the version
// that is live. Promote ends it, with this or another version. It exists in mode script only, and only once something
// is live.
func (t *Target) PromoteGradually(ctx context.Context, s target.Site, id string, percent int) (target.Live, error) {
	name, err := script(s)
	switch {
	case err != nil:
		return target.Live{}, err
	case t.cfg.Mode == ModeDispatch:
		return target.Live{}, fault.New(fault.Invalid, "Scripts in a dispatch namespace cannot be promoted gradually.")
	case percent < 1 || percent > 99:
		return target.Live{}, fault.New(fault.Invalid, "A gradual promotion gives the new version 1 to 99 percent of the visitors.")
	}
	if err := t.findVersion(ctx, name, id); err != nil {
		return target.Live{}, err
	}
	live, err := t.liveVersion(ctx, name)
	if err != nil {
		return target.Live{}, err
	}
	if live == "" || live == id {
		return target.Live{}, fault.New(fault.Conflict, "There is no other live version to share the visitors with.")
	}
	if err := t.share(ctx, name, "gradual", part{id, percent}, part{live, 100 - percent}); err != nil {
		return target.Live{}, fmt.Errorf("promote %s gradually: %w", name, err)
	}
	return t.address(ctx, s, name)
}

// liveVersion returns the version that most visitors get; "" when nothing was deployed.
func (t *Target) liveVersion(ctx context.Context, name string) (string, error) {
	all, err := t.deployments(ctx, name)
	if err != nil || len(all) == 0 {
		return "", err
	}
	id, most := "", -1.0
	for _, v := range all[0].Versions {
		if v.Percentage > most {
			id, most = v.VersionID, v.Percentage
		}
	}
	return id, nil
}

// findVersion reports a version that Cloudflare no longer has as NotFound.
func (t *Target) findVersion(ctx context.Context, name, id string) error {
	if !versionIDs.MatchString(id) {
		return fault.New(fault.NotFound, "Cloudflare has no version %q. Deploy it again.", id)
	}
	p := workers.ScriptVersionGetParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	_, err := t.scripts.Versions.Get(ctx, name, id, p)
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(err, fault.NotFound, "Cloudflare no longer has this version. Deploy it again.")
	}
	return err
}

// part is a version's share of the visitors.
type part struct {
	version string
	percent int
}

// share makes a deployment. Repeating it is harmless: the same versions get the same shares.
func (t *Target) share(ctx context.Context, name, why string, parts ...part) error {
	p := workers.ScriptDeploymentNewParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	set(&p.Force.Value, &p.Force.Present, true) // also a version whose secrets differ from the newest upload's
	set(&p.Deployment.Strategy.Value, &p.Deployment.Strategy.Present, workers.DeploymentStrategyPercentage)
	note := workers.DeploymentAnnotationsParam{}
	set(&note.WorkersMessage.Value, &note.WorkersMessage.Present, why)
	set(&p.Deployment.Annotations.Value, &p.Deployment.Annotations.Present, note)
	var versions []workers.DeploymentVersionParam
	for _, part := range parts {
		v := workers.DeploymentVersionParam{}
		set(&v.VersionID.Value, &v.VersionID.Present, part.version)
		set(&v.Percentage.Value, &v.Percentage.Present, float64(part.percent))
		versions = append(versions, v)
	}
	set(&p.Deployment.Versions.Value, &p.Deployment.Versions.Present, versions)
	_, err := t.scripts.Deployments.New(ctx, name, p)
	return err
}

// address makes a site's public address lead to its Worker.
func (t *Target) address(ctx context.Context, s target.Site, name string) (target.Live, error) {
	if t.cfg.Zone != "" {
		host := t.host(s)
		zone, err := t.zone(ctx)
		if err != nil {
			return target.Live{}, err
		}
		created, err := t.attach(ctx, host, zone, name)
		if err != nil {
			return target.Live{}, err
		}
		live := target.Live{URL: "https://" + host}
		if created {
			live.NewHost = true
			live.Note = "Cloudflare issues a certificate for " + host + " now; the address may take a few minutes to answer."
		}
		return live, nil
	}
	subdomain, err := t.workersDev(ctx)
	if err != nil {
		return target.Live{}, err
	}
	p := workers.ScriptSubdomainGetParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	now, err := t.scripts.Subdomain.Get(ctx, name, p)
	if err != nil {
		return target.Live{}, fmt.Errorf("read the workers.dev settings: %w", err)
	}
	live := target.Live{URL: t.workersDevURL(name, subdomain)}
	if now.Enabled && now.PreviewsEnabled {
		return live, nil
	}
	live.Note, live.NewHost = "The address is new; it may take a minute to answer.", true
	return live, t.workersDevRoute(ctx, name, true)
}
