package store

import (
	"context"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

const noConnection = "There is no such connection."

// RoleIn returns what a person may do in a team, or NotFound when they are no member of it.
func (s *Store) RoleIn(ctx context.Context, teamID, userID int64) (model.Role, error) {
	var role model.Role
	err := s.db.NewRaw("select role from memberships where team_id = ? and user_id = ?", teamID, userID).Scan(ctx, &role)
	return role, orNotFound(err, "There is no such team.")
}

// AddConnection adds a connection of a team, or of the instance when the team is 0. A name that the team (or the
// instance) has already is a Conflict.
func (s *Store) AddConnection(ctx context.Context, c model.Connection) (model.Connection, error) {
	_, err := s.db.NewInsert().Model(&c).Returning("*").Exec(ctx)
	if violates(err, "model_connections_team_id_name_key") {
		return model.Connection{}, fault.New(fault.Conflict, "There is a connection called %q already. Remove it first, or choose another name.", c.Name)
	}
	return c, wrapf(err, "add connection %s", c.Name)
}

// Connections lists what a team can use: its own connections by name, then the instance's. Team 0 lists the
// instance's alone.
func (s *Store) Connections(ctx context.Context, teamID int64) ([]model.Connection, error) {
	var out []model.Connection
	err := s.db.NewSelect().Model(&out).Where("team_id = ? or team_id is null", teamID).
		OrderExpr("team_id is null, name").Scan(ctx)
	return out, wrapf(err, "list connections")
}

// DeleteConnection removes a connection of a team, or of the instance when the team is 0; another's is NotFound.
// Apps and teams that refer to it keep the reference, and say so when they are used.
func (s *Store) DeleteConnection(ctx context.Context, teamID, id int64) error {
	res, err := s.db.NewDelete().Model((*model.Connection)(nil)).Where("id = ? and coalesce(team_id, 0) = ?", id, teamID).Exec(ctx)
	if err != nil {
		return wrapf(err, "delete connection %d", id)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.NotFound, noConnection)
	}
	return nil
}

// TeamModel returns the reference of a team's default model; "" leaves the choice to the order of choice.
func (s *Store) TeamModel(ctx context.Context, teamID int64) (string, error) {
	var ref string
	err := s.db.NewRaw("select default_model from teams where id = ?", teamID).Scan(ctx, &ref)
	return ref, orNotFound(err, "There is no such team.")
}

// SetTeamModel sets the reference of a team's default model.
func (s *Store) SetTeamModel(ctx context.Context, teamID int64, ref string) error {
	_, err := s.db.ExecContext(ctx, "update teams set default_model = ? where id = ?", ref, teamID)
	return wrapf(err, "set model of team %d", teamID)
}

// SetAppModel sets the reference of the model that writes an app; "" is the team's choice.
func (s *Store) SetAppModel(ctx context.Context, appID int64, ref string) error {
	_, err := s.db.ExecContext(ctx, "update apps set model = ?, updated_at = now() where id = ?", ref, appID)
	return wrapf(err, "set model of app %d", appID)
}

// ModelTests returns what is known of the models behind some connections, given by their fingerprints.
func (s *Store) ModelTests(ctx context.Context, connections []string) ([]model.ModelTest, error) {
	if len(connections) == 0 {
		return nil, nil
	}
	var out []model.ModelTest
	err := s.db.NewSelect().Model(&out).Where("connection in (?)", bun.List(connections)).Order("connection", "model").Scan(ctx)
	return out, wrapf(err, "read model tests")
}

// SaveModelTest keeps the newest result of a model's test.
func (s *Store) SaveModelTest(ctx context.Context, t model.ModelTest) error {
	_, err := s.db.NewInsert().Model(&t).On("conflict (connection, model) do update").
		Set("ok = excluded.ok, reason = excluded.reason, tested_at = excluded.tested_at").Exec(ctx)
	return wrapf(err, "save test of %s", t.Model)
}
