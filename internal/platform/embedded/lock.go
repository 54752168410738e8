package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"overskill/internal/fault"
)

// Running describes the server that holds a data directory, for short-lived commands that need
// its databases while it runs. It holds passwords; the file is readable by its owner only.
type Running struct {
	PID             int    `json:"pid"`
	Address         string `json:"address,omitempty"`           // such as http://127.0.0.1:8080; empty while starting
	DatabaseURL     string `json:"database_url,omitempty"`      // the builder's own database
	AppsDatabaseURL string `json:"apps_database_url,omitempty"` // the data of the apps
}

const runFile = "run.json"

// Lock is the ownership of a data directory by this process. The kernel releases it when the
// process ends, however that happens.
type Lock struct {
	dir  string
	file *os.File
}

// LockDataDir makes the directory, mode 0700, if it is not there, and takes it for this process.
// When another process has it, the error is a Conflict that names that process and its address.
func LockDataDir(dir string) (*Lock, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskError(dir, fmt.Errorf("lock data directory: %w", err))
	}
	file, err := flock(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, conflict(dir)
	}
	if err != nil {
		return nil, diskError(dir, fmt.Errorf("lock data directory: %w", err))
	}
	l := &Lock{dir: dir, file: file}
	if err := l.Announce(Running{}); err != nil { // replaces what a killed server left
		file.Close()
		return nil, err
	}
	return l, nil
}

func conflict(dir string) error {
	who := "still starting"
	r, err := readRunFile(dir)
	switch {
	case err == nil && r.Address != "":
		who = fmt.Sprintf("process %d, %s", r.PID, r.Address)
	case err == nil && r.PID != 0:
		who = fmt.Sprintf("process %d, still starting", r.PID)
	}
	return fault.New(fault.Conflict, "Another OverSkill already uses %s (%s). Stop it, or choose another --data-dir.", dir, who)
}

// Announce publishes where this process can be reached, in <dir>/run.json (mode 0600, replaced
// in one step). A PID of 0 stands for this process.
func (l *Lock) Announce(r Running) error {
	if r.PID == 0 {
		r.PID = os.Getpid()
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if err := writeFile(filepath.Join(l.dir, runFile), append(data, '\n'), 0o600); err != nil {
		return diskError(l.dir, fmt.Errorf("announce: %w", err))
	}
	return nil
}

// Release removes the announcement and gives the directory free. The lock file stays: removing
// it would let two processes lock two different files of the same name.
func (l *Lock) Release() error {
	err := os.Remove(filepath.Join(l.dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// ReadRunning tells which server holds dir. The second result is false when none does, whatever
// files a killed one left behind.
func ReadRunning(dir string) (Running, bool, error) {
	held, err := lockHeld(filepath.Join(dir, "lock"))
	if err != nil || !held {
		return Running{}, false, err
	}
	r, err := readRunFile(dir)
	if errors.Is(err, fs.ErrNotExist) { // between taking the lock and announcing, or while releasing
		return Running{}, true, nil
	}
	if err != nil {
		return Running{}, true, fmt.Errorf("read running server: %w", err)
	}
	return r, true, nil
}

func readRunFile(dir string) (Running, error) {
	var r Running
	data, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

var errLocked = errors.New("locked by another process")

// flock opens a file and locks it (flock(2)) for as long as it stays open, or fails with
// errLocked. It tries for a moment, since lockHeld and a process that is just ending hold the
// lock for an instant.
func flock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case try >= 10:
			f.Close()
			return nil, errLocked
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// lockHeld reports whether a process holds the lock, by trying to share it for an instant.
func lockHeld(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read running server: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read running server: %w", err)
	}
	return false, nil
}
