package typecheck

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// confine makes the child end with us.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// limit bounds a running process's private memory. It is set from outside right after the start, so that no
// shell or helper program is needed; the compiler cannot get far in between.
func limit(pid int, bytes uint64) error {
	err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes}, nil)
	if err == unix.ESRCH { // it has ended already
		return nil
	}
	return err
}
