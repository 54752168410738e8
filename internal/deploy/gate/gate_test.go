package gate

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/templates"
)

// joined keeps what looks like a secret from standing in this file as one.
func joined(parts ...string) string { return strings.Join(parts, "") }

func jwt(payload string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b([]byte(payload)) + "." + b([]byte("0123456789abcdef0123456789abcdef"))
}

func source1(t testing.TB, files map[string]string) filetree.Tree {
	t.Helper()
	out := map[string][]byte{}
	for p, c := range files {
		out[p] = []byte(c)
	}
	tree, err := filetree.New(out)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestSecretsInTheBundle(t *testing.T) {
	for name, tt := range map[string]struct {
		secret string
		found  bool
	}{
		"AWS key":                {joined("AKIA", "Q3EGRSMBXK7LPW2Z"), true},
		"GitHub token":           {joined("ghp_", "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"), true},
		"Stripe live secret":     {joined("sk_live_", "51H8xYzAbCdEfGhIjKlMnOpQrStUvWxYz"), true},
		"Stripe publishable key": {joined("pk_live_", "51H8xYzAbCdEfGhIjKlMnOpQrStUvWxYz"), false},
		"Anthropic key":          {joined("sk-ant-", "api03-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3hI5jK7lM9nO1pQ3rS5tU7vW9xY1zA3bC5dE7fG9hI1jK3lM5nAA"), true},
		"private key":            {"-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----", true},
		"service role token":     {jwt(`{"iss":"supabase","role":"service_role","exp":1983812996}`), true},
		"anon token":             {jwt(`{"iss":"supabase","role":"anon","exp":1983812996}`), false},
		"Supabase secret":        {joined("sb_", "secret_aB3dE5fG7hI9jK1lM3nO5pQ7rS9t_12345678"), true},
		"Supabase publishable":   {joined("sb_", "publishable_aB3dE5fG7hI9jK1lM3nO5pQ7rS9t_12345678"), false},
		"database address":       {joined("postgres://app:", "s3cr3tPassw0rd@db.example.org:5432/app"), true},
		"without a password":     {"postgres://localhost/app", false},
		"a hash":                 {"9cda13287f7038ba75e450328ed3b7641dc7e1d2e3be6399c518c21949367013", false},
		"a sentence":             {"Enter your secret key to go on", false},
	} {
		t.Run(name, func(t *testing.T) {
			src := fmt.Sprintf("export const value = %q;\n", tt.secret)
			got := Check(Input{
				Files:  map[string][]byte{"assets/main.js": []byte("var a=1;" + src)},
				Source: source1(t, map[string]string{"src/lib/keys.ts": "// first\n" + src}),
			})
			var hit *model.Finding
			for i, f := range got {
				if f.Rule == "secret_in_bundle" && f.Severity == model.SeverityBlock {
					hit = &got[i]
				}
			}
			if (hit != nil) != tt.found {
				t.Fatalf("found %+v", got)
			}
			if hit != nil && (hit.File != "src/lib/keys.ts" || hit.Line != 2 || hit.Title == "" || hit.Prompt == "" || !Blocks(model.GateBlock, got) || Blocks(model.GateWarn, got)) {
				t.Errorf("%+v", hit)
			}
			if hit != nil && len(tt.secret) > 20 && strings.Contains(fmt.Sprint(got), tt.secret[8:]) {
				t.Error("the finding quotes the secret")
			}
		})
	}
}

func TestOwnSecretValues(t *testing.T) {
	const value = "correct-horse-battery"
	for name, text := range map[string]string{
		"as it is": value, "base64": base64.StdEncoding.EncodeToString([]byte(value)), "in an address": "https://x.example/?k=" + value,
	} {
		got := Check(Input{Files: map[string][]byte{"assets/a.js": []byte(`const x="` + text + `"`)}, Secrets: map[string]string{"PAYMENT_KEY": value}})
		if !slices.ContainsFunc(got, func(f model.Finding) bool {
			return f.Rule == "secret_in_bundle" && strings.Contains(f.Title, "PAYMENT_KEY")
		}) {
			t.Errorf("%s: %+v", name, got)
		}
		if strings.Contains(fmt.Sprint(got), value) {
			t.Errorf("%s: the value is quoted", name)
		}
	}
	if got := Check(Input{Files: map[string][]byte{"assets/a.js": []byte("hello short")}, Secrets: map[string]string{"A": "short"}}); len(got) != 0 {
		t.Errorf("a short value: %+v", got)
	}
}

func TestDatabase(t *testing.T) {
	const table = "create table app_1_notes (id bigint primary key, owner uuid);\n"
	const rls = "alter table app_1_notes enable row level security;\n"
	for name, tt := range map[string]struct {
		sql  string
		rule string // "" is nothing
	}{
		"no rls":            {table, "table_without_rls"},
		"rls":               {table + rls, ""},
		"rls in a comment":  {table + "-- " + rls, "table_without_rls"},
		"rls in a string":   {table + "select '" + strings.TrimSuffix(rls, "\n") + "';", "table_without_rls"},
		"rls later on":      {table + "create index i on app_1_notes (owner);\n" + rls, ""},
		"constant for all":  {table + rls + "create policy p on app_1_notes for all using (true) with check (true);", "constant_policy"},
		"constant to read":  {table + rls + "create policy p on app_1_notes for select using (true);", ""},
		"constant check":    {table + rls + "create policy p on app_1_notes using (owner = auth.uid()) with check (true);", "constant_policy"},
		"give one's own":    {table + rls + "create policy p on app_1_notes for update using (owner = auth.uid()) with check (true);", ""},
		"own rows":          {table + rls + "create policy p on app_1_notes using (owner = auth.uid());", ""},
		"user metadata":     {table + rls + "create policy p on app_1_notes using ((auth.jwt() -> 'user_metadata' ->> 'admin') = 'yes');", "policy_on_user_metadata"},
		"definer":           {"create function f() returns int language sql security definer as $$ select 1 $$;", "security_definer_without_search_path"},
		"definer with path": {"create function f() returns int language sql security definer set search_path = '' as $$ select 1 $$;", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Check(Input{Migrations: []Migration{{Name: "1.sql", SQL: tt.sql}}})
			var rules []string
			for _, f := range got {
				rules = append(rules, f.Rule)
			}
			if tt.rule == "" && len(rules) != 0 || tt.rule != "" && !slices.Contains(rules, tt.rule) {
				t.Errorf("found %v, want %q", rules, tt.rule)
			}
		})
	}
}

// TestConstantPolicies: how serious it is depends on what is allowed to whom.
func TestConstantPolicies(t *testing.T) {
	for clause, want := range map[string]struct {
		severity model.Severity
		title    string
	}{
		"for all using (true)":                                 {model.SeverityBlock, "lets anybody change and delete any row"},
		"for update to anon using (1 = 1)":                     {model.SeverityBlock, "lets anybody change any row"},
		"for delete to public using ((select true))":           {model.SeverityBlock, "lets anybody delete any row"},
		"for all with check (true)":                            {model.SeverityWarn, "lets anybody add rows"},
		"for all to authenticated using (a or true)":           {model.SeverityWarn, "lets everybody who has signed up change and delete any row"},
		"for insert with check (true)":                         {model.SeverityWarn, "lets anybody add rows"},
		"for insert to anon, authenticated with check (true)":  {model.SeverityWarn, "lets anybody add rows"},
		"to anon using (owner = auth.uid()) with check (true)": {model.SeverityWarn, "lets anybody add rows"},
		"for all to service_role using (true)":                 {},
		"as restrictive for all using (true)":                  {},
	} {
		got := Check(Input{Migrations: []Migration{{Name: "1.sql", SQL: "create policy p on notes " + clause}}})
		if want.severity == "" && len(got) != 0 || want.severity != "" && (len(got) != 1 || got[0].Severity != want.severity || !strings.Contains(got[0].Title, want.title)) {
			t.Errorf("%s: %+v", clause, got)
		}
	}
}

func TestPackages(t *testing.T) {
	for name, tt := range map[string]struct {
		p    Package
		rule string
	}{
		"bad version":       {Package{Name: "event-stream", Version: "3.3.6", License: "MIT"}, "bad_package"},
		"the version after": {Package{Name: "event-stream", Version: "4.0.1", License: "MIT"}, ""},
		"AGPL":              {Package{Name: "x", Version: "1.0.0", License: "AGPL-3.0-only", Direct: true}, "licence"},
		"a choice":          {Package{Name: "x", Version: "1.0.0", License: "(MIT OR GPL-3.0-only)", Direct: true}, ""},
		"both":              {Package{Name: "x", Version: "1.0.0", License: "MIT AND GPL-3.0-only", Direct: true}, "licence"},
		"MIT":               {Package{Name: "x", Version: "1.0.0", License: "MIT", Direct: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Check(Input{Packages: []Package{tt.p}})
			if tt.rule == "" && len(got) != 0 || tt.rule != "" && !slices.ContainsFunc(got, func(f model.Finding) bool { return f.Rule == tt.rule }) {
				t.Errorf("found %+v, want %q", got, tt.rule)
			}
		})
	}
}

// TestTheFoundationIsClean: what every app begins with gives nobody a reason to worry.
func TestTheFoundationIsClean(t *testing.T) {
	files, err := templates.Foundation(templates.Values{AppName: "App", AppSlug: "app", AppID: 1, TeamID: 1})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := filetree.New(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(Input{Files: files, Source: tree}) {
		if f.Severity != model.SeverityInfo {
			t.Errorf("%+v", f)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	files := map[string]string{}
	dist := map[string][]byte{}
	for i := range 80 {
		key := joined("AKIA", fmt.Sprintf("Q3EGRSMBXK7L%04d", i))
		files[fmt.Sprintf("src/k%d.ts", i)] = "const k = \"" + key + "\";"
		dist[fmt.Sprintf("assets/k%d.js", i)] = []byte("const k=\"" + key + "\"")
	}
	in := Input{Files: dist, Source: source1(t, files)}
	got := Check(in)
	if len(got) > 51 {
		t.Errorf("%d findings", len(got))
	}
	if again := Check(in); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Error("the order changes")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("const a = \"x\";", "create table t (id int); -- x", "MIT OR (GPL-3.0 AND X)")
	f.Add("`${`", "do $x$ begin $y$ end $x$; create policy", "((")
	f.Fuzz(func(t *testing.T, code, sql, licence string) {
		Check(Input{
			Files: map[string][]byte{"assets/a.js": []byte(code), "a.js.map": []byte(code)}, Server: []byte(code), Secrets: map[string]string{"A": code},
			Migrations: []Migration{{Name: "1.sql", SQL: sql}}, Packages: []Package{{Name: code, Version: sql, License: licence, Direct: true}},
			Advisories: []Advisory{{Package: code, Range: licence, Level: Level(sql)}}, Releases: map[string][]string{code: {sql, licence}},
		})
	})
}

func BenchmarkCheck(b *testing.B) {
	var code strings.Builder
	for i := 0; code.Len() < 3_000_000; i++ {
		fmt.Fprintf(&code, "function f%d(e,t){return e.token===t?\"value-%d\":{password:e.p%d,key:[%d,\"a\"]}}", i, i, i, i)
	}
	in := Input{Files: map[string][]byte{"assets/main.js": []byte(code.String())}, Secrets: map[string]string{"A": "0123456789abcdef", "B": "another-secret-value"}}
	b.SetBytes(int64(code.Len()))
	for b.Loop() {
		Check(in)
	}
}
