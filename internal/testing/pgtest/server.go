package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"overskill/internal/platform/embedded"
)

// startServer finds or starts the server of this process and returns the URL of its maintenance
// database.
func startServer() (string, error) {
	if base := os.Getenv(EnvURL); base != "" {
		if err := dropAbandoned(base); err != nil {
			return "", fmt.Errorf("server of %s: %w", EnvURL, err)
		}
		return base, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	seed, err := seedCluster(cache)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(tempRoot(), "overskill-pgtest-")
	if err != nil {
		return "", err
	}
	if err := removeAtExit(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	if err := copyCluster(seed, dir); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	p, err := embedded.StartPostgres(ctx, config(dir, cache))
	if err != nil {
		return "", err
	}
	return p.URL("postgres"), nil
}

// cacheDir returns the folder that all test processes of this user share.
func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (set HOME, or %s): %w", EnvURL, err)
	}
	return filepath.Join(cache, "overskill-test"), nil
}

// Cluster returns a folder in which embedded.StartPostgres finds everything ready, for tests about
// starting and stopping. It has TempDir's place and life.
func Cluster(t testing.TB) string {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	seed, err := seedCluster(cache)
	if err != nil {
		t.Fatalf("pgtest: make a cluster: %v", err)
	}
	dir := TempDir(t)
	if err := copyCluster(seed, dir); err != nil {
		t.Fatalf("pgtest: copy the cluster: %v", err)
	}
	return dir
}

// TempDir is t.TempDir in memory, where the system has room for that: a place for a test's own
// cluster.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(tempRoot(), "overskill-pgtest-")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return dir
}

func config(dir, cache string) embedded.Config {
	return embedded.Config{Dir: dir, Packages: packages(cache), Volatile: true}
}

// seedCluster returns a folder with an initialised cluster that was shut down, making it if no
// process on this machine did so before.
func seedCluster(cache string) (string, error) {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(cache, "seed.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	seed := filepath.Join(cache, "seed-"+embedded.Version)
	if _, err := os.Stat(seed); err == nil {
		return seed, nil
	}
	tmp := seed + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // a download on a slow line
	defer cancel()
	p, err := embedded.StartPostgres(ctx, config(tmp, cache))
	if err != nil {
		return "", err
	}
	if err := p.Stop(ctx); err != nil {
		return "", err
	}
	return seed, os.Rename(tmp, seed)
}

// copyCluster makes dir a folder that embedded.StartPostgres finds initialised: password and
// cluster are copied, the binaries, which nobody writes to, are linked.
func copyCluster(seed, dir string) error {
	rt := "runtime-" + embedded.Version
	if err := os.Symlink(filepath.Join(seed, rt), filepath.Join(dir, rt)); err != nil {
		return err
	}
	password, err := os.ReadFile(filepath.Join(seed, "password"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), password, 0o600); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(seed, "data"))
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(seed, "data"))); err != nil {
		return err
	}
	if err := os.Chmod(data, 0o700); err != nil {
		return err
	}
	// Where Postgres has to run as another user, the seed belongs to that user.
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return filepath.WalkDir(data, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, int(st.Uid), int(st.Gid))
	})
}

// janitor waits for the end of its input, which comes when the process that holds the other end
// is gone, then for the server, and removes the folder. The server gets its own notice from the
// kernel; telling it again does no harm and serves the systems where the kernel does not.
const janitor = `
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -INT "$pid" 2>/dev/null
n=0
while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
rm -rf -- "$1"
`

// removeAtExit has dir removed after this process has ended, in whatever way.
func removeAtExit(dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", janitor, "pgtest-janitor", dir)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	pipes = append(pipes, w)
	return nil
}

// pipes keeps our ends of the janitors' pipes from being collected, and so closed.
var pipes []*os.File

// lockFile waits for an exclusive lock between processes.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
