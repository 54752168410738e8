// Package target is the language in which a release and the places that can hold one speak: what is put where, what
// came of it, and the Target that every place implements (local, workerd, cloudflare).
//
// A release goes live in two steps, at every target. Deploy puts it beside what is live, at an address of its own,
// where it can be checked; Promote moves the app's address to it. Between the two nobody sees a difference, so a
// failure, or a process that is killed, takes nothing away from anyone: repeating Deploy with the same release is
// safe and sends only what is missing.
package target

import (
	"context"
	"time"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
	"overskill/internal/model"
)

// Site is one app in one environment: what an address belongs to.
type Site struct {
	TeamID      int64
	AppID       int64
	Slug        string
	Environment model.Environment
}

// Release is a version of an app, built and planned for a site.
type Release struct {
	Site
	DeploymentID int64
	VersionID    int64
	Version      string // such as 1.0.4
	Plan         plan.Plan
	// Vars are bindings of the app's server code that anyone may read, such as SUPABASE_URL.
	Vars map[string]string
	// Secrets are bindings that only the server code can read. What a target holds besides them is removed.
	Secrets map[string]string
	// Access says who may open the site.
	Access access.Rule
}

// Placed is a release that lies at a target, and that nobody is shown yet.
type Placed struct {
	ID    string // the target's own name for it; Promote and Rollback take it
	URL   string // where exactly this release answers; "" when the target has no such address
	Bytes int64  // of the Worker: script and modules
	Sent  int64  // bytes that had to be uploaded
}

// Live is a site's public address after Promote or Rollback.
type Live struct {
	URL  string
	Note string // a sentence for the person, such as a custom domain that does not answer yet; may be ""
	// NewHost says that the host name was not there before: its DNS record and its certificate may take minutes.
	NewHost bool
}

// Line is a line that an app's server code wrote, or what it threw.
type Line struct {
	At    time.Time
	Level model.LogLevel
	Text  string
}

// Progress receives sentences for the deployment's log. It is never nil.
type Progress func(level model.LogLevel, text string)

// Target is a place where apps are live. Errors are faults whose texts tell a person what to do, and hold no secret:
// Unavailable for what may work later, NotFound for a placed release that is gone, Invalid, TooLarge and Forbidden for
// what will not work until somebody changes something.
type Target interface {
	Mover
	// Verify reports whether the target can take releases: that it runs, that a token is valid and has the permissions
	// that are needed. It changes nothing.
	Verify(ctx context.Context) error
	// Deploy puts a release at the target without showing it to anyone.
	Deploy(ctx context.Context, r Release, say Progress) (Placed, error)
	// SetSecrets replaces the secrets of what is live, and returns the name by which the target knows that now; "" when
	// it has the name that it had. Conflict: the target cannot, and the release must be deployed again.
	SetSecrets(ctx context.Context, s Site, secrets map[string]string) (id string, err error)
	// Logs returns what the server code of a site wrote since a time, the oldest first.
	Logs(ctx context.Context, s Site, since time.Time) ([]Line, error)
}

// Kept is what of an app a target must leave.
type Kept struct {
	IDs     map[string]bool // placed releases
	Objects map[string]bool // keys in the bucket
}

// Tidier is a Target where what was placed once stays until it is removed.
type Tidier interface {
	// Tidy removes what lies there for a site and is not among what is kept.
	Tidy(ctx context.Context, s Site, keep Kept) error
}

// Mover moves a site's public address.
type Mover interface {
	// Promote moves the address to a placed release.
	Promote(ctx context.Context, s Site, id string) (Live, error)
	// Rollback moves the address back to a release that was live before. NotFound: it must be deployed again.
	Rollback(ctx context.Context, s Site, id string) (Live, error)
	// Delete takes the site from the target, with all that lies there for it. What is gone already is no error.
	Delete(ctx context.Context, s Site) error
}
