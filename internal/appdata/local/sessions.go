package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
)

// session is what signing in yields.
type session struct {
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type"`
	ExpiresIn    int        `json:"expires_in"` // seconds
	ExpiresAt    int64      `json:"expires_at"` // Unix seconds
	RefreshToken string     `json:"refresh_token"`
	User         publicUser `json:"user"`
}

// reuseGrace is how long a used refresh token still works: two tabs may refresh at once, and an answer may get lost.
const reuseGrace = 10 * time.Second

func (s *Server) startSession(ctx context.Context, appID int64, u *user) (*session, error) {
	var out *session
	err := pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "update auth.users set last_sign_in_at = now() where id = $1 returning last_sign_in_at", u.id).Scan(&u.signedIn)
		if err != nil {
			return err
		}
		var id string
		if err := tx.QueryRow(ctx, "insert into auth.sessions (user_id) values ($1) returning id::text", u.id).Scan(&id); err != nil {
			return err
		}
		out, err = s.issue(ctx, tx, appID, u, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	return out, nil
}

// issue signs an access token and stores the next refresh token of a session.
func (s *Server) issue(ctx context.Context, tx pgx.Tx, appID int64, u *user, sessionID string) (*session, error) {
	secret, err := s.secret(appID)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails
	refreshToken := base64.RawURLEncoding.EncodeToString(raw)
	if _, err := tx.Exec(ctx, "insert into auth.refresh_tokens (token_hash, session_id) values ($1, $2)", hashToken(refreshToken), sessionID); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	expires := now.Add(accessTokenLife)
	access, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": u.id, "aud": "authenticated", "role": "authenticated", "email": u.email, "phone": "",
		"app_metadata": u.appMeta, "user_metadata": u.userMeta, "session_id": sessionID, "is_anonymous": false,
		"aal": "aal1", "amr": []map[string]any{{"method": "password", "timestamp": now.Unix()}},
		"iat": now.Unix(), "exp": expires.Unix(),
	}).SignedString(secret)
	return &session{
		AccessToken: access, TokenType: "bearer", ExpiresIn: int(accessTokenLife.Seconds()), ExpiresAt: expires.Unix(),
		RefreshToken: refreshToken, User: u.public(),
	}, err
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

var (
	errRefreshUnknown = authRefusal(http.StatusBadRequest, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
	errRefreshReused  = authRefusal(http.StatusBadRequest, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
)

// refresh exchanges a refresh token for a new pair. A token that was used before, longer than reuseGrace ago, has
// been stolen from someone: its whole session ends, for the thief and for the person.
func (s *Server) refresh(ctx context.Context, appID int64, refreshToken string) (*session, error) {
	var out *session
	reused := false
	err := pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		hash := hashToken(refreshToken)
		var sessionID string
		var stale bool
		u, err := scanUser(tx.QueryRow(ctx, "select "+userColumns+`, s.id::text, coalesce(f.revoked_at < now() - $3::interval, false)
			from auth.refresh_tokens f join auth.sessions s on s.id = f.session_id join auth.users u on u.id = s.user_id
			where f.token_hash = $1 and u.app_id = $2 for update of f`, hash, appID, reuseGrace), &sessionID, &stale)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errRefreshUnknown
		case err != nil:
			return err
		case stale:
			reused = true // the deletion must be committed, so this is no error here
			_, err := tx.Exec(ctx, "delete from auth.sessions where id = $1", sessionID)
			return err
		}
		_, err = tx.Exec(ctx, "update auth.refresh_tokens set revoked_at = coalesce(revoked_at, now()) where token_hash = $1", hash)
		if err != nil {
			return err
		}
		out, err = s.issue(ctx, tx, appID, u, sessionID)
		return err
	})
	if reused && err == nil {
		return nil, errRefreshReused
	}
	return out, err
}

// endSessions signs a person out: of this session (local), of all but this (others), or everywhere.
func (s *Server) endSessions(ctx context.Context, userID, sessionID, scope string) error {
	where := ""
	args := []any{userID}
	switch scope {
	case "local":
		where, args = " and id::text = $2", append(args, sessionID)
	case "others":
		where, args = " and id::text <> $2", append(args, sessionID)
	}
	_, err := s.admin.Exec(ctx, "delete from auth.sessions where user_id::text = $1"+where, args...)
	return err
}
