package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/osv-scalibr/clients/datasource"

	"overskill/internal/fault"
)

// Limits of what is accepted from a registry.
const (
	maxMetadata = 96 << 20  // bytes of one package's version list
	maxTarball  = 256 << 20 // bytes of one packed package
)

// Patience says how long a registry may take. The zero value means the defaults.
type Patience struct {
	Attempts int           // per request; default 4
	Backoff  time.Duration // before the second attempt, doubled after each; default 250 ms
	Header   time.Duration // until the response's header; default 15 s
	Stall    time.Duration // without a single byte of the body; default 15 s
}

func (p Patience) withDefaults() Patience {
	if p.Attempts <= 0 {
		p.Attempts = 4
	}
	if p.Backoff <= 0 {
		p.Backoff = 250 * time.Millisecond
	}
	if p.Header <= 0 {
		p.Header = 15 * time.Second
	}
	if p.Stall <= 0 {
		p.Stall = 15 * time.Second
	}
	return p
}

// Registry reads package metadata and tarballs. It is safe for concurrent use.
type Registry struct {
	config   datasource.NPMRegistryConfig
	client   *http.Client
	patience Patience
	slots    chan struct{} // bounds requests in flight
}

// NewRegistry reads npm's configuration (environment, user, global and built-in npmrc, and an npmrc in dir) and
// returns a client for the registries named there. The .npmrc of an app is never read: it could send the
// operator's tokens anywhere.
func NewRegistry(dir string, transport *http.Transport, patience Patience) (*Registry, error) {
	config, err := datasource.LoadNPMRegistryConfig(dir)
	if err != nil {
		return nil, fmt.Errorf("read npm's configuration: %w", err)
	}
	patience = patience.withDefaults()
	transport.ResponseHeaderTimeout = patience.Header
	transport.MaxIdleConnsPerHost = 16
	return &Registry{
		config:   config,
		client:   &http.Client{Transport: transport},
		patience: patience,
		slots:    make(chan struct{}, 16),
	}, nil
}

// errNotFound is the answer 404: the package or version does not exist.
var errNotFound = errors.New("not found in the registry")

// base returns the registry's address for a package, by its scope.
func (r *Registry) base(name string) string {
	if scope, _, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(scope, "@") {
		if u, ok := r.config.ScopeURLs[scope]; ok {
			return u
		}
	}
	return r.config.ScopeURLs[""]
}

// tarballURL is where registries keep a version by convention; asking there first saves a request per package.
func (r *Registry) tarballURL(name, version string) (string, error) {
	return url.JoinPath(r.base(name), name, "-", path.Base(name)+"-"+version+".tgz")
}

// metadata reads a JSON document below a package's address into v. extra is "" or a version.
func (r *Registry) metadata(ctx context.Context, name, extra string, v any) error {
	u := strings.TrimSuffix(r.base(name), "/") + "/" + strings.ReplaceAll(name, "/", "%2f")
	if extra != "" {
		u += "/" + url.PathEscape(extra)
	}
	var body bytes.Buffer
	err := r.get(ctx, u, "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8", maxMetadata,
		func() io.Writer { body.Reset(); return &body })
	if err != nil {
		return r.explain(name, err)
	}
	if err := json.Unmarshal(body.Bytes(), v); err != nil {
		return fault.Wrap(err, fault.Unavailable, "The package registry sent something unreadable about %s. Try again.", name)
	}
	return nil
}

// tarball writes a packed version to what fresh returns; fresh is called again for each attempt, so that a
// download that broke off starts with an empty target.
func (r *Registry) tarball(ctx context.Context, name, version string, fresh func() io.Writer) error {
	u, err := r.tarballURL(name, version)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "%q is not a package name.", name)
	}
	err = r.get(ctx, u, "*/*", maxTarball, fresh)
	if errors.Is(err, errNotFound) { // a registry with addresses of its own: ask it
		var m Manifest
		if err := r.metadata(ctx, name, version, &m); err != nil {
			return err
		}
		if m.Dist.Tarball == "" || m.Dist.Tarball == u {
			return fault.New(fault.NotFound, "The registry has no tarball of %s %s.", name, version)
		}
		err = r.get(ctx, m.Dist.Tarball, "*/*", maxTarball, fresh)
	}
	return r.explain(name, err)
}

// explain turns a transport error into a fault with a sentence for a person.
func (r *Registry) explain(name string, err error) error {
	var f *statusError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, errNotFound):
		return fault.Wrap(err, fault.NotFound, "There is no package %s in the registry.", name)
	case errors.As(err, &f) && (f.code == 401 || f.code == 403):
		return fault.Wrap(err, fault.Unavailable, "The package registry refused access to %s. Check npm's token on this machine.", name)
	case fault.KindOf(err) == fault.TooLarge:
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "The package registry does not answer (asked for %s). Nothing was changed; try again in a minute.", name)
}

type statusError struct {
	code  int
	after time.Duration // what Retry-After asked for
}

func (e *statusError) Error() string { return fmt.Sprintf("the registry answered %d", e.code) }

// get fetches u with retries. Answers in the 4xx range other than 408, 425 and 429 are final.
func (r *Registry) get(ctx context.Context, u, accept string, limit int64, fresh func() io.Writer) error {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	wait := r.patience.Backoff
	for attempt := 1; ; attempt++ {
		err := r.once(ctx, u, accept, limit, fresh())
		if err == nil || ctx.Err() != nil || errors.Is(err, errNotFound) || fault.KindOf(err) == fault.TooLarge {
			return errors.Join(err, ctx.Err())
		}
		var status *statusError
		final := errors.As(err, &status) && status.code < 500 && status.code != 408 && status.code != 425 && status.code != 429
		if final || attempt == r.patience.Attempts {
			return err
		}
		pause := wait + rand.N(wait/2+1)
		if status != nil {
			pause = max(pause, min(status.after, 10*time.Second))
		}
		wait *= 2
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once makes one attempt. A body that stands still for Patience.Stall is given up.
func (r *Registry) once(ctx context.Context, u, accept string, limit int64, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", accept)
	r.authorize(req)
	resp, err := r.client.Do(req)
	if err != nil {
		return scrub(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errNotFound
	}
	if resp.StatusCode != http.StatusOK {
		secs, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &statusError{code: resp.StatusCode, after: time.Duration(secs) * time.Second}
	}
	stalled := time.AfterFunc(r.patience.Stall, func() {
		cancel(fmt.Errorf("no byte arrived for %s", r.patience.Stall))
	})
	defer stalled.Stop()
	n, err := io.Copy(w, io.LimitReader(progressReader{resp.Body, func() { stalled.Reset(r.patience.Stall) }}, limit+1))
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case n > limit:
		return fault.New(fault.TooLarge, "The registry sent more than %d MB in one answer.", limit>>20)
	case resp.ContentLength >= 0 && n != resp.ContentLength && !resp.Uncompressed:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// authorize adds what npm's configuration says for the request's address, and for no other.
func (r *Registry) authorize(req *http.Request) {
	a := r.config.Auths.GetAuth(req.URL.String())
	switch {
	case a == nil:
	case a.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+a.BearerToken)
	case a.BasicAuth != "":
		req.Header.Set("Authorization", "Basic "+a.BasicAuth)
	default:
		req.SetBasicAuth(a.Username, a.Password)
	}
}

// scrub removes the address from a URL error: registries' addresses can carry credentials, and logs last.
func scrub(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		if ue.Timeout() {
			return fmt.Errorf("time ran out: %w", net.ErrClosed)
		}
		return ue.Err
	}
	return err
}

type progressReader struct {
	r      io.Reader
	onRead func()
}

func (p progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.onRead()
	}
	return n, err
}
