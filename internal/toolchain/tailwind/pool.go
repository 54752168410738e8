package tailwind

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"modernc.org/quickjs"

	"overskill/internal/filetree"
)

// Sizes of what a Pool keeps.
const (
	maxWarm    = 2     // compilers, about 60 MB each
	maxScans   = 4_000 // files whose words are remembered
	defaultTTL = time.Minute
	spareDelay = 2000 * time.Millisecond
)

// Pool compiles stylesheets. It is safe for concurrent use; compilations of one Pool run one after the other,
// except where no warm compiler fits.
type Pool struct {
	ttl time.Duration // how long an unused compiler stays

	mu       sync.Mutex
	warm     []*warm           // most recently used last
	bytecode map[string][]byte // by folder of the app's tailwindcss
	scans    map[string][]string
	sweep    *time.Timer
	spare    *time.Timer // makes the next spare
	closed   bool
}

type warm struct {
	*compiler
	sheet, css string
	idle       time.Time // since when
}

// NewPool returns an empty pool; ttl is how long an unused compiler may stay in memory, 0 for a minute.
func NewPool(ttl time.Duration) *Pool {
	if ttl <= 0 {
		ttl = defaultTTL
	}
	return &Pool{ttl: ttl, bytecode: map[string][]byte{}, scans: map[string][]string{}}
}

// Input is one stylesheet of one app.
type Input struct {
	Dir   string // absolute folder that holds node_modules
	Tree  filetree.Tree
	Sheet string // the stylesheet's path in Tree
	Exact bool   // the CSS must hold nothing of earlier builds; without it, it may hold a few rules too many
}

var directive = regexp.MustCompile(`@(?:tailwind|apply|theme|utility|variant|custom-variant|source|reference|config|plugin)\b|@import\s+(?:url\()?["']tailwindcss|--(?:alpha|spacing)\(|\btheme\(`)

// Applies reports whether a stylesheet uses Tailwind at all.
func Applies(css []byte) bool { return directive.Match(css) }

// Compile returns the stylesheet's CSS. A problem in the app's stylesheet or configuration is an *Error.
func (p *Pool) Compile(ctx context.Context, in Input) ([]byte, error) {
	css, _ := in.Tree.Get(in.Sheet)
	defer p.prepare(in)
	for c := p.take(in, string(css)); c != nil; c = p.take(in, string(css)) {
		out, exact, err := p.feed(ctx, c.compiler, in)
		if err == nil && exact {
			p.give(c)
			return out, nil
		}
		c.close() // it knows names of another app; the spare, if there is one, is next
		if err != nil {
			return nil, err
		}
	}
	bytecode, err := p.load(in.Dir)
	if err != nil {
		return nil, err
	}
	fresh, err := newCompiler(ctx, bytecode, &files{dir: in.Dir, tree: in.Tree, used: map[string]string{}}, in.Sheet, css)
	if err != nil {
		return nil, err
	}
	out, _, err := p.feed(ctx, fresh, in)
	if err != nil {
		fresh.close()
		return nil, err
	}
	p.give(&warm{compiler: fresh, sheet: in.Sheet, css: string(css)})
	return out, nil
}

// prepare makes a spare compiler a moment after the last build: one that has read the stylesheet and knows no
// names yet, so that it is exact for every app with this stylesheet. Making it takes half a second that the next
// build need not wait for. Errors are left to that build.
func (p *Pool) prepare(in Input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.spare != nil {
		p.spare.Stop()
	}
	p.spare = time.AfterFunc(spareDelay, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		css, _ := in.Tree.Get(in.Sheet)
		if p.hasSpare(in, string(css)) {
			return
		}
		bytecode, err := p.load(in.Dir)
		if err != nil {
			return
		}
		c, err := newCompiler(ctx, bytecode, &files{dir: in.Dir, tree: in.Tree, used: map[string]string{}}, in.Sheet, css)
		if err != nil {
			return
		}
		p.give(&warm{compiler: c, sheet: in.Sheet, css: string(css)})
	})
}

func (p *Pool) hasSpare(in Input, css string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed || slices.ContainsFunc(p.warm, func(w *warm) bool {
		return w.fits(in, css) && len(w.fed) == 0
	})
}

// feed scans the app and builds, unless the build has to be exact and this compiler knows too much.
func (p *Pool) feed(ctx context.Context, c *compiler, in Input) (css []byte, ok bool, err error) {
	names := map[string]bool{}
	err = c.scanned(in.Tree, func(hash string, content []byte) {
		for _, n := range p.scan(hash, content) {
			names[n] = true
		}
	})
	if err != nil {
		return nil, false, err
	}
	if in.Exact && !c.exactFor(names) {
		return nil, false, nil
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	out, err := c.build(ctx, sorted)
	return []byte(out), err == nil, err
}

// scan returns the distinct names of a file, from memory if its hash was seen before.
func (p *Pool) scan(hash string, content []byte) []string {
	p.mu.Lock()
	names, ok := p.scans[hash]
	p.mu.Unlock()
	if ok {
		return names
	}
	seen := map[string]bool{}
	Scan(content, func(n string) {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	})
	if hash != "" {
		p.mu.Lock()
		if len(p.scans) >= maxScans {
			clear(p.scans)
		}
		p.scans[hash] = names
		p.mu.Unlock()
	}
	return names
}

// load returns the compiler's bytecode for an installation.
func (p *Pool) load(dir string) ([]byte, error) {
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "node_modules", "tailwindcss"))
	if err != nil {
		return nil, &Error{Message: "The stylesheet uses Tailwind, but tailwindcss is not among the app's dependencies."}
	}
	manifest, err := os.ReadFile(filepath.Join(real, "package.json"))
	if err != nil {
		return nil, &Error{Message: "The app's tailwindcss package has no package.json."}
	}
	key := filetree.HashOf(manifest)
	p.mu.Lock()
	b, ok := p.bytecode[key]
	p.mu.Unlock()
	if ok {
		return b, nil
	}
	src, err := script(dir)
	if err != nil {
		return nil, err
	}
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	if b, err = vm.Compile(src, quickjs.EvalGlobal); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.bytecode[key] = b
	p.mu.Unlock()
	return b, nil
}

// take removes a warm compiler for the stylesheet from the pool, or returns nil.
func (p *Pool) take(in Input, css string) *warm {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.warm {
		if w.fits(in, css) {
			p.warm = slices.Delete(p.warm, i, i+1)
			return w
		}
	}
	return nil
}

func (w *warm) fits(in Input, css string) bool {
	return w.files.dir == in.Dir && w.sheet == in.Sheet && w.css == css && w.files.unchanged(in.Tree)
}

// give puts a compiler into the pool, and the oldest out if there are too many.
func (p *Pool) give(w *warm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.close()
		return
	}
	w.idle = time.Now()
	w.files.tree = filetree.Tree{} // what it read it has; holding the app's files would cost memory
	p.warm = append(p.warm, w)
	if len(p.warm) > maxWarm {
		p.warm[0].close()
		p.warm = slices.Delete(p.warm, 0, 1)
	}
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.ttl, p.release)
	}
}

// release closes the compilers that nobody used for the pool's ttl, and everything else when none is left.
func (p *Pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warm = slices.DeleteFunc(p.warm, func(w *warm) bool {
		old := time.Since(w.idle) >= p.ttl
		if old {
			w.close()
		}
		return old
	})
	p.sweep = nil
	switch {
	case p.closed:
	case len(p.warm) > 0:
		p.sweep = time.AfterFunc(p.ttl-time.Since(p.warm[0].idle), p.release)
	default:
		clear(p.scans)
		clear(p.bytecode)
	}
}

// Close frees all compilers. Compilations that run finish, and what they used is freed after them.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.spare != nil {
		p.spare.Stop()
	}
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for _, w := range p.warm {
		w.close()
	}
	p.warm = nil
}
