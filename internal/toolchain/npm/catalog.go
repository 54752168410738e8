package npm

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"deps.dev/util/semver"

	"overskill/internal/fault"
)

// packument is a registry's document about a package: all of its versions.
type packument struct {
	DistTags map[string]string          `json:"dist-tags"`
	Versions map[string]json.RawMessage `json:"versions"`

	once    sync.Once
	ordered []*version // newest first
}

type version struct {
	text   string
	parsed *semver.Version
}

// sorted returns the versions, newest first; what is no version is left out.
func (p *packument) sorted() []*version {
	p.once.Do(func() {
		for v := range p.Versions {
			if s, err := semver.NPM.Parse(v); err == nil {
				p.ordered = append(p.ordered, &version{v, s})
			}
		}
		slices.SortFunc(p.ordered, func(a, b *version) int {
			return cmp.Or(b.parsed.Compare(a.parsed), strings.Compare(a.text, b.text))
		})
	})
	return p.ordered
}

func (p *packument) manifest(v string) (*Manifest, error) {
	raw, ok := p.Versions[v]
	if !ok {
		return nil, nil
	}
	m := new(Manifest)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "The package registry sent something unreadable about version %s.", v)
	}
	return m, nil
}

// pick chooses as npm does: a tag's version; the version tagged latest if it is in range; else the newest in
// range that is not deprecated; else the newest in range. It returns nil if nothing is in range.
func (p *packument) pick(rng string) (*Manifest, error) {
	if v, ok := p.DistTags[rng]; ok {
		return p.manifest(v)
	}
	latest := p.DistTags["latest"]
	if rng = strings.TrimSpace(rng); rng == "" || rng == "*" {
		if m, err := p.manifest(latest); m != nil || err != nil {
			return m, err
		}
		rng = "*"
	}
	c, err := semver.NPM.ParseConstraint(rng)
	if err != nil {
		return nil, nil //nolint:nilerr // a range that nobody can read fits nothing
	}
	if c.Match(latest) {
		if m, err := p.manifest(latest); err != nil || m != nil && m.Deprecated == "" {
			return m, err
		}
	}
	var deprecated *Manifest
	for _, v := range p.sorted() {
		if !c.MatchVersion(v.parsed) {
			continue
		}
		m, err := p.manifest(v.text)
		if err != nil || m.Deprecated == "" {
			return m, err
		}
		if deprecated == nil {
			deprecated = m
		}
	}
	return deprecated, nil
}

// catalog reads each packument once.
type catalog struct {
	registry *Registry
	mu       sync.Mutex
	known    map[string]*lookup
}

type lookup struct {
	done chan struct{}
	doc  *packument
	err  error
}

func newCatalog(r *Registry) *catalog { return &catalog{registry: r, known: map[string]*lookup{}} }

func (c *catalog) packument(ctx context.Context, name string) (*packument, error) {
	if !validName(name) {
		return nil, fault.New(fault.Invalid, "%q is not a package name.", name)
	}
	c.mu.Lock()
	l := c.known[name]
	if l == nil {
		l = &lookup{done: make(chan struct{}), doc: new(packument)}
		c.known[name] = l
		c.mu.Unlock()
		l.err = c.registry.metadata(ctx, name, "", l.doc)
		close(l.done)
	} else {
		c.mu.Unlock()
	}
	select {
	case <-l.done:
		return l.doc, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pick returns the manifest that an edge means, following aliases (npm:other@range).
func (c *catalog) pick(ctx context.Context, name, rng string) (*Manifest, error) {
	name, rng = target(name, rng)
	if strings.Contains(rng, ":") || strings.Contains(rng, "/") {
		return nil, fault.New(fault.Invalid, "%s is asked for as %q; only versions of the registry can be installed.", name, rng)
	}
	doc, err := c.packument(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := doc.pick(rng)
	if m != nil && m.Name == "" {
		m.Name = name
	}
	return m, err
}

// target splits an alias into the package and the range it stands for.
func target(name, rng string) (string, string) {
	alias, ok := strings.CutPrefix(rng, "npm:")
	if !ok {
		return name, rng
	}
	if i := strings.LastIndexByte(alias, '@'); i > 0 {
		return alias[:i], alias[i+1:]
	}
	return alias, "*"
}

// prefetch reads, many at a time, what a resolution of these edges is likely to need. Errors are left to the
// resolution itself, which will meet them again.
func (c *catalog) prefetch(ctx context.Context, edges []edge, have func(name, rng string) bool) {
	var wg sync.WaitGroup
	var seen sync.Map
	var visit func(edges []edge)
	visit = func(edges []edge) {
		for _, e := range edges {
			if e.bundled || have(e.name, e.rng) {
				continue
			}
			if _, twice := seen.LoadOrStore(e.name+"@"+e.rng, true); twice {
				continue
			}
			wg.Go(func() {
				if m, err := c.pick(ctx, e.name, e.rng); err == nil && m != nil {
					visit((&node{entry: m.entry(e.name)}).edges())
				}
			})
		}
	}
	visit(edges)
	wg.Wait()
}

// satisfies reports whether an installed package fits a wish.
func satisfies(have *Entry, name, rng string) bool {
	wantName, rng := target(name, rng)
	if cmp.Or(have.Name, name) != wantName {
		return false
	}
	rng = strings.TrimSpace(rng)
	if rng == "" || rng == "*" || rng == "latest" || rng == have.Version {
		return true
	}
	c, err := semver.NPM.ParseConstraint(rng)
	return err == nil && c.Match(have.Version)
}

// Choose returns the version that a new dependency gets, and the range to write into package.json: the one that
// was asked for, or, for a tag, compatible with the version.
func Choose(ctx context.Context, r *Registry, name, rng string) (version, saved string, err error) {
	rng = cmp.Or(strings.TrimSpace(rng), "latest")
	doc, err := newCatalog(r).packument(ctx, name)
	if err != nil {
		return "", "", err
	}
	m, err := doc.pick(rng)
	if err != nil {
		return "", "", err
	}
	if m == nil {
		return "", "", fault.New(fault.NotFound, "There is no version of %s that fits %q.", name, rng)
	}
	if _, tag := doc.DistTags[rng]; tag {
		return m.Version, "^" + m.Version, nil
	}
	return m.Version, rng, nil
}
