package builder

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"time"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// author is the pipeline's Author for one version: the agent with a model.
type author struct {
	model    llm.Model
	packages agent.Packages
	store    *store.Store
	rec      *recorder
	fill     func(model.App, []byte) []byte
	// checkMigration runs a migration and takes it back.
	checkMigration func(ctx context.Context, app model.App, tree filetree.Tree, name, sql string) error
}

var _ pipeline.Author = (*author)(nil)

func (a *author) input(s *pipeline.State) agent.Input {
	return agent.Input{
		Model: a.model, Base: s.Base, Tree: s.Tree, History: s.History, Request: s.Request,
		Fill:     func(content []byte) []byte { return a.fill(s.App, content) },
		Packages: a.packages, Journal: a.rec, Now: time.Now,
		MigrationNames: migrationNames(s.Base),
		CheckMigration: func(ctx context.Context, name, sql string) error {
			return a.checkMigration(ctx, s.App, s.Base, name, sql)
		},
	}
}

// Plan implements pipeline.Author. It also names the version, and the app if the author found a name.
func (a *author) Plan(ctx context.Context, s *pipeline.State) (pipeline.Plan, error) {
	p, conversation, usage, err := agent.MakePlan(ctx, a.input(s))
	if err != nil {
		return pipeline.Plan{}, err
	}
	if err := a.store.AddUsage(ctx, s.Version.ID, usage.Input, usage.Output, 0); err != nil {
		return pipeline.Plan{}, err
	}
	appName := p.AppName
	if appName == s.App.Name {
		appName = ""
	}
	if err := a.store.NameTurn(ctx, s.App.ID, s.Version.ID, appName, p.VersionName, a.model.ID()); err != nil {
		return pipeline.Plan{}, err
	}
	return pipeline.Plan{
		AppName: p.AppName, VersionName: p.VersionName, Understood: p.Understood, Assumed: p.Assumed,
		Cannot: p.Cannot, Changes: p.Changes, Conversation: conversation,
	}, nil
}

// Build implements pipeline.Author.
func (a *author) Build(ctx context.Context, s *pipeline.State) (filetree.Tree, error) {
	p := agent.Plan{
		AppName: s.Plan.AppName, VersionName: s.Plan.VersionName, Understood: s.Plan.Understood, Assumed: s.Plan.Assumed,
		Cannot: s.Plan.Cannot, Changes: s.Plan.Changes,
	}
	res, err := agent.Build(ctx, a.input(s), p, s.Plan.Conversation)
	if err != nil {
		return filetree.Tree{}, err
	}
	if err := a.store.AddUsage(ctx, s.Version.ID, res.Usage.Input, res.Usage.Output, 0); err != nil {
		return filetree.Tree{}, err
	}
	if why, ok := gaveUp[res.Stopped]; ok {
		return filetree.Tree{}, fault.New(fault.Invalid, "%s", why)
	}
	return res.Tree, nil
}

// gaveUp says in words why an author stopped before it was done.
var gaveUp = map[string]string{
	"max_steps": "The author used all its steps without finishing. Ask for less at once.",
	"loop":      "The author repeated itself without getting further, so it was stopped.",
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
			out = append(out, llm.Message{Role: llm.Assistant, Text: text})
		}
	}
	return out
}

// isRestore reports whether a request is the restoring of an older version.
func isRestore(m model.Message) bool {
	var meta struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(m.Metadata, &meta) == nil && meta.Type == "restore"
}
