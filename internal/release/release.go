// Package release is what people do with a finished app: publish it, go back, say who may open it, under which domain,
// with which variables, and where.
//
//	publish ──> a row (pending) + a job ──> Runner: build ─> check ─> deploy ─> verify ─> promote ──> deployed
//	                                                 │        │          │         │          │
//	                                                 └────────┴──────────┴─────────┴──> failed: what was live stays live
//
// A deployment is made beside what is live, opened in a browser at an address of its own, and only then shown at the
// public address, where it is fetched and opened once more. If that last look fails, the address goes back to what it
// showed before. A newer deployment supersedes one that has not ended. Every step can be repeated, so a killed worker's
// job is taken over by the next one.
//
// Service is for people, Runner does the work; both keep all truth in the store.
package release

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/smoke"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
	"overskill/internal/toolchain"
	"overskill/internal/toolchain/npm"
)

// JobKind is the kind of job that a Runner does.
const JobKind = "deploy"

// Queue wakes up a worker for a job row.
type Queue interface {
	Enqueue(ctx context.Context, kind string, jobID int64, attempts int) error
}

// Tools build what is published.
type Tools interface {
	Build(ctx context.Context, in toolchain.BuildInput) (toolchain.Dist, error)
	BuildServer(ctx context.Context, in toolchain.BuildInput) (toolchain.Server, error)
	Licenses(ctx context.Context, tree filetree.Tree) ([]toolchain.Package, error)
	Audit(ctx context.Context, installed map[string][]string) *npm.Audit
}

// Verifier opens a deployment in a browser.
type Verifier interface {
	Verify(ctx context.Context, t smoke.Target) (smoke.Report, error)
}

// Keys are an app's keys to its own data.
type Keys func(appID int64) (anon, service string, err error)

// Places are the targets that this instance has.
type Places struct {
	Local target.Target
	// Workerd is nil where Cloudflare's runtime is not available.
	Workerd target.Target
	// Cloudflare returns the target of an account. The row's token is open here.
	Cloudflare func(row model.DeployTarget, token string) (target.Target, error)
	// Permissions are those that a token for Cloudflare needs, in Cloudflare's words.
	Permissions []string
}

// Addresses are where apps are.
type Addresses struct {
	Public     func(slug string, env model.Environment) string
	Deployment func(slug string, deploymentID int64) string // of one local deployment, whether or not it is live
	// Host is what a custom domain's DNS must point to.
	Host func(slug string) string
	// Reachable says that others than this machine can reach these addresses.
	Reachable bool
}

// Config is what a Service and a Runner work with.
type Config struct {
	Store     *store.Store
	Key       secret.Key
	Queue     Queue
	Tools     Tools
	Verifier  Verifier
	Keys      Keys
	Places    Places
	Addresses Addresses
	Resolver  Resolver
	Log       *slog.Logger
}

// Service implements the uses. It is safe for concurrent use.
type Service struct {
	Config
	checks checks
}

// New returns a Service.
func New(c Config) *Service {
	return &Service{Config: c, checks: checks{known: map[string][]model.Finding{}}}
}

// audit begins an entry about an app.
func audit(app model.App, u model.User, action string, detail map[string]any) model.AuditEntry {
	return model.AuditEntry{TeamID: app.TeamID, AppID: app.ID, UserID: u.ID, Action: action, Detail: detail}
}

// site is what an app is to a target.
func site(app model.App, env model.Environment) target.Site {
	return target.Site{TeamID: app.TeamID, AppID: app.ID, Slug: app.Slug, Environment: env}
}

// place returns where a team publishes, and the row that says so.
func (s *Service) place(ctx context.Context, teamID int64) (target.Target, model.DeployTarget, error) {
	row, err := s.Store.DeployTarget(ctx, teamID)
	if err != nil {
		return nil, row, err
	}
	t, err := s.targetOf(row)
	return t, row, err
}

// livePlace returns where an app is live, which is not where its team publishes now when that was changed since.
func (s *Service) livePlace(ctx context.Context, app model.App) (target.Target, model.DeployTarget, error) {
	row, err := s.Store.DeployTarget(ctx, app.TeamID)
	if err != nil {
		return nil, row, err
	}
	switch live, err := s.Store.CurrentDeployment(ctx, app.ID, model.Production); {
	case err == nil:
		row.Kind = live.Target
	case !fault.Is(err, fault.NotFound):
		return nil, row, err
	}
	t, err := s.targetOf(row)
	return t, row, err
}

// targetOf returns the target that a row describes.
func (s *Service) targetOf(row model.DeployTarget) (target.Target, error) {
	switch row.Kind {
	case model.TargetLocal:
		return s.Places.Local, nil
	case model.TargetWorkerd:
		if s.Places.Workerd == nil {
			return nil, fault.New(fault.Unavailable, "Cloudflare's runtime workerd is not available on this server. Choose another place to publish in the team's settings.")
		}
		return s.Places.Workerd, nil
	case model.TargetCloudflare:
		token, err := s.openToken(row)
		if err != nil {
			return nil, err
		}
		if token == "" || row.AccountID == "" {
			return nil, fault.New(fault.Invalid, "Cloudflare is not configured: enter an account id and an API token in the team's settings.")
		}
		return s.Places.Cloudflare(row, token)
	}
	return nil, fmt.Errorf("unknown deploy target %q", row.Kind)
}

func tokenPlace(teamID int64) []byte {
	return []byte("deploy-target:" + strconv.FormatInt(teamID, 10))
}

func (s *Service) openToken(row model.DeployTarget) (string, error) {
	if len(row.Token) == 0 {
		return "", nil
	}
	plain, err := s.Key.Open(row.Token, tokenPlace(row.TeamID))
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "The Cloudflare token cannot be read with this server's key. Enter it again.")
	}
	return string(plain), nil
}

// Rule says who may open an app in an environment. Previews are private and published apps public until somebody
// chooses.
func Rule(key secret.Key, appID int64, env model.Environment, mode, passwordHash string, epoch int64) access.Rule {
	r := access.Rule{Mode: access.Mode(mode), PasswordHash: passwordHash, Epoch: epoch}
	if r.Mode == "" {
		r.Mode = access.Public
		if env == model.Preview {
			r.Mode = access.Private
		}
	}
	r.Key = key.Derive("access:"+strconv.FormatInt(appID, 10)+":"+string(env), 32)
	return r
}

func (s *Service) rule(ctx context.Context, appID int64, env model.Environment) (access.Rule, error) {
	a, err := s.Store.AccessOf(ctx, appID, env)
	return Rule(s.Key, appID, env, a.Mode, a.PasswordHash, a.Epoch), err
}

// checkToken opens a deployment for the checker, however private it is.
const checkToken = 10 * time.Minute
