package modelscript

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// recorder is a test that fails without failing ours.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// end runs the cleanups and returns why the test failed.
func (r *recorder) end() string {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return strings.Join(r.failures, "\n")
}

func FuzzPieces(f *testing.F) {
	f.Add("Grüß dich! 👋", 1)
	f.Add("", 0)
	f.Add("\xff\xfe", 1)
	f.Add("e\u0301", 2)
	f.Fuzz(func(t *testing.T, text string, n int) {
		if len(text) > 1<<12 {
			return // long enough
		}
		list := pieces(text, n)
		if got := strings.Join(list, ""); got != text {
			t.Errorf("the pieces of %q make %q", text, got)
		}
		for _, p := range list {
			if p == "" || (utf8.ValidString(text) && !utf8.ValidString(p)) {
				t.Errorf("%q has the piece %q", text, p)
			}
		}
	})
}

func TestInputs(t *testing.T) {
	step := Step{CutInput: 10, Calls: []Call{{Name: "a", Input: map[string]string{"path": "x"}}, {Name: "b", Input: `{"text":"ü!"}`}, {Name: "c", Input: "{\"text\":\"\u00fc!\"}"}}}
	got := step.inputs()
	want := []string{`{"path":"x"}`, `{"text":"ü!"}`, `{"text":"`}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("input %d is %s, want %s", i, got[i], want[i])
		}
	}
	if step.stop() != "max_tokens" {
		t.Errorf("a reply that is cut stops with %s", step.stop())
	}
}
