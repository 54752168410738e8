package npm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"overskill/internal/fault"
)

// List is a JSON list of strings that careless authors write as a single string.
type List []string

func (s *List) UnmarshalJSON(b []byte) error {
	var many []string
	if json.Unmarshal(b, &many) == nil {
		*s = many
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil && one != "" {
		*s = List{one}
	}
	return nil // whatever else it is carries no meaning for npm either
}

// Engines is what a package says to run on. Old packages write a list; npm ignores it, and so do we.
type Engines map[string]string

func (m *Engines) UnmarshalJSON(b []byte) error {
	var v map[string]string
	if json.Unmarshal(b, &v) == nil {
		*m = v
	}
	return nil
}

// Bin maps commands to files; a single string means one command with the package's name.
type Bin map[string]string

func (m *Bin) UnmarshalJSON(b []byte) error {
	var v map[string]string
	if json.Unmarshal(b, &v) == nil {
		*m = v
	}
	return nil
}

// Manifest is what the registry says about one version.
type Manifest struct {
	Name                 string              `json:"name"`
	Version              string              `json:"version"`
	Dependencies         map[string]string   `json:"dependencies"`
	OptionalDependencies map[string]string   `json:"optionalDependencies"`
	PeerDependencies     map[string]string   `json:"peerDependencies"`
	PeerDependenciesMeta map[string]PeerMeta `json:"peerDependenciesMeta"`
	BundleDependencies   List                `json:"bundleDependencies"`
	OS                   List                `json:"os"`
	CPU                  List                `json:"cpu"`
	Libc                 List                `json:"libc"`
	Bin                  Bin                 `json:"bin"`
	Engines              Engines             `json:"engines"`
	HasInstallScript     bool                `json:"hasInstallScript"`
	Deprecated           deprecation         `json:"deprecated"`
	License              license             `json:"license"`
	Dist                 struct {
		Integrity string `json:"integrity"`
		Tarball   string `json:"tarball"`
	} `json:"dist"`
}

// deprecation is a sentence; some registries write false.
type deprecation string

func (d *deprecation) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*d = deprecation(s)
	}
	return nil
}

// license is an SPDX expression; old packages write an object.
type license string

func (l *license) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*l = license(s)
	}
	return nil
}

// entry turns a manifest into the lock's form.
func (m *Manifest) entry(name string) *Entry {
	e := &Entry{
		Version: m.Version, Integrity: m.Dist.Integrity, BundleDependencies: m.BundleDependencies, OS: m.OS, CPU: m.CPU, Libc: m.Libc, Bin: m.Bin, Engines: m.Engines,
		Deprecated: string(m.Deprecated), License: string(m.License), HasInstallScript: m.HasInstallScript,
		Dependencies: maps.Clone(m.Dependencies), OptionalDependencies: m.OptionalDependencies,
		PeerDependencies: m.PeerDependencies, PeerDependenciesMeta: m.PeerDependenciesMeta,
	}
	for k := range m.OptionalDependencies { // registries list optional ones twice
		delete(e.Dependencies, k)
	}
	if m.Name != name {
		e.Name = m.Name
	}
	return e
}

// Platform is where the packages are to run, in npm's words.
type Platform struct{ OS, CPU, Libc string }

// Host returns the platform of this process. libc is told from the C library that Go programs would load.
func Host() Platform {
	p := Platform{OS: runtime.GOOS, CPU: runtime.GOARCH}
	switch runtime.GOOS {
	case "windows":
		p.OS = "win32"
	case "solaris", "illumos":
		p.OS = "sunos"
	case "linux":
		p.Libc = libc()
	}
	switch runtime.GOARCH {
	case "amd64":
		p.CPU = "x64"
	case "386":
		p.CPU = "ia32"
	case "ppc64le":
		p.CPU = "ppc64"
	case "mipsle":
		p.CPU = "mipsel"
	}
	return p
}

// fits applies npm's rule: a plain word must be among the list, a word with ! must not be.
func (p Platform) fits(e *Entry) bool {
	match := func(list List, have string) bool {
		if len(list) == 0 || slices.Equal(list, List{"any"}) {
			return true
		}
		plain := false
		for _, w := range list {
			if no, ok := strings.CutPrefix(w, "!"); ok {
				if no == have {
					return false
				}
				continue
			}
			plain = true
			if w == have {
				return true
			}
		}
		return !plain
	}
	return match(e.OS, p.OS) && match(e.CPU, p.CPU) && (p.OS != "linux" || match(e.Libc, p.Libc))
}

// PackageJSON is an app's package.json. What it does not know it keeps, in the order in which it was written.
type PackageJSON struct {
	Name, Version        string
	Dependencies         map[string]string
	DevDependencies      map[string]string
	OptionalDependencies map[string]string
	members              []member
}

type member struct {
	key   string
	value json.RawMessage
}

// ParsePackageJSON reads a package.json; its errors are Invalid faults.
func ParsePackageJSON(b []byte) (*PackageJSON, error) {
	bad := func(err error) error { return fault.Wrap(err, fault.Invalid, "package.json is not valid JSON.") }
	p := &PackageJSON{}
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, bad(fmt.Errorf("it does not start an object: %w", err))
	}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, bad(err)
		}
		key, _ := k.(string)
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, bad(err)
		}
		p.members = append(p.members, member{key, raw})
		target := map[string]any{
			"name": &p.Name, "version": &p.Version, "dependencies": &p.Dependencies,
			"devDependencies": &p.DevDependencies, "optionalDependencies": &p.OptionalDependencies,
		}[key]
		if target != nil {
			if err := json.Unmarshal(raw, target); err != nil {
				return nil, bad(fmt.Errorf("%s: %w", key, err))
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad(err)
	}
	return p, nil
}

// Marshal writes the file with its dependencies as they are now and everything else as it was.
func (p *PackageJSON) Marshal() ([]byte, error) {
	for _, d := range []struct {
		key  string
		deps map[string]string
	}{{"dependencies", p.Dependencies}, {"devDependencies", p.DevDependencies}, {"optionalDependencies", p.OptionalDependencies}} {
		i := slices.IndexFunc(p.members, func(m member) bool { return m.key == d.key })
		if len(d.deps) == 0 {
			if i >= 0 {
				p.members = slices.Delete(p.members, i, i+1)
			}
			continue
		}
		raw, err := marshal(d.deps)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			p.members[i].value = raw
		} else {
			p.members = append(p.members, member{d.key, raw})
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range p.members {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
