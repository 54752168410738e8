package smoke

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/sync/semaphore"
)

// startTimeout bounds the start of the browser; a busy machine needs seconds.
const startTimeout = 15 * time.Second

// browser owns the one Chromium process. It starts when it is needed and ends when it has been idle.
type browser struct {
	cfg   Config
	path  string
	flags []chromedp.ExecAllocatorOption
	slots *semaphore.Weighted // one for each page that is open
	pages sync.WaitGroup      // checks that use the browser, and tabs that are being closed
	life  context.Context     // of every process; it ends with close
	end   context.CancelFunc

	mu       sync.Mutex
	cur      *process // nil when none runs
	starting *start   // nil when none is on its way
	users    int      // of cur, and of those before it
	idle     *time.Timer
	closed   bool
}

// start is a process on its way. err may be read once done is closed.
type start struct {
	done chan struct{}
	err  error
}

func newBrowser(cfg Config, path, gateway string) (*browser, error) {
	if err := cleanProfiles(cfg.Profiles); err != nil {
		return nil, fmt.Errorf("prepare browser profiles: %w", err)
	}
	b := &browser{cfg: cfg, path: path, flags: flags(gateway), slots: semaphore.NewWeighted(int64(cfg.Parallel))}
	b.life, b.end = context.WithCancel(context.Background())
	b.idle = time.AfterFunc(time.Hour, b.endIdle)
	b.idle.Stop()
	return b, nil
}

// opened is what came of opening a page. err means that there was no browser to open it, or no time left.
type opened struct {
	findings
	err error
}

var errClosed = errors.New("the checker is closed")

// begin counts a user of the browser until b.pages.Done, unless the browser is closed.
func (b *browser) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.pages.Add(1)
	}
	return !b.closed
}

// open looks at a page. A browser that dies under the page is started once more, and then has no other page open: one
// that dies again is killed by this page.
func (b *browser) open(ctx context.Context, s *session, v visit) opened {
	found, died := b.try(ctx, s, v, 1)
	if died != nil && ctx.Err() == nil && !errors.Is(died, errNoBrowser) {
		b.cfg.Log.WarnContext(ctx, "browser died under a page", "url", v.url.String(), "err", died)
		found, died = b.try(ctx, s, v, int64(b.cfg.Parallel))
	}
	switch {
	case died == nil:
		return opened{findings: found}
	case ctx.Err() != nil:
		return opened{err: ctx.Err()}
	case errors.Is(died, errNoTab), errors.Is(died, errNoBrowser): // that is not the page's doing
		return opened{err: died}
	}
	found = findings{}
	found.add(classRuntime, "The page makes the browser crash (%v).", died)
	return opened{findings: found}
}

// errNoBrowser says that no process could be had.
var errNoBrowser = errors.New("there is no browser")

// try looks at a page while it holds some of the slots. An error means that the browser did not live to the end.
func (b *browser) try(ctx context.Context, s *session, v visit, slots int64) (findings, error) {
	if err := b.slots.Acquire(ctx, slots); err != nil {
		return findings{}, err
	}
	defer b.slots.Release(slots)
	p, err := b.acquire(ctx)
	if err != nil {
		return findings{}, fmt.Errorf("%w: %w", errNoBrowser, err)
	}
	defer b.release()
	found, err := p.look(ctx, s, v)
	if err != nil && ctx.Err() == nil {
		b.drop(p) // it is dead, or holds a page that cannot be closed
	}
	if errors.Is(err, errStuck) {
		return found, nil
	}
	return found, err
}

// warm starts the browser in the background, if it does not run.
func (b *browser) warm() {
	if !b.begin() {
		return
	}
	go func() {
		defer b.pages.Done()
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if p, err := b.acquire(ctx); err == nil { // open meets the same error and reports it
			p.prepare(b.pages.Go)
			b.release()
		}
	}()
}

// acquire returns a running browser and keeps it from ending until release is called. It waits for one that starts, as
// long as ctx lasts.
func (b *browser) acquire(ctx context.Context) (*process, error) {
	for {
		p, s, err := b.current()
		if p != nil || err != nil {
			return p, err
		}
		select {
		case <-s.done:
			if s.err != nil {
				return nil, s.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// current returns the running browser with one user more, or the start of one.
func (b *browser) current() (*process, *start, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, errClosed
	}
	if b.cur != nil && b.cur.ctx.Err() != nil {
		b.pages.Go(b.cur.stop)
		b.cur = nil
	}
	if b.cur != nil {
		b.users++
		b.idle.Stop()
		return b.cur, nil, nil
	}
	if b.starting == nil {
		s := &start{done: make(chan struct{})}
		b.starting = s
		b.pages.Go(func() { b.run(s) })
	}
	return nil, b.starting, nil
}

// run starts a process and makes it the current one.
func (b *browser) run(s *start) {
	defer close(s.done)
	p, err := startProcess(b.life, b.path, b.cfg.Profiles, b.flags)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starting = nil
	switch {
	case b.closed:
		if err == nil {
			b.pages.Go(p.stop)
		}
		s.err = errClosed
	case err != nil:
		b.cfg.Log.Error("browser did not start", "path", b.path, "err", err)
		s.err = err
	default:
		b.cur = p
		b.idle.Reset(b.cfg.Idle) // whoever asked for it may have gone
	}
}

func (b *browser) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users--; b.users == 0 && !b.closed {
		b.idle.Reset(b.cfg.Idle)
	}
}

// drop ends a browser that must not be used again.
func (b *browser) drop(p *process) {
	b.mu.Lock()
	if b.cur == p {
		b.cur = nil
	}
	b.mu.Unlock()
	p.stop()
}

func (b *browser) endIdle() {
	b.mu.Lock()
	var p *process
	if b.users == 0 && !b.closed {
		p, b.cur = b.cur, nil
	}
	if p != nil {
		b.pages.Add(1)
	}
	b.mu.Unlock()
	if p != nil {
		p.stop()
		b.pages.Done()
	}
}

// close ends the process, also one that is still starting, and waits until nothing of it is left.
func (b *browser) close() {
	b.mu.Lock()
	b.closed = true
	b.idle.Stop()
	p := b.cur
	b.cur = nil
	b.mu.Unlock()
	b.end()
	if p != nil {
		p.stop()
	}
	b.pages.Wait()
}

// process is a running Chromium with its profile.
type process struct {
	ctx     context.Context // of chromedp; it ends when the process does
	cancel  context.CancelFunc
	profile *profile
	once    sync.Once

	mu   sync.Mutex
	next chan *tab // the tab for the next look, once it is made; nil when none is on its way
}

// startProcess starts Chromium. It dies with us, also when we are killed: the kernel sends it the signal that
// Pdeathsig names when the thread that started it ends, and chromedp keeps that thread for as long as it runs.
func startProcess(life context.Context, path, profiles string, flags []chromedp.ExecAllocatorOption) (*process, error) {
	prof, err := newProfile(profiles)
	if err != nil {
		return nil, err
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(life,
		append(slices.Clip(flags),
			chromedp.ExecPath(path),
			chromedp.UserDataDir(prof.dir),
			chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
				// The whole group, so that no helper writes to the profile while it is removed.
				cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
			}))...)
	ctx, cancelTab := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {})) // errors are returned, too
	p := &process{ctx: ctx, profile: prof, cancel: func() { cancelTab(); cancelAlloc() }}
	late := time.AfterFunc(startTimeout, cancelAlloc)
	err = chromedp.Do(ctx)
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

// flags are the switches of the browser: headless, quiet, and with no way out but the gateway.
func flags(gateway string) []chromedp.ExecAllocatorOption {
	out := []chromedp.ExecAllocatorOption{
		chromedp.Flag("proxy-server", "http://"+gateway),
		chromedp.Flag("proxy-bypass-list", "<-loopback>"), // loopback goes through the gateway, too
		chromedp.Flag("force-webrtc-ip-handling-policy", "disable_non_proxied_udp"),
		// A page that is kept to go back to makes the next one in its tab start a process of its own.
		chromedp.Flag("disable-features", "BackForwardCache,Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,InterestFeedContentSuggestions,AutofillServerCommunication"),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("password-store", "basic"),
		chromedp.WindowSize(viewWidth, viewHeight),
	}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-default-apps",
		"disable-extensions", "disable-breakpad", "disable-crash-reporter", "disable-client-side-phishing-detection",
		"disable-domain-reliability", "disable-dev-shm-usage", "disable-background-timer-throttling",
		"disable-backgrounding-occluded-windows", "disable-renderer-backgrounding", "disable-hang-monitor",
		"disable-ipc-flooding-protection", "disable-search-engine-choice-screen", "metrics-recording-only",
		"enable-automation", "mute-audio", "hide-scrollbars", "use-mock-keychain",
	} {
		out = append(out, chromedp.Flag(name, true))
	}
	return out
}

// stop kills the process and removes its profile. The profile is thrown away, so there is nothing to end gently.
func (p *process) stop() {
	p.once.Do(func() {
		p.cancel()
		p.profile.remove()
	})
}

// profile is a folder for one browser process. It holds a lock as long as the process that made it lives.
type profile struct {
	dir  string
	lock *os.File
}

func newProfile(parent string) (*profile, error) {
	dir, err := os.MkdirTemp(parent, "profile-")
	if err != nil {
		return nil, err
	}
	lock, err := os.Create(dir + ".lock")
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &profile{dir, lock}, nil
}

func (p *profile) remove() {
	for range 20 { // a helper of the browser may still be writing as it dies
		if os.RemoveAll(p.dir) == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.Remove(p.lock.Name())
	_ = p.lock.Close()
}

// cleanProfiles makes the folder and removes the profiles whose owner is gone.
func cleanProfiles(parent string) error {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	locks, err := filepath.Glob(filepath.Join(parent, "profile-*.lock"))
	if err != nil {
		return err
	}
	for _, name := range locks {
		f, err := os.Open(name)
		if err != nil {
			continue // its owner has just removed it
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			(&profile{dir: name[:len(name)-len(".lock")], lock: f}).remove()
			continue
		}
		_ = f.Close()
	}
	return nil
}
