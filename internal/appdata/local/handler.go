package local

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"overskill/internal/appdata/local/query"
	"overskill/internal/fault"
)

// Handler serves one app's backend: /auth/v1/... and /rest/v1/..., with CORS for any origin, because what protects
// the data is the token and not the page's address. It is made once per app; asking again is cheap.
// Sign-in limits count by the host in Request.RemoteAddr: behind a proxy, set that to the visitor's first.
func (s *Server) Handler(appID int64) http.Handler { return s.app(appID).handler }

func (s *Server) newHandler(a *app) http.Handler {
	auth := s.authRoutes(a)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cors(w.Header(), r)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		switch {
		case strings.HasPrefix(r.URL.Path, "/auth/v1/"):
			auth.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/rest/v1/"):
			s.serveREST(w, r, a)
		default:
			writeJSON(w, http.StatusNotFound, &query.Error{Code: "PGRST125", Message: "Invalid path specified in request URL"})
		}
	})
}

func cors(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Range, Content-Location, Content-Profile, Link, Preference-Applied, X-Total-Count")
	if r.Method != http.MethodOptions {
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS")
	h.Set("Access-Control-Max-Age", "86400")
	// Libraries add headers of their own with every release: what is asked for is allowed.
	asked := r.Header.Get("Access-Control-Request-Headers")
	if asked == "" {
		asked = "apikey, authorization, content-type, prefer, x-client-info"
	}
	h.Set("Access-Control-Allow-Headers", asked)
	h.Add("Vary", "Access-Control-Request-Headers")
}

// errNoKey is a request without any token.
var errNoKey = errors.New("no API key found in request")

// identify returns who a request comes from. The bearer token says it; without one the API key does, as long as
// nobody has signed in.
func (s *Server) identify(r *http.Request, a *app) (*caller, error) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || token == "" {
		token = r.Header.Get("apikey")
	}
	if token == "" {
		token = r.URL.Query().Get("apikey")
	}
	if token == "" {
		return nil, errNoKey
	}
	return s.verify(a.id, token)
}

// remoteHost is the visitor's address, for limits.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}

// tokenProblem says what is wrong with a token, without details that help to forge one.
func tokenProblem(err error) (code, message string) {
	switch {
	case errors.Is(err, errNoKey):
		return "PGRST302", "No API key found in request"
	case errors.Is(err, jwt.ErrTokenExpired):
		return "PGRST303", "JWT expired"
	case fault.Is(err, fault.NotFound):
		return "PGRST301", fault.Text(err)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "PGRST301", "JWSError JWSInvalidSignature"
	}
	return "PGRST301", "The token is not valid for this app"
}
