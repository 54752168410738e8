package compile

import (
	"testing"

	"overskill/internal/llm/composer/spec"
)

// TestRandomSpecs makes apps whose names mean something to every language that they land in. Each must be valid,
// and every file must parse and import only what is there.
func TestRandomSpecs(t *testing.T) {
	for seed := range uint64(40) {
		s := newGenerator(seed).spec()
		if err := s.Validate(); err != nil {
			t.Fatalf("seed %d makes an invalid spec: %v", seed, err)
		}
		checkApp(t, seed, s)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkApp(t *testing.T, seed uint64, s spec.Spec) {
	t.Helper()
	all, own := build(t, s)
	for p := range own {
		checkSyntax(t, p, all[p])
	}
	checkImports(t, all, own)
	checkLockdown(t, s)
	next := newGenerator(seed + 1000).change(clone(t, s))
	if err := next.Validate(); err != nil {
		t.Fatalf("seed %d makes an invalid change: %v", seed, err)
	}
	if _, _, err := Migration(&s, next); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
}
