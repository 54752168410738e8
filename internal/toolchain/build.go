package toolchain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain/bundle"
	"overskill/internal/toolchain/tailwind"
	"overskill/internal/toolchain/typecheck"
)

// Mode is what a build is for.
type Mode string

const (
	Development Mode = "development" // fast to make, readable, with source maps
	Production  Mode = "production"  // small
)

// BuildInput is one build.
type BuildInput struct {
	Tree     filetree.Tree
	Mode     Mode
	Env      map[string]string // import.meta.env, over the tree's .env files; only VITE_ names reach the bundle
	Progress Progress          // may be nil
}

// Dist is a site, ready to be served from its root. Everything in assets/ is named by its content.
type Dist struct {
	Files    map[string][]byte
	Entry    []string // what index.html loads at once: scripts, styles, then preloaded chunks
	Modules  int
	Warnings []model.Diagnostic
}

// ProblemsError says that the app's own code does not build.
type ProblemsError struct{ Diagnostics []model.Diagnostic }

// Error tells the first problems in full and counts the rest.
func (e *ProblemsError) Error() string {
	const shown = 5
	var b strings.Builder
	for i, d := range e.Diagnostics {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(e.Diagnostics)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		if d.File != "" {
			b.WriteString(d.File)
			if d.Line > 0 {
				fmt.Fprintf(&b, ":%d", d.Line)
			}
			b.WriteString(": ")
		}
		b.WriteString(d.Message)
		if d.Cure != "" {
			b.WriteString(" " + d.Cure)
		}
	}
	return b.String()
}

// Build installs what is missing and bundles the app. If the app's code has problems, the error is a
// *ProblemsError; everything else that fails is a fault. An ended context ends the build at once.
func (t *Toolchain) Build(ctx context.Context, in BuildInput) (Dist, error) {
	if in.Mode != Development && in.Mode != Production {
		return Dist{}, fault.New(fault.Internal, "unknown build mode %q", in.Mode)
	}
	dir, err := t.Install(ctx, in.Tree, in.Progress)
	if err != nil {
		return Dist{}, err
	}
	release, err := t.acquire(ctx)
	if err != nil {
		return Dist{}, err
	}
	defer release()
	start := time.Now()
	out, problems, err := bundle.Build(ctx, t.input(dir, in))
	if err != nil {
		return Dist{}, machinery(err, "bundle")
	}
	if len(problems) > 0 {
		return Dist{}, &ProblemsError{Diagnostics: problems}
	}
	for _, w := range out.Warnings {
		in.Progress.warn("%s", (&ProblemsError{Diagnostics: []model.Diagnostic{w}}).Error())
	}
	t.log.DebugContext(ctx, "bundled an app", "mode", string(in.Mode), "modules", out.Modules, "files", len(out.Files), "duration", time.Since(start))
	in.Progress.info("Bundled %d modules into %d files in %s", out.Modules, len(out.Files), round(time.Since(start)))
	return Dist{Files: out.Files, Entry: out.Entry, Modules: out.Modules, Warnings: out.Warnings}, nil
}

// input is what the bundler works with.
func (t *Toolchain) input(dir string, in BuildInput) bundle.Input {
	config := readTsconfig(in.Tree)
	production := in.Mode == Production
	input := bundle.Input{
		Dir: dir, Tree: in.Tree, Production: production, Env: environment(in.Tree, in.Mode, in.Env),
		Aliases: config.aliases, Tsconfig: config.options,
		Styles: styles{pool: t.styles, dir: dir, tree: in.Tree, exact: production},
	}
	if !production {
		input.Vendor = t.vendor
	}
	return input
}

// styles lets the bundler compile stylesheets with Tailwind.
type styles struct {
	pool  *tailwind.Pool
	dir   string
	tree  filetree.Tree
	exact bool
}

func (s styles) Compile(ctx context.Context, sheet string) ([]byte, bool, error) {
	css, _ := s.tree.Get(sheet)
	if !tailwind.Applies(css) {
		return nil, false, nil
	}
	out, err := s.pool.Compile(ctx, tailwind.Input{Dir: s.dir, Tree: s.tree, Sheet: sheet, Exact: s.exact})
	return out, true, err
}

// Typecheck returns the problems that the app's own TypeScript finds; none means that all types are right. Server code
// is checked too, in a world without a page (server.go). An
// app whose TypeScript has no native compiler (before version 7) gets one warning that says so.
func (t *Toolchain) Typecheck(ctx context.Context, tree filetree.Tree, p Progress) ([]model.Diagnostic, error) {
	dir, err := t.Install(ctx, tree, p)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	projects := readTsconfig(tree).projects
	found, err := typecheck.Check(ctx, typecheck.Input{Dir: dir, Tree: tree, Projects: projects, Temp: t.temp})
	if errors.Is(err, typecheck.ErrNoCompiler) {
		return []model.Diagnostic{{
			Class: "type", File: manifestFile, Warning: true,
			Message: "The types were not checked: this app has no TypeScript of version 7 or later.",
			Cure:    "Set typescript to ^7.0.0 in devDependencies.",
		}}, nil
	}
	if err != nil {
		return nil, machinery(err, "check types")
	}
	if HasServer(tree) {
		server, err := t.checkServer(ctx, dir, tree, projects)
		if err != nil {
			return nil, machinery(err, "check the types of the server code")
		}
		found = joinProblems(found, server)
	}
	p.info("Checked the types in %s: %d problems", round(time.Since(start)), len(found))
	return found, nil
}
