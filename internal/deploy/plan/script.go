package plan

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
)

// runtime is the part of every Worker that does not change: it reads the constants that script writes before it.
//
//go:embed runtime.js
var runtime []byte

// worker writes the script of one plan.
type worker struct {
	opt  Options
	hash string
}

// script returns the Worker's index.js for the assets as they are placed. It has three parts: one import for each
// embedded module, the constants that describe the deployment, and the runtime.
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
		module := "0"
		if a.Embedded {
			name := moduleName(a.Hash)
			n, ok := modules[name]
			if !ok {
				n = len(modules) + 1
				modules[name] = n
				fmt.Fprintf(&imports, "import m%d from %q;\n", n, "./"+name)
			}
			module = "m" + strconv.Itoa(n)
		}
		fmt.Fprintf(&table, "[%s,[%q,%d,%d,%d,%s]],\n", quote(a.Path), a.Hash, a.Size, t, bit(hashed(a.Path)), module)
	}
	var b bytes.Buffer
	b.Write(imports.Bytes())
	fmt.Fprintf(&b, "const DEPLOYMENT = %s;\n", quote(Info{
		AppID: w.opt.AppID, Slug: w.opt.Slug, Version: w.opt.VersionNumber, VersionID: w.opt.VersionID,
		Environment: w.opt.Environment, ContentHash: w.hash,
	}))
	fmt.Fprintf(&b, "const TYPES = %s;\nconst EXTENSIONS = new Set(%s);\n", quote(typeList), quote(sortedKeys(contentTypes)))
	fmt.Fprintf(&b, "// path: [sha256, size, type, immutable, module or 0 when it is in R2]\nconst ASSETS = new Map([\n%s]);\n", table.Bytes())
	b.Write(runtime)
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
// import, unless another asset has brought them, and a longer module column. Numbers are taken as five digits.
func embedCost(a Asset, shared bool) int64 {
	const column = len("m99999") - len("0")
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
