package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the sources give.
func TestDistIsFresh(t *testing.T) {
	out, err := bundle(mustAbs(t, "../src"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadFile("../names.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(names, out.Names) {
		t.Error("static/names.go is stale: go run ./static/build")
	}
	have, err := os.ReadDir("../dist")
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != len(out.Files) {
		t.Errorf("%d files in dist, want %d", len(have), len(out.Files))
	}
	for _, f := range out.Files {
		content, err := os.ReadFile(filepath.Join("../dist", f.Name))
		if err != nil || !bytes.Equal(content, f.Content) {
			t.Errorf("dist/%s is stale: go run ./static/build (%v)", f.Name, err)
		}
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.css"), []byte(`@import "./missing.css";`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle(dir); err == nil {
		t.Error("a missing source is no error")
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
