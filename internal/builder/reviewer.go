package builder

import (
	"context"
	"fmt"
	"log/slog"

	"overskill/internal/builder/agent"
	"overskill/internal/builder/pipeline"
	"overskill/internal/builder/repair"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// reviewer is the pipeline's Reviewer: the rules of repair, with npm behind them.
type reviewer struct {
	packages agent.Packages
	exports  func(ctx context.Context, tree filetree.Tree, name string) ([]string, error)
	log      *slog.Logger
}

var _ pipeline.Reviewer = reviewer{}

func (reviewer) Validate(tree filetree.Tree) []model.Diagnostic { return repair.Validate(tree) }

// Fix implements pipeline.Reviewer. A package that is imported and missing is added, if npm has it.
func (r reviewer) Fix(ctx context.Context, tree filetree.Tree, problems []model.Diagnostic) (filetree.Tree, []pipeline.Fix, error) {
	tree, fixed := repair.Fix(tree, problems, repair.Options{Exports: func(name string) []string {
		names, err := r.exports(ctx, tree, name)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "exports of a package are not known", "package", name, "error", err)
		}
		return names
	}})
	fixes := make([]pipeline.Fix, len(fixed))
	for i, f := range fixed {
		fixes[i] = pipeline.Fix{File: f.File, What: f.What}
	}
	for _, name := range repair.Missing(tree, problems) {
		with, version, err := r.packages.AddDependency(ctx, tree, name, "", false)
		switch {
		case ctx.Err() != nil:
			return tree, nil, ctx.Err()
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
			continue // an invented name: the author has to think of something else
		case err != nil:
			return tree, nil, fmt.Errorf("add %s: %w", name, err)
		}
		tree = with
		fixes = append(fixes, pipeline.Fix{File: "package.json", What: fmt.Sprintf("Added the package %s %s, which was imported and missing.", name, version)})
	}
	return tree, fixes, ctx.Err()
}

func (reviewer) Signature(problems []model.Diagnostic) string { return repair.Signature(problems) }

func (reviewer) Explain(tree filetree.Tree, problems []model.Diagnostic, attempt, of int, earlier string) (string, []string) {
	return repair.Message(tree, problems, attempt, of, earlier)
}
