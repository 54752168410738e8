package secret

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"overskill/internal/fault"
)

func TestLoadKeyCreatesOnceAndKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "key")
	keys := make([]Key, 8)
	var wg sync.WaitGroup
	for i := range keys { // as when web and worker processes start together
		wg.Go(func() {
			var err error
			if keys[i], err = LoadKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (Key{}) {
			t.Fatal("processes that start together do not get the same key")
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() != KeySize {
		t.Errorf("key file: mode %v, %d bytes", info.Mode(), info.Size())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("folder holds %v (%v), want only the key", left, err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		size int
		mode os.FileMode
		want string
	}{
		{"empty", 0, 0o600, "must have 32 bytes and has 0"},
		{"short", 31, 0o600, "has 31"},
		{"long", 33, 0o600, "has 33"},
		{"readable by the group", 32, 0o640, "chmod 600"},
		{"readable by all", 32, 0o604, "chmod 600"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, make([]byte, tc.size), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil { // whatever the umask is
				t.Fatal(err)
			}
			_, err := LoadKey(path)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), tc.want) {
				t.Errorf("got %v", err)
			}
			if after, _ := os.ReadFile(path); len(after) != tc.size {
				t.Error("the file was changed")
			}
		})
	}
}

func TestDerive(t *testing.T) {
	k := testKey(1)
	if bytes.Equal(k.Derive("sessions", 32), k.Derive("sealing", 32)) {
		t.Error("two labels give the same bytes")
	}
	if bytes.Equal(k.Derive("sessions", 32), testKey(2).Derive("sessions", 32)) {
		t.Error("two keys give the same bytes")
	}
	// Computed with an independent HKDF (Python: hmac over SHA-256). It must never change:
	// everything sealed or signed before would be lost.
	const want = "1d24901d035aa027"
	if got := hex.EncodeToString(k.Derive("sessions", 8)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSealOpen(t *testing.T) {
	k, place := testKey(1), []byte("app 1 STRIPE_KEY")
	for _, plain := range []string{"", "sk_live_1234", strings.Repeat("x", 5<<10)} {
		sealed := k.Seal([]byte(plain), place)
		if len(sealed) != len(plain)+41 || len(plain) > 0 && bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("seal of %d bytes: %d bytes, or it shows", len(plain), len(sealed))
		}
		got, err := k.Open(sealed, place)
		if err != nil || string(got) != plain {
			t.Errorf("open: %q, %v", got, err)
		}
	}
	sealed := k.Seal([]byte("value"), place)
	if bytes.Equal(sealed, k.Seal([]byte("value"), place)) {
		t.Error("two seals are equal")
	}
	if _, err := k.Open(sealed, []byte("app 2 STRIPE_KEY")); !errors.Is(err, ErrNotOpened) {
		t.Errorf("opened at another place: %v", err)
	}
	if _, err := testKey(2).Open(sealed, place); !errors.Is(err, ErrNotOpened) {
		t.Errorf("opened with another key: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(bad, place); !errors.Is(err, ErrNotOpened) {
			t.Errorf("opened with byte %d changed: %v", i, err)
		}
		if _, err := k.Open(sealed[:i], place); !errors.Is(err, ErrNotOpened) {
			t.Errorf("opened when cut to %d bytes: %v", i, err)
		}
	}
}

func TestKeysDoNotShow(t *testing.T) {
	type config struct{ Key Key }
	k := testKey(0x41) // "AAAA..."
	c := config{k}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb, c)
		fmt.Fprintf(&shown, verb, &c)
		fmt.Fprintf(&shown, verb, k)
	}
	slog.New(slog.NewTextHandler(&shown, nil)).Info("text", "config", c, "key", k)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("json", "config", c, "key", k)
	for _, leak := range []string{"AAAA", "4141", "65 65"} {
		if strings.Contains(shown.String(), leak) {
			t.Errorf("%q shows in:\n%s", leak, shown.String())
		}
	}
	if !strings.Contains(shown.String(), redacted) {
		t.Errorf("nothing stands in its place: %s", shown.String())
	}
}

// FuzzOpen: no input makes Open panic or open what was not sealed.
func FuzzOpen(f *testing.F) {
	k, place := testKey(1), []byte("place")
	f.Add(k.Seal([]byte("x"), place))
	f.Add([]byte{sealVersion})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := k.Open(sealed, []byte("elsewhere"))
		if !errors.Is(err, ErrNotOpened) || plain != nil {
			t.Errorf("opened %x: %q, %v", sealed, plain, err)
		}
	})
}

func testKey(b byte) Key {
	var k Key
	for i := range k.b {
		k.b[i] = b
	}
	return k
}
