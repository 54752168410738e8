package smoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	maxPage      = 4 << 20          // bytes kept of a page or an answer; of files, only their hash is
	maxFile      = 1 << 30          // bytes read of one file
	maxRedirects = 5                //
	fetchTimeout = 10 * time.Second // one request
	fetchAtOnce  = 8                //
	maxCompared  = 1000             // files fetched back; what index.html refers to comes first
)

var errRedirects = errors.New("it redirects in a circle")

func newClient(g *gateway) *http.Client {
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: admitting{g, &http.Transport{
			DialContext:         g.dialContext,
			MaxIdleConnsPerHost: fetchAtOnce,
			IdleConnTimeout:     10 * time.Second,
		}},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errRedirects
			}
			return nil
		},
	}
}

// deployment is the part of /_health and /_deployment that a check reads.
type deployment struct {
	Version     string `json:"version"`
	ContentHash string `json:"content_hash"`
}

// identify waits until both endpoints answer with the version and the hash that are expected. A network outside
// needs a moment until every place shows a new version; what is still wrong after Target.Appear is a problem.
func (c *Checker) identify(ctx context.Context, base *url.URL, t Target, r *Report) bool {
	deadline := time.Now().Add(t.Appear)
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		path, wrong := "", ""
		for _, path = range []string{"/_health", "/_deployment"} {
			if wrong = c.differs(ctx, base, path, t); wrong != "" {
				break
			}
		}
		if wrong == "" {
			return true
		}
		if time.Until(deadline) < wait || ctx.Err() != nil {
			r.problem(classDeployment, "", "%s %s.", path, wrong)
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// differs asks an endpoint, and returns what is wrong with the answer as the end of a sentence, or "".
func (c *Checker) differs(ctx context.Context, base *url.URL, path string, t Target) string {
	f := c.fetch(ctx, base, path)
	if f.err != nil {
		return f.failure()
	}
	var d deployment
	if err := json.Unmarshal(f.body, &d); err != nil {
		return "does not answer with JSON"
	}
	switch {
	case t.Version != "" && d.Version != t.Version:
		return fmt.Sprintf("answers with version %q instead of %q", d.Version, t.Version)
	case t.Hash != "" && d.ContentHash != t.Hash:
		return fmt.Sprintf("answers with content %.12s instead of %.12s", d.ContentHash, t.Hash)
	}
	return ""
}

// fetched is the answer to one request. err also stands for a status other than 200.
type fetched struct {
	body   []byte
	hash   string
	status int
	kind   string // Content-Type
	err    error
}

// failure says in the end of a sentence why there is no answer.
func (f fetched) failure() string {
	switch {
	case errors.Is(f.err, errRedirects):
		return "redirects in a circle"
	case f.status != 0:
		return fmt.Sprintf("answers with status %d", f.status)
	}
	return "does not answer"
}

func (c *Checker) fetch(ctx context.Context, base *url.URL, path string) fetched {
	return c.get(ctx, base, path, path == "/", maxPage)
}

// fetchPage asks for a route as a browser that follows a link does.
func (c *Checker) fetchPage(ctx context.Context, base *url.URL, route string) fetched {
	return c.get(ctx, base, route, true, maxPage)
}

// fetchHash asks for a file whose content nobody reads.
func (c *Checker) fetchHash(ctx context.Context, base *url.URL, path string) fetched {
	return c.get(ctx, base, path, false, 0)
}

// get keeps as many bytes of the answer as are asked for; the hash is that of all of them.
func (c *Checker) get(ctx context.Context, base *url.URL, path string, page bool, keep int64) (f fetched) {
	u := base.ResolveReference(&url.URL{Path: path})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fetched{err: err}
	}
	req.Header.Set("User-Agent", "overskill-verify")
	if page {
		req.Header.Set("Accept", "text/html")
	}
	res, err := c.client.Do(req)
	if err != nil {
		return fetched{err: err}
	}
	defer res.Body.Close()
	f.kind = res.Header.Get("Content-Type")
	if f.status = res.StatusCode; f.status != http.StatusOK {
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
		f.err = fmt.Errorf("status %d", f.status)
		return f
	}
	sum := sha256.New()
	read := io.LimitReader(io.TeeReader(res.Body, sum), maxFile)
	if f.body, f.err = io.ReadAll(io.LimitReader(read, keep)); f.err == nil {
		_, f.err = io.Copy(io.Discard, read)
	}
	if f.err != nil {
		f.status = 0
		return f
	}
	f.hash = hex.EncodeToString(sum.Sum(nil))
	return f
}

// compare fetches index.html, everything that it refers to, and the other files of the plan, and compares them.
func (c *Checker) compare(ctx context.Context, base *url.URL, t Target, r *Report) {
	index := c.fetch(ctx, base, "/")
	if index.err != nil {
		r.problem(classDeployment, "index.html", "The start page %s.", index.failure())
		return
	}
	if want := t.Assets["/index.html"]; want != "" && want != index.hash {
		r.problem(classDeployment, "index.html", "The start page is live with other content than was built.")
	}
	paths := order(references(bytes.NewReader(index.body), base), t.Assets)
	if len(paths) > maxCompared {
		r.note("Of %d files, the first %d were fetched back and compared.", len(paths), maxCompared)
		paths = paths[:maxCompared]
	}
	var mu sync.Mutex
	g := errgroup.Group{}
	g.SetLimit(fetchAtOnce)
	for _, p := range paths {
		g.Go(func() error {
			f := c.fetchHash(ctx, base, p.path)
			mu.Lock()
			defer mu.Unlock()
			p.judge(f, t.Assets[p.path], r)
			return nil
		})
	}
	_ = g.Wait() // the functions report to r
	slices.SortStableFunc(r.Problems, byFile)
}

// wanted is a path to fetch.
type wanted struct {
	path     string
	referred bool // by index.html
	optional bool // an icon or a manifest, without which the page works
}

// order puts what index.html refers to first, then the other assets by name.
func order(refs []reference, assets map[string]string) []wanted {
	var out []wanted
	seen := map[string]bool{"/": true, "/index.html": true}
	for _, ref := range refs {
		if !seen[ref.path] {
			seen[ref.path] = true
			out = append(out, wanted{path: ref.path, referred: true, optional: ref.optional})
		}
	}
	for _, p := range slices.Sorted(maps.Keys(assets)) {
		if !seen[p] {
			out = append(out, wanted{path: p})
		}
	}
	return out
}

// judge adds what is wrong with the answer for a path, if anything is.
func (p wanted) judge(f fetched, want string, r *Report) {
	file := p.path[1:]
	switch {
	case f.err != nil && p.referred && want == "":
		text := "index.html refers to " + p.path + ", which the build does not have; it " + f.failure() + "."
		if p.optional {
			r.warning(classNetwork, file, "%s", text)
		} else {
			r.problem(classNetwork, file, "%s", text)
		}
	case f.err != nil:
		r.problem(classDeployment, file, "%s %s.", p.path, f.failure())
	case want != "" && f.hash != want:
		r.problem(classDeployment, file, "%s is live with other content than was built.", p.path)
	}
}
