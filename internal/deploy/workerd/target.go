package workerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// Store says which release is live where. The database knows, so that moving an address is one row, on every machine at
// once.
type Store interface {
	// Current returns the Placed.ID that a site's address shows, or a NotFound fault when it shows nothing.
	Current(ctx context.Context, s target.Site) (id string, err error)
}

// Sealer keeps secrets on the disk unreadable for whoever has the disk only. Open returns what Seal was given with the
// same associated data, or an error.
type Sealer interface {
	Seal(plain, associated []byte) []byte
	Open(sealed, associated []byte) ([]byte, error)
}

// TargetConfig is what a Target needs besides its Runtime.
type TargetConfig struct {
	Store Store
	Seal  Sealer
	// URL returns the address of one deployment of a site, or with 0 the site's public one.
	URL func(s target.Site, deploymentID int64) string
	// Data returns the data API of an app, which its server code finds at DataURL; nil: apps bring their own.
	Data func(s target.Site) http.Handler
}

// Target has whole apps served by the runtime: the same Worker that Cloudflare would run. The public address stays
// the builder's web server, which decides who may open a site (Release.Access is its concern) and then hands the request
// to ServeSite or ServePlaced.
type Target struct {
	run   *Runtime
	cfg   TargetConfig
	shelf shelf

	mu    sync.Mutex
	known map[string]*placed // by site and id
}

var _ target.Target = (*Target)(nil)

// placed is a release in memory.
type placed struct {
	site     target.Site
	id       string
	manifest *manifest

	mu      sync.Mutex
	secrets fileID // of the file that App was made for
	app     App
}

// fileID tells a file from the one that replaced it.
type fileID struct {
	inode   uint64
	written int64
}

// storeTimeout bounds the question to the Store that every request asks.
const storeTimeout = 5 * time.Second

// NewTarget returns a Target that keeps releases in the Runtime's directory.
func NewTarget(run *Runtime, cfg TargetConfig) (*Target, error) {
	if cfg.Store == nil || cfg.Seal == nil || cfg.URL == nil {
		return nil, errors.New("workerd deployments need a store, a sealer and addresses")
	}
	s, err := openShelf(run.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open workerd's deployments: %w", err)
	}
	return &Target{run: run, cfg: cfg, shelf: s, known: map[string]*placed{}}, nil
}

// Verify reports whether the runtime runs here, and gets it from npm if it is not there yet.
func (t *Target) Verify(ctx context.Context) error { return t.run.Verify(ctx) }

// Deploy writes a release to the disk and proves that its code starts. Code that does not is an Invalid fault that quotes
// the runtime.
func (t *Target) Deploy(ctx context.Context, r target.Release, say target.Progress) (target.Placed, error) {
	if r.Plan.Mode == plan.Assets {
		return target.Placed{}, fault.New(fault.Invalid, "Cloudflare's runtime on this server serves apps whose files travel in the Worker. Choose the mode embed.")
	}
	if len(r.Plan.Hash) < 16 {
		return target.Placed{}, fmt.Errorf("deploy %s: the plan has no hash", r.Slug)
	}
	vars := maps.Clone(r.Vars)
	if vars == nil {
		vars = map[string]string{}
	}
	if t.cfg.Data != nil {
		vars[dataBinding] = DataURL
		if vars["SUPABASE_URL"] == "" {
			vars["SUPABASE_URL"] = DataURL
		}
	}
	if err := WorkerCode(r.Plan, vars, r.Secrets).check(); err != nil {
		return target.Placed{}, err
	}
	id := fmt.Sprintf("%.16s-%d", r.Plan.Hash, r.DeploymentID)
	sent, err := t.put(ctx, r, id, vars)
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = fault.Wrap(err, fault.Unavailable, "The disk of this server is full, so the version was not deployed. What was live stays live.")
		}
		return target.Placed{}, fmt.Errorf("deploy %s: %w", r.Slug, err)
	}
	p, err := t.placed(r.Site, id)
	if err != nil {
		return target.Placed{}, err
	}
	app, err := t.app(p)
	if err != nil {
		return target.Placed{}, err
	}
	start := time.Now()
	if err := t.run.Prepare(ctx, app); err != nil {
		return target.Placed{}, fmt.Errorf("deploy %s: %w", r.Slug, err)
	}
	say("info", fmt.Sprintf("The Worker started in Cloudflare's runtime (%s) within %d ms.", Version, time.Since(start).Milliseconds()))
	return target.Placed{ID: id, URL: t.cfg.URL(r.Site, r.DeploymentID), Bytes: r.Plan.WorkerBytes, Sent: sent}, nil
}

func (t *Target) put(ctx context.Context, r target.Release, id string, vars map[string]string) (int64, error) {
	unlock, err := t.shelf.lock(ctx, shared)
	if err != nil {
		return 0, err
	}
	defer unlock()
	m, sent, err := t.shelf.put(ctx, r.Plan, vars)
	if err != nil {
		return 0, err
	}
	sealed, err := t.seal(r.Site, id, r.Secrets)
	if err != nil {
		return 0, err
	}
	if err := t.shelf.putManifest(r.Site, id, m, sealed); err != nil {
		return 0, err
	}
	t.mu.Lock()
	delete(t.known, siteName(r.Site)+"/"+id) // it may have been deployed before, with other variables
	t.mu.Unlock()
	return sent, nil
}

func associated(s target.Site, id string) []byte {
	return []byte("workerd secrets " + siteName(s) + "/" + id)
}

func (t *Target) seal(s target.Site, id string, secrets map[string]string) ([]byte, error) {
	b, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	return t.cfg.Seal.Seal(b, associated(s, id)), nil
}

// placed returns a release of a site, or a NotFound fault.
func (t *Target) placed(s target.Site, id string) (*placed, error) {
	key := siteName(s) + "/" + id
	t.mu.Lock()
	p := t.known[key]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	m, err := t.shelf.manifest(s, id)
	if err != nil {
		return nil, err
	}
	p = &placed{site: s, id: id, manifest: m}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= 1000 { // forgetting costs a read each
		clear(t.known)
	}
	t.known[key] = p
	return p, nil
}

// app returns what to run for a release. Secrets may have been set by another process of ours, so their file is looked
// at each time: a new one is another Key, and so another process.
func (t *Target) app(p *placed) (App, error) {
	st, err := os.Stat(t.shelf.secretsPath(p.site, p.id))
	if errors.Is(err, fs.ErrNotExist) {
		return App{}, fault.New(fault.NotFound, "That version is not on this server any more. Publish it again.")
	}
	if err != nil {
		return App{}, err
	}
	now := fileID{written: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		now.inode = sys.Ino
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.app.Load != nil && p.secrets == now {
		return p.app, nil
	}
	p.secrets = now
	p.app = App{
		Name:  siteName(p.site),
		Key:   fmt.Sprintf("%s/%s/%d-%d", siteName(p.site), p.id, now.inode, now.written),
		Load:  func(context.Context) (Code, error) { return t.load(p) },
		Files: func(key string) (Object, error) { return t.shelf.open(p.manifest, key) },
	}
	if t.cfg.Data != nil {
		p.app.Data = t.cfg.Data(p.site)
	}
	return p.app, nil
}

// load reads the code of a release from the disk.
func (t *Target) load(p *placed) (Code, error) {
	c := Code{Main: plan.Main, Vars: p.manifest.Vars}
	for _, m := range p.manifest.Modules {
		content, err := os.ReadFile(t.shelf.blobPath(m.Blob))
		if err != nil {
			return Code{}, err
		}
		c.Modules = append(c.Modules, plan.Module{Name: m.Name, Type: m.Type, Content: content})
	}
	sealed, err := os.ReadFile(t.shelf.secretsPath(p.site, p.id))
	if err != nil {
		return Code{}, err
	}
	plain, err := t.cfg.Seal.Open(sealed, associated(p.site, p.id))
	if err != nil {
		return Code{}, fmt.Errorf("open the secrets of %s: %w", p.id, err)
	}
	return c, json.Unmarshal(plain, &c.Secrets)
}

// ServeSite answers a request to a site's public address. It reports false, and has written nothing, when the site shows
// nothing here.
func (t *Target) ServeSite(w http.ResponseWriter, r *http.Request, s target.Site) bool {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	id, err := t.cfg.Store.Current(ctx, s)
	cancel()
	if err != nil {
		return t.refuse(w, r, s, err)
	}
	return t.ServePlaced(w, r, s, id)
}

// ServePlaced answers a request to the own address of a release. It reports false, and has written nothing, when the
// release is not here.
func (t *Target) ServePlaced(w http.ResponseWriter, r *http.Request, s target.Site, id string) bool {
	p, err := t.placed(s, id)
	if err != nil {
		return t.refuse(w, r, s, err)
	}
	app, err := t.app(p)
	if err != nil {
		return t.refuse(w, r, s, err)
	}
	t.run.Serve(w, r, app)
	return true
}

func (t *Target) refuse(w http.ResponseWriter, r *http.Request, s target.Site, err error) bool {
	if fault.Is(err, fault.NotFound) {
		return false
	}
	if r.Context().Err() == nil {
		t.run.cfg.Log.ErrorContext(r.Context(), "deployment cannot be served", "slug", s.Slug, "err", err)
		writeError(w, r, fault.Wrap(err, fault.Unavailable, "The app cannot be read at the moment. Try again."))
	}
	return true
}

// SetSecrets replaces the secrets of what is live. Requests that are under way end with the old ones; every later one, in
// any process of ours, is answered with the new.
func (t *Target) SetSecrets(ctx context.Context, s target.Site, secrets map[string]string) (string, error) {
	id, err := t.cfg.Store.Current(ctx, s)
	if err != nil {
		return "", err
	}
	p, err := t.placed(s, id)
	if err != nil {
		return "", err
	}
	c := Code{Modules: []plan.Module{{Name: plan.ServerModule, Type: plan.TypeModule}}, Vars: p.manifest.Vars, Secrets: secrets}
	if err := c.check(); err != nil {
		return "", err
	}
	unlock, err := t.shelf.lock(ctx, shared)
	if err != nil {
		return "", fmt.Errorf("set the secrets of %s: %w", s.Slug, err)
	}
	defer unlock()
	sealed, err := t.seal(s, id, secrets)
	if err == nil {
		err = t.shelf.write(t.shelf.secretsPath(s, id), sealed)
	}
	if err != nil {
		return "", fmt.Errorf("set the secrets of %s: %w", s.Slug, err)
	}
	return "", nil
}

// Promote reports where the site is live. The address moves with the Store's row, which is the caller's; Promote makes
// sure that what the row will name is whole.
func (t *Target) Promote(_ context.Context, s target.Site, id string) (target.Live, error) {
	m, err := t.shelf.manifest(s, id)
	if err != nil {
		return target.Live{}, err
	}
	if err := t.shelf.complete(s, id, m); err != nil {
		return target.Live{}, fault.Wrap(err, fault.NotFound, "That version is not complete on this server any more. Publish it again.")
	}
	return target.Live{URL: t.cfg.URL(s, 0)}, nil
}

// Rollback is Promote: a release stays on the disk until it is swept.
func (t *Target) Rollback(ctx context.Context, s target.Site, id string) (target.Live, error) {
	return t.Promote(ctx, s, id)
}

// Delete removes all releases of a site, their secrets, their processes here, and the files that nothing else needs.
func (t *Target) Delete(ctx context.Context, s target.Site) error {
	unlock, err := t.shelf.lock(ctx, exclusive)
	if err != nil {
		return fmt.Errorf("delete %s: %w", s.Slug, err)
	}
	defer unlock()
	if err := os.RemoveAll(t.shelf.siteDir(s)); err != nil {
		return fmt.Errorf("delete %s: %w", s.Slug, err)
	}
	t.forget()
	t.run.Forget(siteName(s))
	if err := t.shelf.sweep(ctx, func(string) bool { return true }, time.Time{}); err != nil {
		return fmt.Errorf("delete %s: %w", s.Slug, err)
	}
	return nil
}

// Sweep removes the releases whose ids keep does not hold, and then what nothing needs. It spares what was placed within
// the last hour, because the row that will hold its id may not be written yet.
func (t *Target) Sweep(ctx context.Context, keep map[string]bool) error {
	unlock, err := t.shelf.lock(ctx, exclusive)
	if err != nil {
		return fmt.Errorf("sweep workerd's deployments: %w", err)
	}
	defer unlock()
	t.forget()
	if err := t.shelf.sweep(ctx, func(id string) bool { return keep[id] }, time.Now().Add(-time.Hour)); err != nil {
		return fmt.Errorf("sweep workerd's deployments: %w", err)
	}
	return nil
}

func (t *Target) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.known)
}

// Logs returns what the server code of a site wrote since a time, as far as this process of ours ran it.
func (t *Target) Logs(_ context.Context, s target.Site, since time.Time) ([]target.Line, error) {
	return t.run.Logs(siteName(s), since), nil
}
