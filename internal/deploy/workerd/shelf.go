package workerd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// shelf is where a Target's releases lie: blobs, with every module and file once, named by its sha256, and placed, with
// a folder for each site that holds a manifest and the sealed secrets of each release. A file under its final name is
// whole: it was written under tmp, synced and renamed. Several processes may share a shelf.
type shelf struct{ dir string }

// manifest is a release as it lies on the shelf.
type manifest struct {
	Hash    string            `json:"hash"` // Plan.Hash
	Modules []storedModule    `json:"modules"`
	Files   map[string]stored `json:"files"` // by R2 key
	Vars    map[string]string `json:"vars"`
}

type storedModule struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Blob string `json:"blob"`
}

type stored struct {
	Blob string `json:"blob"`
	Size int64  `json:"size"`
}

var (
	idShape   = regexp.MustCompile(`^[0-9a-f]{16}-[0-9]{1,19}$`)
	blobShape = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func openShelf(dir string) (shelf, error) {
	s := shelf{dir}
	for _, sub := range []string{"blobs", "placed", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return s, err
		}
	}
	return s, nil
}

func siteName(s target.Site) string { return fmt.Sprintf("%d/%s", s.AppID, s.Environment) }

func (s shelf) siteDir(site target.Site) string {
	return filepath.Join(s.dir, "placed", strings.ReplaceAll(siteName(site), "/", "-"))
}

func (s shelf) manifestPath(site target.Site, id string) string {
	return filepath.Join(s.siteDir(site), id+".json")
}

func (s shelf) secretsPath(site target.Site, id string) string {
	return filepath.Join(s.siteDir(site), id+".secrets")
}

func (s shelf) blobPath(hash string) string { return filepath.Join(s.dir, "blobs", hash) }

// The two kinds of lock: many may put at once, and nobody while files are swept.
const (
	shared    = syscall.LOCK_SH
	exclusive = syscall.LOCK_EX
)

// lock takes the shelf's advisory lock, which also holds between processes and falls with the one that held it.
func (s shelf) lock(ctx context.Context, how int) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// put writes a plan's modules and files that are not there yet, and returns the manifest and how many bytes it wrote.
func (s shelf) put(ctx context.Context, p plan.Plan, vars map[string]string) (*manifest, int64, error) {
	m := &manifest{Hash: p.Hash, Files: map[string]stored{}, Vars: vars}
	blobs := map[string][]byte{}
	add := func(content []byte) string {
		sum := sha256.Sum256(content)
		name := hex.EncodeToString(sum[:])
		blobs[name] = content
		return name
	}
	for _, mod := range WorkerCode(p, nil, nil).Modules {
		m.Modules = append(m.Modules, storedModule{mod.Name, mod.Type, add(mod.Content)})
	}
	for _, a := range p.Assets {
		if a.Place == plan.InBucket {
			m.Files[a.R2Key] = stored{add(a.Content), a.Size}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // a disk orders a few syncs much better than one by one
	var sent int64
	for name, content := range blobs {
		path := s.blobPath(name)
		if st, err := os.Stat(path); err == nil && st.Size() == int64(len(content)) {
			continue
		}
		sent += int64(len(content))
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.write(path, content)
		})
	}
	err := g.Wait()
	if err == nil && sent > 0 {
		err = syncDir(filepath.Join(s.dir, "blobs"))
	}
	return m, sent, err
}

// putManifest makes a release findable. Its secrets are there before it is.
func (s shelf) putManifest(site target.Site, id string, m *manifest, sealed []byte) error {
	if err := os.MkdirAll(s.siteDir(site), 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := s.write(s.secretsPath(site, id), sealed); err != nil {
		return err
	}
	if err := s.write(s.manifestPath(site, id), b); err != nil {
		return err
	}
	return errors.Join(syncDir(s.siteDir(site)), syncDir(filepath.Join(s.dir, "placed")))
}

// manifest reads a release. One that is not there is a NotFound fault.
func (s shelf) manifest(site target.Site, id string) (*manifest, error) {
	if !idShape.MatchString(id) {
		return nil, fault.New(fault.NotFound, "%q is not a deployment of this server.", id)
	}
	b, err := os.ReadFile(s.manifestPath(site, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "That version is not on this server any more. Publish it again.")
	}
	if err != nil {
		return nil, err
	}
	return parseManifest(b)
}

// parseManifest reads a manifest and refuses one that names blobs by anything but a hash.
func parseManifest(b []byte) (*manifest, error) {
	m := new(manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	for _, mod := range m.Modules {
		if !blobShape.MatchString(mod.Blob) {
			return nil, fmt.Errorf("read a manifest: module %q has no hash", mod.Name)
		}
	}
	for key, f := range m.Files {
		if !blobShape.MatchString(f.Blob) {
			return nil, fmt.Errorf("read a manifest: file %q has no hash", key)
		}
	}
	return m, nil
}

// open opens a file of a release.
func (s shelf) open(m *manifest, key string) (Object, error) {
	f, ok := m.Files[key]
	if !ok {
		return Object{}, fs.ErrNotExist
	}
	body, err := os.Open(s.blobPath(f.Blob))
	if err != nil {
		return Object{}, fmt.Errorf("file of plan %.12s: %v", m.Hash, err) // not fs.ErrNotExist: it ought to be there
	}
	return Object{Body: body, Size: f.Size, Hash: f.Blob}, nil
}

// write writes content under its final name at once: readers see all of it or nothing, also after a crash.
func (s shelf) write(name string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, "tmp"), "put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
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

// sweep removes releases that keep refuses and that were placed before a time, and then the blobs that no manifest
// names. The caller holds the exclusive lock.
func (s shelf) sweep(ctx context.Context, keep func(id string) bool, before time.Time) error {
	manifests, err := filepath.Glob(filepath.Join(s.dir, "placed", "*", "*.json"))
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, path := range manifests {
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		stem := strings.TrimSuffix(path, ".json")
		if !keep(filepath.Base(stem)) && st.ModTime().Before(before) {
			if err := errors.Join(os.Remove(path), os.Remove(stem+".secrets")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m, err := parseManifest(b)
		if err != nil { // without it, nobody knows which blobs are needed
			return err
		}
		for _, mod := range m.Modules {
			named[mod.Blob] = true
		}
		for _, f := range m.Files {
			named[f.Blob] = true
		}
	}
	return errors.Join(
		s.removeFiles("blobs", func(f fs.FileInfo) bool { return !named[f.Name()] }),
		s.removeFiles("tmp", func(f fs.FileInfo) bool { return f.ModTime().Before(time.Now().Add(-time.Hour)) }),
	)
}

// removeFiles removes the files of a folder that which names, in portions: there may be many.
func (s shelf) removeFiles(sub string, which func(fs.FileInfo) bool) error {
	d, err := os.Open(filepath.Join(s.dir, sub))
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		files, err := d.Readdir(1024)
		for _, f := range files {
			if which(f) {
				if err := os.Remove(filepath.Join(s.dir, sub, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// complete reports an error when a part of a release is missing.
func (s shelf) complete(site target.Site, id string, m *manifest) error {
	paths := []string{s.secretsPath(site, id)}
	for _, mod := range m.Modules {
		paths = append(paths, s.blobPath(mod.Blob))
	}
	for _, f := range m.Files {
		paths = append(paths, s.blobPath(f.Blob))
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return err
		}
	}
	return nil
}
