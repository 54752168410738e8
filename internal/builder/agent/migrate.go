package agent

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"overskill/internal/fault"
)

const (
	migrationTime = "20060102150405"
	maxSQL        = 500_000 // bytes
	maxSQLName    = 60      // characters
)

func migrateTool() tool {
	return tool{
		name: "os-migrate",
		description: "Changes the app's database: writes a migration of PostgreSQL statements, tried at once without effect. " +
			"It runs when the app is deployed. Earlier migrations never change. Tables are named app_{{APP_ID}}_<name> and need row level security.",
		schema: `{"type":"object","additionalProperties":false,"required":["name","sql"],"properties":{
			"name":{"type":"string","description":"what it does, such as add_due_date"},
			"sql":{"type":"string"}}}`,
		slow: true,
		run:  runMigrate,
	}
}

func runMigrate(ctx context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Name string `json:"name"`
		SQL  string `json:"sql"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(input.Name), "_"), "_")
	name = strings.TrimRight(bounded(name, maxSQLName), "_")
	switch {
	case name == "":
		return failed("", "The name is missing: say in a few words what the migration does, such as add_due_date.")
	case strings.TrimSpace(input.SQL) == "":
		return failed("", "The sql is empty.")
	case copiesStub(input.SQL):
		return failed("", "%s", stubText)
	case len(input.SQL) > maxSQL:
		return failed("", "The sql has %d bytes; %d are allowed.", len(input.SQL), maxSQL)
	}
	content := s.in.Fill([]byte(strings.TrimRight(input.SQL, "\n") + "\n"))
	p := "supabase/migrations/" + s.nextMigrationTime() + "_" + name + ".sql"
	if problem := s.sound(p, nil, content); problem != "" {
		return failed(p, "%s", problem)
	}
	if problem := s.tryMigration(ctx, p, string(content)); problem != "" {
		return failed(p, "%s", problem)
	}
	tree, err := s.tree.With(p, content)
	if err != nil {
		return failed(p, "%s", fault.Text(err))
	}
	return ok(p, tree, "Wrote %s. It runs when the app is deployed. Keep src/types/database.ts in step with it.", p)
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// tryMigration returns what the database says against a migration, or "".
func (s *session) tryMigration(ctx context.Context, p, sql string) (problem string) {
	if s.in.CheckMigration == nil || s.rehearsing {
		return ""
	}
	err := s.in.CheckMigration(ctx, migrationName(p), sql)
	switch {
	case err == nil:
		return ""
	case fault.Is(err, fault.Internal): // not for eyes; the model can only try something else
		return "The migration could not be tried, and was not written. Try a simpler one."
	}
	return "The database refuses this migration, so it was not written: " + fault.Text(err)
}

// nextMigrationTime is now, or a second after the last migration that exists anywhere.
func (s *session) nextMigrationTime() string {
	next := s.in.now().UTC().Truncate(time.Second)
	later := func(name string) {
		digits, _, _ := strings.Cut(migrationName(name), "_")
		if at, err := time.Parse(migrationTime, digits); err == nil && !at.Before(next) {
			next = at.Add(time.Second)
		}
	}
	for _, n := range s.in.MigrationNames {
		later(n)
	}
	for _, p := range append(s.tree.Paths(), s.in.Base.Paths()...) {
		if isMigration(p) {
			later(p)
		}
	}
	return next.Format(migrationTime)
}
