// Package plan decides where every file of a build goes. It is pure: the same build gives the same plan.
//
// A deployed app is one Cloudflare Worker. Its script must stay under a budget of 900,000 bytes, so only what the
// first paint needs travels inside it, as binary modules: index.html, the entry scripts and styles, then whatever
// small files still fit. Everything else goes to R2, under a key that holds the content's hash, so that an upload
// can be skipped when it was done before and an old version keeps its files.
//
// In the mode Assets, all files are Workers static assets instead, and only those over MaxAsset go to R2. The script asks
// for them through its binding ASSETS and answers itself, so that visitors see no difference; the upload must say
// run_worker_first and switch off html_handling and not_found_handling.
//
// The Worker answers, in this order: /_health; whoever may not open the site (package access); the app's data, which it
// forwards to env.DATA_ORIGIN; /api/, if the app has server code; and the files of the build, by the rules of Route and
// by the app's own _headers and _redirects.
//
// The same Plan is served in two ways: by the Worker whose source is Plan.WorkerScript, and by package local.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/fault"
)

// DefaultBudget is what a Worker may weigh, in bytes, script and embedded modules together.
const DefaultBudget = 900_000

// What Workers static assets take.
const (
	MaxAsset      = 25 << 20 // bytes of a file
	MaxAssetFiles = 20_000
)

// MaxEmbedded is the size in bytes above which a file that the first paint does not need goes to R2 even where
// the budget has room: reading it from there costs less than making every cold start of the Worker carry it.
const MaxEmbedded = 50 * 1000

// rulesName names the routing rules and headers that Route, ContentType, CacheControl and runtime.js agree on. It is
// part of a plan's hash: raise it when they change, so that a changed answer is a changed plan.
const rulesName = "routing/2"

// Options says for whom a plan is made.
type Options struct {
	AppID         int64
	VersionID     int64
	Slug          string
	VersionNumber string // such as 1.0.4
	Environment   string // "preview" or "production"
	Budget        int    // bytes; 0 means DefaultBudget
	Mode          Mode   // "" means Embed
	Server        []byte // see Plan.Server
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
	Mode         Mode
	// Server is the app's own server code, one ES module without imports; nil without any. It exports
	// handle(request, env, ctx), which answers every request under APIPrefix, or returns null for "not found". What it
	// throws is logged, and answered with 500.
	Server []byte
	Rules  Rules // of the app's _headers and _redirects
}

// Asset is one file of the build.
type Asset struct {
	Path         string // as in the URL, decoded: "/assets/index-B1x9.js"
	Hash         string // sha256 of Content, lower-case hex
	ContentType  string
	CacheControl string
	Size         int64
	Content      []byte // must not be modified
	Place        Place
	R2Key        string // apps/<app>/<sha256>/<path>, also set where the bytes are elsewhere
}

// Mode is how a Worker carries its files.
type Mode string

const (
	// Embed puts what the first paint needs into the Worker, and the rest into R2.
	Embed Mode = "embed"
	// Assets puts all files into Workers static assets, up to MaxAsset each, and larger ones into R2.
	Assets Mode = "assets"
)

// Place is where the bytes of an asset are.
type Place string

const (
	InWorker Place = "worker" // a module of the script
	InAssets Place = "assets" // Workers static assets
	InBucket Place = "bucket" // R2, under R2Key
)

// Main is the name of the module that WorkerScript is.
const Main = "index.js"

// Types of modules, as an upload names them.
const (
	TypeModule = "application/javascript+module"
	TypeData   = "application/octet-stream"
)

// Module is one module that the Worker has besides its main one.
type Module struct {
	Name    string // as WorkerScript imports it, without the leading "./"
	Type    string // TypeModule or TypeData
	Content []byte
}

// Modules returns what the script imports: the app's server code, and the embedded assets. Assets with the same content
// share a module.
func (p Plan) Modules() []Module {
	var out []Module
	if len(p.Server) > 0 {
		out = append(out, Module{Name: ServerModule, Type: TypeModule, Content: p.Server})
	}
	seen := map[string]bool{}
	for _, a := range p.Assets {
		name := moduleName(a.Hash)
		if a.Place == InWorker && !seen[name] {
			seen[name] = true
			out = append(out, Module{Name: name, Type: TypeData, Content: a.Content})
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
	if opt.Mode == "" {
		opt.Mode = Embed
	}
	assets, err := list(dist, opt.AppID)
	if err != nil {
		return Plan{}, err
	}
	rules, notes := readRules(fileOf(dist, HeadersFile), fileOf(dist, RedirectsFile))
	critical := make(map[string]bool, len(entry))
	for _, e := range entry {
		p := "/" + strings.TrimPrefix(e, "/")
		if !slices.ContainsFunc(assets, func(a Asset) bool { return a.Path == p }) {
			return Plan{}, fault.New(fault.Invalid, "The build names %s as an entry, but did not write it.", e)
		}
		critical[p] = true
	}
	p := Plan{
		Hash: hashOf(assets, rules, opt.Server), Assets: assets, Budget: int64(opt.Budget), Notes: notes, Mode: opt.Mode, Rules: rules,
	}
	if len(opt.Server) > 0 {
		p.Server = opt.Server
	}
	w := worker{opt: opt, hash: p.Hash, rules: rules}
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
		if critical[a.Path] && a.Place == InBucket {
			p.Notes = append(p.Notes, fmt.Sprintf("%s has %s and does not fit into the Worker with the rest; it is served from R2, which makes the first load slower.", a.Path, bytesText(a.Size)))
		}
	}
	return p, nil
}
