// Package miniflaretest runs Cloudflare's own tools from npm, for tests that hold our work against them: wrangler, which
// deploys Workers, and Miniflare, which runs them with R2 and static assets as Cloudflare's network does.
//
// The packages are installed once, with npm, into the user's cache folder. The lock names their versions; it names no
// host, so they come from where npm's configuration says.
package miniflaretest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

//go:embed edge.mjs
var edgeSource string

// Worker is what an Edge runs.
type Worker struct {
	Name               string
	Main               string // the name of the module whose default export answers
	Modules            []Module
	CompatibilityDate  string // of which Miniflare takes the latest that it knows
	CompatibilityFlags []string
	Vars               map[string]string            // plain text and secrets
	Buckets            map[string]map[string]Object // R2: objects by binding and key
	Assets             map[string][]byte            // static assets by path; nil has none
	AssetsBinding      string
}

// Module is a module of a Worker.
type Module struct {
	Name    string
	Type    string // as in an upload: application/javascript+module, application/octet-stream, application/wasm, text/plain
	Content []byte
}

// Object is an object in R2.
type Object struct {
	ContentType string
	Content     []byte
}

// Edge is one process of Node that runs Workers with Miniflare. It is safe for concurrent use.
type Edge struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts an Edge that ends with the test, with all that it runs; it also ends when the test's process dies, because
// its input does.
func Start(t testing.TB) *Edge {
	t.Helper()
	// The program lies beside the packages that it imports. Node's -e will not do: Miniflare's threads would take its
	// --input-type for their own.
	dir := tools(t)
	program, err := os.CreateTemp(dir, "edge-*.mjs")
	if err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(program.Name()) })
	if _, err = program.WriteString(edgeSource); err == nil {
		err = program.Close()
	}
	if err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	cmd := exec.Command("node", program.Name())
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		slow := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer slow.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("miniflaretest: the edge: %v", err)
		}
	})
	return &Edge{in: in, out: bufio.NewReader(out)}
}

// Serve runs a Worker and returns its address, such as http://127.0.0.1:39211/.
func (e *Edge) Serve(w Worker) (address string, err error) {
	line, err := json.Marshal(w)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.in.Write(append(line, '\n')); err != nil {
		return "", fmt.Errorf("ask the edge: %w", err)
	}
	answer, err := e.out.ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("read the edge's answer: %w", err)
	}
	var got struct{ URL, Error string }
	if err := json.Unmarshal(answer, &got); err != nil {
		return "", fmt.Errorf("the edge answered %q: %w", answer, err)
	}
	if got.Error != "" {
		return "", fmt.Errorf("the edge cannot run %s: %s", w.Name, got.Error)
	}
	return got.URL, nil
}
