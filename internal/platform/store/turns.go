package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// NewTurn is a person's request for a change of an app.
type NewTurn struct {
	UserID   int64
	Content  string
	Metadata any    // kept with the request; may be nil
	JobKind  string // the kind of job that does it
	Restore  int64  // a version whose files become the new version's, instead of being written; 0 for none
	// DoneStages are pipeline stages that a restore does not need.
	DoneStages []model.Stage
}

// CreateApp adds an app together with its first turn.
// A slug that is taken is a Conflict.
func (s *Store) CreateApp(ctx context.Context, app model.App, turn NewTurn) (model.App, model.Turn, model.Job, error) {
	var out model.Turn
	var job model.Job
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		app.Status, app.Badge = model.AppDraft, true
		if _, err := tx.NewInsert().Model(&app).Returning("*").Exec(ctx); err != nil {
			return err
		}
		var err error
		if out, job, err = startTurn(ctx, tx, app, turn); err != nil {
			return err
		}
		return tx.NewSelect().Model(&app).WherePK().Scan(ctx)
	})
	if violates(err, "apps_slug_key") {
		return app, out, job, fault.New(fault.Conflict, "The address %q is taken.", app.Slug)
	}
	return app, out, job, wrapf(err, "create app")
}

// StartTurn records a request in one transaction: the person's message, the builder's message, the version
// (its parent is the head, its manifest the head's) and the job. While another turn of the app runs, it is
// a Conflict.
func (s *Store) StartTurn(ctx context.Context, appID int64, turn NewTurn) (model.Turn, model.Job, error) {
	var out model.Turn
	var job model.Job
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var app model.App
		if err := tx.NewSelect().Model(&app).Where("id = ?", appID).For("update").Scan(ctx); err != nil {
			return orNotFound(err, noApp)
		}
		var err error
		out, job, err = startTurn(ctx, tx, app, turn)
		return err
	})
	if violates(err, "app_versions_running_key") {
		return out, job, fault.New(fault.Conflict, "The last request is still being built. Wait for it, or stop it, then send this one again.")
	}
	return out, job, wrapf(err, "start turn")
}

func startTurn(ctx context.Context, tx bun.IDB, app model.App, turn NewTurn) (model.Turn, model.Job, error) {
	number, err := nextNumber(ctx, tx, app.ID)
	if err != nil {
		return model.Turn{}, model.Job{}, err
	}
	v := model.Version{AppID: app.ID, ParentID: app.HeadVersionID, CreatedBy: turn.UserID, Number: number, Status: model.VersionQueued}
	if _, err := tx.NewInsert().Model(&v).Returning("*").Exec(ctx); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	if err := startManifest(ctx, tx, v, turn.Restore); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	ask := model.Message{AppID: app.ID, VersionID: v.ID, UserID: turn.UserID, Role: model.RoleUser, Status: model.MessageCompleted, Content: turn.Content}
	if turn.Metadata != nil {
		if ask.Metadata, err = json.Marshal(turn.Metadata); err != nil {
			return model.Turn{}, model.Job{}, fmt.Errorf("encode metadata: %w", err)
		}
	}
	reply := model.Message{AppID: app.ID, VersionID: v.ID, Role: model.RoleAssistant, Status: model.MessagePlanning}
	for _, m := range []*model.Message{&ask, &reply} {
		if _, err := tx.NewInsert().Model(m).Returning("*").Exec(ctx); err != nil {
			return model.Turn{}, model.Job{}, err
		}
	}
	for _, st := range turn.DoneStages {
		st.VersionID, st.Status = v.ID, model.StageDone
		if _, err := tx.NewInsert().Model(&st).Exec(ctx); err != nil {
			return model.Turn{}, model.Job{}, err
		}
	}
	job := model.Job{Kind: turn.JobKind, AppID: app.ID, VersionID: v.ID, Status: model.JobQueued}
	if _, err := tx.NewInsert().Model(&job).Returning("*").Exec(ctx); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	if _, err := tx.ExecContext(ctx, `update apps set status = 'generating', deployment_status = 'pending', updated_at = now()
		where id = ?`, app.ID); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	if err := appendEvent(ctx, tx, app.ID, v.ID, model.EventTurn, model.TurnEvent{VersionID: v.ID, Number: v.Number, Status: v.Status}); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	if err := appendAppEvent(ctx, tx, app.ID); err != nil {
		return model.Turn{}, model.Job{}, err
	}
	return model.Turn{Request: ask, Reply: reply, Version: v}, job, nil
}

// startManifest fills a new version's manifest with its parent's files, or with those of the version that
// it restores.
func startManifest(ctx context.Context, tx bun.IDB, v model.Version, restore int64) error {
	if restore == 0 {
		if v.ParentID == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, `insert into app_version_files (version_id, path, blob_hash, size)
			select ?, path, blob_hash, size from app_version_files where version_id = ? and action <> 'delete'`, v.ID, v.ParentID)
		return wrapf(err, "copy manifest")
	}
	_, err := tx.ExecContext(ctx, `
		with old as (select * from app_version_files where version_id = ?1 and action <> 'delete'),
		     now as (select * from app_version_files where version_id = ?2 and action <> 'delete')
		insert into app_version_files (version_id, path, blob_hash, size, action)
		select ?0, coalesce(old.path, now.path), old.blob_hash, coalesce(old.size, 0),
		       case when old.path is null then 'delete' when old.blob_hash = now.blob_hash then '' else 'restore' end
		  from old full join now on now.path = old.path`, v.ID, restore, v.ParentID)
	return wrapf(err, "restore manifest")
}

// nextNumber is 1.0.0 for the first version; each later one bumps the patch.
func nextNumber(ctx context.Context, tx bun.IDB, appID int64) (string, error) {
	var last string
	err := tx.NewRaw("select coalesce((select number from app_versions where app_id = ? order by id desc limit 1), '')", appID).Scan(ctx, &last)
	if err != nil || last == "" {
		return "1.0.0", err
	}
	dot := strings.LastIndexByte(last, '.')
	patch, err := strconv.Atoi(last[dot+1:])
	if err != nil {
		return "", fmt.Errorf("version number %q: %w", last, err)
	}
	return last[:dot+1] + strconv.Itoa(patch+1), nil
}

// Turns returns the newest turns of an app with all their parts, oldest first.
func (s *Store) Turns(ctx context.Context, appID int64, limit int) ([]model.Turn, error) {
	return s.turns(ctx, `select v.* from (select * from app_versions where app_id = ?0 order by id desc limit ?1) v order by v.id`, appID, limit)
}

// Turn returns one turn of an app, or NotFound.
func (s *Store) Turn(ctx context.Context, appID, versionID int64) (model.Turn, error) {
	turns, err := s.turns(ctx, "select * from app_versions where app_id = ?0 and id = ?1", appID, versionID)
	if err == nil && len(turns) == 0 {
		err = fault.New(fault.NotFound, "There is no such turn in this app.")
	}
	if err != nil {
		return model.Turn{}, err
	}
	return turns[0], nil
}

func (s *Store) turns(ctx context.Context, query string, args ...any) ([]model.Turn, error) {
	var versions []model.Version
	if err := s.db.NewRaw(query, args...).Scan(ctx, &versions); err != nil {
		return nil, wrapf(err, "read versions")
	}
	if len(versions) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(versions))
	for i, v := range versions {
		ids[i] = v.ID
	}
	var messages []model.Message
	var stages []model.Stage
	var tools []model.ToolCall
	var fixes []model.Event
	var users []model.User
	for _, q := range []*bun.SelectQuery{
		s.db.NewSelect().Model(&messages).Where("version_id in (?)", bun.List(ids)).Order("id"),
		s.db.NewSelect().Model(&stages).Where("version_id in (?)", bun.List(ids)).OrderExpr("started_at nulls last, step"),
		s.db.NewSelect().Model(&tools).Where("version_id in (?)", bun.List(ids)).Order("version_id", "seq"),
		s.db.NewSelect().Model(&fixes).Where("version_id in (?) and kind = ?", bun.List(ids), model.EventFix).Order("id"),
		s.db.NewSelect().Model(&users).Where("id in (select created_by from app_versions where id in (?))", bun.List(ids)),
	} {
		if err := q.Scan(ctx); err != nil {
			return nil, wrapf(err, "read turns")
		}
	}
	turns, at := joinTurns(versions, messages, stages, tools, users)
	for _, e := range fixes {
		var f model.FixEvent
		if err := json.Unmarshal(e.Data, &f); err != nil {
			return nil, fmt.Errorf("read fix %d: %w", e.ID, err)
		}
		at[e.VersionID].Fixes = append(at[e.VersionID].Fixes, f)
	}
	return turns, nil
}

func joinTurns(versions []model.Version, messages []model.Message, stages []model.Stage, tools []model.ToolCall, users []model.User) ([]model.Turn, map[int64]*model.Turn) {
	turns := make([]model.Turn, len(versions))
	at := map[int64]*model.Turn{}
	for i, v := range versions {
		turns[i].Version = v
		at[v.ID] = &turns[i]
		for _, u := range users {
			if u.ID == v.CreatedBy {
				turns[i].Author = u
			}
		}
	}
	for _, m := range messages {
		switch t := at[m.VersionID]; {
		case m.Role == model.RoleAssistant:
			t.Reply = m
		case m.Role == model.RoleUser && t.Request.ID == 0:
			t.Request = m
		case m.Role == model.RoleUser:
			t.Recoveries = append(t.Recoveries, m)
		}
	}
	for _, st := range stages {
		at[st.VersionID].Stages = append(at[st.VersionID].Stages, st)
	}
	for _, tc := range tools {
		at[tc.VersionID].Tools = append(at[tc.VersionID].Tools, tc)
	}
	return turns, at
}

// Conversation returns what people and the builder said before a version, oldest first, at most the newest 40. What
// the builder said to itself about errors is left out.
func (s *Store) Conversation(ctx context.Context, appID, beforeVersion int64) ([]model.Message, error) {
	var out []model.Message
	err := s.db.NewRaw(`select * from (select * from messages where app_id = ? and version_id < ?
		and (content <> '' or metadata->>'type' = 'question')
		and not coalesce(`+isRecovery+`, false) order by id desc limit 40) m order by id`, appID, beforeVersion).Scan(ctx, &out)
	return out, wrapf(err, "read conversation")
}
