// Package typecheck runs TypeScript over an app.
//
// From version 7 on TypeScript's compiler is a native program, which npm delivers in a package per platform
// (@typescript/typescript-linux-x64 and so on). So the compiler that an app's own lock names can be run as a
// child process, without Node. It reads real files: the app is written to a temporary folder next to a link to
// its installed packages. The child has a time limit, a memory limit and an empty environment.
package typecheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// Limits of one run.
const (
	timeLimit   = 60 * time.Second
	memoryLimit = 2 << 30 // bytes of private memory
	maxOutput   = 4 << 20 // bytes of messages
	maxFound    = 500     // diagnostics
)

// ErrNoCompiler means that the app's TypeScript has no native compiler, as is so before version 7.
var ErrNoCompiler = errors.New("no native TypeScript compiler is installed")

// Input is one app to check.
type Input struct {
	Dir      string // absolute folder that holds node_modules
	Tree     filetree.Tree
	Projects []string // tsconfig files to check, relative; none means tsconfig.json
	Temp     string   // where to make the temporary folder
}

// Check returns the problems that TypeScript finds, in its order. It returns ErrNoCompiler where there is none,
// and an Unavailable fault when the compiler took too long or too much memory.
func Check(ctx context.Context, in Input) ([]model.Diagnostic, error) {
	compiler, err := find(in.Dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(in.Temp, "typecheck-")
	if err != nil {
		return nil, fmt.Errorf("typecheck: %w", err)
	}
	defer os.RemoveAll(work)
	if err := write(work, in); err != nil {
		return nil, fmt.Errorf("typecheck: %w", err)
	}
	projects := in.Projects
	if len(projects) == 0 {
		projects = []string{"tsconfig.json"}
	}
	var all []model.Diagnostic
	for _, p := range projects {
		found, err := run(ctx, compiler, work, p, in.Tree)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// find returns the native compiler that is installed; npm's own filter saw to it that it fits this platform.
func find(dir string) (string, error) {
	scope := filepath.Join(dir, "node_modules", "@typescript")
	entries, err := os.ReadDir(scope)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for TypeScript: %w", err)
	}
	for _, e := range entries {
		for _, name := range []string{"tsc", "tsc.exe"} {
			p := filepath.Join(scope, e.Name(), "lib", name)
			if i, err := os.Stat(p); err == nil && i.Mode().IsRegular() && strings.HasPrefix(e.Name(), "typescript-") {
				return p, nil
			}
		}
	}
	return "", ErrNoCompiler
}

// read reports whether TypeScript or a tsconfig may want to see the file.
func read(p string) bool {
	switch filepath.Ext(p) {
	case ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json":
		return p != "package-lock.json"
	}
	return false
}

// write puts the app's sources into a folder that looks like a project.
func write(work string, in Input) error {
	made := map[string]bool{}
	for _, p := range in.Tree.Paths() {
		if !read(p) {
			continue
		}
		at := filepath.Join(work, filepath.FromSlash(p))
		if d := filepath.Dir(at); !made[d] {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
			made[d] = true
		}
		content, _ := in.Tree.Get(p)
		if err := os.WriteFile(at, content, 0o644); err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join(in.Dir, "node_modules"), filepath.Join(work, "node_modules"))
}

// run checks one project.
func run(ctx context.Context, compiler, work, project string, tree filetree.Tree) ([]model.Diagnostic, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	// One thread takes a fifth longer than all of them, half the processor time and two thirds of the memory:
	// the bundler runs at the same time and needs the other cores. The compiler is a Go program that lives for
	// less than a second, so its collector starts only when memory gets scarce.
	cmd := exec.CommandContext(ctx, compiler, "-p", project, "--noEmit", "--pretty", "false", "--incremental", "false", "--composite", "false", "--singleThreaded")
	cmd.Dir = work
	cmd.Env = []string{"GOGC=off", "GOMEMLIMIT=" + strconv.Itoa(memoryLimit/2), "HOME=" + work, "LANG=C.UTF-8"}
	cmd.WaitDelay = 2 * time.Second
	out := &capped{limit: maxOutput}
	cmd.Stdout, cmd.Stderr = out, out
	confine(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start TypeScript: %w", err)
	}
	if err := limit(cmd.Process.Pid, memoryLimit); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("limit TypeScript's memory: %w", err), ignoreExit(cmd.Wait()))
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "Checking the types took longer than %s and was stopped.", timeLimit)
		}
		return nil, ctx.Err()
	}
	found := parse(out.Bytes(), tree)
	var exit *exec.ExitError
	switch {
	case err == nil, errors.As(err, &exit) && len(found) > 0:
		return found, nil
	case errors.As(err, &exit):
		return nil, fault.Wrap(fmt.Errorf("%w: %s", err, tail(out.Bytes())), fault.Unavailable, "The TypeScript compiler broke off before it found anything.")
	}
	return nil, fmt.Errorf("run TypeScript: %w", err)
}

func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

func tail(b []byte) []byte { return b[max(0, len(b)-500):] }

var (
	located = regexp.MustCompile(`^(.+?)\((\d+),(\d+)\): (error|warning) (TS\d+): (.*)$`)
	general = regexp.MustCompile(`^(error|warning) (TS\d+): (.*)$`)
)

// parse reads the compiler's messages; indented lines continue the one before.
func parse(out []byte, tree filetree.Tree) []model.Diagnostic {
	var found []model.Diagnostic
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		if m := located.FindStringSubmatch(line); m != nil {
			d := model.Diagnostic{Class: "type", File: filepath.ToSlash(m[1]), Code: m[5], Message: m[6], Warning: m[4] == "warning"}
			d.Line, _ = strconv.Atoi(m[2]) // digits, by the expression; what overflows is no line
			d.Column, _ = strconv.Atoi(m[3])
			d.Snippet = lineOf(tree, d.File, d.Line)
			classify(&d)
			found = append(found, d)
		} else if m := general.FindStringSubmatch(line); m != nil {
			found = append(found, model.Diagnostic{Class: "type", Code: m[2], Message: m[3], Warning: m[1] == "warning"})
		} else if n := len(found); n > 0 && strings.HasPrefix(line, " ") && len(found[n-1].Message) < 2000 {
			found[n-1].Message += "\n" + line
		}
		if len(found) == maxFound {
			break
		}
	}
	return found
}

// classify gives the commonest problems the class that the rest of the builder knows them by.
func classify(d *model.Diagnostic) {
	switch d.Code {
	case "TS2305", "TS2614", "TS2724", "TS1192", "TS2613":
		d.Class = "missing_export"
	case "TS2307", "TS7016", "TS2792":
		d.Class = "missing_file"
		if s := strings.SplitN(d.Message, "'", 3); len(s) == 3 && !strings.HasPrefix(s[1], ".") && !strings.HasPrefix(s[1], "/") && !strings.HasPrefix(s[1], "@/") {
			d.Class = "missing_package"
		}
	case "TS1005", "TS1109", "TS1128", "TS1003", "TS17008", "TS1381", "TS1382", "TS17002":
		d.Class = "syntax"
	}
}

func lineOf(tree filetree.Tree, p string, n int) string {
	src, ok := tree.Get(p)
	if !ok || n < 1 {
		return ""
	}
	for line := range bytes.Lines(src) {
		if n--; n == 0 {
			return strings.TrimSpace(string(line))
		}
	}
	return ""
}

// capped keeps the first bytes of what is written to it.
type capped struct {
	bytes.Buffer
	limit int
}

func (c *capped) Write(b []byte) (int, error) {
	if room := c.limit - c.Len(); room > 0 {
		c.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
