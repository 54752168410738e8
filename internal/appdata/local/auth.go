package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// accessTokenLife is how long a person stays signed in without a refresh, which supabase-js does by itself.
const accessTokenLife = time.Hour

// authError is a refusal in the shape that auth-js expects.
type authError struct {
	Status  int       `json:"code"`
	Code    string    `json:"error_code"`
	Message string    `json:"msg"`
	Weak    *weakness `json:"weak_password,omitempty"`
}

type weakness struct {
	Reasons []string `json:"reasons"`
}

func (e *authError) Error() string { return e.Code + ": " + e.Message }

func authRefusal(status int, code, message string) *authError {
	return &authError{Status: status, Code: code, Message: message}
}

var (
	errCredentials = authRefusal(400, "invalid_credentials", "Invalid login credentials")
	errNotAdmin    = authRefusal(403, "not_admin", "User not allowed")
	errNoSession   = authRefusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
	errTooMany     = authRefusal(429, "over_request_rate_limit", "Request rate limit reached")
	errNoUser      = authRefusal(404, "user_not_found", "User not found")
)

// authRequest is one request to /auth/v1/ on its way.
type authRequest struct {
	*http.Request
	s      *Server
	app    *app
	caller *caller
	in     authInput
}

// authInput is the union of the bodies that auth-js sends.
type authInput struct {
	Email        string         `json:"email"`
	Phone        string         `json:"phone"`
	Password     string         `json:"password"`
	Data         map[string]any `json:"data"`
	RefreshToken string         `json:"refresh_token"`
	UserMetadata map[string]any `json:"user_metadata"`
	AppMetadata  map[string]any `json:"app_metadata"`
}

// authAction answers with a status and a body; a nil body is none.
type authAction func(ctx context.Context, r *authRequest) (int, any, error)

// authRoutes is the whole of /auth/v1/.
func (s *Server) authRoutes(a *app) http.Handler {
	mux := http.NewServeMux()
	for pattern, action := range map[string]authAction{
		"GET /auth/v1/health":                health,
		"GET /auth/v1/settings":              settings,
		"GET /auth/v1/.well-known/jwks.json": publicKeys,
		"POST /auth/v1/signup":               signUp,
		"POST /auth/v1/token":                token,
		"POST /auth/v1/logout":               logout,
		"GET /auth/v1/user":                  getUser,
		"PUT /auth/v1/user":                  updateUser,
		"POST /auth/v1/recover":              mail,
		"POST /auth/v1/resend":               mail,
		"POST /auth/v1/otp":                  noMail,
		"POST /auth/v1/magiclink":            noMail,
		"GET /auth/v1/authorize":             noProvider,
		"GET /auth/v1/admin/users":           adminListUsers,
		"POST /auth/v1/admin/users":          adminCreateUser,
		"GET /auth/v1/admin/users/{id}":      adminGetUser,
		"DELETE /auth/v1/admin/users/{id}":   adminDeleteUser,
		"/auth/v1/":                          noRoute,
	} {
		mux.Handle(pattern, s.serveAuth(a, action))
	}
	return mux
}

func (s *Server) serveAuth(a *app, action authAction) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body, err := s.auth(r, a, action)
		switch {
		case err != nil:
			refusal := s.asAuthError(err, r, a)
			writeJSON(w, refusal.Status, refusal)
		case body == nil:
			w.WriteHeader(status)
		default:
			if list, ok := body.(userList); ok {
				w.Header().Set("X-Total-Count", fmt.Sprint(list.total))
			}
			writeJSON(w, status, body)
		}
	})
}

func (s *Server) auth(r *http.Request, a *app, action authAction) (int, any, error) {
	who, err := s.identify(r, a)
	if err != nil {
		_, message := tokenProblem(err)
		code := "bad_jwt"
		if errors.Is(err, errNoKey) {
			code = "no_authorization"
		}
		return 0, nil, authRefusal(http.StatusUnauthorized, code, message)
	}
	req := &authRequest{Request: r, s: s, app: a, caller: who}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &req.in); err != nil {
			return 0, nil, authRefusal(http.StatusBadRequest, "bad_json", "Could not parse request body as JSON")
		}
	}
	req.in.Email = strings.ToLower(strings.TrimSpace(req.in.Email))
	return action(r.Context(), req)
}

func (s *Server) asAuthError(err error, r *http.Request, a *app) *authError {
	var refusal *authError
	if errors.As(err, &refusal) {
		return refusal
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return authRefusal(http.StatusRequestEntityTooLarge, "validation_failed", "The request body is over 10 MB")
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22") { // a NUL or a malformed id: what was sent is wrong
		return authRefusal(http.StatusBadRequest, "validation_failed", "The request holds a value that cannot be stored")
	}
	s.cfg.Log.Error("auth request failed", "app_id", a.id, "path", r.URL.Path, "error", err)
	return authRefusal(http.StatusInternalServerError, "unexpected_failure", "Something went wrong on our side")
}

// limitKey names who tries to sign in.
func (r *authRequest) limitKey(email string) string {
	return fmt.Sprintf("%d %s %s", r.app.id, remoteHost(r.Request), email)
}

func health(context.Context, *authRequest) (int, any, error) {
	return http.StatusOK, map[string]string{"name": "GoTrue", "version": "overskill", "description": "Accounts of a generated app"}, nil
}

func settings(context.Context, *authRequest) (int, any, error) {
	return http.StatusOK, map[string]any{
		"external":           map[string]bool{"email": true, "phone": false, "anonymous_users": false},
		"disable_signup":     false,
		"mailer_autoconfirm": true,
		"phone_autoconfirm":  false,
		"sms_provider":       "",
		"saml_enabled":       false,
	}, nil
}

// publicKeys is empty: tokens are signed with a shared secret, so auth-js asks /user instead.
func publicKeys(context.Context, *authRequest) (int, any, error) {
	return http.StatusOK, map[string][]string{"keys": {}}, nil
}

func noRoute(context.Context, *authRequest) (int, any, error) {
	return 0, nil, authRefusal(http.StatusNotFound, "not_found", "There is no such endpoint here")
}

func noProvider(context.Context, *authRequest) (int, any, error) {
	return 0, nil, authRefusal(http.StatusBadRequest, "validation_failed", "Unsupported provider: provider is not enabled")
}

// mail answers requests for a mail whose answer must not tell whether the account exists. There is no mailer yet:
// the log says so, since the person waits in vain.
func mail(_ context.Context, r *authRequest) (int, any, error) {
	if !plausibleEmail(r.in.Email) {
		return 0, nil, authRefusal(http.StatusBadRequest, "validation_failed", "Unable to validate email address: invalid format")
	}
	r.s.cfg.Log.Warn("no mail sent: no mailer is configured for the apps", "app_id", r.app.id, "path", r.URL.Path)
	return http.StatusOK, map[string]any{}, nil
}

// noMail refuses sign-in by mail, which cannot work without a mailer.
func noMail(context.Context, *authRequest) (int, any, error) {
	return 0, nil, authRefusal(http.StatusUnprocessableEntity, "otp_disabled", "Signing in by mail is not available: sign in with a password")
}

func signUp(ctx context.Context, r *authRequest) (int, any, error) {
	if r.in.Email == "" && r.in.Password == "" && r.in.Phone == "" {
		return 0, nil, authRefusal(http.StatusUnprocessableEntity, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
	}
	if !r.s.signUps.take(r.limitKey("")) {
		return 0, nil, errTooMany
	}
	u, err := r.s.createUser(ctx, r.app.id, newUser{email: r.in.Email, password: r.in.Password, userMeta: r.in.Data})
	if err != nil {
		return 0, nil, err
	}
	session, err := r.s.startSession(ctx, r.app.id, u)
	return http.StatusOK, session, err
}

func token(ctx context.Context, r *authRequest) (int, any, error) {
	switch r.URL.Query().Get("grant_type") {
	case "password":
		return signIn(ctx, r)
	case "refresh_token":
		session, err := r.s.refresh(ctx, r.app.id, r.in.RefreshToken)
		return http.StatusOK, session, err
	}
	return 0, nil, authRefusal(http.StatusBadRequest, "unsupported_grant_type", "unsupported_grant_type")
}

func signIn(ctx context.Context, r *authRequest) (int, any, error) {
	key := r.limitKey(r.in.Email)
	if !r.s.signIns.take(key) {
		return 0, nil, errTooMany
	}
	u, err := r.s.userByPassword(ctx, r.app.id, r.in.Email, r.in.Password)
	if err != nil {
		return 0, nil, err
	}
	r.s.signIns.clear(key)
	session, err := r.s.startSession(ctx, r.app.id, u)
	return http.StatusOK, session, err
}

func logout(ctx context.Context, r *authRequest) (int, any, error) {
	if _, err := r.person(ctx); err != nil {
		return 0, nil, err
	}
	scope := r.URL.Query().Get("scope")
	err := r.s.endSessions(ctx, r.caller.claim("sub"), r.caller.claim("session_id"), scope)
	return http.StatusNoContent, nil, err
}

func getUser(ctx context.Context, r *authRequest) (int, any, error) {
	u, err := r.person(ctx)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, u.public(), nil
}

func updateUser(ctx context.Context, r *authRequest) (int, any, error) {
	u, err := r.person(ctx)
	if err != nil {
		return 0, nil, err
	}
	if err := r.s.changeUser(ctx, u, r.in, r.caller.claim("session_id")); err != nil {
		return 0, nil, err
	}
	return getUser(ctx, r)
}

// person returns the account behind a token of a session that still lives.
func (r *authRequest) person(ctx context.Context) (*user, error) {
	if r.caller.role != "authenticated" {
		return nil, authRefusal(http.StatusUnauthorized, "no_authorization", "This endpoint requires a signed-in user")
	}
	return r.s.userBySession(ctx, r.app.id, r.caller.claim("sub"), r.caller.claim("session_id"))
}

func plausibleEmail(email string) bool {
	local, domain, ok := strings.Cut(email, "@")
	return ok && local != "" && domain != "" && len(email) <= 254 && !strings.ContainsAny(email, " \t\r\n\x00\"<>,;") && !strings.Contains(domain, "@")
}
