package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"overskill/internal/testing/cloudflaretest"
)

// TestPublishToCloudflare publishes to an account, whose Workers Miniflare runs: a wrong token, two
// versions, the way back, and a token that is revoked.
func TestPublishToCloudflare(t *testing.T) {
	account := cloudflaretest.New(t)
	account.AddBucket("team-apps")
	p := start(t, filepath.Join(t.TempDir(), "data"),
		"CLOUDFLARE_API_BASE_URL="+account.URL, "OVERSKILL_R2_ENDPOINT="+account.S3, "OVERSKILL_WORKERS_DEV="+account.Serve())
	p.token = p.person("ada@example.com")
	app := p.create("reading list: books with a title and an author")
	app, _ = p.green(app.Slug)
	target := obj{"kind": "cloudflare", "account_id": account.ID, "bucket": "team-apps", "token": account.Token + "x"}
	if status := p.api("PUT", "/team/deploy", target, nil); status/100 != 2 {
		t.Fatalf("the account: status %d", status)
	}
	refused := func(why string) {
		t.Helper()
		var answer struct {
			Error struct{ Code, Message string }
		}
		status := p.api("POST", "/apps/"+app.Slug+"/publish", obj{}, &answer)
		if said := answer.Error.Message; status != http.StatusForbidden || !strings.Contains(said, "API token") || strings.Contains(said, account.Token) {
			t.Errorf("%s: %d %q", why, status, said)
		}
	}
	refused("with a wrong token")
	if left := account.Describe(); left != "" {
		t.Errorf("a wrong token left %s", left)
	}
	target["token"] = account.Token
	if status := p.api("PUT", "/team/deploy", target, nil); status/100 != 2 {
		t.Fatalf("the account: status %d", status)
	}
	one := p.live(app.Slug)
	if one.Target != "cloudflare" || !strings.Contains(one.URL, account.Subdomain) {
		t.Fatalf("published at %s %s", one.Target, one.URL)
	}
	shows := func(want deploymentJSON) {
		t.Helper()
		if status, body := fetch(t, strings.TrimSuffix(want.URL, "/")+"/_deployment"); status != http.StatusOK || !strings.Contains(body, want.ContentHash) {
			t.Errorf("the published app: %d %s, want %s", status, body, want.ContentHash)
		}
	}
	shows(one)
	if status, body := fetch(t, one.URL, "Accept", "text/html"); status != http.StatusOK || !strings.Contains(body, `id="root"`) {
		t.Errorf("the published app: %d %.200s", status, body)
	}
	p.says(app.Slug, "Make the primary color green")
	two := p.live(app.Slug)
	shows(two)

	var back deploymentJSON
	if status := p.api("POST", "/apps/"+app.Slug+"/deployments/"+fmt.Sprint(one.ID)+"/rollback", nil, &back); status != http.StatusAccepted {
		t.Fatalf("rollback: status %d", status)
	}
	if back = p.ended(app.Slug, back.ID); back.Status != "deployed" || back.ContentHash != one.ContentHash {
		t.Errorf("rollback: %+v", back)
	}
	shows(one)

	account.Revoke()
	refused("with a revoked token")
	shows(one)
}
