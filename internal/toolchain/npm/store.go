package npm

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"overskill/internal/fault"
)

// Store is a folder of packages, each kept once under the hash of its tarball, and of the trees made of them.
// It is safe for concurrent use, also by several processes on one file system.
type Store struct {
	Registry *Registry
	Platform Platform

	packages, trees, temp string
	locks                 keyed
}

// OpenStore makes the store's folders in dir and sweeps what a killed process left behind an hour ago or more.
func OpenStore(dir string, registry *Registry, platform Platform) (*Store, error) {
	s := &Store{
		Registry: registry, Platform: platform,
		packages: filepath.Join(dir, "packages"), trees: filepath.Join(dir, "trees"), temp: filepath.Join(dir, "tmp"),
	}
	for _, d := range []string{s.packages, s.trees, s.temp} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open the package store: %w", err)
		}
	}
	old, err := os.ReadDir(s.temp)
	if err != nil {
		return nil, fmt.Errorf("open the package store: %w", err)
	}
	for _, d := range old {
		if i, err := d.Info(); err == nil && time.Since(i.ModTime()) > time.Hour {
			_ = os.RemoveAll(filepath.Join(s.temp, d.Name())) // in the way of nobody; the next start tries again
		}
	}
	return s, nil
}

// Item names one package exactly.
type Item struct{ Name, Version, Integrity string }

// digest returns the sha512 of an integrity string, which may list several hashes.
func (it Item) digest() ([]byte, error) {
	for field := range strings.FieldsSeq(it.Integrity) {
		if enc, ok := strings.CutPrefix(field, "sha512-"); ok {
			enc, _, _ = strings.Cut(enc, "?")
			if sum, err := base64.StdEncoding.DecodeString(enc); err == nil && len(sum) == sha512.Size {
				return sum, nil
			}
		}
	}
	return nil, fault.New(fault.Invalid, "%s %s has no sha512 in package-lock.json, so its download could not be verified.", it.Name, it.Version)
}

// Package makes sure that a package is in the store and returns its folder, which must not be changed.
// received is told the number of bytes as they are downloaded; it may be nil. A second call for the same
// package waits for the first. Errors: Unavailable when the registry does not answer or sent other bytes than
// the integrity promises, NotFound, Invalid.
func (s *Store) Package(ctx context.Context, it Item, received func(n int64)) (string, error) {
	if !validName(it.Name) || it.Version == "" || strings.ContainsAny(it.Version, `/\`) {
		return "", fault.New(fault.Invalid, "%q %q is not a package.", it.Name, it.Version)
	}
	want, err := it.digest()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.packages, strings.ReplaceAll(it.Name, "/", "+")+"@"+it.Version+"-"+hex.EncodeToString(want[:12]))
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
	if err := s.fetch(ctx, it, want, dir, received); err != nil {
		return "", diskFault(fmt.Errorf("package %s@%s: %w", it.Name, it.Version, err))
	}
	return dir, nil
}

// fetch downloads to a file, verifies it, and only then unpacks it.
func (s *Store) fetch(ctx context.Context, it Item, want []byte, dir string, received func(int64)) error {
	work, err := os.MkdirTemp(s.temp, "package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	f, err := os.Create(filepath.Join(work, "tarball"))
	if err != nil {
		return err
	}
	defer f.Close()
	for attempt := 0; ; attempt++ {
		sum, err := s.download(ctx, it, f, received)
		if err != nil {
			return err
		}
		if string(sum) == string(want) {
			break
		}
		if attempt == 1 { // once more: proxies do cut and spoil downloads
			return fault.New(fault.Unavailable, "The registry sent a %s %s that is not the one in package-lock.json (its sha512 differs). Nothing was installed.", it.Name, it.Version)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tree := filepath.Join(work, "tree")
	if err := extract(f, tree); err != nil {
		return err
	}
	return publish(tree, dir)
}

// download writes the tarball to f and returns its sha512.
func (s *Store) download(ctx context.Context, it Item, f *os.File, received func(int64)) ([]byte, error) {
	var sum hash.Hash
	var restart error
	err := s.Registry.tarball(ctx, it.Name, it.Version, func() io.Writer {
		sum = sha512.New()
		_, err := f.Seek(0, io.SeekStart)
		restart = errors.Join(err, f.Truncate(0))
		w := io.MultiWriter(f, sum)
		if received == nil {
			return w
		}
		return writerFunc(func(b []byte) (int, error) { received(int64(len(b))); return w.Write(b) })
	})
	if err = errors.Join(err, restart); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// publish gives a finished folder its name. Where another process was faster, its folder stays.
func publish(from, to string) error {
	err := os.Rename(from, to)
	if err != nil && isDir(to) {
		return nil
	}
	return err
}

// diskFault gives a full disk a sentence of its own.
func diskFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.Unavailable, "The disk of this server is full, so packages could not be installed. Nothing was changed.")
	}
	return err
}

func isDir(p string) bool {
	i, err := os.Stat(p)
	return err == nil && i.IsDir()
}

// keyed is a set of mutexes by name whose waiters can give up.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits until nobody else holds key. The returned function gives it back.
func (k *keyed) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		wait, taken := k.held[key]
		if !taken {
			done := make(chan struct{})
			if k.held == nil {
				k.held = map[string]chan struct{}{}
			}
			k.held[key] = done
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(done)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tally counts an installation's downloads for the people who wait for it.
type tally struct {
	packages, bytes atomic.Int64
}

// link makes to the same file as from, or a copy where the file system has no links between them.
func link(from, to string, mode fs.FileMode) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
