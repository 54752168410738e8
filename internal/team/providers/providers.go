// Package providers decides which model writes an app, and keeps the keys to it.
//
// A model is reached through a connection: a protocol, an address and a key. Connections belong to a team, to the
// instance (its administrators made them, for all teams), or to the environment that the operator set. A reference
// names one model behind one connection, "<connection>/<model>", such as "anthropic/claude-sonnet-5-5"; "composer" is
// the Composer. Where a team and the instance have connections of the same name, the team's is meant.
//
// # The order of choice
//
//  1. the app's setting
//  2. the team's default
//  3. a configured key: the team's connections, then what OVERSKILL_MODEL names, then the environment's and the
//     instance's connections, Anthropic before others
//  4. a model server on this machine that an administrator approved
//  5. the Composer
//
// The first of these that is set counts, also when it does not work: a reference to something that was removed, a
// server that does not answer or a model that cannot call tools is an error with a sentence, never another model.
//
// # Trust
//
// A model of the catalogue that is asked at its provider's own address is taken as it is. Every other one must show
// once that it can call tools (llm.SelfTest) before it may touch an app; see selftest.go.
//
// Base URLs come from strangers: a team's connection speaks https, reaches public addresses only (package netguard),
// and its redirects are not followed. Administrators may name any address; theirs is the machine.
package providers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/llm/openai"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
)

// Composer is the reference of the Composer.
const Composer = "composer"

// Local is a model server that answers on this machine.
type Local = openai.Local

// Config is what Providers needs; all but Detect and Log is required.
type Config struct {
	Store       *store.Store
	Key         secret.Key // seals the providers' keys
	Environment Environment
	Composer    llm.Model
	// Meter makes self-tests be written down in the ledger, for a team and a person (0: nobody in particular).
	Meter  func(m llm.Model, teamID, userID int64) llm.Model
	Now    func() time.Time
	Log    *slog.Logger
	Detect func(ctx context.Context) []Local // looks for model servers on this machine; nil: never
}

// Providers is safe for concurrent use.
type Providers struct {
	cfg Config

	testKey []byte // of fingerprints
	clients clients
	testing *stripes

	mu     sync.Mutex
	models map[modelKey]llm.Model // in use: they remember what their servers refuse
	lists  map[string]list        // of models, by fingerprint
}

// New returns Providers. Call Validate before they are used.
func New(c Config) *Providers {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Providers{
		cfg: c, testKey: c.Key.Derive("model-tests", sha256.Size), clients: newClients(), testing: newStripes(),
		models: map[modelKey]llm.Model{}, lists: map[string]list{},
	}
}

// connection is one that can be used, or an error says why not.
type connection struct {
	model.Connection

	environmentKey string
}

// connections lists what a team can reach: its own, the environment's, the instance's. A name counts once, for the
// first that has it.
func (p *Providers) connections(ctx context.Context, teamID int64) ([]connection, error) {
	rows, err := p.cfg.Store.Connections(ctx, teamID)
	if err != nil {
		return nil, err
	}
	var own, shared []connection
	for _, c := range rows {
		if c.TeamID != 0 {
			own = append(own, connection{Connection: c})
		} else {
			shared = append(shared, connection{Connection: c})
		}
	}
	var out []connection
	taken := map[string]bool{}
	for _, group := range [][]connection{own, p.environment(), shared} {
		for _, c := range group {
			if !taken[c.Name] {
				out = append(out, c)
			}
			taken[c.Name] = true
		}
	}
	return out, nil
}

// key opens a connection's key; "" when it has none.
func (p *Providers) key(c connection) (string, error) {
	if c.FromEnvironment || len(c.SealedKey) == 0 {
		return c.environmentKey, nil
	}
	plain, err := p.cfg.Key.Open(c.SealedKey, place(c.Connection))
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "The key of the connection %q cannot be opened. Remove the connection and add it again.", c.Name)
	}
	return string(plain), nil
}

// place is what a sealed key is bound to: whoever may write to the database can neither give it to another team nor
// send it to another address.
func place(c model.Connection) []byte {
	return fmt.Appendf(nil, "model connection\x00%d\x00%s\x00%s\x00%s", c.TeamID, c.Name, c.Kind, c.BaseURL)
}

// fingerprint names kind, address and key of a connection without telling them.
func (p *Providers) fingerprint(c connection, key string) string {
	mac := hmac.New(sha256.New, p.testKey)
	fmt.Fprintf(mac, "%s\x00%s\x00%s", c.Kind, c.BaseURL, key)
	return hex.EncodeToString(mac.Sum(nil))
}

// hint shows which key it is: its ends, and nothing of a short one.
func hint(key string) string {
	if len(key) < 16 {
		return ""
	}
	return key[:4] + "..." + key[len(key)-4:]
}

// client is the HTTP client that a connection may use.
func (p *Providers) client(c connection) *http.Client {
	if c.TeamID != 0 && c.BaseURL != "" {
		return p.clients.public
	}
	return p.clients.any
}
