package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// signUpLock makes "is this the first account?" and the insert one step.
const signUpLock = 0x7573

// CreateUser adds a person with a personal team. The first account of an instance is its administrator.
// An e-mail that is taken is a Conflict.
func (s *Store) CreateUser(ctx context.Context, u model.User) (model.User, error) {
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", signUpLock); err != nil {
			return err
		}
		some, err := tx.NewSelect().Model((*model.User)(nil)).Exists(ctx)
		if err != nil {
			return err
		}
		u.Admin = u.Admin || !some
		if _, err := tx.NewInsert().Model(&u).Returning("*").Exec(ctx); err != nil {
			return err
		}
		team := model.Team{Name: u.Name, Personal: true}
		if _, err := tx.NewInsert().Model(&team).Returning("id").Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&model.Membership{TeamID: team.ID, UserID: u.ID, Role: model.Owner}).Exec(ctx)
		return err
	})
	if violates(err, "users_email_key") {
		return model.User{}, fault.New(fault.Conflict, "There is an account with this e-mail already. Sign in instead.")
	}
	return u, wrapf(err, "create user")
}

// UserByEmail returns a person, or NotFound. The e-mail must be lower case.
func (s *Store) UserByEmail(ctx context.Context, email string) (model.User, error) {
	var u model.User
	err := s.db.NewSelect().Model(&u).Where("email = ?", email).Scan(ctx)
	return u, orNotFound(err, "There is no account with this e-mail.")
}

// HasUsers reports whether anybody has an account yet.
func (s *Store) HasUsers(ctx context.Context) (bool, error) {
	return s.db.NewSelect().Model((*model.User)(nil)).Exists(ctx)
}

// PersonalTeam returns the id of a person's own team.
func (s *Store) PersonalTeam(ctx context.Context, userID int64) (int64, error) {
	var id int64
	err := s.db.NewRaw(`select t.id from teams t join memberships m on m.team_id = t.id
		where m.user_id = ? and t.personal and m.role = 'owner' order by t.id limit 1`, userID).Scan(ctx, &id)
	return id, orNotFound(err, "You have no personal team.")
}

// AddSession keeps a signed-in browser, and forgets expired ones.
func (s *Store) AddSession(ctx context.Context, session model.Session) error {
	if _, err := s.db.NewInsert().Model(&session).Exec(ctx); err != nil {
		return wrapf(err, "add session")
	}
	_, err := s.db.NewDelete().Model((*model.Session)(nil)).Where("expires_at < now()").Exec(ctx)
	return wrapf(err, "forget expired sessions")
}

// SessionUser returns who owns an unexpired session, or Unauthorized.
func (s *Store) SessionUser(ctx context.Context, tokenHash []byte) (model.User, error) {
	var u model.User
	err := s.db.NewSelect().Model(&u).Join("join sessions s on s.user_id = u.id").
		Where("s.token_hash = ? and s.expires_at > now()", tokenHash).Scan(ctx)
	if fault.Is(orNotFound(err, "-"), fault.NotFound) {
		return u, fault.New(fault.Unauthorized, "Please sign in.")
	}
	return u, err
}

// DeleteSession ends a session; one that is gone already is fine.
func (s *Store) DeleteSession(ctx context.Context, tokenHash []byte) error {
	_, err := s.db.NewDelete().Model((*model.Session)(nil)).Where("token_hash = ?", tokenHash).Exec(ctx)
	return err
}

// AddAPIToken keeps a token's hash.
func (s *Store) AddAPIToken(ctx context.Context, t model.APIToken) error {
	_, err := s.db.NewInsert().Model(&t).Exec(ctx)
	return wrapf(err, "add token")
}

// TokenUser returns who owns an API token, or Unauthorized. It notes the use, at most once a minute.
func (s *Store) TokenUser(ctx context.Context, tokenHash []byte) (model.User, error) {
	var u model.User
	err := s.db.NewSelect().Model(&u).Join("join api_tokens at on at.user_id = u.id").
		Where("at.token_hash = ?", tokenHash).Scan(ctx)
	if fault.Is(orNotFound(err, "-"), fault.NotFound) {
		return u, fault.New(fault.Unauthorized, "This token is not valid. Create one with: overskill token create --email you@example.com")
	}
	if err != nil {
		return u, err
	}
	_, err = s.db.ExecContext(ctx, `update api_tokens set last_used_at = now()
		where token_hash = ? and (last_used_at is null or last_used_at < now() - interval '1 minute')`, tokenHash)
	return u, err
}

// KeepPrompt stores a prompt written before sign-up; those older than a week are forgotten.
func (s *Store) KeepPrompt(ctx context.Context, tokenHash []byte, prompt string) error {
	if _, err := s.db.ExecContext(ctx, "insert into kept_prompts (token_hash, prompt) values (?, ?)", tokenHash, prompt); err != nil {
		return wrapf(err, "keep prompt")
	}
	_, err := s.db.ExecContext(ctx, "delete from kept_prompts where created_at < now() - interval '7 days'")
	return err
}

// KeptPrompt returns a kept prompt, or NotFound.
func (s *Store) KeptPrompt(ctx context.Context, tokenHash []byte) (string, error) {
	var prompt string
	err := s.db.NewRaw("select prompt from kept_prompts where token_hash = ?", tokenHash).Scan(ctx, &prompt)
	return prompt, orNotFound(err, "No prompt is kept.")
}

// DropPrompt forgets a kept prompt.
func (s *Store) DropPrompt(ctx context.Context, tokenHash []byte) error {
	_, err := s.db.ExecContext(ctx, "delete from kept_prompts where token_hash = ?", tokenHash)
	return err
}

// SignInFailures counts the failed sign-ins since then, for the e-mail and for the address.
func (s *Store) SignInFailures(ctx context.Context, email, ip string, since time.Time) (byEmail, byIP int, err error) {
	err = s.db.NewRaw(`select count(*) filter (where email = ?0), count(*) filter (where ip = ?1)
		from sign_in_failures where created_at > ?2 and (email = ?0 or ip = ?1)`, email, ip, since).Scan(ctx, &byEmail, &byIP)
	return byEmail, byIP, err
}

// AddSignInFailure records one, and forgets those older than a day.
func (s *Store) AddSignInFailure(ctx context.Context, email, ip string) error {
	if _, err := s.db.ExecContext(ctx, "insert into sign_in_failures (email, ip) values (?, ?)", email, ip); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, "delete from sign_in_failures where created_at < now() - interval '1 day'")
	return err
}

// ClearSignInFailures forgets an e-mail's failures after it signed in.
func (s *Store) ClearSignInFailures(ctx context.Context, email string) error {
	_, err := s.db.ExecContext(ctx, "delete from sign_in_failures where email = ?", email)
	return err
}
