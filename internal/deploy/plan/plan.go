// Package plan decides where every file of a build goes. It is pure: the same build gives the same plan.
//
// A deployed app is one Cloudflare Worker. Its script must stay under a budget of 900,000 bytes, so only what the
// first paint needs travels inside it, as binary modules: index.html, the entry scripts and styles, then whatever
// small files still fit. Everything else goes to R2, under a key that holds the content's hash, so that an upload
// can be skipped when it was done before and an old version keeps its files.
//
// The same Plan is served in two ways: by the Worker whose source is Plan.WorkerScript, and by package local.
// Route holds the rules that both follow.
package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"overskill/internal/fault"
)

// DefaultBudget is what a Worker may weigh, in bytes, script and embedded modules together.
const DefaultBudget = 900_000

// MaxEmbedded is the size in bytes above which a file that the first paint does not need goes to R2 even where
// the budget has room: reading it from there costs less than making every cold start of the Worker carry it.
const MaxEmbedded = 50 * 1000

// rules names the routing rules and headers that Route, ContentType, CacheControl and runtime.js agree on. It is
// part of a plan's hash: raise it when they change, so that a changed answer is a changed plan.
const rules = "routing/1"

// Options says for whom a plan is made.
type Options struct {
	AppID         int64
	VersionID     int64
	Slug          string
	VersionNumber string // such as 1.0.4
	Environment   string // "preview" or "production"
	Budget        int    // bytes; 0 means DefaultBudget
}

// Plan is a build ready to be deployed.
type Plan struct {
	// Hash identifies what a visitor gets: the paths and contents of all assets and the routing rules. It is
	// independent of the app, the version and the time, so equal builds have equal hashes.
	Hash string

	Assets       []Asset  // sorted by path
	WorkerScript []byte   // index.js, an ES module that imports Modules
	WorkerBytes  int64    // the script and its modules; under Budget
	Budget       int64    // what WorkerBytes was held against
	Notes        []string // sentences for the build log, such as an entry script that had to go to R2
}

// Asset is one file of the build.
type Asset struct {
	Path         string // as in the URL, decoded: "/assets/index-B1x9.js"
	Hash         string // sha256 of Content, lower-case hex
	ContentType  string
	CacheControl string
	Size         int64
	Content      []byte // must not be modified
	Embedded     bool   // in the Worker; otherwise in R2
	R2Key        string // apps/<app>/<sha256>/<path>, also set for embedded assets
}

// Module is one binary module of the Worker, of type application/octet-stream.
type Module struct {
	Name    string // as WorkerScript imports it, without the leading "./"
	Content []byte
}

// Modules returns the embedded assets as the script imports them. Assets with the same content share a module.
func (p Plan) Modules() []Module {
	var out []Module
	seen := map[string]bool{}
	for _, a := range p.Assets {
		name := moduleName(a.Hash)
		if a.Embedded && !seen[name] {
			seen[name] = true
			out = append(out, Module{Name: name, Content: a.Content})
		}
	}
	return out
}

// Hashes returns the sha256 of every asset by its path: what a verification compares with.
func (p Plan) Hashes() map[string]string {
	out := make(map[string]string, len(p.Assets))
	for _, a := range p.Assets {
		out[a.Path] = a.Hash
	}
	return out
}

// Make plans the deployment of a build. The keys of dist are slash-separated paths, relative to the site's root;
// entry names the scripts and styles that index.html loads first. An entry that dist does not have is an error,
// because such a build cannot work.
//
// Make returns an Invalid fault for a build that cannot be served, and a *TooBigError, which is also a TooLarge
// fault, for one that does not fit into the budget.
func Make(dist map[string][]byte, entry []string, opt Options) (Plan, error) {
	if opt.Budget == 0 {
		opt.Budget = DefaultBudget
	}
	assets, err := list(dist, opt.AppID)
	if err != nil {
		return Plan{}, err
	}
	critical := make(map[string]bool, len(entry))
	for _, e := range entry {
		p := "/" + strings.TrimPrefix(e, "/")
		if !slices.ContainsFunc(assets, func(a Asset) bool { return a.Path == p }) {
			return Plan{}, fault.New(fault.Invalid, "The build names %s as an entry, but did not write it.", e)
		}
		critical[p] = true
	}
	p := Plan{Hash: hashOf(assets), Assets: assets, Budget: int64(opt.Budget)}
	w := worker{opt: opt, hash: p.Hash}
	if err := w.place(assets, critical); err != nil {
		return Plan{}, err
	}
	p.WorkerScript = w.script(assets)
	p.WorkerBytes = int64(len(p.WorkerScript))
	for _, m := range p.Modules() {
		p.WorkerBytes += int64(len(m.Content))
	}
	if p.WorkerBytes >= p.Budget { // place promised otherwise
		return Plan{}, fmt.Errorf("plan of %s has %d bytes, over its budget of %d", opt.Slug, p.WorkerBytes, p.Budget)
	}
	for _, a := range assets {
		if critical[a.Path] && !a.Embedded {
			p.Notes = append(p.Notes, fmt.Sprintf("%s has %s and does not fit into the Worker with the rest; it is served from R2, which makes the first load slower.", a.Path, bytesText(a.Size)))
		}
	}
	return p, nil
}

// list turns a build into assets, sorted by path and not placed yet.
func list(dist map[string][]byte, appID int64) ([]Asset, error) {
	assets := make([]Asset, 0, len(dist))
	for name, content := range dist {
		p := "/" + strings.TrimPrefix(name, "/")
		if err := checkPath(p); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		hash := hex.EncodeToString(sum[:])
		assets = append(assets, Asset{
			Path:         p,
			Hash:         hash,
			ContentType:  ContentType(p),
			CacheControl: CacheControl(p),
			Size:         int64(len(content)),
			Content:      content,
			R2Key:        fmt.Sprintf("apps/%d/%s%s", appID, hash, p),
		})
	}
	slices.SortFunc(assets, func(a, b Asset) int { return cmp.Compare(a.Path, b.Path) })
	for i := 1; i < len(assets); i++ {
		if assets[i].Path == assets[i-1].Path {
			return nil, fault.New(fault.Invalid, "The build wrote %s twice.", assets[i].Path)
		}
	}
	if !slices.ContainsFunc(assets, func(a Asset) bool { return a.Path == Index }) {
		return nil, fault.New(fault.Invalid, "The build has no index.html.")
	}
	return assets, nil
}

// checkPath refuses a path that could not be asked for, or that would hide behind an endpoint.
func checkPath(p string) error {
	switch {
	case p == "/" || strings.HasSuffix(p, "/") || path.Clean(p) != p:
		return fault.New(fault.Invalid, "The build wrote %q, which is not a path of a file.", p)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }):
		return fault.New(fault.Invalid, "The build wrote %q; names with control characters or backslashes cannot be served.", p)
	case p == HealthPath || p == DeploymentPath:
		return fault.New(fault.Invalid, "The build wrote %s, which is the address of an endpoint; rename the file.", p)
	}
	return nil
}

// hashOf names the contents of a plan. Lengths are not needed between the fields: a path has no control
// characters and a hash has a fixed length.
func hashOf(assets []Asset) string {
	h := sha256.New()
	h.Write([]byte(rules + "\n"))
	for _, a := range assets {
		h.Write([]byte(a.Hash + " " + a.Path + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
