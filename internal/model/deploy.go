package model

import (
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// DeployTarget is where a team publishes its apps.
type DeployTarget struct {
	bun.BaseModel `bun:"table:deploy_targets,alias:dt"`

	TeamID    int64      `bun:",pk"`
	Kind      TargetKind // where
	AccountID string     // Cloudflare's 32 hexadecimal digits
	Token     []byte     // sealed
	TokenHint string     // first and last characters, to tell tokens apart
	Mode      string     // of Cloudflare: script or dispatch
	Namespace string     // the dispatch namespace
	Bucket    string     // the R2 bucket; "" keeps all files in static assets
	Zone      string     // the domain below which apps are published; "" is workers.dev
	Gate      GatePolicy
	UpdatedAt time.Time `bun:",nullzero,default:now()"`
	CanManage bool      `bun:"-"` // who asks may change it
}

// TargetKind names an implementation of a deploy target.
type TargetKind string

const (
	TargetLocal      TargetKind = "local"
	TargetWorkerd    TargetKind = "workerd"
	TargetCloudflare TargetKind = "cloudflare"
)

// GatePolicy says what findings of the gate do.
type GatePolicy string

const (
	GateBlock GatePolicy = "block" // what is serious keeps a version from being published
	GateWarn  GatePolicy = "warn"  // everything is shown, and nothing is kept back
)

// NewDeployTarget is what a person enters about where to publish. An empty Token keeps the one that is there.
type NewDeployTarget struct {
	Kind                                                  TargetKind
	AccountID, Token, Mode, Namespace, Bucket, Zone, Gate string
}

// Severity is how serious a finding is.
type Severity string

const (
	SeverityBlock Severity = "block"
	SeverityWarn  Severity = "warn"
	SeverityInfo  Severity = "info"
)

// Finding is something that the gate found in what is to be published. It never quotes a secret.
type Finding struct {
	Rule     string   `json:"rule"` // such as secret_in_bundle
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Title    string   `json:"title"`          // a sentence: what is wrong
	Why      string   `json:"why,omitempty"`  // what can come of it
	Cure     string   `json:"cure,omitempty"` // what to do
	// Prompt is the request that cures it when the person agrees: it is sent as a message of the chat. "" where only
	// a person can do something.
	Prompt string `json:"prompt,omitempty"`
}

// Changes is what a new version changed for visitors, as a browser saw it, compared with the one before.
type Changes struct {
	Against     string       `json:"against,omitempty"` // the number of the version compared with; "" when there was none
	Pages       []PageChange `json:"pages,omitempty"`   // of the routes that both have, those that differ
	RoutesAdded []string     `json:"routes_added,omitempty"`
	RoutesGone  []string     `json:"routes_gone,omitempty"`
	ErrorsNew   []string     `json:"errors_new,omitempty"`
	ErrorsCured []string     `json:"errors_cured,omitempty"`
	Opened      int          `json:"opened"` // routes that were opened
}

// PageChange is how one route differs.
type PageChange struct {
	Route       string   `json:"route"`
	TextAdded   []string `json:"text_added,omitempty"` // lines that can be read now
	TextGone    []string `json:"text_gone,omitempty"`
	PictureDiff float64  `json:"picture_diff,omitempty"` // share of the pixels that differ, 0 to 1
}

// EnvVar is a value that an app is built or run with. VITE_ names are built into the bundle, where everybody can read
// them; all others reach the server code only.
type EnvVar struct {
	bun.BaseModel `bun:"table:app_env_vars,alias:ev"`

	ID          int64 `bun:",pk,autoincrement"`
	AppID       int64
	Environment Environment
	Key         string
	Value       []byte    // sealed
	Hint        string    // first 4...last 4; all masked up to 8 characters
	CreatedAt   time.Time `bun:",nullzero,default:now()"`
	UpdatedAt   time.Time `bun:",nullzero,default:now()"`
}

// Public reports whether the value is built into what visitors download.
func (v EnvVar) Public() bool { return len(v.Key) > 5 && v.Key[:5] == "VITE_" }

// AppAccess says who may open an app in one environment.
type AppAccess struct {
	bun.BaseModel `bun:"table:app_access,alias:aa"`

	AppID        int64       `bun:",pk"`
	Environment  Environment `bun:",pk"`
	Mode         string      // public, password or private
	PasswordHash string
	Epoch        int64     // raised to take back every link and session
	UpdatedAt    time.Time `bun:",nullzero,default:now()"`
}

// Domain is a person's own domain for a published app.
type Domain struct {
	bun.BaseModel `bun:"table:app_domains,alias:ad"`

	ID        int64 `bun:",pk,autoincrement"`
	AppID     int64
	Name      string    // such as www.example.org
	Token     string    // what the TXT record _overskill.<name> must hold
	Status    string    // pending, active, failed
	Detail    string    // a sentence about its DNS
	RemoteID  string    // at the target
	CheckedAt time.Time `bun:",nullzero"`
	CreatedAt time.Time `bun:",nullzero,default:now()"`

	Records []DNSRecord `bun:"-"` // what its DNS must say
}

// DNSRecord is a line that a domain's owner enters at their DNS provider, and what is there now.
type DNSRecord struct {
	Type, Name, Value string
	Found             string // "" when there is nothing
	OK                bool
}

// AuditEntry is something that a person did and that others may ask about later.
type AuditEntry struct {
	bun.BaseModel `bun:"table:audit_entries,alias:au"`

	ID        int64 `bun:",pk,autoincrement"`
	TeamID    int64
	AppID     int64          `bun:",nullzero"`
	UserID    int64          `bun:",nullzero"`
	Action    string         // such as app.publish
	Detail    map[string]any `bun:"type:jsonb"`
	CreatedAt time.Time      `bun:",nullzero,default:now()"`
}

// Publication is what the publish page of an app shows.
type Publication struct {
	App       App
	Head      Version     // the last green version; zero before the first
	Live      *Deployment // what the published address shows; nil when the app is not published
	Running   *Deployment // a deployment to production that has not ended
	History   []Deployment
	Target    DeployTarget // without its token
	NotReady  string       // why the target cannot take a deployment; "" when it can
	URL       string       // the published address, whether or not anything is there
	Access    AppAccess    // of the published app
	Preview   AppAccess    // of the preview
	Vars      []EnvVar     // without values
	Domains   []Domain
	HasServer bool // the head has server code
	CanEdit   bool // who asks may publish and change all this
}

// Sentences say what changed for visitors, a line each, the most important first; at most a few of each kind.
func (c Changes) Sentences() []string {
	var out []string
	say := func(format string, items []string) {
		const shown = 3
		for _, item := range items[:min(shown, len(items))] {
			out = append(out, fmt.Sprintf(format, item))
		}
		if more := len(items) - shown; more > 0 {
			out = append(out, fmt.Sprintf("and %d more", more))
		}
	}
	say("Another error than before: %s", c.ErrorsNew)
	say("No longer an error: %s", c.ErrorsCured)
	say("New page: %s", c.RoutesAdded)
	say("Page that is gone: %s", c.RoutesGone)
	var pages []string
	for _, p := range c.Pages {
		pages = append(pages, fmt.Sprintf("%s (%d lines of text added, %d gone, %.1f%% of the picture differs)", p.Route, len(p.TextAdded), len(p.TextGone), 100*p.PictureDiff))
	}
	say("Page that looks different: %s", pages)
	return out
}
