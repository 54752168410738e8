package workerd

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
)

// guardScript is the main module of every process.
//
//go:embed guard.js
var guardScript []byte

const (
	guardModule = "_main.js"
	configFile  = "config.capnp"

	bucketBinding = "BUCKET"      // of the site's Worker
	dataBinding   = "DATA_ORIGIN" // where the site's Worker forwards what is meant for the app's data API
)

// heapFlags keep an isolate's heap at 128 MB, as on Cloudflare, and let it return memory early.
const heapFlags = `"--max-old-space-size=128", "--max-semi-space-size=4"`

var (
	bindingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	moduleShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]{0,255}$`)
)

// ServerCode returns the code that runs an app's server module (Plan.Server) without its site.
func ServerCode(server []byte, vars, secrets map[string]string) Code {
	return Code{
		Modules: []plan.Module{{Name: plan.ServerModule, Type: plan.TypeModule, Content: server}},
		Vars:    vars, Secrets: secrets,
	}
}

// WorkerCode returns the code of a whole plan: the Worker that serves the site, and the server module with it.
func WorkerCode(p plan.Plan, vars, secrets map[string]string) Code {
	main := plan.Module{Name: plan.Main, Type: plan.TypeModule, Content: p.WorkerScript}
	return Code{Main: plan.Main, Modules: append([]plan.Module{main}, p.Modules()...), Vars: vars, Secrets: secrets}
}

// Key names the code by its content: equal code has equal keys, and a secret cannot be read from them.
func (c Code) Key() string {
	h := sha256.New()
	put := func(parts ...[]byte) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:", len(p))
			h.Write(p)
		}
	}
	put(guardScript, []byte(CompatibilityDate), []byte(c.Main))
	fmt.Fprintf(h, "%d;", len(c.Modules))
	for _, m := range c.Modules {
		put([]byte(m.Name), []byte(m.Type), m.Content)
	}
	for _, values := range []map[string]string{c.Vars, c.Secrets} {
		fmt.Fprintf(h, "%d;", len(values))
		for _, name := range slices.Sorted(maps.Keys(values)) {
			put([]byte(name), []byte(values[name]))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// check refuses code that the configuration could not hold as it is meant.
func (c Code) check() error {
	seen := map[string]bool{guardModule: true}
	for _, m := range c.Modules {
		if !moduleShape.MatchString(m.Name) || seen[m.Name] {
			return fault.New(fault.Invalid, "The Worker has a module called %q, which is not a possible name or is there twice.", m.Name)
		}
		if m.Type != plan.TypeModule && m.Type != plan.TypeData {
			return fault.New(fault.Invalid, "The module %s of the Worker is of the type %q, which is not known here.", m.Name, m.Type)
		}
		seen[m.Name] = true
	}
	if !seen[c.main()] {
		return fault.New(fault.Invalid, "The Worker has no module called %s.", c.main())
	}
	for _, values := range []map[string]string{c.Vars, c.Secrets} {
		for name := range values {
			if !bindingName.MatchString(name) || name == bucketBinding {
				return fault.New(fault.Invalid, "%q cannot be the name of a variable: use letters, digits and underscores, and not BUCKET.", name)
			}
		}
	}
	return nil
}

func (c Code) main() string {
	if c.Main == "" {
		return plan.ServerModule
	}
	return c.Main
}

// write puts the configuration and all that it embeds into dir, where only our user can read it. Contents lie in files
// under names of ours, so that nothing of the app's has to be quoted.
func (c Code) write(dir string) error {
	if err := c.check(); err != nil {
		return err
	}
	files := 0
	embed := func(content []byte) (string, error) {
		files++
		name := fmt.Sprintf("e%d", files)
		return fmt.Sprintf("embed %q", name), os.WriteFile(filepath.Join(dir, name), content, 0o600)
	}
	main := bytes.Replace(guardScript, []byte("APP_MODULE"), []byte(c.main()), 1)
	var modules, bindings strings.Builder
	for _, m := range append([]plan.Module{{Name: guardModule, Type: plan.TypeModule, Content: main}}, c.Modules...) {
		ref, err := embed(m.Content)
		if err != nil {
			return err
		}
		kind := "esModule"
		if m.Type == plan.TypeData {
			kind = "data"
		}
		fmt.Fprintf(&modules, "    (name = %q, %s = %s),\n", m.Name, kind, ref)
	}
	values := maps.Clone(c.Vars)
	if values == nil {
		values = map[string]string{}
	}
	maps.Copy(values, c.Secrets)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		ref, err := embed([]byte(values[name]))
		if err != nil {
			return err
		}
		fmt.Fprintf(&bindings, "    (name = %q, text = %s),\n", name, ref)
	}
	text := fmt.Sprintf(configText, heapFlags, &modules, CompatibilityDate, &bindings)
	return os.WriteFile(filepath.Join(dir, configFile), []byte(text), 0o600)
}

// configText is in Cap'n Proto's text format; workerd.capnp documents it. The network "internet", which workerd would
// otherwise define, allows nothing: the only way out is the guard. beat answers from the event loop without any
// JavaScript, so it answers exactly when no JavaScript is stuck.
const configText = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "app", worker = .app),
    (name = "beat", disk = (path = "empty", writable = false)),
    (name = "bucket", external = (address = "unix:bucket.sock", http = ())),
    (name = "out", external = (address = "unix:out.sock", http = (forwardedProtoHeader = "X-Out-Proto"))),
    (name = "internet", network = (allow = [])),
  ],
  v8Flags = [%s],
  logging = (structuredLogging = true),
  sockets = [
    (name = "http", http = (forwardedProtoHeader = "X-Forwarded-Proto"), service = "app"),
    (name = "beat", http = (), service = "beat"),
  ],
);
const app :Workerd.Worker = (
  modules = [
%s  ],
  compatibilityDate = %q,
  globalOutbound = "out",
  bindings = [
%s    (name = "BUCKET", r2Bucket = "bucket"),
  ],
);
`
