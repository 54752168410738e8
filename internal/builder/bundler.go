package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"overskill/internal/builder/pipeline"
	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain"
)

// bundler is the pipeline's Bundler: the toolchain's dist, planned for the deployment.
type bundler struct {
	tools *toolchain.Toolchain
	// env is what an app's preview is built with.
	env func(ctx context.Context, appID int64) (map[string]string, error)
}

func (b bundler) Bundle(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) (pipeline.Bundle, error) {
	input, err := b.input(ctx, s, r)
	if err != nil {
		return pipeline.Bundle{}, err
	}
	dist, err := b.tools.Build(ctx, input)
	var server toolchain.Server
	if err == nil {
		server, err = b.tools.BuildServer(ctx, input)
	}
	var problems *toolchain.ProblemsError
	if errors.As(err, &problems) {
		return pipeline.Bundle{}, r.Diagnostics(problems.Diagnostics)
	}
	if err != nil {
		return pipeline.Bundle{}, err
	}
	if err := r.Diagnostics(append(dist.Warnings, server.Warnings...)); err != nil {
		return pipeline.Bundle{}, err
	}
	p, err := plan.Make(dist.Files, dist.Entry, plan.Options{
		AppID: s.App.ID, VersionID: s.Version.ID, Slug: s.App.Slug, VersionNumber: s.Version.Number, Environment: string(model.Preview),
		Server: server.Code,
	})
	var big *plan.TooBigError
	if errors.As(err, &big) {
		return pipeline.Bundle{}, r.Diagnostics(big.Diagnostics())
	}
	if err != nil {
		return pipeline.Bundle{}, fmt.Errorf("plan the deployment: %w", err)
	}
	for _, note := range p.Notes {
		r.Info("%s", note)
	}
	r.Info("Worker: %s of 900,000 bytes", thousands(p.WorkerBytes))
	return pipeline.Bundle{Hash: p.Hash, Bytes: p.WorkerBytes, Assets: p.Hashes(), Payload: p}, nil
}

func (b bundler) input(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) (toolchain.BuildInput, error) {
	env, err := b.env(ctx, s.App.ID)
	return toolchain.BuildInput{Tree: s.Tree, Mode: toolchain.Production, Progress: r.Progress, Env: env}, err
}

// locate says in terms of the source what a browser said in terms of the bundle. What cannot be located stays as it is.
func (b bundler) locate(ctx context.Context, s *pipeline.State, r *pipeline.Reporter, served plan.Plan, found []model.Diagnostic) []model.Diagnostic {
	if !slices.ContainsFunc(found, func(d model.Diagnostic) bool { return d.Class == "runtime" && !d.Warning }) {
		return found
	}
	input, err := b.input(ctx, s, r)
	if err != nil {
		return found
	}
	files := map[string][]byte{}
	for _, a := range served.Assets {
		files[strings.TrimPrefix(a.Path, "/")] = a.Content
	}
	located, err := b.tools.Locate(ctx, input, files, found)
	if err != nil {
		r.Warn("The places of the errors in the source could not be found: %v", err)
		return found
	}
	return located
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// checker is the pipeline's Checker.
type checker struct {
	tools *toolchain.Toolchain
	data  AppData
	fill  func(model.App, []byte) []byte
}

func (c checker) Check(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) ([]model.Diagnostic, error) {
	// The database works on the migrations while the compiler works on the types.
	var types, schema []model.Diagnostic
	var both errgroup.Group
	both.Go(func() (err error) {
		types, err = c.tools.Typecheck(ctx, s.Tree, r.Progress)
		return err
	})
	both.Go(func() (err error) {
		schema, err = c.migrations(ctx, s, r)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	return append(types, schema...), nil
}

func (c checker) migrations(ctx context.Context, s *pipeline.State, r *pipeline.Reporter) ([]model.Diagnostic, error) {
	err := c.data.Check(ctx, s.App.ID, migrations(s.Tree, s.App, c.fill))
	if d, ok := c.data.Diagnose(err); ok {
		return []model.Diagnostic{d}, nil
	}
	if err == nil {
		r.Info("Migrations apply")
	}
	return nil, err
}

// Migration is one file of an app's schema, with its placeholders filled in.
type Migration struct{ Name, SQL string }

func migrations(tree filetree.Tree, app model.App, fill func(model.App, []byte) []byte) []Migration {
	var out []Migration
	for _, name := range migrationNames(tree) { // in path order, which is the order of their times
		content, _ := tree.Get(migrationsDir + name)
		out = append(out, Migration{Name: name, SQL: string(fill(app, content))})
	}
	return out
}

// AppData is where the live apps keep their data.
type AppData interface {
	// Check runs the migrations that are not applied yet and takes them back.
	Check(ctx context.Context, appID int64, ms []Migration) error
	// Migrate applies them, all or none, and returns the names of those that were new.
	Migrate(ctx context.Context, appID int64, ms []Migration) ([]string, error)
	// Diagnose explains an error of the two that the app's own SQL has caused.
	Diagnose(err error) (model.Diagnostic, bool)
}

func migrationCheck(data AppData, fill func(model.App, []byte) []byte) func(context.Context, model.App, filetree.Tree, string, string) error {
	return func(ctx context.Context, app model.App, base filetree.Tree, name, sql string) error {
		ms := append(migrations(base, app, fill), Migration{Name: name, SQL: string(fill(app, []byte(sql)))})
		err := data.Check(ctx, app.ID, ms)
		if d, ok := data.Diagnose(err); ok {
			return fault.New(fault.Invalid, "%s", strings.TrimSpace(pipeline.Describe(d)+" "+d.Cure))
		}
		return err
	}
}
