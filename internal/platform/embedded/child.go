package embedded

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// child is a started process. done is closed after it ended, and err tells how.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// startChild starts cmd as id and waits for it in the background. On Linux a parent-death signal
// goes out when the *thread* that forked ends, so the goroutine keeps its thread until the child is
// gone. It is not unlocked then, since id may have changed it: the thread ends with the goroutine.
func startChild(cmd *exec.Cmd, id identity) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := id.prepareThread()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// runChild runs cmd as id to its end. The error holds its last lines.
func runChild(cmd *exec.Cmd, id identity) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	c, err := startChild(cmd, id)
	if err != nil {
		return err
	}
	if <-c.done; c.err != nil {
		return fmt.Errorf("%w; its last words:\n%s", c.err, lastLines(out.String(), 6))
	}
	return nil
}

const (
	logFileLimit = 4 << 20 // bytes of one log file before it becomes .old
	logTailLimit = 8 << 10 // bytes kept in memory for error messages
)

// serverLog takes what a server writes: into a file that is rotated, and into a short tail in
// memory. It never returns an error, since a full disk must not block the server's output.
type serverLog struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
	tail []byte
}

func openServerLog(path string) (*serverLog, error) {
	l := &serverLog{path: path}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l.file = f
	if l.size, err = f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if n := len(l.tail); n > logTailLimit {
		l.tail = append(l.tail[:0], l.tail[n-logTailLimit:]...)
	}
	if l.file == nil {
		return len(p), nil
	}
	if l.size > logFileLimit {
		l.rotate()
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
	return len(p), nil
}

// rotate moves the full file to .old and starts a new one; when that fails, the old one is kept on.
func (l *serverLog) rotate() {
	l.size = 0 // try again only after another logFileLimit bytes
	if os.Rename(l.path, l.path+".old") != nil {
		return
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	l.file.Close()
	l.file = f
}

// Tail returns the last lines, at most n.
func (l *serverLog) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return lastLines(string(l.tail), n)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (l *serverLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
