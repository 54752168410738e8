package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/model"
)

// StartStage marks a stage as running, and the version as building.
func (s *Store) StartStage(ctx context.Context, appID int64, st model.Stage) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		st.Status, st.Attempts = model.StageRunning, 1
		if _, err := tx.NewInsert().Model(&st).On("conflict (version_id, name) do update").
			Set("status = 'running', attempts = st.attempts + 1, error = '', started_at = excluded.started_at, ended_at = null").
			Exec(ctx); err != nil {
			return wrapf(err, "start stage %s", st.Name)
		}
		return appendEvent(ctx, tx, appID, st.VersionID, model.EventStage,
			model.StageEvent{VersionID: st.VersionID, Stage: st.Name, Step: st.Step, Status: st.Status})
	})
}

// EndStage records how a stage ended: its status, error and output.
func (s *Store) EndStage(ctx context.Context, appID int64, st model.Stage) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewUpdate().Model(&st).Column("status", "error", "output", "ended_at").WherePK().Exec(ctx); err != nil {
			return wrapf(err, "end stage %s", st.Name)
		}
		return appendEvent(ctx, tx, appID, st.VersionID, model.EventStage, model.StageEvent{
			VersionID: st.VersionID, Stage: st.Name, Step: st.Step, Status: st.Status,
			Millis: st.EndedAt.Sub(st.StartedAt).Milliseconds(), Error: st.Error,
		})
	})
}

// Stages returns what is recorded of a version's stages.
func (s *Store) Stages(ctx context.Context, versionID int64) ([]model.Stage, error) {
	var out []model.Stage
	err := s.db.NewSelect().Model(&out).Where("version_id = ?", versionID).Scan(ctx)
	return out, wrapf(err, "read stages")
}

// SetReply sets the builder's message of a turn: its text so far and its state.
func (s *Store) SetReply(ctx context.Context, appID, versionID int64, text string, status model.MessageStatus) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := setReply(ctx, tx, versionID, text, status); err != nil {
			return err
		}
		return appendEvent(ctx, tx, appID, versionID, model.EventText, model.TextEvent{VersionID: versionID, Text: text})
	})
}

// SetReplyStatus changes only the state of the builder's message of a turn.
func (s *Store) SetReplyStatus(ctx context.Context, versionID int64, status model.MessageStatus) error {
	_, err := s.db.ExecContext(ctx, `update messages set status = ?, updated_at = now()
		where version_id = ? and role = 'assistant'`, status, versionID)
	return wrapf(err, "set message status")
}

func setReply(ctx context.Context, tx bun.IDB, versionID int64, text string, status model.MessageStatus) error {
	_, err := tx.ExecContext(ctx, `update messages set content = ?, status = ?, updated_at = now()
		where version_id = ? and role = 'assistant'`, text, status, versionID)
	return wrapf(err, "update message")
}

// NameTurn sets what a version is called and which author writes it; a non-empty appName renames the app. An empty
// modelID leaves it to the ledger to say who answered.
func (s *Store) NameTurn(ctx context.Context, appID, versionID int64, appName, versionName, modelID string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "update app_versions set display_name = ?, ai_model_used = coalesce(nullif(?, ''), ai_model_used) where id = ?",
			versionName, modelID, versionID); err != nil {
			return err
		}
		if appName == "" {
			return nil
		}
		if _, err := tx.ExecContext(ctx, "update apps set name = ?, updated_at = now() where id = ?", appName, appID); err != nil {
			return err
		}
		return appendAppEvent(ctx, tx, appID)
	})
}

// SetDeploymentStatus says how far a running turn's deployment is.
func (s *Store) SetDeploymentStatus(ctx context.Context, appID int64, status model.DeploymentStatus) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "update apps set deployment_status = ? where id = ?", status, appID); err != nil {
			return err
		}
		return appendAppEvent(ctx, tx, appID)
	})
}

// SetBundle records what a version was built to, before it is verified.
func (s *Store) SetBundle(ctx context.Context, versionID int64, hash string, bytes int64) error {
	_, err := s.db.ExecContext(ctx, "update app_versions set content_hash = ?, bundle_bytes = ? where id = ?", hash, bytes, versionID)
	return wrapf(err, "record bundle")
}

// Promote makes a verified version the head and the preview's content, in one transaction: the version is
// green, the app points at it, the earlier deployment is superseded and the turn is over.
func (s *Store) Promote(ctx context.Context, v model.Version, url string) error {
	now := time.Now().UTC()
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := rollUpBuild(ctx, tx, v.ID, model.VersionGreen); err != nil {
			return err
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"update app_versions set status = 'green', error = '', error_class = '', ended_at = ?1 where id = ?0", []any{v.ID, now}},
			{"update deployments set status = 'superseded', ended_at = ?1 where app_id = ?0 and environment = 'preview' and status = 'deployed'", []any{v.AppID, now}},
			{`insert into deployments (app_id, version_id, environment, kind, status, url, content_hash, worker_bytes, user_id, promoted_at, ended_at)
			  select app_id, id, 'preview', 'preview', 'deployed', ?1, content_hash, bundle_bytes, created_by, ?2, ?2 from app_versions where id = ?0`, []any{v.ID, url, now}},
			{`update apps set head_version_id = ?1, status = 'generated', deployment_status = 'deployed', preview_url = ?2, updated_at = ?3
			  where id = ?0`, []any{v.AppID, v.ID, url, now}},
			{"update messages set status = 'completed', updated_at = ?1 where version_id = ?0 and role = 'assistant'", []any{v.ID, now}},
		} {
			if _, err := tx.ExecContext(ctx, q.sql, q.args...); err != nil {
				return wrapf(err, "promote version %s", v.Number)
			}
		}
		if err := appendEvent(ctx, tx, v.AppID, v.ID, model.EventPreview, model.PreviewEvent{VersionID: v.ID, Number: v.Number, URL: url}); err != nil {
			return err
		}
		return endTurn(ctx, tx, v, model.VersionGreen, "")
	})
}

// EndTurn ends a turn that did not become green: it failed, was stopped, or changed nothing. The head and what it serves stay as they were.
func (s *Store) EndTurn(ctx context.Context, v model.Version, status model.VersionStatus, class, text string) error {
	now := time.Now().UTC()
	reply := model.MessageFailed
	switch status {
	case model.VersionStopped:
		reply = model.MessageCancelled
	case model.VersionUnchanged:
		reply = model.MessageCompleted
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := rollUpBuild(ctx, tx, v.ID, status); err != nil {
			return err
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"update app_versions set status = ?1, error = ?2, error_class = ?3, ended_at = ?4 where id = ?0", []any{v.ID, status, text, class, now}},
			{
				"update version_stages set status = ?1, ended_at = ?2 where version_id = ?0 and status = 'running'",
				[]any{v.ID, stageEnd(status), now},
			},
			// The last green version stays what the app is; without one, the app itself has failed, or is not begun yet.
			{`update apps set status = case when head_version_id is not null then 'generated' when ?2 then 'draft' else 'failed' end,
			  deployment_status = case when head_version_id is not null then 'deployed' when ?2 then '' else 'failed' end, updated_at = ?1
			  where id = ?0`, []any{v.AppID, now, status == model.VersionUnchanged}},
			{"update messages set status = ?1, updated_at = ?2 where version_id = ?0 and role = 'assistant'", []any{v.ID, reply, now}},
		} {
			if _, err := tx.ExecContext(ctx, q.sql, q.args...); err != nil {
				return wrapf(err, "end version %s", v.Number)
			}
		}
		return endTurn(ctx, tx, v, status, text)
	})
}

func stageEnd(status model.VersionStatus) model.StageStatus {
	if status == model.VersionStopped {
		return model.StageStopped
	}
	return model.StageFailed
}

func endTurn(ctx context.Context, tx bun.IDB, v model.Version, status model.VersionStatus, text string) error {
	if err := forgetConversation(ctx, tx, v.ID); err != nil {
		return err
	}
	if err := appendAppEvent(ctx, tx, v.AppID); err != nil {
		return err
	}
	return appendEvent(ctx, tx, v.AppID, v.ID, model.EventTurn, model.TurnEvent{VersionID: v.ID, Number: v.Number, Status: status, Error: text})
}
