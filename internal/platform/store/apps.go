package store

import (
	"context"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

const noApp = "There is no app at this address."

// visible narrows a query on apps (alias a) to those of the person's teams. Administrators see all.
// withPublished adds the number of the version that the public address shows.
const withPublished = `coalesce((select v.number from deployments d join app_versions v on v.id = d.version_id
	where d.app_id = a.id and d.environment = 'production' and d.status = 'deployed' limit 1), '') as published`

func visible(q *bun.SelectQuery, u model.User) *bun.SelectQuery {
	if u.Admin {
		return q
	}
	return q.Where("a.team_id in (select team_id from memberships where user_id = ?)", u.ID)
}

// AppBySlug returns an app that the person may see. One of other people is NotFound, like one that does
// not exist.
func (s *Store) AppBySlug(ctx context.Context, u model.User, slug string) (model.App, error) {
	var app model.App
	err := visible(s.db.NewSelect().Model(&app).ColumnExpr("a.*").ColumnExpr(withPublished).Where("a.slug = ?", slug), u).Scan(ctx)
	return app, orNotFound(err, noApp)
}

// AppForEdit is AppBySlug for somebody who wants to change the app: a viewer is Forbidden.
func (s *Store) AppForEdit(ctx context.Context, u model.User, slug string) (model.App, error) {
	app, err := s.AppBySlug(ctx, u, slug)
	if err != nil || u.Admin {
		return app, err
	}
	var role model.Role
	err = s.db.NewRaw("select role from memberships where team_id = ? and user_id = ?", app.TeamID, u.ID).Scan(ctx, &role)
	if err != nil {
		return model.App{}, orNotFound(err, noApp)
	}
	if !role.CanEdit() {
		return model.App{}, fault.New(fault.Forbidden, "You can look at this app, but your role does not let you change it.")
	}
	return app, nil
}

// App returns an app by id, for work that runs without a person.
func (s *Store) App(ctx context.Context, id int64) (model.App, error) {
	var app model.App
	err := s.db.NewSelect().Model(&app).Where("id = ?", id).Scan(ctx)
	return app, orNotFound(err, noApp)
}

// Apps lists the apps that a person may see, at most 500.
func (s *Store) Apps(ctx context.Context, u model.User, q model.AppQuery) ([]model.AppCard, error) {
	var apps []model.App
	sel := visible(s.db.NewSelect().Model(&apps).ColumnExpr("a.*").ColumnExpr(withPublished).Limit(500), u)
	if q.Search != "" {
		sel = sel.Where("a.name || ' ' || a.slug || ' ' || a.prompt ilike '%' || ? || '%'", escapeLike(q.Search))
	}
	if q.Status != "" {
		sel = sel.Where("a.status = ?", q.Status)
	}
	switch q.Sort {
	case "name":
		sel = sel.OrderExpr("lower(a.name), a.id")
	case "created":
		sel = sel.OrderExpr("a.created_at desc, a.id desc")
	default:
		sel = sel.OrderExpr("a.updated_at desc, a.id desc")
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, wrapf(err, "list apps")
	}
	return s.cards(ctx, apps)
}

func (s *Store) cards(ctx context.Context, apps []model.App) ([]model.AppCard, error) {
	if len(apps) == 0 {
		return nil, nil
	}
	var heads, people []int64
	for _, a := range apps {
		heads, people = append(heads, a.HeadVersionID), append(people, a.CreatedBy)
	}
	var versions []model.Version
	if err := s.db.NewSelect().Model(&versions).Where("id in (?)", bun.List(heads)).Scan(ctx); err != nil {
		return nil, wrapf(err, "read heads")
	}
	var users []model.User
	if err := s.db.NewSelect().Model(&users).Where("id in (?)", bun.List(people)).Scan(ctx); err != nil {
		return nil, wrapf(err, "read authors")
	}
	headOf, userOf := map[int64]model.Version{}, map[int64]model.User{}
	for _, v := range versions {
		headOf[v.ID] = v
	}
	for _, u := range users {
		userOf[u.ID] = u
	}
	out := make([]model.AppCard, len(apps))
	for i, a := range apps {
		head := headOf[a.HeadVersionID]
		out[i] = model.AppCard{App: a, Head: head, Author: userOf[a.CreatedBy], HasScreenshot: head.ScreenshotHash != ""}
	}
	return out, nil
}

// RenameApp changes the name that people see; slug and addresses stay.
func (s *Store) RenameApp(ctx context.Context, appID int64, name string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "update apps set name = ?, updated_at = now() where id = ?", name, appID); err != nil {
			return err
		}
		return appendAppEvent(ctx, tx, appID)
	})
}

// DeleteApp removes an app with all its versions, messages and events, unless a turn of it is running.
// Blobs that only it used stay until they are collected.
func (s *Store) DeleteApp(ctx context.Context, appID int64) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select 1 from apps where id = ? for update", appID); err != nil {
			return err
		}
		busy, err := tx.NewSelect().Model((*model.Version)(nil)).
			Where("app_id = ? and status in ('queued', 'building')", appID).Exists(ctx)
		if err != nil {
			return err
		}
		if busy {
			return fault.New(fault.Conflict, "A change is being built. Stop it first, then delete the app.")
		}
		_, err = tx.ExecContext(ctx, "delete from apps where id = ?", appID)
		return err
	})
}

// appendAppEvent tells listeners what an app is like now.
func appendAppEvent(ctx context.Context, tx bun.IDB, appID int64) error {
	var app model.App
	if err := tx.NewSelect().Model(&app).Where("id = ?", appID).Scan(ctx); err != nil {
		return wrapf(err, "read app")
	}
	return appendEvent(ctx, tx, appID, 0, model.EventApp,
		model.AppEvent{Name: app.Name, Status: app.Status, DeploymentStatus: app.DeploymentStatus})
}

// escapeLike keeps %, _ and \ in a search literal.
func escapeLike(s string) string {
	var out []rune
	for _, r := range s {
		if r == '%' || r == '_' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
