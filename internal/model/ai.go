package model

import (
	"time"

	"github.com/uptrace/bun"
)

// Purpose is what a request to a model was for.
type Purpose string

const (
	PurposePlan     Purpose = "plan"
	PurposeBuild    Purpose = "build"
	PurposeRecovery Purpose = "recovery"
	PurposeSelfTest Purpose = "self_test"
)

// RequestStatus is how far a request to a model came.
type RequestStatus string

const (
	RequestOpen   RequestStatus = "open"   // running, or its process was killed
	RequestDone   RequestStatus = "done"   // the reply came to its end
	RequestBroken RequestStatus = "broken" // the reply broke off: what it had cost is an estimate
	RequestFailed RequestStatus = "failed" // nothing came, and it cost nothing
)

// ModelRequest is one line of the ledger: one request to a model. Money is in micro-USD.
type ModelRequest struct {
	bun.BaseModel `bun:"table:model_requests,alias:mr"`

	ID                 int64  `bun:",pk,autoincrement"`
	RequestID          string // ours, unique
	ProviderRequestID  string
	TeamID             int64
	AppID              int64 `bun:",nullzero"`
	AppSlug            string
	VersionID          int64 `bun:",nullzero"`
	MessageID          int64 `bun:",nullzero"`
	UserID             int64 `bun:",nullzero"`
	Purpose            Purpose
	Attempt            int // of a recovery, from 1
	Status             RequestStatus
	ModelAsked         string
	Model              string // as answered
	InputTokens        int64  // neither read from nor written to a cache
	OutputTokens       int64
	CacheReadTokens    int64
	CacheWriteTokens   int64  // of both lifetimes
	CacheWrite1hTokens int64  `bun:"cache_write_1h_tokens"` // those of them that live for an hour
	CostMicros         *int64 // nil: no price is known
	PriceVersion       string
	ReservedMicros     int64 // what it might cost at most, kept free in the team's budget while it is open
	SavedMicros        int64 // what the cache saved against the price of the same tokens without one; may be below 0
	Billable           bool
	Estimated          bool
	Error              string
	StartedAt          time.Time `bun:",nullzero"`
	EndedAt            time.Time `bun:",nullzero"`
}

// ConnectionKind is the protocol that a provider speaks.
type ConnectionKind string

const (
	Anthropic ConnectionKind = "anthropic" // Messages API
	OpenAI    ConnectionKind = "openai"    // chat completions, of OpenAI and of many others
)

// Connection is where models are, and the key to them. A model reference names both: "<connection>/<model>", such
// as "anthropic/claude-sonnet-5-5" or "ollama/qwen3-coder:30b"; "composer" is the Composer.
type Connection struct {
	bun.BaseModel `bun:"table:model_connections,alias:mc"`

	ID        int64 `bun:",pk,autoincrement"`
	TeamID    int64 `bun:",nullzero"` // 0: of the instance, for all teams
	Name      string
	Kind      ConnectionKind
	BaseURL   string // "": the provider's own
	SealedKey []byte
	KeyHint   string    // first 4...last 4, nothing of a short key
	Local     bool      // on this machine
	CreatedBy int64     `bun:",nullzero"`
	CreatedAt time.Time `bun:",nullzero,default:now()"`

	FromEnvironment bool `bun:"-"` // set by the operator; cannot be changed here
}

// ModelTest is whether a model could call tools when it was tried.
type ModelTest struct {
	bun.BaseModel `bun:"table:model_tests,alias:mt"`

	Connection string `bun:",pk"` // fingerprint of kind, base URL and key
	Model      string `bun:",pk"`
	OK         bool   `bun:"ok"`
	Reason     string
	TestedAt   time.Time `bun:",nullzero,default:now()"`
}

// ModelOption is a model that somebody may choose.
type ModelOption struct {
	Reference  string // what is chosen
	Name       string // for people, such as "Claude Sonnet 5.5"
	Connection string // for people, such as "Anthropic, the team's key"
	Price      string // for people, such as "$2 in, $10 out per million tokens", "unpriced" or "free"
	Tested     bool   // it can call tools, as far as is known
	Reason     string // why it cannot; "" otherwise
	Usual      bool   // it writes where nothing is chosen
}

// FileLock keeps a file from being changed by the author.
type FileLock struct {
	bun.BaseModel `bun:"table:app_file_locks,alias:fl"`

	AppID     int64     `bun:",pk"`
	Path      string    `bun:",pk"`
	LockedBy  int64     `bun:",nullzero"`
	CreatedAt time.Time `bun:",nullzero,default:now()"`
}
