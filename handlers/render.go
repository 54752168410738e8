package handlers

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/vm"
)

// render prints a component. It is printed into memory first, so that a component that fails half way
// becomes an error page and not half a page.
func render(c echo.Context, status int, component templ.Component) error {
	var buf bytes.Buffer
	if err := component.Render(c.Request().Context(), &buf); err != nil {
		return fmt.Errorf("render %s: %w", c.Path(), err)
	}
	c.Response().Header().Add(echo.HeaderVary, "HX-Request")
	return c.HTMLBlob(status, buf.Bytes())
}

// shell is what surrounds a page.
func (s *server) shell(c echo.Context, title string) vm.Shell {
	shell := vm.Shell{Title: title}
	if u, ok := user(c); ok {
		me := vm.NewPerson(u)
		shell.Me = &me
	}
	shell.CSRF, _ = c.Get(middleware.DefaultCSRFConfig.ContextKey).(string)
	return shell
}

// userKey is where whoIsIt and bearer keep the person of a request.
const userKey = "user"

func user(c echo.Context) (model.User, bool) {
	u, ok := c.Get(userKey).(model.User)
	return u, ok
}

// me is the person of a request behind signedIn or bearer.
func me(c echo.Context) model.User {
	u, _ := user(c)
	return u
}

// text reads a form field that people wrote. What is not UTF-8 is refused here, because it can neither be
// stored nor printed back; line ends become \n, as forms send \r\n.
func text(c echo.Context, field string) (string, error) {
	value := c.FormValue(field)
	if !utf8.ValidString(value) {
		return strings.ToValidUTF8(value, "�"), fault.New(fault.Invalid, "The text is not valid UTF-8. Paste it again, as plain text.")
	}
	return strings.ReplaceAll(value, "\r\n", "\n"), nil
}

// rejected reports whether an error is about what a person entered, so that the form comes back with it.
func rejected(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.TooLarge, fault.Conflict, fault.RateLimited, fault.Unauthorized:
		return true
	}
	return false
}
