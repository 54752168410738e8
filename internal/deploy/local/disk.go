package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"overskill/internal/deploy/plan"
)

// disk is the folder of blobs and plans. A file under its final name is whole: it was written under tmp, synced
// and renamed.
type disk struct {
	dir   string
	write func(f *os.File, content []byte) error // a seam for tests of a full disk
}

// manifest is what must be known of a plan to serve it.
type manifest struct {
	Assets map[string]entry `json:"assets"` // by path
	Rules  plan.Rules       `json:"rules,omitzero"`
	Server string           `json:"server,omitempty"` // sha256 of the server code; "" without any

	rules *plan.Matcher // of Rules; set by who reads the manifest
}

type entry struct {
	Hash         string `json:"hash"`
	Size         int64  `json:"size"`
	ContentType  string `json:"type"`
	CacheControl string `json:"cache"`
}

func manifestOf(p plan.Plan) *manifest {
	m := &manifest{Assets: make(map[string]entry, len(p.Assets)), Rules: p.Rules}
	if len(p.Server) > 0 {
		m.Server = hashOf(p.Server)
	}
	for _, a := range p.Assets {
		m.Assets[a.Path] = entry{Hash: a.Hash, Size: a.Size, ContentType: a.ContentType, CacheControl: a.CacheControl}
	}
	return m
}

func (m *manifest) has(path string) bool {
	_, ok := m.Assets[path]
	return ok
}

// openDisk creates the folders, and removes what a process that was killed left in tmp.
func openDisk(dir string) (*disk, error) {
	d := &disk{dir: dir, write: func(f *os.File, content []byte) error {
		_, err := f.Write(content)
		return err
	}}
	for _, sub := range []string{"blobs", "plans", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, err
		}
	}
	return d, d.cleanTemp(time.Now().Add(-time.Hour))
}

// The two kinds of lock: many may put at once, and nobody while files are swept.
const (
	shared    = syscall.LOCK_SH
	exclusive = syscall.LOCK_EX
)

// lock takes the folder's advisory lock, which also holds between processes and falls with the one that held it.
func (d *disk) lock(ctx context.Context, how int) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// parallelSyncs is how many files are made durable at once: a disk orders a few much better than one by one.
const parallelSyncs = 8

// blob is content under its hash.
type blob struct {
	name    string // for errors
	hash    string
	content []byte
}

// putBlobs writes the contents that are not there yet. A file that is there but has another size is damaged and
// is written again.
func (d *disk) putBlobs(ctx context.Context, blobs []blob) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelSyncs)
	todo := map[string]bool{}
	for _, b := range blobs {
		if todo[b.hash] {
			continue
		}
		name := d.blobPath(b.hash)
		if st, err := os.Stat(name); err == nil && st.Size() == int64(len(b.content)) {
			continue
		}
		todo[b.hash] = true
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if hashOf(b.content) != b.hash {
				return fmt.Errorf("%s does not have the hash that its plan names", b.name)
			}
			return d.writeFile(name, b.content)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(todo) == 0 {
		return nil
	}
	return syncDir(filepath.Join(d.dir, "blobs"))
}

// putManifest writes a plan's manifest, or marks the one that is there as new, so that a sweep spares it.
func (d *disk) putManifest(hash string, m *manifest) error {
	if !isHash(hash) {
		return fmt.Errorf("%q is not a plan's hash", hash)
	}
	name := d.manifestPath(hash)
	now := time.Now()
	if err := os.Chtimes(name, now, now); err == nil {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := d.writeFile(name, b); err != nil {
		return err
	}
	return syncDir(filepath.Join(d.dir, "plans"))
}

func (d *disk) manifestPath(hash string) string {
	return filepath.Join(d.dir, "plans", hash+".json")
}

// manifest reads a plan's manifest and says how many bytes it had.
func (d *disk) manifest(hash string) (*manifest, int64, error) {
	if !isHash(hash) {
		return nil, 0, fmt.Errorf("%q is not a plan's hash", hash)
	}
	b, err := os.ReadFile(d.manifestPath(hash))
	if err != nil {
		return nil, 0, err
	}
	m := new(manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, 0, fmt.Errorf("manifest of plan %.12s: %w", hash, err)
	}
	if m.Server != "" && !isHash(m.Server) {
		return nil, 0, fmt.Errorf("manifest of plan %.12s: the server code has no hash", hash)
	}
	for p, e := range m.Assets {
		if !isHash(e.Hash) {
			return nil, 0, fmt.Errorf("manifest of plan %.12s: %s has no hash", hash, p)
		}
	}
	return m, int64(len(b)), nil
}

// writeFile writes content under its final name at once: readers see all of it or nothing, also after a crash.
func (d *disk) writeFile(name string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Join(d.dir, "tmp"), "put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := d.write(f, content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// sweep removes plans that are neither kept nor younger than spare, then unnamed blobs. The caller holds the
// exclusive lock. It returns the hashes of the plans that it removed, also with an error.
func (d *disk) sweep(ctx context.Context, keep map[string]bool, spare time.Time) (gone []string, err error) {
	named := map[string]bool{}
	plans, err := os.ReadDir(filepath.Join(d.dir, "plans"))
	if err != nil {
		return nil, err
	}
	for _, f := range plans {
		if err := ctx.Err(); err != nil {
			return gone, err
		}
		hash := strings.TrimSuffix(f.Name(), ".json")
		st, err := f.Info()
		if err != nil {
			return gone, err
		}
		if !keep[hash] && st.ModTime().Before(spare) {
			if err := os.Remove(filepath.Join(d.dir, "plans", f.Name())); err != nil {
				return gone, err
			}
			gone = append(gone, hash)
			continue
		}
		m, _, err := d.manifest(hash)
		if err != nil { // without it, nobody knows which blobs are needed
			return gone, err
		}
		named[m.Server] = true
		for _, e := range m.Assets {
			named[e.Hash] = true
		}
	}
	blobs, err := os.Open(filepath.Join(d.dir, "blobs"))
	if err != nil {
		return gone, err
	}
	defer blobs.Close()
	for { // in portions: there may be many
		names, err := blobs.Readdirnames(1024)
		for _, name := range names {
			if !named[name] {
				if err := os.Remove(d.blobPath(name)); err != nil && !isMissing(err) {
					return gone, err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return gone, d.cleanTemp(spare)
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return gone, err
		}
	}
}

// cleanTemp removes files in tmp that were last written before a time.
func (d *disk) cleanTemp(before time.Time) error {
	files, err := os.ReadDir(filepath.Join(d.dir, "tmp"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if st, err := f.Info(); err == nil && st.ModTime().Before(before) {
			if err := os.Remove(filepath.Join(d.dir, "tmp", f.Name())); err != nil && !isMissing(err) {
				return err
			}
		}
	}
	return nil
}

func (d *disk) blobPath(hash string) string { return filepath.Join(d.dir, "blobs", hash) }

func isMissing(err error) bool { return errors.Is(err, os.ErrNotExist) }

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

var hashShape = regexp.MustCompile(`^[0-9a-f]{64}$`)

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool { return hashShape.MatchString(s) }
