package main

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"overskill/internal/deploy/cloudflare"
	site "overskill/internal/deploy/local"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/deploy/workerd"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
	"overskill/internal/release"
	"overskill/internal/toolchain"
)

// releases shows the store to the local site: what is live where, who may open it, and what answers when it is not the
// site itself.
type releases struct {
	store   *store.Store
	key     secret.Key
	workers *workerd.Target // nil where there is no runtime
}

func (r releases) Current(ctx context.Context, slug string, env model.Environment) (site.Release, error) {
	return r.release(r.store.CurrentRelease(ctx, slug, env))
}

func (r releases) ByVersion(ctx context.Context, slug string, versionID int64) (site.Release, error) {
	return r.release(r.store.CandidateRelease(ctx, slug, versionID))
}

func (r releases) ByDeployment(ctx context.Context, slug string, deploymentID int64) (site.Release, error) {
	return r.release(r.store.DeploymentRelease(ctx, slug, deploymentID))
}

func (r releases) Domain(ctx context.Context, name string) (site.Release, error) {
	return r.release(r.store.DomainRelease(ctx, name))
}

func (r releases) release(row store.Released, err error) (site.Release, error) {
	out := site.Release{
		AppID: row.AppID, VersionID: row.VersionID, DeploymentID: row.DeploymentID, Slug: row.Slug, Version: row.Number, Hash: row.ContentHash,
		Environment: row.Environment,
		Access:      release.Rule(r.key, row.AppID, row.Environment, row.AccessMode, row.PasswordHash, row.AccessEpoch),
	}
	if err != nil {
		return out, err
	}
	at := target.Site{TeamID: row.TeamID, AppID: row.AppID, Slug: row.Slug, Environment: row.Environment}
	switch row.Target {
	case model.TargetWorkerd:
		if r.workers == nil {
			return out, fault.New(fault.Unavailable, "workerd is not available on this server.")
		}
		out.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.workers.ServePlaced(w, req, at, row.PlacedID) })
	case model.TargetCloudflare:
		out.Elsewhere = true
		out.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, strings.TrimSuffix(row.URL, "/")+req.URL.RequestURI(), http.StatusTemporaryRedirect)
		})
	}
	return out, nil
}

// functions runs the server code of apps that this server serves itself.
type functions struct {
	run      *workerd.Runtime
	bindings func(ctx context.Context, appID int64, env model.Environment) (vars, secrets map[string]string, err error)
	data     func(appID int64) http.Handler

	mu     sync.Mutex
	recent map[string]binding // by app and environment
}

// binding is what server code is given. It is asked for again after a moment, so that a changed secret counts.
type binding struct {
	vars, secrets map[string]string
	until         time.Time
}

const bindingFor = 2 * time.Second

func appName(appID int64, env string) string { return strconv.FormatInt(appID, 10) + "/" + env }

func (f *functions) handler(rel site.Release, code site.ServerCode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := f.binding(r.Context(), rel.AppID, rel.Environment)
		if err == nil {
			var module []byte
			if module, err = code.Bytes(); err == nil {
				f.serve(w, r, rel, workerd.Code{
					Modules: []plan.Module{{Name: plan.ServerModule, Type: plan.TypeModule, Content: module}}, Vars: b.vars, Secrets: b.secrets,
				})
				return
			}
		}
		http.Error(w, `{"error":"The app's server code cannot be run right now."}`, http.StatusServiceUnavailable)
	})
}

func (f *functions) serve(w http.ResponseWriter, r *http.Request, rel site.Release, code workerd.Code) {
	name := appName(rel.AppID, string(rel.Environment))
	if rel.DeploymentID == 0 && rel.Environment == model.Production {
		name += "/candidate"
	}
	f.run.Serve(w, r, workerd.App{
		Name: name, Key: code.Key(), Data: f.data(rel.AppID),
		Load: func(context.Context) (workerd.Code, error) { return code, nil },
	})
}

func (f *functions) binding(ctx context.Context, appID int64, env model.Environment) (binding, error) {
	name := appName(appID, string(env))
	now := time.Now()
	f.mu.Lock()
	b, ok := f.recent[name]
	f.mu.Unlock()
	if ok && now.Before(b.until) {
		return b, nil
	}
	vars, secrets, err := f.bindings(ctx, appID, env)
	if err != nil {
		return b, err
	}
	vars["SUPABASE_URL"] = workerd.DataURL
	b = binding{vars, secrets, now.Add(bindingFor)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.recent) > 1000 { // apps that nobody asks for any more
		clear(f.recent)
	}
	f.recent[name] = b
	return b, nil
}

// localSite is this server's site as a place to publish to.
type localSite struct {
	*site.Server
	run *workerd.Runtime
}

func (l localSite) Logs(appID int64, env string, since time.Time) []target.Line {
	return l.run.Logs(appName(appID, env), since)
}

// cloudflareTarget shows an account to the release room.
type cloudflareTarget struct{ *cloudflare.Target }

func (t cloudflareTarget) Attach(ctx context.Context, s target.Site, host string) (string, error) {
	d, err := t.AttachDomain(ctx, s, host)
	return d.Detail, err
}

func (t cloudflareTarget) Detach(ctx context.Context, s target.Site, host string) error {
	return t.DetachDomain(ctx, s, host)
}

// accounts of Cloudflare, one target for each configuration, so that what a target has learned of its account is kept.
type cloudflareAccounts struct {
	redis      redis.Scripter
	api        string // "" is Cloudflare's own
	s3         string
	workersDev string
	dataOrigin func(slug string) string
	log        *slog.Logger

	mu    sync.Mutex
	known map[cloudflareKey]target.Target
}

type cloudflareKey struct{ token, account, mode, namespace, bucket, zone string }

func (c *cloudflareAccounts) target(row model.DeployTarget, token string) (target.Target, error) {
	key := cloudflareKey{token, row.AccountID, row.Mode, row.Namespace, row.Bucket, row.Zone}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.known[key]; ok {
		return t, nil
	}
	t, err := cloudflare.New(cloudflare.Config{
		Token: token, AccountID: row.AccountID, Mode: row.Mode, Namespace: row.Namespace, Bucket: row.Bucket, Zone: row.Zone,
		BaseURL: c.api, S3Endpoint: c.s3, WorkersDev: c.workersDev, DataOrigin: c.dataOrigin,
		Limiter: cloudflare.NewRedisLimiter(c.redis, row.AccountID, c.log), Log: c.log,
	})
	if err != nil {
		return nil, err
	}
	if len(c.known) > 100 { // tokens that were replaced
		clear(c.known)
	}
	c.known[key] = cloudflareTarget{t}
	return c.known[key], nil
}

func cloudflarePermissions() []string {
	var out []string
	for _, p := range cloudflare.Permissions {
		text := p.String() + ": " + p.Why
		if p.When != "" {
			text += " (" + p.When + ")"
		}
		out = append(out, text)
	}
	return out
}

// placed shows the store to the workerd target.
type placed struct{ store *store.Store }

func (p placed) Current(ctx context.Context, s target.Site) (string, error) {
	d, err := p.store.CurrentDeployment(ctx, s.AppID, s.Environment)
	return d.PlacedID, err
}

// openWorkerd prepares Cloudflare's runtime. Nothing is downloaded before an app needs it.
func openWorkerd(c config, tools *toolchain.Toolchain, log *slog.Logger) (*workerd.Runtime, error) {
	return workerd.New(workerd.Config{
		Dir: filepath.Join(c.dataDir, "workerd"), Log: log,
		Package: func(ctx context.Context, name, version, integrity string) (string, error) {
			return tools.Package(ctx, name, version, integrity, func(model.LogLevel, string) {})
		},
	})
}
