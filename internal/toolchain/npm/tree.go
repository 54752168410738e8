package npm

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Report receives one line for people about a running installation. It may be called from several goroutines.
type Report func(text string)

// Tree makes sure that the lock is installed and returns the folder that holds its node_modules. Locks with
// the same Key share one folder, and so do calls that run at the same time. The folder must not be changed.
func (s *Store) Tree(ctx context.Context, l *Lock, report Report) (string, error) {
	dir := filepath.Join(s.trees, l.Key(s.Platform))
	if isDir(dir) {
		return dir, nil
	}
	unlock, err := s.locks.lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(dir) {
		return dir, nil
	}
	places := l.Needed(s.Platform)
	folders, err := s.fetchAll(ctx, l, places, report)
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(s.temp, "tree-")
	if err != nil {
		return "", diskFault(err)
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "node_modules"), 0o755); err != nil {
		return "", diskFault(err)
	}
	for i, p := range places { // parents first: they are shorter and the list is in order
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := linkAll(folders[i], filepath.Join(tree, filepath.FromSlash(p))); err != nil {
			return "", diskFault(fmt.Errorf("install %s: %w", p, err))
		}
	}
	if err := publish(tree, dir); err != nil {
		return "", diskFault(err)
	}
	return dir, nil
}

// fetchAll gets every package into the store; the first failure stops the rest. It returns their folders in
// the order of places.
func (s *Store) fetchAll(ctx context.Context, l *Lock, places []string, report Report) ([]string, error) {
	folders := make([]string, len(places))
	var n tally
	stop := n.announce(len(places), report)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(12)
	for i, p := range places {
		g.Go(func() error {
			e := l.Packages[p]
			it := Item{Name: nameOf(p), Version: e.Version, Integrity: e.Integrity}
			if e.Name != "" {
				it.Name = e.Name
			}
			var err error
			folders[i], err = s.Package(ctx, it, func(b int64) { n.bytes.Add(b) })
			n.packages.Add(1)
			return err
		})
	}
	return folders, g.Wait()
}

// announce reports progress twice a second while bytes arrive, and the total at the end.
func (t *tally) announce(total int, report Report) (stop func()) {
	if report == nil {
		return func() {}
	}
	line := func() {
		report(fmt.Sprintf("%d of %d packages, %.1f MB", t.packages.Load(), total, float64(t.bytes.Load())/1e6))
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if t.bytes.Load() > 0 {
					line()
				}
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		line()
	}
}

// linkAll makes dst a copy of the package folder src whose files are links.
func linkAll(src, dst string) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return link(p, to, info.Mode().Perm())
	})
}
