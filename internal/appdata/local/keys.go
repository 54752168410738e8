package local

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Keys are what an app's code is given to reach its backend.
type Keys struct {
	Anon    string // for the browser: says which app, not who
	Service string // for trusted code only: bypasses row level security
}

// keyLife is long, because a key is compiled into the app. Rotating the app's secret ends it early.
const keyLife = 10 * 365 * 24 * time.Hour

// Keys signs the app's keys. They are JSON Web Tokens with the claims role and app_id.
func (s *Server) Keys(appID int64) (Keys, error) {
	var k Keys
	secret, err := s.secret(appID)
	if err != nil {
		return k, err
	}
	// Rounded to the year, so that asking again gives the same key and a rebuilt app the same bundle.
	issued := time.Date(s.cfg.Now().UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	sign := func(role string) string {
		if err != nil {
			return ""
		}
		var token string
		token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "overskill", "role": role, "app_id": appID,
			"iat": issued.Unix(), "exp": issued.Add(keyLife).Unix(),
		}).SignedString(secret)
		return token
	}
	k.Anon, k.Service = sign("anon"), sign("service_role")
	if err != nil {
		return Keys{}, fmt.Errorf("sign keys of app %d: %w", appID, err)
	}
	return k, nil
}

// caller is who a request comes from, according to its token.
type caller struct {
	role   string // anon, authenticated or service_role
	claims jwt.MapClaims
}

// verify checks a token's signature, algorithm and times against the app's secret.
func (s *Server) verify(appID int64, token string) (*caller, error) {
	secret, err := s.secret(appID)
	if err != nil {
		return nil, err
	}
	c := &caller{claims: jwt.MapClaims{}}
	_, err = jwt.ParseWithClaims(token, c.claims, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.cfg.Now))
	if err != nil {
		return nil, err
	}
	c.role, _ = c.claims["role"].(string)
	switch c.role {
	case "anon", "service_role":
	case "authenticated":
		if c.claim("sub") == "" {
			return nil, errors.New("token of a person without sub")
		}
	default:
		return nil, errors.New("token with an unknown role")
	}
	return c, nil
}

func (c *caller) claim(name string) string {
	v, _ := c.claims[name].(string)
	return v
}
