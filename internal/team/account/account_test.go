package account_test

import (
	"strings"
	"testing"
	"time"

	"overskill/internal/fault"
	"overskill/internal/team/account"
	"overskill/internal/testing/storetest"
)

func open(t *testing.T, now func() time.Time) *account.Service {
	t.Helper()
	return account.New(storetest.Open(t), now)
}

func TestSignUpRefusesWhatCannotWork(t *testing.T) {
	s := open(t, time.Now)
	for name, c := range map[string]struct{ email, password string }{
		"no e-mail":          {"", "long enough"},
		"no at":              {"ann", "long enough"},
		"a display name":     {"Ann <ann@example.com>", "long enough"},
		"short password":     {"ann@example.com", "seven77"},
		"endless password":   {"ann@example.com", strings.Repeat("x", 201)},
		"bytes for password": {"ann@example.com", "\xff\xff\xff\xff\xff\xff\xff\xff"},
		"endless e-mail":     {strings.Repeat("a", 300) + "@example.com", "long enough"},
	} {
		if _, err := s.SignUp(t.Context(), c.email, c.password); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestSignInSessionsAndTokens(t *testing.T) {
	now := time.Now()
	s := open(t, func() time.Time { return now })
	ctx := t.Context()
	ann, err := s.SignUp(ctx, " Ann@Example.com ", "correct horse")
	if err != nil || ann.Email != "ann@example.com" || !ann.Admin {
		t.Fatalf("sign-up: %+v, %v", ann, err)
	}
	if strings.Contains(ann.PasswordHash, "correct") || !strings.HasPrefix(ann.PasswordHash, "$argon2id$v=19$") {
		t.Errorf("password hash %q", ann.PasswordHash)
	}
	if u, err := s.SignIn(ctx, "ANN@example.com", "correct horse", "1.2.3.4"); err != nil || u.ID != ann.ID {
		t.Errorf("sign-in: %+v, %v", u, err)
	}
	wrong := map[string]string{}
	for _, c := range [][2]string{{"ann@example.com", "wrong"}, {"nobody@example.com", "wrong"}} {
		_, err := s.SignIn(ctx, c[0], c[1], "1.2.3.4")
		if !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%v: %v, want unauthorized", c, err)
		}
		wrong[c[0]] = fault.Text(err)
	}
	if wrong["ann@example.com"] != wrong["nobody@example.com"] {
		t.Errorf("the answer tells whether an account exists: %v", wrong)
	}

	token, expires, err := s.StartSession(ctx, ann.ID)
	if err != nil || !expires.Equal(now.Add(account.SessionLength)) {
		t.Fatalf("session: %v, %v", expires, err)
	}
	if u, err := s.SessionUser(ctx, token); err != nil || u.ID != ann.ID {
		t.Errorf("session of %+v, %v", u, err)
	}
	if err := s.EndSession(ctx, token); err != nil {
		t.Error(err)
	}
	if _, err := s.SessionUser(ctx, token); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("an ended session: %v", err)
	}

	bearer, err := s.CreateToken(ctx, "ann@example.com", "ci")
	if err != nil || !strings.HasPrefix(bearer, "os_") {
		t.Fatalf("token %q, %v", bearer, err)
	}
	if u, err := s.TokenUser(ctx, bearer); err != nil || u.ID != ann.ID {
		t.Errorf("token of %+v, %v", u, err)
	}
	if _, err := s.TokenUser(ctx, bearer+"x"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestExpiredSessionIsNoSession(t *testing.T) {
	s := open(t, func() time.Time { return time.Now().Add(-account.SessionLength - time.Minute) })
	ann, err := s.SignUp(t.Context(), "ann@example.com", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.StartSession(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SessionUser(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("an expired session: %v", err)
	}
}

func TestSigningInPausesAfterTooManyFailures(t *testing.T) {
	s := open(t, time.Now)
	ctx := t.Context()
	if _, err := s.SignUp(ctx, "ann@example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := s.SignIn(ctx, "ann@example.com", "wrong", "1.2.3.4"); !fault.Is(err, fault.Unauthorized) {
			t.Fatal(err)
		}
	}
	if _, err := s.SignIn(ctx, "ann@example.com", "correct horse", "1.2.3.4"); !fault.Is(err, fault.RateLimited) {
		t.Errorf("after ten failures: %v, want rate limited", err)
	}
}

func TestKeptPrompt(t *testing.T) {
	s := open(t, time.Now)
	ctx := t.Context()
	token, err := s.KeepPrompt(ctx, "<b>bold</b>'; drop table apps")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := s.KeptPrompt(ctx, token); err != nil || got != "<b>bold</b>'; drop table apps" {
			t.Errorf("kept %q, %v", got, err)
		}
	}
	if err := s.DropPrompt(ctx, token); err != nil {
		t.Error(err)
	}
	if _, err := s.KeptPrompt(ctx, token); !fault.Is(err, fault.NotFound) {
		t.Errorf("a dropped prompt: %v", err)
	}
	if _, err := s.KeepPrompt(ctx, strings.Repeat("x", 100<<10)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("100 KB: %v", err)
	}
	if _, err := s.KeepPrompt(ctx, "\xff"); !fault.Is(err, fault.Invalid) {
		t.Errorf("not UTF-8: %v", err)
	}
}
