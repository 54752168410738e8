package handlers

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/part"
	"overskill/views/vm"
)

// postMessage starts the next turn. Script gets the new turn to print; a plain browser is led back to the page.
func (s *server) postMessage(c echo.Context) error {
	slug := c.Param("slug")
	content, err := text(c, "content")
	var turn model.Turn
	if err == nil {
		turn, err = s.Builder.PostMessage(c.Request().Context(), me(c), slug, content)
	}
	switch {
	case err == nil && isFragment(c):
		return s.fragments(c, turn)
	case err == nil:
		return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"?view=chat")
	case isFragment(c) || !rejected(err):
		return err
	}
	b, _, openErr := s.open(c, "preview")
	if openErr != nil {
		return openErr
	}
	b.View = "chat"
	b.Preview = s.preview(c, b.App, "/")
	b.Ask = vm.Form{Text: content, Error: fault.Text(err)}
	return s.show(c, fault.HTTPStatus(fault.KindOf(err)), b)
}

func (s *server) stop(c echo.Context) error {
	ctx, u, slug := c.Request().Context(), me(c), c.Param("slug")
	if err := s.Builder.Stop(ctx, u, slug); err != nil {
		return err
	}
	if !isFragment(c) {
		return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"?view=chat")
	}
	turns, err := s.Builder.Turns(ctx, u, slug, 1)
	if err != nil {
		return err
	}
	if len(turns) == 0 {
		return c.NoContent(http.StatusNoContent)
	}
	return s.fragments(c, turns[len(turns)-1])
}

func (s *server) restore(c echo.Context) error {
	if _, err := s.Builder.Restore(c.Request().Context(), me(c), c.Param("slug"), c.Param("number")); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/apps/"+c.Param("slug"))
}

// turn is what builder.ts fetches after an event; with ?steps=1 it is what a closed turn opens with.
func (s *server) turn(c echo.Context) error {
	id, err := strconv.ParseInt(c.Param("version"), 10, 64)
	if err != nil {
		return fault.New(fault.NotFound, "There is no such turn.")
	}
	if !isFragment(c) {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/apps/%s?view=chat&turn=%d", c.Param("slug"), id))
	}
	t, err := s.Builder.Turn(c.Request().Context(), me(c), c.Param("slug"), id)
	if err != nil {
		return err
	}
	if c.QueryParam("steps") != "" {
		return render(c, http.StatusOK, part.Steps(vm.NewTurn(c.Param("slug"), t, "", true, now())))
	}
	return s.fragments(c, t)
}

// fragments prints a turn and what moves with it: the version bar, the stop button, the name.
func (s *server) fragments(c echo.Context, t model.Turn) error {
	ctx, u, slug := c.Request().Context(), me(c), c.Param("slug")
	app, err := s.Builder.App(ctx, u, slug)
	if err != nil {
		return err
	}
	versions, err := s.Builder.Versions(ctx, u, slug)
	if err != nil {
		return err
	}
	// Only the newest turn is printed open, as on the page.
	newest := len(versions) == 0 || versions[0].ID == t.Version.ID
	turn := vm.NewTurn(slug, t, vm.LiveBefore(versions, t.Version.ID), newest, now())
	turn.Newest = newest
	running := len(versions) > 0 && !versions[0].Status.Ended()
	return render(c, http.StatusOK, part.Fragments(vm.NewVersionBar(app, versions, turn), turn, running))
}

// tool is what one tool call did.
func (s *server) tool(c echo.Context) error {
	slug := c.Param("slug")
	id, err := strconv.ParseInt(c.Param("version"), 10, 64)
	seq, seqErr := strconv.Atoi(c.Param("seq"))
	if err != nil || seqErr != nil {
		return fault.New(fault.NotFound, "There is no such tool call.")
	}
	t, err := s.Builder.Turn(c.Request().Context(), me(c), slug, id)
	if err != nil {
		return err
	}
	for _, call := range t.Tools {
		if call.Seq != seq {
			continue
		}
		detail := vm.NewToolDetail(slug, id, call)
		if isFragment(c) {
			return render(c, http.StatusOK, part.ToolDetail(detail))
		}
		back := fmt.Sprintf("/apps/%s?view=chat&turn=%d", slug, id)
		return render(c, http.StatusOK, page.Tool(s.shell(c, detail.Verb+" "+detail.File), back, detail))
	}
	return fault.New(fault.NotFound, "There is no such tool call.")
}
