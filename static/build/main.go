// Command build turns static/src into static/dist: it bundles, minifies and names every file by a hash of
// its content, and writes the names as constants into static/names.go. Run it from anywhere inside the
// module after a change in static/src:
//
//	go run ./static/build
//
// Its output is committed; a test runs the same build and fails when the two differ.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "static/build:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	out, err := bundle(filepath.Join(root, "static", "src"))
	if err != nil {
		return err
	}
	dist := filepath.Join(root, "static", "dist")
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for _, f := range out.Files {
		if err := os.WriteFile(filepath.Join(dist, f.Name), f.Content, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "static", "names.go"), out.Names, 0o644)
}

// moduleRoot walks up to the directory of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}
