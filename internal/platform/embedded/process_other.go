//go:build !linux

package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"overskill/internal/fault"
)

// identity is always our own user here.
type identity struct{}

func (identity) apply(cmd *exec.Cmd, _ syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func (identity) prepareThread() error { return nil }

func (identity) own(string) error { return nil }

func chooseIdentity(ctx context.Context, rt runtimeDir, _ int) (identity, error) {
	if os.Geteuid() == 0 {
		return identity{}, fault.New(fault.Unavailable,
			"The embedded Postgres refuses to run as root. Start OverSkill as an ordinary user, or set DATABASE_URL.")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := runChild(rt.command(ctx, identity{}, syscall.SIGKILL, "/", "postgres", "--version"), identity{})
	return identity{}, fault.Wrap(err, fault.Unavailable,
		"The embedded Postgres does not run on this system. Set DATABASE_URL to use a Postgres server.")
}

// clusterProcesses returns the postmaster that postmaster.pid names if such a process exists.
func clusterProcesses(dir string) []int {
	pid := postmasterPID(dir)
	if pid == 0 || syscall.Kill(pid, 0) != nil {
		return nil
	}
	return []int{pid}
}

// watchParent ends the postmaster when we die without a chance to do so: a shell waits for the
// end of a pipe whose other end only we hold.
func watchParent(pid int) (stop func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", `read -r line; [ "$line" = stop ] || kill -INT "$1"`, "watch", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		fmt.Fprintln(in, "stop")
		in.Close()
		_ = cmd.Wait()
	}, nil
}
