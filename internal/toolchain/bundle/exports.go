package bundle

import (
	"encoding/json"
	"slices"

	"github.com/evanw/esbuild/pkg/api"
)

// Exports returns the names that a package exports to an ES module, in order; nil when they cannot be known, or when
// the package is not installed. dir is the folder that holds node_modules.
func Exports(dir, id string) []string {
	if file, commonJS, err := entryOf(dir, id); err != nil {
		return nil
	} else if commonJS {
		return commonJSNames(file)
	}
	r := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: "export * from " + quote(id), ResolveDir: dir, Loader: api.LoaderJS},
		Bundle: true, Write: false, Metafile: true, Format: api.FormatESModule, Platform: api.PlatformBrowser,
		Conditions: []string{"module", "production"}, LogLevel: api.LogLevelSilent, Outfile: "exports.js", TreeShaking: api.TreeShakingTrue,
	})
	if len(r.Errors) > 0 {
		return nil
	}
	var meta struct {
		Outputs map[string]struct {
			Exports []string `json:"exports"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(r.Metafile), &meta); err != nil {
		return nil
	}
	var names []string
	for _, out := range meta.Outputs {
		names = append(names, out.Exports...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
