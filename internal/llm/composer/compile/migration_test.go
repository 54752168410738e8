package compile

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"overskill/internal/llm/composer/spec"
)

func clone(t *testing.T, s spec.Spec) spec.Spec {
	t.Helper()
	var out spec.Spec
	if err := json.Unmarshal(s.Encode(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchemaIsLockedDown(t *testing.T) {
	for name, s := range specs(t) {
		t.Run(name, func(t *testing.T) { checkLockdown(t, s) })
	}
}

var (
	createTable = regexp.MustCompile(`(?m)^create table (?:if not exists )?(\S+)`)
	createView  = regexp.MustCompile(`(?m)^create view (\S+) with \(security_invoker = true\)`)
)

// checkLockdown reports a table without row level security, a policy or its default grants taken back, a view with
// its owner's rights, and anything granted to people without an account in an app that has nothing public.
func checkLockdown(t *testing.T, s spec.Spec) {
	t.Helper()
	_, sql, err := Migration(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	tables := createTable.FindAllStringSubmatch(sql, -1)
	if len(tables) < len(s.Entities) {
		t.Errorf("%d tables for %d entities", len(tables), len(s.Entities))
	}
	revoked := strings.Join(regexp.MustCompile(`(?s)revoke all on.*?from public, anon, authenticated;`).FindAllString(sql, -1), "\n")
	for _, m := range tables {
		if !regexp.MustCompile(`alter table ` + regexp.QuoteMeta(m[1]) + `\s+enable row level security;`).MatchString(sql) {
			t.Errorf("%s has no row level security", m[1])
		}
		if !strings.Contains(sql, " on "+m[1]+"\n  for ") {
			t.Errorf("%s has no policy", m[1])
		}
		if !strings.Contains(revoked, m[1]) {
			t.Errorf("the default grants of %s are not taken back", m[1])
		}
	}
	if got, want := len(createView.FindAllString(sql, -1)), strings.Count(sql, "create view "); got != want {
		t.Errorf("%d of %d views obey the caller's policies", got, want)
	}
	for _, m := range regexp.MustCompile(`\{\{\w+\}\}`).FindAllString(sql, -1) {
		if m != "{{APP_ID}}" {
			t.Errorf("placeholder %s", m)
		}
	}
	public := false
	for _, e := range s.Entities {
		public = public || e.Public != spec.PublicNone
	}
	if grants := regexp.MustCompile(`(?m)^grant [^;]* to [^;]*\banon\b`).FindAllString(sql, -1); !public && len(grants) > 0 {
		t.Errorf("grants to people without an account: %v", grants)
	}
}

func TestPublicFormsInsertOnly(t *testing.T) {
	_, sql, err := Migration(nil, specs(t)["wedding"])
	if err != nil {
		t.Fatal(err)
	}
	for _, grant := range regexp.MustCompile(`(?m)^grant [^;]*;`).FindAllString(sql, -1) {
		if strings.Contains(grant, "anon") && strings.Contains(grant, "rsvps") && !strings.HasPrefix(grant, "grant insert (") {
			t.Errorf("too much: %s", grant)
		}
	}
	if !strings.Contains(sql, "for insert to anon") {
		t.Error("nobody can send the form")
	}
}

func TestMigrationOfChanges(t *testing.T) {
	base := specs(t)["crm"]
	five := 5.0
	for _, c := range []struct {
		name   string
		change func(*spec.Spec)
		want   []string
		not    []string
	}{
		{"nothing", func(*spec.Spec) {}, nil, nil},
		{"a label", func(s *spec.Spec) { s.Entities[0].Fields[0].Label = "Full name" }, nil, nil},
		{"a new field", func(s *spec.Spec) {
			s.Entities[0].Fields = append(s.Entities[0].Fields, spec.Field{Name: "company", Label: "Company", Type: spec.Text})
		}, []string{"add column company text", "create view public.app_{{APP_ID}}_client_list", "drop view if exists"}, []string{"drop column", "create table"}},
		{"a new field that must be there", func(s *spec.Spec) {
			s.Entities[0].Fields = append(s.Entities[0].Fields, spec.Field{Name: "n", Label: "N", Type: spec.Integer, Required: true, Min: &five})
		}, []string{"add column n integer not null default 5", "alter column n drop default"}, nil},
		{"a field less", func(s *spec.Spec) { s.Entities[0].Fields = s.Entities[0].Fields[:3] }, []string{"drop column website", "drop column notes"}, []string{"drop table"}},
		{"another option", func(s *spec.Spec) {
			f, _ := s.Entities[1].Field("stage")
			f.Options = append(f.Options, spec.Option{Value: "paused", Label: "Paused", Tone: "neutral"})
		}, []string{"drop constraint if exists stage_valid", "'paused')"}, []string{"drop column"}},
		{"a number that becomes text", func(s *spec.Spec) {
			f, _ := s.Entities[1].Field("probability")
			f.Type, f.Min, f.Max = spec.Text, nil, nil
		}, []string{"alter column probability type text using probability::text"}, []string{"drop column"}},
		{"a text that becomes a number", func(s *spec.Spec) {
			f, _ := s.Entities[0].Field("notes")
			f.Type = spec.Integer
		}, []string{"drop column notes cascade", "add column notes integer"}, nil},
		{"a new entity", func(s *spec.Spec) {
			s.Entities = append(s.Entities, spec.Entity{
				Name: "note", Plural: "notes", Label: "Note", LabelPlural: "Notes", Title: "text",
				Fields: []spec.Field{{Name: "text", Label: "Text", Type: spec.Text, Required: true}, {Name: "deal", Label: "Deal", Type: spec.Ref, Ref: "deal"}},
			})
		}, []string{"create table public.app_{{APP_ID}}_notes", "enable row level security"}, []string{"drop table"}},
		{"an entity less", func(s *spec.Spec) { s.Entities = s.Entities[:1]; s.Dashboard = nil }, []string{"drop table public.app_{{APP_ID}}_deals cascade"}, []string{"drop table public.app_{{APP_ID}}_clients"}},
		{"votes", func(s *spec.Spec) { s.Entities[0].Actions = []spec.Action{{Kind: spec.Vote}} }, []string{"create table public.app_{{APP_ID}}_client_votes"}, []string{"drop table"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			next := clone(t, base)
			c.change(&next)
			name, sql, err := Migration(&base, next)
			if err != nil {
				t.Fatal(err)
			}
			if (len(c.want) == 0) != (sql == "") || (name == "") != (sql == "") || len(name) > 60 {
				t.Fatalf("name %q, sql:\n%s", name, sql)
			}
			for _, want := range c.want {
				if !strings.Contains(sql, want) {
					t.Errorf("lacks %q in:\n%s", want, sql)
				}
			}
			for _, not := range c.not {
				if strings.Contains(sql, not) {
					t.Errorf("has %q", not)
				}
			}
		})
	}
}

func TestMigrationRefusesANewTenancy(t *testing.T) {
	base := specs(t)["crm"]
	next := clone(t, base)
	next.Tenancy = spec.Personal
	if _, _, err := Migration(&base, next); err == nil {
		t.Error("rows would have changed hands")
	}
}
