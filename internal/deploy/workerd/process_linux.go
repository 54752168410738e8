package workerd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes gives the child a process group of its own, because Ctrl-C in a terminal is ours to handle, and has
// the kernel kill it when we die.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// privateMemory returns the bytes that only this process has: not those of the binary, which all processes share.
func privateMemory(pid int) (int64, error) {
	return statusFields(pid, "RssAnon:", "RssShmem:")
}

// limitMemory has the kernel refuse memory a quarter beyond limit, for what grows faster than we look, and prefer an
// app's process to ours when the machine runs out. Both are a second line: where the kernel refuses them, the watch
// over the memory is still there.
func limitMemory(pid int, limit int64) {
	if now, err := statusFields(pid, "VmData:"); err == nil {
		most := uint64(now + limit + limit/4)
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil)
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0o600)
}

// statusFields returns the sum of fields of proc_pid_status(5), in bytes.
func statusFields(pid int, names ...string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var sum int64
	found := 0
	for in := bufio.NewScanner(f); in.Scan(); {
		for _, name := range names {
			if rest, ok := strings.CutPrefix(in.Text(), name); ok {
				n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
				if err != nil {
					return 0, err
				}
				sum += n << 10
				found++
			}
		}
	}
	if found != len(names) { // a process that has ended has none
		return 0, errors.New("no memory is accounted for")
	}
	return sum, nil
}
