package cloudflare

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/cloudflaretest"
)

// unlimited is a Limiter for tests that make many calls.
type unlimited struct{}

func (unlimited) Wait(ctx context.Context) error { return ctx.Err() }

// client is a target at an account, and what it logs.
type client struct {
	*Target
	*testing.T
	account *cloudflaretest.Account
	logged  *bytes.Buffer
}

// open returns a client of an account. change may alter its configuration.
func open(t *testing.T, a *cloudflaretest.Account, change func(*Config)) *client {
	t.Helper()
	c := &client{T: t, account: a, logged: &bytes.Buffer{}}
	cfg := Config{
		Token: a.Token, AccountID: a.ID, BaseURL: a.URL, S3Endpoint: a.S3, Bucket: "team-apps", Limiter: unlimited{},
		Log:        slog.New(slog.NewTextHandler(c.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		HTTPClient: &http.Client{Transport: &http.Transport{}},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Target, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	c.api.backoff, c.api.timeout = time.Millisecond, 300*time.Millisecond
	return c
}

// secretValue is a secret of the test's app. It must never be seen outside an upload.
const secretValue = "sk_test_9b2f7e61c04d"

// release is a version of an app with a small page, a picture and a film that is too big for the Worker.
func (c *client) release(id int64, version string, mode plan.Mode) target.Release {
	c.Helper()
	dist := map[string][]byte{
		"index.html":               []byte("<!doctype html><title>" + version + "</title><div id=root></div>"),
		"assets/app-AB23CD45.js":   []byte("document.title = '" + version + "'"),
		"assets/app-AB23CD45.css":  []byte("body { margin: 0 }"),
		"assets/late-QW12ER34.js":  []byte("export default " + version[:1]),
		"assets/film-ZX98CV76.mp4": bytes.Repeat([]byte{0, 1, 2, 3}, 300_000),
		"logo.svg":                 []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
	}
	p, err := plan.Make(dist, []string{"assets/app-AB23CD45.js", "assets/app-AB23CD45.css"},
		plan.Options{AppID: 7, VersionID: id, Slug: "todo", VersionNumber: version, Environment: "production", Mode: mode})
	if err != nil {
		c.Fatal(err)
	}
	return target.Release{
		Site: production(), DeploymentID: id, VersionID: id, Version: version, Plan: p,
		Vars: map[string]string{"GREETING": "hello"}, Secrets: map[string]string{"PAYMENT_KEY": secretValue},
		Access: access.Rule{Mode: access.Public, Key: []byte("0123456789abcdef0123456789abcdef"), Epoch: 1},
	}
}

func production() target.Site {
	return target.Site{TeamID: 1, AppID: 7, Slug: "todo", Environment: model.Production}
}

func quiet(model.LogLevel, string) {}

func (c *client) deploy(r target.Release) target.Placed {
	c.Helper()
	placed, err := c.Deploy(c.Context(), r, quiet)
	if err != nil {
		c.Fatalf("deploy %s: %v\n%v", r.Version, err, c.account.Calls())
	}
	return placed
}

func (c *client) promote(id string) target.Live {
	c.Helper()
	live, err := c.Promote(c.Context(), production(), id)
	if err != nil {
		c.Fatalf("promote %s: %v", id, err)
	}
	return live
}

// clean fails when a secret stands in an error or in the log.
func (c *client) clean(err error) {
	c.Helper()
	text := fmt.Sprintf("%v %+v %#v %s", err, err, err, c.logged)
	for _, s := range []string{c.account.Token, s3Secret(c.account.Token), secretValue} {
		if strings.Contains(text, s) {
			c.Errorf("%q stands in %s", s, text)
		}
	}
}

const worker = "os-7-todo"

func TestVerify(t *testing.T) {
	tests := map[string]struct {
		account func(*cloudflaretest.Account)
		config  func(*Config)
		kind    fault.Kind // "" when nothing is wrong
		want    string     // in the sentence
	}{
		"all is well":          {},
		"without R2":           {account: func(a *cloudflaretest.Account) { a.WithoutR2(); a.Deny(cloudflaretest.PermR2) }, config: func(c *Config) { c.Bucket = "" }},
		"with a zone":          {account: func(a *cloudflaretest.Account) { a.AddZone("example.com", "active") }, config: func(c *Config) { c.Zone = "apps.example.com" }},
		"a token nobody knows": {account: func(a *cloudflaretest.Account) { a.Revoke() }, kind: fault.Forbidden, want: "does not accept the API token"},
		"another account":      {config: func(c *Config) { c.AccountID = strings.Repeat("a", 32) }, kind: fault.NotFound, want: "does not belong to the Cloudflare account"},
		"no scripts":           {account: func(a *cloudflaretest.Account) { a.Deny(cloudflaretest.PermScripts) }, kind: fault.Forbidden, want: "Account > Workers Scripts > Edit"},
		"no R2":                {account: func(a *cloudflaretest.Account) { a.Deny(cloudflaretest.PermR2) }, kind: fault.Forbidden, want: "Account > Workers R2 Storage > Edit"},
		"no account":           {account: func(a *cloudflaretest.Account) { a.Deny(cloudflaretest.PermSettings) }, kind: fault.Forbidden, want: "Account > Account Settings > Read"},
		"R2 never accepted":    {account: func(a *cloudflaretest.Account) { a.WithoutR2() }, kind: fault.Invalid, want: "R2 is not switched on"},
		"no workers.dev":       {account: func(a *cloudflaretest.Account) { a.Subdomain = "" }, kind: fault.Invalid, want: "no workers.dev subdomain"},
		"a zone of others":     {config: func(c *Config) { c.Zone = "apps.example.com" }, kind: fault.NotFound, want: "no domain \"apps.example.com\""},
		"a zone that is not active": {
			account: func(a *cloudflaretest.Account) { a.AddZone("example.com", "pending") }, config: func(c *Config) { c.Zone = "apps.example.com" },
			kind: fault.Invalid, want: "does not serve example.com yet",
		},
		"no routes": {
			account: func(a *cloudflaretest.Account) { a.AddZone("example.com", "active"); a.Deny(cloudflaretest.PermRoutes) },
			config:  func(c *Config) { c.Zone = "apps.example.com" }, kind: fault.Forbidden, want: "Zone > Workers Routes > Edit",
		},
		"no namespace": {
			account: func(a *cloudflaretest.Account) { a.AddZone("example.com", "active") },
			config:  func(c *Config) { c.Mode, c.Namespace, c.Zone = ModeDispatch, "apps", "example.com" }, kind: fault.NotFound, want: "no dispatch namespace",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := cloudflaretest.New(t)
			if tt.account != nil {
				tt.account(a)
			}
			c := open(t, a, tt.config)
			err := c.Verify(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (!fault.Is(err, tt.kind) || !strings.Contains(fault.Text(err), tt.want)) {
				t.Errorf("%v\n%v", err, a.Calls())
			}
			c.clean(err)
		})
	}
}

func TestDeployShowsNothingUntilPromote(t *testing.T) {
	for _, mode := range []plan.Mode{plan.Embed, plan.Assets} {
		t.Run(string(mode), func(t *testing.T) {
			a := cloudflaretest.New(t)
			c := open(t, a, nil)
			one := c.release(11, "1.0.0", mode)
			placed := c.deploy(one)
			if a.Public(worker) || placed.URL != "https://d11-os-7-todo."+a.Subdomain+".workers.dev" {
				t.Errorf("public %t, placed %+v", a.Public(worker), placed)
			}
			v := a.Versions(worker)[1]
			if v.ID != placed.ID || v.Annotations["workers/alias"] != "d11" || v.Secrets()["PAYMENT_KEY"] != secretValue || len(v.Modules) != 1+len(one.Plan.Modules()) {
				t.Errorf("version %+v", v)
			}
			held := map[string][]byte{}
			for p, asset := range v.Assets {
				held[p] = asset.Content
			}
			for key, content := range a.Objects("team-apps") {
				held[strings.SplitAfterN(key, "/", 4)[3]] = content // apps/7/<hash>/path
			}
			for _, asset := range one.Plan.Assets {
				if content, ok := held[asset.Path]; asset.Place == plan.InAssets && !bytes.Equal(content, asset.Content) {
					t.Errorf("%s is not among the static assets (%t)", asset.Path, ok)
				}
				if content := held[strings.TrimPrefix(asset.Path, "/")]; asset.Place == plan.InBucket && !bytes.Equal(content, asset.Content) {
					t.Errorf("%s is not in the bucket", asset.Path)
				}
				if v.Assets[asset.Path].ContentType != asset.ContentType && asset.Place == plan.InAssets {
					t.Errorf("%s has the type %q", asset.Path, v.Assets[asset.Path].ContentType)
				}
			}
			live := c.promote(placed.ID)
			if live.URL != "https://os-7-todo."+a.Subdomain+".workers.dev" || a.Live("", worker).ID != placed.ID || !a.Public(worker) {
				t.Errorf("live %+v", live)
			}

			// The same files again are not sent again.
			two := one
			two.DeploymentID, two.Secrets = 12, nil
			again := c.deploy(two)
			if again.Sent > 200_000 || a.Live("", worker).ID != placed.ID {
				t.Errorf("sent %d of %d bytes", again.Sent, placed.Sent)
			}
			c.promote(again.ID)
			if secrets := a.Live("", worker).Secrets(); len(secrets) != 1 || secrets["ACCESS"] == "" {
				t.Errorf("a deleted secret is there still: %v", slices.Collect(maps.Keys(secrets)))
			}
			c.clean(nil)
		})
	}
}

func TestWhatCannotBeDeployedIsSaid(t *testing.T) {
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	noBucket := open(t, a, func(cfg *Config) { cfg.Bucket = "" })
	large := c.release(1, "1.0.0", plan.Embed)
	withServer := large
	withServer.Plan.Server = []byte("export function handle() {}")
	vite, ours, long := c.release(1, "1.0.0", plan.Assets), c.release(1, "1.0.0", plan.Assets), c.release(1, "1.0.0", plan.Assets)
	vite.Secrets = map[string]string{"VITE_KEY": secretValue}
	ours.Vars = map[string]string{"BUCKET": "x"}
	long.Secrets = map[string]string{"KEY": strings.Repeat("x", 6000)}
	for name, tt := range map[string]struct {
		c    *client
		r    target.Release
		want string
	}{
		"R2 without a bucket":    {noBucket, large, "enter an R2 bucket"},
		"R2 beside server code":  {c, withServer, "cannot keep files in R2"},
		"a public secret":        {c, vite, "VITE_ variables are built into the bundle"},
		"a name of ours":         {c, ours, "uses itself"},
		"a secret without bound": {c, long, "Cloudflare takes 5120"},
	} {
		t.Run(name, func(t *testing.T) {
			a.Reset()
			_, err := tt.c.Deploy(t.Context(), tt.r, quiet)
			if !strings.Contains(fault.Text(err), tt.want) || len(a.Calls()) != 0 {
				t.Errorf("%v after %v", err, a.Calls())
			}
			c.clean(err)
		})
	}
}

func TestRollback(t *testing.T) {
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	first := c.deploy(c.release(1, "1.0.0", plan.Embed))
	c.promote(first.ID)
	changed := c.release(2, "1.0.1", plan.Embed)
	changed.Secrets = map[string]string{"OTHER": secretValue} // Cloudflare asks for force then
	c.promote(c.deploy(changed).ID)
	live, err := c.Rollback(t.Context(), production(), first.ID)
	if err != nil || a.Live("", worker).ID != first.ID || live.URL == "" {
		t.Fatalf("%+v, %v", live, err)
	}
	for _, id := range []string{"8a1c6f0e-0000-4000-8000-000000000000", "no-version", "../../other"} {
		if _, err := c.Rollback(t.Context(), production(), id); !fault.Is(err, fault.NotFound) || a.Live("", worker).ID != first.ID {
			t.Errorf("rollback to %q: %v", id, err)
		}
	}
	if _, err := c.Promote(t.Context(), target.Site{AppID: 8, Slug: "nobody", Environment: model.Production}, first.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a version of another app: %v", err)
	}
}

func TestGradualPromotion(t *testing.T) {
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	first := c.deploy(c.release(1, "1.0.0", plan.Assets))
	c.promote(first.ID)
	second := c.deploy(c.release(2, "1.0.1", plan.Assets))
	for _, bad := range []int{0, 100, -1} {
		if _, err := c.PromoteGradually(t.Context(), production(), second.ID, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d percent: %v", bad, err)
		}
	}
	if _, err := c.PromoteGradually(t.Context(), production(), second.ID, 10); err != nil {
		t.Fatal(err)
	}
	if got := a.Shares(worker); got[first.ID] != 90 || got[second.ID] != 10 {
		t.Errorf("shares %v", got)
	}
	c.promote(second.ID)
	if got := a.Shares(worker); got[second.ID] != 100 || len(got) != 1 {
		t.Errorf("shares %v", got)
	}
}

func TestSetSecrets(t *testing.T) {
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	if _, err := c.SetSecrets(t.Context(), production(), nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("of nothing: %v", err)
	}
	first := c.deploy(c.release(1, "1.0.0", plan.Embed))
	c.promote(first.ID)
	id, err := c.SetSecrets(t.Context(), production(), map[string]string{"NEW": "another-value"})
	live := a.Live("", worker)
	if err != nil || id != live.ID || id == first.ID {
		t.Fatalf("%q, %v; live is %s", id, err, live.ID)
	}
	if s := live.Secrets(); s["NEW"] != "another-value" || s["PAYMENT_KEY"] != "" || s["ACCESS"] == "" || len(s) != 2 {
		t.Errorf("secrets %v", s)
	}
	if _, err := c.SetSecrets(t.Context(), production(), map[string]string{"VITE_X": secretValue}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a public secret: %v", err)
	}
	c.deploy(c.release(2, "1.0.1", plan.Embed)) // newer than what is live
	_, err = c.SetSecrets(t.Context(), production(), map[string]string{"NEW": secretValue})
	if !fault.Is(err, fault.Conflict) || a.Live("", worker).ID != id {
		t.Errorf("while an older version is live: %v", err)
	}
	c.clean(err)
	if strings.Contains(c.logged.String(), "another-value") {
		t.Error("a secret stands in the log")
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	a := cloudflaretest.New(t)
	a.AddZone("example.com", "active")
	c := open(t, a, func(cfg *Config) { cfg.Zone = "apps.example.com" })
	foreign := production()
	foreign.AppID, foreign.Slug = 70, "other" // whose id begins with ours
	other := c.release(5, "1.0.0", plan.Embed)
	other.Site = foreign
	other.Plan.Assets = slices.Clone(other.Plan.Assets)
	for i := range other.Plan.Assets {
		other.Plan.Assets[i].R2Key = strings.Replace(other.Plan.Assets[i].R2Key, "apps/7/", "apps/70/", 1)
	}
	c.deploy(other)
	before, objects := a.Describe(), len(a.Objects("team-apps"))

	preview := c.release(1, "1.0.0", plan.Embed)
	preview.Environment = model.Preview
	c.deploy(preview)
	c.promote(c.deploy(c.release(2, "1.0.1", plan.Embed)).ID)
	if d, err := c.AttachDomain(t.Context(), production(), "www.example.com"); err != nil || d.State != DomainActive {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := a.Domains(); got["todo.apps.example.com"] != worker || got["www.example.com"] != worker {
		t.Errorf("domains %v", got)
	}
	if err := c.Delete(t.Context(), production()); err != nil {
		t.Fatal(err)
	}
	if len(a.Domains()) != 0 || len(a.Objects("team-apps")) != objects+1 { // the preview's film stays
		t.Errorf("left: %s%v", a.Describe(), slices.Collect(maps.Keys(a.Objects("team-apps"))))
	}
	for range 2 { // twice: what is gone is no error
		if err := c.Delete(t.Context(), preview.Site); err != nil {
			t.Fatal(err)
		}
	}
	if a.Describe() != before || len(a.Objects("team-apps")) != objects {
		t.Errorf("left: %s", a.Describe())
	}
}

func TestDomains(t *testing.T) {
	a := cloudflaretest.New(t)
	a.AddZone("example.com", "active")
	a.AddZone("late.org", "pending")
	c := open(t, a, nil)
	c.promote(c.deploy(c.release(1, "1.0.0", plan.Assets)).ID)
	other := c.release(2, "1.0.0", plan.Assets)
	other.Site = target.Site{AppID: 8, Slug: "shop", Environment: model.Production}
	c.deploy(other)
	for host, want := range map[string]string{
		"www.elsewhere.net": "in no domain of this Cloudflare account", "www.late.org": "does not serve late.org yet", "a/../b.example.com": "no host name", "": "no host name",
	} {
		if _, err := c.AttachDomain(t.Context(), production(), host); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), want) {
			t.Errorf("%q: %v", host, err)
		}
	}
	for range 2 {
		if d, err := c.AttachDomain(t.Context(), production(), "www.example.com"); err != nil || d.State != DomainActive {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if _, err := c.AttachDomain(t.Context(), other.Site, "www.example.com"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a domain of another app: %v", err)
	}
	if err := c.DetachDomain(t.Context(), other.Site, "www.example.com"); err != nil || a.Domains()["www.example.com"] != worker {
		t.Errorf("detached from another app: %v, %v", err, a.Domains())
	}
	if d, err := c.DomainStatus(t.Context(), other.Site, "www.example.com"); err != nil || d.State != DomainForeign {
		t.Errorf("%+v, %v", d, err)
	}
	if err := c.DetachDomain(t.Context(), production(), "www.example.com"); err != nil || len(a.Domains()) != 0 {
		t.Errorf("%v, %v", err, a.Domains())
	}
	if d, err := c.DomainStatus(t.Context(), production(), "www.example.com"); err != nil || d.State != DomainMissing {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLogs(t *testing.T) {
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	c.promote(c.deploy(c.release(1, "1.0.0", plan.Assets)).ID)
	event := map[string]any{
		"outcome": "exception", "logs": []any{map[string]any{"message": []any{"order", map[string]any{"id": 3}, secretValue}, "level": "log", "timestamp": 1764000000000}},
		"exceptions": []any{map[string]any{"name": "TypeError", "message": "x is undefined", "stack": "at handle (worker.js:3:1)", "timestamp": 1764000000001}},
	}
	go func() {
		for a.Emit(worker, event) == 0 {
			time.Sleep(time.Millisecond)
		}
	}()
	var lines []target.Line
	err := c.Tail(t.Context(), production(), func(l target.Line) bool { lines = append(lines, l); return len(lines) < 2 })
	if err != nil || len(lines) != 2 || a.Tails() != 0 {
		t.Fatalf("%+v, %v; %d tails are open", lines, err, a.Tails())
	}
	if l := lines[0]; !strings.HasPrefix(l.Text, `order {"id":3} `) || strings.Contains(l.Text, secretValue) || l.Level != model.LogInfo || l.At.UnixMilli() != 1764000000000 {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.Level != model.LogError || l.Text != "TypeError: x is undefined\nat handle (worker.js:3:1)" {
		t.Errorf("%+v", l)
	}
	a.Deny(cloudflaretest.PermTail)
	if err := c.Tail(t.Context(), production(), nil); !strings.Contains(fault.Text(err), "Account > Workers Tail > Read") {
		t.Errorf("%v", err)
	}
	if err := c.Tail(t.Context(), target.Site{AppID: 9, Slug: "none", Environment: model.Production}, nil); err == nil {
		t.Error("the logs of no app were opened")
	}
}
