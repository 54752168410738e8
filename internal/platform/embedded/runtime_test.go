package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLinks(t *testing.T) {
	for _, tc := range []struct {
		name, json string
		want       []link
		err        string
	}{
		{name: "none", json: `[]`},
		{
			name: "libraries",
			json: `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"},{"source":"native/lib/libpq.a","target":"native/lib/libpgq.a"}]`,
			want: []link{{path: "lib/libpq.so.5", to: "libpq.so.5.17"}},
		},
		{name: "not JSON", json: `native/lib`, err: "invalid character"},
		{name: "to the outside", json: `[{"source":"native/../../x","target":"native/lib/x"}]`, err: "outside"},
		{name: "at the outside", json: `[{"source":"native/lib/x","target":"native/lib/../../../x"}]`, err: "outside"},
		{name: "absolute", json: `[{"source":"/etc/passwd","target":"native/lib/x"}]`, err: "outside"},
		{name: "another folder", json: `[{"source":"native/bin/x","target":"native/lib/x"}]`, err: "outside"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseLinks([]byte(tc.json))
			if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(link{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzParseLinks: every accepted link stays in its own folder.
func FuzzParseLinks(f *testing.F) {
	f.Add([]byte(`[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`))
	f.Add([]byte(`[{"source":"native/../x","target":"native/lib/x"}]`))
	f.Add([]byte(`[{"source":"native/.","target":"native/."}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		links, err := parseLinks(data)
		if err != nil {
			return
		}
		for _, l := range links {
			at := filepath.Join("/root", filepath.FromSlash(l.path))
			if !strings.HasPrefix(at, "/root/") || strings.Contains(l.to, "/") || l.to == ".." || l.to == "." || l.to == "" {
				t.Errorf("accepted %+v", l)
			}
		}
	})
}

func TestLinkTreeLeavesOutWhatNobodyRuns(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"bin/postgres": 0o755, "lib/libpq.so.5.17": 0o644, "lib/libpq.a": 0o644, "lib/pkgconfig/libpq.pc": 0o644,
		"lib/postgresql/pgxs/config/install-sh": 0o755, "share/postgresql/postgres.bki": 0o644,
	} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := linkTree(src, dst); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(dst, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dst, p)
			got = append(got, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bin/postgres", "lib/libpq.so.5.17", "share/postgresql/postgres.bki"}, got); diff != "" {
		t.Error(diff)
	}
	if err := copyFile(filepath.Join(src, "bin/postgres"), filepath.Join(dst, "copy")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dst, "copy")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("a copy loses its execute bit: %v, %v", info.Mode(), err)
	}
}

func TestServerLogRotatesAndKeepsATail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openServerLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1023) + "\n"
	for range 2*logFileLimit/len(line) + 100 {
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	l.Write([]byte("one\ntwo\nthree\n"))
	if got := l.Tail(2); got != "two\nthree" {
		t.Errorf("tail %q", got)
	}
	for _, p := range []string{path, path + ".old"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() > logFileLimit+2048 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n, err := l.Write([]byte("after")); n != 5 || err != nil {
		t.Errorf("write after close: %d, %v", n, err)
	}
}

func TestPostmasterPID(t *testing.T) {
	for content, want := range map[string]int{"1234\n/data\n": 1234, "-1234\n": 0, "": 0, "1\n": 0, "x": 0} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := postmasterPID(dir); got != want {
			t.Errorf("%q: %d, want %d", content, got, want)
		}
	}
}
