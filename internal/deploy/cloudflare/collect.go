package cloudflare

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// remove deletes what a path names; what is gone already is no error.
func (t *Target) remove(ctx context.Context, path string) error {
	if _, err := t.call(ctx, http.MethodDelete, path, nil, nil); err != nil && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// Delete takes a site away: first what leads visitors to it, then its scripts, and, when the app's other environment is
// not there either, the app's files. Repeating it finishes what was interrupted.
func (t *Target) Delete(ctx context.Context, s target.Site) error {
	name, err := script(s)
	if err != nil {
		return err
	}
	other := s
	other.Environment = model.Preview
	if s.Environment == model.Preview {
		other.Environment = model.Production
	}
	var shared bool
	if t.cfg.Mode == ModeDispatch {
		shared, err = t.deleteDispatch(ctx, name, ScriptName(other))
	} else {
		shared, err = t.deleteScript(ctx, name, ScriptName(other))
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	if shared {
		return nil // the other environment serves files of the same folder; Collect removes what it does not name
	}
	objects, err := t.objects(ctx, appPrefix(s.AppID))
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return t.deleteObjects(ctx, keysOf(objects))
}

func keysOf(objects []object) []string {
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	return keys
}

// deleteScript removes a Worker and its domains, and reports whether the app's other Worker is there.
func (t *Target) deleteScript(ctx context.Context, name, other string) (shared bool, err error) {
	domains, err := t.attached(ctx, name)
	if err != nil {
		return false, err
	}
	for _, d := range domains {
		if err := t.detach(ctx, d.ID); err != nil {
			return false, err
		}
	}
	if err := t.remove(ctx, t.account("/workers/scripts/%s?force=true", name)); err != nil {
		return false, err
	}
	return t.exists(ctx, other)
}

// deleteDispatch removes the routes and scripts of a site, and reports whether the app's other site has any.
func (t *Target) deleteDispatch(ctx context.Context, name, other string) (shared bool, err error) {
	if err := t.dropRoutes(ctx, func(script string) bool { return !strings.HasPrefix(script, name+"--d") }); err != nil {
		return false, err
	}
	all, err := t.scriptsOf(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if strings.HasPrefix(s, name+"--d") {
			if err := t.remove(ctx, t.namespaced(s)+"?force=true"); err != nil {
				return false, err
			}
		}
		shared = shared || strings.HasPrefix(s, other+"--d")
	}
	return shared, nil
}

// dropRoutes removes the routes to scripts that need not be kept.
func (t *Target) dropRoutes(ctx context.Context, keep func(script string) bool) error {
	routes, err := t.objects(ctx, "routes/")
	if err != nil {
		return err
	}
	var drop []string
	for _, o := range routes {
		script, err := t.route(ctx, strings.TrimPrefix(o.Key, "routes/"))
		if err != nil {
			return err
		}
		if script != "" && ours.MatchString(script) && !keep(script) {
			drop = append(drop, o.Key)
		}
	}
	return t.deleteObjects(ctx, drop)
}

// ours is what the names of our scripts look like.
var ours = regexp.MustCompile(`^os-([0-9]+)-[a-z0-9-]+$`)

// scriptsOf returns the names of the account's scripts that are ours: in mode dispatch those in the namespace.
func (t *Target) scriptsOf(ctx context.Context) ([]string, error) {
	base := t.account("/workers/scripts")
	if t.cfg.Mode == ModeDispatch {
		base = t.account("/workers/dispatch/namespaces/%s/scripts", t.cfg.Namespace)
	}
	var out []string
	for q := (url.Values{}); ; {
		var page []struct {
			ID string `json:"id"`
		}
		path := base
		if len(q) > 0 {
			path += "?" + q.Encode()
		}
		env, err := t.call(ctx, http.MethodGet, path, nil, &page)
		if err != nil {
			return nil, fmt.Errorf("list scripts: %w", err)
		}
		for _, s := range page {
			if ours.MatchString(s.ID) {
				out = append(out, s.ID)
			}
		}
		if env.Info.Cursor == "" || env.Info.Cursor == q.Get("cursor") {
			return out, nil
		}
		q.Set("cursor", env.Info.Cursor)
	}
}

// Keep says what Collect must leave. Both functions get names that are ours only.
type Keep struct {
	// Script reports whether a script is still wanted: os-<app>-<slug>[-preview], in mode dispatch with --d<deployment>.
	Script func(name string) bool
	// Object reports whether an object, apps/<app>/<hash>/<path>, belongs to a release that is placed or on its way.
	Object func(key string) bool
	// Grace protects what is younger: a deployment that has begun may not be known to the caller yet. Scripts have no
	// age in all modes, so Script must know of a deployment before it begins.
	Grace time.Duration
}

// Collected is what Collect removed.
type Collected struct {
	Scripts []string
	Objects []string
}

// Collect removes what no release needs: scripts of ours that keep does not want, with their domains and routes, then
// objects. Scripts and objects that do not look like ours are never touched. It can be repeated, and stops at the
// first error, having removed what it reports.
func (t *Target) Collect(ctx context.Context, keep Keep) (Collected, error) {
	var done Collected
	all, err := t.scriptsOf(ctx)
	if err != nil {
		return done, err
	}
	if t.cfg.Mode == ModeDispatch {
		if err := t.dropRoutes(ctx, keep.Script); err != nil {
			return done, fmt.Errorf("collect routes: %w", err)
		}
	}
	for _, name := range all {
		if keep.Script(name) {
			continue
		}
		if t.cfg.Mode == ModeDispatch {
			err = t.remove(ctx, t.namespaced(name)+"?force=true")
		} else {
			_, err = t.deleteScript(ctx, name, name)
		}
		if err != nil {
			return done, fmt.Errorf("collect %s: %w", name, err)
		}
		done.Scripts = append(done.Scripts, name)
	}
	done.Objects, err = t.collectObjects(ctx, "apps/", keep)
	return done, err
}

// collectObjects removes the objects below a prefix that nobody wants, and returns their keys.
func (t *Target) collectObjects(ctx context.Context, prefix string, keep Keep) ([]string, error) {
	objects, err := t.objects(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("collect objects: %w", err)
	}
	var drop []string
	for _, o := range objects {
		if objectKeys.MatchString(o.Key) && !keep.Object(o.Key) && !o.Modified.After(t.cfg.Now().Add(-keep.Grace)) {
			drop = append(drop, o.Key)
		}
	}
	if err := t.deleteObjects(ctx, drop); err != nil {
		return nil, fmt.Errorf("collect objects: %w", err)
	}
	return drop, nil
}

// tidyGrace protects the files of a deployment that has begun meanwhile.
const tidyGrace = time.Hour

// Tidy removes what old deployments of a site have left: in mode dispatch scripts and their routes (Cloudflare itself
// keeps the last hundred versions of a Worker), in both modes files of the app in the bucket.
func (t *Target) Tidy(ctx context.Context, s target.Site, keep target.Kept) error {
	name, err := script(s)
	if err != nil {
		return err
	}
	if t.cfg.Mode == ModeDispatch {
		if err := t.tidyScripts(ctx, s, name, keep.IDs); err != nil {
			return fmt.Errorf("tidy %s: %w", name, err)
		}
	}
	if t.cfg.Bucket == "" {
		return nil
	}
	_, err = t.collectObjects(ctx, appPrefix(s.AppID), Keep{Object: func(key string) bool { return keep.Objects[key] }, Grace: tidyGrace})
	return err
}

// tidyScripts removes the dispatch scripts of a site that are not kept, each after its route.
func (t *Target) tidyScripts(ctx context.Context, s target.Site, name string, keep map[string]bool) error {
	all, err := t.scriptsOf(ctx)
	if err != nil {
		return err
	}
	for _, id := range all {
		deployment, ok := strings.CutPrefix(id, name+"--")
		if !ok || keep[id] {
			continue
		}
		if err := t.deleteObjects(ctx, []string{routeKey(deployment + "-" + t.host(s))}); err != nil {
			return err
		}
		if err := t.remove(ctx, t.namespaced(id)+"?force=true"); err != nil {
			return err
		}
	}
	return nil
}

var objectKeys = regexp.MustCompile(`^apps/[0-9]+/[0-9a-f]{64}/.+`)

// AppOf returns the app that a script of ours belongs to, for Keep.Script.
func AppOf(script string) (id int64, ok bool) {
	m := ours.FindStringSubmatch(script)
	if m == nil {
		return 0, false
	}
	id, err := strconv.ParseInt(m[1], 10, 64)
	return id, err == nil
}
