package npm

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"overskill/internal/fault"
)

// Limits of one unpacked package.
const (
	maxUnpacked = 1 << 30 // bytes
	maxEntries  = 100_000
)

// extract unpacks an npm tarball into the new folder dst. The first part of each name ("package/") is dropped.
// Files become read-only and stay executable. Links, devices and the like are left out, as npm does: a package
// has no need for them and an attacker has. A name that leaves the folder makes the whole package an Invalid
// fault, because nobody writes one by accident.
func extract(r io.Reader, dst string) error {
	gz, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "The registry sent a package that is no tarball.")
	}
	if err := os.MkdirAll(dst, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dst) // the operating system's own guard, behind ours
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root, made: map[string]bool{".": true}}
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "A package's tarball is broken.")
		}
		if err := u.entry(h, tr); err != nil {
			return err
		}
	}
	if u.count == 0 {
		return fault.New(fault.Invalid, "A package's tarball is empty.")
	}
	return nil
}

type unpacker struct {
	root  *os.Root
	made  map[string]bool // folders that exist
	size  int64
	count int
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, rel, ok := strings.Cut(strings.TrimPrefix(h.Name, "./"), "/")
	if !ok || rel == "" || strings.HasSuffix(rel, "/") {
		return nil
	}
	if strings.Contains(rel, `\`) || strings.ContainsRune(rel, 0) || !filepath.IsLocal(rel) {
		return fault.New(fault.Invalid, "A package tries to write outside of its folder (%q). It was not installed.", h.Name)
	}
	u.size += h.Size
	if u.count++; u.size > maxUnpacked || u.count > maxEntries {
		return fault.New(fault.TooLarge, "A package unpacks to more than %d MB or %d files.", maxUnpacked>>20, maxEntries)
	}
	rel = filepath.Clean(rel)
	if d := filepath.Dir(rel); !u.made[d] {
		if err := u.root.MkdirAll(d, 0o755); err != nil {
			return err
		}
		u.made[d] = true
	}
	// A name may occur twice; the last one wins, as with tar. The first may be read-only by then.
	if err := u.root.Remove(rel); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := u.root.OpenFile(rel, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444|os.FileMode(h.Mode)&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
