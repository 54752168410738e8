package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/vm"
)

// cookieName gives a cookie the __Host- prefix where TLS allows it: then no generated app on a subdomain can
// set it for us (RFC 6265bis, section 4.1.3.2).
func (s *server) cookieName(c echo.Context, name string) string {
	if s.https(c) {
		return "__Host-" + name
	}
	return name
}

func (s *server) setCookie(c echo.Context, name, value string, expires time.Time) {
	cookie := &http.Cookie{
		Name: s.cookieName(c, name), Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: s.https(c), SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

func (s *server) cookie(c echo.Context, name string) string {
	cookie, err := c.Cookie(s.cookieName(c, name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

const (
	sessionCookie = "session"
	promptCookie  = "prompt"
	promptLife    = 7 * 24 * time.Hour
)

// whoIsIt finds the person of a browser's session. A session that ended makes a visitor, not an error.
func (s *server) whoIsIt(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		token := s.cookie(c, sessionCookie)
		if token == "" || isAPI(c) || isAsset(c) {
			return next(c)
		}
		u, err := s.Accounts.SessionUser(c.Request().Context(), token)
		switch {
		case err == nil:
			c.Set(userKey, u)
		case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.NotFound):
			s.setCookie(c, sessionCookie, "", time.Unix(1, 0))
		default:
			return err
		}
		return next(c)
	}
}

// signedIn leads visitors to the sign-in page and back.
func (s *server) signedIn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, ok := user(c); ok {
			return next(c)
		}
		r := c.Request()
		if r.Method != http.MethodGet || isFragment(c) || strings.HasSuffix(r.URL.Path, "/events") {
			return fault.New(fault.Unauthorized, "You are signed out. Sign in again; what was saved is still there.")
		}
		return c.Redirect(http.StatusSeeOther, "/signin?next="+url.QueryEscape(r.URL.RequestURI()))
	}
}

func (s *server) signUpPage(c echo.Context) error {
	if _, ok := user(c); ok {
		return c.Redirect(http.StatusSeeOther, "/apps")
	}
	return render(c, http.StatusOK, page.SignUp(s.shell(c, "Create an account"), s.authForm(c)))
}

func (s *server) signInPage(c echo.Context) error {
	if _, ok := user(c); ok {
		return c.Redirect(http.StatusSeeOther, "/apps")
	}
	if has, err := s.Accounts.HasUsers(c.Request().Context()); err == nil && !has {
		return c.Redirect(http.StatusSeeOther, "/signup") // nobody can sign in yet
	}
	return render(c, http.StatusOK, page.SignIn(s.shell(c, "Sign in"), s.authForm(c)))
}

// authForm is an empty form with what the visitor brought along.
func (s *server) authForm(c echo.Context) vm.Form {
	form := vm.Form{Next: localPath(c.FormValue("next"))}
	if token := s.cookie(c, promptCookie); token != "" {
		if prompt, err := s.Accounts.KeptPrompt(c.Request().Context(), token); err == nil {
			form.Kept = prompt
		}
	}
	return form
}

func (s *server) signUp(c echo.Context) error {
	email, err := text(c, "email")
	if err == nil {
		var u model.User
		if u, err = s.Accounts.SignUp(c.Request().Context(), email, c.FormValue("password")); err == nil {
			return s.enter(c, u)
		}
	}
	if !rejected(err) {
		return err
	}
	form := s.authForm(c)
	form.Error, form.Email = fault.Text(err), email
	return render(c, fault.HTTPStatus(fault.KindOf(err)), page.SignUp(s.shell(c, "Create an account"), form))
}

func (s *server) signIn(c echo.Context) error {
	email, err := text(c, "email")
	if err == nil {
		var u model.User
		if u, err = s.Accounts.SignIn(c.Request().Context(), email, c.FormValue("password"), ip(c)); err == nil {
			return s.enter(c, u)
		}
	}
	if !rejected(err) {
		return err
	}
	form := s.authForm(c)
	form.Error, form.Email = fault.Text(err), email
	return render(c, fault.HTTPStatus(fault.KindOf(err)), page.SignIn(s.shell(c, "Sign in"), form))
}

// enter starts a session, builds the prompt that was written before it, and leads on. The prompt is dropped
// only when its app exists.
func (s *server) enter(c echo.Context, u model.User) error {
	ctx := c.Request().Context()
	token, expires, err := s.Accounts.StartSession(ctx, u.ID)
	if err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, token, expires)
	c.Set(userKey, u)

	kept := s.cookie(c, promptCookie)
	if kept == "" {
		return c.Redirect(http.StatusSeeOther, orElse(localPath(c.FormValue("next")), "/apps"))
	}
	prompt, err := s.Accounts.KeptPrompt(ctx, kept)
	if err != nil { // it expired; the person is in all the same
		s.setCookie(c, promptCookie, "", time.Unix(1, 0))
		return c.Redirect(http.StatusSeeOther, "/")
	}
	app, err := s.Builder.CreateApp(ctx, u, prompt)
	if rejected(err) {
		return s.landingAgain(c, prompt, err)
	}
	if err != nil {
		return err
	}
	if err := s.Accounts.DropPrompt(ctx, kept); err != nil {
		s.Log.WarnContext(ctx, "prompt not dropped", "request_id", requestID(c), "error", err)
	}
	s.setCookie(c, promptCookie, "", time.Unix(1, 0))
	return c.Redirect(http.StatusSeeOther, "/apps/"+app.Slug)
}

func (s *server) signOut(c echo.Context) error {
	if token := s.cookie(c, sessionCookie); token != "" {
		if err := s.Accounts.EndSession(c.Request().Context(), token); err != nil {
			return err
		}
	}
	s.setCookie(c, sessionCookie, "", time.Unix(1, 0))
	c.Response().Header().Set("Clear-Site-Data", `"cache"`)
	return c.Redirect(http.StatusSeeOther, "/")
}

// localPath returns path when it is an address of this site, else "". Browsers read "//host" and "/\host" as
// other sites.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return ""
	}
	return path
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}
