package access

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"strings"

	"overskill/internal/fault"
)

// Limits of a password, in bytes.
const (
	MinPassword = 8
	MaxPassword = 200
)

// iterations of PBKDF2. A Worker has to check the password too, with WebCrypto, which knows no function that costs an
// attacker memory, and which Workers allow no more than these iterations. OWASP asks for six times as many: a password
// of a site is to be long and used nowhere else.
const iterations = 100_000

const saltSize = 16

// HashPassword returns what Rule.PasswordHash holds for a password: "pbkdf2-sha256$<iterations>$<salt>$<hash>", the last
// two in base64url. It returns an Invalid fault for a password that is too short or too long.
func HashPassword(password string) (string, error) {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return "", fault.New(fault.Invalid, "A password needs %d to %d characters.", MinPassword, MaxPassword)
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	sum, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "The password cannot be kept.")
	}
	return "pbkdf2-sha256$" + strconv.Itoa(iterations) + "$" + encoding.EncodeToString(salt) + "$" + encoding.EncodeToString(sum), nil
}

// CheckPassword reports whether hash is what HashPassword made of the password. A hash that it cannot read fits none.
// It takes some 20 ms on purpose.
func CheckPassword(hash, password string) bool {
	part := strings.Split(hash, "$")
	if len(part) != 4 || part[0] != "pbkdf2-sha256" || len(password) > MaxPassword {
		return false
	}
	n, err := strconv.Atoi(part[1])
	if err != nil || n < 1 || n > iterations {
		return false
	}
	salt, err := encoding.DecodeString(part[2])
	if err != nil || len(salt) != saltSize {
		return false
	}
	want, err := encoding.DecodeString(part[3])
	if err != nil || len(want) != sha256.Size {
		return false
	}
	got, err := pbkdf2.Key(sha256.New, password, salt, n, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
