package local_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"overskill/internal/appdata/local"
	"overskill/internal/testing/pgtest"
)

// notesSQL is an app with private notes and a public count of them.
const notesSQL = `
create table app_{{APP_ID}}_notes (
  id bigint generated always as identity primary key,
  user_id uuid not null default auth.uid(),
  title text not null
);
alter table app_{{APP_ID}}_notes enable row level security;
create policy mine on app_{{APP_ID}}_notes for all to authenticated using (user_id = auth.uid()) with check (user_id = auth.uid());
create function app_{{APP_ID}}_total() returns bigint language sql stable security definer set search_path = ''
  as $$ select count(*) from public.app_{{APP_ID}}_notes $$;
`

// hostileSQL is what an app might try against app 2 from inside the database: run any SQL, with and without its
// owner's rights.
const hostileSQL = notesSQL + `
create function app_{{APP_ID}}_run(sql text) returns text language plpgsql set search_path = public
  as $$ declare r text; begin execute sql into r; return r; end $$;
create function app_{{APP_ID}}_run_as_owner(sql text) returns text language plpgsql security definer set search_path = public
  as $$ declare r text; begin execute sql into r; return r; end $$;
`

func TestPeopleAndApps(t *testing.T) {
	s := open(t)
	migrate(t, s, 1, "1.sql", notesSQL)
	migrate(t, s, 2, "1.sql", notesSQL)
	one, two := serve(t, s, 1), serve(t, s, 2)
	ann, annSession := one.signUp("ann@example.com")
	bob, _ := one.signUp("bob@example.com")
	other, otherSession := two.signUp("ann@example.com") // the same address in another app

	if annSession.User.ID == otherSession.User.ID {
		t.Error("two apps share an account")
	}
	ann.want(201, "", "POST", "/rest/v1/app_1_notes", `{"title":"secret"}`)
	other.want(201, "", "POST", "/rest/v1/app_2_notes", `{"title":"elsewhere"}`)

	for _, tc := range []struct {
		name   string
		who    *client
		method string
		path   string
		body   string
		status int
		code   string
		want   string
	}{
		{"own rows", ann, "GET", "/rest/v1/app_1_notes?select=title", "", 200, "", `[{"title":"secret"}]`},
		{"another person's rows", bob, "GET", "/rest/v1/app_1_notes", "", 200, "", `[]`},
		{"nobody's rows", one, "GET", "/rest/v1/app_1_notes", "", 200, "", `[]`},
		{"another app's rows", ann, "GET", "/rest/v1/app_2_notes", "", 200, "", `[]`},
		{"another app's table that is not", ann, "GET", "/rest/v1/app_2_nope", "", 200, "", `[]`},
		{"write to another app", ann, "POST", "/rest/v1/app_2_notes", `{"title":"x"}`, 403, "42501", ""},
		{"call of another app", ann, "POST", "/rest/v1/rpc/app_2_total", `{}`, 404, "PGRST202", ""},
		{"forged owner", bob, "POST", "/rest/v1/app_1_notes", `{"title":"x","user_id":"` + annSession.User.ID + `"}`, 403, "42501", ""},
		{"write as nobody", one, "POST", "/rest/v1/app_1_notes", `{"title":"x","user_id":"` + annSession.User.ID + `"}`, 401, "42501", ""},
		{"system catalogue", ann, "GET", "/rest/v1/pg_roles", "", 404, "PGRST205", ""},
		{"accounts", ann, "GET", "/rest/v1/users", "", 404, "PGRST205", ""},
		{"other schema", ann, "GET", "/rest/v1/app_1_notes", "", 200, "", ""},
		{"own function", bob, "POST", "/rest/v1/rpc/app_1_total", `{}`, 200, "", `1`},
		{"delete without a filter", ann, "DELETE", "/rest/v1/app_1_notes", "", 400, "21000", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			who := *tc.who
			who.t = t
			a := who.want(tc.status, tc.code, tc.method, tc.path, tc.body)
			if tc.want != "" && a.body != tc.want {
				t.Errorf("got %s, want %s", a.body, tc.want)
			}
		})
	}
	ann.want(406, "PGRST106", "GET", "/rest/v1/app_1_notes", "", "Accept-Profile", "auth")
	one.token = otherSession.AccessToken
	one.want(401, "PGRST301", "GET", "/rest/v1/app_1_notes", "")
}

// TestHostileApp lets an app run SQL of its choice inside the database, as the roles that requests have.
func TestHostileApp(t *testing.T) {
	s := open(t)
	migrate(t, s, 1, "1.sql", hostileSQL)
	migrate(t, s, 2, "1.sql", notesSQL)
	victim, victimSession := serve(t, s, 2).signUp("victim@example.com")
	victim.want(201, "", "POST", "/rest/v1/app_2_notes", `{"title":"secret"}`)
	one := serve(t, s, 1)
	person, _ := one.signUp("mallory@example.com")
	keys, err := s.Keys(1)
	if err != nil {
		t.Fatal(err)
	}
	service := *one
	service.token = keys.Service

	claims := fmt.Sprintf(`{"sub":"%s","role":"authenticated"}`, victimSession.User.ID)
	attacks := []string{
		"select title from app_2_notes",
		"set local request.jwt.claims = '" + claims + "'; select title from app_2_notes",
		"select set_config('request.jwt.claims', '" + claims + "', true); select title from app_2_notes",
		"select email from auth.users",
		"select token_hash::text from auth.refresh_tokens",
		"select tag from overskill.instance",
		"insert into overskill.migrations (app_id, name, sha256) values (2, 'x', '')",
		"select overskill.record_migration('x', '')::text",
		"set role service_role; select title from app_2_notes",
		"set role authenticated; select title from app_2_notes",
		"set role postgres",
		"reset session authorization; select title from app_2_notes",
		"create table app_1_evil (id int)",
		"create table app_2_evil (id int)",
		"create function app_2_total(x int) returns int language sql as 'select 1'",
		"create temp table app_2_notes (id int)",
		"alter table app_1_notes disable row level security",
		"drop table app_1_notes",
		"grant select on app_1_notes to public",
		"create operator public.= (leftarg = text, rightarg = text, procedure = texteq)",
		"create schema evil",
		"copy app_1_notes to program 'id'",
		"select pg_read_file('/etc/passwd')",
		"alter role current_user superuser",
		"drop owned by authenticated",
		"drop owned by anon cascade",
		"drop owned by current_user",
		"select app_2_total()::text",
	}
	for _, who := range []*client{one, person, &service} {
		for _, fn := range []string{"app_1_run", "app_1_run_as_owner"} {
			for _, sql := range attacks {
				body, _ := json.Marshal(map[string]string{"sql": sql})
				a := who.do("POST", "/rest/v1/rpc/"+fn, string(body))
				if a.status < 400 || strings.Contains(a.body, "secret") {
					t.Errorf("%s %q: %d %s", fn, sql, a.status, a.body)
				}
			}
		}
		// Switching to another of the names for policies gains nothing.
		a := who.do("POST", "/rest/v1/rpc/app_1_run", `{"sql":"select current_user::text"}`)
		if a.status != 200 || !strings.Contains(a.body, "app_1_") {
			t.Errorf("runs as %s", a.body)
		}
	}
	if a := victim.do("GET", "/rest/v1/app_2_notes?select=title", ""); a.body != `[{"title":"secret"}]` {
		t.Errorf("the victim sees %s", a.body)
	}
	// An app may spoil its own passwords, for a moment.
	for _, fn := range []string{"app_1_run_as_owner", "app_1_run"} {
		service.do("POST", "/rest/v1/rpc/"+fn, `{"sql":"do $$ begin execute format('alter role %I password %L', current_user, 'x'); end $$"}`)
	}
	migrate(t, s, 1, "2.sql", "alter table app_1_notes add column done boolean")
	// What an attack leaves in its session must not reach the next request on that connection.
	person.do("POST", "/rest/v1/rpc/app_1_run", `{"sql":"select set_config('request.jwt.claims', '{\"sub\":\"00000000-0000-0000-0000-000000000000\"}', false), set_config('search_path', 'auth', false)"}`)
	person.want(201, "", "POST", "/rest/v1/app_1_notes", `{"title":"mine"}`)
	if a := person.do("GET", "/rest/v1/app_1_notes?select=title", ""); a.body != `[{"title":"mine"}]` {
		t.Errorf("after a spoilt session: %s", a.body)
	}
}

func TestHostileMigrations(t *testing.T) {
	s := open(t)
	migrate(t, s, 2, "1.sql", notesSQL)
	for name, sql := range map[string]string{
		"set role in a block":    `do $$ begin execute 'set role postgres'; end $$`,
		"other app in a block":   `do $$ begin execute 'drop table app_' || '2_notes'; end $$`,
		"wrong name in a block":  `do $$ begin execute 'create table app_' || '2_evil (id int)'; end $$`,
		"no prefix in a block":   `do $$ begin execute 'create table evil (id int)'; end $$`,
		"schema in a block":      `do $$ begin execute 'create schema evil'; end $$`,
		"operator in a block":    `do $$ begin execute 'create operator public.=== (leftarg = text, rightarg = text, procedure = texteq)'; end $$`,
		"shared role":            `do $$ begin execute format('set role %I', (select rolname from pg_roles where rolname like 'app\_owners\_%' and pg_has_role(rolname, 'member') limit 1)); execute 'create table app_1_t (id int)'; end $$`,
		"drop owned":             `do $$ begin execute format('drop owned by %I', (select rolname from pg_roles where rolname like 'app\_owners\_%' and pg_has_role(rolname, 'member') limit 1)); end $$`,
		"commit in a block":      `do $$ begin commit; end $$`,
		"accounts in a block":    `do $$ declare n int; begin execute 'select count(*) from auth.' || 'users' into n; end $$`,
		"default privileges":     `do $$ begin execute 'alter default privileges grant select on tables to public'; end $$`,
		"grant in a block":       notesSQL + `do $$ begin execute 'grant select on app_1_notes to public'; end $$`,
		"hidden commit":          `select set_config('standard_conforming_strings', 'off', true); select 'a\'; commit; select '`,
		"no rls":                 `create table app_1_t (id int)`,
		"rls off in a block":     notesSQL + `do $$ begin execute 'alter table app_1_notes disable row level security'; end $$`,
		"definer without a path": `create function app_1_f() returns int language sql security definer as 'select 1'`,
		"definer view":           notesSQL + `create view app_1_v as select * from app_1_notes`,
		"user_metadata":          notesSQL + `create policy p on app_1_notes for select to authenticated using (auth.jwt() -> 'user_metadata' ->> 'admin' = 'true')`,
		"syntax":                 "create table app_1_t (\n  id int,,\n)",
	} {
		t.Run(name, func(t *testing.T) {
			sql = strings.ReplaceAll(sql, "{{APP_ID}}", "1")
			_, err := s.Migrate(t.Context(), 1, []local.Migration{{Name: "1.sql", SQL: sql}})
			if _, ok := err.(*local.MigrationError); !ok {
				t.Fatalf("got %v, want a MigrationError", err)
			}
			t.Log(err)
			if name == "syntax" && !strings.HasPrefix(err.Error(), "1.sql line 2:") {
				t.Errorf("%v names the wrong line", err)
			}
		})
	}
	tables, err := s.Tables(t.Context(), 1)
	if err != nil || len(tables) != 0 {
		t.Errorf("something stayed: %v %v", tables, err)
	}
}

func TestMigrate(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	first := local.Migration{Name: "1.sql", SQL: strings.ReplaceAll(notesSQL, "{{APP_ID}}", "1")}
	second := local.Migration{Name: "2.sql", SQL: "alter table app_1_notes add column done boolean not null default false"}
	if err := s.Check(ctx, 1, []local.Migration{first}); err != nil {
		t.Fatal(err)
	}
	if tables, err := s.Tables(ctx, 1); err != nil || len(tables) != 0 {
		t.Fatalf("Check left %v %v", tables, err)
	}
	for i, want := range []int{1, 0} {
		if applied, err := s.Migrate(ctx, 1, []local.Migration{first}); err != nil || len(applied) != want {
			t.Fatalf("run %d: %v %v", i, applied, err)
		}
	}
	c := serve(t, s, 1)
	person, _ := c.signUp("a@example.com")
	person.want(400, "PGRST204", "POST", "/rest/v1/app_1_notes", `{"title":"x","done":true}`)
	if applied, err := s.Migrate(ctx, 1, []local.Migration{second, first}); err != nil || len(applied) != 1 {
		t.Fatalf("%v %v", applied, err)
	}
	person.want(201, "", "POST", "/rest/v1/app_1_notes", `{"title":"x","done":true}`) // the new column at once
	if _, err := s.Migrate(ctx, 1, []local.Migration{first}); err != nil {
		t.Errorf("an older version: %v", err)
	}
	first.SQL += "\n-- changed"
	if _, err := s.Migrate(ctx, 1, []local.Migration{first}); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("a changed migration: %v", err)
	}
	tables, err := s.Tables(ctx, 1)
	if err != nil || len(tables) != 1 || tables[0].Name != "notes" || tables[0].Rows != 1 || len(tables[0].Policies) != 1 || !tables[0].Columns[0].Primary {
		t.Errorf("tables: %+v %v", tables, err)
	}
	page, err := s.Rows(ctx, 1, "notes", 10, 0)
	if err != nil || page.Total != 1 || *page.Rows[0][2] != "x" || *page.Rows[0][3] != "true" {
		t.Errorf("rows: %+v %v", page, err)
	}
	for range 2 {
		if err := s.Drop(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
	person.want(404, "PGRST205", "GET", "/rest/v1/app_1_notes", "")
	if _, err := s.Migrate(ctx, 1, []local.Migration{{Name: "1.sql", SQL: strings.ReplaceAll(notesSQL, "{{APP_ID}}", "1")}}); err != nil {
		t.Errorf("after Drop: %v", err)
	}
}

// TestOpenTogether prepares one database from several processes' worth of servers at once.
func TestOpenTogether(t *testing.T) {
	url := pgtest.URL(t)
	errs := make(chan error, 4)
	for range 4 {
		go func() {
			s, err := local.Open(t.Context(), local.Config{AdminURL: url, Secret: secretOf})
			if err == nil {
				m := local.Migration{Name: "1.sql", SQL: strings.ReplaceAll(notesSQL, "{{APP_ID}}", "1")}
				_, err = s.Migrate(t.Context(), 1, []local.Migration{m})
				s.Close()
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestNotified: a server learns from the database that another one migrated.
func TestNotified(t *testing.T) {
	url := pgtest.URL(t)
	a, b := openURL(t, url, nil), openURL(t, url, nil)
	migrate(t, a, 1, "1.sql", notesSQL)
	c := serve(t, b, 1)
	c.want(200, "", "GET", "/rest/v1/app_1_notes", "")
	migrate(t, a, 1, "2.sql", strings.ReplaceAll(notesSQL, "app_{{APP_ID}}_", "app_{{APP_ID}}_more_"))
	for end := time.Now().Add(5 * time.Second); ; {
		if c.do("GET", "/rest/v1/app_1_more_notes", "").status == 200 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the change did not arrive")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestForgedTokens(t *testing.T) {
	now := time.Now()
	s := openURL(t, pgtest.URL(t), func() time.Time { return now })
	migrate(t, s, 1, "1.sql", notesSQL)
	c := serve(t, s, 1)
	person, good := c.signUp("a@example.com")
	sign := func(method jwt.SigningMethod, key any, change jwt.MapClaims) string {
		claims := jwt.MapClaims{"sub": good.User.ID, "role": "authenticated", "exp": now.Add(time.Hour).Unix()}
		for k, v := range change {
			claims[k] = v
		}
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, token := range map[string]string{
		"no algorithm":    sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"wrong algorithm": sign(jwt.SigningMethodHS512, secretOf(1), nil),
		"wrong secret":    sign(jwt.SigningMethodHS256, secretOf(2), nil),
		"expired":         sign(jwt.SigningMethodHS256, secretOf(1), jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}),
		"never expires":   sign(jwt.SigningMethodHS256, secretOf(1), jwt.MapClaims{"exp": nil}),
		"unknown role":    sign(jwt.SigningMethodHS256, secretOf(1), jwt.MapClaims{"role": "postgres"}),
		"nobody":          sign(jwt.SigningMethodHS256, secretOf(1), jwt.MapClaims{"sub": ""}),
		"cut":             good.AccessToken[:len(good.AccessToken)-4],
		"words":           "not a token",
	} {
		t.Run(name, func(t *testing.T) {
			forged := *person
			forged.t, forged.token = t, token
			forged.want(401, "", "GET", "/rest/v1/app_1_notes", "")
			forged.want(401, "", "GET", "/auth/v1/user", "")
		})
	}
	person.want(200, "", "GET", "/auth/v1/user", "")
	c.want(401, "PGRST302", "GET", "/rest/v1/app_1_notes", "", "apikey", "", "Authorization", "")
	now = now.Add(2 * time.Hour)
	person.want(401, "PGRST303", "GET", "/rest/v1/app_1_notes", "")
}

func TestSessions(t *testing.T) {
	url := pgtest.URL(t)
	s := openURL(t, url, nil)
	c := serve(t, s, 1)
	person, first := c.signUp("a@example.com")
	refresh := func(token string, status int, code string) session {
		t.Helper()
		a := c.want(status, code, "POST", "/auth/v1/token?grant_type=refresh_token", fmt.Sprintf(`{"refresh_token":%q}`, token))
		var out session
		if err := json.Unmarshal([]byte(a.body), &out); err != nil && status == 200 {
			t.Fatal(err)
		}
		return out
	}
	next := refresh(first.RefreshToken, 200, "")
	refresh(first.RefreshToken, 200, "") // a second tab, moments later
	execute(t, url, "update auth.refresh_tokens set revoked_at = revoked_at - interval '1 minute' where revoked_at is not null")
	refresh(first.RefreshToken, 400, "refresh_token_already_used")
	refresh(next.RefreshToken, 400, "refresh_token_not_found") // the whole session ended
	person.want(403, "session_not_found", "GET", "/auth/v1/user", "")
	refresh("nonsense", 400, "refresh_token_not_found")

	for range 10 {
		c.want(400, "invalid_credentials", "POST", "/auth/v1/token?grant_type=password", `{"email":"a@example.com","password":"wrong"}`)
	}
	c.want(429, "over_request_rate_limit", "POST", "/auth/v1/token?grant_type=password", `{"email":"a@example.com","password":"Passw0rd!x"}`)
	c.want(422, "weak_password", "POST", "/auth/v1/signup", `{"email":"b@example.com","password":"short"}`)
	c.want(400, "validation_failed", "POST", "/auth/v1/signup", `{"email":"nobody","password":"Passw0rd!x"}`)
	c.want(400, "bad_json", "POST", "/auth/v1/signup", `{`)
	c.want(403, "not_admin", "GET", "/auth/v1/admin/users", "")
	c.want(404, "not_found", "GET", "/auth/v1/nope", "")
}

// TestReferenceApp runs the migration of a whole app and the calls that its pages make.
func TestReferenceApp(t *testing.T) {
	s := open(t)
	sql, err := os.ReadFile("testdata/migrations/20261123090000_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, s, 4, "20261123090000_init.sql", string(sql))
	c := serve(t, s, 4)
	owner, _ := c.signUp("owner@example.com")
	stranger, _ := c.signUp("stranger@example.com")
	shop := owner.want(200, "", "POST", "/rest/v1/rpc/app_4_create_shop", `{"shop_name":"Spoke"}`).body
	c.want(401, "42501", "POST", "/rest/v1/rpc/app_4_create_shop", `{"shop_name":"x"}`)
	checkIn := fmt.Sprintf(`{"shop":%s,"problem":"flat","estimate_cents":100,"promised_on":"2026-12-01","customer_id":null,
		"customer_name":"Ann","customer_phone":"1","bike_id":null,"bike_name":"Red","bike_color":null}`, shop)
	owner.want(200, "", "POST", "/rest/v1/rpc/app_4_check_in", checkIn)
	stranger.want(403, "42501", "POST", "/rest/v1/rpc/app_4_check_in", checkIn)
	list := "/rest/v1/app_4_repair_list?select=ticket,bike_name&search_text=ilike.*ann*&order=ticket.desc&limit=12"
	if got := owner.want(200, "", "GET", list, "", "Prefer", "count=exact").body; got != `[{"ticket":1001,"bike_name":"Red"}]` {
		t.Errorf("list: %s", got)
	}
	if got := stranger.want(200, "", "GET", list, "").body; got != `[]` {
		t.Errorf("a stranger's list: %s", got)
	}
	owner.want(416, "PGRST103", "GET", list+"&offset=24", "", "Prefer", "count=exact")
	owner.want(200, "", "GET", list+"&offset=24", "")
	owner.want(403, "42501", "PATCH", "/rest/v1/app_4_shops?id=eq."+strings.Trim(shop, `"`), `{"next_ticket":1}`)
	c.want(401, "42501", "GET", "/rest/v1/app_4_shops", "")
}
