package store_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// deployer is an app with a green version, and what deploys it.
type deployer struct {
	*testing.T
	store   *store.Store
	user    model.User
	app     model.App
	version model.Version
}

func newDeployer(t *testing.T) deployer {
	s := open(t)
	u := newUser(t, s, "ada@example.com")
	app, turn, _ := newApp(t, s, u, "todo")
	if err := s.SetBundle(t.Context(), turn.Version.ID, "preview-hash", 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Promote(t.Context(), turn.Version, "http://preview-todo.localhost/"); err != nil {
		t.Fatal(err)
	}
	return deployer{t, s, u, app, turn.Version}
}

func (d deployer) start(kind model.DeploymentKind) (model.Deployment, model.Job) {
	d.Helper()
	dep, job, err := d.store.StartDeployment(d.Context(), model.Deployment{
		AppID: d.app.ID, VersionID: d.version.ID, Environment: model.Production, Kind: kind, Target: model.TargetLocal, UserID: d.user.ID,
	}, "deploy", d.audit("app.publish"))
	if err != nil {
		d.Fatal(err)
	}
	return dep, job
}

func (d deployer) audit(action string) model.AuditEntry {
	return model.AuditEntry{TeamID: d.app.TeamID, AppID: d.app.ID, UserID: d.user.ID, Action: action}
}

// live walks a deployment to its public address.
func (d deployer) live(dep model.Deployment, hash string) *model.Deployment {
	d.Helper()
	dep.ContentHash, dep.Status, dep.URL = hash, model.DeployDeploying, "http://todo.localhost/"
	if err := d.store.SaveDeployment(d.Context(), dep, "content_hash", "status"); err != nil {
		d.Fatal(err)
	}
	before, err := d.store.PromoteDeployment(d.Context(), dep)
	if err != nil {
		d.Fatal(err)
	}
	return before
}

func (d deployer) shows() string {
	d.Helper()
	r, err := d.store.CurrentRelease(d.Context(), d.app.Slug, model.Production)
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	if err != nil {
		d.Fatal(err)
	}
	return r.ContentHash
}

func (d deployer) status(id int64) model.DeploymentStatus {
	d.Helper()
	dep, err := d.store.Deployment(d.Context(), d.app.ID, id)
	if err != nil {
		d.Fatal(err)
	}
	return dep.Status
}

func TestPublishedAndPreviewShowTheirOwnBundles(t *testing.T) {
	d := newDeployer(t)
	if got := d.shows(); got != "" {
		t.Fatalf("shows %q before anything was published", got)
	}
	one, _ := d.start(model.KindPublish)
	if got := d.shows(); got != "" {
		t.Errorf("shows %q while it is being deployed", got)
	}
	one.BucketKeys = []string{"apps/1/a/b.mp4"}
	if err := d.store.SaveDeployment(t.Context(), one, "bucket_keys"); err != nil {
		t.Fatal(err)
	}
	if before := d.live(one, "one"); before != nil {
		t.Errorf("before it: %+v", before)
	}
	if got := d.shows(); got != "one" {
		t.Errorf("shows %q", got)
	}
	r, err := d.store.CurrentRelease(t.Context(), "todo", model.Preview)
	if err != nil || r.ContentHash != "preview-hash" || r.Environment != model.Preview {
		t.Errorf("preview: %+v, %v", r, err)
	}
	r, err = d.store.DeploymentRelease(t.Context(), "todo", one.ID)
	if err != nil || r.ContentHash != "one" || r.DeploymentID != one.ID || r.Environment != model.Production {
		t.Errorf("by deployment: %+v, %v", r, err)
	}
	if _, err := d.store.DeploymentRelease(t.Context(), "other", one.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another app's address: %v", err)
	}
	if ids, err := d.store.PlacedIDs(t.Context(), model.TargetLocal); err != nil || len(ids) != 0 {
		t.Errorf("placed %v, %v", ids, err)
	}
	two, _ := d.start(model.KindPublish)
	for last := range 2 {
		kept, err := d.store.Kept(t.Context(), d.app.ID, model.TargetLocal, last)
		keys := map[int64][]string{}
		for _, k := range kept {
			keys[k.ID] = k.BucketKeys
		}
		if err != nil || !cmp.Equal(keys, map[int64][]string{one.ID: one.BucketKeys, two.ID: nil}) {
			t.Errorf("kept of the last %d: %v, %v", last, keys, err)
		}
	}
	hashes, err := d.store.DeployedHashes(t.Context())
	if err != nil || !hashes["one"] || !hashes["preview-hash"] {
		t.Errorf("hashes %v, %v", hashes, err)
	}
}

func TestANewerDeploymentSupersedesOneThatHasNotEnded(t *testing.T) {
	d := newDeployer(t)
	one, oneJob := d.start(model.KindPublish)
	if _, ok, err := d.store.ClaimJob(t.Context(), oneJob.ID, store.Lease); err != nil || !ok {
		t.Fatal(ok, err)
	}
	queued, queuedJob := d.start(model.KindPublish) // supersedes one, and is superseded itself before anybody begins
	two, _ := d.start(model.KindPublish)
	for _, old := range []model.Deployment{one, queued} {
		if got := d.status(old.ID); got != model.DeploySuperseded {
			t.Errorf("deployment %d is %s", old.ID, got)
		}
		if err := d.store.SaveDeployment(t.Context(), model.Deployment{ID: old.ID, Stage: "verify"}, "stage"); !fault.Is(err, fault.Conflict) {
			t.Errorf("an ended deployment was changed: %v", err)
		}
		if _, err := d.store.PromoteDeployment(t.Context(), old); !fault.Is(err, fault.Conflict) {
			t.Errorf("an ended deployment was promoted: %v", err)
		}
	}
	if _, ok, err := d.store.ClaimJob(t.Context(), queuedJob.ID, store.Lease); ok || err != nil {
		t.Errorf("the job of a superseded deployment can be had: %v", err)
	}
	job := oneJob
	job.Attempts = 1
	if stop, held, err := d.store.RenewJob(t.Context(), job, store.Lease); !stop || !held || err != nil {
		t.Errorf("whoever makes it is not asked to stop: %v %v %v", stop, held, err)
	}
	d.live(two, "two")
	if got := d.shows(); got != "two" {
		t.Errorf("shows %q", got)
	}
}

func TestPromotionCanBeUndone(t *testing.T) {
	d := newDeployer(t)
	one, _ := d.start(model.KindPublish)
	d.live(one, "one")
	two, _ := d.start(model.KindPublish)
	before := d.live(two, "two")
	if before == nil || before.ID != one.ID {
		t.Fatalf("before it: %+v", before)
	}
	if last, err := d.store.LastShown(t.Context(), two); err != nil || last == nil || last.ID != one.ID {
		t.Errorf("last shown: %+v, %v", last, err)
	}
	if err := d.store.RevertPromotion(t.Context(), two, before, "It does not answer."); err != nil {
		t.Fatal(err)
	}
	if got := d.shows(); got != "one" {
		t.Errorf("shows %q", got)
	}
	dep, err := d.store.Deployment(t.Context(), d.app.ID, two.ID)
	if err != nil || dep.Status != model.DeployFailed || dep.Error != "It does not answer." || dep.Number == "" || dep.UserEmail != "ada@example.com" {
		t.Errorf("%+v, %v", dep, err)
	}
	if err := d.store.Unpublish(t.Context(), d.app.ID, d.audit("app.unpublish")); err != nil {
		t.Fatal(err)
	}
	if got := d.shows(); got != "" {
		t.Errorf("shows %q after it was taken down", got)
	}
	app, err := d.store.App(t.Context(), d.app.ID)
	if err != nil || !app.PublishedAt.IsZero() {
		t.Errorf("published at %v, %v", app.PublishedAt, err)
	}
	entries, err := d.store.Audit(t.Context(), d.app.ID, 10)
	if err != nil || len(entries) != 3 || entries[0].Action != "app.unpublish" || entries[0].UserID != d.user.ID {
		t.Errorf("audit: %+v, %v", entries, err)
	}
}

// TestOneIsLiveAlsoInARace: whatever happens at the same time, one deployment is what the address shows.
func TestOneIsLiveAlsoInARace(t *testing.T) {
	d := newDeployer(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dep, _, err := d.store.StartDeployment(t.Context(), model.Deployment{
				AppID: d.app.ID, VersionID: d.version.ID, Environment: model.Production, Kind: model.KindPublish, Target: model.TargetLocal,
			}, "deploy", d.audit("app.publish"))
			if err != nil {
				t.Error(err)
				return
			}
			dep.ContentHash = "h"
			if err := d.store.SaveDeployment(t.Context(), dep, "content_hash"); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
			if _, err := d.store.PromoteDeployment(t.Context(), dep); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := d.store.Deployments(t.Context(), d.app.ID, model.Production, 20)
	if err != nil || len(list) != 8 {
		t.Fatal(len(list), err)
	}
	live := 0
	for _, dep := range list {
		switch dep.Status {
		case model.DeployDeployed:
			live++
		case model.DeploySuperseded:
		default:
			t.Errorf("deployment %d is %s", dep.ID, dep.Status)
		}
	}
	if live != 1 {
		t.Errorf("%d deployments are live", live)
	}
}

func TestEnvVarsAreReplacedAndBounded(t *testing.T) {
	d := newDeployer(t)
	set := func(env model.Environment, key, value string) error {
		return d.store.SetEnvVar(t.Context(), model.EnvVar{AppID: d.app.ID, Environment: env, Key: key, Value: []byte(value), Hint: value}, d.audit("app.variable.set"))
	}
	for _, v := range []string{"a", "b"} {
		if err := set(model.Production, "KEY", v); err != nil {
			t.Fatal(err)
		}
	}
	if err := set(model.Preview, "KEY", "p"); err != nil {
		t.Fatal(err)
	}
	vars, err := d.store.EnvVars(t.Context(), d.app.ID)
	if err != nil || len(vars) != 2 || vars[0].Environment != model.Preview || string(vars[1].Value) != "b" {
		t.Errorf("%+v, %v", vars, err)
	}
	if err := set(model.Production, "bad-key", "x"); err == nil {
		t.Error("a name with other characters was taken")
	}
	for i := range 60 {
		if err = set(model.Preview, "K_"+string(rune('A'+i/26))+string(rune('A'+i%26)), "x"); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("60 variables: %v", err)
	}
	if err := d.store.DeleteEnvVar(t.Context(), d.app.ID, model.Production, "KEY", d.audit("x")); err != nil {
		t.Error(err)
	}
	if err := d.store.DeleteEnvVar(t.Context(), d.app.ID, model.Production, "KEY", d.audit("x")); !fault.Is(err, fault.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestDomainsBelongToWhoeverProvesThem(t *testing.T) {
	d := newDeployer(t)
	other, _, _ := newApp(t, d.store, d.user, "other")
	add := func(app int64) (model.Domain, error) {
		return d.store.AddDomain(t.Context(), model.Domain{AppID: app, Name: "www.example.org", Token: "t", Status: "pending"}, d.audit("app.domain.add"))
	}
	claimed, err := add(other.ID)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := add(d.app.ID) // nobody has proved it yet
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Domain(t.Context(), other.ID, claimed.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the claim is still there: %v", err)
	}
	if _, err := d.store.Domain(t.Context(), other.ID, mine.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another app's domain: %v", err)
	}
	mine.Status = "active"
	if err := d.store.SaveDomain(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if _, err := add(other.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("a proved domain was taken: %v", err)
	}
	if _, err := d.store.DomainRelease(t.Context(), "www.example.org"); !fault.Is(err, fault.NotFound) {
		t.Errorf("before the app is published: %v", err)
	}
	dep, _ := d.start(model.KindPublish)
	d.live(dep, "one")
	if r, err := d.store.DomainRelease(t.Context(), "www.example.org"); err != nil || r.ContentHash != "one" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAccessRaisesItsEpoch(t *testing.T) {
	d := newDeployer(t)
	a, err := d.store.AccessOf(t.Context(), d.app.ID, model.Preview)
	if err != nil || a.Mode != "" || a.Epoch != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	for want := int64(2); want < 4; want++ {
		a.Mode = "private"
		if err := d.store.SetAccess(t.Context(), a, d.audit("app.access.set")); err != nil {
			t.Fatal(err)
		}
		if a, err = d.store.AccessOf(t.Context(), d.app.ID, model.Preview); err != nil || a.Epoch != want {
			t.Errorf("epoch %d, want %d, %v", a.Epoch, want, err)
		}
	}
	r, err := d.store.CurrentRelease(t.Context(), "todo", model.Preview)
	if err != nil || r.AccessMode != "private" || r.AccessEpoch != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
