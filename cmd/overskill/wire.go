package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"overskill/handlers"
	appdata "overskill/internal/appdata/local"
	"overskill/internal/builder"
	site "overskill/internal/deploy/local"
	"overskill/internal/deploy/smoke"
	"overskill/internal/deploy/target"
	"overskill/internal/deploy/workerd"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm/composer"
	"overskill/internal/model"
	"overskill/internal/platform/embedded"
	"overskill/internal/platform/events"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
	"overskill/internal/release"
	"overskill/internal/team/account"
	"overskill/internal/team/costs"
	"overskill/internal/team/ledger"
	"overskill/internal/team/providers"
	"overskill/internal/toolchain"
	"overskill/jobs"
	"overskill/templates"
)

// closers are undone in the reverse order of their making.
type closers []func()

func (c *closers) add(fn func()) { *c = append(*c, fn) }

func (c closers) close() {
	for i := len(c) - 1; i >= 0; i-- {
		c[i]()
	}
}

// serve runs until ctx ends or a part that everything needs is gone.
func serve(ctx context.Context, c config, stdout, stderr io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	say := func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) }
	var undo closers
	defer func() { undo.close() }()

	// With a database of its own, the data directory belongs to one process; on a server's, web and worker
	// processes share it.
	var lock *embedded.Lock
	if c.databaseURL == "" {
		if lock, err = embedded.LockDataDir(c.dataDir); err != nil {
			return err
		}
		undo.add(func() { _ = lock.Release() })
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, dbs, err := launch(ctx, c, log, stdout, cancel, &undo)
	if err != nil {
		return err
	}
	if lock != nil {
		err := lock.Announce(embedded.Running{Address: p.baseURL, DatabaseURL: dbs.main, AppsDatabaseURL: dbs.apps})
		if err != nil {
			return err
		}
	}
	if c.web {
		say("OverSkill Builder is ready: %s", p.baseURL)
	} else {
		say("The worker is ready.")
	}
	go p.warm(ctx, say, log)

	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	say("Stopping.")
	return nil
}

// launch starts everything that c asks for. What it started is undone by undo, also after an error; cancel is called
// when a part ends that everything needs.
func launch(ctx context.Context, c config, log *slog.Logger, stdout io.Writer, cancel context.CancelCauseFunc, undo *closers) (*program, databases, error) {
	var listener net.Listener
	var err error
	if c.web {
		if listener, err = net.Listen("tcp", c.addr); err != nil {
			return nil, databases{}, fault.Wrap(err, fault.Conflict, "Cannot listen on %s. Is something else there? Choose another --addr.", c.addr)
		}
		undo.add(func() { _ = listener.Close() })
	}
	tools, err := toolchain.New(toolchain.Config{Dir: c.toolchainDir(), MaxBuilds: c.concurrency, Log: log})
	if err != nil {
		return nil, databases{}, err
	}
	undo.add(func() { _ = tools.Close() })

	dbs, err := openDatabases(ctx, c, tools, stdout, cancel, undo)
	if err != nil {
		return nil, dbs, err
	}
	redisURL, err := openRedis(c, undo)
	if err != nil {
		return nil, dbs, err
	}
	p, err := assemble(ctx, c, tools, dbs, redisURL, listener, log, undo)
	if err != nil {
		return nil, dbs, err
	}
	if dbs.ours {
		if err := p.store.ReleaseJobs(ctx); err != nil { // nobody else can be running them
			return nil, dbs, err
		}
	}
	if c.worker {
		if err := p.startWorker(ctx, c, redisURL, log, undo); err != nil {
			return nil, dbs, err
		}
	}
	if c.web {
		undo.add(startWeb(ctx, p, listener, log, cancel))
	}
	return p, dbs, nil
}

// program is everything that is assembled once and used by web and worker.
type program struct {
	store    *store.Store
	accounts *account.Service
	service  *builder.Service
	runner   *builder.Runner
	releases *release.Service
	workers  *workerd.Target
	ledger   *ledger.Ledger
	models   *providers.Providers
	bus      *events.Bus
	queue    *jobs.Client
	tools    *toolchain.Toolchain
	site     *site.Server
	redis    *redis.Client
	baseURL  string
}

func assemble(ctx context.Context, c config, tools *toolchain.Toolchain, dbs databases, redisURL string, listener net.Listener, log *slog.Logger, undo *closers) (*program, error) {
	p := &program{tools: tools, baseURL: baseURL(c, listener)}
	var err error
	if p.store, err = store.Open(ctx, store.Config{URL: dbs.main}); err != nil {
		return nil, err
	}
	undo.add(func() { _ = p.store.Close() })
	if _, err := p.store.Migrate(ctx); err != nil {
		return nil, err
	}
	key, err := secret.LoadKey(filepath.Join(c.dataDir, "secret.key"))
	if err != nil {
		return nil, err
	}
	data, err := appdata.Open(ctx, appdata.Config{
		AdminURL: dbs.apps, Log: log,
		Secret: func(appID int64) []byte { return key.Derive("app-jwt:"+strconv.FormatInt(appID, 10), 32) },
	})
	if err != nil {
		return nil, err
	}
	undo.add(data.Close)

	opt, err := redis.ParseURL(redisURL)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "REDIS_URL cannot be read.")
	}
	p.redis = redis.NewClient(opt)
	undo.add(func() { _ = p.redis.Close() })
	p.bus = events.New(p.redis)
	undo.add(func() { _ = p.bus.Close() })
	if p.queue, err = jobs.NewClient(redisURL); err != nil {
		return nil, err
	}
	undo.add(func() { _ = p.queue.Close() })

	runtime, err := openWorkerd(c, tools, log)
	if err != nil {
		return nil, err
	}
	undo.add(func() { _ = runtime.Close() })
	addresses := p.addresses(c)
	workers, err := workerd.NewTarget(runtime, workerd.TargetConfig{
		Store: placed{p.store}, Seal: key, Data: func(s target.Site) http.Handler { return data.Handler(s.AppID) },
		URL: func(s target.Site, deploymentID int64) string {
			if deploymentID != 0 {
				return addresses.Deployment(s.Slug, deploymentID)
			}
			return addresses.Public(s.Slug, s.Environment)
		},
	})
	if err != nil {
		return nil, err
	}
	p.workers = workers
	code := &functions{
		run: runtime, data: data.Handler, recent: map[string]binding{},
		bindings: func(ctx context.Context, appID int64, env model.Environment) (map[string]string, map[string]string, error) {
			return p.releases.Bindings(ctx, appID, env)
		},
	}
	p.site, err = site.New(site.Config{
		Dir: filepath.Join(c.dataDir, "deployments"), Store: releases{p.store, key, workers}, API: data.Handler, Functions: code.handler,
		BaseDomain: c.baseDomain, Log: log,
	})
	if err != nil {
		return nil, err
	}
	profiles := "" // of a temporary folder's
	if dbs.ours {
		profiles = filepath.Join(c.dataDir, "browser") // a killed browser's leftovers are found at the next start
	}
	check, err := smoke.New(smoke.Config{
		Chromium: c.chromium, Own: localAddress(p.baseURL), Dial: dialAddress(c, listener), Profiles: profiles, Log: log,
		Appear: 300 * time.Millisecond, // here promotion is one row: a version shows at once or not at all
	})
	if err != nil {
		return nil, err
	}
	undo.add(func() { _ = check.Close() })

	p.accounts = account.New(p.store, time.Now)
	p.ledger = ledger.New(ledger.Config{Store: p.store, Now: time.Now, Log: log, AbsorbedCapMicros: int64(c.recoveryBudget)})
	p.models = providers.New(providers.Config{
		Store: p.store, Key: key, Environment: c.models, Composer: composer.New(), Meter: meterTests(p.ledger), Now: time.Now, Log: log,
		Detect: localServers,
	})
	if err := p.models.Validate(ctx); err != nil {
		return nil, err
	}
	p.releases = p.newReleases(c, key, data, check, workers, runtime, addresses, log)
	p.service = builder.NewService(builder.ServiceConfig{
		Store: p.store, Queue: p.queue, Bus: p.bus, Log: log, PreviewURL: p.previewURL(c),
		Cleanup: func(ctx context.Context, app model.App) error {
			return errors.Join(p.releases.Forget(ctx, app), data.Drop(ctx, app.ID))
		},
	})
	p.runner = builder.NewRunner(builder.RunnerConfig{
		Store: p.store, Bus: p.bus, Log: log, Tools: tools, Packages: tools, Data: appData{data}, Site: p.site, Verifier: check,
		Foundation: foundation{}, Fill: fill,
		BuildEnv: func(ctx context.Context, appID int64) (map[string]string, error) {
			return p.releases.Build(ctx, appID, model.Preview)
		},
		CheckAccess: func(ctx context.Context, appID int64, address string) (string, error) {
			return p.releases.CheckAccess(ctx, appID, model.Preview, address)
		},
		Models: p.models.Model, Accounts: accounts{p.ledger, p.store, int64(c.turnBudget)},
		PreviewURL:   p.previewURL(c),
		CandidateURL: p.candidateURL(c),
	})
	return p, nil
}

// newReleases assembles what publishes.
func (p *program) newReleases(c config, key secret.Key, data *appdata.Server, check *smoke.Checker, workers *workerd.Target, runtime *workerd.Runtime, addresses release.Addresses, log *slog.Logger) *release.Service {
	accounts := &cloudflareAccounts{
		redis: p.redis, api: c.cloudflareAPI, s3: c.cloudflareS3, workersDev: c.workersDev, log: log, known: map[cloudflareKey]target.Target{},
		dataOrigin: func(slug string) string {
			if !addresses.Reachable {
				return ""
			}
			return strings.TrimSuffix(addresses.Public(slug, model.Production), "/")
		},
	}
	return release.New(release.Config{
		Store: p.store, Key: key, Queue: p.queue, Tools: p.tools, Verifier: check, Addresses: addresses, Resolver: net.DefaultResolver, Log: log,
		Keys: func(appID int64) (anon, service string, err error) {
			keys, err := data.Keys(appID)
			return keys.Anon, keys.Service, err
		},
		Places: release.Places{
			Local: release.NewLocal(localSite{p.site, runtime}, addresses), Workerd: workers,
			Cloudflare: accounts.target, Permissions: cloudflarePermissions(),
		},
	})
}

// addresses are where apps are.
func (p *program) addresses(c config) release.Addresses {
	return release.Addresses{
		Public: func(slug string, env model.Environment) string { return p.withHost(site.Host(slug, env, c.baseDomain)) },
		Deployment: func(slug string, deploymentID int64) string {
			return p.withHost(site.DeploymentHost(slug, deploymentID, c.baseDomain))
		},
		Host:      func(slug string) string { return site.Host(slug, model.Production, c.baseDomain) },
		Reachable: c.publicURL != "" && c.baseDomain != "localhost",
	}
}

// baseURL is where people find the builder: "localhost" rather than 127.0.0.1, for the apps live below it.
func baseURL(c config, listener net.Listener) string {
	if c.publicURL != "" {
		return c.publicURL
	}
	_, port, _ := net.SplitHostPort(dialAddress(c, listener)) // which is well-formed
	return "http://" + net.JoinHostPort(c.baseDomain, port)
}

func (p *program) previewURL(c config) func(slug string) string {
	return func(slug string) string {
		return p.withHost(site.Host(slug, model.Preview, c.baseDomain))
	}
}

func (p *program) candidateURL(c config) func(slug string, versionID int64) string {
	return func(slug string, versionID int64) string {
		return p.withHost(site.CandidateHost(slug, versionID, c.baseDomain))
	}
}

// withHost is the base URL with another host and the same port.
func (p *program) withHost(host string) string {
	u, err := url.Parse(p.baseURL)
	if err != nil {
		return "http://" + host + "/"
	}
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	return u.Scheme + "://" + host + "/"
}

// localAddress is the host and port of a base URL that no DNS need know; "" when it is a public one, which is looked at
// through whatever stands in front of it.
func localAddress(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".localhost") {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), or(u.Port(), "80"))
}

// dialAddress is where a web process answers for every app's host name: this one, or the one at --addr.
func dialAddress(c config, listener net.Listener) string {
	addr := c.addr
	if listener != nil {
		addr = listener.Addr().String()
	}
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (p *program) startWorker(ctx context.Context, c config, redisURL string, log *slog.Logger, undo *closers) error {
	server, err := jobs.StartServer(redisURL, c.concurrency, map[string]jobs.Runner{builder.JobKind: p.runner, release.JobKind: release.NewRunner(p.releases)}, log)
	if err != nil {
		return err
	}
	undo.add(server.Stop)
	go jobs.Sweep(ctx, p.store, p.queue, log)
	go p.tidy(ctx, log)
	go p.settle(ctx, log)
	go func() {
		for versionID := range p.bus.SubscribeStops(ctx) {
			p.runner.StopVersion(versionID)
		}
	}()
	return nil
}

// startWeb serves HTTP and returns what stops it. Open event streams end with the context.
func startWeb(ctx context.Context, p *program, listener net.Listener, log *slog.Logger, cancel context.CancelCauseFunc) func() {
	h := handlers.New(handlers.Deps{
		Accounts: p.accounts, Builder: p.service, Models: models{p.models, p.store}, Releases: p.releases, Costs: costs.New(p.store, time.Now), Apps: p.site, AppHost: p.site.Holds, Log: log,
		BaseURL: func(*http.Request) string { return p.baseURL },
		Ready: func(ctx context.Context) error {
			return errors.Join(p.store.Ping(ctx), p.redis.Ping(ctx).Err())
		},
	})
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve: %w", err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
		}
	}
}

// tidy removes deployed files that no address shows or may show again, once an hour.
func (p *program) tidy(ctx context.Context, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Hour):
		}
		keep, err := p.store.DeployedHashes(ctx)
		if err == nil {
			err = p.site.Sweep(ctx, keep)
		}
		placed, placedErr := p.store.PlacedIDs(ctx, model.TargetWorkerd)
		if placedErr == nil {
			placedErr = p.workers.Sweep(ctx, placed)
		}
		if err := errors.Join(err, placedErr); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "tidy deployments", "error", err)
		}
	}
}

// settle ends what killed processes left open in the ledger, now and every few minutes.
func (p *program) settle(ctx context.Context, log *slog.Logger) {
	for {
		if _, err := p.ledger.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "settle open requests", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Minute):
		}
	}
}

// warm fetches what the first app would otherwise wait for, and says so if it takes a while.
func (p *program) warm(ctx context.Context, say func(string, ...any), log *slog.Logger) {
	began := time.Now()
	slow := time.AfterFunc(time.Second, func() { say("Getting the packages of new apps ready (about 21 MB, once).") })
	defer func() {
		if !slow.Stop() && ctx.Err() == nil {
			say("That took %.1f s.", time.Since(began).Seconds())
		}
	}()
	files, err := templates.Foundation(templates.Values{AppName: "App", AppSlug: "app", AppID: 1, TeamID: 1})
	if err != nil {
		log.ErrorContext(ctx, "foundation", "error", err)
		return
	}
	tree, err := filetree.New(files)
	if err != nil {
		log.ErrorContext(ctx, "foundation", "error", err)
		return
	}
	if err := p.tools.Warm(ctx, tree); err != nil && ctx.Err() == nil {
		say("The packages for new apps could not be fetched yet: %s They are fetched when the first app is built.", fault.Text(err))
		log.WarnContext(ctx, "warm up failed", "error", err)
	}
}

func progress(w io.Writer) func(model.LogLevel, string) {
	return func(_ model.LogLevel, text string) { fmt.Fprintln(w, text) }
}
