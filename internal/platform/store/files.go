package store

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// FileChange is what one step of a turn did to one file of its version.
type FileChange struct {
	Path    string
	Content []byte
	Deleted bool
	Action  filetree.Action // Rename and Restore are kept; the others are computed against the parent
}

// SaveFiles writes changed files into a version's manifest, all or none.
func (s *Store) SaveFiles(ctx context.Context, versionID int64, changes []FileChange) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return saveFiles(ctx, tx, versionID, changes)
	})
}

// SaveToolCall records a tool call with the files it changed, in one transaction: after a crash either both
// are there or neither.
func (s *Store) SaveToolCall(ctx context.Context, appID int64, call model.ToolCall, changes []FileChange) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// There are dozens a turn, and waiting for the disk is most of their time. Losing the last ones with the
		// database server is the same as being interrupted before them; whatever is committed later with a wait
		// (the end of the stage) makes these durable too.
		if _, err := tx.ExecContext(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		if err := saveFiles(ctx, tx, call.VersionID, changes); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&call).Exec(ctx); err != nil {
			return wrapf(err, "record tool call %d", call.Seq)
		}
		return appendEvent(ctx, tx, appID, call.VersionID, model.EventTool, model.ToolEvent{
			VersionID: call.VersionID, Seq: call.Seq, Name: call.Name, Path: call.Path, OK: call.OK,
			Added: call.Added, Removed: call.Removed, Millis: call.Millis,
		})
	})
}

// ToolCalls returns a version's recorded tool calls in order.
func (s *Store) ToolCalls(ctx context.Context, versionID int64) ([]model.ToolCall, error) {
	var out []model.ToolCall
	err := s.db.NewSelect().Model(&out).Where("version_id = ?", versionID).Order("seq").Scan(ctx)
	return out, wrapf(err, "read tool calls")
}

func saveFiles(ctx context.Context, tx bun.IDB, versionID int64, changes []FileChange) error {
	if len(changes) == 0 {
		return nil
	}
	parent, err := parentHashes(ctx, tx, versionID, changes)
	if err != nil {
		return err
	}
	var blobs []blob
	var lines []model.VersionFile
	for _, c := range changes {
		if c.Deleted {
			if err := dropFile(ctx, tx, versionID, c.Path, parent[c.Path] != ""); err != nil {
				return err
			}
			continue
		}
		hash := filetree.HashOf(c.Content)
		action := c.Action
		if action != filetree.Rename && action != filetree.Restore {
			switch parent[c.Path] {
			case "":
				action = filetree.Create
			case hash:
				action = ""
			default:
				action = filetree.Update
			}
		}
		blobs = append(blobs, newBlob(hash, c.Content))
		lines = append(lines, model.VersionFile{VersionID: versionID, Path: c.Path, BlobHash: hash, Size: int64(len(c.Content)), Action: string(action)})
	}
	if len(lines) == 0 {
		return nil
	}
	if err := putBlobs(ctx, tx, blobs); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&lines).On("conflict (version_id, path) do update").
		Set("blob_hash = excluded.blob_hash, size = excluded.size, action = excluded.action").Exec(ctx)
	return wrapf(err, "save %d files", len(lines))
}

// dropFile removes a path from a manifest; one that the parent had keeps a line that says so.
func dropFile(ctx context.Context, tx bun.IDB, versionID int64, path string, inParent bool) error {
	var err error
	if inParent {
		line := model.VersionFile{VersionID: versionID, Path: path, Action: string(filetree.Delete)}
		_, err = tx.NewInsert().Model(&line).On("conflict (version_id, path) do update").
			Set("blob_hash = null, size = 0, action = 'delete'").Exec(ctx)
	} else {
		_, err = tx.ExecContext(ctx, "delete from app_version_files where version_id = ? and path = ?", versionID, path)
	}
	return wrapf(err, "delete %s", path)
}

// parentHashes returns the parent version's blob hashes of the changed paths.
func parentHashes(ctx context.Context, tx bun.IDB, versionID int64, changes []FileChange) (map[string]string, error) {
	paths := make([]string, len(changes))
	for i, c := range changes {
		paths[i] = c.Path
	}
	var lines []model.VersionFile
	err := tx.NewRaw(`select f.path, f.blob_hash from app_version_files f join app_versions v on v.parent_id = f.version_id
		where v.id = ? and f.action <> 'delete' and f.path in (?)`, versionID, bun.List(paths)).Scan(ctx, &lines)
	out := make(map[string]string, len(lines))
	for _, l := range lines {
		out[l.Path] = l.BlobHash
	}
	return out, wrapf(err, "read parent manifest")
}

// blob is a content by its address.
type blob struct {
	bun.BaseModel `bun:"table:blobs"`

	Hash    string `bun:",pk"`
	Size    int64
	Content []byte
}

func newBlob(hash string, content []byte) blob {
	if content == nil {
		content = []byte{} // nil would be NULL
	}
	return blob{Hash: hash, Size: int64(len(content)), Content: content}
}

// putBlobs stores contents that are not there yet. They are sorted, so that two transactions that store the same ones
// do not wait for each other in a circle.
func putBlobs(ctx context.Context, tx bun.IDB, blobs []blob) error {
	slices.SortFunc(blobs, func(a, b blob) int { return strings.Compare(a.Hash, b.Hash) })
	blobs = slices.CompactFunc(blobs, func(a, b blob) bool { return a.Hash == b.Hash })
	_, err := tx.NewInsert().Model(&blobs).On("conflict do nothing").Exec(ctx)
	return wrapf(err, "store %d contents", len(blobs))
}

// SaveScreenshot keeps a version's picture, a PNG.
func (s *Store) SaveScreenshot(ctx context.Context, versionID int64, png []byte) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		hash := filetree.HashOf(png)
		if err := putBlobs(ctx, tx, []blob{newBlob(hash, png)}); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "update app_versions set screenshot_hash = ? where id = ?", hash, versionID)
		return wrapf(err, "save screenshot")
	})
}

// Blob returns a content by its hash, or NotFound.
func (s *Store) Blob(ctx context.Context, hash string) ([]byte, error) {
	var b []byte
	err := s.db.NewRaw("select content from blobs where hash = ?", hash).Scan(ctx, &b)
	return b, orNotFound(err, "This content is no longer stored.")
}

// Manifest returns a version's files in path order, deleted ones included.
func (s *Store) Manifest(ctx context.Context, versionID int64) ([]model.VersionFile, error) {
	var out []model.VersionFile
	err := s.db.NewSelect().Model(&out).Where("version_id = ?", versionID).Order("path").Scan(ctx)
	return out, wrapf(err, "read manifest")
}

// Tree loads all files of a version. Version 0 is the empty tree.
func (s *Store) Tree(ctx context.Context, versionID int64) (filetree.Tree, error) {
	if versionID == 0 {
		return filetree.Tree{}, nil
	}
	var rows []struct {
		Path    string
		Content []byte
	}
	err := s.db.NewRaw(`select f.path, b.content from app_version_files f join blobs b on b.hash = f.blob_hash
		where f.version_id = ?`, versionID).Scan(ctx, &rows)
	if err != nil {
		return filetree.Tree{}, wrapf(err, "read files of version %d", versionID)
	}
	files := make(map[string][]byte, len(rows))
	for _, r := range rows {
		files[r.Path] = slices.Clip(r.Content)
	}
	return filetree.New(files)
}

// FileOf returns one file of a version, or NotFound.
func (s *Store) FileOf(ctx context.Context, versionID int64, path string) ([]byte, error) {
	var b []byte
	err := s.db.NewRaw(`select b.content from app_version_files f join blobs b on b.hash = f.blob_hash
		where f.version_id = ? and f.path = ?`, versionID, path).Scan(ctx, &b)
	return b, orNotFound(err, "This version has no file %s.", path)
}

// Versions lists an app's versions, newest first, at most 500.
func (s *Store) Versions(ctx context.Context, appID int64) ([]model.Version, error) {
	var out []model.Version
	err := s.db.NewSelect().Model(&out).Where("app_id = ?", appID).Order("id desc").Limit(500).Scan(ctx)
	return out, wrapf(err, "list versions")
}

// VersionByNumber finds a version of an app; "" is the newest one that has files.
func (s *Store) VersionByNumber(ctx context.Context, appID int64, number string) (model.Version, error) {
	var v model.Version
	q := s.db.NewSelect().Model(&v).Where("app_id = ?", appID)
	if number == "" {
		q = q.Where("exists (select from app_version_files f where f.version_id = v.id)").Order("id desc").Limit(1)
	} else {
		q = q.Where("number = ?", number)
	}
	err := q.Scan(ctx)
	if number == "" {
		return v, orNotFound(err, "This app has no files yet.")
	}
	return v, orNotFound(err, "This app has no version %s.", number)
}

// Version returns a version by id.
func (s *Store) Version(ctx context.Context, id int64) (model.Version, error) {
	var v model.Version
	err := s.db.NewSelect().Model(&v).Where("id = ?", id).Scan(ctx)
	return v, orNotFound(err, "There is no such version.")
}
