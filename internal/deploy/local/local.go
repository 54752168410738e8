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
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Store says which plan is live where. Both methods return a NotFound fault when there is nothing to serve.
type Store interface {
	// Current returns what an app's address shows now.
	Current(ctx context.Context, slug string, env model.Environment) (Release, error)
	// ByVersion returns one version that was put, whether or not it is live.
	ByVersion(ctx context.Context, slug string, versionID int64) (Release, error)
}

// Release is one version of an app with the hash of its plan.
type Release struct {
	AppID     int64
	VersionID int64
	Slug      string
	Version   string // such as 1.0.4
	Hash      string // Plan.Hash
}

// Config is what a Server needs.
type Config struct {
	Dir        string                         // created if missing; several processes may share it
	Store      Store                          //
	API        func(appID int64) http.Handler // answers /auth/v1/ and /rest/v1/ of an app; nil: they are not found
	BaseDomain string                         // "" means "localhost"
	Memory     int64                          // bytes of hot assets kept in memory; 0 means 32 MB
	Grace      time.Duration                  // how long Sweep spares what was put; 0 means an hour
	Log        *slog.Logger                   // nil: nothing is logged
}

// Server keeps plans on disk and serves them. It is safe for concurrent use and has nothing to close.
type Server struct {
	cfg   Config
	disk  *disk
	hot   *lru[[]byte]    // assets by hash, and gzipped ones by hash + ".gz"
	plans *lru[*manifest] // by plan hash
	once  singleflight.Group
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
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d, err := openDisk(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open deployments: %w", err)
	}
	return &Server{cfg: cfg, disk: d, hot: newLRU[[]byte](cfg.Memory), plans: newLRU[*manifest](4 << 20)}, nil
}

// ServeHTTP answers for every app under the base domain.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	addr, ok := ParseHost(r.Host, s.cfg.BaseDomain)
	if !ok {
		writePage(w, r, unknownPage)
		return
	}
	rel, err := s.release(r.Context(), addr)
	switch {
	case fault.Is(err, fault.NotFound) && addr.VersionID == 0 && addr.Environment == model.Preview:
		writePage(w, r, notBuiltPage)
		return
	case fault.Is(err, fault.NotFound):
		writePage(w, r, unknownPage)
		return
	case err != nil:
		if r.Context().Err() == nil {
			s.cfg.Log.ErrorContext(r.Context(), "deployment lookup failed", "slug", addr.Slug, "err", err)
		}
		writePage(w, r, unavailablePage)
		return
	}
	if s.cfg.API != nil && isAPI(r.URL.Path) {
		s.cfg.API(rel.AppID).ServeHTTP(w, r)
		return
	}
	s.serveSite(w, r, addr, rel)
}

// Holds reports whether host is under the base domain, and so a request for the Server.
func (s *Server) Holds(host string) bool {
	_, ok := ParseHost(host, s.cfg.BaseDomain)
	return ok
}

func isAPI(path string) bool {
	return strings.HasPrefix(path, "/auth/v1/") || strings.HasPrefix(path, "/rest/v1/")
}

func (s *Server) release(ctx context.Context, a Address) (Release, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if a.VersionID != 0 {
		return s.cfg.Store.ByVersion(ctx, a.Slug, a.VersionID)
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
	if err := s.disk.putBlobs(ctx, p.Assets); err != nil {
		return err
	}
	return s.disk.putManifest(p.Hash, manifestOf(p))
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
	s.plans.add(hash, m, 3*size)
	return m, nil
}
