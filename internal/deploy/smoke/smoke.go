// Package smoke proves that a deployed version is live and opens.
//
// A check has two halves. Over HTTP it asks the address which version and which plan it serves, fetches every
// file back and compares the sha256 with the plan's. Then it opens the address in a headless Chromium, as a
// visitor would: the page must show something, throw nothing, and get everything that it asks its own origin for.
//
// Apps are other people's code. Each check runs in a browser context of its own, which shares no cookies or
// storage with another, and reaches the network only through a gateway of ours that refuses private addresses,
// so that a generated page cannot look around in the network that the builder stands in.
//
// One browser process serves all checks. It starts with the first one and ends when nothing has needed it for a
// while, so that an idle server stays small.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// Config is what a Checker needs. The zero Config works.
type Config struct {
	Chromium string        // path of the browser; "" looks for chromium, chromium-browser and google-chrome in PATH
	Own      string        // host:port below which this server's own sites are, such as localhost:8080
	Dial     string        // host:port at which those answer; "": as their names say
	Timeout  time.Duration // a whole check; 0 means 30 s
	Appear   time.Duration // how long a new version may take to show at its address; 0 means 5 s
	Blank    time.Duration // how long a page may stay empty; 0 means 5 s
	Hang     time.Duration // how long a page may answer nothing until it counts as stuck in a loop; 0 means 8 s
	Idle     time.Duration // how long the browser waits for the next check; 0 means 30 s
	Parallel int           // pages open at once; 0 means 2
	Profiles string        // folder for the browser's throw-away profiles; "": one of ours in the temporary folder
	Log      *slog.Logger  // nil: nothing is logged
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Timeout, 30*time.Second)
	set(&c.Appear, 5*time.Second)
	set(&c.Blank, 5*time.Second)
	set(&c.Hang, 8*time.Second)
	set(&c.Idle, 30*time.Second)
	if c.Parallel == 0 {
		c.Parallel = 2
	}
	if c.Profiles == "" {
		c.Profiles = filepath.Join(os.TempDir(), "overskill-browser-"+strconv.Itoa(os.Getuid()))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Target is what must be live where.
type Target struct {
	URL     string            // of the app, such as http://preview-todo.localhost:8080/
	Version string            // as /_deployment answers it; "" accepts any
	Hash    string            // the plan's hash; "" accepts any
	Assets  map[string]string // sha256 by path, such as Plan.Hashes gives; index.html is checked at "/" too
	// Routes are the paths of the app's static routes, decoded. "/" is always opened, and first; then in their order
	// as many as make 12 together. With fewer than 6, pages that the start page links to are opened too.
	Routes []string
	// Access is a token that opens a site which is not public. Every request to the app's own origin carries it in
	// AccessHeader, and none to another; only WebSockets go without.
	Access string
	// Appear is how long the version may take to show at the address: networks such as Cloudflare's need a moment, and
	// minutes for a new host name. 0 means Config.Appear.
	Appear time.Duration
	// Baseline is how the last good version looked: what Report.Changes compares with. It may be nil.
	Baseline *Snapshot
}

// Report is what a check found.
type Report struct {
	OK         bool               // no problem that is more than a warning
	Opened     bool               // a browser looked at the pages; when false, Notice says why not
	Notice     string             // sentences for the person, or ""
	Problems   []model.Diagnostic // of the classes runtime, network, blank, timeout and deployment
	Console    []Line             // what the pages wrote to their console, in order, the start page first
	Network    []Line             // the requests that did not get what they asked for
	Screenshot []byte             // PNG of 640x400, taken of the start page at 1280x800; nil when it could not be opened
	// ScreenshotNarrow is a PNG of 195x422: the start page at 390x844.
	ScreenshotNarrow []byte
	Title            string        // of the start page
	Links            []string      // paths of the app's own pages that the start page links to, in their order
	Snapshot         Snapshot      // of the routes that were opened
	Changes          model.Changes // since Target.Baseline; without one, it only says how many routes were opened
	Duration         time.Duration
}

// Line is one line of what a browser says about a page.
type Line struct {
	Level model.LogLevel
	Text  string
}

// Checker verifies deployments. It is safe for concurrent use; Close it at the end.
type Checker struct {
	cfg     Config
	client  *http.Client
	gateway *gateway
	browser *browser // nil without a Chromium
}

// New returns a Checker. Without a browser on this machine it still checks over HTTP, and every Report says so.
// It also removes the profiles that processes which were killed left behind.
func New(cfg Config) (*Checker, error) {
	cfg = cfg.withDefaults()
	path, err := findChromium(cfg.Chromium)
	if err != nil {
		return nil, err
	}
	gw, err := newGateway(cfg.Own, cfg.Dial)
	if err != nil {
		return nil, fmt.Errorf("start the browser's gateway: %w", err)
	}
	c := &Checker{cfg: cfg, gateway: gw, client: newClient(gw)}
	if path != "" {
		if c.browser, err = newBrowser(cfg, path, gw.addr()); err != nil {
			return nil, errors.Join(err, gw.close())
		}
	}
	return c, nil
}

// Close ends the browser and everything else that the Checker started. Checks that run end with an error.
func (c *Checker) Close() error {
	if c.browser != nil {
		c.browser.close()
	}
	c.client.CloseIdleConnections()
	return c.gateway.close()
}

// findChromium returns the path of the browser, or "" when there is none to be found. A path that was asked for
// must exist.
func findChromium(asked string) (string, error) {
	if asked != "" {
		p, err := exec.LookPath(asked)
		if err != nil {
			return "", fmt.Errorf("find the browser: %w", err)
		}
		return p, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", nil
}

// Verify checks one deployment. What is wrong with the app is in the Report; an error means that the check itself
// could not be made, or that parent ended.
func (c *Checker) Verify(parent context.Context, t Target) (Report, error) {
	start := time.Now()
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Report{}, fault.New(fault.Invalid, "%q is not the address of an app.", t.URL)
	}
	routes, err := t.routes()
	if err != nil {
		return Report{}, err
	}
	if t.Appear == 0 {
		t.Appear = c.cfg.Appear
	}
	ctx, cancel := context.WithTimeout(parent, c.cfg.Timeout+t.Appear)
	defer cancel()
	defer c.gateway.allow(u, t.Access)()

	var r Report
	trip := make(chan journey, 1)
	if c.browser != nil {
		c.browser.warm() // a cold start takes as long as all of the rest
	}
	live := c.identify(ctx, u, t, &r)
	if live && c.browser != nil {
		until := time.Now().Add(c.cfg.Timeout * 3 / 4)
		go func() { trip <- c.browser.tour(ctx, u, routes, t.Access, until) }()
	}
	if live {
		c.compare(ctx, u, t, &r)
	}
	if live && c.browser != nil {
		if j := <-trip; errors.Is(j.err, errClosed) {
			return Report{}, j.err
		} else if ctx.Err() == nil {
			r.report(j, t.Version)
		}
	}
	if c.browser == nil {
		r.note("There is no browser on this machine: the version was fetched back and compared, but not opened.")
	}
	if live && !r.Opened && ctx.Err() == nil {
		if n := c.walk(ctx, u, routes, &r); n < len(routes) {
			r.note("Of %d pages, the first %d were asked for.", len(routes), n)
		}
	}
	if err := parent.Err(); err != nil {
		return Report{}, err
	}
	if ctx.Err() != nil {
		r.problem(classDeployment, "", "The check did not end within %s.", c.cfg.Timeout+t.Appear)
	}
	r.Changes = model.Changes{Opened: len(r.Snapshot.Routes)}
	if t.Baseline != nil && r.Opened {
		r.Changes = Compare(*t.Baseline, r.Snapshot)
	}
	r.OK = live && !slices.ContainsFunc(r.Problems, func(d model.Diagnostic) bool { return !d.Warning })
	r.Duration = time.Since(start)
	return r, nil
}

// note adds a sentence to the notice.
func (r *Report) note(format string, args ...any) {
	if r.Notice != "" {
		r.Notice += " "
	}
	r.Notice += fmt.Sprintf(format, args...)
}

func (r *Report) problem(class, file, format string, args ...any) {
	r.Problems = append(r.Problems, model.Diagnostic{Class: class, File: file, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) warning(class, file, format string, args ...any) {
	r.problem(class, file, format, args...)
	r.Problems[len(r.Problems)-1].Warning = true
}

// The classes of problems.
const (
	classRuntime    = "runtime"             // the page's code failed
	classNetwork    = "network"             // the page did not get something that it asked for
	classDeployment = model.ClassDeployment // what is served is not what was deployed: no doing of the app's
	classBlank      = "blank"               // the page shows nothing
	classTimeout    = "timeout"             // the page no longer answers
)
