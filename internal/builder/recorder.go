package builder

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// logDelay is how long log lines are gathered before they are written together.
const logDelay = 50 * time.Millisecond

// recorder writes down what happens to one version: it is the pipeline's Recorder and the agent's Journal.
type recorder struct {
	store *store.Store
	bus   Bus
	log   *slog.Logger
	v     model.Version

	mu      sync.Mutex
	pending []model.LogEvent
	timer   *time.Timer
}

var (
	_ pipeline.Recorder = (*recorder)(nil)
	_ agent.Journal     = (*recorder)(nil)
)

func (r *recorder) published(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	if err := r.bus.Publish(ctx, r.v.AppID); err != nil {
		r.log.WarnContext(ctx, "publish failed, listeners will look by themselves", "app_id", r.v.AppID, "error", err)
	}
	return nil
}

// StageStarted implements pipeline.Recorder.
func (r *recorder) StageStarted(ctx context.Context, st model.Stage) error {
	r.flush(ctx)
	if status, ok := deploymentStatus[st.Name]; ok {
		if err := r.store.SetDeploymentStatus(ctx, r.v.AppID, status); err != nil {
			return err
		}
	}
	if status, ok := replyStatus[st.Name]; ok {
		if err := r.store.SetReplyStatus(ctx, r.v.ID, status); err != nil {
			return err
		}
	}
	return r.published(ctx, r.store.StartStage(ctx, r.v.AppID, st))
}

// What the app's deployment and the builder's message are while a stage runs.
var (
	deploymentStatus = map[string]model.DeploymentStatus{"build": model.DeployBuilding, "deploy": model.DeployDeploying}
	replyStatus      = map[string]model.MessageStatus{"generate": model.MessageGenerating, "validate": model.MessageExecuting}
)

// StageEnded implements pipeline.Recorder.
func (r *recorder) StageEnded(ctx context.Context, st model.Stage) error {
	r.flush(ctx)
	return r.published(ctx, r.store.EndStage(ctx, r.v.AppID, st))
}

// Log implements pipeline.Recorder: lines are written together, in order, a moment later.
func (r *recorder) Log(stage string, level model.LogLevel, text string) {
	now := time.Now().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		r.pending = append(r.pending, model.LogEvent{VersionID: r.v.ID, Stage: stage, Level: level, Text: storable(line), At: now})
	}
	if r.timer == nil {
		r.timer = time.AfterFunc(logDelay, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			r.flush(ctx)
		})
	}
}

// storable drops what a text column cannot hold.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

// flush writes the gathered log lines. It holds the lock while it writes, so that lines keep their order.
func (r *recorder) flush(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if len(r.pending) == 0 {
		return
	}
	lines := r.pending
	r.pending = nil
	if err := r.published(ctx, r.store.AppendLog(ctx, r.v.AppID, lines)); err != nil {
		r.log.ErrorContext(ctx, "log lines lost", "version_id", r.v.ID, "lines", len(lines), "error", err)
	}
}

// Changed implements pipeline.Recorder.
func (r *recorder) Changed(ctx context.Context, before, after filetree.Tree) error {
	var changes []store.FileChange
	for _, c := range after.Diff(before) {
		content, _ := after.Get(c.Path)
		changes = append(changes, store.FileChange{Path: c.Path, Content: content, Deleted: c.Action == filetree.Delete, Action: c.Action})
	}
	return r.store.SaveFiles(ctx, r.v.ID, changes)
}

// Done implements pipeline.Recorder.
func (r *recorder) Done(ctx context.Context) (map[string]json.RawMessage, error) {
	stages, err := r.store.Stages(ctx, r.v.ID)
	if err != nil {
		return nil, err
	}
	done := map[string]json.RawMessage{}
	for _, st := range stages {
		if st.Status == model.StageDone {
			done[st.Name] = st.Output
		}
	}
	return done, nil
}

// Fixed implements pipeline.Recorder.
func (r *recorder) Fixed(ctx context.Context, fixes []pipeline.Fix) error {
	events := make([]model.FixEvent, len(fixes))
	for i, f := range fixes {
		events[i] = model.FixEvent{VersionID: r.v.ID, File: f.File, Text: f.What}
	}
	return r.published(ctx, r.store.AddFixes(ctx, r.v.AppID, events))
}

// Recovering implements pipeline.Recorder.
func (r *recorder) Recovering(ctx context.Context, note model.RecoveryNote, text string) error {
	return r.published(ctx, r.store.AddRecovery(ctx, r.v, note, storable(text)))
}

// Recoveries implements pipeline.Recorder.
func (r *recorder) Recoveries(ctx context.Context) ([]model.Message, error) {
	return r.store.Recoveries(ctx, r.v.ID)
}

// Load implements agent.Journal.
func (r *recorder) Load(ctx context.Context) ([]llm.Message, []model.ToolCall, error) {
	said, err := r.store.WhatWasSaid(ctx, r.v.ID)
	if err != nil {
		return nil, nil, err
	}
	calls, err := r.store.ToolCalls(ctx, r.v.ID)
	return said, calls, err
}

// Say implements agent.Journal.
func (r *recorder) Say(ctx context.Context, n int, m llm.Message) error {
	return r.store.Said(ctx, r.v.ID, n, m)
}

// Activity implements agent.Journal. Nobody misses one that is lost.
func (r *recorder) Activity(ctx context.Context, text string, thinking bool) {
	err := r.store.ShowActivity(ctx, r.v.AppID, model.ActivityEvent{VersionID: r.v.ID, Text: storable(text), Thinking: thinking})
	if err := r.published(ctx, err); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "activity lost", "version_id", r.v.ID, "error", err)
	}
}

// Record implements agent.Journal.
func (r *recorder) Record(ctx context.Context, call model.ToolCall, changed []agent.Changed) error {
	call.VersionID = r.v.ID
	changes := make([]store.FileChange, 0, len(changed))
	for _, c := range changed {
		changes = append(changes, store.FileChange{Path: c.Path, Content: c.Content, Deleted: c.Deleted, Action: c.Action})
	}
	return r.published(ctx, r.store.SaveToolCall(ctx, r.v.AppID, call, changes))
}

// Text implements agent.Journal.
func (r *recorder) Text(ctx context.Context, whole string) error {
	return r.published(ctx, r.store.SetReply(ctx, r.v.AppID, r.v.ID, whole, model.MessageGenerating))
}
