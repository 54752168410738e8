package handlers

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"
)

// setLock locks a file or opens it again, and leads back to it.
func (s *server) setLock(c echo.Context) error {
	slug := c.Param("slug")
	path, err := text(c, "path")
	if err != nil {
		return err
	}
	if err := s.Builder.SetLock(c.Request().Context(), me(c), slug, path, c.FormValue("on") == "1"); err != nil {
		return err
	}
	back := url.Values{"path": {path}}
	if v := c.FormValue("v"); v != "" {
		back.Set("v", v)
	}
	return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"/code?"+back.Encode())
}
