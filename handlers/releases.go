package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/part"
	"overskill/views/vm"
)

// releaseRoutes are the pages that publish an app, below /apps.
func (s *server) releaseRoutes(apps *echo.Group) {
	apps.GET("/:slug/open", s.openApp)
	apps.GET("/:slug/publish", s.publishTab)
	apps.POST("/:slug/publish", s.publish)
	apps.GET("/:slug/publish/state", s.publishState)
	apps.GET("/:slug/publish/check", s.checkRelease)
	apps.GET("/:slug/publish/server", s.serverLog)
	apps.GET("/:slug/publish/*", s.backToPublish)
	apps.POST("/:slug/publish/:id/cancel", s.cancelDeployment)
	apps.POST("/:slug/publish/unpublish", s.unpublish)
	apps.POST("/:slug/publish/access", s.setAccess)
	apps.POST("/:slug/publish/link", s.shareLink)
	apps.POST("/:slug/publish/revoke", s.revokeLinks)
	apps.POST("/:slug/publish/vars", s.setVar)
	apps.POST("/:slug/publish/vars/delete", s.deleteVar)
	apps.POST("/:slug/publish/domains", s.addDomain)
	apps.POST("/:slug/publish/domains/:id/check", s.checkDomain)
	apps.POST("/:slug/publish/domains/:id/delete", s.removeDomain)
	apps.GET("/:slug/deployments/:id", s.deployment)
	apps.GET("/:slug/deployments/:id/shot.png", s.deploymentShot)
	apps.POST("/:slug/deployments/:id/rollback", s.rollback)
}

func publishPath(c echo.Context) string { return "/apps/" + c.Param("slug") + "/publish" }

// preview is a route of an app as the builder's frame shows it. A link that cannot be made is no reason to lose the
// page: who needs one then reads that the preview is private.
func (s *server) preview(c echo.Context, app model.App, route string) vm.Preview {
	if app.PreviewURL != "" {
		link, err := s.Releases.PreviewLink(c.Request().Context(), me(c), app.Slug)
		if err != nil {
			s.Log.WarnContext(c.Request().Context(), "no link to the preview", "request_id", requestID(c), "app", app.Slug, "error", err)
		} else {
			app.PreviewURL = link
			s.allowFrames(c, app)
		}
	}
	p := vm.NewPreview(app.PreviewURL, route)
	p.Open = "/apps/" + app.Slug + "/open?" + url.Values{"route": {p.Route}}.Encode()
	return p
}

// openApp leads to a route of the preview, with a link that is good now. Script asks for the address alone.
func (s *server) openApp(c echo.Context) error {
	app, err := s.Builder.App(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	p := s.preview(c, app, c.QueryParam("route"))
	switch {
	case p.Frame == "":
		return fault.New(fault.NotFound, "Nothing is live yet. The first green version of %s appears in the builder.", app.Name)
	case isFragment(c):
		return c.String(http.StatusOK, p.Frame)
	}
	return c.Redirect(http.StatusSeeOther, p.Frame)
}

func (s *server) publishTab(c echo.Context) error {
	return s.showPublish(c, http.StatusOK, func(p *vm.Publish) {
		p.Done = vm.PublishedSentence(c.QueryParam("done"))
		p.Var.Env, p.Var.Key = c.QueryParam("environment"), c.QueryParam("replace")
		p.Var.Replace = p.Var.Key != ""
	})
}

// backToPublish is what a browser gets that loads again what a form answered.
func (s *server) backToPublish(c echo.Context) error {
	return c.Redirect(http.StatusSeeOther, publishPath(c))
}

// showPublish prints the tab; edit puts in what came back of a form.
func (s *server) showPublish(c echo.Context, status int, edit func(*vm.Publish)) error {
	b, _, err := s.open(c, "publish")
	if err != nil {
		return err
	}
	publication, err := s.Releases.Publication(c.Request().Context(), me(c), b.App.Slug)
	if err != nil {
		return err
	}
	b.Publish = vm.NewPublish(publication, b.CSRF, now())
	if c.QueryParam("check") != "" && c.Request().Method == http.MethodGet {
		if b.Publish.Check, err = s.check(c, publication); err != nil {
			return err
		}
	}
	if c.QueryParam("server") != "" && b.Publish.Server.There {
		if b.Publish.Server, err = s.readServerLog(c); err != nil {
			return err
		}
	}
	edit(&b.Publish)
	return s.show(c, status, b)
}

// shown reports whether an error is one that the page can say, with everything else still on it.
func shown(err error) bool {
	return rejected(err) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Forbidden)
}

// publishDone leads back to the tab, which says what was done; or prints it with what went wrong.
func (s *server) publishDone(c echo.Context, word string, err error, edit func(*vm.Publish, string)) error {
	if err == nil {
		if word != "" {
			word = "?done=" + word
		}
		return c.Redirect(http.StatusSeeOther, publishPath(c)+word)
	}
	if !shown(err) {
		return err
	}
	return s.showPublish(c, fault.HTTPStatus(fault.KindOf(err)), func(p *vm.Publish) { edit(p, fault.Text(err)) })
}

func publishWrong(p *vm.Publish, sentence string) { p.Error = sentence }

func (s *server) publish(c echo.Context) error {
	number, err := text(c, "version")
	if err == nil {
		_, err = s.Releases.Publish(c.Request().Context(), me(c), c.Param("slug"), number)
	}
	return s.publishDone(c, "", err, publishWrong)
}

// publishState is what a page that shows a running deployment asks for once a second. It answers nothing while
// there is nothing new.
func (s *server) publishState(c echo.Context) error {
	if !isFragment(c) {
		return c.Redirect(http.StatusSeeOther, publishPath(c))
	}
	p, err := s.Releases.Publication(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	if c.QueryParam("seen") == vm.SeenKey(p.Running) {
		return c.NoContent(http.StatusNoContent)
	}
	return render(c, http.StatusOK, part.PublishNews(vm.NewPublish(p, s.shell(c, "").CSRF, now())))
}

// check runs the gate. What keeps it from running is part of the card.
func (s *server) check(c echo.Context, p model.Publication) (vm.Check, error) {
	out := vm.Check{
		Path: publishPath(c), Number: p.Head.Number, Can: p.Head.Number != "", Made: true, CSRF: s.shell(c, "").CSRF, Messages: "/apps/" + p.App.Slug + "/messages",
	}
	if !out.Can {
		return vm.Check{}, fault.New(fault.NotFound, "There is no green version to check yet.")
	}
	found, err := s.Releases.CheckRelease(c.Request().Context(), me(c), p.App.Slug)
	if err != nil {
		if !shown(err) {
			return vm.Check{}, err
		}
		out.Made, out.Error = false, fault.Text(err)
	}
	out.Findings, out.Blocked = vm.NewFindings(found, p.Target.Gate)
	return out, nil
}

func (s *server) checkRelease(c echo.Context) error {
	if !isFragment(c) {
		return c.Redirect(http.StatusSeeOther, publishPath(c)+"?check=1#pub-check")
	}
	p, err := s.Releases.Publication(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	made, err := s.check(c, p)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, part.Check(made))
}

func (s *server) readServerLog(c echo.Context) (vm.ServerLog, error) {
	out := vm.ServerLog{There: true, Read: true}
	lines, err := s.Releases.ServerLogs(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		if !shown(err) {
			return vm.ServerLog{}, err
		}
		out.Error = fault.Text(err)
	}
	out.Lines = vm.NewDeployLog(lines)
	return out, nil
}

func (s *server) serverLog(c echo.Context) error {
	if !isFragment(c) {
		return c.Redirect(http.StatusSeeOther, publishPath(c)+"?server=1#pub-server")
	}
	read, err := s.readServerLog(c)
	if err != nil {
		return err
	}
	read.Follows = c.QueryParam("follow") != "" && read.Error == ""
	return render(c, http.StatusOK, part.ServerLog(publishPath(c), read))
}

// numberParam reads the deployment or the domain that an address names.
func numberParam(c echo.Context, what string) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, fault.New(fault.NotFound, "There is no such %s.", what)
	}
	return id, nil
}

func (s *server) cancelDeployment(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err == nil {
		err = s.Releases.CancelDeployment(c.Request().Context(), me(c), c.Param("slug"), id)
	}
	return s.publishDone(c, "cancelled", err, publishWrong)
}

func (s *server) rollback(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err == nil {
		_, err = s.Releases.Rollback(c.Request().Context(), me(c), c.Param("slug"), id)
	}
	return s.publishDone(c, "", err, publishWrong)
}

func (s *server) unpublish(c echo.Context) error {
	slug := c.Param("slug")
	if typed := strings.TrimSpace(c.FormValue("slug")); typed != slug {
		err := fault.New(fault.Invalid, "To take this app off its address, type its name %s. Nothing was changed.", slug)
		return s.publishDone(c, "", err, publishWrong)
	}
	return s.publishDone(c, "unpublished", s.Releases.Unpublish(c.Request().Context(), me(c), slug), publishWrong)
}

// deployment is the page of one deployment.
func (s *server) deployment(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err != nil {
		return err
	}
	b, _, err := s.open(c, "publish")
	if err != nil {
		return err
	}
	ctx, u := c.Request().Context(), me(c)
	d, dErr := s.Releases.Deployment(ctx, u, b.App.Slug, id)
	publication, pErr := s.Releases.Publication(ctx, u, b.App.Slug)
	if err := errors.Join(dErr, pErr); err != nil {
		return err
	}
	b.Publish.Path = publishPath(c)
	b.Publish.State = vm.NewPublishState(publication, b.CSRF, now())
	b.Publish.Detail = vm.NewDeploymentDetail(publication, d, now())
	return s.show(c, http.StatusOK, b)
}

// deploymentShot is a picture that verification took. It never changes.
func (s *server) deploymentShot(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err != nil {
		return err
	}
	png, err := s.Releases.DeploymentShot(c.Request().Context(), me(c), c.Param("slug"), id, c.QueryParam("narrow") != "")
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, "image/png", png)
}
