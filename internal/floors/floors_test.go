// Package floors keeps the architecture: it reads the import graph of the whole module and fails when an
// arrow goes up, sideways or to something that has one place only.
package floors

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "overskill"

// floor says how high a package stands; it may import only what stands lower, or its own children.
// The longest matching prefix counts.
var floor = map[string]int{
	"cmd":                              90,
	"static/build":                     90,
	"handlers":                         80,
	"jobs":                             80,
	"views/vm":                         66,
	"views/part":                       67,
	"views/layout":                     68,
	"views/page":                       69,
	"views":                            70,
	"internal/testing":                 70,
	"internal/builder":                 60, // people's uses of apps, and the runner
	"internal/team":                    60,
	"internal/llm/composer":            55, // the author without a key
	"internal/builder/pipeline":        50,
	"internal/builder/agent":           50,
	"internal/deploy":                  40,
	"internal/toolchain":               40,
	"internal/appdata":                 40,
	"internal/platform":                40,
	"internal/builder/edit":            30, // crafts: pure
	"internal/builder/codesearch":      30,
	"internal/builder/repair":          35, // uses edit's reading of code
	"internal/deploy/target":           35, // the words that all targets speak
	"internal/deploy/plan":             30,
	"internal/deploy/gate":             35, // reads a build before it is published
	"internal/deploy/routes":           30,
	"internal/deploy/access":           25,
	"internal/release":                 60, // publishing: people's uses of deploy, and its runner
	"internal/llm/composer/compile":    30,
	"internal/llm/composer/understand": 30,
	"internal/builder/relevance":       30,
	"internal/llm/anthropic":           35,
	"internal/llm/openai":              35,
	"internal/llm/catalog":             30,
	"internal/llm/wire":                30,
	"internal/llm":                     20,
	"internal/llm/composer/spec":       20,
	"migrations":                       20,
	"static":                           20,
	"docs":                             20,
	"templates":                        20,
	"internal/netguard":                10,
	"internal/filetree":                10,
	"internal/model":                   5,
	"internal/fault":                   0,
	"internal/floors":                  0,
}

// only names who may import what comes from outside: each in one place.
var only = map[string][]string{
	"github.com/labstack/echo/":     {"handlers"},
	"github.com/a-h/templ":          {"views", "handlers"},
	"github.com/uptrace/bun":        {"internal/platform/store", "migrations", "internal/model"},
	"github.com/hibiken/asynq":      {"jobs"},
	"github.com/evanw/esbuild":      {"internal/toolchain", "internal/builder/edit", "internal/builder/repair", "static/build"},
	"modernc.org/quickjs":           {"internal/toolchain/tailwind"},
	"github.com/chromedp/":          {"internal/deploy/smoke"},
	"github.com/google/osv-scalibr": {"internal/toolchain/npm"},
	"github.com/alicebob/miniredis": {"internal/platform/embedded"},
	"github.com/yuin/goldmark":      {"views", "handlers"},
	"github.com/alecthomas/chroma":  {"views", "handlers"},

	"github.com/anthropics/anthropic-sdk-go": {"internal/llm/anthropic"},
	"github.com/openai/openai-go":            {"internal/llm/openai"},
	"github.com/cloudflare/cloudflare-go":    {"internal/deploy/cloudflare"},
	"github.com/minio/minio-go":              {"internal/deploy/cloudflare"},
}

// pure crafts have no clock, no network, no database and no file system.
var pure = []string{
	"internal/filetree", "internal/builder/edit", "internal/builder/codesearch", "internal/deploy/plan", "internal/deploy/gate", "internal/deploy/routes",
	"internal/llm/composer/understand", "internal/llm/composer/compile", "internal/llm/composer/spec", "internal/model", "internal/fault",
	"internal/llm/catalog", "internal/builder/relevance",
}

var impure = []string{"net", "net/http", "database/sql", "os", "os/exec", "math/rand", "math/rand/v2"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// levelOf returns the floor of a package of ours.
func levelOf(p string) (int, bool) {
	for ; p != "."; p = path.Dir(p) {
		if n, ok := floor[p]; ok {
			return n, true
		}
	}
	return 0, false
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		level, ok := levelOf(from)
		if !ok {
			t.Errorf("%s stands on no floor: add it to the table, with a reason in docs/ARCHITECTURE.md", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			toLevel, _ := levelOf(to)
			switch {
			case within(to, from): // its own children
			case toLevel < level:
			case within(from, "internal/testing"):
			default:
				t.Errorf("%s (floor %d) imports %s (floor %d): imports go down, and siblings do not import each other", from, level, to, toLevel)
			}
		}
	}
}

func TestOnePlaceForEachOutsideThing(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			for prefix, places := range only {
				if !strings.HasPrefix(imp+"/", strings.TrimSuffix(prefix, "/")+"/") {
					continue
				}
				if !slices.ContainsFunc(places, func(dir string) bool { return within(from, dir) }) {
					t.Errorf("%s imports %s; only %s may", from, imp, strings.Join(places, ", "))
				}
			}
		}
	}
}

func TestCraftsArePure(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		if !slices.ContainsFunc(pure, func(dir string) bool { return within(from, dir) }) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s is a pure craft and imports %s", from, imp)
			}
		}
	}
}

// TestEnvironmentIsReadInCmd keeps settings in one place: os.Getenv elsewhere would be a hidden argument.
func TestEnvironmentIsReadInCmd(t *testing.T) {
	cmd := exec.Command("grep", "-rnE", `os\.(Getenv|LookupEnv|Environ)\(`, "--include=*.go", "--exclude=*_test.go", "../..")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("grep: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		file := strings.TrimPrefix(line, "../../")
		if !within(file, "cmd") && !within(file, "internal/testing") {
			t.Errorf("the environment is read outside of cmd: %s", strings.TrimSpace(file))
		}
	}
}
