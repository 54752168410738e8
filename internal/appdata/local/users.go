package local

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
)

// user is an account of one app. The same address may have an account in each app.
type user struct {
	id                  string
	appID               int64
	email, passwordHash string
	appMeta, userMeta   map[string]any
	confirmed           time.Time
	signedIn            *time.Time
	created, updated    time.Time
}

// publicUser is an account as auth-js sees it.
type publicUser struct {
	ID               string         `json:"id"`
	Aud              string         `json:"aud"`
	Role             string         `json:"role"`
	Email            string         `json:"email"`
	EmailConfirmedAt time.Time      `json:"email_confirmed_at"`
	Phone            string         `json:"phone"`
	ConfirmedAt      time.Time      `json:"confirmed_at"`
	LastSignInAt     *time.Time     `json:"last_sign_in_at,omitempty"`
	AppMetadata      map[string]any `json:"app_metadata"`
	UserMetadata     map[string]any `json:"user_metadata"`
	Identities       []identity     `json:"identities"`
	CreatedAt        time.Time      `json:"created_at"`
	UpdatedAt        time.Time      `json:"updated_at"`
	IsAnonymous      bool           `json:"is_anonymous"`
}

type identity struct {
	IdentityID   string         `json:"identity_id"`
	ID           string         `json:"id"`
	UserID       string         `json:"user_id"`
	IdentityData map[string]any `json:"identity_data"`
	Provider     string         `json:"provider"`
	LastSignInAt *time.Time     `json:"last_sign_in_at,omitempty"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	Email        string         `json:"email"`
}

func (u *user) public() publicUser {
	return publicUser{
		ID: u.id, Aud: "authenticated", Role: "authenticated", Email: u.email,
		EmailConfirmedAt: u.confirmed, ConfirmedAt: u.confirmed, LastSignInAt: u.signedIn,
		AppMetadata: u.appMeta, UserMetadata: u.userMeta, CreatedAt: u.created, UpdatedAt: u.updated,
		Identities: []identity{{
			IdentityID: u.id, ID: u.id, UserID: u.id, Provider: "email", Email: u.email,
			IdentityData: map[string]any{"email": u.email, "email_verified": true, "phone_verified": false, "sub": u.id},
			LastSignInAt: u.signedIn, CreatedAt: u.created, UpdatedAt: u.updated,
		}},
	}
}

const userColumns = `u.id::text, u.app_id, u.email, u.encrypted_password, u.raw_app_meta_data, u.raw_user_meta_data,
	u.email_confirmed_at, u.last_sign_in_at, u.created_at, u.updated_at`

func scanUser(row pgx.Row, more ...any) (*user, error) {
	u := &user{}
	err := row.Scan(append([]any{
		&u.id, &u.appID, &u.email, &u.passwordHash, &u.appMeta, &u.userMeta, &u.confirmed, &u.signedIn, &u.created, &u.updated,
	}, more...)...)
	return u, err
}

// newUser is what an account begins with.
type newUser struct {
	email, password   string
	userMeta, appMeta map[string]any
	byAdmin           bool
}

// createUser adds an account, confirmed at once: there is no mailer that could ask the person.
func (s *Server) createUser(ctx context.Context, appID int64, n newUser) (*user, error) {
	if !plausibleEmail(n.email) {
		return nil, authRefusal(http.StatusBadRequest, "validation_failed", "Unable to validate email address: invalid format")
	}
	hash := ""
	if !n.byAdmin || n.password != "" { // an administrator may leave the password open
		var err error
		if hash, err = s.hash(ctx, n.password); err != nil {
			return nil, err
		}
	}
	appMeta := map[string]any{}
	maps.Copy(appMeta, n.appMeta)
	maps.Copy(appMeta, map[string]any{"provider": "email", "providers": []string{"email"}, "app_id": appID})
	if n.userMeta == nil {
		n.userMeta = map[string]any{}
	}
	u, err := scanUser(s.admin.QueryRow(ctx, `
		insert into auth.users as u (app_id, email, encrypted_password, raw_app_meta_data, raw_user_meta_data)
		values ($1, $2, $3, $4, $5) on conflict do nothing returning `+userColumns,
		appID, n.email, hash, appMeta, n.userMeta))
	if errors.Is(err, pgx.ErrNoRows) {
		if n.byAdmin {
			return nil, authRefusal(http.StatusUnprocessableEntity, "email_exists", "A user with this email address has already been registered")
		}
		return nil, authRefusal(http.StatusUnprocessableEntity, "user_already_exists", "User already registered")
	}
	return u, err
}

// hash checks a new password's length and hashes it with bcrypt, so that accounts can move to the hosted service.
func (s *Server) hash(ctx context.Context, password string) (string, error) {
	if utf8.RuneCountInString(password) < 6 {
		e := authRefusal(http.StatusUnprocessableEntity, "weak_password", "Password should be at least 6 characters.")
		e.Weak = &weakness{Reasons: []string{"length"}}
		return "", e
	}
	if len(password) > 72 {
		return "", authRefusal(http.StatusBadRequest, "validation_failed", "Password cannot be longer than 72 characters")
	}
	done, err := s.hashSlot(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// hashSlot waits for its turn: hashes are slow on purpose, and many at once would starve everything else.
func (s *Server) hashSlot(ctx context.Context) (done func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// nobodysHash makes a sign-in to an account that does not exist take as long as any other.
const nobodysHash = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5BWX4Z1Q1qG1p4C5u9m8pGQ3kqJ5e"

// userByPassword returns the account with the address and the password, or errCredentials.
func (s *Server) userByPassword(ctx context.Context, appID int64, email, password string) (*user, error) {
	u, err := scanUser(s.admin.QueryRow(ctx, "select "+userColumns+" from auth.users u where app_id = $1 and email = $2", appID, email))
	hash := nobodysHash
	switch {
	case err == nil && u.passwordHash != "":
		hash = u.passwordHash
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return nil, err
	}
	done, slotErr := s.hashSlot(ctx)
	if slotErr != nil {
		return nil, slotErr
	}
	defer done()
	match := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	if err != nil || !match || u.passwordHash == "" {
		return nil, errCredentials
	}
	return u, nil
}

// userBySession returns the account if the session is still its own and alive, or errNoSession.
func (s *Server) userBySession(ctx context.Context, appID int64, id, sessionID string) (*user, error) {
	u, err := scanUser(s.admin.QueryRow(ctx, "select "+userColumns+` from auth.users u join auth.sessions s on s.user_id = u.id
		where u.app_id = $1 and u.id::text = $2 and s.id::text = $3`, appID, id, sessionID))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoSession
	}
	return u, err
}

// userByID returns an account, or errNoUser.
func (s *Server) userByID(ctx context.Context, appID int64, id string) (*user, error) {
	u, err := scanUser(s.admin.QueryRow(ctx, "select "+userColumns+" from auth.users u where app_id = $1 and id::text = $2", appID, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoUser
	}
	return u, err
}

func (s *Server) listUsers(ctx context.Context, appID int64, limit, offset int) (userList, error) {
	list := userList{Users: []publicUser{}, Aud: "authenticated"}
	rows, err := s.admin.Query(ctx, "select "+userColumns+`, count(*) over () from auth.users u
		where app_id = $1 order by created_at desc, id limit $2 offset $3`, appID, limit, offset)
	if err != nil {
		return list, err
	}
	defer rows.Close()
	for rows.Next() {
		u, err := scanUser(rows, &list.total)
		if err != nil {
			return list, err
		}
		list.Users = append(list.Users, u.public())
	}
	return list, rows.Err()
}

// changeUser changes address, password and metadata as far as the input names them. A metadata key set to null
// goes away. A new password ends the person's other sessions.
func (s *Server) changeUser(ctx context.Context, u *user, in authInput, sessionID string) error {
	email, hash := u.email, u.passwordHash
	if in.Email != "" && in.Email != email {
		if email = in.Email; !plausibleEmail(email) {
			return authRefusal(http.StatusBadRequest, "validation_failed", "Unable to validate email address: invalid format")
		}
	}
	if in.Password != "" {
		var err error
		if hash, err = s.hash(ctx, in.Password); err != nil {
			return err
		}
	}
	set, remove := map[string]any{}, []string{}
	for k, v := range in.Data {
		if v == nil {
			remove = append(remove, k)
		} else {
			set[k] = v
		}
	}
	err := pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update auth.users set email = $3, encrypted_password = $4, updated_at = now(),
			raw_user_meta_data = (raw_user_meta_data - $5::text[]) || $6 where app_id = $1 and id = $2`,
			u.appID, u.id, email, hash, remove, set)
		if err == nil && in.Password != "" {
			_, err = tx.Exec(ctx, "delete from auth.sessions where user_id = $1 and id::text <> $2", u.id, sessionID)
		}
		return err
	})
	if err != nil && strings.Contains(err.Error(), "users_app_id_email_key") {
		return authRefusal(http.StatusUnprocessableEntity, "email_exists", "A user with this email address has already been registered")
	}
	return err
}
