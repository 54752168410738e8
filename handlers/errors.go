package handlers

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/views/page"
	"overskill/views/part"
	"overskill/views/vm"
)

// failure is an error as the edge sees it.
type failure struct {
	kind   fault.Kind
	status int
	text   string // for the person
}

// faultOf gives every error a kind, a status and a sentence. Errors of echo itself (no such route, body too
// large) have a status and no kind, so they get theirs here.
func faultOf(err error) failure {
	var he *echo.HTTPError
	if !errors.As(err, &he) || fault.KindOf(err) != fault.Internal {
		kind := fault.KindOf(err)
		return failure{kind: kind, status: fault.HTTPStatus(kind), text: fault.Text(err)}
	}
	switch he.Code {
	case http.StatusNotFound:
		return failure{fault.NotFound, he.Code, "There is nothing at this address. It may have been renamed or deleted."}
	case http.StatusMethodNotAllowed:
		return failure{fault.Invalid, he.Code, "This address does not take this kind of request."}
	case http.StatusRequestEntityTooLarge:
		return failure{fault.TooLarge, he.Code, "This is more than the 1 MB that one request may hold."}
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return failure{fault.Invalid, http.StatusBadRequest, "The request could not be read."}
	case http.StatusForbidden:
		return failure{fault.Forbidden, he.Code, "This is not allowed."}
	}
	return failure{fault.Internal, http.StatusInternalServerError, fault.Text(err)}
}

var headings = map[fault.Kind]string{
	fault.Invalid:      "This could not be used",
	fault.Unauthorized: "Sign in first",
	fault.Forbidden:    "This is not allowed",
	fault.NotFound:     "This page is not here",
	fault.Conflict:     "Something else is going on",
	fault.TooLarge:     "This is too large",
	fault.RateLimited:  "Too many tries",
	fault.Unavailable:  "Something we need does not answer",
	fault.Canceled:     "It was stopped",
	fault.Internal:     "Something went wrong on our side",
}

// handleError is the one place where an error becomes an answer. The access log holds its cause.
func (s *server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return // a stream or a download broke off; the client sees that it did
	}
	f := faultOf(err)
	text := f.text
	if s.Dev && f.kind == fault.Internal {
		text += " (" + err.Error() + ")"
	}
	var sent error
	switch {
	case c.Request().Method == http.MethodHead:
		sent = c.NoContent(f.status)
	case isAPI(c):
		sent = c.JSON(f.status, apiError{Error: apiErrorBody{Code: string(f.kind), Message: text}})
	case isFragment(c):
		sent = render(c, f.status, part.FragmentError(text))
	default:
		sent = render(c, f.status, page.Failure(s.failure(c, f, text)))
	}
	if sent != nil {
		s.Log.WarnContext(c.Request().Context(), "error not sent", "request_id", requestID(c), "error", sent)
	}
}

func (s *server) failure(c echo.Context, f failure, text string) vm.Failure {
	v := vm.Failure{Shell: s.shell(c, headings[f.kind]), Status: f.status, Heading: headings[f.kind], Text: text}
	if f.kind == fault.Internal || f.kind == fault.Unavailable {
		v.Number = requestID(c)
	}
	return v
}
