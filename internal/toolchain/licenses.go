package toolchain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/toolchain/npm"
)

// Package is an installed npm package.
type Package struct {
	Name, Version string
	License       string // in the package's own words, an SPDX expression as a rule; "" when it names none
	Direct        bool   // package.json asks for it; the others come along
	Dev           bool   // only tools need it: nothing of it is meant to reach visitors
}

// Licenses lists what the app's lock installs, by name and version, with the licences that the packages themselves
// state: a registry's word can differ from what the files say. It installs what is missing; its errors are Install's.
func (t *Toolchain) Licenses(ctx context.Context, tree filetree.Tree) ([]Package, error) {
	pkg, lock, err := t.lockOf(ctx, tree, nil)
	if err != nil {
		return nil, machinery(err, "read the lock")
	}
	dir, err := t.store.Tree(ctx, lock, nil)
	if err != nil {
		return nil, machinery(err, "install packages")
	}
	wanted := maps.Clone(pkg.Dependencies)
	if wanted == nil {
		wanted = map[string]string{}
	}
	maps.Copy(wanted, pkg.DevDependencies)
	maps.Copy(wanted, pkg.OptionalDependencies)

	found := map[[2]string]Package{} // a version can lie in several places
	for _, at := range placesOf(lock, t.store.Platform) {
		p, err := readPackage(dir, at, lock.Packages[at])
		if errors.Is(err, fs.ErrNotExist) && lock.Packages[at].InBundle {
			continue // its carrier is not installed on this platform
		}
		if err != nil {
			return nil, machinery(fmt.Errorf("%s: %w", at, err), "read an installed package")
		}
		name, top := strings.CutPrefix(at, "node_modules/")
		_, p.Direct = wanted[name]
		p.Direct = p.Direct && top
		p.Dev = lock.Packages[at].Dev
		key := [2]string{p.Name, p.Version}
		if other, twice := found[key]; twice {
			p.Direct, p.Dev = p.Direct || other.Direct, p.Dev && other.Dev
		}
		found[key] = p
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	}), nil
}

// placesOf lists where a lock puts packages, those that came inside of others included.
func placesOf(lock *npm.Lock, platform npm.Platform) []string {
	places := lock.Needed(platform)
	for at, e := range lock.Packages {
		if e.InBundle {
			places = append(places, at)
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// readPackage reads what an installed package says of itself, and takes its name and version from the lock where it
// says nothing that can be understood.
func readPackage(dir, at string, e *npm.Entry) (Package, error) {
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(at), manifestFile))
	if err != nil {
		return Package{}, err
	}
	p := parsePackage(b)
	p.Name = cmp.Or(p.Name, e.Name, at[strings.LastIndex("/"+at, "/node_modules/")+len("node_modules/"):])
	p.Version = cmp.Or(p.Version, e.Version)
	return p, nil
}

// parsePackage reads name, version and licence of a package.json, and leaves empty what it cannot read. npm accepts a
// byte order mark, and so must we.
func parsePackage(b []byte) Package {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(strings.TrimPrefix(string(b), "\ufeff")), &m) != nil {
		return Package{}
	}
	text := func(member string) string {
		var s string
		_ = json.Unmarshal(m[member], &s) // no string: as if it were not there
		return s
	}
	return Package{Name: text("name"), Version: text("version"), License: cmp.Or(licenseOf(m["license"]), licenseOf(m["licenses"]))}
}

// licenseOf reads the forms that the field has had: an SPDX expression, an object {type, url}, and a list of either,
// of which one may choose. What is none of them is "".
func licenseOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.TrimSpace(text)
	}
	var object struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &object) == nil {
		return strings.TrimSpace(object.Type)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var names []string
	for _, one := range list {
		if len(one) > 0 && one[0] == '[' {
			continue
		}
		if name := licenseOf(one); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 1 {
		return "(" + strings.Join(names, " OR ") + ")"
	}
	return strings.Join(names, "")
}

// Audit asks the registry what is known against installed packages, versions by name. It always returns something: what
// could not be found out is Unchecked.
func (t *Toolchain) Audit(ctx context.Context, installed map[string][]string) *npm.Audit {
	return t.audits.Audit(ctx, installed)
}
