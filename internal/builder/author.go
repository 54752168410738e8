package builder

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"time"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/builder/relevance"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// Charge says what a request to a model is for, and who pays for it.
type Charge struct {
	App       model.App
	VersionID int64
	MessageID int64 // the request of the turn
	UserID    int64
	Purpose   model.Purpose
	Attempt   int // of a recovery
}

// Accounts keep account of what models cost.
type Accounts interface {
	// Meter returns the model with every request to it on record.
	Meter(m llm.Model, c Charge) llm.Model
	// MayAbsorb returns nil while recovery may be made at our own cost.
	MayAbsorb(ctx context.Context) error
	// MaySpend returns nil while a turn may send one more request.
	MaySpend(ctx context.Context, versionID int64) error
}

// author is the pipeline's Author for one version: the agent with a model.
type author struct {
	model    llm.Model
	accounts Accounts
	charge   Charge
	packages agent.Packages
	store    *store.Store
	rec      *recorder
	fill     func(model.App, []byte) []byte
	// foundation is what an app starts from.
	foundation pipeline.Foundation
	// checkMigration runs a migration and takes it back.
	checkMigration func(ctx context.Context, app model.App, tree filetree.Tree, name, sql string) error
}

var _ pipeline.Author = (*author)(nil)

// relevantTokens is how much of an app's source goes along with a request, so that the model need not ask for it.
const relevantTokens = 12_000

func (a *author) input(ctx context.Context, s *pipeline.State, purpose model.Purpose, attempt int) (agent.Input, error) {
	charge := a.charge
	charge.Purpose, charge.Attempt = purpose, attempt
	in := agent.Input{
		Model: a.accounts.Meter(a.model, charge), Base: s.Base, Tree: s.Tree, History: s.History, Request: s.Request,
		Fill:     func(content []byte) []byte { return a.fill(s.App, content) },
		Packages: a.packages, Journal: a.rec, Now: time.Now,
		MigrationNames: migrationNames(s.Base),
		CheckMigration: func(ctx context.Context, name, sql string) error {
			return a.checkMigration(ctx, s.App, s.Base, name, sql)
		},
		Allow:  func(ctx context.Context) error { return a.accounts.MaySpend(ctx, s.Version.ID) },
		Logs:   a.logs(s),
		Schema: relevance.Schema(s.Base), Notes: relevance.Notes(s.Base),
	}
	locks, err := a.store.Locks(ctx, s.App.ID)
	if err != nil {
		return in, err
	}
	for _, l := range locks {
		in.Locked = append(in.Locked, l.Path)
	}
	if s.Base.Len() == 0 {
		files, err := a.foundation.Files(s.App)
		if err != nil {
			return in, err
		}
		in.Foundation, err = filetree.New(files)
		return in, err
	}
	if byRules(a.model) {
		return in, nil // it reads what it needs, and pays nothing for it
	}
	picks := relevance.Rank(s.Base, s.Request, relevantTokens)
	in.Attach, in.Attached = relevance.Render(s.Base, picks)
	return in, nil
}

// byRules reports whether the author is the Composer, which would make a mistake again.
func byRules(m llm.Model) bool { return strings.HasPrefix(m.ID(), "composer/") }

// Plan implements pipeline.Author. It also names the version, and the app if the author found a name.
func (a *author) Plan(ctx context.Context, s *pipeline.State) (pipeline.Plan, error) {
	in, err := a.input(ctx, s, model.PurposePlan, 0)
	if err != nil {
		return pipeline.Plan{}, err
	}
	p, err := agent.MakePlan(ctx, in)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if p.Question != nil {
		return pipeline.Plan{Question: p.Question}, nil
	}
	appName := p.AppName
	if appName == s.App.Name {
		appName = ""
	}
	if err := a.store.NameTurn(ctx, s.App.ID, s.Version.ID, appName, p.VersionName, a.modelUsed()); err != nil {
		return pipeline.Plan{}, err
	}
	return pipeline.Plan{
		AppName: p.AppName, VersionName: p.VersionName, Understood: p.Understood, Assumed: p.Assumed,
		Cannot: p.Cannot, Changes: p.Changes,
	}, nil
}

// modelUsed is what the version records until the ledger knows how the model calls itself.
func (a *author) modelUsed() string {
	if byRules(a.model) {
		return a.model.ID()
	}
	return ""
}

// Build implements pipeline.Author.
func (a *author) Build(ctx context.Context, s *pipeline.State) (filetree.Tree, error) {
	in, err := a.input(ctx, s, model.PurposeBuild, 0)
	if err != nil {
		return filetree.Tree{}, err
	}
	return ended(agent.Build(ctx, in, agent.Plan{
		AppName: s.Plan.AppName, VersionName: s.Plan.VersionName, Understood: s.Plan.Understood, Assumed: s.Plan.Assumed,
		Cannot: s.Plan.Cannot, Changes: s.Plan.Changes,
	}))
}

// Recovers implements pipeline.Author.
func (a *author) Recovers(ctx context.Context) error {
	if byRules(a.model) {
		return pipeline.ErrNoRecovery
	}
	return a.accounts.MayAbsorb(ctx)
}

// recoverySteps is how many requests one attempt may make.
const recoverySteps = 12

// Recover implements pipeline.Author.
func (a *author) Recover(ctx context.Context, s *pipeline.State, t pipeline.Trouble) (filetree.Tree, error) {
	in, err := a.input(ctx, s, model.PurposeRecovery, t.Attempt)
	if err != nil {
		return filetree.Tree{}, err
	}
	in.Allow = a.accounts.MayAbsorb
	return ended(agent.Recover(ctx, in, agent.Recovery{Attempt: t.Attempt, Text: t.Text, Shown: t.Shown, MaxSteps: recoverySteps}))
}

func ended(res agent.Result, err error) (filetree.Tree, error) {
	if err != nil {
		return filetree.Tree{}, err
	}
	if why, ok := gaveUp[res.Stopped]; ok {
		return filetree.Tree{}, fault.New(fault.Invalid, "%s", why)
	}
	return res.Tree, nil
}

// gaveUp says in words why an author stopped before it was done.
var gaveUp = map[string]string{
	agent.StoppedMaxSteps: "The author used all its steps without finishing. Ask for less at once.",
	agent.StoppedLoop:     "The author repeated itself without getting further, so it was stopped.",
}

// maxLogLines is how many lines of a log an author can read back.
const maxLogLines = 1000

// logs lets the author read what was said about this version, or the one before it, while it was built and opened.
func (a *author) logs(s *pipeline.State) func(ctx context.Context, source string) ([]string, error) {
	return func(ctx context.Context, source string) ([]string, error) {
		for _, id := range []int64{s.Version.ID, s.Version.ParentID} {
			lines, err := a.store.Logs(ctx, id)
			if err != nil {
				return nil, err
			}
			var out []string
			for _, l := range lines {
				if fromBrowser := l.Stage == logConsole || l.Stage == logNetwork; l.Stage == source || source == "build" && !fromBrowser {
					out = append(out, string(l.Level)+" "+l.Text)
				}
			}
			if len(out) > 0 {
				return out[max(0, len(out)-maxLogLines):], nil
			}
		}
		return nil, nil
	}
}

// migrationsDir is where an app keeps its schema, one file a change.
const migrationsDir = "supabase/migrations/"

func migrationNames(tree filetree.Tree) []string {
	var names []string
	for _, p := range tree.Paths() {
		if strings.HasPrefix(p, migrationsDir) && strings.HasSuffix(p, ".sql") {
			names = append(names, path.Base(p))
		}
	}
	return names
}

// history turns an app's earlier messages into a conversation. A restore and a failed turn are told too:
// the author must not build on what is not there.
func history(messages []model.Message) []llm.Message {
	var out []llm.Message
	for _, m := range messages {
		switch m.Role {
		case model.RoleUser:
			out = append(out, llm.Message{Role: llm.User, Text: m.Content})
		case model.RoleAssistant:
			text := m.Content
			if m.Status == model.MessageFailed || m.Status == model.MessageCancelled {
				text = "(This turn did not work and was taken back.) " + text
			}
			if q, ok := questionOf(m); ok {
				text = strings.TrimSpace(text + "\n\n" + q.Text)
			}
			if text != "" {
				out = append(out, llm.Message{Role: llm.Assistant, Text: text})
			}
		}
	}
	return out
}

// questionOf returns the question that a builder's message ends with.
func questionOf(m model.Message) (model.Question, bool) {
	var q model.Question
	ok := m.Role == model.RoleAssistant && json.Unmarshal(m.Metadata, &q) == nil && q.Type == model.AskedQuestion
	return q, ok
}

// isRestore reports whether a request is the restoring of an older version.
func isRestore(m model.Message) bool {
	var meta struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(m.Metadata, &meta) == nil && meta.Type == "restore"
}
