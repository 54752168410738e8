package workerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/netguard"
)

// DataURL is where server code finds the app's own data API: the value for SUPABASE_URL. The name exists only inside a
// process, where App.Data answers for it.
const DataURL = "http://" + dataHost

const dataHost = "data.internal"

// CompatibilityDate is the behaviour of the Workers platform that apps are run with.
const CompatibilityDate = "2026-11-01"

// Config is what a Runtime needs. Only Dir and Package must be set.
type Config struct {
	// Dir holds the processes' folders, and what a Target places. It is created if missing and may be shared with
	// other processes of ours. It must be short enough for Unix sockets: about 70 bytes.
	Dir string
	// Package returns the folder of an npm package after verifying its integrity ("sha512-..."), downloading it when
	// it is not there yet.
	Package func(ctx context.Context, name, version, integrity string) (dir string, err error)

	MaxProcesses int           // 0 means 32
	Idle         time.Duration // how long a process may wait for a request before it ends; 0 means 5 minutes
	// Memory is how much private memory a process may have, in bytes; 0 means 384 MB. A busy app needs more than its
	// heap of 128 MB: the engine lets the heap fill with garbage before it collects, and the files that travel in the
	// Worker lie beside it.
	Memory   int64
	Watchdog time.Duration // how long a process may not answer before it is killed; 0 means 5 s
	Log      *slog.Logger  // nil: nothing is logged
}

// App is what Serve runs. Two Apps with the same Key must be the same in everything else.
type App struct {
	// Name is the address that the app answers, such as "7/production". Logs are kept under it, and of several Keys
	// under one Name those that are not asked for end soon.
	Name string
	// Key names everything that runs: code, variables and secrets. Code.Key makes one.
	Key string
	// Load returns the code when a process is started, which may be again and again.
	Load func(ctx context.Context) (Code, error)
	// Data answers at DataURL; nil: nothing does. Its requests come from the app's server code, as trusted as that.
	Data http.Handler
	// Files opens an object of env.BUCKET by its key; an error that wraps fs.ErrNotExist means that there is none. nil:
	// the bucket is empty. The bucket can only be read.
	Files func(key string) (Object, error)
}

// Object is the content of a file.
type Object struct {
	Body io.ReadSeekCloser
	Size int64
	Hash string // names the content; it becomes the ETag
}

// Code is a Worker.
type Code struct {
	// Main is the name of the module in Modules that exports fetch by default; "" when there is none and server.js, a
	// module that exports handle(request, env, ctx), is to be run alone.
	Main    string
	Modules []plan.Module
	Vars    map[string]string // bindings, as are Secrets; a name in both is the secret
	Secrets map[string]string
}

// Runtime runs apps. It is safe for concurrent use; Close ends all its processes.
type Runtime struct {
	cfg     Config
	run     *runDir
	out     *guard
	control controlFunc // a seam for tests, which have no public internet

	binMu  sync.Mutex
	binary string // "" until the package is there

	mu     sync.Mutex
	slots  map[string]*slot // by App.Key
	logs   map[string]*ring // by App.Name
	closed bool
	serial int

	background sync.WaitGroup
	stopReaper chan struct{}
}

// controlFunc decides about an address just before it is connected to, as net.Dialer.ControlContext does.
type controlFunc func(ctx context.Context, network, address string, c syscall.RawConn) error

// New prepares cfg.Dir and returns a Runtime. Nothing is downloaded or started yet.
func New(cfg Config) (*Runtime, error) {
	if cfg.Dir == "" || cfg.Package == nil {
		return nil, errors.New("workerd needs a directory and a source of packages")
	}
	if cfg.MaxProcesses <= 0 {
		cfg.MaxProcesses = 32
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 5 * time.Minute
	}
	if cfg.Memory <= 0 {
		cfg.Memory = 384 << 20
	}
	if cfg.Watchdog <= 0 {
		cfg.Watchdog = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open workerd's directory: %w", err)
	}
	cfg.Dir = dir
	run, err := openRunDir(filepath.Join(dir, "run"))
	if err != nil {
		return nil, fmt.Errorf("open workerd's directory: %w", err)
	}
	r := &Runtime{
		cfg: cfg, run: run, control: netguard.PublicOnly,
		slots: map[string]*slot{}, logs: map[string]*ring{}, stopReaper: make(chan struct{}),
	}
	r.out = newGuard(func(ctx context.Context, network, address string, c syscall.RawConn) error {
		return r.control(ctx, network, address, c)
	})
	r.background.Go(r.reap)
	return r, nil
}

// Close ends all processes at once and waits for them.
func (r *Runtime) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	close(r.stopReaper)
	for key, s := range r.slots {
		if s.proc != nil {
			s.proc.kill(causeStopped)
		}
		delete(r.slots, key)
	}
	r.mu.Unlock()
	r.background.Wait()
	r.out.close()
	return r.run.remove()
}

// Logs returns what the server code behind a name wrote after a time, the oldest first. The last 1,000 lines are kept,
// in the memory of this process of ours: another one that serves the same app has its own.
func (r *Runtime) Logs(name string, since time.Time) []target.Line {
	r.mu.Lock()
	l := r.logs[name]
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.since(since)
}

// ring returns the log of a name, which it makes. The caller holds r.mu.
func (r *Runtime) ring(name string) *ring {
	l := r.logs[name]
	if l == nil {
		l = new(ring)
		r.logs[name] = l
	}
	return l
}

// runDir is the folder of one Runtime's processes. It holds a lock for as long as we live.
type runDir struct {
	path string
	lock *os.File
}

// maxSocketPath is the longest path of a Unix socket: sun_path of unix(7), less its final NUL.
const maxSocketPath = 107

// openRunDir makes a folder below parent, and removes those whose owner is gone: its children died with it.
func openRunDir(parent string) (*runDir, error) {
	if len(parent)+len("/1234567890/p1234567890/bucket.sock") > maxSocketPath {
		return nil, fmt.Errorf("%s is too long for the paths of Unix sockets below it", parent)
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(parent, "*.lock"))
	if err != nil {
		return nil, err
	}
	for _, name := range old {
		f, err := os.Open(name)
		if err != nil {
			continue // its owner has just removed it
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			_ = f.Close()
			continue
		}
		if err := (&runDir{name[:len(name)-len(".lock")], f}).remove(); err != nil {
			return nil, err
		}
	}
	lock, err := os.CreateTemp(parent, "*.lock")
	if err != nil {
		return nil, err
	}
	d := &runDir{lock.Name()[:len(lock.Name())-len(".lock")], lock}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = os.Mkdir(d.path, 0o700)
	}
	if err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

func (d *runDir) remove() error {
	return errors.Join(os.RemoveAll(d.path), os.Remove(d.lock.Name()), d.lock.Close())
}
