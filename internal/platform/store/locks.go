package store

import (
	"context"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// maxLocks bounds the locked files of an app: more would be a folder's worth, and each is told to the author.
const maxLocks = 500

// SetLock keeps the author from changing a file of an app, or lets it again. The file need not exist: then it cannot
// be created. Doing either twice is fine. Faults: Invalid for an unusable path, TooLarge for too many.
func (s *Store) SetLock(ctx context.Context, appID int64, path string, userID int64, on bool) error {
	if !on {
		_, err := s.db.ExecContext(ctx, "delete from app_file_locks where app_id = ? and path = ?", appID, path)
		return wrapf(err, "unlock %s", path)
	}
	if err := filetree.ValidatePath(path); err != nil {
		return err
	}
	n, err := s.db.NewSelect().Model((*model.FileLock)(nil)).Where("app_id = ? and path <> ?", appID, path).Count(ctx)
	if err != nil {
		return wrapf(err, "count locks")
	}
	if n >= maxLocks {
		return fault.New(fault.TooLarge, "%d files of this app are locked, which is the limit. Unlock some first.", n)
	}
	_, err = s.db.NewInsert().Model(&model.FileLock{AppID: appID, Path: path, LockedBy: userID}).On("conflict do nothing").Exec(ctx)
	return wrapf(err, "lock %s", path)
}

// Locks returns an app's locked files in path order.
func (s *Store) Locks(ctx context.Context, appID int64) ([]model.FileLock, error) {
	var out []model.FileLock
	err := s.db.NewSelect().Model(&out).Where("app_id = ?", appID).Order("path").Scan(ctx)
	return out, wrapf(err, "read locks")
}
