package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"overskill/internal/fault"
)

// nobody is the unprivileged user of every Linux distribution. initdb insists that its user has
// a name, so an arbitrary number would not do.
const nobody = 65534

// capDACOverride is CAP_DAC_OVERRIDE of capabilities(7): pass through folders of other users.
const capDACOverride = 1

// identity is the user as which Postgres runs. It refuses to run as root, so root has three ways:
//
//   - A user namespace in which our own user is called nobody. Files stay ours, folders closed
//     to others stay reachable, and outside the namespace the process gains nothing. Containers
//     often forbid this.
//   - Really being nobody (or whoever owns an existing cluster), with the one capability that it
//     needs to reach a folder below closed ones. The cluster then belongs to that user.
//   - Neither works: an error that says what to do.
//
// An ordinary user needs nothing, unless its number has no name (docker run --user 12345): then
// the namespace gives it one.
type identity struct {
	namespace bool
	uid       int // of the child, seen from outside; -1: as we are
}

// apply makes cmd run as the identity, and be sent deathSignal when we die.
func (id identity) apply(cmd *exec.Cmd, deathSignal syscall.Signal) {
	attr := &syscall.SysProcAttr{
		Setpgid:   true, // Ctrl-C in a terminal is ours to handle, in our order
		Pdeathsig: deathSignal,
	}
	switch {
	case id.namespace:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
	case id.uid >= 0:
		attr.Credential = &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.uid)}
		attr.AmbientCaps = []uintptr{capDACOverride}
	}
	cmd.SysProcAttr = attr
}

// Of prctl(2) and capabilities(7).
const (
	prSetSecurebits     = 28
	secbitNoSetuidFixup = 1 << 2
)

// prepareThread readies the thread that will fork. For another user with a capability it tells the
// kernel not to judge by the user number alone: without this bit, access(2), by which Postgres
// looks for its own binaries, ignores the capabilities of everybody but root.
func (id identity) prepareThread() error {
	if id.uid < 0 {
		return nil
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, secbitNoSetuidFixup, 0); errno != 0 {
		return fmt.Errorf("prctl: %w", errno)
	}
	return nil
}

// own gives a tree to the identity's user, unless it has it already.
func (id identity) own(path string) error {
	if id.uid < 0 || id.uid == fileOwner(path) {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, id.uid, id.uid)
	})
}

// chooseIdentity finds the first identity under which the server binary runs at all. owner is
// the user of an existing cluster, or -1.
func chooseIdentity(ctx context.Context, rt runtimeDir, owner int) (identity, error) {
	var candidates []identity
	asWeAre, mapped := identity{uid: -1}, identity{namespace: true, uid: -1}
	switch {
	case os.Geteuid() != 0:
		candidates = []identity{asWeAre}
		if _, err := user.LookupId(strconv.Itoa(os.Geteuid())); err != nil {
			candidates = []identity{mapped, asWeAre}
		}
	case owner > 0:
		candidates = []identity{{uid: owner}}
	default:
		candidates = []identity{mapped, {uid: nobody}}
	}
	var errs []error
	for _, id := range candidates {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := runChild(rt.command(ctx, id, syscall.SIGKILL, "/", "postgres", "--version"), id)
		cancel()
		if err == nil {
			return id, nil
		}
		errs = append(errs, fmt.Errorf("%+v: %w", id, err))
	}
	err := errors.Join(errs...)
	if os.Geteuid() == 0 {
		return identity{}, fault.Wrap(err, fault.Unavailable, "The embedded Postgres cannot run here: it refuses to run as root, "+
			"and this system lets us neither use a user namespace nor change to another user. Start OverSkill as an ordinary user, or set DATABASE_URL.")
	}
	return identity{}, fault.Wrap(err, fault.Unavailable, "The embedded Postgres does not run on this system "+
		"(it needs glibc and libstdc++; Alpine has musl). Set DATABASE_URL to use a Postgres server.")
}

// clusterProcesses returns the processes that work on the cluster in dir: those that have it as
// their working directory, as the postmaster and all its children do. The pid in postmaster.pid
// is believed only if its process is called postgres, since numbers are used again.
func clusterProcesses(dir string) []int {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	master := postmasterPID(dir)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// proc(5): "pid (name) state ...". A zombie has ended; only its parent has not noticed.
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil || !strings.Contains(string(stat), " (postgres) ") || strings.Contains(string(stat), ") Z ") {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		switch {
		case err == nil && cwd == real:
			pids = append(pids, pid)
		case errors.Is(err, fs.ErrPermission) && pid == master: // containers hide cwd of other users
			pids = append(pids, pid)
		}
	}
	return pids
}

// watchParent has nothing to do here: Pdeathsig ends the child when we die.
func watchParent(int) (stop func(), err error) { return func() {}, nil }
