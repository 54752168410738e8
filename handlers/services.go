package handlers

import (
	"context"
	"io"
	"time"

	"overskill/internal/model"
)

// Accounts is what the web face asks about people.
type Accounts interface {
	Credentials
	Sessions
	KeptPrompts
}

// Credentials says who somebody is.
type Credentials interface {
	// SignUp makes an account. A taken address is fault.Conflict, a weak password fault.Invalid.
	SignUp(ctx context.Context, email, password string) (model.User, error)
	// SignIn checks a password. Too many failures from ip or for email are fault.RateLimited.
	SignIn(ctx context.Context, email, password, ip string) (model.User, error)
	// TokenUser returns whose API token bearer is, or fault.Unauthorized.
	TokenUser(ctx context.Context, bearer string) (model.User, error)
	// HasUsers reports whether anybody has an account yet.
	HasUsers(ctx context.Context) (bool, error)
}

// Sessions are signed-in browsers.
type Sessions interface {
	StartSession(ctx context.Context, userID int64) (token string, expires time.Time, err error)
	// SessionUser returns whose session token is, or fault.Unauthorized.
	SessionUser(ctx context.Context, token string) (model.User, error)
	EndSession(ctx context.Context, token string) error
}

// KeptPrompts hold what a visitor wrote until there is an account to build it for.
type KeptPrompts interface {
	KeepPrompt(ctx context.Context, prompt string) (token string, err error)
	// KeptPrompt returns the prompt and leaves it where it is; fault.NotFound when there is none.
	KeptPrompt(ctx context.Context, token string) (string, error)
	DropPrompt(ctx context.Context, token string) error
}

// Builder is what the web face asks about apps. Every method checks that u may do it; an app that u may
// not see is fault.NotFound, exactly as one that does not exist.
type Builder interface {
	AppReader
	AppWriter
	TurnReader
	VersionReader
	FileLocks
	Stream
}

// AppReader finds apps.
type AppReader interface {
	App(ctx context.Context, u model.User, slug string) (model.App, error)
	Apps(ctx context.Context, u model.User, q model.AppQuery) ([]model.AppCard, error)
	// Export writes a ZIP of a version's source; number "" is the newest that has files.
	Export(ctx context.Context, u model.User, slug, number string, w io.Writer) error
}

// AppWriter makes and changes apps.
type AppWriter interface {
	// CreateApp makes an app and starts its first turn.
	CreateApp(ctx context.Context, u model.User, prompt string) (model.App, error)
	// PostMessage starts the next turn; fault.Conflict while one runs.
	PostMessage(ctx context.Context, u model.User, slug, content string) (model.Turn, error)
	// Stop asks the running turn to end.
	Stop(ctx context.Context, u model.User, slug string) error
	Rename(ctx context.Context, u model.User, slug, name string) error
	Delete(ctx context.Context, u model.User, slug string) error
}

// TurnReader reads the chat.
type TurnReader interface {
	// Turns returns the last limit turns, oldest first.
	Turns(ctx context.Context, u model.User, slug string, limit int) ([]model.Turn, error)
	Turn(ctx context.Context, u model.User, slug string, versionID int64) (model.Turn, error)
	// Restore starts a turn that makes a new version with the files of an older one.
	Restore(ctx context.Context, u model.User, slug, number string) (model.Turn, error)
}

// VersionReader reads versions. A number "" is the newest version that has files.
type VersionReader interface {
	Versions(ctx context.Context, u model.User, slug string) ([]model.Version, error) // newest first
	Files(ctx context.Context, u model.User, slug, number string) ([]model.VersionFile, error)
	File(ctx context.Context, u model.User, slug, number, path string) ([]byte, error)
	Diff(ctx context.Context, u model.User, slug, number string) ([]model.FileDiff, error)
	Screenshot(ctx context.Context, u model.User, slug, number string, narrow bool) ([]byte, error) // PNG
}

// FileLocks keep files from being changed by the author.
type FileLocks interface {
	// Locks lists the paths that are locked, sorted.
	Locks(ctx context.Context, u model.User, slug string) ([]string, error)
	// SetLock locks a file of the newest version, or opens it again. What is so already is no error.
	SetLock(ctx context.Context, u model.User, slug, path string, on bool) error
}

// Stream reads what happens.
type Stream interface {
	// Events replays the events after an id and then follows, until ctx ends or emit fails.
	Events(ctx context.Context, u model.User, slug string, after int64, emit func(model.Event) error) error
	LastEventID(ctx context.Context, u model.User, slug string) (int64, error)
	Logs(ctx context.Context, u model.User, slug string, versionID int64) ([]model.LogEvent, error)
}

// Models is what the web face asks about who writes the code. A model is named by a reference, see
// model.Connection. A team of 0 is the instance, which only administrators may see and change.
type Models interface {
	AppModels
	Connections
	ModelChoice
}

// AppModels is the choice of one app.
type AppModels interface {
	// ModelOptions returns the app's own choice, "" when it leaves it to its team, and what it may be set to,
	// the Composer included. It is asked for every page of the builder, so it waits for no provider.
	ModelOptions(ctx context.Context, u model.User, slug string) (current string, options []model.ModelOption, err error)
	// SetAppModel makes the choice; "" leaves it to the team. A model that cannot be used is fault.Invalid.
	SetAppModel(ctx context.Context, u model.User, slug, reference string) error
}

// Connections are where models are.
type Connections interface {
	// MyTeam is the team whose settings u sees: the personal one.
	MyTeam(ctx context.Context, u model.User) (int64, error)
	Connections(ctx context.Context, u model.User, team int64) (model.TeamModels, error)
	// Connect tries the connection and keeps it. What was entered wrong is fault.Invalid, a name that is taken
	// fault.Conflict, a provider that does not answer fault.Unavailable.
	Connect(ctx context.Context, u model.User, team int64, c model.NewConnection) (model.Connection, error)
	// Disconnect forgets a connection and its key.
	Disconnect(ctx context.Context, u model.User, team, id int64) error
	// ApproveLocal connects the instance to a server that was found on this machine.
	ApproveLocal(ctx context.Context, u model.User, baseURL string) error
}

// ModelChoice is the choice of a team.
type ModelChoice interface {
	// SetDefaultModel makes the choice for all apps that leave it to the team, which is not 0: the operator sets
	// the default of the instance.
	SetDefaultModel(ctx context.Context, u model.User, team int64, reference string) error
	// TestModel asks a model to call a tool, which costs a few tokens, and keeps the result. A model that could
	// not is fault.Invalid with the reason.
	TestModel(ctx context.Context, u model.User, team int64, reference string) error
}

// Releases is what the web face asks about publishing apps. Every method checks that u may do it: an app that u may
// not see is fault.NotFound, one that u may see and not publish fault.Forbidden.
type Releases interface {
	Publishing
	Unpublishing
	EnvVars
	Access
	Domains
	Targets
}

// Publishing puts versions on an app's public address.
type Publishing interface {
	Publication(ctx context.Context, u model.User, slug string) (model.Publication, error)
	// CheckRelease runs the gate on the head as it would be published.
	CheckRelease(ctx context.Context, u model.User, slug string) ([]model.Finding, error)
	// Publish starts a deployment of a green version to production; number "" is the head. One that runs is superseded.
	Publish(ctx context.Context, u model.User, slug, number string) (model.Deployment, error)
	// Rollback shows an earlier deployment again.
	Rollback(ctx context.Context, u model.User, slug string, deploymentID int64) (model.Deployment, error)
	Deployment(ctx context.Context, u model.User, slug string, id int64) (model.Deployment, error)
}

// Unpublishing takes things back, and looks at what is there.
type Unpublishing interface {
	// Unpublish takes the app off its public address. Its versions and variables stay.
	Unpublish(ctx context.Context, u model.User, slug string) error
	// CancelDeployment asks a running deployment to end. What is live stays live.
	CancelDeployment(ctx context.Context, u model.User, slug string, id int64) error
	// DeploymentShot is the picture that verification took at 1280 px, or at 390 px when narrow; PNG.
	DeploymentShot(ctx context.Context, u model.User, slug string, id int64, narrow bool) ([]byte, error)
	// ServerLogs returns the newest lines that the published app's server code wrote, oldest first.
	ServerLogs(ctx context.Context, u model.User, slug string) ([]model.DeployLine, error)
}

// EnvVars are the variables of an app.
type EnvVars interface {
	// SetVar adds or replaces a variable. A name or a value that cannot be one is fault.Invalid.
	SetVar(ctx context.Context, u model.User, slug string, env model.Environment, key, value string) error
	DeleteVar(ctx context.Context, u model.User, slug string, env model.Environment, key string) error
}

// Access says who may open an app.
type Access interface {
	// SetAccess sets the mode: public, password or private. An empty password keeps the one that is there.
	SetAccess(ctx context.Context, u model.User, slug string, env model.Environment, mode, password string) error
	// ShareLink makes a link that opens a private environment for 1 hour to 30 days.
	ShareLink(ctx context.Context, u model.User, slug string, env model.Environment, ttl time.Duration) (url string, err error)
	// RevokeLinks ends every link and every session of an environment.
	RevokeLinks(ctx context.Context, u model.User, slug string, env model.Environment) error
	// PreviewLink is the address for the builder's own frame: short-lived and signed.
	PreviewLink(ctx context.Context, u model.User, slug string) (url string, err error)
}

// Domains are people's own names for a published app.
type Domains interface {
	AddDomain(ctx context.Context, u model.User, slug, name string) (model.Domain, error)
	// CheckDomain looks at the domain's DNS now, and takes it into use when it is right.
	CheckDomain(ctx context.Context, u model.User, slug string, id int64) (model.Domain, error)
	RemoveDomain(ctx context.Context, u model.User, slug string, id int64) error
}

// Targets are where teams publish. The team is as in Models, and never 0.
type Targets interface {
	// DeployTarget returns the team's choice without its token, and the permissions that a Cloudflare token needs.
	DeployTarget(ctx context.Context, u model.User, team int64) (t model.DeployTarget, permissions []string, err error)
	// SetDeployTarget makes the choice; what cannot work is fault.Invalid with the reason.
	SetDeployTarget(ctx context.Context, u model.User, team int64, n model.NewDeployTarget) error
	// TestDeployTarget asks the saved target whether it can take apps, and returns a sentence of what was found.
	TestDeployTarget(ctx context.Context, u model.User, team int64) (string, error)
}
