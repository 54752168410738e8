package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// superuser is the database role of our URLs.
const superuser = "postgres"

// runtimeDir is a prepared tree of binaries: bin, lib, share.
type runtimeDir string

// command makes one of the tree's programs ready to start as id in the folder dir. It inherits
// nothing of our environment, which holds secrets that a database has no use for.
func (rt runtimeDir) command(ctx context.Context, id identity, deathSignal syscall.Signal, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(string(rt), "bin", program), args...)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin", "LD_LIBRARY_PATH=" + filepath.Join(string(rt), "lib")}
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second // for helpers of its own that keep its output open
	id.apply(cmd, deathSignal)
	return cmd
}

// fileOwner returns the user id that owns a file or folder, or -1 if it does not exist.
func fileOwner(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// checkCluster reports whether a cluster exists in data, and fails if it cannot be opened.
func checkCluster(data, passwordFile string) (bool, error) {
	version, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(data); err == nil {
			return false, fault.New(fault.Conflict, "The folder %s exists but holds no database. Move it away, or choose another --data-dir.", data)
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if v := strings.TrimSpace(string(version)); v != majorVersion {
		return false, fault.New(fault.Conflict, "The database in %s was made by Postgres %s, and this OverSkill brings Postgres %s. "+
			"Dump it (pg_dumpall) with the OverSkill that made it, move the folder away, and load the dump.", data, v, majorVersion)
	}
	if _, err := os.Stat(passwordFile); err != nil {
		return false, fault.Wrap(err, fault.Conflict, "The database in %s is there, but its password file %s is not. Restore that file.", data, passwordFile)
	}
	return true, nil
}

// initCluster makes the cluster: initdb into a temporary folder, then a rename, so that an
// initdb that was killed leaves only rubbish, which the next start removes.
func (p *Postgres) initCluster(ctx context.Context) error {
	p.say(model.LogInfo, "Creating the database.")
	if _, err := os.Stat(p.path("password")); errors.Is(err, fs.ErrNotExist) {
		if err := writeFile(p.path("password"), []byte(rand.Text()+"\n"), 0o600); err != nil {
			return diskError(p.cfg.Dir, err)
		}
	}
	password, err := os.ReadFile(p.path("password"))
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(p.cfg.Dir, "initdb-*.tmp")
	if err != nil {
		return diskError(p.cfg.Dir, err)
	}
	defer os.RemoveAll(tmp)
	passwordCopy := filepath.Join(tmp, "password") // the original stays ours, whoever Postgres is
	if err := os.WriteFile(passwordCopy, password, 0o600); err != nil {
		return diskError(p.cfg.Dir, err)
	}
	if err := p.id.own(tmp); err != nil {
		return err
	}
	data := filepath.Join(tmp, "data")
	args := []string{
		"-D", data, "-U", superuser, "-E", "UTF8",
		// The builtin provider sorts alike on every machine, whatever its C library.
		"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
		"--auth=scram-sha-256", "--pwfile=" + passwordCopy, "--no-instructions",
		"--data-checksums", // a page that the disk spoiled is reported, not believed
	}
	if p.cfg.Volatile {
		args = append(args, "--no-sync", "--wal-segsize=1") // small clusters are quickly copied
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := p.rt.command(ctx, p.id, syscall.SIGKILL, tmp, "initdb", args...)
	if err := runChild(cmd, p.id); err != nil {
		return diskError(p.cfg.Dir, fmt.Errorf("initdb: %w", err))
	}
	if err := os.Rename(data, p.path("data")); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	return syncDir(p.cfg.Dir)
}

// evictOrphans waits until no process works on the cluster any more. Our lock says that such
// processes are left over from an OverSkill that was killed; they were told to shut down then, and
// need a moment for the last checkpoint. After patience they are told again, and less kindly.
func (p *Postgres) evictOrphans(ctx context.Context, patience time.Duration) error {
	data := p.path("data")
	pids := clusterProcesses(data)
	if len(pids) == 0 {
		p.removeStalePID()
		return nil
	}
	p.say(model.LogInfo, "Waiting for the previous database server to finish.")
	steps := []syscall.Signal{0, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} // wait, fast, immediate, now
	for _, sig := range steps {
		if master := postmasterPID(data); sig != 0 && master != 0 {
			p.log.Warn("signal orphaned postgres", "pid", master, "signal", sig.String())
		}
		for _, pid := range pids {
			if sig != 0 {
				_ = syscall.Kill(pid, sig) // gone already is fine; not permitted shows below
			}
		}
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if pids = clusterProcesses(data); len(pids) == 0 {
				p.removeStalePID()
				return nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return fault.New(fault.Conflict, "A Postgres server (process %v) still uses %s and does not end. Stop it, then try again.", pids, data)
}

// removeStalePID removes a postmaster.pid whose server is gone, once it is known that nobody works
// on the cluster. Postgres would do so itself, except when the old number belongs to another
// process of the same user by now, as happens in every restarted container.
func (p *Postgres) removeStalePID() {
	_ = os.Remove(filepath.Join(p.path("data"), "postmaster.pid"))
}

// postmasterPID returns the process number in postmaster.pid, or 0.
func postmasterPID(data string) int {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid < 2 {
		return 0
	}
	return pid
}

// choosePort returns the wanted port, or else the one of the last start, or else a free one, and
// remembers it. A wanted port that is taken is a Conflict.
func choosePort(dir string, want int) (int, error) {
	if want != 0 {
		if !portFree(want) {
			return 0, fault.New(fault.Conflict, "Port %d, meant for the embedded Postgres, is taken by another program.", want)
		}
		return want, nil
	}
	file := filepath.Join(dir, "port")
	if b, err := os.ReadFile(file); err == nil {
		last, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && last > 0 && last < 1<<16 && portFree(last) {
			return last, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	if err := writeFile(file, []byte(strconv.Itoa(port)+"\n"), 0o644); err != nil {
		return 0, diskError(dir, err)
	}
	return port, nil
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// diskError turns "no space left" into words, whether it came as an errno or as a program's output.
func diskError(dir string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), "No space left on device") ||
		strings.Contains(err.Error(), "Disk quota exceeded") {
		return fault.Wrap(err, fault.Unavailable, "The disk that holds %s is full. Free some space, then start again; nothing was lost.", dir)
	}
	return err
}

// writeFile replaces a file in one step, so that a crash leaves the old content or the new.
func writeFile(path string, data []byte, perm fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
