package embedded_test

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"overskill/internal/testing/pgtest"
)

// TestClusterOfAnotherUser: root finds a cluster that belongs to somebody else, as it does where
// user namespaces are forbidden, below folders that are closed to that user. Only root can make
// such a cluster, so that other users check nothing here.
func TestClusterOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const somebody = 65534
	dir := pgtest.Cluster(t) // mode 0700
	p := withTable(t, dir)
	query[int](t, p, insert)
	stop(t, p)
	data := filepath.Join(dir, "data")
	err := filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, somebody, somebody)
	})
	if err != nil {
		t.Fatal(err)
	}
	p = start(t, dir)
	wantRows(t, p, 1)
	query[int](t, p, insert)
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(postmaster(t, dir))))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != somebody {
		t.Errorf("the server runs as %d", uid)
	}
	wantRows(t, p, 2)
}
