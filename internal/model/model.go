// Package model holds the words of the product: the rows that the database keeps and every other package
// talks about. It has no behaviour beyond naming states, and no interfaces: those belong to their consumers.
package model

import (
	"encoding/json"
	"time"

	"github.com/uptrace/bun"
)

// User is a person with an account on this instance.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           int64     `bun:",pk,autoincrement"`
	Email        string    // lower case, unique
	Name         string    // what people see; the part before the @ until they say otherwise
	PasswordHash string    // argon2id, PHC string format
	Admin        bool      // administrators see every team
	CreatedAt    time.Time `bun:",nullzero,default:now()"`
}

// Role is what a member may do in a team.
type Role string

const (
	Owner  Role = "owner"
	Admin  Role = "admin"
	Editor Role = "editor"
	Viewer Role = "viewer"
)

// CanEdit reports whether a member with this role may change apps.
func (r Role) CanEdit() bool { return r == Owner || r == Admin || r == Editor }

// Team owns apps and pays for them. Everyone has a personal one.
type Team struct {
	bun.BaseModel `bun:"table:teams,alias:t"`

	ID           int64 `bun:",pk,autoincrement"`
	Name         string
	Personal     bool
	DefaultModel string    // a model reference, see Connection; "" leaves the choice to the order of choice
	BudgetMicros int64     `bun:",nullzero"`               // of a month; 0: no limit
	TimeZone     string    `bun:",nullzero,default:'UTC'"` // IANA; the team's days and months begin there
	CreatedAt    time.Time `bun:",nullzero,default:now()"`
}

// Membership joins a person to a team.
type Membership struct {
	bun.BaseModel `bun:"table:memberships,alias:m"`

	TeamID    int64 `bun:",pk"`
	UserID    int64 `bun:",pk"`
	Role      Role
	CreatedAt time.Time `bun:",nullzero,default:now()"`
}

// Session is a signed-in browser. Only the sha256 of its cookie is kept.
type Session struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	TokenHash []byte `bun:",pk"`
	UserID    int64
	CreatedAt time.Time `bun:",nullzero,default:now()"`
	ExpiresAt time.Time
}

// APIToken lets a program act as a person. Only its sha256 is kept.
type APIToken struct {
	bun.BaseModel `bun:"table:api_tokens,alias:at"`

	ID         int64 `bun:",pk,autoincrement"`
	UserID     int64
	TokenHash  []byte
	Name       string
	CreatedAt  time.Time `bun:",nullzero,default:now()"`
	LastUsedAt time.Time `bun:",nullzero"`
}

// AppStatus says how far an app's source is.
type AppStatus string

const (
	AppDraft      AppStatus = "draft"
	AppGenerating AppStatus = "generating"
	AppGenerated  AppStatus = "generated"
	AppFailed     AppStatus = "failed"
)

// DeploymentStatus says how far an app's newest deployment is.
type DeploymentStatus string

const (
	DeployNone       DeploymentStatus = ""
	DeployPending    DeploymentStatus = "pending"
	DeployBuilding   DeploymentStatus = "building"
	DeployDeploying  DeploymentStatus = "deploying"
	DeployDeployed   DeploymentStatus = "deployed"
	DeployFailed     DeploymentStatus = "failed"
	DeployRolledBack DeploymentStatus = "rolled_back"
	DeploySuperseded DeploymentStatus = "superseded"
)

// App is what a person described in a chat.
type App struct {
	bun.BaseModel `bun:"table:apps,alias:a"`

	ID               int64 `bun:",pk,autoincrement"`
	TeamID           int64
	CreatedBy        int64
	Slug             string // unique on the instance; preview-<slug>.<base domain>
	Name             string
	Prompt           string // the first one
	Status           AppStatus
	DeploymentStatus DeploymentStatus
	HeadVersionID    int64     `bun:",nullzero"` // the last green version; 0 before the first
	PreviewURL       string    // of the head; "" before the first
	PublishedAt      time.Time `bun:",nullzero"`
	Badge            bool      // "Made with" badge
	Model            string    // a model reference, see Connection; "" is the team's choice
	CreatedAt        time.Time `bun:",nullzero,default:now()"`
	UpdatedAt        time.Time `bun:",nullzero,default:now()"`
	// Published is the number of the version that the public address shows; "" when nothing is there. It is there in
	// what AppBySlug and Apps of the store return.
	Published string `bun:",scanonly"`
}

// VersionStatus is the state of one turn's result.
type VersionStatus string

const (
	VersionQueued   VersionStatus = "queued"
	VersionBuilding VersionStatus = "building" // any stage is running
	VersionGreen    VersionStatus = "green"    // built, deployed, fetched back by hash and opened
	VersionFailed   VersionStatus = "failed"   // stays, inspectable; never live
	VersionStopped  VersionStatus = "stopped"  // a person stopped it
	// VersionUnchanged is an answer that changed no file: there was nothing to build.
	VersionUnchanged VersionStatus = "unchanged"
)

// Ended reports whether nothing more will happen to the version.
func (s VersionStatus) Ended() bool {
	return s != VersionQueued && s != VersionBuilding
}

// Version is the result of one turn: a manifest over content-addressed blobs, and what it cost.
type Version struct {
	bun.BaseModel `bun:"table:app_versions,alias:v"`

	ID          int64 `bun:",pk,autoincrement"`
	AppID       int64
	ParentID    int64 `bun:",nullzero"`
	CreatedBy   int64
	Number      string // 1.0.0, each turn bumps the patch
	DisplayName string // in words
	Status      VersionStatus
	Error       string // a sentence for the person; "" unless failed
	ErrorClass  string
	ContentHash string // of the deployed plan; /_deployment answers it
	BundleBytes int64  // the Worker plan's size
	// How it looked in a browser, and what that changed for visitors.
	ScreenshotNarrowHash string          `bun:",nullzero"`
	Snapshot             json.RawMessage `bun:"type:jsonb,nullzero,default:'{}'"` // see smoke.Snapshot
	Changes              Changes         `bun:"type:jsonb"`
	ScreenshotHash       string          `bun:",nullzero"` // blob of the picture that verification took
	AITokensInput        int64           `bun:"ai_tokens_input"`
	AITokensOutput       int64           `bun:"ai_tokens_output"`
	AICostCents          int64           `bun:"ai_cost_cents"` // billable, rounded
	AIModelUsed          string          `bun:"ai_model_used"` // as answered
	// The sums of the version's rows in the ledger.
	AICostMicros     int64     `bun:"ai_cost_micros"`     // billable, micro-USD
	AIAbsorbedMicros int64     `bun:"ai_absorbed_micros"` // not billed: recovery, and replies that broke off
	AIUnpriced       int       `bun:"ai_unpriced"`        // requests without a known price
	CreatedAt        time.Time `bun:",nullzero,default:now()"`
	EndedAt          time.Time `bun:",nullzero"`
}

// VersionFile is one line of a version's manifest. A deleted file keeps its line, with no hash.
type VersionFile struct {
	bun.BaseModel `bun:"table:app_version_files,alias:vf"`

	VersionID int64  `bun:",pk"`
	Path      string `bun:",pk"`
	BlobHash  string `bun:",nullzero"` // "" when Action is delete
	Size      int64
	Action    string // create, update, delete, rename, restore; "" when unchanged since the parent
}

// MessageRole is who speaks.
type MessageRole string

const (
	RoleUser      MessageRole = "user"
	RoleAssistant MessageRole = "assistant"
	RoleSystem    MessageRole = "system"
)

// MessageStatus is the state of an assistant's message.
type MessageStatus string

const (
	MessagePlanning        MessageStatus = "planning"
	MessageExecuting       MessageStatus = "executing"
	MessageGenerating      MessageStatus = "generating"
	MessageCompleted       MessageStatus = "completed"
	MessageFailed          MessageStatus = "failed"
	MessageValidationError MessageStatus = "validation_error"
	MessageCancelled       MessageStatus = "cancelled"
)

// Message is one entry of an app's chat.
type Message struct {
	bun.BaseModel `bun:"table:messages,alias:msg"`

	ID        int64 `bun:",pk,autoincrement"`
	AppID     int64
	VersionID int64 `bun:",nullzero"`
	UserID    int64 `bun:",nullzero"` // who wrote it; 0 for the builder
	Role      MessageRole
	Status    MessageStatus
	Content   string
	Metadata  json.RawMessage `bun:"type:jsonb,nullzero"`
	CreatedAt time.Time       `bun:",nullzero,default:now()"`
	UpdatedAt time.Time       `bun:",nullzero,default:now()"`
}

// StageStatus is the state of one pipeline stage of one version.
type StageStatus string

const (
	StageWaiting StageStatus = "waiting"
	StageRunning StageStatus = "running"
	StageDone    StageStatus = "done"
	StageFailed  StageStatus = "failed"
	StageStopped StageStatus = "stopped"
)

// Stage is one pipeline stage of one version. It is done at most once: a resumed version skips it.
type Stage struct {
	bun.BaseModel `bun:"table:version_stages,alias:st"`

	VersionID int64  `bun:",pk"`
	Name      string `bun:",pk"` // the pipeline's name: understand, plan, foundation, generate, ...
	Step      int    // which of the six steps that people see, 1 to 6
	Status    StageStatus
	Attempts  int
	Error     string
	Output    json.RawMessage `bun:"type:jsonb,nullzero"` // what later stages need after a restart
	StartedAt time.Time       `bun:",nullzero"`
	EndedAt   time.Time       `bun:",nullzero"`
}

// Steps are the six steps shown to people; Stage.Step counts from 1.
var Steps = [6]string{"Understanding", "Planning", "Foundation", "Features", "Validating and building", "Deploying"}

// ToolCall is one call of a tool by the model, recorded before its result is used, so that a resumed turn
// does not repeat it.
type ToolCall struct {
	bun.BaseModel `bun:"table:version_tool_calls,alias:tc"`

	VersionID int64           `bun:",pk"`
	Seq       int             `bun:",pk"` // from 1, in the order of the turn
	Name      string          // os-write, os-line-replace, ...
	Path      string          // the file it is about, or the search expression, or ""
	Input     json.RawMessage `bun:"type:jsonb"`
	Result    string
	OK        bool `bun:"ok"`
	Added     int  // lines
	Removed   int
	Detail    string    // a unified diff, bounded; "" when there is none
	StartedAt time.Time `bun:",nullzero"`
	Millis    int64
}

// JobStatus is the state of a job row. Redis only carries the wake-up; this row is the truth.
type JobStatus string

const (
	JobQueued   JobStatus = "queued"
	JobRunning  JobStatus = "running"
	JobDone     JobStatus = "done"
	JobFailed   JobStatus = "failed"
	JobCanceled JobStatus = "cancelled"
)

// Job is the intent to do some work for a version.
type Job struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID        int64  `bun:",pk,autoincrement"`
	Kind      string // the asynq task type
	AppID     int64
	VersionID int64
	// DeploymentID is the deployment that the job makes; 0 for a turn.
	DeploymentID int64 `bun:",nullzero"`
	Status       JobStatus
	Attempts     int
	StopAsked    bool      // a person asked to stop it
	LeaseUntil   time.Time `bun:",nullzero"` // who runs it renews this; past it, the job may be taken over
	Error        string
	CreatedAt    time.Time `bun:",nullzero,default:now()"`
	UpdatedAt    time.Time `bun:",nullzero,default:now()"`
}

// Environment is where a deployment goes.
type Environment string

const (
	Preview    Environment = "preview"
	Production Environment = "production"
)

// DeploymentKind is why a deployment was made.
type DeploymentKind string

const (
	KindPreview  DeploymentKind = "preview"
	KindPublish  DeploymentKind = "publish"
	KindRollback DeploymentKind = "rollback" // back to a version that was live before
	KindSettings DeploymentKind = "settings" // the same version with other variables or secrets
)

// Deployment is one attempt to put a version on a URL.
type Deployment struct {
	bun.BaseModel `bun:"table:deployments,alias:d"`

	ID           int64 `bun:",pk,autoincrement"`
	AppID        int64
	VersionID    int64
	Environment  Environment
	Status       DeploymentStatus
	Kind         DeploymentKind
	Target       TargetKind
	Stage        string   // how far it is: check, build, deploy, verify, promote; "" before it began
	URL          string   // the public address
	CandidateURL string   // where exactly this deployment answers, whether or not it is live
	PlacedID     string   // the target's own name for what it holds
	BucketKeys   []string `bun:",array"` // what of it lies in a bucket; nil where nobody wrote it down
	SettingsHash string   // of the secrets and the access rule that it carries; "" where none travel
	UserID       int64    `bun:",nullzero"` // who asked for it
	ContentHash  string
	SizeBytes    int64 // of all files
	WorkerBytes  int64 // of the Worker
	SentBytes    int64 // that had to be uploaded
	Error        string
	Findings     []Finding       `bun:"type:jsonb"` // of the gate
	Changes      Changes         `bun:"type:jsonb"`
	Snapshot     json.RawMessage `bun:"type:jsonb"` // how its pages looked; see smoke.Snapshot
	Log          []DeployLine    `bun:"type:jsonb"`
	CreatedAt    time.Time       `bun:",nullzero,default:now()"`
	StartedAt    time.Time       `bun:",nullzero"`
	PromotedAt   time.Time       `bun:",nullzero"`
	EndedAt      time.Time       `bun:",nullzero"`

	ScreenshotHash       string `bun:",nullzero"`
	ScreenshotNarrowHash string `bun:",nullzero"`

	// Of the version and the person, filled where a list is read for people.
	Number    string `bun:",scanonly"` // of the version, such as 1.0.4
	UserEmail string `bun:",scanonly"`
}

// Ended reports whether nothing more will happen to the deployment by itself.
func (d Deployment) Ended() bool {
	return d.Status != DeployPending && d.Status != DeployBuilding && d.Status != DeployDeploying
}

// DeployLine is one line of a deployment's log.
type DeployLine struct {
	At    time.Time `json:"at"`
	Level LogLevel  `json:"level"`
	Text  string    `json:"text"`
}

// Event is something that happened to an app, in the order in which it happened: within an app a larger
// ID was committed later. The SSE stream sends ID as id:, Kind as event:, and Data as data:.
type Event struct {
	bun.BaseModel `bun:"table:events,alias:e"`

	ID        int64 `bun:",pk,autoincrement"`
	AppID     int64
	VersionID int64 `bun:",nullzero"`
	Kind      string
	Data      json.RawMessage `bun:"type:jsonb"`
	CreatedAt time.Time       `bun:",nullzero,default:now()"`
}

// The kinds of events. Each names the type of its Data.
const (
	EventTurn    = "turn"    // TurnEvent: a turn started or ended
	EventStage   = "stage"   // StageEvent
	EventLog     = "log"     // LogEvent: one line of the live build log
	EventTool    = "tool"    // ToolEvent
	EventText    = "text"    // TextEvent: the builder's prose grew
	EventPreview = "preview" // PreviewEvent: the head and its URL moved
	EventApp     = "app"     // AppEvent: name or status changed

	EventActivity = "activity" // ActivityEvent: what the author is doing this moment
	EventFix      = "fix"      // FixEvent: a problem was cured without a model
	EventRecovery = "recovery" // RecoveryEvent: the author is asked to cure an error
)

type TurnEvent struct {
	VersionID int64         `json:"version_id"`
	Number    string        `json:"number"`
	Status    VersionStatus `json:"status"`
	Error     string        `json:"error,omitempty"`
}

type StageEvent struct {
	VersionID int64       `json:"version_id"`
	Stage     string      `json:"stage"`
	Step      int         `json:"step"`
	Status    StageStatus `json:"status"`
	Millis    int64       `json:"ms,omitempty"`
	Error     string      `json:"error,omitempty"`
}

// LogLevel is the weight of a log line.
type LogLevel string

const (
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

type LogEvent struct {
	VersionID int64     `json:"version_id"`
	Stage     string    `json:"stage"`
	Level     LogLevel  `json:"level"`
	Text      string    `json:"text"`
	At        time.Time `json:"at"`
}

type ToolEvent struct {
	VersionID int64  `json:"version_id"`
	Seq       int    `json:"seq"`
	Name      string `json:"name"`
	Path      string `json:"path,omitempty"`
	OK        bool   `json:"ok"`
	Added     int    `json:"added,omitempty"`
	Removed   int    `json:"removed,omitempty"`
	Millis    int64  `json:"ms"`
}

type TextEvent struct {
	VersionID int64  `json:"version_id"`
	Text      string `json:"text"` // the whole text so far
}

type PreviewEvent struct {
	VersionID int64  `json:"version_id"`
	Number    string `json:"number"`
	URL       string `json:"url"`
}

type AppEvent struct {
	Name             string           `json:"name"`
	Status           AppStatus        `json:"status"`
	DeploymentStatus DeploymentStatus `json:"deployment_status"`
}

// ActivityEvent is shown until the next tool, text, stage or turn event. An empty text takes it away.
type ActivityEvent struct {
	VersionID int64  `json:"version_id"`
	Text      string `json:"text"` // such as "Writing src/pages/Home.tsx, 84 lines", or a summary of what the model thinks
	Thinking  bool   `json:"thinking,omitempty"`
}

// FixEvent is one cure that cost nothing.
type FixEvent struct {
	VersionID int64  `json:"version_id"`
	File      string `json:"file,omitempty"`
	Text      string `json:"text"`
}

// RecoveryEvent says that an attempt at an error begins.
type RecoveryEvent struct {
	VersionID int64  `json:"version_id"`
	Attempt   int    `json:"attempt"`
	Class     string `json:"class"`
	Text      string `json:"text"`
}

// Turn is one request with everything that came of it: what the chat shows.
type Turn struct {
	Request    Message
	Author     User // who asked
	Reply      Message
	Version    Version
	Stages     []Stage
	Tools      []ToolCall
	Fixes      []FixEvent
	Recoveries []Message // asked by the builder itself; their metadata is a RecoveryNote
}

// RecoveryNote is the metadata of a message by which the builder asks for the cure of an error. The server writes
// it, nobody else can.
type RecoveryNote struct {
	Type          string `json:"type"` // error_recovery
	Attempt       int    `json:"attempt"`
	ErrorClass    string `json:"error_class"`
	Error         string `json:"error"` // a sentence
	Signature     string `json:"signature"`
	BillingIgnore bool   `json:"billing_ignore"`
}

// ErrorRecovery is the Type of a RecoveryNote.
const ErrorRecovery = "error_recovery"

// Question is the metadata of a builder's message that ends a turn with a question.
type Question struct {
	Type    string   `json:"type"` // question
	Text    string   `json:"text"`
	Choices []string `json:"choices"`
}

// AskedQuestion is the Type of a Question.
const AskedQuestion = "question"

// Diagnostic is one problem found in an app's files by validate, build or typecheck.
type Diagnostic struct {
	Class   string `json:"class"` // missing_package, missing_file, missing_export, syntax, type, css, html, too_big, migration, runtime, network, blank, timeout, deployment
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // 1-based; 0 unknown
	Column  int    `json:"column,omitempty"` // 1-based; 0 unknown
	Code    string `json:"code,omitempty"`   // such as TS2304
	Message string `json:"message"`
	Snippet string `json:"snippet,omitempty"` // the line of code
	Cure    string `json:"cure,omitempty"`    // what to do, where it is known
	Warning bool   `json:"warning,omitempty"`
}

// ClassDeployment is the class of what is wrong with how a version is served. No change of its files can cure it.
const ClassDeployment = "deployment"
