package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestKilledMidCall kills the whole program in the middle of calls to the account. What visitors see is
// one version or the other at all times, the publication comes to its end after the restart, and nothing is left over.
func TestKilledMidCall(t *testing.T) {
	account := cloudflaretest.New(t)
	env := []string{"CLOUDFLARE_API_BASE_URL=" + account.URL, "OVERSKILL_R2_ENDPOINT=" + account.S3, "OVERSKILL_WORKERS_DEV=" + account.Serve()}
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir, env...)
	token := p.person("ada@example.com")
	p.token = token
	app := p.create("reading list")
	app, _ = p.green(app.Slug)
	if status := p.api("PUT", "/team/deploy", obj{"kind": "cloudflare", "account_id": account.ID, "token": account.Token}, nil); status/100 != 2 {
		t.Fatalf("the account: status %d", status)
	}
	was := p.live(app.Slug)
	p.says(app.Slug, "Make the primary color green")
	account.Reset()
	next := p.live(app.Slug)
	calls := len(account.Calls())
	was, next = next, was
	for _, n := range []int{calls / 2, calls - 1} {
		account.Reset()
		killed := make(chan struct{})
		account.Do(n, func() {
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			close(killed)
		})
		var d deploymentJSON
		if status := p.api("POST", "/apps/"+app.Slug+"/publish", obj{"version": next.Version}, &d); status != http.StatusAccepted {
			t.Fatalf("publish: status %d", status)
		}
		select {
		case <-killed:
		case <-time.After(time.Minute):
			t.Fatalf("a publication needs fewer than %d calls: %v", n, account.Calls())
		}
		at := account.Calls()[n-1]
		t.Logf("killed at %s", at)
		p.stop(syscall.SIGKILL)
		if status, body := fetch(t, strings.TrimSuffix(was.URL, "/")+"/_deployment"); status != http.StatusOK || !strings.Contains(body, was.ContentHash) && !strings.Contains(body, next.ContentHash) {
			t.Errorf("killed at %s: visitors get %d %s", at, status, body)
		}
		p = start(t, dir, env...)
		p.token = token
		if d = p.ended(app.Slug, d.ID); d.Status != "deployed" || d.ContentHash != next.ContentHash {
			t.Errorf("killed at %s, it is %s: %s", at, d.Status, d.Error)
		}
		if _, body := fetch(t, strings.TrimSuffix(d.URL, "/")+"/_deployment"); !strings.Contains(body, next.ContentHash) {
			t.Errorf("killed at %s, then deployed, and the address shows %s", at, body)
		}
		if left := account.Scripts(""); len(left) != 1 {
			t.Errorf("killed at %s, and there are %v", at, left)
		}
		was, next = next, was
	}
}
