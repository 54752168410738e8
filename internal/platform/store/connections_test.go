package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/model"
)

func TestConnectionsBelongToATeamOrToTheInstance(t *testing.T) {
	s, ctx := open(t), t.Context()
	ann, ben := newUser(t, s, "ann@example.com"), newUser(t, s, "ben@example.com")
	annes, err := s.PersonalTeam(ctx, ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	bens, err := s.PersonalTeam(ctx, ben.ID)
	if err != nil {
		t.Fatal(err)
	}
	add := func(team int64, name string) model.Connection {
		t.Helper()
		c, err := s.AddConnection(ctx, model.Connection{
			TeamID: team, Name: name, Kind: model.OpenAI, BaseURL: "https://example.com/v1", SealedKey: []byte{1, 2}, KeyHint: "sk-a...wxyz", CreatedBy: ann.ID,
		})
		if err != nil || c.ID == 0 || c.CreatedAt.IsZero() {
			t.Fatalf("add %s: %+v, %v", name, c, err)
		}
		return c
	}
	own, shared := add(annes, "zed"), add(0, "house")
	add(bens, "zed")
	for _, team := range []int64{annes, 0} {
		name := map[int64]string{annes: "zed", 0: "house"}[team]
		if _, err := s.AddConnection(ctx, model.Connection{TeamID: team, Name: name, Kind: model.OpenAI}); !fault.Is(err, fault.Conflict) {
			t.Errorf("a name of team %d again: %v, want a conflict", team, err)
		}
	}
	if _, err := s.AddConnection(ctx, model.Connection{Name: "Not A Name", Kind: model.OpenAI}); err == nil {
		t.Error("an impossible name was taken")
	}
	got, err := s.Connections(ctx, annes)
	if diff := cmp.Diff([]model.Connection{own, shared}, got); err != nil || diff != "" {
		t.Errorf("Anne's: %v (-want +got):\n%s", err, diff)
	}
	if got, err := s.Connections(ctx, 0); err != nil || len(got) != 1 || got[0].ID != shared.ID || got[0].TeamID != 0 {
		t.Errorf("the instance's: %+v, %v", got, err)
	}

	for _, wrong := range [][2]int64{{bens, own.ID}, {0, own.ID}, {annes, shared.ID}, {annes, 1 << 40}} {
		if err := s.DeleteConnection(ctx, wrong[0], wrong[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("team %d deletes %d: %v, want not found", wrong[0], wrong[1], err)
		}
	}
	for team, id := range map[int64]int64{annes: own.ID, 0: shared.ID} {
		if err := s.DeleteConnection(ctx, team, id); err != nil {
			t.Error(err)
		}
	}
	if got, err := s.Connections(ctx, annes); err != nil || len(got) != 0 {
		t.Errorf("left: %+v, %v", got, err)
	}
}

func TestRolesAndModelsOfTeamsAndApps(t *testing.T) {
	s, ctx := open(t), t.Context()
	ann, ben := newUser(t, s, "ann@example.com"), newUser(t, s, "ben@example.com")
	app, _, _ := newApp(t, s, ann, "app")
	if role, err := s.RoleIn(ctx, app.TeamID, ann.ID); err != nil || role != model.Owner {
		t.Errorf("Anne is %q, %v", role, err)
	}
	if _, err := s.RoleIn(ctx, app.TeamID, ben.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("Ben: %v, want not found", err)
	}
	if ref, err := s.TeamModel(ctx, app.TeamID); err != nil || ref != "" {
		t.Errorf("a new team's model %q, %v", ref, err)
	}
	if _, err := s.TeamModel(ctx, 1<<40); !fault.Is(err, fault.NotFound) {
		t.Errorf("no team: %v, want not found", err)
	}
	if err := s.SetTeamModel(ctx, app.TeamID, "house/m"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAppModel(ctx, app.ID, "composer"); err != nil {
		t.Fatal(err)
	}
	if ref, err := s.TeamModel(ctx, app.TeamID); err != nil || ref != "house/m" {
		t.Errorf("the team's model %q, %v", ref, err)
	}
	if app, err := s.App(ctx, app.ID); err != nil || app.Model != "composer" {
		t.Errorf("the app's model %q, %v", app.Model, err)
	}
}

func TestTheNewestModelTestCounts(t *testing.T) {
	s, ctx := open(t), t.Context()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, test := range []model.ModelTest{
		{Connection: "a", Model: "m", Reason: "It called no tool.", TestedAt: at},
		{Connection: "a", Model: "m", OK: true, TestedAt: at.Add(time.Hour)},
		{Connection: "b", Model: "m", Reason: "It invented a tool.", TestedAt: at},
		{Connection: "c", Model: "m", OK: true, TestedAt: at},
	} {
		if err := s.SaveModelTest(ctx, test); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.ModelTests(ctx, []string{"a", "b", "unknown"})
	want := []model.ModelTest{
		{Connection: "a", Model: "m", OK: true, TestedAt: at.Add(time.Hour)},
		{Connection: "b", Model: "m", Reason: "It invented a tool.", TestedAt: at},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := s.ModelTests(ctx, nil); err != nil || got != nil {
		t.Errorf("of no connection: %v, %v", got, err)
	}
}

func TestLocks(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, turn, _ := newApp(t, s, u, "locked")
	other, _, _ := newApp(t, s, u, "other")
	paths := func(appID int64) (out []string) {
		t.Helper()
		locks, err := s.Locks(ctx, appID)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range locks {
			if l.LockedBy != u.ID || l.CreatedAt.IsZero() {
				t.Errorf("lock %+v", l)
			}
			out = append(out, l.Path)
		}
		return out
	}
	for _, step := range []struct {
		path string
		on   bool
		want []string
	}{
		{"src/b.tsx", true, []string{"src/b.tsx"}},
		{"src/a.tsx", true, []string{"src/a.tsx", "src/b.tsx"}},
		{"src/a.tsx", true, []string{"src/a.tsx", "src/b.tsx"}},
		{"src/b.tsx", false, []string{"src/a.tsx"}},
		{"src/b.tsx", false, []string{"src/a.tsx"}},
	} {
		if err := s.SetLock(ctx, app.ID, step.path, u.ID, step.on); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, paths(app.ID)); diff != "" {
			t.Errorf("after %+v (-want +got):\n%s", step, diff)
		}
	}
	if got := paths(other.ID); got != nil {
		t.Errorf("another app's locks: %v", got)
	}
	if err := s.SetLock(ctx, app.ID, "../etc/passwd", u.ID, true); !fault.Is(err, fault.Invalid) {
		t.Errorf("an impossible path: %v, want invalid", err)
	}
	for i := range 500 {
		if err := s.SetLock(ctx, other.ID, fmt.Sprintf("src/%d.ts", i), u.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetLock(ctx, other.ID, "src/one-more.ts", u.ID, true); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many: %v, want too large", err)
	}
	if err := s.SetLock(ctx, other.ID, "src/7.ts", u.ID, true); err != nil {
		t.Errorf("locking a locked one at the limit: %v", err)
	}
	if err := s.EndTurn(ctx, turn.Version, model.VersionFailed, "", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteApp(ctx, app.ID); err != nil {
		t.Errorf("delete an app with locks: %v", err)
	}
}
