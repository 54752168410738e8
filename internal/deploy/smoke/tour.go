package smoke

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"overskill/internal/fault"
)

const (
	maxOpened   = 12 // routes of one check
	enoughPages = 6  // with so many routes, no links are followed
	maxTotal    = 60 // problems of all routes together
)

// routes returns the routes of a target, "/" first, each once.
func (t Target) routes() ([]string, error) {
	out := []string{"/"}
	for _, r := range t.Routes {
		if !validRoute(r) {
			return nil, fault.New(fault.Invalid, "%q is not the path of a page.", r)
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// sight is what came of one route.
type sight struct {
	visit
	opened
	seen *RouteView // nil when the page did not hold still
}

// journey is what came of all of them.
type journey struct {
	sights   []sight // those that were looked at, the start page first
	unopened []string
	total    int
	links    []string // of the start page
	late     bool     // the time was up before the last one
	opens    bool     // the start page opened and held still, so that the others were tried
	err      error    // there was no browser, or no time, for the start page
}

// tour opens routes, the first of which is the start page. The start page has the whole of ctx; what else there is
// must be done by a time before that, so that a check whose start page opened always ends with a result.
type tour struct {
	browser *browser
	session *session
	base    *url.URL
	until   time.Time

	mu     sync.Mutex
	sights map[string]sight
	broken bool // the start page could not be opened: there is no use in opening others
}

func (b *browser) tour(ctx context.Context, base *url.URL, routes []string, access string, until time.Time) journey {
	if !b.begin() {
		return journey{err: errClosed}
	}
	defer b.pages.Done()
	t := &tour{browser: b, session: newSession(access, b.pages.Go), base: base, until: until, sights: map[string]sight{}}
	defer t.session.close()

	var out journey
	var wg errgroup.Group
	wg.SetLimit(b.cfg.Parallel)
	start := make(chan struct{})
	wg.Go(func() error {
		defer close(start)
		t.open(ctx, routes[0], false)
		return nil
	})
	rest, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	known := routes[1:min(len(routes), maxOpened)]
	for _, r := range known {
		wg.Go(func() error { t.open(rest, r, false); return nil })
	}
	<-start
	t.mu.Lock()
	first := t.sights[routes[0]]
	t.mu.Unlock()
	var linked []string
	if first.err == nil && first.view != nil {
		out.links, linked = paths(first.view.Links)
		linked = slices.DeleteFunc(linked, func(p string) bool { return slices.Contains(routes, p) })
		linked = linked[:min(len(linked), max(0, enoughPages-len(routes)))]
	}
	for _, r := range linked {
		wg.Go(func() error { t.open(rest, r, true); return nil })
	}
	_ = wg.Wait() // what went wrong is in the sights
	out.err = first.err
	t.collect(&out, slices.Concat(routes, linked), rest.Err() != nil)
	return out
}

// open looks at one route and keeps what it saw.
func (t *tour) open(ctx context.Context, route string, linked bool) {
	t.mu.Lock()
	broken := t.broken
	t.mu.Unlock()
	if broken || ctx.Err() != nil {
		return
	}
	v := visit{url: t.base.ResolveReference(&url.URL{Path: route}), route: route, linked: linked, blank: t.browser.cfg.Blank, hang: t.browser.cfg.Hang}
	s := sight{visit: v, opened: t.browser.open(ctx, t.session, v)}
	s.settle()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sights[route] = s
	t.broken = t.broken || v.start() && s.seen == nil
}

// collect sorts out what was opened and what was not, in the order of the routes.
func (t *tour) collect(out *journey, routes []string, late bool) {
	out.total, out.opens = len(routes), !t.broken
	for i, r := range routes {
		if s, ok := t.sights[r]; ok && s.err == nil {
			out.sights = append(out.sights, s)
			continue
		}
		out.unopened = append(out.unopened, r)
		out.late = out.late || late && i < maxOpened
	}
}

// report adds what a tour found. Problems of the start page are told as they are, those of other routes with the
// route, and what several routes have in common once.
func (r *Report) report(j journey, version string) {
	if j.err != nil {
		r.note("The browser could not be started: the version was fetched back and compared, but not opened.")
		return
	}
	r.Opened = true
	r.Links = j.links
	r.Snapshot = Snapshot{Version: version}
	known := map[string]bool{}
	for _, s := range j.sights {
		for _, p := range s.problems {
			key := p.Class + p.File + p.Message
			if known[key] || !s.start() && len(r.Problems) >= maxTotal {
				continue
			}
			known[key] = true
			p.Message = onRoute(s.route, p.Message)
			r.Problems = append(r.Problems, p.Diagnostic)
		}
		r.Console = merged(r.Console, s.console, s.route)
		r.Network = merged(r.Network, s.network, s.route)
		if s.start() {
			r.Screenshot, r.ScreenshotNarrow, r.Title = s.screenshot, s.narrow, s.title
		}
		if s.seen == nil {
			j.unopened = append(j.unopened, s.route)
			continue
		}
		r.Snapshot.Routes = append(r.Snapshot.Routes, *s.seen)
	}
	r.Snapshot.Unopened = j.unopened
	r.Snapshot.limit()
	switch n := len(j.sights); {
	case j.late:
		r.note("Of %d pages, %d were opened before the time was up.", j.total, n)
	case j.total > maxOpened && n == maxOpened:
		r.note("Of %d pages, the first %d were opened.", j.total, n)
	case n < j.total && j.opens:
		r.note("Of %d pages, %d were opened: there was no browser for the others.", j.total, n)
	}
}

// settle makes of what the browser found what is told and stored. That the app refuses something to a stranger is
// no error when the page sends the stranger to sign in.
func (s *sight) settle() {
	if s.view == nil {
		return
	}
	end := s.endPath(s.route)
	if signIn.MatchString(end) {
		for i, p := range s.problems {
			s.problems[i].Warning = p.Warning || p.refused
		}
	}
	s.seen = &RouteView{
		Route: s.route, EndPath: end, SignIn: signIn.MatchString(end), Title: shorten(s.title),
		Lines: textLines(s.view.Text), Errors: stableErrors(s.problems), Picture: newPicture(s.screenshot, s.view.masks()),
	}
}

// merged adds the lines of another route that are not there yet, while there is room.
func merged(lines, more []Line, route string) []Line {
	if route == "/" {
		return more
	}
	n := len(lines)
	for _, l := range more {
		if len(lines) < maxLines && !slices.Contains(lines[:n], l) {
			lines = append(lines, Line{l.Level, onRoute(route, l.Text)})
		}
	}
	return lines
}
