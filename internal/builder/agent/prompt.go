package agent

import (
	_ "embed"
	"fmt"
	"strings"

	"overskill/internal/filetree"
)

//go:embed prompt.md
var prompt string

const maxIndex = 400 // files listed in the system prompt

// systemPrompt is the same for all apps, followed by the files of this one, so that the first part can be
// cached by providers that cache. Only the second part names files below src/features and supabase/migrations,
// or a spec: the Composer sees by them whether there is an app already.
func systemPrompt(tree filetree.Tree) string {
	var b strings.Builder
	b.WriteString(prompt)
	b.WriteString("\n## The files now\n")
	if tree.Len() == 0 {
		b.WriteString("There are none yet.\n")
	}
	for i, p := range tree.Paths() {
		if i == maxIndex {
			fmt.Fprintf(&b, "... and %d more; list a folder with os-view\n", tree.Len()-maxIndex)
			break
		}
		content, _ := tree.Get(p)
		if filetree.IsText(content) {
			fmt.Fprintf(&b, "%s (%d lines)\n", p, countLines(content))
		} else {
			fmt.Fprintf(&b, "%s (%d bytes, not text)\n", p, len(content))
		}
	}
	return b.String()
}
