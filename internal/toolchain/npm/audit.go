package npm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"deps.dev/util/semver"
	"golang.org/x/sync/singleflight"
)

const (
	// auditTimeout bounds all that is asked for one audit: somebody waits for it.
	auditTimeout = 10 * time.Second
	// auditFresh is how long an answer counts. Advisories are published some dozens a day, over all packages.
	auditFresh = 6 * time.Hour
	// unofferedFresh is how long a registry that offers no advisories is not asked again, and troubledFresh one that
	// did not answer.
	unofferedFresh = time.Hour
	troubledFresh  = time.Minute
	// maxAudits is how many audits are kept, each some kilobytes.
	maxAudits = 200
	// maxCured is for how many packages with advisories the releases are looked up.
	maxCured = 30
)

// Audit is what registries say about a set of packages. It is shared: nobody may change it.
type Audit struct {
	Advisories []Advisory // by package; those of a package may be about releases that are not installed too
	// Releases are the versions of packages with advisories that one can change to, the oldest first, without
	// prereleases and without what its author has withdrawn. A package is missing where they could not be read.
	Releases map[string][]string
	// Unchecked says, in sentences for a person, what could not be looked at and why. Only where it is "" does an
	// empty list of advisories mean that none are known.
	Unchecked string
	At        time.Time // when it was asked
}

// Auditor asks registries for advisories, in the form in which npm audit asks (the bulk endpoint of npm's registry), and
// keeps their answers for six hours. Each package's name goes only to the registry that it comes from, so that the names
// of a company's own packages stay there. It is safe for concurrent use.
type Auditor struct {
	registry *Registry
	now      func() time.Time
	once     singleflight.Group

	mu    sync.Mutex
	known map[string]*Audit
	until map[string]time.Time // how long each counts
}

// NewAuditor returns an Auditor that asks the registries of r.
func NewAuditor(r *Registry) *Auditor {
	return &Auditor{registry: r, now: time.Now, known: map[string]*Audit{}, until: map[string]time.Time{}}
}

// Audit returns what is known of installed packages: versions by name. It never fails, and takes ten seconds at most:
// what goes wrong is told in Audit.Unchecked.
func (a *Auditor) Audit(ctx context.Context, installed map[string][]string) *Audit {
	asked := map[string][]string{}
	for name, versions := range installed {
		for _, v := range versions {
			if _, err := semver.NPM.Parse(v); err == nil && validName(name) {
				asked[name] = append(asked[name], v)
			}
		}
		slices.Sort(asked[name])
		asked[name] = slices.Compact(asked[name])
	}
	maps.DeleteFunc(asked, func(_ string, v []string) bool { return len(v) == 0 })
	key := auditKey(asked)
	a.mu.Lock()
	known, fresh := a.known[key], a.now().Before(a.until[key])
	a.mu.Unlock()
	if fresh {
		return known
	}
	answer := a.once.DoChan(key, func() (any, error) {
		// Whoever asked first may go away while others wait for the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
		defer cancel()
		audit, lasts := a.ask(ctx, asked)
		a.keep(key, audit, lasts)
		return audit, nil
	})
	select {
	case r := <-answer:
		if audit, ok := r.Val.(*Audit); ok {
			return audit
		}
	case <-ctx.Done():
	}
	return &Audit{Unchecked: "The package registry was not asked to the end.", At: a.now()}
}

func auditKey(asked map[string][]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		fmt.Fprintf(h, "%s\t%s\n", name, strings.Join(asked[name], " "))
	}
	return string(h.Sum(nil))
}

func (a *Auditor) keep(key string, audit *Audit, lasts time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxAudits {
		oldest := key
		for k, t := range a.until {
			if oldest == key || t.Before(a.until[oldest]) {
				oldest = k
			}
		}
		delete(a.known, oldest)
		delete(a.until, oldest)
	}
	a.known[key], a.until[key] = audit, a.now().Add(lasts)
}

// ask asks each registry about its packages, and says how long the answer counts.
func (a *Auditor) ask(ctx context.Context, asked map[string][]string) (*Audit, time.Duration) {
	audit := &Audit{Releases: map[string][]string{}, At: a.now()}
	lasts := auditFresh
	by := map[string]map[string][]string{} // packages by registry
	for name, versions := range asked {
		base := a.registry.base(name)
		if by[base] == nil {
			by[base] = map[string][]string{}
		}
		by[base][name] = versions
	}
	for _, base := range slices.Sorted(maps.Keys(by)) {
		found, err := a.patiently(ctx, base, by[base])
		if err != nil {
			audit.Unchecked = strings.TrimSpace(audit.Unchecked + " " + unchecked(err, by[base], len(by) > 1))
			if errors.Is(err, errNoAdvisories) {
				lasts = min(lasts, unofferedFresh)
			} else {
				lasts = troubledFresh
			}
			continue
		}
		audit.Advisories = append(audit.Advisories, a.completed(ctx, base, found, audit.Releases)...)
	}
	return audit, lasts
}

// patiently gives a registry that stumbles a second chance.
func (a *Auditor) patiently(ctx context.Context, base string, asked map[string][]string) ([]Advisory, error) {
	found, err := a.registry.advisories(ctx, base, asked)
	if err == nil || errors.Is(err, errNoAdvisories) {
		return found, err
	}
	select {
	case <-time.After(a.registry.patience.Backoff):
		return a.registry.advisories(ctx, base, asked)
	case <-ctx.Done():
		return nil, err
	}
}

// unchecked words why packages were not looked at. It names no registry: an address can hold a password.
func unchecked(err error, asked map[string][]string, some bool) string {
	which := "the app's packages"
	if some {
		names := slices.Sorted(maps.Keys(asked))
		which = strings.Join(names[:min(3, len(names))], ", ")
		if len(names) > 3 {
			which = fmt.Sprintf("%s and %d more", which, len(names)-3)
		}
	}
	if errors.Is(err, errNoAdvisories) {
		return fmt.Sprintf("The package registry that %s come from answers no questions about known weaknesses, as is usual for mirrors.", which)
	}
	return fmt.Sprintf("The package registry did not say in time which weaknesses of %s are known.", which)
}

// completed adds, for the packages that have advisories, which releases there are, and what is known of those: a release
// that cures one weakness can have another. Whatever of it fails leaves the advisories as they are.
func (a *Auditor) completed(ctx context.Context, base string, found []Advisory, releases map[string][]string) []Advisory {
	more := map[string][]string{}
	for _, f := range found {
		if len(more) < maxCured {
			more[f.Package] = nil
		}
	}
	if len(more) == 0 {
		return found
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	c := newCatalog(a.registry)
	for _, name := range slices.Collect(maps.Keys(more)) {
		wg.Go(func() {
			doc, err := c.packument(ctx, name)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			more[name] = doc.releases()
		})
	}
	wg.Wait()
	maps.DeleteFunc(more, func(_ string, v []string) bool { return len(v) == 0 })
	if len(more) == 0 {
		return found
	}
	all, err := a.registry.advisories(ctx, base, more)
	if err != nil {
		return found // without this answer a release could be praised that is as bad
	}
	maps.Copy(releases, more)
	for _, f := range all {
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	return found
}

// releases lists the versions that are meant to be used, the oldest first.
func (p *packument) releases() (out []string) {
	for _, v := range slices.Backward(p.sorted()) {
		if v.parsed.IsPrerelease() {
			continue
		}
		if m, err := p.manifest(v.text); err == nil && m != nil && m.Deprecated == "" {
			out = append(out, v.text)
		}
	}
	return out
}
