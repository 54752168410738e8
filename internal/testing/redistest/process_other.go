//go:build !linux

package redistest

import "syscall"

// dieWithParent has no counterpart here: a test process that is killed leaves its server behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func lockThread() (unlock func()) { return func() {} }
