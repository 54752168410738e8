package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

// The files without which an app does not start.
var essential = []string{"index.html", "package.json", "src/main.tsx"}

const lockFile = "package-lock.json"

// writable says why the model may not write a path, or "".
func (s *session) writable(p string) (problem string) {
	if err := filetree.ValidatePath(p); err != nil {
		return fault.Text(err)
	}
	switch {
	case slices.Contains(s.in.Locked, p):
		return lockedText(p)
	case path.Base(p) == lockFile:
		return "The lock file is kept by os-add-dependency and os-remove-dependency."
	case isMigration(p) && s.frozen(p):
		return frozenText(p)
	case isMigration(p) && !s.tree.Has(p):
		return "New migrations are written with os-migrate, which names them and tries them."
	}
	lower := strings.ToLower(p)
	for _, other := range s.tree.Paths() {
		switch {
		case other != p && strings.ToLower(other) == lower:
			return fmt.Sprintf("There is a file %s, which differs only in upper and lower case. Use that path, or rename it first.", other)
		case strings.HasPrefix(other, p+"/"):
			return fmt.Sprintf("%s is a folder.", p)
		case strings.HasPrefix(p, other+"/"):
			return fmt.Sprintf("%s is a file, so nothing can be in it.", other)
		}
	}
	return ""
}

// removable says why the model may not delete or move a file, or "".
func (s *session) removable(p string) (problem string) {
	switch {
	case slices.Contains(s.in.Locked, p):
		return lockedText(p)
	case path.Base(p) == lockFile:
		return "The lock file is kept by os-add-dependency and os-remove-dependency."
	case slices.Contains(essential, p):
		return fmt.Sprintf("The app does not start without %s. Change its content instead.", p)
	case isMigration(p) && s.frozen(p):
		return frozenText(p)
	}
	return ""
}

// put writes a file, after what only the content can tell: dependencies change by their own tools, and a
// migration that is corrected within the turn that wrote it is tried again.
func (s *session) put(ctx context.Context, p string, content []byte) (filetree.Tree, string) {
	if p == "package.json" {
		if problem := s.sameDependencies(content); problem != "" {
			return s.tree, problem
		}
	}
	if isMigration(p) {
		if problem := s.tryMigration(ctx, p, string(content)); problem != "" {
			return s.tree, problem
		}
	}
	tree, err := s.tree.With(p, content)
	if err != nil {
		return s.tree, fault.Text(err)
	}
	return tree, ""
}

func (s *session) sameDependencies(content []byte) (problem string) {
	type manifest struct {
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	var before, after manifest
	old, _ := s.tree.Get("package.json")
	if json.Unmarshal(old, &before) != nil {
		return "" // it is broken; whatever replaces it is better
	}
	if err := json.Unmarshal(content, &after); err != nil {
		return "package.json would not be valid: " + err.Error()
	}
	if !maps.Equal(before.Dependencies, after.Dependencies) || !maps.Equal(before.DevDependencies, after.DevDependencies) {
		return "Dependencies are changed with os-add-dependency and os-remove-dependency, which keep the lock file in step. Nothing was written."
	}
	return ""
}

// migrationPath is where migrations live; the name begins with the time that orders them.
var migrationPath = regexp.MustCompile(`^supabase/migrations/[^/]+\.sql$`)

func isMigration(p string) bool { return migrationPath.MatchString(p) }

// frozen reports whether a migration may have run somewhere already.
func (s *session) frozen(p string) bool {
	if s.in.Base.Has(p) {
		return true
	}
	name := migrationName(p)
	return slices.ContainsFunc(s.in.MigrationNames, func(n string) bool { return migrationName(n) == name })
}

// migrationName strips folder and extension: "20260102030405_todos".
func migrationName(p string) string { return strings.TrimSuffix(path.Base(p), ".sql") }

func lockedText(p string) string {
	return fmt.Sprintf("%s is locked: only people change it. Do it another way, or say at the end what you would change there.", p)
}

func frozenText(p string) string {
	return fmt.Sprintf("%s has run already, so it cannot change any more. Write a new migration with os-migrate that changes what it made.", p)
}
