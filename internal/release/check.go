package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"overskill/internal/deploy/gate"
	"overskill/internal/model"
)

const (
	// checkTimeout bounds what a person waits for on the publish page.
	checkTimeout = time.Minute
	// maxChecks is how many results are kept.
	maxChecks = 500
	// checkFor is how long a result is good for: what is known against packages changes without the app.
	checkFor = 6 * time.Hour
)

// checks keeps what the gate found, by everything that it looked at: a build takes a second, and a page is looked at often.
type checks struct {
	once  singleflight.Group
	mu    sync.Mutex
	known map[string][]model.Finding
}

// CheckRelease runs the gate on the newest version as it would be published.
func (s *Service) CheckRelease(ctx context.Context, u model.User, slug string) ([]model.Finding, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil || app.HeadVersionID == 0 {
		return nil, err
	}
	public, private, err := s.Values(ctx, app.ID, model.Production)
	if err != nil {
		return nil, err
	}
	row, err := s.Store.DeployTarget(ctx, app.TeamID)
	if err != nil {
		return nil, err
	}
	key, err := checkKey(app.HeadVersionID, public, private, row.Kind)
	if err != nil {
		return nil, err
	}
	s.checks.mu.Lock()
	found, ok := s.checks.known[key]
	s.checks.mu.Unlock()
	if ok {
		return found, nil
	}
	v, err, _ := s.checks.once.Do(key, func() (any, error) {
		// Whoever asked first may go away while others wait for the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		return s.checkHead(ctx, app, row, key)
	})
	found, _ = v.([]model.Finding)
	return found, err
}

func (s *Service) checkHead(ctx context.Context, app model.App, row model.DeployTarget, key string) ([]model.Finding, error) {
	v, err := s.Store.Version(ctx, app.HeadVersionID)
	if err != nil {
		return nil, err
	}
	tree, err := s.Store.Tree(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	b, err := s.assemble(ctx, app, v, tree, row, nil)
	if err != nil {
		return nil, err
	}
	found, err := s.findings(ctx, tree, b)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(found, func(f model.Finding) bool { return f.Rule == gate.NotChecked }) {
		return found, nil // it is asked again, and soon
	}
	s.checks.mu.Lock()
	defer s.checks.mu.Unlock()
	if len(s.checks.known) >= maxChecks {
		clear(s.checks.known)
	}
	s.checks.known[key] = found
	return found, nil
}

// checkKey names what a check depends on, and tells nothing of the values.
func checkKey(versionID int64, public, private map[string]string, kind model.TargetKind) (string, error) {
	b, err := json.Marshal([]any{versionID, public, private, kind, time.Now().Truncate(checkFor).Unix()})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}
