package store

import (
	"context"

	"overskill/internal/model"
)

// Released is a version as a deployment target serves it.
type Released struct {
	AppID, VersionID int64
	Slug, Number     string
	ContentHash      string
}

const releasedColumns = "a.id as app_id, v.id as version_id, a.slug, v.number, v.content_hash"

// CurrentRelease returns what an app's address shows now, or NotFound.
func (s *Store) CurrentRelease(ctx context.Context, slug string, env model.Environment) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+releasedColumns+` from deployments d join apps a on a.id = d.app_id
		join app_versions v on v.id = d.version_id
		where a.slug = ? and d.environment = ? and d.status = 'deployed'`, slug, env).Scan(ctx, &r)
	return r, orNotFound(err, "Nothing is deployed at this address yet.")
}

// CandidateRelease returns a version that is built but perhaps not the current one, or NotFound.
func (s *Store) CandidateRelease(ctx context.Context, slug string, versionID int64) (Released, error) {
	var r Released
	err := s.db.NewRaw(`select `+releasedColumns+` from app_versions v join apps a on a.id = v.app_id
		where a.slug = ? and v.id = ? and v.content_hash <> ''`, slug, versionID).Scan(ctx, &r)
	return r, orNotFound(err, "This version is not built.")
}

// SlugExists reports whether an app has this slug, built or not.
func (s *Store) SlugExists(ctx context.Context, slug string) (bool, error) {
	return s.db.NewSelect().Model((*model.App)(nil)).Where("slug = ?", slug).Exists(ctx)
}

// DeployedHashes returns the content hashes that an address shows or may show again: those of all green
// versions and of the ones being built.
func (s *Store) DeployedHashes(ctx context.Context) (map[string]bool, error) {
	var hashes []string
	err := s.db.NewRaw("select distinct content_hash from app_versions where content_hash <> '' and status in ('green', 'building', 'queued')").Scan(ctx, &hashes)
	out := make(map[string]bool, len(hashes))
	for _, h := range hashes {
		out[h] = true
	}
	return out, wrapf(err, "list deployed bundles")
}
