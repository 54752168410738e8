package npm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

const sampleLock = `{
  "name": "app",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "requires": true,
  "packages": {
    "": {
      "name": "app",
      "version": "1.0.0",
      "dependencies": {
        "a": "^1.0.0"
      }
    },
    "node_modules/@typescript/typescript-linux-x64": {
      "version": "7.0.2",
      "integrity": "sha512-x",
      "cpu": [
        "x64"
      ],
      "dev": true,
      "license": "Apache-2.0",
      "optional": true,
      "os": [
        "linux"
      ],
      "engines": {
        "node": ">=16.20.0"
      }
    },
    "node_modules/a": {
      "version": "1.0.0",
      "integrity": "sha512-y",
      "license": "MIT",
      "dependencies": {
        "b": ">=1 <3"
      }
    },
    "node_modules/a/node_modules/b": {
      "version": "1.0.0",
      "integrity": "sha512-z",
      "license": "MIT"
    },
    "node_modules/addon-linux-x64": {
      "version": "1.0.0",
      "integrity": "sha512-z",
      "cpu": [
        "x64"
      ],
      "optional": true,
      "os": [
        "linux"
      ]
    }
  }
}
`

func TestLockRoundTrip(t *testing.T) {
	l, err := ParseLock([]byte(sampleLock))
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sampleLock, string(got)); d != "" {
		t.Error(d)
	}
}

func TestNeeded(t *testing.T) {
	l, err := ParseLock([]byte(sampleLock))
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"node_modules/a", "node_modules/a/node_modules/b"}
	if d := cmp.Diff(append([]string{"node_modules/@typescript/typescript-linux-x64"}, common...), l.Needed(Platform{"linux", "x64", "glibc"})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(common, l.Needed(Platform{"darwin", "arm64", ""})); d != "" {
		t.Error(d)
	}
}

func TestFits(t *testing.T) {
	linux := Platform{"linux", "x64", "glibc"}
	tests := []struct {
		entry Entry
		want  bool
	}{
		{Entry{}, true},
		{Entry{OS: List{"linux", "darwin"}}, true},
		{Entry{OS: List{"win32"}}, false},
		{Entry{OS: List{"!win32"}}, true},
		{Entry{OS: List{"!linux"}}, false},
		{Entry{CPU: List{"arm64"}}, false},
		{Entry{Libc: List{"musl"}}, false},
		{Entry{Libc: List{"glibc"}}, true},
		{Entry{OS: List{"any"}}, true},
	}
	for _, test := range tests {
		if got := linux.fits(&test.entry); got != test.want {
			t.Errorf("%+v: got %t", test.entry, got)
		}
	}
}

func TestParseLockRefuses(t *testing.T) {
	for name, packages := range map[string]string{
		"traversal":  `{"node_modules/../../x": {"version": "1.0.0"}}`,
		"elsewhere":  `{"src/x": {"version": "1.0.0"}}`,
		"workspace":  `{"node_modules/x": {"resolved": "packages/x", "link": true}}`,
		"git":        `{"node_modules/x": {"version": "1.0.0", "resolved": "git+ssh://host/x.git#1"}}`,
		"folder":     `{"node_modules/x": {"version": "1.0.0", "resolved": "file:../x"}}`,
		"no version": `{"node_modules/x": {}}`,
		"bad name":   `{"node_modules/.x": {"version": "1.0.0"}}`,
		"not JSON":   `{`,
	} {
		_, err := ParseLock([]byte(`{"lockfileVersion": 3, "packages": ` + packages + `}`))
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := ParseLock([]byte(`{"lockfileVersion": 1}`)); !fault.Is(err, fault.Invalid) {
		t.Errorf("version 1: got %v", err)
	}
}

func TestPackageJSONKeepsTheRest(t *testing.T) {
	const src = `{
  "name": "app",
  "scripts": {
    "build": "vite build && echo <done>"
  },
  "dependencies": {
    "b": "1.0.0"
  },
  "custom": [
    1,
    2
  ]
}
`
	p, err := ParsePackageJSON([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	p.Dependencies["a"] = "^2.0.0"
	p.DevDependencies = map[string]string{"c": "~3.0.0"}
	got, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(src, "    \"b\"", "    \"a\": \"^2.0.0\",\n    \"b\"", 1)
	want = strings.Replace(want, "    2\n  ]\n", "    2\n  ],\n  \"devDependencies\": {\n    \"c\": \"~3.0.0\"\n  }\n", 1)
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(sampleLock))
	f.Add([]byte(`{"lockfileVersion":3,"packages":{"node_modules/a":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLock(b)
		if err != nil {
			return
		}
		l.Needed(Platform{"linux", "x64", "glibc"})
		if _, err := l.Marshal(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParsePackageJSON(f *testing.F) {
	f.Add([]byte(`{"name":"a","dependencies":{"b":"1"},"x":[{}]}`))
	f.Add([]byte(`{"name":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePackageJSON(b)
		if err != nil {
			return
		}
		out, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePackageJSON(out); err != nil {
			t.Errorf("%s became %s: %v", b, out, err)
		}
	})
}
