package handlers

import (
	"io"
	"mime"
	"net/http"

	"github.com/labstack/echo/v4"
)

// screenshot is the picture that verification took of a version. It never changes.
func (s *server) screenshot(c echo.Context) error {
	png, err := s.Builder.Screenshot(c.Request().Context(), me(c), c.Param("slug"), c.Param("number"), c.QueryParam("narrow") != "")
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, "image/png", png)
}

// export is a version's source as a ZIP. It is streamed; an error before the first byte is a page, one after
// it breaks the download off, so that half an archive is never taken for a whole one.
func (s *server) export(c echo.Context) error {
	slug, number := c.Param("slug"), c.QueryParam("v")
	name := slug + ".zip"
	if number != "" {
		name = slug + "-" + number + ".zip"
	}
	w := &lateWriter{c: c, start: func() {
		attachment(c, name)
		c.Response().Header().Set(echo.HeaderContentType, "application/zip")
		c.Response().WriteHeader(http.StatusOK)
	}}
	err := s.Builder.Export(c.Request().Context(), me(c), slug, number, w)
	if err != nil && w.started {
		s.Log.ErrorContext(c.Request().Context(), "export broke off", "request_id", requestID(c), "app", slug, "error", err)
		panic(http.ErrAbortHandler) // the only way to tell the client that the body is not whole
	}
	return err
}

// lateWriter sends the response's head with its first byte.
type lateWriter struct {
	c       echo.Context
	start   func()
	started bool
}

var _ io.Writer = (*lateWriter)(nil)

func (w *lateWriter) Write(p []byte) (int, error) {
	if !w.started {
		w.started = true
		w.start()
	}
	return w.c.Response().Write(p)
}

func attachment(c echo.Context, name string) {
	c.Response().Header().Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}
