// Package secret keeps values that must not leak: one key per installation, and sealing of values at
// rest.
//
// The installation's key is 32 random bytes in a file. It is never used directly: each purpose
// derives its own key under a label (HKDF-SHA256, RFC 5869), so that the sealing of environment
// variables and the signing of sessions cannot be played against each other.
//
// Sealed values are XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose nonce is long enough to be drawn at
// random for any number of values. Associated data binds a value to its place: what was sealed for
// "app 1, STRIPE_KEY" does not open as "app 2, STRIPE_KEY", though an attacker may write to the
// database.
package secret

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"overskill/internal/fault"
)

// KeySize is the size of an installation's key in bytes.
const KeySize = 32

// Key is an installation's key, or one derived from it. It does not show itself when printed.
type Key struct{ b [KeySize]byte }

// LoadKey reads the key at path. If no file is there, it makes one with a new random key, mode
// 0600, and returns only when that is safely on disk: values sealed with a lost key are lost too.
// Two processes that do so at once get the same key. A file of another size, or one that other
// users may read, is refused.
func LoadKey(path string) (Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("create key: %w", err)
	}
	return readKey(path)
}

func readKey(path string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() != KeySize {
		return Key{}, fault.New(fault.Invalid, "The key file %s is damaged: it must have %d bytes and has %d. "+
			"Restore it from a backup; values sealed with it cannot be read without it.", path, KeySize, info.Size())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fault.New(fault.Invalid, "The key file %s can be read by other users (mode %04o). Run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	var k Key
	if n, err := f.Read(k.b[:]); err != nil || n != KeySize {
		return Key{}, fmt.Errorf("read key: %d bytes: %w", n, err)
	}
	return k, nil
}

// createKey writes a new key under a temporary name and links it to path, which fails with ErrExist if another
// process was faster, and shows nobody a file that is half written.
func createKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	var b [KeySize]byte
	rand.Read(b[:]) // never fails
	_, err = f.Write(b[:])
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Derive returns n bytes that depend on the key and the label only; different labels give
// unrelated bytes. n is at most 8160 (255 hashes), else Derive panics.
func (k Key) Derive(label string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.b[:], nil, label, n)
	if err != nil {
		panic(fmt.Sprintf("secret: derive %d bytes for %q: %v", n, label, err))
	}
	return b
}

// sealLabel derives the key of Seal and Open; sealVersion is the first byte of what they handle.
const (
	sealLabel   = "overskill seal v1"
	sealVersion = 1
)

// Seal encrypts and authenticates plain, bound to the associated data, which is not stored: Open
// must be given the same. Two seals of the same value differ. The result is 41 bytes longer.
func (k Key) Seal(plain, associated []byte) []byte {
	aead, err := chacha20poly1305.NewX(k.Derive(sealLabel, chacha20poly1305.KeySize))
	if err != nil {
		panic(err) // only for keys of another size
	}
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = sealVersion
	rand.Read(out[1:])
	return aead.Seal(out, out[1:], plain, associated)
}

// ErrNotOpened says that a sealed value does not open: it was changed, belongs to another place,
// or was sealed with another key. Which one cannot be told.
var ErrNotOpened = errors.New("sealed value does not open: damaged, moved, or sealed with another key")

// Open returns what Seal was given, or ErrNotOpened.
func (k Key) Open(sealed, associated []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k.Derive(sealLabel, chacha20poly1305.KeySize))
	if err != nil {
		return nil, err
	}
	if len(sealed) < 1+aead.NonceSize()+aead.Overhead() || sealed[0] != sealVersion {
		return nil, ErrNotOpened
	}
	nonce, box := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, box, associated)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

const redacted = "[redacted]"

// Format shows a placeholder under every verb.
func (Key) Format(s fmt.State, _ rune) { fmt.Fprint(s, redacted) }

// LogValue shows a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
