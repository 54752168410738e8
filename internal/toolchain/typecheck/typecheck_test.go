package typecheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

func TestParse(t *testing.T) {
	tree, err := filetree.New(map[string][]byte{"src/a.ts": []byte("one\n  const x: number = y;\n")})
	if err != nil {
		t.Fatal(err)
	}
	out := `src/a.ts(2,9): error TS2322: Type 'string' is not assignable to type 'number'.
  More about it.
src/b.ts(1,1): error TS2307: Cannot find module 'left-pad' or its corresponding type declarations.
src/b.ts(2,1): error TS2307: Cannot find module './x' or its corresponding type declarations.
src/b(1).ts(3,4): error TS2305: Module '"./a"' has no exported member 'q'.
error TS5083: Cannot read file 'x'.
Found 5 errors.
`
	want := []model.Diagnostic{
		{
			Class: "type", File: "src/a.ts", Line: 2, Column: 9, Code: "TS2322", Snippet: "const x: number = y;",
			Message: "Type 'string' is not assignable to type 'number'.\n  More about it.",
		},
		{Class: "missing_package", File: "src/b.ts", Line: 1, Column: 1, Code: "TS2307", Message: "Cannot find module 'left-pad' or its corresponding type declarations."},
		{Class: "missing_file", File: "src/b.ts", Line: 2, Column: 1, Code: "TS2307", Message: "Cannot find module './x' or its corresponding type declarations."},
		{Class: "missing_export", File: "src/b(1).ts", Line: 3, Column: 4, Code: "TS2305", Message: `Module '"./a"' has no exported member 'q'.`},
		{Class: "type", Code: "TS5083", Message: "Cannot read file 'x'."},
	}
	if d := cmp.Diff(want, parse([]byte(out), tree)); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a.ts(1,2): error TS1: x\n  y\n"))
	f.Add([]byte("a(99999999999999999999,1): error TS1: x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range parse(b, filetree.Tree{}) {
			if d.Message == "" && d.Code == "" {
				t.Errorf("an empty diagnostic from %q", b)
			}
		}
	})
}

// compiler installs a shell script in the compiler's place, for what a real one does only on bad days.
func compiler(t *testing.T, script string) Input {
	t.Helper()
	dir := t.TempDir()
	lib := filepath.Join(dir, "node_modules", "@typescript", "typescript-test", "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lib, "tsc"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Input{Dir: dir, Temp: t.TempDir()}
}

func TestCheckFailures(t *testing.T) {
	if _, err := Check(t.Context(), Input{Dir: t.TempDir(), Temp: t.TempDir()}); !errors.Is(err, ErrNoCompiler) {
		t.Errorf("got %v", err)
	}
	in := compiler(t, "echo panic: boom >&2; exit 2")
	if _, err := Check(t.Context(), in); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := Check(ctx, compiler(t, "exec sleep 60")); !fault.Is(err, fault.Unavailable) || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
	if left, err := os.ReadDir(in.Temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestChildIsConfined(t *testing.T) {
	t.Setenv("SECRET", "do-not-leak")
	found, err := Check(t.Context(), compiler(t, `sleep 0.2; echo "error TS1: [$SECRET] $(ulimit -d)"`))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("[] %d", memoryLimit/1024); len(found) != 1 || found[0].Message != want {
		t.Errorf("got %+v, want %q", found, want)
	}
}
