// Package redistest gives tests the two servers that the product may run on, so that one suite
// covers both: the embedded in-process Redis and a real redis-server.
//
//	for name, url := range redistest.Servers(t) {
//		t.Run(name, func(t *testing.T) { ... })
//	}
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"overskill/internal/platform/embedded"
)

// The names that Servers gives its servers.
const (
	InProcess = "in-process"
	Real      = "redis-server"
)

// Servers starts an empty server of each kind and returns their URLs by name; all end with the
// test. Where no redis-server is installed the result has only the in-process one and the log says
// so, except that with CI set to anything but false this fails the test.
func Servers(t testing.TB) map[string]string {
	t.Helper()
	urls := map[string]string{InProcess: startInProcess(t)}
	path, err := exec.LookPath("redis-server")
	switch ci, _ := strconv.ParseBool(os.Getenv("CI")); {
	case err == nil:
		urls[Real] = Start(t, path, 0).URL()
	case ci:
		t.Fatalf("redistest: redis-server must be installed where CI is set: %v", err)
	default:
		t.Logf("redistest: no redis-server here, only the in-process one is tested: %v", err)
	}
	return urls
}

func startInProcess(t testing.TB) string {
	t.Helper()
	r, err := embedded.StartRedis()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(r.Close)
	return r.URL()
}

// Server is a real redis-server, for tests that need to stop it.
type Server struct {
	Port   int
	cmd    *exec.Cmd
	done   chan struct{}
	output bytes.Buffer // to be read after done
}

// Start runs the redis-server at path, without persistence, on a port of 127.0.0.1; 0 is a free
// one. It returns when the server answers; it is stopped with the test.
func Start(t testing.TB, path string, port int) *Server {
	t.Helper()
	var err error
	for try := 0; try < 3; try++ { // somebody may take a free port before we use it
		var s *Server
		if s, err = start(t, path, port); err == nil {
			t.Cleanup(s.Stop)
			return s
		}
		if port != 0 {
			break
		}
	}
	t.Fatalf("redistest: start redis-server: %v", err)
	return nil
}

func start(t testing.TB, path string, port int) (*Server, error) {
	if port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	s := &Server{Port: port, done: make(chan struct{})}
	s.cmd = exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", t.TempDir())
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() { // see dieWithParent
		unlock := lockThread()
		defer unlock()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
			close(s.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := s.awaitReady(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w; it said:\n%s", err, strings.TrimSpace(s.output.String()))
	}
	return s, nil
}

func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	options, err := redis.ParseURL(s.URL())
	if err != nil {
		return err
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer client.Close()
	for {
		// Another server on the port would answer as well, but ours would have ended then.
		if client.Ping(ctx).Err() == nil {
			select {
			case <-s.done:
				return fmt.Errorf("redis-server ended")
			case <-time.After(10 * time.Millisecond):
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("redis-server ended")
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// URL returns the address as a Redis client wants it.
func (s *Server) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.Port) }

// Stop ends the server, as a crash would: connections break, contents are gone. It may be called
// again.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL) // gone already is fine
	<-s.done
}
