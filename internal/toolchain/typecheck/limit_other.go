//go:build !linux

package typecheck

import "os/exec"

func confine(*exec.Cmd) {}

// limit does nothing where processes cannot be limited from outside; GOMEMLIMIT and the time limit remain.
func limit(int, uint64) error { return nil }
