package release

import (
	"context"
	"net/url"
	"time"
	"unicode/utf8"

	"overskill/internal/deploy/access"
	"overskill/internal/fault"
	"overskill/internal/model"
)

const (
	// previewLinkFor is how long the link works by which the builder itself opens a preview. The session that it starts
	// lasts longer.
	previewLinkFor   = 5 * time.Minute
	minLink, maxLink = time.Hour, 30 * 24 * time.Hour
	minPassword      = 6 // characters
	maxPassword      = 200
	modePublic       = string(access.Public)
	modePassword     = string(access.Password)
	modePrivate      = string(access.Private)
)

// accessOf returns who may open an app, with what holds while nobody chose.
func (s *Service) accessOf(ctx context.Context, appID int64, env model.Environment) (model.AppAccess, error) {
	a, err := s.Store.AccessOf(ctx, appID, env)
	a.PasswordHash = ""
	if a.Mode == "" {
		a.Mode = string(Rule(s.Key, appID, env, "", "", 1).Mode)
	}
	return a, err
}

// SetAccess says who may open an app. All links and sessions of before end.
func (s *Service) SetAccess(ctx context.Context, u model.User, slug string, env model.Environment, mode, password string) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	a := model.AppAccess{AppID: app.ID, Environment: env, Mode: mode}
	switch err := environment(env); {
	case err != nil:
		return err
	case mode != modePublic && mode != modePassword && mode != modePrivate:
		return fault.New(fault.Invalid, "Choose who may open the app: everybody, people with the password, or people with a link.")
	case mode == modePassword && (utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword):
		return fault.New(fault.Invalid, "A password has between %d and %d characters.", minPassword, maxPassword)
	case mode == modePassword:
		if a.PasswordHash, err = access.HashPassword(password); err != nil {
			return err
		}
	}
	if err := s.Store.SetAccess(ctx, a, audit(app, u, "app.access.set", map[string]any{"environment": env, "mode": mode})); err != nil {
		return err
	}
	return s.syncSettings(ctx, u, app, env, "It is saved")
}

// RevokeLinks ends every link and session.
func (s *Service) RevokeLinks(ctx context.Context, u model.User, slug string, env model.Environment) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	if err := environment(env); err != nil {
		return err
	}
	a, err := s.Store.AccessOf(ctx, app.ID, env)
	if err != nil {
		return err
	}
	if a.Mode == "" {
		a.Mode = string(Rule(s.Key, app.ID, env, "", "", 1).Mode)
	}
	if err := s.Store.SetAccess(ctx, a, audit(app, u, "app.access.revoke", map[string]any{"environment": env})); err != nil {
		return err
	}
	return s.syncSettings(ctx, u, app, env, "It is saved")
}

// ShareLink makes a link that opens an app whose environment is private, for between an hour and 30 days.
func (s *Service) ShareLink(ctx context.Context, u model.User, slug string, env model.Environment, ttl time.Duration) (string, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return "", err
	}
	if err := environment(env); err != nil {
		return "", err
	}
	if ttl < minLink || ttl > maxLink {
		return "", fault.New(fault.Invalid, "A link works for between 1 hour and 30 days.")
	}
	return s.link(ctx, app, env, ttl)
}

// PreviewLink is the address at which the builder shows a preview to somebody who may see the app.
func (s *Service) PreviewLink(ctx context.Context, u model.User, slug string) (string, error) {
	app, err := s.Store.AppBySlug(ctx, u, slug)
	if err != nil {
		return "", err
	}
	return s.link(ctx, app, model.Preview, previewLinkFor)
}

func (s *Service) link(ctx context.Context, app model.App, env model.Environment, ttl time.Duration) (string, error) {
	base := s.Addresses.Public(app.Slug, env)
	if env == model.Production {
		if live, err := s.Store.CurrentDeployment(ctx, app.ID, env); err == nil && live.URL != "" {
			base = live.URL
		}
	}
	rule, err := s.rule(ctx, app.ID, env)
	if err != nil || rule.Mode == access.Public {
		return base, err
	}
	return rule.Link(base, ttl, time.Now())
}

// CheckAccess is the token by which the checker opens one address, however private it is.
func (s *Service) CheckAccess(ctx context.Context, appID int64, env model.Environment, address string) (string, error) {
	rule, err := s.rule(ctx, appID, env)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return rule.Token(u.Host, checkToken, time.Now()), nil
}
