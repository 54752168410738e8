package plan

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"overskill/internal/deploy/access"
)

// The part of every Worker that does not change: it reads the constants that script writes before it. The functions
// guard and withoutAccess, which runtimeJS calls, are access.Runtime.
var (
	//go:embed api.js
	apiJS []byte // runs the app's server code
	//go:embed rules.js
	rulesJS []byte // applies Rules
	//go:embed runtime.js
	runtimeJS []byte // answers requests
)

// ServerModule is the name of the module that holds an app's server code.
const ServerModule = "server.js"

// ServerMain returns the main module of a Worker that has an app's server code and nothing else, in the module
// ServerModule. It answers like the Worker of a plan does under APIPrefix, but leaves the security headers to the
// server in front of it.
func ServerMain() []byte {
	return slices.Concat([]byte("import * as SERVER from \"./"+ServerModule+"\";\nconst BASE_HEADERS = {};\n"), apiJS,
		[]byte("\nexport default { fetch: serverCode };\n"))
}

// worker writes the script of one plan.
type worker struct {
	opt   Options
	hash  string
	rules Rules
}

// script returns the Worker's index.js for the assets as they are placed. It has three parts: the imports of the server
// code and of each embedded module, the constants that describe the deployment, and the runtime.
func (w *worker) script(assets []Asset) []byte {
	var imports, table bytes.Buffer
	modules := map[string]int{}
	types := map[string]int{}
	var typeList []string
	for _, a := range assets {
		t, ok := types[a.ContentType]
		if !ok {
			t = len(typeList)
			types[a.ContentType] = t
			typeList = append(typeList, a.ContentType)
		}
		key, module := a.Hash[:etagDigits], "IN_BUCKET"
		switch a.Place {
		case InBucket:
			key = a.Hash // all of it: it is in the name of the object
		case InAssets:
			module = "IN_ASSETS"
		case InWorker:
			name := moduleName(a.Hash)
			n, ok := modules[name]
			if !ok {
				n = len(modules) + 1
				modules[name] = n
				fmt.Fprintf(&imports, "import m%d from %q;\n", n, "./"+name)
			}
			module = "m" + strconv.Itoa(n)
		}
		fmt.Fprintf(&table, "[%s,[%q,%d,%d,%d,%s]],\n", quote(a.Path), key, a.Size, t, bit(hashed(a.Path)), module)
	}
	var b bytes.Buffer
	if len(w.opt.Server) > 0 {
		fmt.Fprintf(&b, "import * as SERVER from %q;\n", "./"+ServerModule)
	} else {
		b.WriteString("const SERVER = null;\n")
	}
	b.Write(imports.Bytes())
	fmt.Fprintf(&b, "const DEPLOYMENT = %s;\n", quote(Info{
		AppID: w.opt.AppID, Slug: w.opt.Slug, Version: w.opt.VersionNumber, VersionID: w.opt.VersionID,
		Environment: w.opt.Environment, ContentHash: w.hash,
	}))
	fmt.Fprintf(&b, "const TYPES = %s;\nconst EXTENSIONS = new Set(%s);\n", quote(typeList), quote(sortedKeys(contentTypes)))
	fmt.Fprintf(&b, "const RULES = %s;\nconst IN_BUCKET = 0, IN_ASSETS = 1;\n", quote(w.rules))
	fmt.Fprintf(&b, "// path: [sha256, size, type, immutable, module or place]\nconst FILES = new Map([\n%s]);\n", table.Bytes())
	for _, js := range [][]byte{access.Runtime, apiJS, rulesJS, runtimeJS} {
		b.Write(js)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Info is what /_deployment answers; /_health adds a status to it.
type Info struct {
	Status      string `json:"status,omitempty"` // "ok", only in /_health
	AppID       int64  `json:"app_id"`
	Slug        string `json:"slug"`
	Version     string `json:"version"`
	VersionID   int64  `json:"version_id"`
	Environment string `json:"environment"`
	ContentHash string `json:"content_hash"`
}

// moduleName names an embedded module by its content.
func moduleName(hash string) string { return "m-" + hash[:24] + ".bin" }

// embedCost returns at most how many bytes the Worker grows when the asset moves into it: the content and its
// import, unless another asset has brought them, and its module column. Numbers are taken as five digits.
func embedCost(a Asset, shared bool) int64 {
	const column = len("m99999") // instead of IN_BUCKET and of half a hash: less, in fact
	if shared {
		return int64(column)
	}
	line := fmt.Sprintf("import m99999 from %q;\n", "./"+moduleName(a.Hash))
	return a.Size + int64(len(line)+column)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// quote writes a value as JSON, which is also JavaScript: encoding/json escapes what a script could trip over.
func quote(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and structs of them always marshal
	}
	return b
}
