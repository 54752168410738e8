package cloudflare

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/workers"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Numbers that Cloudflare gives to what went wrong.
const (
	codeBucketExists = 10004
	codeNoBucket     = 10006
	codeNotNewest    = 10215
	codeNoR2         = 10042
	codeNoScript     = 10007
	codeNoService    = 10090
	codeRouteExists  = 10020
)

// placeholder is what a new Worker answers before its first version is live.
const placeholder = `export default { fetch() { return new Response("This app is not published yet.\n", { status: 404, headers: { "cache-control": "no-store", "content-type": "text/plain; charset=utf-8" } }); } };
`

// Deploy uploads what a release needs, in the order in which each thing needs the one before: objects, static assets,
// and the version that names them. What is there already is not sent again. Placed.ID is the version's id, in mode
// dispatch the script's name. Placed.URL answers with exactly this version; the site's own address is untouched.
func (t *Target) Deploy(ctx context.Context, r target.Release, say target.Progress) (target.Placed, error) {
	name, err := script(r.Site)
	if err != nil {
		return target.Placed{}, err
	}
	if r.DeploymentID <= 0 {
		return target.Placed{}, fault.New(fault.Invalid, "A deployment to Cloudflare needs the number of the deployment.")
	}
	bindings, err := t.bindings(r)
	if err != nil {
		return target.Placed{}, err
	}
	var sent int64
	if big := inBucket(r.Plan); len(big) > 0 {
		if sent, err = t.putObjects(ctx, r.AppID, big); err != nil {
			return target.Placed{}, fmt.Errorf("deploy %s: %w", name, err)
		}
		say(model.LogInfo, fmt.Sprintf("Stored the files outside the Worker in R2: %d bytes had to be sent.", sent))
	}
	up := upload{release: r, name: name, bindings: bindings}
	var placed target.Placed
	if t.cfg.Mode == ModeDispatch {
		placed, err = t.deployDispatch(ctx, up)
	} else {
		placed, err = t.deployVersion(ctx, up)
	}
	if err != nil {
		return target.Placed{}, fmt.Errorf("deploy %s: %w", name, err)
	}
	placed.Bytes = r.Plan.WorkerBytes
	placed.Sent += sent
	say(model.LogInfo, fmt.Sprintf("Uploaded the Worker %s, which nobody is shown yet.", name))
	return placed, nil
}

// inBucket returns what of a plan lies in R2.
func inBucket(p plan.Plan) (out []plan.Asset) {
	for _, a := range p.Assets {
		if a.Place == plan.InBucket {
			out = append(out, a)
		}
	}
	return out
}

// upload is a release on its way into a script.
type upload struct {
	release  target.Release
	name     string // of the site's Worker
	bindings []binding
}

// form uploads the static assets for a script, whose path is given, and writes the form that brings the rest.
func (t *Target) form(ctx context.Context, up upload, scriptPath string) (body *payload, sent int64, err error) {
	p := up.release.Plan
	jwt, sent, err := t.staticAssets(ctx, scriptPath, p)
	if err != nil {
		return nil, 0, err
	}
	meta := metadata{MainModule: plan.Main, CompatibilityDate: CompatibilityDate, Bindings: up.bindings}
	if jwt != "" {
		meta.Assets = &assetsMetadata{JWT: jwt, Config: assetsConfig{HTMLHandling: "none", NotFoundHandling: "none", RunWorkerFirst: true}}
		meta.Bindings = append(slices.Clip(meta.Bindings), binding{Type: "assets", Name: bindAssets})
	}
	if t.cfg.Mode == ModeDispatch {
		meta.Tags = []string{fmt.Sprintf("app-%d", up.release.AppID), alias(up.release.DeploymentID)}
	} else {
		meta.Annotations = map[string]string{
			"workers/alias":   alias(up.release.DeploymentID),
			"workers/message": fmt.Sprintf("%s %s", up.release.Slug, up.release.Version),
			"workers/tag":     up.release.Version,
		}
	}
	body, err = form(meta, p.WorkerScript, p.Modules())
	if err != nil {
		return nil, 0, err
	}
	return body, sent + int64(len(body.Body)), nil
}

// alias is the first part of the preview host of a deployment.
func alias(deploymentID int64) string { return fmt.Sprintf("d%d", deploymentID) }

// deployVersion uploads a version of a site's Worker.
func (t *Target) deployVersion(ctx context.Context, up upload) (target.Placed, error) {
	subdomain, err := t.workersDev(ctx)
	if err != nil {
		return target.Placed{}, err
	}
	label := alias(up.release.DeploymentID) + "-" + up.name
	if len(label) > 63 {
		return target.Placed{}, fault.New(fault.Invalid, "The preview address %s would be longer than a host name may be. Give the app a shorter name.", label)
	}
	if err := t.ensureScript(ctx, up.name); err != nil {
		return target.Placed{}, err
	}
	body, sent, err := t.form(ctx, up, t.account("/workers/scripts/%s", up.name))
	if err != nil {
		return target.Placed{}, err
	}
	p := workers.ScriptVersionNewParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	version, err := t.scripts.Versions.New(ctx, up.name, p, option.WithRequestBody(body.Type, body.reader()))
	if err != nil {
		return target.Placed{}, fmt.Errorf("upload a version: %w", err)
	}
	if !versionIDs.MatchString(version.ID) {
		return target.Placed{}, fault.New(fault.Unavailable, "Cloudflare took the version but did not name it. Try again.")
	}
	return target.Placed{ID: version.ID, URL: t.workersDevURL(label, subdomain), Sent: sent}, nil
}

// ensureScript makes sure that a site's Worker exists and that its versions have preview hosts. A new one is a
// placeholder without a public host. The steps are repeated until each has been seen to be done, so that a process that
// was killed between them does no harm.
func (t *Target) ensureScript(ctx context.Context, name string) error {
	exists, err := t.exists(ctx, name)
	if err != nil {
		return err
	}
	if !exists {
		meta := metadata{MainModule: plan.Main, CompatibilityDate: CompatibilityDate, Bindings: []binding{}, Annotations: map[string]string{"workers/message": "placeholder"}}
		body, err := form(meta, []byte(placeholder), nil)
		if err != nil {
			return err
		}
		if _, err := t.call(ctx, http.MethodPut, t.account("/workers/scripts/%s", name), body, nil); err != nil {
			return fmt.Errorf("create the Worker: %w", err)
		}
	}
	p := workers.ScriptSubdomainGetParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	now, err := t.scripts.Subdomain.Get(ctx, name, p)
	if err != nil {
		return fmt.Errorf("read the workers.dev settings: %w", err)
	}
	// A placeholder needs no host of its own; Cloudflare may have given it one, as an account can have it by default.
	if now.PreviewsEnabled && (exists || !now.Enabled) {
		return nil
	}
	return t.workersDevRoute(ctx, name, exists && now.Enabled)
}

// workersDevRoute turns the public workers.dev host of a script on or off. Previews are always on.
func (t *Target) workersDevRoute(ctx context.Context, name string, on bool) error {
	p := workers.ScriptSubdomainNewParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	set(&p.Enabled.Value, &p.Enabled.Present, on)
	set(&p.PreviewsEnabled.Value, &p.PreviewsEnabled.Present, true)
	if _, err := t.scripts.Subdomain.New(ctx, name, p); err != nil {
		return fmt.Errorf("set the workers.dev address: %w", err)
	}
	return nil
}

// exists reports whether the account has a Worker.
func (t *Target) exists(ctx context.Context, name string) (bool, error) {
	_, err := t.deployments(ctx, name)
	if has(err, codeNoScript, codeNoService) {
		return false, nil
	}
	return err == nil, err
}

// deployments returns the deployments of a Worker, the live one first.
func (t *Target) deployments(ctx context.Context, name string) ([]workers.Deployment, error) {
	p := workers.ScriptDeploymentListParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	res, err := t.scripts.Deployments.List(ctx, name, p)
	if err != nil {
		return nil, fmt.Errorf("read the deployments of %s: %w", name, err)
	}
	return res.Deployments, nil
}
