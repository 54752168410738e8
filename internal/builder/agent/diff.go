package agent

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"overskill/internal/filetree"
)

const (
	maxDetail   = 16_000  // bytes of a call's diff that are kept
	maxDiffFile = 200_000 // bytes of a file that is compared line by line
)

// diff returns a unified diff of what a call changed, bounded, and how many lines came and went in all.
// Lock files are left out: nobody reads them.
func diff(old, new filetree.Tree, changed []Changed) (detail string, added, removed int) {
	var b strings.Builder
	for _, c := range changed {
		if c.Path == lockFile || c.Deleted && renamedAway(changed, c.Path) {
			continue
		}
		before, _ := old.Get(c.Path)
		if c.From != "" {
			before, _ = old.Get(c.From)
		}
		after, _ := new.Get(c.Path)
		if !filetree.IsText(before) || !filetree.IsText(after) {
			continue
		}
		d, plus, minus := textDiff(c.Path, string(before), string(after))
		added += plus
		removed += minus
		b.WriteString(d)
	}
	return cutDiff(b.String()), added, removed
}

func renamedAway(changed []Changed, p string) bool {
	for _, c := range changed {
		if c.From == p {
			return true
		}
	}
	return false
}

// textDiff compares two texts. Very large ones are only counted.
func textDiff(name, before, after string) (unified string, added, removed int) {
	if len(before) > maxDiffFile || len(after) > maxDiffFile {
		return "", countLines([]byte(after)), countLines([]byte(before))
	}
	oldName, newName := "a/"+name, "b/"+name
	if before == "" {
		oldName = "/dev/null"
	}
	if after == "" {
		newName = "/dev/null"
	}
	unified = udiff.Unified(oldName, newName, before, after)
	inHunk := false
	for line := range strings.Lines(unified) {
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk = true
		case !inHunk:
		case line[0] == '+':
			added++
		case line[0] == '-':
			removed++
		}
	}
	return unified, added, removed
}

// cutDiff shortens a diff at a line and says what is missing.
func cutDiff(d string) string {
	if len(d) <= maxDetail {
		return d
	}
	kept := d[:strings.LastIndexByte(d[:maxDetail], '\n')+1]
	if kept == "" {
		kept = bounded(d, maxDetail) + "\n"
	}
	return kept + fmt.Sprintf("\\ %d more lines\n", strings.Count(d[len(kept):], "\n"))
}
