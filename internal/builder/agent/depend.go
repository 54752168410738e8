package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"overskill/internal/builder/codesearch"
	"overskill/internal/fault"
)

// packageName is what npm accepts for new packages, scopes included.
var packageName = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)

const maxPackageName = 214 // npm's own limit

func addDependencyTool() tool {
	return tool{
		name: "os-add-dependency",
		description: "Adds an npm package, or changes its version. Prefer what the app has already; " +
			"packages that need Node or a build step of their own do not work in a browser.",
		schema: `{"type":"object","additionalProperties":false,"required":["name"],"properties":{
			"name":{"type":"string","description":"such as date-fns or @tanstack/react-table"},
			"version":{"type":"string","description":"a range such as ^4.1.0; the newest by default"},
			"dev":{"type":"boolean","default":false,"description":"needed to build only"}}}`,
		slow: true,
		run:  runAddDependency,
	}
}

func runAddDependency(ctx context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Dev     bool   `json:"dev"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	if problem := s.packageProblem(input.Name); problem != "" {
		return failed(bounded(input.Name, maxPackageName), "%s", problem)
	}
	if len(input.Version) > 100 {
		return failed(input.Name, "The version is not a range such as ^4.1.0.")
	}
	tree, version, err := s.in.Packages.AddDependency(ctx, s.tree, input.Name, input.Version, input.Dev)
	if err != nil {
		return failed(input.Name, "%s was not added: %s", input.Name, fault.Text(err))
	}
	return ok(input.Name, tree, "Added %s %s. Import it where it is needed.", input.Name, version)
}

func removeDependencyTool() tool {
	return tool{
		name:        "os-remove-dependency",
		description: "Removes an npm package that nothing imports any more.",
		schema: `{"type":"object","additionalProperties":false,"required":["name"],"properties":{
			"name":{"type":"string"}}}`,
		slow: true,
		run:  runRemoveDependency,
	}
}

func runRemoveDependency(ctx context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Name string `json:"name"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	if problem := s.packageProblem(input.Name); problem != "" {
		return failed(bounded(input.Name, maxPackageName), "%s", problem)
	}
	if used := s.usesOf(input.Name); used != "" {
		return failed(input.Name, "%s is imported still, in %s. Change that first.", input.Name, used)
	}
	tree, err := s.in.Packages.RemoveDependency(ctx, s.tree, input.Name)
	if err != nil {
		return failed(input.Name, "%s was not removed: %s", input.Name, fault.Text(err))
	}
	return ok(input.Name, tree, "Removed %s.", input.Name)
}

func (s *session) packageProblem(name string) string {
	switch {
	case len(name) > maxPackageName || !packageName.MatchString(name):
		return fmt.Sprintf("%q is not the name of an npm package.", bounded(name, 100))
	case s.in.Packages == nil:
		return "Packages cannot be added or removed here. Do without."
	case slices.Contains(s.in.Locked, "package.json"):
		return lockedText("package.json")
	}
	return ""
}

// usesOf names the first place that imports a package.
func (s *session) usesOf(name string) string {
	res, err := codesearch.Search(s.tree, codesearch.Query{
		Pattern: `(from|import|require)\b.*["']` + regexp.QuoteMeta(name) + `(/[^"']*)?["']`,
		Include: []string{"src/**", "worker/**", "*.{ts,js,mjs,cjs}"}, CaseSensitive: true,
	})
	if err != nil || len(res.Matches) == 0 {
		return ""
	}
	return fmt.Sprintf("%s line %d", res.Matches[0].Path, res.Matches[0].Line)
}
