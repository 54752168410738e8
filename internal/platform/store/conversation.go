package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// Said keeps message n of a running turn's conversation, and returns only when it is durable: what follows from it
// costs money. A message that is there already is a Conflict: another worker has the turn.
func (s *Store) Said(ctx context.Context, versionID int64, n int, m llm.Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message %d: %w", n, err)
	}
	_, err = s.db.ExecContext(ctx, "insert into turn_messages (version_id, n, message) values (?, ?, ?)", versionID, n, string(b))
	if violates(err, "turn_messages_pkey") {
		return fault.Wrap(err, fault.Conflict, "Another worker goes on with this turn.")
	}
	return wrapf(err, "keep message %d of version %d", n, versionID)
}

// WhatWasSaid returns the conversation of a running turn so far.
func (s *Store) WhatWasSaid(ctx context.Context, versionID int64) ([]llm.Message, error) {
	var rows []string
	err := s.db.NewRaw("select message from turn_messages where version_id = ? order by n", versionID).Scan(ctx, &rows)
	if err != nil {
		return nil, wrapf(err, "read the conversation of version %d", versionID)
	}
	out := make([]llm.Message, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row), &out[i]); err != nil {
			return nil, fmt.Errorf("read message %d of version %d: %w", i, versionID, err)
		}
	}
	return out, nil
}

// forgetConversation drops what only a running turn needs.
func forgetConversation(ctx context.Context, tx bun.IDB, versionID int64) error {
	_, err := tx.ExecContext(ctx, "delete from turn_messages where version_id = ?", versionID)
	return wrapf(err, "drop the conversation of version %d", versionID)
}

// AddRecovery records that the builder asks the author to cure an error, in the chat of the turn.
func (s *Store) AddRecovery(ctx context.Context, v model.Version, note model.RecoveryNote, text string) error {
	meta, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("encode recovery: %w", err)
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		m := model.Message{AppID: v.AppID, VersionID: v.ID, Role: model.RoleUser, Status: model.MessageCompleted, Content: text, Metadata: meta}
		if _, err := tx.NewInsert().Model(&m).Exec(ctx); err != nil {
			return wrapf(err, "add recovery %d", note.Attempt)
		}
		return appendEvent(ctx, tx, v.AppID, v.ID, model.EventRecovery,
			model.RecoveryEvent{VersionID: v.ID, Attempt: note.Attempt, Class: note.ErrorClass, Text: note.Error})
	})
}

// isRecovery is the condition on messages that AddRecovery has added.
const isRecovery = "role = 'user' and metadata->>'type' = '" + model.ErrorRecovery + "'"

// Recoveries returns the recoveries of a version, oldest first.
func (s *Store) Recoveries(ctx context.Context, versionID int64) ([]model.Message, error) {
	var out []model.Message
	err := s.db.NewSelect().Model(&out).Where("version_id = ? and "+isRecovery, versionID).Order("id").Scan(ctx)
	return out, wrapf(err, "read recoveries")
}

// AddFixes records what was cured without a model.
func (s *Store) AddFixes(ctx context.Context, appID int64, fixes []model.FixEvent) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, f := range fixes {
			if err := appendEvent(ctx, tx, appID, f.VersionID, model.EventFix, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// ShowActivity says what the author of a version does this moment. A crash may cost it.
func (s *Store) ShowActivity(ctx context.Context, appID int64, a model.ActivityEvent) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		// Only the newest is of interest, also to who looks later.
		if _, err := tx.ExecContext(ctx, "delete from events where version_id = ? and kind = ?", a.VersionID, model.EventActivity); err != nil {
			return err
		}
		return appendEvent(ctx, tx, appID, a.VersionID, model.EventActivity, a)
	})
}

// AskPerson ends a turn with a question: nothing was changed, and the answer is the next message.
func (s *Store) AskPerson(ctx context.Context, v model.Version, q model.Question) error {
	meta, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encode question: %w", err)
	}
	_, err = s.db.ExecContext(ctx, "update messages set metadata = ? where version_id = ? and role = 'assistant'", string(meta), v.ID)
	if err != nil {
		return wrapf(err, "keep the question")
	}
	return s.EndTurn(ctx, v, model.VersionUnchanged, "", "")
}
