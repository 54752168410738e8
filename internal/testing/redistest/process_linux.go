package redistest

import (
	"runtime"
	"syscall"
)

// dieWithParent has the kernel kill the server when the thread that started it ends, which
// lockThread puts off until the server or the test process is gone.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
