// Package account is about people: sign-up, sign-in, sessions and API tokens.
//
// Passwords are hashed with argon2id. Session cookies, API tokens and the keys of kept prompts are 256
// random bits; only their sha256 is stored, so a copy of the database signs nobody in.
package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// Limits.
const (
	MinPassword   = 8   // characters
	MaxPassword   = 200 // bytes; argon2id takes any length, a request should not
	MaxEmail      = 254 // bytes, RFC 5321
	SessionLength = 30 * 24 * time.Hour
	MaxKeptPrompt = 64 << 10 // bytes

	failureWindow = 15 * time.Minute
	failuresEmail = 10 // per e-mail in the window
	failuresIP    = 50 // per address in the window
)

// Service implements what the handlers and the command line need about people.
type Service struct {
	store *store.Store
	now   func() time.Time
	// hashing bounds how many argon2id computations run at once: each takes 19 MiB.
	hashing chan struct{}
}

// New returns a Service on a store.
func New(s *store.Store, now func() time.Time) *Service {
	return &Service{store: s, now: now, hashing: make(chan struct{}, 4)}
}

// SignUp creates an account with a personal team. The first account is the administrator. Faults: Invalid
// for an unusable e-mail or password, Conflict for one that is taken.
func (s *Service) SignUp(ctx context.Context, email, password string) (model.User, error) {
	return s.create(ctx, email, password, false)
}

// CreateUser is SignUp by an operator, who may make the person an administrator.
func (s *Service) CreateUser(ctx context.Context, email, password string, admin bool) (model.User, error) {
	return s.create(ctx, email, password, admin)
}

func (s *Service) create(ctx context.Context, email, password string, admin bool) (model.User, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return model.User{}, err
	}
	if err := checkPassword(password); err != nil {
		return model.User{}, err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return model.User{}, err
	}
	name, _, _ := strings.Cut(email, "@")
	return s.store.CreateUser(ctx, model.User{Email: email, Name: name, PasswordHash: hash, Admin: admin})
}

// SignIn returns whose e-mail and password these are. Faults: Unauthorized when they do not match (the same
// whether or not the account exists), RateLimited after too many failures.
func (s *Service) SignIn(ctx context.Context, email, password, ip string) (model.User, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > MaxEmail || len(password) > MaxPassword || !utf8.ValidString(email) || strings.ContainsRune(email, 0) {
		return model.User{}, noMatch(failuresEmail)
	}
	byEmail, byIP, err := s.store.SignInFailures(ctx, email, ip, s.now().Add(-failureWindow))
	if err != nil {
		return model.User{}, err
	}
	if byEmail >= failuresEmail || byIP >= failuresIP {
		return model.User{}, fault.New(fault.RateLimited, "Too many failed sign-ins. Wait 15 minutes, then try again.")
	}
	u, err := s.store.UserByEmail(ctx, email)
	known := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return model.User{}, err
	}
	// An unknown e-mail takes as long as a known one, so that the time does not tell.
	ok, err := s.verify(ctx, password, u.PasswordHash)
	if err != nil {
		return model.User{}, err
	}
	if !known || !ok {
		if err := s.store.AddSignInFailure(ctx, email, ip); err != nil {
			return model.User{}, err
		}
		return model.User{}, noMatch(failuresEmail - byEmail - 1)
	}
	return u, s.store.ClearSignInFailures(ctx, email)
}

func noMatch(left int) error {
	if left <= 3 {
		return fault.New(fault.Unauthorized, "This e-mail and password do not match. After %d more tries, signing in pauses for 15 minutes.", max(left, 0))
	}
	return fault.New(fault.Unauthorized, "This e-mail and password do not match.")
}

// StartSession signs a person's browser in; the token is for its cookie.
func (s *Service) StartSession(ctx context.Context, userID int64) (string, time.Time, error) {
	token, hash := newToken("")
	expires := s.now().Add(SessionLength)
	return token, expires, s.store.AddSession(ctx, model.Session{TokenHash: hash, UserID: userID, ExpiresAt: expires})
}

// SessionUser returns who a session cookie belongs to, or Unauthorized.
func (s *Service) SessionUser(ctx context.Context, token string) (model.User, error) {
	return s.store.SessionUser(ctx, hashToken(token))
}

// EndSession signs a browser out.
func (s *Service) EndSession(ctx context.Context, token string) error {
	return s.store.DeleteSession(ctx, hashToken(token))
}

// CreateToken returns a new API token of the person with this e-mail. It cannot be shown again.
func (s *Service) CreateToken(ctx context.Context, email, name string) (string, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return "", err
	}
	u, err := s.store.UserByEmail(ctx, email)
	if err != nil {
		return "", err
	}
	token, hash := newToken("os_")
	return token, s.store.AddAPIToken(ctx, model.APIToken{UserID: u.ID, TokenHash: hash, Name: name})
}

// TokenUser returns who an API token belongs to, or Unauthorized.
func (s *Service) TokenUser(ctx context.Context, bearer string) (model.User, error) {
	return s.store.TokenUser(ctx, hashToken(bearer))
}

// KeepPrompt stores a prompt that was written before sign-up and returns the token that finds it again.
func (s *Service) KeepPrompt(ctx context.Context, prompt string) (string, error) {
	switch {
	case len(prompt) > MaxKeptPrompt:
		return "", fault.New(fault.TooLarge, "The prompt has %d bytes; %d are possible. Shorten it, or sign in and send it in parts.", len(prompt), MaxKeptPrompt)
	case !utf8.ValidString(prompt) || strings.ContainsRune(prompt, 0):
		return "", fault.New(fault.Invalid, "The prompt is not valid text (UTF-8).")
	}
	token, hash := newToken("")
	return token, s.store.KeepPrompt(ctx, hash, prompt)
}

// KeptPrompt returns a kept prompt, or NotFound. It stays kept.
func (s *Service) KeptPrompt(ctx context.Context, token string) (string, error) {
	return s.store.KeptPrompt(ctx, hashToken(token))
}

// DropPrompt forgets a kept prompt, once it has become an app.
func (s *Service) DropPrompt(ctx context.Context, token string) error {
	return s.store.DropPrompt(ctx, hashToken(token))
}

// HasUsers reports whether anybody has an account yet.
func (s *Service) HasUsers(ctx context.Context) (bool, error) { return s.store.HasUsers(ctx) }

func cleanEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	addr, err := mail.ParseAddress(email)
	if err != nil || addr.Address != email || len(email) > MaxEmail || !utf8.ValidString(email) {
		return "", fault.New(fault.Invalid, "This is not an e-mail address. It looks like name@example.com.")
	}
	return email, nil
}

func checkPassword(password string) error {
	switch {
	case !utf8.ValidString(password):
		return fault.New(fault.Invalid, "The password is not valid text (UTF-8).")
	case utf8.RuneCountInString(password) < MinPassword:
		return fault.New(fault.Invalid, "The password needs at least %d characters.", MinPassword)
	case len(password) > MaxPassword:
		return fault.New(fault.Invalid, "The password may have at most %d bytes.", MaxPassword)
	}
	return nil
}

// newToken returns 256 random bits as text, and the hash to store.
func newToken(prefix string) (token string, hash []byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand crashes the program instead
	token = prefix + base64.RawURLEncoding.EncodeToString(b)
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
