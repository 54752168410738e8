// Package cloudflare publishes apps in a Cloudflare account, over Cloudflare's HTTP API and without its command-line
// tool.
//
// # What lies where
//
// Each app has one Worker for each environment, os-<app id>-<slug> and os-<app id>-<slug>-preview. A Worker has
// versions: immutable uploads of script, modules, bindings and secrets, of which one is live. Deploy uploads a version,
// and gives it a preview alias, d<deployment id>, which is a host of its own; Promote makes it the live one; Rollback
// makes an older one the live one. All three leave every other version as it is, so that there is no moment in which a
// visitor gets half of anything. A new Worker begins with a placeholder that answers 404, and its public host is off
// until the first Promote.
//
// Files that are too big for the Worker lie in one R2 bucket, under keys that hold their hash (apps/<app>/<sha256>/...),
// and so never change; they are uploaded before the version that names them.
//
// # Mode dispatch
//
// In a dispatch namespace (Workers for Platforms) a Worker has no versions. There every deployment is a script of its
// own, <script>--d<deployment id>, which never changes, and a small dispatcher Worker of ours finds the script for a host
// in the bucket: the object routes/<host> holds the script's name. Promote writes that object, which is one atomic write,
// needs no secret to be known again, and takes as little time to undo. The price is a read from R2 for each host and
// isolate every few seconds, and a script that lies there until Collect takes it away. A dispatch namespace needs a
// Zone: its scripts have no workers.dev host.
//
// # Calls
//
// All calls pass through one place (transport.go), which waits for the account's rate limit, repeats what may be
// repeated, turns failures into faults with a sentence for a person, and takes every secret out of every text. Names of
// scripts and hosts are checked before they become part of a path, because the SDK does not escape them.
package cloudflare

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/r2"
	"github.com/cloudflare/cloudflare-go/v7/user"
	"github.com/cloudflare/cloudflare-go/v7/workers"
	"github.com/cloudflare/cloudflare-go/v7/workers_for_platforms"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Modes.
const (
	ModeScript   = "script"   // a Worker for each site, with versions
	ModeDispatch = "dispatch" // scripts in a dispatch namespace, behind a dispatcher
)

// DefaultBucket is the R2 bucket unless the configuration names another.
const DefaultBucket = "overskill-apps"

const (
	defaultBaseURL    = "https://api.cloudflare.com/client/v4"
	defaultWorkersDev = "https://workers.dev"
)

// CompatibilityDate is the day whose behaviour of the Workers runtime our scripts were tested with.
const CompatibilityDate = "2026-11-01"

// Limiter makes calls wait until the account's rate limit has room for one more. Its error ends the call.
type Limiter interface {
	Wait(ctx context.Context) error
}

// Config says which account, and how it is used. Token and AccountID are needed; the rest has defaults.
type Config struct {
	Token     string // an API token with Permissions
	AccountID string // 32 hexadecimal digits
	Mode      string // ModeScript or ModeDispatch; "" is ModeScript
	Namespace string // the dispatch namespace, in ModeDispatch
	Bucket    string // the R2 bucket; "" does without R2, in ModeDispatch it is DefaultBucket
	Zone      string // the domain below which apps are published; "" is the account's workers.dev subdomain

	BaseURL    string // of the API; "" is Cloudflare's
	WorkersDev string // the address below which workers.dev hosts are; "" is Cloudflare's
	S3Endpoint string // of R2's S3 API; "" is Cloudflare's for the account

	// DataOrigin names the origin of an app's data API, which becomes its binding DATA_ORIGIN. nil, or a result of "",
	// leaves the app without.
	DataOrigin func(slug string) string

	Limiter    Limiter      // nil: 4 calls a second in this process
	HTTPClient *http.Client // nil: one with sensible timeouts
	Now        func() time.Time
	Log        *slog.Logger
}

// Target is one Cloudflare account. Its methods may be called from any goroutine; two calls that change the same site
// must not run at the same time, which the caller's lock on the deployment ensures.
type Target struct {
	cfg  Config
	api  *transport
	base string

	scripts     *workers.ScriptService
	subdomain   *workers.SubdomainService
	domains     *workers.DomainService
	routes      *workers.RouteService
	buckets     *r2.BucketService
	tokens      *user.TokenService
	dispatchers *workers_for_platforms.DispatchNamespaceService

	mu     sync.Mutex
	s3     *bulk  // built when it is first needed
	domain string // the account's workers.dev subdomain, once known
	zoneID string // of cfg.Zone, once known
	bucket bool   // the bucket is there
	router bool   // the dispatcher is there
}

var _ target.Target = (*Target)(nil)

var (
	accountIDs = regexp.MustCompile(`^[0-9a-f]{32}$`)
	names      = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`)
	hostnames  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
	versionIDs = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// New returns a target without calling anything. A configuration that cannot work is an Invalid fault.
func New(cfg Config) (*Target, error) {
	cfg.Token, cfg.AccountID = strings.TrimSpace(cfg.Token), strings.ToLower(strings.TrimSpace(cfg.AccountID))
	cfg.Zone = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(cfg.Zone), "."))
	if cfg.Mode == "" {
		cfg.Mode = ModeScript
	}
	if cfg.Bucket == "" && cfg.Mode == ModeDispatch { // its routes lie there
		cfg.Bucket = DefaultBucket
	}
	if cfg.WorkersDev == "" {
		cfg.WorkersDev = defaultWorkersDev
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = defaultBaseURL
	}
	if cfg.S3Endpoint == "" {
		cfg.S3Endpoint = "https://" + cfg.AccountID + ".r2.cloudflarestorage.com"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Limiter == nil {
		cfg.Limiter = NewLocalLimiter()
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	t := &Target{cfg: cfg, api: newTransport(cfg), base: strings.TrimSuffix(cfg.BaseURL, "/")}
	t.api.redact.add(cfg.Token, s3Secret(cfg.Token))
	t.api.redact.pin()
	opts := []option.RequestOption{
		option.WithBaseURL(t.base), option.WithHTTPClient(t.api), option.WithMaxRetries(0), option.WithAPIToken(cfg.Token),
	}
	t.scripts = workers.NewScriptService(opts...)
	t.subdomain = workers.NewSubdomainService(opts...)
	t.domains = workers.NewDomainService(opts...)
	t.routes = workers.NewRouteService(opts...)
	t.buckets = r2.NewBucketService(opts...)
	t.tokens = user.NewTokenService(opts...)
	t.dispatchers = workers_for_platforms.NewDispatchNamespaceService(opts...)
	return t, nil
}

// check refuses a configuration that can never work. It never quotes the token.
func (c Config) check() error {
	switch {
	case c.Token == "":
		return fault.New(fault.Invalid, "There is no Cloudflare API token. Create one at My Profile > API Tokens and enter it.")
	case strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault.New(fault.Invalid, "The Cloudflare API token has characters that no token has. Copy it again.")
	case !accountIDs.MatchString(c.AccountID):
		return fault.New(fault.Invalid, "A Cloudflare account ID has 32 hexadecimal digits. It is on the account's overview page.")
	case c.Mode != ModeScript && c.Mode != ModeDispatch:
		return fault.New(fault.Invalid, "The Cloudflare mode is %q; it must be script or dispatch.", c.Mode)
	case c.Mode == ModeDispatch && !names.MatchString(c.Namespace):
		return fault.New(fault.Invalid, "The mode dispatch needs the name of a dispatch namespace: lower-case letters, digits and hyphens.")
	case c.Mode == ModeDispatch && c.Zone == "":
		return fault.New(fault.Invalid, "The mode dispatch needs a domain: scripts in a dispatch namespace have no workers.dev address.")
	case c.Bucket != "" && (len(c.Bucket) < 3 || !names.MatchString(c.Bucket) || strings.Contains(c.Bucket, "_")):
		return fault.New(fault.Invalid, "%q is no name of an R2 bucket: 3 to 63 lower-case letters, digits and hyphens.", c.Bucket)
	case c.Zone != "" && !hostnames.MatchString(c.Zone):
		return fault.New(fault.Invalid, "%q is no domain.", c.Zone)
	}
	for _, raw := range []string{c.BaseURL, c.S3Endpoint, c.WorkersDev} {
		if u, err := url.Parse(raw); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			return fault.New(fault.Invalid, "%q is no address of an API.", raw)
		}
	}
	return nil
}

// maxScript is the length of a script's name. A label of a host name has 63 characters, and the preview alias takes up
// to 12 of them: "d", the deployment's id, "-".
const maxScript = 63 - 12

// scriptPrefix begins the names of all scripts that are ours; Collect looks at no others.
const scriptPrefix = "os-"

// ScriptName returns the name of a site's Worker: os-<app id>-<slug>, with -preview for previews. A long slug is cut, so
// that an alias fits in front; the app's id keeps the name unique.
func ScriptName(s target.Site) string {
	suffix := ""
	if s.Environment == model.Preview {
		suffix = "-preview"
	}
	head := fmt.Sprintf("%s%d-", scriptPrefix, s.AppID)
	slug := s.Slug
	if room := maxScript - len(head) - len(suffix); len(slug) > room {
		slug = strings.TrimRight(slug[:max(0, room)], "-")
	}
	return head + slug + suffix
}

// script returns a site's Worker after checking that it may stand in a path.
func script(s target.Site) (string, error) {
	name := ScriptName(s)
	if s.AppID <= 0 || s.Slug == "" || strings.Contains(s.Slug, "_") || !names.MatchString(name) {
		return "", fault.New(fault.Invalid, "%q cannot be the name of a Cloudflare Worker.", name)
	}
	if s.Environment != model.Preview && s.Environment != model.Production {
		return "", fault.New(fault.Invalid, "%q is no environment.", s.Environment)
	}
	return name, nil
}

// host returns the public host of a site below the configured zone.
func (t *Target) host(s target.Site) string {
	label := s.Slug
	if s.Environment == model.Preview {
		label = "preview-" + label
	}
	return label + "." + t.cfg.Zone
}

// workersDevURL is the address of a script, or of one of its versions, on workers.dev.
func (t *Target) workersDevURL(label, subdomain string) string {
	scheme, host, _ := strings.Cut(t.cfg.WorkersDev, "://")
	return scheme + "://" + label + "." + subdomain + "." + host
}

// set fills a field of the SDK's parameters, whose type has no name outside the SDK's own module.
func set[T any](value *T, present *bool, v T) { *value, *present = v, true }
