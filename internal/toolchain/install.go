package toolchain

import (
	"context"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/toolchain/bundle"
	"overskill/internal/toolchain/npm"
)

const (
	manifestFile = "package.json"
	lockFile     = "package-lock.json"
)

// Install makes sure that the tree's packages are installed and returns the folder that holds node_modules. It
// follows package-lock.json; where that is missing or does not fit package.json, it says so and resolves.
// The folder is shared by all apps with the same lock and must not be changed.
func (t *Toolchain) Install(ctx context.Context, tree filetree.Tree, p Progress) (string, error) {
	_, lock, err := t.lockOf(ctx, tree, p)
	if err != nil {
		return "", machinery(err, "read the lock")
	}
	start := time.Now()
	reported := false
	dir, err := t.store.Tree(ctx, lock, func(text string) { reported = true; p.info("%s", text) })
	if err == nil && reported {
		p.info("Installed the packages in %s", round(time.Since(start)))
	}
	return dir, machinery(err, "install packages")
}

// lockOf returns the tree's manifest and a lock that fits it.
func (t *Toolchain) lockOf(ctx context.Context, tree filetree.Tree, p Progress) (*npm.PackageJSON, *npm.Lock, error) {
	b, ok := tree.Get(manifestFile)
	if !ok {
		return nil, nil, fault.New(fault.Invalid, "The app has no package.json.")
	}
	pkg, err := npm.ParsePackageJSON(b)
	if err != nil {
		return nil, nil, err
	}
	var lock *npm.Lock
	if b, ok = tree.Get(lockFile); ok {
		if lock, err = npm.ParseLock(b); err != nil {
			return nil, nil, err
		}
		why, fits := lock.Matches(pkg)
		if fits {
			return pkg, lock, nil
		}
		p.warn("package-lock.json does not fit package.json (%s); resolving what differs", why)
	} else {
		p.warn("There is no package-lock.json; resolving the versions of all packages")
	}
	lock, notes, err := npm.Resolve(ctx, t.store.Registry, pkg, lock)
	for _, n := range notes {
		p.warn("%s", n)
	}
	return pkg, lock, err
}

// AddDependency puts a package into package.json and package-lock.json and returns the new tree and the version
// that was chosen. rng is a version range or a tag; "" means the latest. Versions that are locked already stay as
// they are wherever they fit. Nothing is installed. Errors are faults: NotFound, Invalid, Unavailable.
func (t *Toolchain) AddDependency(ctx context.Context, tree filetree.Tree, name, rng string, dev bool) (filetree.Tree, string, error) {
	pkg, lock, err := t.lockOf(ctx, tree, nil)
	if err != nil {
		return tree, "", machinery(err, "read the lock")
	}
	version, saved, err := npm.Choose(ctx, t.store.Registry, name, rng)
	if err != nil {
		return tree, "", machinery(err, "choose a version")
	}
	delete(pkg.Dependencies, name)
	delete(pkg.DevDependencies, name)
	delete(pkg.OptionalDependencies, name)
	list := &pkg.Dependencies
	if dev {
		list = &pkg.DevDependencies
	}
	if *list == nil {
		*list = map[string]string{}
	}
	(*list)[name] = saved
	tree, lock, err = t.relock(ctx, tree, pkg, lock)
	if err != nil {
		return tree, "", err
	}
	if e := lock.Packages["node_modules/"+name]; e != nil {
		version = e.Version
	}
	return tree, version, nil
}

// RemoveDependency takes a package out of package.json, and out of package-lock.json what only it needed.
func (t *Toolchain) RemoveDependency(ctx context.Context, tree filetree.Tree, name string) (filetree.Tree, error) {
	pkg, lock, err := t.lockOf(ctx, tree, nil)
	if err != nil {
		return tree, machinery(err, "read the lock")
	}
	_, a := pkg.Dependencies[name]
	_, b := pkg.DevDependencies[name]
	_, c := pkg.OptionalDependencies[name]
	if !a && !b && !c {
		return tree, fault.New(fault.NotFound, "%s is not among the app's dependencies.", name)
	}
	delete(pkg.Dependencies, name)
	delete(pkg.DevDependencies, name)
	delete(pkg.OptionalDependencies, name)
	tree, _, err = t.relock(ctx, tree, pkg, lock)
	return tree, err
}

// relock resolves a changed manifest and writes both files.
func (t *Toolchain) relock(ctx context.Context, tree filetree.Tree, pkg *npm.PackageJSON, lock *npm.Lock) (filetree.Tree, *npm.Lock, error) {
	lock, _, err := npm.Resolve(ctx, t.store.Registry, pkg, lock)
	if err != nil {
		return tree, nil, machinery(err, "resolve packages")
	}
	manifest, err := pkg.Marshal()
	if err != nil {
		return tree, nil, machinery(err, "write package.json")
	}
	locked, err := lock.Marshal()
	if err != nil {
		return tree, nil, machinery(err, "write package-lock.json")
	}
	changed, err := tree.WithAll(map[string][]byte{manifestFile: manifest, lockFile: locked})
	return changed, lock, err
}

// Warm installs the tree's packages and builds it once, so that the first build that somebody waits for finds
// packages, compilers and caches ready.
func (t *Toolchain) Warm(ctx context.Context, tree filetree.Tree) error {
	for _, m := range []Mode{Development, Production} {
		if _, err := t.Build(ctx, BuildInput{Tree: tree, Mode: m}); err != nil {
			return err
		}
	}
	return nil
}

// Exports returns the names that an installed package exports, in order; nil when they cannot be known.
func (t *Toolchain) Exports(ctx context.Context, tree filetree.Tree, name string) ([]string, error) {
	dir, err := t.Install(ctx, tree, nil)
	if err != nil {
		return nil, err
	}
	release, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return bundle.Exports(dir, name), nil
}
