package composer

import (
	"slices"
	"strings"
	"testing"

	"overskill/internal/llm/composer/understand"
)

// replaceLines makes the edits that fit.
func replaceLines(was string, edits []editInput) (now string, made int) {
	lines := strings.Split(strings.TrimSuffix(was, "\n"), "\n")
	shift := 0
	for _, e := range edits {
		if e.LastLine == 0 {
			e.LastLine = e.FirstLine + strings.Count(e.Search, "\n")
		}
		first, last := e.FirstLine-1+shift, e.LastLine+shift
		if first < 0 || last > len(lines) || strings.Join(lines[first:last], "\n") != e.Search {
			continue
		}
		var mid []string
		if e.Replace != "" {
			mid = strings.Split(e.Replace, "\n")
		}
		lines = slices.Concat(lines[:first], mid, lines[last:])
		shift += len(mid) - (last - first)
		made++
	}
	return strings.Join(lines, "\n") + "\n", made
}

// Where the edits of a file fit only in part, what a person wrote stays, and the answer names the file.
func TestFollowUpFitsInPart(t *testing.T) {
	w := &workshop{t: t}
	w.turn(crm)
	old := w.spec()
	next, _ := understand.FollowUp(old, "Add a company field to clients")
	e, err := newEdit(old, next)
	if err != nil {
		t.Fatal(err)
	}
	var victim string
	var hunks []hunk
	for _, p := range e.changed {
		if h := hunksOf(string(e.before[p]), string(e.after[p])); strings.HasSuffix(p, ".tsx") && len(h) > 1 {
			victim, hunks = p, h
		}
	}
	now, _ := w.tree.Get(victim)
	lines := strings.Split(string(now), "\n")
	lines[hunks[1].first-1] += " // mine"
	if w.tree, err = w.tree.With(victim, []byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	text := w.turn("Add a company field to clients")
	got, _ := w.tree.Get(victim)
	if !strings.Contains(string(got), " // mine") || !strings.Contains(string(got), strings.TrimSpace(hunks[0].replace)) {
		t.Errorf("%s: %s", victim, got)
	}
	if !strings.Contains(text, victim) {
		t.Errorf("the answer does not name %s: %s", victim, text)
	}
}
