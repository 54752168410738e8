package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/vm"
)

// environmentOf reads the name of an environment.
func environmentOf(name string) (model.Environment, error) {
	switch env := model.Environment(name); env {
	case model.Preview, model.Production:
		return env, nil
	}
	return "", fault.New(fault.Invalid, "The environment is preview or production.")
}

// formEnvironment reads the environment that a form is about.
func formEnvironment(c echo.Context) (model.Environment, error) {
	return environmentOf(c.FormValue("environment"))
}

// at lets edit change the place of an environment; a page always has both.
func at(p *vm.Publish, env model.Environment, edit func(*vm.Place)) {
	for i := range p.Places {
		if p.Places[i].Key == string(env) {
			edit(&p.Places[i])
		}
	}
}

func (s *server) setVar(c echo.Context) error {
	env, err := formEnvironment(c)
	key, keyErr := text(c, "key")
	value, valueErr := text(c, "value")
	for _, e := range []error{keyErr, valueErr} {
		if err == nil {
			err = e
		}
	}
	if err == nil {
		err = s.Releases.SetVar(c.Request().Context(), me(c), c.Param("slug"), env, key, value)
	}
	return s.publishDone(c, "var", err, func(p *vm.Publish, sentence string) {
		p.Var = vm.VarForm{Error: sentence, Env: string(env), Key: key}
	})
}

func (s *server) deleteVar(c echo.Context) error {
	env, err := formEnvironment(c)
	key, keyErr := text(c, "key")
	if err == nil {
		err = keyErr
	}
	if err == nil {
		err = s.Releases.DeleteVar(c.Request().Context(), me(c), c.Param("slug"), env, key)
	}
	return s.publishDone(c, "var-gone", err, publishWrong)
}

func (s *server) setAccess(c echo.Context) error {
	env, err := formEnvironment(c)
	mode := c.FormValue("mode")
	password, textErr := text(c, "password")
	if err == nil {
		err = textErr
	}
	if err == nil {
		err = s.Releases.SetAccess(c.Request().Context(), me(c), c.Param("slug"), env, mode, password)
	}
	return s.publishDone(c, "access", err, func(p *vm.Publish, sentence string) {
		if env == "" {
			p.Error = sentence
		}
		at(p, env, func(place *vm.Place) { place.Error, place.Mode = sentence, mode })
	})
}

// shareLink prints the page with a new link on it: an address would keep it in the history of the browser.
func (s *server) shareLink(c echo.Context) error {
	env, err := formEnvironment(c)
	var ttl time.Duration
	if err == nil {
		if ttl, err = time.ParseDuration(c.FormValue("ttl")); err != nil {
			err = fault.Wrap(err, fault.Invalid, "Choose how long the link is to be good.")
		}
	}
	var link string
	if err == nil {
		link, err = s.Releases.ShareLink(c.Request().Context(), me(c), c.Param("slug"), env, ttl)
	}
	if err != nil {
		return s.publishDone(c, "", err, func(p *vm.Publish, sentence string) {
			if env == "" {
				p.Error = sentence
			}
			at(p, env, func(place *vm.Place) { place.LinkError, place.TTL = sentence, c.FormValue("ttl") })
		})
	}
	return s.showPublish(c, http.StatusOK, func(p *vm.Publish) {
		at(p, env, func(place *vm.Place) {
			place.Link, place.LinkEnds, place.TTL = link, vm.LifeWord(ttl), c.FormValue("ttl")
		})
	})
}

func (s *server) revokeLinks(c echo.Context) error {
	env, err := formEnvironment(c)
	if err == nil {
		err = s.Releases.RevokeLinks(c.Request().Context(), me(c), c.Param("slug"), env)
	}
	return s.publishDone(c, "revoked", err, publishWrong)
}

func (s *server) addDomain(c echo.Context) error {
	name, err := text(c, "name")
	if err == nil {
		_, err = s.Releases.AddDomain(c.Request().Context(), me(c), c.Param("slug"), name)
	}
	return s.publishDone(c, "domain", err, func(p *vm.Publish, sentence string) {
		p.Domain = vm.DomainForm{Error: sentence, Name: name}
	})
}

// checkDomain leads back to the domain, which says what its DNS holds now.
func (s *server) checkDomain(c echo.Context) error {
	id, err := numberParam(c, "domain")
	var d model.Domain
	if err == nil {
		d, err = s.Releases.CheckDomain(c.Request().Context(), me(c), c.Param("slug"), id)
	}
	if err == nil && isFragment(c) {
		return s.showDomain(c, d)
	}
	if err == nil {
		return c.Redirect(http.StatusSeeOther, publishPath(c)+"#domain-"+c.Param("id"))
	}
	return s.publishDone(c, "", err, publishWrong)
}

func (s *server) removeDomain(c echo.Context) error {
	id, err := numberParam(c, "domain")
	if err == nil {
		err = s.Releases.RemoveDomain(c.Request().Context(), me(c), c.Param("slug"), id)
	}
	return s.publishDone(c, "domain-gone", err, publishWrong)
}

// showDomain is the row of a domain, for a page that looks again by itself.
func (s *server) showDomain(c echo.Context, d model.Domain) error {
	p, err := s.Releases.Publication(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	asked, err := strconv.Atoi(c.FormValue("asked"))
	if err != nil || asked < 0 {
		asked = 0
	}
	return render(c, http.StatusOK, page.Domain(s.shell(c, "").CSRF, p.CanEdit, vm.NewDomainItem(p, d, asked+1, now())))
}

const targetPath = "/team/deploy"

func (s *server) targetPage(c echo.Context) error {
	return s.showTarget(c, http.StatusOK, func(t *vm.Targets) {
		if c.QueryParam("done") == "saved" {
			t.Done = "Saved. It counts from the next deployment of each app on."
		}
	})
}

// showTarget prints the page; edit puts in what came back of a form.
func (s *server) showTarget(c echo.Context, status int, edit func(*vm.Targets)) error {
	target, permissions, err := s.Releases.DeployTarget(c.Request().Context(), me(c), team(c))
	if err != nil {
		return err
	}
	shell := s.shell(c, "Where apps are published")
	shell.Active = "settings"
	v := vm.NewTargets(shell, targetPath, target, permissions)
	edit(&v)
	return render(c, status, page.Targets(v))
}

// setTarget keeps the choice. The form comes back without the token: what was typed as a secret is not printed.
func (s *server) setTarget(c echo.Context) error {
	var err error
	field := func(name string) string {
		value, e := text(c, name)
		if err == nil {
			err = e
		}
		return value
	}
	n := model.NewDeployTarget{
		Kind: model.TargetKind(field("kind")), AccountID: field("account_id"), Token: c.FormValue("token"), Mode: field("mode"), Namespace: field("namespace"),
		Bucket: field("bucket"), Zone: field("zone"), Gate: field("gate"),
	}
	if err == nil {
		err = s.Releases.SetDeployTarget(c.Request().Context(), me(c), team(c), n)
	}
	if err == nil {
		return c.Redirect(http.StatusSeeOther, targetPath+"?done=saved")
	}
	if !shown(err) {
		return err
	}
	return s.showTarget(c, fault.HTTPStatus(fault.KindOf(err)), func(t *vm.Targets) {
		t.Form = vm.TargetForm{
			Error: fault.Text(err), Kind: string(n.Kind), AccountID: n.AccountID, Mode: n.Mode, Namespace: n.Namespace, Bucket: n.Bucket, Zone: n.Zone, Gate: n.Gate,
		}
	})
}

// testTarget says what the saved target answers now.
func (s *server) testTarget(c echo.Context) error {
	found, err := s.Releases.TestDeployTarget(c.Request().Context(), me(c), team(c))
	if err != nil && !shown(err) {
		return err
	}
	return s.showTarget(c, fault.HTTPStatus(fault.KindOf(err)), func(t *vm.Targets) {
		t.Found = found
		if err != nil {
			t.Found, t.FoundWrong = fault.Text(err), true
		}
	})
}
