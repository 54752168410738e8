package npm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"overskill/internal/fault"
)

// Resolve makes a lock for package.json in the manner of npm 7: breadth first, each package as near to the root
// as no other version is in the way, peer dependencies next to whom they serve. What old locks already is kept
// wherever it still fits; old may be nil and is not changed. notes tell people what was bent: npm itself would
// refuse packages whose peer dependencies contradict each other, this resolver takes the app's choice.
func Resolve(ctx context.Context, registry *Registry, pkg *PackageJSON, old *Lock) (lock *Lock, notes []string, err error) {
	r := &resolver{ctx: ctx, catalog: newCatalog(registry), nodes: map[string]*node{}}
	r.root = &node{entry: &Entry{
		Name: pkg.Name, Version: pkg.Version, Dependencies: pkg.Dependencies, DevDependencies: pkg.DevDependencies,
		OptionalDependencies: pkg.OptionalDependencies,
	}, children: map[string]*node{}}
	if old != nil {
		r.adopt(old)
	}
	r.catalog.prefetch(ctx, r.root.edges(), func(name, rng string) bool { return r.root.children[name] != nil })
	for pass := 0; ; pass++ {
		changed, err := r.pass()
		if err != nil {
			return nil, nil, err
		}
		if !changed {
			break
		}
		if pass == 50 {
			return nil, nil, fault.New(fault.Invalid, "The versions that package.json asks for cannot be brought together.")
		}
	}
	return r.lock(pkg), r.notes, nil
}

// node is a package at a place.
type node struct {
	name     string // as it is imported
	at       string // its place, "" for the root
	entry    *Entry
	parent   *node
	children map[string]*node
}

// edge is a wish of a node for a package.
type edge struct {
	name, rng      string
	peer, optional bool
	dev, bundled   bool
}

// edges returns what a package needs, sorted by name. Optional peers bring nothing in.
func (n *node) edges() []edge {
	var out []edge
	e := n.entry
	for name, rng := range e.Dependencies {
		out = append(out, edge{name: name, rng: rng})
	}
	for name, rng := range e.OptionalDependencies {
		out = append(out, edge{name: name, rng: rng, optional: true})
	}
	for name, rng := range e.DevDependencies {
		if _, twice := e.Dependencies[name]; !twice {
			out = append(out, edge{name: name, rng: rng, dev: true})
		}
	}
	for name, rng := range e.PeerDependencies {
		if _, twice := e.Dependencies[name]; !twice && !e.PeerDependenciesMeta[name].Optional {
			out = append(out, edge{name: name, rng: rng, peer: true})
		}
	}
	for i := range out {
		out[i].bundled = slices.Contains(e.BundleDependencies, out[i].name)
	}
	slices.SortFunc(out, func(a, b edge) int { return strings.Compare(a.name, b.name) })
	return out
}

// resolver builds the tree.
type resolver struct {
	ctx     context.Context
	catalog *catalog
	root    *node
	nodes   map[string]*node // by place
	notes   []string
}

// adopt puts the packages of an old lock into the tree, parents first.
func (r *resolver) adopt(old *Lock) {
	places := slices.SortedFunc(maps.Keys(old.Packages), func(a, b string) int {
		return cmp.Or(strings.Count(a, "/node_modules/")-strings.Count(b, "/node_modules/"), strings.Compare(a, b))
	})
	for _, p := range places {
		if p == "" {
			continue
		}
		parent := r.root
		if i := strings.LastIndex(p, "/node_modules/"); i >= 0 {
			parent = r.nodes[p[:i]]
		}
		if parent == nil {
			continue // its parent is gone; it will be resolved again if somebody needs it
		}
		e := *old.Packages[p]
		r.place(parent, nameOf(p), &e)
	}
}

func (r *resolver) place(parent *node, name string, e *Entry) *node {
	if before := parent.children[name]; before != nil {
		r.drop(before)
	}
	n := &node{name: name, entry: e, parent: parent, children: map[string]*node{}, at: path.Join(parent.at, "node_modules", name)}
	parent.children[name] = n
	r.nodes[n.at] = n
	return n
}

func (r *resolver) drop(n *node) {
	for _, c := range n.children {
		r.drop(c)
	}
	delete(n.parent.children, n.name)
	delete(r.nodes, n.at)
}

// find returns the package that an import from n reaches.
func (n *node) find(name string) *node {
	for p := n; p != nil; p = p.parent {
		if c := p.children[name]; c != nil {
			return c
		}
	}
	return nil
}

// home is where the search for an edge starts: peers are sought beside the package, not inside of it.
func (n *node) home(e edge) *node {
	if e.peer && n.parent != nil {
		return n.parent
	}
	return n
}

// pass walks over everything that is reachable and satisfies each edge; it reports whether it changed the tree.
func (r *resolver) pass() (changed bool, err error) {
	queue := []*node{r.root}
	seen := map[*node]bool{r.root: true}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n != r.root && r.nodes[n.at] != n {
			continue // replaced meanwhile
		}
		for _, e := range n.edges() {
			if err := r.ctx.Err(); err != nil {
				return false, err
			}
			target := n.home(e).find(e.name)
			if e.bundled {
				if target = n.children[e.name]; target == nil {
					continue // it comes with the tarball
				}
			} else if target == nil || !satisfies(target.entry, e.name, e.rng) {
				t, did, err := r.satisfy(n, e, target)
				if err != nil {
					return false, err
				}
				target, changed = t, changed || did
			}
			if target != nil && !seen[target] {
				seen[target] = true
				queue = append(queue, target)
			}
		}
		slices.SortStableFunc(queue, func(a, b *node) int {
			return cmp.Or(strings.Count(a.at, "node_modules/")-strings.Count(b.at, "node_modules/"), strings.Compare(a.at, b.at))
		})
	}
	return changed, nil
}

// satisfy places a package for an edge that nothing fits. have is what the edge reaches now, or nil.
func (r *resolver) satisfy(n *node, e edge, have *node) (*node, bool, error) {
	if have != nil && e.peer && !(have.parent == r.root && r.root.wants(e.name) == "") {
		r.note("%s wants %s %s beside it, but the app has %s", n.name, e.name, e.rng, have.entry.Version)
		return have, false, nil
	}
	m, err := r.catalog.pick(r.ctx, e.name, e.rng)
	if err != nil {
		if e.optional && fault.KindOf(err) != fault.Unavailable {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("resolve %s for %s: %w", e.name, cmp.Or(n.at, "the app"), err)
	}
	if m == nil {
		if e.optional {
			return nil, false, nil
		}
		return nil, false, fault.New(fault.Invalid, "No version of %s fits %q, which %s asks for.", e.name, e.rng, cmp.Or(n.name, "package.json"))
	}
	at := n.home(e)
	if have != nil && have.parent == at { // the place itself is taken by a version that does not fit
		if e.peer && have.entry.Version == m.Version {
			return have, false, nil
		}
		return r.place(at, e.name, m.entry(e.name)), true, nil
	}
	for p := at; p != nil && p.children[e.name] == nil; p = p.parent {
		at = p
	}
	return r.place(at, e.name, m.entry(e.name)), true, nil
}

// wants returns the range that a node itself asks for, "" for none.
func (n *node) wants(name string) string {
	for _, e := range n.edges() {
		if e.name == name {
			return cmp.Or(e.rng, "*")
		}
	}
	return ""
}

func (r *resolver) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(r.notes, s) {
		r.notes = append(r.notes, s)
	}
}

// lock writes down what is reachable, with npm's marks of why it is there.
func (r *resolver) lock(pkg *PackageJSON) *Lock {
	everything := r.reach(func(edge) bool { return true })
	prod := r.reach(func(e edge) bool { return !e.dev })
	required := r.reach(func(e edge) bool { return !e.optional })
	both := r.reach(func(e edge) bool { return !e.optional && !e.dev })
	own := r.reach(func(e edge) bool { return !e.peer })
	l := &Lock{Name: pkg.Name, Version: pkg.Version, Packages: map[string]*Entry{"": r.root.entry}}
	for n := range everything {
		if n == r.root {
			continue
		}
		e := *n.entry
		e.Dev, e.Optional, e.Peer = !prod[n], !required[n], !own[n]
		e.DevOptional = !e.Dev && !e.Optional && !both[n]
		l.Packages[n.at] = &e
	}
	return l
}

// reach returns the nodes that can be reached over the edges that follow allows.
func (r *resolver) reach(follow func(edge) bool) map[*node]bool {
	seen := map[*node]bool{r.root: true}
	queue := []*node{r.root}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, e := range n.edges() {
			if !follow(e) || e.bundled && n.children[e.name] == nil {
				continue
			}
			if t := n.home(e).find(e.name); t != nil && !seen[t] {
				seen[t] = true
				queue = append(queue, t)
			}
		}
	}
	return seen
}
