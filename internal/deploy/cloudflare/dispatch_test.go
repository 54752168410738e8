package cloudflare

import (
	"slices"
	"strings"
	"testing"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/cloudflaretest"
)

// dispatching is a client in mode dispatch, with a zone and a namespace.
func dispatching(t *testing.T) *client {
	t.Helper()
	a := cloudflaretest.New(t)
	a.AddZone("example.com", "active")
	a.AddNamespace("apps")
	return open(t, a, func(cfg *Config) { cfg.Mode, cfg.Namespace, cfg.Zone = ModeDispatch, "apps", "apps.example.com" })
}

// leads returns the script that a host leads to.
func (c *client) leads(host string) string {
	return string(c.account.Objects("team-apps")["routes/"+host])
}

func TestDispatch(t *testing.T) {
	c := dispatching(t)
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	const own = "todo.apps.example.com"
	one := c.deploy(c.release(1, "1.0.0", plan.Embed))
	if one.ID != worker+"--d1" || one.URL != "https://d1-"+own || c.leads("d1-"+own) != one.ID || c.leads(own) != "" {
		t.Errorf("placed %+v; the site's host leads to %q", one, c.leads(own))
	}
	if live := c.promote(one.ID); live.URL != "https://"+own || c.leads(own) != one.ID {
		t.Errorf("live %+v", live)
	}
	if d, err := c.AttachDomain(t.Context(), production(), "www.example.com"); err != nil || d.State != DomainActive || c.leads("www.example.com") != one.ID {
		t.Errorf("%+v, %v", d, err)
	}
	two := c.deploy(c.release(2, "1.0.1", plan.Assets))
	if c.leads(own) != one.ID {
		t.Error("the second is live before Promote")
	}
	c.promote(two.ID)
	if c.leads(own) != two.ID || c.leads("www.example.com") != two.ID {
		t.Errorf("%s and %s", c.leads(own), c.leads("www.example.com"))
	}
	if _, err := c.Rollback(t.Context(), production(), one.ID); err != nil || c.leads(own) != one.ID || c.leads("www.example.com") != one.ID {
		t.Errorf("back: %v, %s", err, c.leads(own))
	}
	for _, id := range []string{worker + "--d9", "os-70-todo--d1", "", "../x"} {
		if _, err := c.Promote(t.Context(), production(), id); !fault.Is(err, fault.NotFound) || c.leads(own) != one.ID {
			t.Errorf("promote %q: %v", id, err)
		}
	}
	if _, err := c.PromoteGradually(t.Context(), production(), two.ID, 10); !fault.Is(err, fault.Invalid) {
		t.Errorf("gradually: %v", err)
	}
	if id, err := c.SetSecrets(t.Context(), production(), map[string]string{"NEW": "another-value"}); err != nil || id != "" {
		t.Errorf("%q, %v", id, err)
	}
	if s := c.account.Live("apps", one.ID).Secrets(); s["NEW"] == "" || s["PAYMENT_KEY"] != "" {
		t.Errorf("secrets %v", s)
	}
	if _, err := c.Logs(t.Context(), production(), c.cfg.Now()); !fault.Is(err, fault.Invalid) {
		t.Errorf("logs: %v", err)
	}
	c.clean(nil)
}

func TestDispatchLeavesNothing(t *testing.T) {
	c := dispatching(t)
	other := c.release(5, "1.0.0", plan.Assets)
	other.Site = target.Site{AppID: 70, Slug: "other", Environment: model.Production}
	placed := c.deploy(other)
	for id := int64(1); id < 4; id++ {
		c.promote(c.deploy(c.release(id, "1.0.0", plan.Embed)).ID)
	}
	got, err := c.Collect(t.Context(), Keep{
		Script: func(name string) bool { return name == placed.ID || name == worker+"--d3" }, Object: func(string) bool { return true },
	})
	if err != nil || !slices.Equal(got.Scripts, []string{worker + "--d1", worker + "--d2"}) || c.leads("d1-todo.apps.example.com") != "" {
		t.Errorf("collected %+v, %v", got, err)
	}
	if c.leads("todo.apps.example.com") != worker+"--d3" {
		t.Error("the live one was collected")
	}
	c.promote(c.deploy(c.release(4, "1.0.1", plan.Embed)).ID)
	if err := c.Tidy(t.Context(), production(), target.Kept{IDs: map[string]bool{worker + "--d4": true}}); err != nil {
		t.Fatal(err)
	}
	if left := c.account.Scripts("apps"); !slices.Equal(left, []string{worker + "--d4", placed.ID}) || c.leads("d3-todo.apps.example.com") != "" || c.leads("d4-todo.apps.example.com") == "" {
		t.Errorf("tidied: %v", left)
	}
	if err := c.Delete(t.Context(), production()); err != nil {
		t.Fatal(err)
	}
	if left := c.account.Scripts("apps"); !slices.Equal(left, []string{placed.ID}) {
		t.Errorf("left %v", left)
	}
	for key := range c.account.Objects("team-apps") {
		if strings.Contains(key, "todo") || strings.HasPrefix(key, "apps/7/") {
			t.Errorf("left %s", key)
		}
	}
}

// TestARouteOfOthersIsLeftAlone: somebody leads the zone's hosts elsewhere already.
func TestARouteOfOthersIsLeftAlone(t *testing.T) {
	c := dispatching(t)
	c.account.AddRoute("example.com", "*.apps.example.com/*", "somebodys-worker")
	if _, err := c.Deploy(t.Context(), c.release(1, "1.0.0", plan.Assets), quiet); !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), "somebodys-worker") {
		t.Errorf("%v", err)
	}
}
