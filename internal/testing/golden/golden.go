// Package golden runs test cases that are txtar archives: what is given and what is expected, in one file that people
// can read.
package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Cases runs the cases that match a glob, each as a subtest. isResult tells which files of a case hold what is
// expected. run gets the comment and the other files, and returns what came out; a result that a case does not have is
// as wrong as one that differs. With update, the results are written into the cases instead.
func Cases(t *testing.T, glob string, update bool, isResult func(name string) bool, run func(t *testing.T, given *txtar.Archive) []txtar.File) {
	t.Helper()
	cases, err := filepath.Glob(glob)
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			given := &txtar.Archive{Comment: archive.Comment}
			want, got := map[string]string{}, map[string]string{}
			for _, f := range archive.Files {
				if isResult(f.Name) {
					want[f.Name] = string(f.Data)
				} else {
					given.Files = append(given.Files, f)
				}
			}
			results := run(t, given)
			if update {
				given.Files = append(given.Files, results...)
				if err := os.WriteFile(name, txtar.Format(given), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, f := range results {
				got[f.Name] = string(f.Data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Removed are the paths that lines "- path" of a case's comment name.
func Removed(comment []byte) []string {
	var paths []string
	for line := range strings.Lines(string(comment)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			paths = append(paths, p)
		}
	}
	return paths
}
