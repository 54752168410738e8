package npm

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

// places returns "place version" of a lock, in order.
func places(l *Lock) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(l.Packages)) {
		if p != "" {
			out = append(out, p[len("node_modules/"):]+" "+l.Packages[p].Version)
		}
	}
	return out
}

type deps = map[string]string

func TestResolve(t *testing.T) {
	tests := []struct {
		name  string
		offer func(s *shop)
		pkg   PackageJSON
		old   []string // places "a 1.0.0" locked before
		want  []string
		notes int
	}{
		{
			name: "shared dependency goes to the top",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{Dependencies: deps{"c": "^1.0.0"}})
				s.offer("b", "1.0.0", Manifest{Dependencies: deps{"c": "^1.1.0"}})
				s.offer("c", "1.1.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "1.0.0", "b": "1.0.0"}}, want: []string{"a 1.0.0", "b 1.0.0", "c 1.1.0"},
		},
		{
			name: "a second version is nested",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{Dependencies: deps{"c": "^1.0.0"}})
				s.offer("b", "1.0.0", Manifest{Dependencies: deps{"c": "^2.0.0"}})
				s.offer("c", "1.5.0", Manifest{})
				s.offer("c", "2.0.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*", "b": "*"}}, want: []string{"a 1.0.0", "b 1.0.0", "b/node_modules/c 2.0.0", "c 1.5.0"},
		},
		{
			name: "peers come beside, optional peers do not",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{
					PeerDependencies: deps{"p": "^1.0.0", "q": "*"}, PeerDependenciesMeta: map[string]PeerMeta{"q": {Optional: true}},
				})
				s.offer("p", "1.0.0", Manifest{})
				s.offer("p", "2.0.0", Manifest{})
				s.offer("q", "1.0.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*"}}, want: []string{"a 1.0.0", "p 1.0.0"},
		},
		{
			name: "a contradicting peer is noted, the app's choice stands",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{PeerDependencies: deps{"p": "^1.0.0"}})
				s.offer("p", "1.0.0", Manifest{})
				s.offer("p", "2.0.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*", "p": "^2.0.0"}}, want: []string{"a 1.0.0", "p 2.0.0"}, notes: 1,
		},
		{
			name: "what is locked stays",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{})
				s.offer("a", "1.9.0", Manifest{})
				s.offer("b", "1.0.0", Manifest{Dependencies: deps{"a": "^1.0.0"}})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "^1.0.0", "b": "*"}}, old: []string{"a 1.0.0"}, want: []string{"a 1.0.0", "b 1.0.0"},
		},
		{
			name: "what nobody needs any more goes",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{})
				s.offer("b", "1.0.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*"}}, old: []string{"a 1.0.0", "b 1.0.0"}, want: []string{"a 1.0.0"},
		},
		{
			name: "a new range at the top nests the old version where it is needed",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{Dependencies: deps{"c": "^1.0.0"}})
				s.offer("c", "1.0.0", Manifest{})
				s.offer("c", "2.0.0", Manifest{})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*", "c": "^2.0.0"}}, old: []string{"a 1.0.0", "c 1.0.0"},
			want: []string{"a 1.0.0", "a/node_modules/c 1.0.0", "c 2.0.0"},
		},
		{
			name:  "optional packages may be missing",
			offer: func(s *shop) { s.offer("a", "1.0.0", Manifest{OptionalDependencies: deps{"gone": "1.0.0"}}) },
			pkg:   PackageJSON{Dependencies: deps{"a": "*"}}, want: []string{"a 1.0.0"},
		},
		{
			name:  "aliases",
			offer: func(s *shop) { s.offer("real", "1.2.0", Manifest{}) },
			pkg:   PackageJSON{Dependencies: deps{"other": "npm:real@^1.0.0"}}, want: []string{"other 1.2.0"},
		},
		{
			name: "circles end",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{Dependencies: deps{"b": "*"}})
				s.offer("b", "1.0.0", Manifest{Dependencies: deps{"a": "*"}})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "*"}}, want: []string{"a 1.0.0", "b 1.0.0"},
		},
		{
			name: "deprecated versions are avoided",
			offer: func(s *shop) {
				s.offer("a", "1.0.0", Manifest{})
				s.offer("a", "1.1.0", Manifest{Deprecated: "broken"})
			},
			pkg: PackageJSON{Dependencies: deps{"a": "^1.0.0"}}, want: []string{"a 1.0.0"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t)
			test.offer(s)
			store := s.store()
			var old *Lock
			if test.old != nil {
				old = &Lock{Packages: map[string]*Entry{"": {}}}
				for _, p := range test.old {
					name, version := p[:1], p[2:]
					old.Packages["node_modules/"+name] = s.packages[name][version].entry(name)
				}
			}
			l, notes, err := Resolve(t.Context(), store.Registry, &test.pkg, old)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, places(l)); d != "" {
				t.Error(d)
			}
			if len(notes) != test.notes {
				t.Errorf("notes: %q", notes)
			}
			if why, ok := l.Matches(&test.pkg); !ok {
				t.Error(why)
			}
			if _, err := store.Tree(t.Context(), l, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestResolveFlags(t *testing.T) {
	s := newShop(t)
	s.offer("prod", "1.0.0", Manifest{Dependencies: deps{"both": "*"}, OptionalDependencies: deps{"maybe": "*"}})
	s.offer("dev", "1.0.0", Manifest{Dependencies: deps{"both": "*", "deep": "*", "maybe": "*"}, PeerDependencies: deps{"peer": "*"}})
	for _, n := range []string{"both", "deep", "maybe", "peer"} {
		s.offer(n, "1.0.0", Manifest{})
	}
	pkg := PackageJSON{Dependencies: deps{"prod": "*"}, DevDependencies: deps{"dev": "*"}}
	l, _, err := Resolve(t.Context(), s.store().Registry, &pkg, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][4]bool{}
	for p, e := range l.Packages {
		got[p] = [4]bool{e.Dev, e.Optional, e.DevOptional, e.Peer}
	}
	want := map[string][4]bool{
		"": {}, "node_modules/prod": {}, "node_modules/both": {}, "node_modules/dev": {true}, "node_modules/deep": {true},
		"node_modules/maybe": {false, false, true}, "node_modules/peer": {true, false, false, true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestResolveFails(t *testing.T) {
	s := newShop(t)
	s.offer("a", "1.0.0", Manifest{})
	registry := s.store().Registry
	for rng, want := range map[string]fault.Kind{"^2.0.0": fault.Invalid, "github:x/y": fault.Invalid, "file:../x": fault.Invalid, "not a range!": fault.Invalid} {
		_, _, err := Resolve(t.Context(), registry, &PackageJSON{Dependencies: deps{"a": rng}}, nil)
		if !fault.Is(err, want) {
			t.Errorf("%s: got %v", rng, err)
		}
	}
	if _, _, err := Resolve(t.Context(), registry, &PackageJSON{Dependencies: deps{"nowhere": "*"}}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
