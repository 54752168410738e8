package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"overskill/internal/model"
)

// eventLockClass separates the per-app locks of the event writers from other advisory locks.
const eventLockClass = 0x6576

// appendEvent adds an event to the transaction. It takes the app's event lock until the commit: without
// it, a transaction that drew a smaller id could commit after a larger one was already read, and a
// listener that asks for "everything after the largest id I saw" would miss it.
func appendEvent(ctx context.Context, tx bun.IDB, appID, versionID int64, kind string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", kind, err)
	}
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?, ?)", eventLockClass, int32(appID)); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&model.Event{AppID: appID, VersionID: versionID, Kind: kind, Data: b}).Exec(ctx)
	return wrapf(err, "add %s event", kind)
}

// AppendLog adds lines to a version's build log. It does not wait for the disk: a crash of the database
// itself may cost the last half second of log lines, and nothing else.
func (s *Store) AppendLog(ctx context.Context, appID int64, lines []model.LogEvent) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		for _, line := range lines {
			if err := appendEvent(ctx, tx, appID, line.VersionID, model.EventLog, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// EventsAfter returns up to limit events of an app with an id above after, oldest first.
func (s *Store) EventsAfter(ctx context.Context, appID, after, limit int64) ([]model.Event, error) {
	var out []model.Event
	err := s.db.NewSelect().Model(&out).Where("app_id = ? and id > ?", appID, after).Order("id").Limit(limit).Scan(ctx)
	return out, wrapf(err, "read events")
}

// LastEventID returns the id of an app's newest event, or 0.
func (s *Store) LastEventID(ctx context.Context, appID int64) (int64, error) {
	var id int64
	err := s.db.NewRaw("select coalesce(max(id), 0) from events where app_id = ?", appID).Scan(ctx, &id)
	return id, wrapf(err, "read last event")
}

// Logs returns the build log of one version, oldest first, at most 5,000 lines.
func (s *Store) Logs(ctx context.Context, versionID int64) ([]model.LogEvent, error) {
	var events []model.Event
	err := s.db.NewSelect().Model(&events).Where("version_id = ? and kind = ?", versionID, model.EventLog).
		Order("id").Limit(5000).Scan(ctx)
	if err != nil {
		return nil, wrapf(err, "read log")
	}
	lines := make([]model.LogEvent, len(events))
	for i, e := range events {
		if err := json.Unmarshal(e.Data, &lines[i]); err != nil {
			return nil, fmt.Errorf("read log event %d: %w", e.ID, err)
		}
	}
	return lines, nil
}
