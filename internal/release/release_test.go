package release_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"overskill/internal/deploy/access"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
	"overskill/internal/release"
	"overskill/internal/testing/storetest"
)

// world is a service on a real store, with an app whose first version is green.
type world struct {
	*testing.T
	*release.Service
	url   string // of its database
	store *store.Store
	key   secret.Key
	zone  *zone
	ada   model.User
	app   model.App
	place *place
}

// place is a target that remembers what it was told. What targets do with it is tested with the real ones.
type place struct {
	target.Target
	secrets map[string]string
	refuses error  // to change secrets
	id      string // by which it knows what is live, once its secrets were changed
	down    error
}

func (p *place) Verify(context.Context) error { return p.down }
func (p *place) SetSecrets(_ context.Context, _ target.Site, secrets map[string]string) (string, error) {
	p.secrets = secrets
	return p.id, cmp.Or(p.down, p.refuses)
}

type queue struct{}

func (queue) Enqueue(context.Context, string, int64, int) error {
	return errors.New("no redis")
}

func newWorld(t *testing.T) *world {
	url := storetest.URL(t)
	s := storetest.OpenAt(t, url)
	key, err := secret.LoadKey(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	z, resolver := newZone(t)
	z.a["todo.apps.example.com"] = "192.0.2.7"
	w := &world{T: t, url: url, store: s, key: key, zone: z, place: &place{}}
	w.Service = release.New(release.Config{
		Store: s, Key: key, Queue: queue{}, Log: slog.New(slog.DiscardHandler), Resolver: resolver,
		Keys:   func(int64) (string, string, error) { return "anon-key", "service-key", nil },
		Places: release.Places{Local: w.place, Permissions: []string{"Workers Scripts: Edit"}},
		Addresses: release.Addresses{
			Public: func(slug string, env model.Environment) string {
				if env == model.Preview {
					return "https://preview-" + slug + ".apps.example.com/"
				}
				return "https://" + slug + ".apps.example.com/"
			},
			Host: func(slug string) string { return slug + ".apps.example.com" },
		},
	})
	w.ada = w.person("ada@example.com")
	w.app = w.newApp(w.ada, "todo")
	return w
}

func (w *world) person(email string) model.User {
	w.Helper()
	u, err := w.store.CreateUser(w.Context(), model.User{Email: email, Name: email, PasswordHash: "x"})
	if err != nil {
		w.Fatal(err)
	}
	return u
}

func (w *world) newApp(u model.User, slug string) model.App {
	w.Helper()
	team, err := w.store.PersonalTeam(w.Context(), u.ID)
	if err != nil {
		w.Fatal(err)
	}
	app, turn, _, err := w.store.CreateApp(w.Context(), model.App{TeamID: team, CreatedBy: u.ID, Slug: slug, Name: slug, Prompt: "p"},
		store.NewTurn{UserID: u.ID, Content: "p", JobKind: "k"})
	if err == nil {
		err = w.store.SetBundle(w.Context(), turn.Version.ID, "hash", 1)
	}
	if err == nil {
		err = w.store.Promote(w.Context(), turn.Version, "http://preview/")
	}
	if err != nil {
		w.Fatal(err)
	}
	return app
}

// published makes the app live, as a Runner would.
func (w *world) published() {
	w.Helper()
	d, err := w.Publish(w.Context(), w.ada, "todo", "")
	if err == nil {
		d.URL = "https://todo.apps.example.com/"
		_, err = w.store.PromoteDeployment(w.Context(), d)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func wants(t *testing.T, err error, kind fault.Kind, words string) {
	t.Helper()
	if fault.KindOf(err) != kind || !strings.Contains(fault.Text(err), words) {
		t.Errorf("got %v, want a fault %s that says %q", err, kind, words)
	}
}

func TestOtherPeopleSeeAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	eve := w.person("eve@example.com")
	ctx := t.Context()
	_, err := w.Publication(ctx, eve, "todo")
	_, err2 := w.Publish(ctx, eve, "todo", "")
	_, err3 := w.Rollback(ctx, eve, "todo", 1)
	_, err4 := w.PreviewLink(ctx, eve, "todo")
	_, err5 := w.ShareLink(ctx, eve, "todo", model.Preview, time.Hour)
	_, err6 := w.AddDomain(ctx, eve, "todo", "www.example.org")
	_, err7 := w.CheckRelease(ctx, eve, "todo")
	_, err8 := w.ServerLogs(ctx, eve, "todo")
	_, _, err9 := w.DeployTarget(ctx, eve, w.app.TeamID)
	for i, err := range []error{
		err, err2, err3, err4, err5, err6, err7, err8, err9,
		w.SetVar(ctx, eve, "todo", model.Preview, "A", "b"), w.DeleteVar(ctx, eve, "todo", model.Preview, "A"),
		w.SetAccess(ctx, eve, "todo", model.Preview, "public", ""), w.RevokeLinks(ctx, eve, "todo", model.Preview),
		w.Unpublish(ctx, eve, "todo"), w.CancelDeployment(ctx, eve, "todo", 1),
		w.SetDeployTarget(ctx, eve, w.app.TeamID, model.NewDeployTarget{Kind: model.TargetLocal}),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("use %d by somebody else: %v", i+1, err)
		}
	}
}

func TestVariables(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	set := func(key, value string) error { return w.SetVar(ctx, w.ada, "todo", model.Production, key, value) }
	for key, words := range map[string]string{"lower": "capital letters", "1A": "begins with a letter", "": "capital", "A B": "capital", "SUPABASE_URL": "set by the builder", "ACCESS": "set by the builder"} {
		wants(t, set(key, "value"), fault.Invalid, words)
	}
	wants(t, set("KEY", ""), fault.Invalid, "Enter a value")
	wants(t, set("KEY", strings.Repeat("x", 5001)), fault.Invalid, "5000 bytes")
	wants(t, set("KEY", "a\x00b"), fault.Invalid, "text")
	wants(t, w.SetVar(ctx, w.ada, "todo", "staging", "KEY", "v"), fault.Invalid, "preview or production")

	for key, value := range map[string]string{"PAYMENT_KEY": "sk_live_0123456789", "SHORT": "12345678", "VITE_TITLE": "Hello world"} {
		if err := set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	p, err := w.Publication(ctx, w.ada, "todo")
	if err != nil {
		t.Fatal(err)
	}
	hints := map[string]string{}
	for _, v := range p.Vars {
		if v.Value != nil {
			t.Errorf("the value of %s leaves the service", v.Key)
		}
		hints[v.Key] = v.Hint
	}
	if hints["PAYMENT_KEY"] != "sk_l...6789" || hints["SHORT"] != "••••••••" {
		t.Errorf("hints %v", hints)
	}
	rows, err := w.store.EnvVars(ctx, w.app.ID)
	if err != nil || strings.Contains(string(rows[0].Value), "sk_live") {
		t.Errorf("a value is stored open: %v", err)
	}
	build, err := w.Build(ctx, w.app.ID, model.Production)
	if err != nil || build["VITE_TITLE"] != "Hello world" || build["PAYMENT_KEY"] != "" || build["VITE_SUPABASE_ANON_KEY"] != "anon-key" {
		t.Errorf("built with %v, %v", build, err)
	}
	if build, err := w.Build(ctx, w.app.ID, model.Preview); err != nil || build["VITE_TITLE"] != "" {
		t.Errorf("the preview is built with %v, %v", build, err)
	}
	vars, secrets, err := w.Bindings(ctx, w.app.ID, model.Production)
	if err != nil || vars["SUPABASE_ANON_KEY"] != "anon-key" || secrets["PAYMENT_KEY"] != "sk_live_0123456789" || secrets["SUPABASE_SERVICE_ROLE_KEY"] != "service-key" || secrets["VITE_TITLE"] != "" {
		t.Errorf("the server code gets %v and %v, %v", vars, secrets, err)
	}
	// A value that was moved to another app or name does not open.
	moved := rows[0]
	moved.ID, moved.Key = 0, "OTHER"
	if err := w.store.SetEnvVar(ctx, moved, model.AuditEntry{TeamID: w.app.TeamID, Action: "x"}); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Values(ctx, w.app.ID, model.Production)
	wants(t, err, fault.Invalid, "Enter it again")
}

func TestAChangedSecretReachesThePublishedApp(t *testing.T) {
	w := newWorld(t)
	if err := w.SetVar(t.Context(), w.ada, "todo", model.Production, "A", "one"); err != nil || w.place.secrets != nil {
		t.Fatalf("an app that is not published: %v, %v", w.place.secrets, err)
	}
	w.published()
	if err := w.SetVar(t.Context(), w.ada, "todo", model.Production, "A", "two"); err != nil || w.place.secrets["A"] != "two" {
		t.Errorf("%v, %v", w.place.secrets, err)
	}
	if err := w.DeleteVar(t.Context(), w.ada, "todo", model.Production, "A"); err != nil {
		t.Error(err)
	}
	if _, there := w.place.secrets["A"]; there {
		t.Error("a deleted secret is still at the target")
	}
	w.place.down = fault.New(fault.Unavailable, "It does not answer.")
	wants(t, w.SetVar(t.Context(), w.ada, "todo", model.Production, "B", "x"), fault.Unavailable, "The variable is saved, but")
	wants(t, w.DeleteVar(t.Context(), w.ada, "todo", model.Production, "NONE"), fault.NotFound, "no variable NONE")
}

// TestSettingsTravelWithWhatIsLive: where a deployment carries its secrets, the row knows which; and a target that cannot
// change them alone gets the same version once more.
func TestSettingsTravelWithWhatIsLive(t *testing.T) {
	w := newWorld(t)
	w.Places.Workerd = w.place
	team, err := w.store.PersonalTeam(t.Context(), w.ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetDeployTarget(t.Context(), w.ada, team, model.NewDeployTarget{Kind: model.TargetWorkerd}); err != nil {
		t.Fatal(err)
	}
	w.published()
	live := func() model.Deployment {
		t.Helper()
		d, err := w.store.CurrentDeployment(t.Context(), w.app.ID, model.Production)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	w.place.id = "second-upload"
	if err := w.SetVar(t.Context(), w.ada, "todo", model.Production, "A", "one"); err != nil {
		t.Fatal(err)
	}
	first := live()
	if first.PlacedID != "second-upload" || first.SettingsHash == "" || strings.Contains(first.SettingsHash, "one") {
		t.Errorf("the row says %q, %q", first.PlacedID, first.SettingsHash)
	}
	w.place.id = ""
	if err := w.SetAccess(t.Context(), w.ada, "todo", model.Production, "private", ""); err != nil {
		t.Fatal(err)
	}
	if second := live(); second.PlacedID != "second-upload" || second.SettingsHash == first.SettingsHash {
		t.Errorf("who may open the app is not among the settings: %+v", second)
	}

	refusing := fault.New(fault.Conflict, "An older version is live.")
	w.place.down = refusing
	err = w.SetVar(t.Context(), w.ada, "todo", model.Production, "A", "two")
	wants(t, err, fault.Conflict, "An older version is live.") // Verify fails here too: nothing can be deployed
	w.place.down, w.place.refuses = nil, refusing
	if err := w.SetVar(t.Context(), w.ada, "todo", model.Production, "A", "three"); err != nil {
		t.Fatal(err)
	}
	p, err := w.Publication(t.Context(), w.ada, "todo")
	if err != nil || p.Running == nil || p.Running.Kind != model.KindSettings || p.Running.VersionID != live().VersionID {
		t.Errorf("the app is not deployed again: %+v, %v", p.Running, err)
	}
}

func TestLinksOpenOneHostForATime(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p, err := w.Publication(ctx, w.ada, "todo")
	if err != nil || p.Preview.Mode != "private" || p.Access.Mode != "public" {
		t.Fatalf("preview %q, published %q, %v", p.Preview.Mode, p.Access.Mode, err)
	}
	rule := func() access.Rule {
		a, err := w.store.AccessOf(ctx, w.app.ID, model.Preview)
		if err != nil {
			t.Fatal(err)
		}
		return release.Rule(w.key, w.app.ID, model.Preview, a.Mode, a.PasswordHash, a.Epoch)
	}
	token := func(link string) string {
		u, err := url.Parse(link)
		if err != nil || u.Host != "preview-todo.apps.example.com" {
			t.Fatal(link, err)
		}
		for _, values := range u.Query() {
			return values[0]
		}
		return ""
	}
	link, err := w.PreviewLink(ctx, w.ada, "todo")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tok := token(link)
	switch r := rule(); {
	case !r.Valid(tok, "preview-todo.apps.example.com", now):
		t.Error("the link does not open the preview")
	case r.Valid(tok, "todo.apps.example.com", now):
		t.Error("the link opens another host")
	case r.Valid(tok, "preview-todo.apps.example.com", now.Add(6*time.Minute)):
		t.Error("the builder's own link works for longer than five minutes")
	}
	other := release.Rule(w.key, w.app.ID+1, model.Preview, "", "", 1)
	if other.Valid(tok, "preview-todo.apps.example.com", now) {
		t.Error("the link opens another app")
	}
	shared, err := w.ShareLink(ctx, w.ada, "todo", model.Preview, 48*time.Hour)
	if err != nil || !rule().Valid(token(shared), "preview-todo.apps.example.com", now.Add(47*time.Hour)) {
		t.Errorf("a link for two days: %v", err)
	}
	for _, ttl := range []time.Duration{0, time.Minute, 31 * 24 * time.Hour, -time.Hour} {
		_, err := w.ShareLink(ctx, w.ada, "todo", model.Preview, ttl)
		wants(t, err, fault.Invalid, "30 days")
	}
	if err := w.RevokeLinks(ctx, w.ada, "todo", model.Preview); err != nil {
		t.Fatal(err)
	}
	if rule().Valid(token(shared), "preview-todo.apps.example.com", now) {
		t.Error("a revoked link still opens")
	}
	if got := rule().Mode; got != access.Private {
		t.Errorf("revoking made it %s", got)
	}
	if err := w.SetAccess(ctx, w.ada, "todo", model.Preview, "public", ""); err != nil {
		t.Fatal(err)
	}
	if link, err := w.PreviewLink(ctx, w.ada, "todo"); err != nil || link != "https://preview-todo.apps.example.com/" {
		t.Errorf("a public preview is at %s, %v", link, err)
	}
	wants(t, w.SetAccess(ctx, w.ada, "todo", model.Production, "password", "12345"), fault.Invalid, "between 6 and 200")
	wants(t, w.SetAccess(ctx, w.ada, "todo", model.Production, "friends", ""), fault.Invalid, "Choose who")
	if err := w.SetAccess(ctx, w.ada, "todo", model.Production, "password", "correct horse"); err != nil {
		t.Fatal(err)
	}
	a, err := w.store.AccessOf(ctx, w.app.ID, model.Production)
	if err != nil || !access.CheckPassword(a.PasswordHash, "correct horse") || access.CheckPassword(a.PasswordHash, "wrong") {
		t.Errorf("the password is not what was set: %v", err)
	}
	if p, err := w.Publication(ctx, w.ada, "todo"); err != nil || p.Access.PasswordHash != "" || p.Access.Mode != "password" {
		t.Errorf("%+v, %v", p.Access, err)
	}
}

func TestDomains(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, name := range []string{"", "nodot", "a b.example", "127.0.0.1", "-x.example.org", "http://", "todo.apps.example.com", "apps.example.com", "example.com", strings.Repeat("a", 64) + ".example"} {
		if _, err := w.AddDomain(ctx, w.ada, "todo", name); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	d, err := w.AddDomain(ctx, w.ada, "todo", " HTTPS://Www.Bücher.example/shop ")
	if err != nil || d.Name != "www.xn--bcher-kva.example" || len(d.Records) != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = w.AddDomain(ctx, w.ada, "todo", "www.bücher.example")
	wants(t, err, fault.Conflict, "already")

	check := func(status, words string) {
		t.Helper()
		got, err := w.CheckDomain(ctx, w.ada, "todo", d.ID)
		if err != nil || got.Status != status || !strings.Contains(got.Detail, words) {
			t.Errorf("%s: %q (%+v), %v; want %s: %q", got.Status, got.Detail, got.Records, err, status, words)
		}
	}
	check("pending", "TXT record is not there")
	w.zone.set("_overskill."+d.Name, "", "something else")
	check("failed", "holds something else")
	w.zone.set("_overskill."+d.Name, "", "something else", d.Token)
	check("pending", "leads nowhere")
	w.zone.set(d.Name, "elsewhere.example.net")
	check("failed", "leads elsewhere")
	w.zone.set(d.Name, "todo.apps.example.com")
	check("active", "shows the published app")

	apex, err := w.AddDomain(ctx, w.ada, "todo", "buecher.example")
	if err != nil {
		t.Fatal(err)
	}
	w.zone.set("_overskill."+apex.Name, "", apex.Token)
	w.zone.mu.Lock()
	w.zone.a[apex.Name] = "192.0.2.7" // as an ALIAS record does
	w.zone.mu.Unlock()
	d = apex
	check("active", "shows the published app")
	w.zone.mu.Lock()
	w.zone.a[apex.Name] = "192.0.2.99"
	w.zone.mu.Unlock()
	check("failed", "leads elsewhere")
	if err := w.RemoveDomain(ctx, w.ada, "todo", apex.ID); err != nil {
		t.Error(err)
	}
	_, err = w.CheckDomain(ctx, w.ada, "todo", apex.ID)
	wants(t, err, fault.NotFound, "no such domain")
}

func TestTargets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	account := strings.Repeat("0a", 16)
	set := func(n model.NewDeployTarget) error { return w.SetDeployTarget(ctx, w.ada, w.app.TeamID, n) }
	for words, n := range map[string]model.NewDeployTarget{
		"Choose where":     {Kind: "elsewhere"},
		"Choose whether":   {Kind: model.TargetLocal, Gate: "maybe"},
		"32 hexadecimal":   {Kind: model.TargetCloudflare, AccountID: "xyz", Token: "t"},
		"API token":        {Kind: model.TargetCloudflare, AccountID: account},
		"Choose how":       {Kind: model.TargetCloudflare, AccountID: account, Token: "t", Mode: "x"},
		"namespace":        {Kind: model.TargetCloudflare, AccountID: account, Token: "t", Mode: "dispatch"},
		"R2 bucket":        {Kind: model.TargetCloudflare, AccountID: account, Token: "t", Bucket: "A"},
		"name of a domain": {Kind: model.TargetCloudflare, AccountID: account, Token: "t", Zone: "nodot"},
	} {
		wants(t, set(n), fault.Invalid, words)
	}
	if err := set(model.NewDeployTarget{Kind: model.TargetCloudflare, AccountID: strings.ToUpper(account), Token: " cf-token-0123456789 ", Gate: "warn"}); err != nil {
		t.Fatal(err)
	}
	row, permissions, err := w.DeployTarget(ctx, w.ada, w.app.TeamID)
	if err != nil || row.Token != nil || row.TokenHint != "cf-t...6789" || row.AccountID != account || row.Gate != model.GateWarn || len(permissions) != 1 {
		t.Errorf("%+v %v, %v", row, permissions, err)
	}
	stored, err := w.store.DeployTarget(ctx, w.app.TeamID)
	if err != nil || len(stored.Token) == 0 || strings.Contains(string(stored.Token), "cf-token") {
		t.Errorf("the token is stored open, or not at all: %v", err)
	}
	// Without a new token the old one stays.
	if err := set(model.NewDeployTarget{Kind: model.TargetCloudflare, AccountID: account}); err != nil {
		t.Error(err)
	}
	if err := set(model.NewDeployTarget{Kind: model.TargetWorkerd}); err != nil {
		t.Fatal(err)
	}
	_, err = w.TestDeployTarget(ctx, w.ada, w.app.TeamID)
	wants(t, err, fault.Unavailable, "workerd is not available")
	if p, err := w.Publication(ctx, w.ada, "todo"); err != nil || !strings.Contains(p.NotReady, "workerd") {
		t.Errorf("%q, %v", p.NotReady, err)
	}
	_, err = w.Publish(ctx, w.ada, "todo", "")
	wants(t, err, fault.Unavailable, "workerd")
}

func TestWhatCannotBePublished(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.Publish(ctx, w.ada, "todo", "9.9.9")
	wants(t, err, fault.NotFound, "")
	wants(t, w.Unpublish(ctx, w.ada, "todo"), fault.Conflict, "not published")
	d, err := w.Publish(ctx, w.ada, "todo", "")
	if err != nil || d.Status != model.DeployPending || d.Number != "1.0.0" {
		t.Fatalf("%+v, %v", d, err) // although Redis is gone: the sweeper finds the row
	}
	_, err = w.Rollback(ctx, w.ada, "todo", d.ID)
	wants(t, err, fault.Conflict, "never live")
	if err := w.CancelDeployment(ctx, w.ada, "todo", d.ID); err != nil {
		t.Error(err)
	}
	wants(t, w.CancelDeployment(ctx, w.ada, "todo", d.ID), fault.Conflict, "has ended")
	got, err := w.Deployment(ctx, w.ada, "todo", d.ID)
	if err != nil || got.Status != model.DeployFailed || got.Error != "It was cancelled." {
		t.Errorf("%+v, %v", got, err)
	}
	w.place.down = fault.New(fault.Unavailable, "The place is down.")
	_, err = w.Publish(ctx, w.ada, "todo", "")
	wants(t, err, fault.Unavailable, "down")
}
