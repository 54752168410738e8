package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/llm"
)

func TestActivity(t *testing.T) {
	w := newWorld(t,
		step{think: "First I look at the list. Then the form **needs** a", calls: []llm.ToolCall{
			write("src/pages/Home.tsx", "export default function Home() {\n  return null;\n}\n"),
			replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "      <p>Hi</p>"),
			call("os-add-dependency", in{"name": "clsx"}),
		}},
		step{text: "Done."})
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w.input.Now = func() time.Time { clock = clock.Add(time.Second); return clock } // so that none is left out
	w.build()
	got := strings.Join(w.journal.doings, "\n")
	for _, want := range []string{"(Then the form needs a)", "Writing src/pages/Home.tsx, 3 lines", "Editing src/App.tsx", "Adding clsx"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}

	w = newWorld(t, step{calls: []llm.ToolCall{write("src/long.txt", strings.Repeat("a line\n", 20_000))}}, step{text: "Done."})
	started := w.input.Now()
	w.build() // a look at the clock takes a millisecond
	if most := int(w.input.Now().Sub(started)/activityInterval) + 1; len(w.journal.doings) > most || len(w.journal.doings) < 3 {
		t.Errorf("%d activities, at most %d were allowed", len(w.journal.doings), most)
	}
}

// A draft counts lines and finds its subject however its input is cut into pieces.
func TestDraft(t *testing.T) {
	const input = `{"content":"a\\n is no line\nb\\\nc\n","path":"src/\"a\".ts"}`
	for size := 1; size < len(input); size++ {
		d := draft{name: "os-write"}
		for rest := input; rest != ""; {
			n := min(size, len(rest))
			d.grow(rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(`Writing src/"a".ts, 3 lines`, d.words()); diff != "" {
			t.Errorf("in pieces of %d: %s", size, diff)
		}
	}
}
