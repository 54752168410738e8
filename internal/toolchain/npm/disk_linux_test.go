package npm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"overskill/internal/fault"
)

// TestFullDisk fills a real file system while packages are written: the download, the unpacking and the tree each meet
// its end. Nothing half-written may be left, and with room again the same store works.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small disk needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newShop(t)
	store := s.storeAt(disk)
	ballast := filepath.Join(disk, "ballast")
	fill := func(leave int) {
		t.Helper()
		if err := os.WriteFile(ballast, make([]byte, 1<<20-leave), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	big := s.offer("big", "1.0.0", Manifest{}, // compresses to little, unpacks to more than there is
		tarEntry{Name: "package/package.json", Content: "{}"},
		tarEntry{Name: "package/data.txt", Content: strings.Repeat("all work and no play\n", 20_000)})
	for name, leave := range map[string]int{"unpacking": 200 << 10, "download": 20 << 10} {
		fill(leave)
		_, err := store.Package(t.Context(), big, nil)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "disk of this server is full") {
			t.Errorf("%s: %v", name, err)
		}
		nothingLeft(t, store)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	dir, err := store.Package(t.Context(), big, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "data.txt")); err != nil || len(b) != 21*20_000 {
		t.Errorf("%d bytes (%v) after there was room again", len(b), err)
	}
}
