package vm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/model"
	"overskill/views/vm"
)

var publishedAt = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestStagesOfADeployment(t *testing.T) {
	for name, c := range map[string]struct {
		d    model.Deployment
		want string
	}{
		"not begun":        {model.Deployment{Status: model.DeployPending}, "wait wait wait wait wait"},
		"first":            {model.Deployment{Status: model.DeployBuilding, Stage: "build"}, "now wait wait wait wait"},
		"in the middle":    {model.Deployment{Status: model.DeployDeploying, Stage: "deploy"}, "done done now wait wait"},
		"failed":           {model.Deployment{Status: model.DeployFailed, Stage: "verify"}, "done done done fail wait"},
		"failed at once":   {model.Deployment{Status: model.DeployFailed}, "wait wait wait wait wait"},
		"stopped":          {model.Deployment{Status: model.DeploySuperseded, Stage: "deploy"}, "done done wait wait wait"},
		"looked at":        {model.Deployment{Status: model.DeployDeployed, Stage: "live", PromotedAt: publishedAt}, "done done done done done"},
		"was live":         {model.Deployment{Status: model.DeploySuperseded, Stage: "live", PromotedAt: publishedAt}, "done done done done done"},
		"taken back":       {model.Deployment{Status: model.DeployFailed, Stage: "promote", PromotedAt: publishedAt}, "done done done done fail"},
		"done":             {model.Deployment{Status: model.DeployDeployed, Stage: "promote"}, "done done done done done"},
		"an unknown stage": {model.Deployment{Status: model.DeployDeploying, Stage: "teleport"}, "wait wait wait wait wait"},
	} {
		t.Run(name, func(t *testing.T) {
			var rules []string
			for _, s := range vm.NewDeploymentDetail(model.Publication{}, c.d, publishedAt).Stages {
				rules = append(rules, s.Rule)
			}
			if got := strings.Join(rules, " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Only what was live once, and is not now, can be gone back to.
func TestGoBack(t *testing.T) {
	was := model.Deployment{ID: 4, Environment: model.Production, Status: model.DeploySuperseded, PromotedAt: publishedAt}
	for name, c := range map[string]struct {
		change func(*model.Deployment)
		live   *model.Deployment
		back   string
		pill   string
	}{
		"was live":         {func(*model.Deployment) {}, &model.Deployment{ID: 9}, "/apps/a/deployments/4/rollback", "Was live"},
		"is live":          {func(d *model.Deployment) { d.Status = model.DeployDeployed }, &was, "", "Live"},
		"was taken off":    {func(d *model.Deployment) { d.Status = model.DeployDeployed }, nil, "/apps/a/deployments/4/rollback", "Was live"},
		"was never live":   {func(d *model.Deployment) { d.PromotedAt = time.Time{} }, nil, "", "Overtaken"},
		"failed":           {func(d *model.Deployment) { d.Status, d.PromotedAt = model.DeployFailed, time.Time{} }, nil, "", "Failed"},
		"waits":            {func(d *model.Deployment) { d.Status, d.PromotedAt = model.DeployPending, time.Time{} }, nil, "", "Waiting"},
		"runs":             {func(d *model.Deployment) { d.Status, d.PromotedAt = model.DeployDeploying, time.Time{} }, nil, "", "Running"},
		"is of a preview":  {func(d *model.Deployment) { d.Environment = model.Preview }, nil, "", "Was live"},
		"was rolled back":  {func(d *model.Deployment) { d.Status = model.DeployRolledBack }, nil, "/apps/a/deployments/4/rollback", "Was live"},
		"failed when live": {func(d *model.Deployment) { d.Status = model.DeployFailed }, nil, "/apps/a/deployments/4/rollback", "Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := was
			c.change(&d)
			got := vm.NewDeploymentDetail(model.Publication{App: model.App{Slug: "a"}, Live: c.live, CanEdit: true}, d, publishedAt)
			if got.Back != c.back || got.Pill.Text != c.pill {
				t.Errorf("back to %q, %q; want %q, %q", got.Back, got.Pill.Text, c.back, c.pill)
			}
		})
	}
}

func TestWhatElseChanged(t *testing.T) {
	changes := func(c model.Changes) *vm.ChangeList {
		return vm.NewDeploymentDetail(model.Publication{}, model.Deployment{Changes: c}, publishedAt).Changes
	}
	if got := changes(model.Changes{Against: "1.0.0"}); got != nil {
		t.Errorf("no browser opened it, and yet %+v", got)
	}
	if got := changes(model.Changes{Against: "1.0.0", Opened: 1}); !got.Same || got.Opened != "1 route" {
		t.Errorf("%+v", got)
	}
	got := changes(model.Changes{Opened: 2, RoutesGone: []string{"/a"}, Pages: []model.PageChange{{Route: "/", PictureDiff: 0.004}, {Route: "/b", PictureDiff: 7}, {Route: "/c", TextAdded: []string{"x"}}}})
	want := &vm.ChangeList{Opened: "2 routes", Lists: []vm.NamedList{{Name: "Routes that are gone", Items: []string{"/a"}}}, Pages: []vm.PageChangeItem{
		{Route: "/", Picture: "less than 1% of the picture differs"}, {Route: "/b", Picture: "100% of the picture differs"}, {Route: "/c", Added: []string{"x"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What blocks does so by the policy of the team, and nothing else does.
func TestFindingsByPolicy(t *testing.T) {
	found := []model.Finding{{Severity: model.SeverityBlock, File: "a.ts", Line: 3}, {Severity: model.SeverityWarn, File: "b.ts"}, {Severity: model.SeverityInfo}}
	for policy, want := range map[model.GatePolicy][]string{
		model.GateBlock: {"Blocks a.ts:3", "Warning b.ts", "Note "},
		model.GateWarn:  {"Serious a.ts:3", "Warning b.ts", "Note "},
		"":              {"Blocks a.ts:3", "Warning b.ts", "Note "}, // a policy that nobody set is the strict one
	} {
		items, blocked := vm.NewFindings(found, policy)
		var got []string
		for _, item := range items {
			got = append(got, item.Pill.Text+" "+item.Where)
		}
		if diff := cmp.Diff(want, got); diff != "" || blocked == (policy == model.GateWarn) {
			t.Errorf("%q: blocked %v %s", policy, blocked, diff)
		}
	}
	if _, blocked := vm.NewFindings(found[1:], model.GateBlock); blocked {
		t.Error("a warning blocks")
	}
}

func TestPreviewKeepsItsToken(t *testing.T) {
	for _, c := range []struct{ base, route, frame string }{
		{"http://p.example/?_access=abc", "/", "http://p.example/?_access=abc"},
		{"http://p.example/?_access=abc", "/x?day=2#top", "http://p.example/x?day=2&_access=abc#top"},
		{"http://p.example/?_access=abc", "//evil.example/", "http://p.example/?_access=abc"},
		{"http://p.example/", "/x?y", "http://p.example/x?y"},
		{"javascript:alert(1)", "/", ""},
	} {
		p := vm.NewPreview(c.base, c.route)
		if p.Frame != c.frame || strings.Contains(p.Base, "_access") {
			t.Errorf("%s at %s: %q on %q", c.route, c.base, p.Frame, p.Base)
		}
	}
}

func TestSeenKeyChangesWithWhatIsShown(t *testing.T) {
	d := model.Deployment{ID: 1, Status: model.DeployPending}
	seen := map[string]bool{vm.SeenKey(nil): true}
	for i, change := range []func(){
		func() {}, func() { d.Status = model.DeployBuilding }, func() { d.Stage = "build" }, func() { d.Log = append(d.Log, model.DeployLine{}) }, func() { d.ID = 2 },
	} {
		change()
		if key := vm.SeenKey(&d); seen[key] {
			t.Errorf("change %d is not seen: %s", i, key)
		}
		seen[vm.SeenKey(&d)] = true
	}
	if vm.LifeWord(24*time.Hour) != "1 day" || vm.LifeWord(90*time.Minute) != "1h30m0s" {
		t.Error("a link's life is worded wrongly")
	}
}
