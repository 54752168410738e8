package toolchain

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

func TestParsePackage(t *testing.T) {
	for manifest, want := range map[string]string{
		`{"license": "MIT"}`:                                        "MIT",
		`{"license": " (MIT OR Apache-2.0) "}`:                      "(MIT OR Apache-2.0)",
		`{"license": {"type": "BSD-3-Clause", "url": "LICENSE"}}`:   "BSD-3-Clause",
		`{"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}`:      "(MIT OR GPL-2.0)",
		`{"licenses": ["ISC"]}`:                                     "ISC",
		`{"license": ["MIT", {"type": "ISC"}]}`:                     "(MIT OR ISC)",
		`{"license": "", "licenses": [{"type": "WTFPL"}]}`:          "WTFPL",
		`{"licenses": {"type": "MIT"}}`:                             "MIT",
		`{"license": "SEE LICENSE IN LICENSE.md"}`:                  "SEE LICENSE IN LICENSE.md",
		"\ufeff{\"license\": \"MIT\"}":                              "MIT",
		`{"license": 1, "licenses": [[["deep"]], {"name": "odd"}]}`: "",
		`{}`: "",
	} {
		if got := parsePackage([]byte(manifest)); got.License != want {
			t.Errorf("%s: got %q, want %q", manifest, got.License, want)
		}
	}
	for manifest, want := range map[string]Package{
		"":   {},
		"[]": {},
		`{"name": 1, "version": "2.0.0", "license": "MIT"}`: {Version: "2.0.0", License: "MIT"},
	} {
		if d := cmp.Diff(want, parsePackage([]byte(manifest))); d != "" {
			t.Errorf("%q: %s", manifest, d)
		}
	}
}

func FuzzParsePackage(f *testing.F) {
	f.Add([]byte(`{"name": "a", "version": "1.0.0", "license": ["MIT", {"type": "ISC"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := parsePackage(b); p.License != "" {
			if again := licenseOf(mustJSON(t, p.License)); again != p.License {
				t.Errorf("%q was read as %q, which is read as %q", b, p.License, again)
			}
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLicenses(t *testing.T) {
	tc := open(t)
	all, err := tc.Licenses(t.Context(), fixture(t))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Package{}
	for _, p := range all {
		if p.Name == "" || p.Version == "" || p.License == "" { // true of every package of the fixture
			t.Errorf("got %+v", p)
		}
		byName[p.Name] = p
	}
	for _, want := range []Package{
		{Name: "react", Version: "19.3.1", License: "MIT", Direct: true},
		{Name: "typescript", Version: "7.0.2", License: "Apache-2.0", Direct: true, Dev: true},
		{Name: "scheduler", Version: byName["scheduler"].Version, License: "MIT"},
	} {
		if d := cmp.Diff(want, byName[want.Name]); d != "" {
			t.Error(d)
		}
	}
	if len(all) < 20 {
		t.Errorf("only %d packages", len(all))
	}
	if _, err := tc.Licenses(t.Context(), filetree.Tree{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}
