package cloudflare

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/workers"
	"github.com/minio/minio-go/v7"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// dispatcherScript finds the script for a host and hands the request to it.
//
//go:embed dispatcher.js
var dispatcherScript []byte

// dispatcher is the name of the Worker that stands in front of the namespace.
func (t *Target) dispatcher() string { return "overskill-dispatch-" + t.cfg.Namespace }

// routeKey is the object that says which script answers for a host.
func routeKey(host string) string { return "routes/" + host }

// candidate is the name of a deployment's script in the namespace.
func candidate(name string, deploymentID int64) string {
	return fmt.Sprintf("%s--d%d", name, deploymentID)
}

func (t *Target) namespaced(name string) string {
	return t.account("/workers/dispatch/namespaces/%s/scripts/%s", t.cfg.Namespace, name)
}

// deployDispatch uploads a release as a script of its own, and gives it a host of its own.
func (t *Target) deployDispatch(ctx context.Context, up upload) (target.Placed, error) {
	if err := t.ensureDispatcher(ctx); err != nil {
		return target.Placed{}, err
	}
	name := candidate(up.name, up.release.DeploymentID)
	body, sent, err := t.form(ctx, up, t.namespaced(name))
	if err != nil {
		return target.Placed{}, err
	}
	if _, err := t.call(ctx, http.MethodPut, t.namespaced(name), body, nil); err != nil {
		return target.Placed{}, fmt.Errorf("upload the script: %w", err)
	}
	host := alias(up.release.DeploymentID) + "-" + t.host(up.release.Site)
	if err := t.putObject(ctx, routeKey(host), "text/plain", []byte(name)); err != nil {
		return target.Placed{}, err
	}
	return target.Placed{ID: name, URL: "https://" + host, Sent: sent}, nil
}

// moveDispatch makes a script answer for the site's host, and for the custom domains that follow it.
func (t *Target) moveDispatch(ctx context.Context, s target.Site, name, id string) (target.Live, error) {
	if !strings.HasPrefix(id, name+"--d") || !names.MatchString(id) {
		return target.Live{}, fault.New(fault.NotFound, "Cloudflare has no script %q of this app. Deploy it again.", id)
	}
	if _, err := t.call(ctx, http.MethodGet, t.namespaced(id), nil, nil); fault.Is(err, fault.NotFound) {
		return target.Live{}, fault.Wrap(err, fault.NotFound, "Cloudflare no longer has this version. Deploy it again.")
	} else if err != nil {
		return target.Live{}, fmt.Errorf("promote %s: %w", id, err)
	}
	if err := t.ensureDispatcher(ctx); err != nil {
		return target.Live{}, err
	}
	hosts, err := t.hostsOf(ctx, name)
	if err != nil {
		return target.Live{}, err
	}
	own := t.host(s)
	for _, host := range append(hosts, own) { // the site's own host last: when it is moved, all are
		if err := t.putObject(ctx, routeKey(host), "text/plain", []byte(id)); err != nil {
			return target.Live{}, fmt.Errorf("promote %s: %w", id, err)
		}
	}
	return target.Live{URL: "https://" + own, Note: fmt.Sprintf("Visitors get this version within %d seconds. The domain needs a proxied DNS record for *.%s.", routeSeconds, t.cfg.Zone)}, nil
}

// routeSeconds is how long the dispatcher keeps what it read, as dispatcher.js has it.
const routeSeconds = 5

// hostsOf returns the custom domains that lead to scripts of a site, which are all hosts outside the zone.
func (t *Target) hostsOf(ctx context.Context, name string) ([]string, error) {
	all, err := t.objects(ctx, "routes/")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range all {
		host := strings.TrimPrefix(o.Key, "routes/")
		if strings.HasSuffix(host, "."+t.cfg.Zone) {
			continue
		}
		id, err := t.route(ctx, host)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(id, name+"--d") {
			out = append(out, host)
		}
	}
	return out, nil
}

// route returns the script that answers for a host, or "".
func (t *Target) route(ctx context.Context, host string) (string, error) {
	s3, err := t.bulkClient(ctx)
	if err != nil {
		return "", err
	}
	timed, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	o, err := s3.client.GetObject(timed, t.cfg.Bucket, routeKey(host), minio.GetObjectOptions{})
	if err != nil {
		return "", t.s3Fault(ctx, "read a route", err)
	}
	defer o.Close()
	b, err := io.ReadAll(io.LimitReader(o, 256))
	switch {
	case err == nil:
		return string(b), nil
	case strings.HasPrefix(minio.ToErrorResponse(err).Code, "NoSuch"):
		return "", nil
	case s3Denied(err):
		return t.routeByREST(ctx, host)
	}
	return "", t.s3Fault(ctx, "read a route", err)
}

// routeByREST reads a route where the S3 API does not take the token. An object's content has no envelope.
func (t *Target) routeByREST(ctx context.Context, host string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+t.objectPath(routeKey(host)), nil)
	if err != nil {
		return "", fmt.Errorf("read a route: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+t.cfg.Token)
	res, err := t.api.Do(req)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read a route: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 256))
	return string(b), err
}

// copyRoute makes a host answer as another one does.
func (t *Target) copyRoute(ctx context.Context, from, to string) error {
	id, err := t.route(ctx, from)
	if err != nil {
		return err
	}
	if id == "" {
		return fault.New(fault.Conflict, "The app is not published yet. Publish it before you give it a domain.")
	}
	return t.putObject(ctx, routeKey(to), "text/plain", []byte(id))
}

// ensureDispatcher uploads the dispatcher, once for each process and whenever its source has changed, and leads all hosts of
// the zone to it.
func (t *Target) ensureDispatcher(ctx context.Context) error {
	t.mu.Lock()
	known := t.router
	t.mu.Unlock()
	if known {
		return nil
	}
	if err := t.ensureBucket(ctx); err != nil { // the routes lie there
		return err
	}
	zone, err := t.zone(ctx)
	if err != nil {
		return err
	}
	body, err := form(metadata{
		MainModule: plan.Main, CompatibilityDate: CompatibilityDate,
		Bindings: []binding{
			{Type: "dispatch_namespace", Name: "APPS", Namespace: t.cfg.Namespace},
			{Type: "r2_bucket", Name: bindBucket, BucketName: t.cfg.Bucket},
		},
	}, dispatcherScript, nil)
	if err != nil {
		return err
	}
	if _, err := t.call(ctx, http.MethodPut, t.account("/workers/scripts/%s", t.dispatcher()), body, nil); err != nil {
		return fmt.Errorf("upload the dispatcher: %w", err)
	}
	if err := t.leadZone(ctx, zone); err != nil {
		return err
	}
	t.mu.Lock()
	t.router = true
	t.mu.Unlock()
	return nil
}

// leadZone leads *.zone to the dispatcher. A route that leads elsewhere is somebody's, and left alone.
func (t *Target) leadZone(ctx context.Context, zone string) error {
	pattern := "*." + t.cfg.Zone + "/*"
	list := workers.RouteListParams{}
	set(&list.ZoneID.Value, &list.ZoneID.Present, zone)
	page, err := t.routes.List(ctx, list)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range page.Result {
		if r.Pattern == pattern && r.Script != t.dispatcher() {
			return fault.New(fault.Conflict, "The route %s already leads to the Worker %q. Remove it in the dashboard first.", pattern, r.Script)
		}
		if r.Pattern == pattern {
			return nil
		}
	}
	put := workers.RouteNewParams{}
	set(&put.ZoneID.Value, &put.ZoneID.Present, zone)
	set(&put.Pattern.Value, &put.Pattern.Present, pattern)
	set(&put.Script.Value, &put.Script.Present, t.dispatcher())
	_, err = t.routes.New(ctx, put)
	var api *apiError
	if errors.As(err, &api) && api.Code == codeRouteExists { // a reply was lost
		return nil
	}
	if err != nil {
		return fmt.Errorf("lead %s to the dispatcher: %w", pattern, err)
	}
	return nil
}

// liveScript returns the script in the namespace that answers for a site; "" before the first Promote.
func (t *Target) liveScript(ctx context.Context, s target.Site) (string, error) {
	id, err := t.route(ctx, t.host(s))
	if err == nil && id != "" && !names.MatchString(id) {
		return "", fmt.Errorf("the route of %s names %q", t.host(s), id)
	}
	return id, err
}
