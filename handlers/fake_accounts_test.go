package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

func (s *services) SignUp(_ context.Context, email, password string) (model.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(email, "@") {
		return model.User{}, fault.New(fault.Invalid, "This is not an e-mail address.")
	}
	if len(password) < 8 {
		return model.User{}, fault.New(fault.Invalid, "The password needs at least 8 characters.")
	}
	for _, u := range s.users {
		if u.Email == email {
			return model.User{}, fault.New(fault.Conflict, "There is an account with this address. Sign in instead.")
		}
	}
	u := model.User{ID: s.id(), Email: email, PasswordHash: password}
	u.Name, _, _ = strings.Cut(email, "@")
	s.users = append(s.users, u)
	return u, nil
}

func (s *services) SignIn(_ context.Context, email, password, _ string) (model.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.Email == email && u.PasswordHash == password {
			return u, nil
		}
	}
	return model.User{}, fault.New(fault.Unauthorized, "This e-mail and password do not match.")
}

func (s *services) StartSession(_ context.Context, userID int64) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("session-%d", s.id())
	s.sessions[token] = userID
	return token, time.Now().Add(time.Hour), nil
}

func (s *services) SessionUser(_ context.Context, token string) (model.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if id, ok := s.sessions[token]; ok && id == u.ID {
			return u, nil
		}
	}
	return model.User{}, fault.New(fault.Unauthorized, "You are signed out.")
}

func (s *services) EndSession(_ context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, token)
	return nil
}

// TokenUser takes "token-<email>".
func (s *services) TokenUser(_ context.Context, bearer string) (model.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if bearer == "token-"+u.Email {
			return u, nil
		}
	}
	return model.User{}, fault.New(fault.Unauthorized, "This API token is not valid.")
}

func (s *services) KeepPrompt(_ context.Context, prompt string) (string, error) {
	if err := checkPrompt(prompt); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("prompt-%d", s.id())
	s.prompts[token] = prompt
	return token, nil
}

func (s *services) KeptPrompt(_ context.Context, token string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if prompt, ok := s.prompts[token]; ok {
		return prompt, nil
	}
	return "", fault.New(fault.NotFound, "No prompt is kept.")
}

func (s *services) DropPrompt(_ context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.prompts, token)
	return nil
}

func (s *services) HasUsers(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.users) > 0, nil
}
