package tailwind

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"modernc.org/quickjs"

	"overskill/internal/fault"
)

// Limits of one compiler.
const (
	memoryLimit = 384 << 20 // bytes of JavaScript heap
	timeLimit   = 20 * time.Second
)

//go:embed glue.js
var glue string

// Error is a problem of the app's stylesheet or Tailwind configuration, in Tailwind's words.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// script bundles Tailwind's compiler with the glue.
func script(dir string) (string, error) {
	r := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: glue, ResolveDir: dir, Sourcefile: "glue.js", Loader: api.LoaderJS},
		Bundle: true, Format: api.FormatIIFE, Platform: api.PlatformBrowser, Target: api.ES2022,
		MinifySyntax: true, MinifyWhitespace: true, LogLevel: api.LogLevelSilent,
		Define: map[string]string{"process.env.NODE_ENV": `"production"`, "process.env": "{}"},
	})
	if len(r.Errors) > 0 {
		return "", fault.New(fault.Invalid, "The app's tailwindcss package cannot be used: %s. Tailwind 4 is understood.", r.Errors[0].Text)
	}
	return string(r.OutputFiles[0].Contents), nil
}

// compiler is one engine that has read one stylesheet. It is not safe for concurrent use.
type compiler struct {
	vm      *quickjs.VM
	files   *files
	sources []source
	auto    bool            // scan the whole app, as without source(none)
	fed     map[string]bool // names given so far
	css     string          // the last output
}

// source is a pattern of files to scan, from @source or from a configuration's content.
type source struct {
	Base    string `json:"base"`
	Pattern string `json:"pattern"`
	Negated bool   `json:"negated"`
}

// newCompiler starts an engine from bytecode and lets it read a stylesheet.
func newCompiler(ctx context.Context, bytecode []byte, files *files, sheet string, css []byte) (*compiler, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("start the JavaScript engine: %w", err)
	}
	vm.SetMemoryLimit(memoryLimit)
	c := &compiler{vm: vm, files: files, fed: map[string]bool{}}
	if err := c.read(ctx, bytecode, sheet, css); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *compiler) read(ctx context.Context, bytecode []byte, sheet string, css []byte) error {
	host := func(f func(id, base string) (any, error)) quickjs.HostFunc {
		return func(args []any) (any, error) {
			if len(args) != 2 {
				return nil, errors.New("two arguments expected")
			}
			id, _ := args[0].(string)
			base, _ := args[1].(string)
			v, err := f(id, base)
			if err != nil {
				return nil, err
			}
			b, err := json.Marshal(v)
			return string(b), err
		}
	}
	err := errors.Join(
		c.vm.RegisterHostFunc("__loadStylesheet", host(c.files.stylesheet)),
		c.vm.RegisterHostFunc("__loadModule", host(c.files.module)),
	)
	if err != nil {
		return fmt.Errorf("prepare the JavaScript engine: %w", err)
	}
	request, err := json.Marshal(map[string]string{"css": string(css), "base": c.files.dirOf(sheet), "from": c.files.abs(sheet)})
	if err != nil {
		return err
	}
	var result any
	err = c.run(ctx, func() error {
		if _, err := c.vm.EvalBytecode(bytecode); err != nil {
			return err
		}
		if _, err := c.vm.Call("__start", string(request)); err != nil {
			return err
		}
		if _, err := c.vm.ExecutePendingJobs(); err != nil {
			return err
		}
		result, err = c.vm.Call("__outcome")
		return err
	})
	if err != nil {
		return err
	}
	return c.outcome(result)
}

// outcome reads what the compiler said about the stylesheet.
func (c *compiler) outcome(result any) error {
	var o struct {
		Done    bool            `json:"done"`
		Error   string          `json:"error"`
		Sources []source        `json:"sources"`
		Root    json.RawMessage `json:"root"`
	}
	s, _ := result.(string)
	if err := json.Unmarshal([]byte(s), &o); err != nil {
		return fmt.Errorf("read Tailwind's answer: %w", err)
	}
	switch {
	case o.Error != "":
		return &Error{Message: o.Error}
	case !o.Done:
		return &Error{Message: "The Tailwind configuration waits for something that never happens."}
	}
	c.sources = o.Sources
	c.auto = string(o.Root) != `"none"`
	var root source
	if json.Unmarshal(o.Root, &root) == nil && root.Pattern != "" {
		c.auto = false
		c.sources = append(c.sources, source{Base: root.Base, Pattern: strings.TrimSuffix(root.Pattern, "/") + "/**/*"})
	}
	return nil
}

// run executes JavaScript under the context and the time limit.
func (c *compiler) run(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, c.vm.Interrupt)
	err := f()
	stop()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Message: fmt.Sprintf("Tailwind did not finish in %s; look for an endless loop in its configuration.", timeLimit)}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &Error{Message: err.Error()}
}

// build returns the stylesheet's CSS for these names and all names of earlier builds.
func (c *compiler) build(ctx context.Context, names []string) (string, error) {
	fresh := make([]string, 0, 64)
	for _, n := range names {
		if !c.fed[n] {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 && c.css != "" {
		return c.css, nil
	}
	arg, err := json.Marshal(fresh)
	if err != nil {
		return "", err
	}
	var out any
	err = c.run(ctx, func() error {
		var err error
		out, err = c.vm.Call("__build", string(arg))
		return err
	})
	if err != nil {
		return "", err
	}
	for _, n := range fresh {
		c.fed[n] = true
	}
	css, ok := out.(string)
	if !ok {
		return "", fmt.Errorf("tailwind gave %T instead of text", out)
	}
	c.css = css
	return css, nil
}

// exactFor reports whether a build with these names gives what a fresh compiler would give. A compiler
// remembers every name it was ever given; a name that is gone matters only if it made a rule, and then its
// class stands in the last output.
func (c *compiler) exactFor(names map[string]bool) bool {
	for n := range c.fed {
		if !names[n] && strings.Contains(c.css, "."+escape(n)) {
			return false
		}
	}
	return true
}

// escape writes a class name as CSS.escape does.
func escape(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r >= '0' && r <= '9' && (i == 0 || i == 1 && name[0] == '-'):
			fmt.Fprintf(&b, `\%x `, r)
		case r == '-' && len(name) == 1:
			b.WriteString(`\-`)
		case r >= 0x80 || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		default:
			b.WriteByte('\\')
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (c *compiler) close() { _ = c.vm.Close() } // nothing can be done about a failure, and nothing is lost
