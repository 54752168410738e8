// Package browsertest finds the browser that tests open pages with.
package browsertest

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips a test where no Chromium or Chrome is installed, so that `make test` works on a machine with
// nothing but Go. CI installs one, and there its absence is a failure.
func Need(t testing.TB) {
	t.Helper()
	switch {
	case Has():
	case os.Getenv("CI") != "":
		t.Fatal("Chromium is missing in CI")
	default:
		t.Skip("no Chromium is installed; CI runs this")
	}
}

// Has reports whether a browser is installed, for tests of which only a part needs one. In CI Need makes sure of it.
func Has() bool {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}
