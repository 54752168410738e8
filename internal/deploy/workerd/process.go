package workerd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

const (
	// startTimeout bounds the start of a process; it takes 30 to 120 ms, and a busy machine needs seconds.
	startTimeout = 15 * time.Second
	// stopTimeout is how long a process that was asked to stop may take, before it is killed.
	stopTimeout = 10 * time.Second
	// memoryInterval is how often a process's memory is read.
	memoryInterval = 200 * time.Millisecond
)

// cause is why a process ended.
type cause int

const (
	causeNone cause = iota
	causeStopped
	causeBusy
	causeMemory
	causeCrash
)

// process is a running workerd with its sockets and its two peers.
type process struct {
	name, key string
	dir       string
	cmd       *exec.Cmd
	started   time.Time
	done      chan struct{} // closed when it ended and its output was read
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	peers     []*http.Server
	log       *ring

	mu      sync.Mutex
	cause   cause
	trouble []string // what the runtime complained about, the first few

	// Of the Runtime, under its mutex.
	inflight int
	lastUse  time.Time
}

// start runs an app's code and returns when it answers. Code that does not start is an Invalid fault with the
// runtime's own words.
func (r *Runtime) start(ctx context.Context, app App, serial int, log *ring) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout+downloadTimeout)
	defer cancel()
	bin, err := r.path(ctx)
	if err != nil {
		return nil, err
	}
	code, err := app.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the code of %s: %w", app.Name, err)
	}
	p := &process{
		name: app.Name, key: app.Key, log: log, done: make(chan struct{}),
		dir: filepath.Join(r.run.path, fmt.Sprintf("p%d", serial)),
	}
	if err := p.launch(bin, app, code, r.out); err != nil {
		p.cleanUp()
		return nil, fmt.Errorf("start %s: %w", app.Name, err)
	}
	p.transport = &http.Transport{
		DialContext:         p.dial("http.sock"),
		DisableCompression:  true, // the visitor asked for what it wants
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     30 * time.Second,
	}
	p.proxy = newProxy(p.transport)
	limitMemory(p.cmd.Process.Pid, r.cfg.Memory)
	r.background.Go(func() { p.heartbeat(r.cfg.Watchdog) })
	r.background.Go(func() { p.watchMemory(r.cfg.Memory) })
	return p, nil
}

// launch prepares the folder, opens the sockets, starts the binary and waits until it listens.
func (p *process) launch(bin string, app App, code Code, out *guard) error {
	if err := os.MkdirAll(filepath.Join(p.dir, "empty"), 0o700); err != nil {
		return err
	}
	if err := code.write(p.dir); err != nil {
		return err
	}
	hide := redactor(code.Secrets)
	if err := p.servePeers(app, out, hide); err != nil {
		return err
	}
	var files []*os.File // ours until the child has them, in its order: descriptors 3, 4 and 5
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for _, name := range []string{"http.sock", "beat.sock"} {
		f, err := p.listenFile(name)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	ready, control, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	output, sink, err := os.Pipe()
	if err != nil {
		_ = control.Close()
		return err
	}
	files = append(files, control, sink)
	p.cmd = exec.Command(bin, "serve", configFile, "-S", "http=3", "-S", "beat=4", "--control-fd", "5")
	p.cmd.Dir = p.dir
	p.cmd.Env = []string{} // nothing of ours
	p.cmd.ExtraFiles = files[:3]
	p.cmd.Stdout, p.cmd.Stderr = sink, sink
	p.cmd.SysProcAttr = childAttributes()
	if err := p.run(output, hide); err != nil {
		return err
	}
	_ = control.Close() // so that reading ready ends when the child does
	return p.awaitReady(ready)
}

// run starts the child, and waits for it in the background. The goroutine keeps its thread until then, because the
// kernel sends the parent-death signal when the thread that forked ends.
func (p *process) run(output *os.File, hide *strings.Replacer) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			_ = output.Close()
			return
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			defer output.Close()
			collect(output, p.log, hide, p.complain)
		}()
		err = p.cmd.Wait()
		select {
		case <-read:
		case <-time.After(time.Second): // our own copy of the descriptor may still be open
		}
		p.ended(err)
		close(p.done)
	}()
	return <-started
}

// awaitReady reads the control descriptor until both sockets are listened on, then removes what the child has read.
func (p *process) awaitReady(ready *os.File) error {
	late := time.AfterFunc(startTimeout, func() { p.kill(causeStopped) })
	defer late.Stop()
	in := bufio.NewScanner(ready)
	for n := 0; n < 2; n++ {
		if !in.Scan() {
			<-p.done
			return p.startError()
		}
	}
	return p.removeConfig()
}

func (p *process) removeConfig() error {
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type().IsRegular() {
			err = errors.Join(err, os.Remove(filepath.Join(p.dir, f.Name())))
		}
	}
	return err
}

func (p *process) startError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.trouble) == 0 {
		return fault.New(fault.Unavailable, "Cloudflare's runtime did not start in %s. Try again.", startTimeout)
	}
	return fault.New(fault.Invalid, "The app's server code does not start: %s", strings.Join(p.trouble, "; "))
}

// listenFile opens a socket on which the child will listen. Requests may connect at once and wait for it. Once the
// child is gone nobody listens, and a connection is refused.
func (p *process) listenFile(name string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(p.dir, name), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	return l.File()
}

func (p *process) dial(name string) func(ctx context.Context, _, _ string) (net.Conn, error) {
	path := filepath.Join(p.dir, name)
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		return d.DialContext(ctx, "unix", path)
	}
}

// complain takes what the runtime itself says. Of an exception it says less than the guard module does.
func (p *process) complain(r record) {
	text := strings.TrimPrefix(r.Message, "service app: ")
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.Contains(r.Message, "heap out of memory"):
		p.cause = causeMemory
	case levelOf(r.Level) == model.LogError && !strings.HasPrefix(text, "Uncaught exception: workerd/"):
		if len(p.trouble) < 3 {
			p.trouble = append(p.trouble, cut(text, 2000))
		}
		p.log.add(target.Line{At: time.Now(), Level: model.LogError, Text: cut(text, maxText)})
	}
}

// kill ends the process at once.
func (p *process) kill(why cause) {
	p.mu.Lock()
	if p.cause == causeNone {
		p.cause = why
	}
	p.mu.Unlock()
	_ = p.cmd.Process.Kill() // an error means that it has ended
}

// stop asks a process without requests to end, and insists after stopTimeout.
func (p *process) stop() {
	p.mu.Lock()
	if p.cause == causeNone {
		p.cause = causeStopped
	}
	p.mu.Unlock()
	p.transport.CloseIdleConnections()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill(causeStopped)
	}
}

func (p *process) ended(err error) {
	p.mu.Lock()
	if p.cause == causeNone {
		p.cause = causeCrash
	}
	why := p.cause
	p.mu.Unlock()
	if text := why.sentence(); text != "" {
		if why == causeCrash && err != nil {
			text += " (" + err.Error() + ")"
		}
		p.log.add(target.Line{At: time.Now(), Level: model.LogError, Text: text})
	}
	p.cleanUp()
}

// cleanUp closes the peers and removes the folder.
func (p *process) cleanUp() {
	for _, s := range p.peers {
		_ = s.Close()
	}
	_ = os.RemoveAll(p.dir) // Close removes the folder above
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) why() cause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// heartbeat asks the event loop whether it still turns, and kills the process when it did not answer for limit.
func (p *process) heartbeat(limit time.Duration) {
	transport := &http.Transport{DialContext: p.dial("beat.sock")}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: limit}
	tick := time.NewTicker(max(limit/5, 10*time.Millisecond))
	defer tick.Stop()
	for answered := time.Now(); ; {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		res, err := client.Get("http://beat/")
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			answered = time.Now()
		} else if time.Since(answered) >= limit && p.alive() {
			p.kill(causeBusy)
			<-p.done
		}
	}
}

// watchMemory kills a process whose private memory outgrows limit.
func (p *process) watchMemory(limit int64) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		if n, err := privateMemory(p.cmd.Process.Pid); err == nil && n > limit && p.alive() {
			p.kill(causeMemory)
			<-p.done
		}
	}
}

// sentence says why a process ended, to those whose requests ended with it. "" is nobody's concern.
func (c cause) sentence() string {
	switch c {
	case causeBusy:
		return "The app's server code kept its process busy for too long, so it was stopped. The next request starts it afresh."
	case causeMemory:
		return "The app's server code needed more memory than an app may have, so it was stopped. The next request starts it afresh."
	case causeCrash:
		return "The process of the app's server code ended unexpectedly. The next request starts it afresh."
	}
	return ""
}
