//go:build !linux

package workerd

import (
	"errors"
	"syscall"
)

// There is no pinned runtime for other systems (see pins), so no process is ever started here.

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func privateMemory(int) (int64, error) { return 0, errors.ErrUnsupported }

func limitMemory(int, int64) {}
