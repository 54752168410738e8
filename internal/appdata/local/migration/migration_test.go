package migration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each case of testdata/lint.txtar is a file of SQL for app 12 and one of what Lint says about it.
func TestLint(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/lint.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], archive.Files[i+1]
		t.Run(strings.TrimSuffix(in.Name, ".sql"), func(t *testing.T) {
			got := "ok"
			if p := Lint(12, Split(string(in.Data))); p != nil {
				got = p.Error()
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want.Data)), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", want.Name, diff)
			}
		})
	}
}

func TestLintAcceptsRealMigration(t *testing.T) {
	sql, err := os.ReadFile("../testdata/migrations/20261123090000_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	if p := Lint(12, Split(strings.ReplaceAll(string(sql), "{{APP_ID}}", "12"))); p != nil {
		t.Error(p)
	}
}

func TestSplit(t *testing.T) {
	sql := "-- one; two\nselect 'a;b', \"c;d\", $$e;f$$, $x$ ; $$ ; $x$, E'\\';';\n/* ; /* ; */ ; */\n;;" +
		"create function f() returns int begin atomic select case when true then 1 end; select 2; end;\nselect $1"
	var got []string
	for _, s := range Split(sql) {
		got = append(got, fmt.Sprintf("%d %s", s.Line, s.SQL))
	}
	want := []string{
		"2 select 'a;b', \"c;d\", $$e;f$$, $x$ ; $$ ; $x$, E'\\';'",
		"4 create function f() returns int begin atomic select case when true then 1 end; select 2; end",
		"5 select $1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLocalize(t *testing.T) {
	roles := Roles{Anon: "A", Authenticated: "P", Service: "S"}
	for in, want := range map[string]string{
		"grant select on app_12_t to authenticated, anon":                   "grant select on app_12_t to P, A",
		"GRANT ALL ON app_12_t TO PUBLIC":                                   "GRANT ALL ON app_12_t TO A, P, S",
		"revoke all on app_12_t from public, \"anon\"":                      "revoke all on app_12_t from public, A",
		"grant execute on function app_12_f(anon text) to service_role":     "grant execute on function app_12_f(anon text) to S",
		"create policy p on app_12_t for select to authenticated using (t)": "create policy p on app_12_t for select to authenticated using (t)",
	} {
		if got := Split(in)[0].Localize(roles); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("create table app_12_t (id int); grant select on app_12_t to anon")
	f.Add("$a$ $b$ ' \" /* e'\\")
	f.Fuzz(func(t *testing.T, sql string) {
		statements := Split(sql)
		for _, s := range statements {
			if !strings.Contains(sql, s.SQL) || s.Line < 1 {
				t.Fatalf("%q is not part of the input", s.SQL)
			}
			for _, tok := range s.Tokens {
				if tok.Offset < 0 || tok.Offset+tok.Len > len(s.SQL) {
					t.Fatalf("token %q lies outside of %q", tok.Text, s.SQL)
				}
			}
			s.Localize(Roles{Anon: "A", Authenticated: "P", Service: "S"})
		}
		Lint(12, statements)
	})
}
