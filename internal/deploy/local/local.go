// Package local serves deployed apps from this machine, as the Worker of their plan would serve them: the same
// routes, the same headers, the same endpoints. With it the builder needs no account anywhere.
//
// On disk there are two folders: blobs, with every asset once, named by its sha256, and plans, with one small
// manifest for each plan, named by the plan's hash. Which plan is live where is not written here: the Store knows,
// so that moving a preview is one row in the database, on every machine at once.
//
// The address in the request's Host decides what answers:
//
//	preview-<slug>.<base>                 the preview
//	<slug>.<base>                         the published app
//	v<version>--preview-<slug>.<base>     one version, whether or not it is live
//	d<deployment>--<slug>.<base>          one deployment to production, before it is what <slug>.<base> shows
//	www.example.org                       the published app, at a domain of its owner's
//
// A request then takes the way that it takes through the Worker: /_health; whoever may not open the site (package
// access); the app's data; its server code, which Config.Functions runs; its files.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Store says which plan is live where. Its methods return a NotFound fault when there is nothing to serve.
type Store interface {
	// Current returns what an app's address shows now.
	Current(ctx context.Context, slug string, env model.Environment) (Release, error)
	// ByVersion returns one version that was put, whether or not it is live.
	ByVersion(ctx context.Context, slug string, versionID int64) (Release, error)
	// ByDeployment returns one deployment to production that was put, whether or not it is live.
	ByDeployment(ctx context.Context, slug string, deploymentID int64) (Release, error)
	// Domain returns what a domain of an app's owner shows: lower case, without a port. Only a domain that its owner has
	// proven to be theirs counts.
	Domain(ctx context.Context, name string) (Release, error)
}

// Release is one version of an app with the hash of its plan, in an environment.
type Release struct {
	AppID        int64
	VersionID    int64
	DeploymentID int64 // 0: it was never deployed but as a version
	Slug         string
	Version      string            // such as 1.0.4
	Hash         string            // Plan.Hash
	Environment  model.Environment // "" means that of the address
	Access       access.Rule       // who may open it
	// Handler answers in place of the plan, such as a runtime that runs the whole Worker; nil: the plan from disk.
	Handler http.Handler
	// Elsewhere says that the app is live at another place, which decides itself who may open it: Handler leads there, and
	// only the app's data is asked for here, by that place.
	Elsewhere bool
}

// Config is what a Server needs.
type Config struct {
	Dir   string // created if missing; several processes may share it
	Store Store
	// API answers what plan.IsData tells to be for an app's data; nil: it is not found.
	API func(appID int64) http.Handler
	// Functions returns what answers /api/ for a release that has server code. It is called for every such request and
	// must be quick: what takes time is for the handler to do. nil: such requests get 501.
	Functions  func(rel Release, code ServerCode) http.Handler
	BaseDomain string           // "" means "localhost"
	Memory     int64            // bytes of hot assets kept in memory; 0 means 32 MB
	Grace      time.Duration    // how long Sweep spares what was put; 0 means an hour
	Now        func() time.Time // nil means time.Now
	Log        *slog.Logger     // nil: nothing is logged
}

// Server keeps plans on disk and serves them. It is safe for concurrent use and has nothing to close.
type Server struct {
	cfg     Config
	disk    *disk
	hot     *lru[[]byte]    // assets by hash, and compressed ones by hash and coding
	plans   *lru[*manifest] // by plan hash
	domains *lru[held]      // by name
	once    singleflight.Group
	guard   access.Guard
}

// maxHot is the size in bytes above which an asset is streamed from disk instead of kept in memory.
const maxHot = 4 << 20

// storeTimeout bounds the question to the Store that every request asks.
const storeTimeout = 5 * time.Second

// New prepares cfg.Dir and returns a Server over it.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil || cfg.Dir == "" {
		return nil, errors.New("local deployments need a directory and a store")
	}
	if cfg.BaseDomain == "" {
		cfg.BaseDomain = "localhost"
	}
	if cfg.Memory == 0 {
		cfg.Memory = 32 << 20
	}
	if cfg.Grace == 0 {
		cfg.Grace = time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d, err := openDisk(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open deployments: %w", err)
	}
	return &Server{
		cfg: cfg, disk: d, hot: newLRU[[]byte](cfg.Memory), plans: newLRU[*manifest](4 << 20), domains: newLRU[held](maxDomains),
		guard: access.Guard{Now: cfg.Now},
	}, nil
}

// ServeHTTP answers for every app under the base domain, and for their owners' domains.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	addr, ok := ParseHost(r.Host, s.cfg.BaseDomain)
	rel, err := Release{}, fault.New(fault.NotFound, "There is no app at this address.")
	switch {
	case ok:
		rel, err = s.release(r.Context(), addr)
	case s.Holds(r.Host):
		addr.Environment = model.Production
		rel, err = s.domain(r.Context(), nameOf(r.Host))
	}
	switch {
	case fault.Is(err, fault.NotFound) && addr.VersionID == 0 && addr.Environment == model.Preview:
		writePage(w, r, notBuiltPage)
		return
	case fault.Is(err, fault.NotFound):
		writePage(w, r, unknownPage)
		return
	case err != nil:
		if r.Context().Err() == nil {
			s.cfg.Log.ErrorContext(r.Context(), "deployment lookup failed", "host", nameOf(r.Host), "err", err)
		}
		writePage(w, r, unavailablePage)
		return
	}
	if rel.Environment == "" {
		rel.Environment = addr.Environment
	}
	s.serveRelease(w, r, rel)
}

// serveRelease lets through to a release who may open it. Its health is no secret.
func (s *Server) serveRelease(w http.ResponseWriter, r *http.Request, rel Release) {
	if rel.Handler != nil {
		s.hand(rel, r).ServeHTTP(w, r)
		return
	}
	m, err := s.manifest(rel.Hash)
	if err != nil {
		s.cfg.Log.ErrorContext(r.Context(), "deployment cannot be read", "slug", rel.Slug, "version_id", rel.VersionID, "err", err)
		writePage(w, r, unavailablePage)
		return
	}
	v := visit{s: s, rel: rel, manifest: m}
	if isHealth(r) {
		v.serveSite(w, r)
		return
	}
	s.guard.Handler(rel.Access, v).ServeHTTP(w, r)
}

func isHealth(r *http.Request) bool {
	return r.URL.Path == plan.HealthPath && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// hand returns what answers for a release that is not served from its plan.
func (s *Server) hand(rel Release, r *http.Request) http.Handler {
	h := rel.Handler
	if plan.IsData(r.URL.Path) && s.cfg.API != nil {
		h = s.cfg.API(rel.AppID)
	}
	if rel.Elsewhere || isHealth(r) {
		return h
	}
	return s.guard.Handler(rel.Access, h)
}

// Has reports whether a plan was put and can be served.
func (s *Server) Has(hash string) bool {
	_, err := s.manifest(hash)
	return err == nil
}

func (s *Server) release(ctx context.Context, a Address) (Release, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	switch {
	case a.VersionID != 0:
		return s.cfg.Store.ByVersion(ctx, a.Slug, a.VersionID)
	case a.DeploymentID != 0:
		return s.cfg.Store.ByDeployment(ctx, a.Slug, a.DeploymentID)
	}
	return s.cfg.Store.Current(ctx, a.Slug, a.Environment)
}

// Put makes a plan servable: it writes the assets that are not there yet, makes them durable, and writes the
// manifest last. When it fails, or the machine stops halfway, nothing can be served that is not whole. Putting a
// plan again writes nothing. A full disk is an Unavailable fault.
func (s *Server) Put(ctx context.Context, p plan.Plan) error {
	if err := s.put(ctx, p); err != nil {
		if isDiskFull(err) {
			err = fault.Wrap(err, fault.Unavailable, "The disk of this server is full, so the version was not deployed. What was live stays live.")
		}
		return fmt.Errorf("put plan %.12s: %w", p.Hash, err)
	}
	return nil
}

func (s *Server) put(ctx context.Context, p plan.Plan) error {
	unlock, err := s.disk.lock(ctx, shared)
	if err != nil {
		return err
	}
	defer unlock()
	m := manifestOf(p)
	blobs := make([]blob, 0, len(p.Assets)+1)
	for _, a := range p.Assets {
		blobs = append(blobs, blob{name: a.Path, hash: a.Hash, content: a.Content})
	}
	if m.Server != "" {
		blobs = append(blobs, blob{name: plan.ServerModule, hash: m.Server, content: p.Server})
	}
	if err := s.disk.putBlobs(ctx, blobs); err != nil {
		return err
	}
	return s.disk.putManifest(p.Hash, m)
}

// Sweep removes the plans whose hashes keep does not hold, and then the assets that no plan names. It spares what
// was put within the grace period, because the row that will hold it may not be written yet.
func (s *Server) Sweep(ctx context.Context, keep map[string]bool) error {
	unlock, err := s.disk.lock(ctx, exclusive)
	if err != nil {
		return fmt.Errorf("sweep deployments: %w", err)
	}
	defer unlock()
	gone, err := s.disk.sweep(ctx, keep, time.Now().Add(-s.cfg.Grace))
	for _, hash := range gone {
		s.plans.remove(hash)
	}
	if err != nil {
		return fmt.Errorf("sweep deployments: %w", err)
	}
	return nil
}

// manifest returns a plan that was put.
func (s *Server) manifest(hash string) (*manifest, error) {
	if m, ok := s.plans.get(hash); ok {
		return m, nil
	}
	m, size, err := s.disk.manifest(hash)
	if err != nil {
		return nil, err
	}
	m.rules = m.Rules.Matcher()
	s.plans.add(hash, m, 3*size)
	return m, nil
}
