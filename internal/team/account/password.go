package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2id with OWASP's first choice of parameters (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// nobody is a hash that no password has; checking against it takes as long as checking a real one.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hash returns a password's argon2id hash in PHC string format.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand crashes the program instead
	key, err := s.derive(ctx, password, salt, argonTime, argonMemory, argonThreads)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// verify reports whether a password has this hash. An empty hash matches nothing, in the usual time.
func (s *Service) verify(ctx context.Context, password, hash string) (bool, error) {
	if hash == "" {
		hash = nobody
	}
	var version, memory, time, threads int
	var saltKey string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &threads, &saltKey); err != nil {
		return false, fmt.Errorf("read password hash: %w", err)
	}
	salt, want, err := splitSaltKey(saltKey)
	if err != nil {
		return false, err
	}
	got, err := s.derive(ctx, password, salt, uint32(time), uint32(memory), uint8(threads))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && hash != nobody, nil
}

func splitSaltKey(s string) (salt, key []byte, err error) {
	first, second, _ := strings.Cut(s, "$")
	if salt, err = base64.RawStdEncoding.DecodeString(first); err != nil {
		return nil, nil, fmt.Errorf("read password hash: salt: %w", err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(second); err != nil {
		return nil, nil, fmt.Errorf("read password hash: key: %w", err)
	}
	return salt, key, nil
}

// derive waits for its turn: a burst of sign-ins must not take all the memory.
func (s *Service) derive(ctx context.Context, password string, salt []byte, time, memory uint32, threads uint8) ([]byte, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, time, memory, threads, argonKey), nil
}
