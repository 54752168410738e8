package npm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"overskill/internal/fault"
)

// Entry is one package of a lock, keyed by where it lies, such as node_modules/a/node_modules/b.
type Entry struct {
	Name                 string              `json:"name,omitempty"` // only where it differs from the path (an alias)
	Version              string              `json:"version,omitempty"`
	Integrity            string              `json:"integrity,omitempty"`
	BundleDependencies   List                `json:"bundleDependencies,omitempty"` // lie inside of the tarball
	CPU                  List                `json:"cpu,omitempty"`
	Deprecated           string              `json:"deprecated,omitempty"`
	Dev                  bool                `json:"dev,omitempty"`
	DevOptional          bool                `json:"devOptional,omitempty"`
	HasInstallScript     bool                `json:"hasInstallScript,omitempty"`
	InBundle             bool                `json:"inBundle,omitempty"`
	Libc                 List                `json:"libc,omitempty"`
	License              string              `json:"license,omitempty"`
	Link                 bool                `json:"link,omitempty"`
	Optional             bool                `json:"optional,omitempty"`
	OS                   List                `json:"os,omitempty"`
	Peer                 bool                `json:"peer,omitempty"`
	Bin                  Bin                 `json:"bin,omitempty"`
	Dependencies         map[string]string   `json:"dependencies,omitempty"`
	DevDependencies      map[string]string   `json:"devDependencies,omitempty"` // root only
	Engines              Engines             `json:"engines,omitempty"`
	OptionalDependencies map[string]string   `json:"optionalDependencies,omitempty"`
	PeerDependencies     map[string]string   `json:"peerDependencies,omitempty"`
	PeerDependenciesMeta map[string]PeerMeta `json:"peerDependenciesMeta,omitempty"`
	Resolved             string              `json:"-"` // read to recognise git and file sources, never used or written
}

// PeerMeta says more about a peer dependency.
type PeerMeta struct {
	Optional bool `json:"optional,omitempty"`
}

// Lock is a package-lock.json.
type Lock struct {
	Name, Version string
	Packages      map[string]*Entry // "" is the app itself
}

// lockFile is the file's form, in the order in which npm writes its members.
type lockFile struct {
	Name     string                     `json:"name,omitempty"`
	Version  string                     `json:"version,omitempty"`
	Lockfile int                        `json:"lockfileVersion"`
	Requires bool                       `json:"requires"`
	Packages map[string]json.RawMessage `json:"packages"`
}

// ParseLock reads a lock of version 2 or 3. Its errors are Invalid faults for the person who owns the file.
func ParseLock(b []byte) (*Lock, error) {
	var f lockFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "package-lock.json is not valid JSON.")
	}
	if f.Lockfile < 2 {
		return nil, fault.New(fault.Invalid, "package-lock.json has version %d; 2 and 3 are understood.", f.Lockfile)
	}
	l := &Lock{Name: f.Name, Version: f.Version, Packages: make(map[string]*Entry, len(f.Packages))}
	for p, raw := range f.Packages {
		e := new(Entry)
		if err := json.Unmarshal(raw, e); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "package-lock.json: the entry %q cannot be read.", p)
		}
		var source struct {
			Resolved string `json:"resolved"`
		}
		if json.Unmarshal(raw, &source) == nil {
			e.Resolved = source.Resolved
		}
		if p != "" {
			if err := checkEntry(p, e); err != nil {
				return nil, err
			}
		}
		l.Packages[p] = e
	}
	if l.Packages[""] == nil {
		l.Packages[""] = &Entry{}
	}
	return l, nil
}

// checkEntry refuses what cannot be installed safely: strange paths and sources other than a registry.
func checkEntry(p string, e *Entry) error {
	name := nameOf(p)
	if path.Clean("/"+p) != "/"+p || !strings.HasPrefix(p, "node_modules/") || !validName(name) {
		return fault.New(fault.Invalid, "package-lock.json places a package at %q; only folders in node_modules are supported.", p)
	}
	if e.Link || strings.HasPrefix(e.Resolved, "git") || strings.HasPrefix(e.Resolved, "file:") {
		return fault.New(fault.Invalid, "%s comes from a folder or from git; only packages of the registry can be installed.", name)
	}
	if e.Version == "" || strings.ContainsAny(e.Version, "/\\ ") {
		return fault.New(fault.Invalid, "package-lock.json has no usable version for %s.", name)
	}
	return nil
}

// nameOf returns the package's name from its place, "" if it is no place of a package.
func nameOf(p string) string {
	const folder = "node_modules/"
	i := strings.LastIndex("/"+p, "/"+folder)
	if i < 0 {
		return ""
	}
	return p[i+len(folder):]
}

// validName follows npm's rules as far as safety needs them: an optional scope, no dots in front, no slashes.
func validName(name string) bool {
	scope, base, scoped := strings.Cut(name, "/")
	if !scoped {
		base, scope = name, "@s"
	}
	ok := func(s string) bool {
		return s != "" && s[0] != '.' && s != "node_modules" && !strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
		})
	}
	return len(name) <= 214 && strings.HasPrefix(scope, "@") && ok(scope[1:]) && ok(base)
}

// Marshal writes lockfileVersion 3 as npm does, without `resolved`, so that no registry is named.
func (l *Lock) Marshal() ([]byte, error) {
	f := lockFile{Name: l.Name, Version: l.Version, Lockfile: 3, Requires: true, Packages: map[string]json.RawMessage{}}
	for p, e := range l.Packages {
		raw, err := marshal(e)
		if err != nil {
			return nil, fmt.Errorf("lock entry %s: %w", p, err)
		}
		f.Packages[p] = raw
	}
	return marshal(f)
}

// marshal is JSON as npm writes it: two spaces, a final newline, no escaped angle brackets.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// Key identifies what an installation of the lock on this platform holds: equal keys, equal node_modules.
func (l *Lock) Key(p Platform) string {
	h := sha256.New()
	fmt.Fprintf(h, "tree 1 %v\n", p)
	for _, at := range l.Needed(p) {
		e := l.Packages[at]
		fmt.Fprintf(h, "%s\t%s\t%s\t%s\n", at, e.Name, e.Version, e.Integrity)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Needed returns the places to install on this platform, in order.
//
// Packages for other platforms are left out, as npm does. So are native addons for Node, that is, optional
// packages bound to a platform: nothing here runs Node. The exception is TypeScript's, which holds the
// compiler as a plain program.
func (l *Lock) Needed(platform Platform) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(l.Packages)) {
		e := l.Packages[p]
		if p == "" || e.InBundle || !platform.fits(e) {
			continue
		}
		bound := len(e.OS)+len(e.CPU)+len(e.Libc) > 0
		if bound && (e.Optional || e.DevOptional) && !strings.HasPrefix(nameOf(p), "@typescript/") {
			continue
		}
		out = append(out, p)
	}
	return out
}

// Matches reports whether the lock's own idea of the app's dependencies is that of package.json. If not, the
// first difference is told in words.
func (l *Lock) Matches(pkg *PackageJSON) (string, bool) {
	root := l.Packages[""]
	for _, pair := range [][2]map[string]string{
		{pkg.Dependencies, root.Dependencies},
		{pkg.DevDependencies, root.DevDependencies},
		{pkg.OptionalDependencies, root.OptionalDependencies},
	} {
		for _, name := range slices.Sorted(maps.Keys(pair[0])) {
			if pair[1][name] != pair[0][name] {
				return fmt.Sprintf("package.json wants %s %s", name, pair[0][name]), false
			}
			if l.Packages["node_modules/"+name] == nil {
				return fmt.Sprintf("%s is not in the lock", name), false
			}
		}
	}
	return "", true
}
