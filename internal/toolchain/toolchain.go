// Package toolchain turns an app's files into a site that a browser can load, without Node.
//
// An app is a Vite project: package.json and package-lock.json name its packages, index.html is its entry,
// src/ its code, Tailwind its styles. What must not run in a browser is in worker/, and becomes a module for Cloudflare's
// runtime (server.go). The four crafts live in the folders below and know nothing of each other:
//
//   - npm/ resolves, downloads, verifies and lays out packages.
//   - tailwind/ compiles stylesheets with the app's own version of Tailwind.
//   - bundle/ makes scripts, styles and index.html with esbuild.
//   - typecheck/ runs the app's own version of TypeScript.
//
// Toolchain joins them. Everything that it keeps on disk lies under one folder, can be deleted at any time, and
// may be shared by several processes; nothing in it belongs to an app.
package toolchain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/toolchain/bundle"
	"overskill/internal/toolchain/npm"
	"overskill/internal/toolchain/tailwind"
)

// Config says where a Toolchain works and how much at once.
type Config struct {
	Dir          string        // cache root: packages, trees, compiled things
	MaxBuilds    int           // bundles made at the same time, about 300 MB each; default 1
	Log          *slog.Logger  // default: nothing is logged
	ExtraCACerts string        // a PEM file of further certificate authorities, as NODE_EXTRA_CA_CERTS; may be ""
	Idle         time.Duration // unused compilers are freed after this; default a minute
	Patience     npm.Patience  // with the package registry
}

// Toolchain is safe for concurrent use.
type Toolchain struct {
	dir    string
	temp   string
	log    *slog.Logger
	store  *npm.Store
	audits *npm.Auditor
	styles *tailwind.Pool
	vendor *bundle.Vendor
	slots  chan struct{} // one per build that may run
	idle   time.Duration
	rest   *time.Timer // runs out when nobody has built for a while
}

// Progress receives one line of the live log. It may be called from several goroutines, and may be nil.
type Progress func(level model.LogLevel, text string)

func (p Progress) info(format string, args ...any) {
	if p != nil {
		p(model.LogInfo, fmt.Sprintf(format, args...))
	}
}

func (p Progress) warn(format string, args ...any) {
	if p != nil {
		p(model.LogWarn, fmt.Sprintf(format, args...))
	}
}

// New opens the cache and reads npm's configuration. It needs no network.
func New(cfg Config) (*Toolchain, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	transport, err := newTransport(cfg.ExtraCACerts)
	if err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	temp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // esbuild reports real paths, and so must we
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	registry, err := npm.NewRegistry(dir, transport, cfg.Patience)
	if err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	store, err := npm.OpenStore(dir, registry, npm.Host())
	if err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	if cfg.Idle <= 0 {
		cfg.Idle = time.Minute
	}
	t := &Toolchain{
		dir: dir, temp: temp, log: cfg.Log, store: store, audits: npm.NewAuditor(registry),
		styles: tailwind.NewPool(cfg.Idle), vendor: bundle.NewVendor(filepath.Join(dir, "vendor")),
		slots: make(chan struct{}, max(1, cfg.MaxBuilds)), idle: cfg.Idle,
	}
	// A build leaves hundreds of megabytes of garbage, which Go's runtime would give back only slowly.
	t.rest = time.AfterFunc(time.Hour, debug.FreeOSMemory)
	t.rest.Stop()
	return t, nil
}

// newTransport is the standard transport, proxies from the environment included, with further authorities.
func newTransport(extraCACerts string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if extraCACerts == "" {
		return t, nil
	}
	pem, err := os.ReadFile(extraCACerts)
	if err != nil {
		return nil, fmt.Errorf("read the extra CA certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file of extra CA certificates holds none")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// acquire waits for a place to build in.
func (t *Toolchain) acquire(ctx context.Context) (release func(), err error) {
	select {
	case t.slots <- struct{}{}:
		t.rest.Stop()
		return func() {
			<-t.slots
			t.rest.Reset(t.idle + time.Second) // the compilers have been freed by then
		}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Package downloads one npm package, verifies it and returns its read-only folder. integrity must hold a sha512.
// File modes are kept: what was executable is. Errors are faults: Unavailable, NotFound, Invalid.
func (t *Toolchain) Package(ctx context.Context, name, version, integrity string, p Progress) (string, error) {
	start := time.Now()
	var got int64
	dir, err := t.store.Package(ctx, npm.Item{Name: name, Version: version, Integrity: integrity}, func(n int64) { got += n })
	if err == nil && got > 0 {
		p.info("Downloaded %s %s, %.1f MB in %s", name, version, float64(got)/1e6, round(time.Since(start)))
	}
	return dir, machinery(err, "get the package "+name)
}

// Close frees the compilers. The cache on disk stays.
func (t *Toolchain) Close() error {
	t.rest.Stop()
	t.styles.Close()
	return nil
}

// machinery gives an error that is nobody's mistake in the app a kind, unless it has one.
func machinery(err error, doing string) error {
	switch {
	case err == nil, fault.KindOf(err) != fault.Internal:
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fault.Wrap(fmt.Errorf("%s: %w", doing, err), fault.Internal, "The build machinery failed. Nothing of yours was lost; try again.")
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
