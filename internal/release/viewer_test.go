package release_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// join makes a person a member of the app's team.
func (w *world) join(u model.User, role model.Role) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.url)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	if _, err := conn.Exec(w.Context(), "insert into memberships (team_id, user_id, role) values ($1, $2, $3)", w.app.TeamID, u.ID, role); err != nil {
		w.Fatal(err)
	}
}

// TestRolesOfAPublication: the page is told what its reader may do, and it is what the uses allow.
func TestRolesOfAPublication(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		role         model.Role
		edit, manage bool
	}{
		{model.Viewer, false, false}, {model.Editor, true, false}, {model.Admin, true, true}, {model.Owner, true, true},
	} {
		u := w.person(string(c.role) + "@example.com")
		w.join(u, c.role)
		p, err := w.Publication(t.Context(), u, "todo")
		if err != nil || p.CanEdit != c.edit {
			t.Errorf("%s: may edit %v, %v", c.role, p.CanEdit, err)
		}
		target, _, err := w.DeployTarget(t.Context(), u, w.app.TeamID)
		if err != nil || target.CanManage != c.manage {
			t.Errorf("%s: may manage %v, %v", c.role, target.CanManage, err)
		}
		err = w.SetVar(t.Context(), u, "todo", model.Preview, "KEY", "value")
		if err == nil != c.edit || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s sets a variable: %v", c.role, err)
		}
		err = w.SetDeployTarget(t.Context(), u, w.app.TeamID, model.NewDeployTarget{Kind: model.TargetLocal})
		if err == nil != c.manage || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s sets the target: %v", c.role, err)
		}
	}
	root := w.ada
	root.ID, root.Admin = 0, true
	if p, err := w.Publication(t.Context(), root, "todo"); err != nil || !p.CanEdit {
		t.Errorf("an administrator: %v %v", p.CanEdit, err)
	}
}
