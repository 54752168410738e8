package bundle

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/model"
)

// The ways to a setting that exist elsewhere. The last part of each is the variable, where it stands there.
var (
	metaEnv    = regexp.MustCompile(`\bimport\s*\.\s*meta\s*\.\s*env\b(?:\s*\??\.\s*([A-Za-z_$][\w$]*))?`)
	processEnv = regexp.MustCompile(`\bprocess\s*\??\.\s*env\b(?:\s*\??\.\s*([A-Za-z_$][\w$]*))?`)
)

// environmentUse finds the first use of import.meta.env and process.env. A Worker's values come with each request;
// those two would be there and be empty.
func environmentUse(p string, src []byte) (model.Diagnostic, bool) {
	if !metaEnv.Match(src) && !processEnv.Match(src) {
		return model.Diagnostic{}, false
	}
	// esbuild tells code from comments and strings: it puts a name in the place of the real uses.
	const meta, process = "__settings_of_vite__", "__settings_of_node__"
	t := api.Transform(string(src), api.TransformOptions{
		Loader: scripts[strings.ToLower(path.Ext(p))], LogLevel: api.LogLevelSilent, JSX: api.JSXPreserve,
		Define: map[string]string{"import.meta.env": meta, "process.env": process, "process.env.NODE_ENV": `""`},
	})
	var re *regexp.Regexp
	d := model.Diagnostic{Class: "syntax", File: p}
	switch code := string(t.Code); {
	case strings.Contains(code, meta):
		re, d.Message = metaEnv, "import.meta.env holds the settings of the page; server code does not have it."
	case strings.Contains(code, process):
		re, d.Message = processEnv, "process.env is not available: server code gets its settings with each request."
	default:
		return model.Diagnostic{}, false
	}
	name := "NAME"
	for _, at := range re.FindAllSubmatchIndex(src, -1) {
		line, column, text := position(src, at[0])
		if t := strings.TrimSpace(text); strings.HasPrefix(t, "//") || strings.HasPrefix(t, "*") || strings.HasPrefix(t, "/*") {
			continue
		}
		if at[2] >= 0 {
			if name = string(src[at[2]:at[3]]); name == "NODE_ENV" && re == processEnv {
				continue
			}
		}
		d.Line, d.Column, d.Snippet = line, column, strings.TrimSpace(text)
		break
	}
	d.Cure = fmt.Sprintf("Write env.%s; env is the second argument of the function that answers the request.", name)
	if !isServerFile(p) {
		d.Cure = "worker/ imports this file. Move what both sides need into a file that reads no settings, and give it env." + name + " as an argument."
	}
	return d, true
}

// weight is what one input adds to the bundle.
type weight struct {
	name  string // a package, or a file of the app
	bytes int
}

// serverReport is the part of esbuild's report that tells what made the server code heavy.
type serverReport struct {
	Inputs  map[string]json.RawMessage `json:"inputs"`
	Outputs map[string]struct {
		Inputs map[string]struct {
			Bytes int `json:"bytesInOutput"`
		} `json:"inputs"`
	} `json:"outputs"`
}

// weights tells what every input adds, the heaviest first, a package's files as one.
func (r serverReport) weights() []weight {
	sum := map[string]int{}
	for _, o := range r.Outputs {
		for p, in := range o.Inputs {
			name := strings.TrimPrefix(p, namespace+":")
			if i := strings.LastIndex("/"+p, "/node_modules/"); i >= 0 {
				name = packageName(p[i+len("node_modules/"):])
			}
			sum[name] += in.Bytes
		}
	}
	var all []weight
	for name, n := range sum {
		all = append(all, weight{name, n})
	}
	slices.SortFunc(all, func(a, b weight) int {
		if a.bytes != b.bytes {
			return b.bytes - a.bytes
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

func tooHeavy(size int, inputs []weight) model.Diagnostic {
	const shown = 5
	var list []string
	for _, w := range inputs[:min(shown, len(inputs))] {
		list = append(list, fmt.Sprintf("%s %d kB", w.name, (w.bytes+500)/1000))
	}
	return model.Diagnostic{
		Class: "too_big", File: strings.TrimSuffix(serverRoot, "/"),
		Message: fmt.Sprintf("The server code has %d kB; %d kB are allowed. The heaviest parts: %s.", (size+999)/1000, MaxServer/1000, strings.Join(list, ", ")),
		Cure:    "Use a smaller package, import only what is needed, or call the service over fetch without its package.",
	}
}
