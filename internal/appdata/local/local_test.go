package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"overskill/internal/appdata/local"
	"overskill/internal/testing/pgtest"
)

// secretOf is a secret per app that every test server agrees on.
func secretOf(appID int64) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "test secret of app %d", appID))
	return fmt.Appendf(nil, "%x", sum)[:32]
}

func open(t testing.TB) *local.Server {
	t.Helper()
	return openURL(t, pgtest.URL(t), nil)
}

func openURL(t testing.TB, url string, now func() time.Time) *local.Server {
	t.Helper()
	s, err := local.Open(t.Context(), local.Config{AdminURL: url, Secret: secretOf, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// migrate applies SQL as one migration; {{APP_ID}} is filled in.
func migrate(t testing.TB, s *local.Server, appID int64, name, sql string) {
	t.Helper()
	m := local.Migration{Name: name, SQL: strings.ReplaceAll(sql, "{{APP_ID}}", fmt.Sprint(appID))}
	if _, err := s.Migrate(t.Context(), appID, []local.Migration{m}); err != nil {
		t.Fatalf("migrate app %d: %v", appID, err)
	}
}

// client speaks to one app over HTTP.
type client struct {
	t     testing.TB
	url   string
	key   string
	token string // of a signed-in person, or ""
}

func serve(t testing.TB, s *local.Server, appID int64) *client {
	t.Helper()
	srv := httptest.NewServer(s.Handler(appID))
	t.Cleanup(srv.Close)
	keys, err := s.Keys(appID)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, url: srv.URL, key: keys.Anon}
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	var e struct {
		Code      any    `json:"code"`
		ErrorCode string `json:"error_code"`
	}
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	if e.ErrorCode != "" {
		return e.ErrorCode
	}
	return fmt.Sprint(e.Code)
}

func (c *client) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("apikey", c.key)
	token := c.token
	if token == "" {
		token = c.key
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(bytes.TrimSpace(b))}
}

// want fails unless a request answers with the status and, for a refusal, the code.
func (c *client) want(status int, code, method, path, body string, header ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body, header...)
	if a.status != status || (code != "" && a.code() != code) {
		c.t.Fatalf("%s %s: got %d %s, want %d %s\n%s", method, path, a.status, a.code(), status, code, a.body)
	}
	return a
}

// signUp returns a client for a new person.
func (c *client) signUp(email string) (*client, session) {
	c.t.Helper()
	a := c.want(200, "", "POST", "/auth/v1/signup", fmt.Sprintf(`{"email":%q,"password":"Passw0rd!x"}`, email))
	var s session
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		c.t.Fatal(err)
	}
	person := *c
	person.token = s.AccessToken
	return &person, s
}

type session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	User         struct {
		ID string `json:"id"`
	} `json:"user"`
}

// checksSQL returns the part of testdata/supabase-js.sql that belongs to one app: its statements stand one a line.
func checksSQL(t testing.TB, appID int64) string {
	t.Helper()
	sql, err := os.ReadFile("testdata/supabase-js.sql")
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("app_%d_", appID)
	var out strings.Builder
	for line := range strings.Lines(string(sql)) {
		if strings.HasPrefix(line, "drop table") || !strings.Contains(line, own) {
			continue
		}
		for statement := range strings.SplitSeq(line, ";") { // one line holds both apps' alter table
			if strings.Contains(statement, own) {
				out.WriteString(strings.TrimSpace(statement) + ";\n")
			}
		}
	}
	return out.String()
}

// TestSupabaseJS runs the real supabase-js library against the server.
func TestSupabaseJS(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is missing")
		}
		t.Skip("node is missing")
	}
	s := open(t)
	migrate(t, s, 12, "1.sql", checksSQL(t, 12))
	migrate(t, s, 13, "1.sql", checksSQL(t, 13))
	srv := httptest.NewServer(s.Handler(12))
	defer srv.Close()

	dir := t.TempDir()
	script, err := os.ReadFile("testdata/supabase-js.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/check.mjs", script, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/package.json", []byte(`{"private":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "URL="+srv.URL, "SECRET="+string(secretOf(12)))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	run("npm", "i", "--no-audit", "--no-fund", "--ignore-scripts", "@supabase/supabase-js@2", "ws@8")
	out := run("node", "check.mjs")
	if !strings.Contains(out, "\n48/48\n") {
		t.Errorf("want 48/48\n%s", out)
	}
}
