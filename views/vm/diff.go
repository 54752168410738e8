package vm

import (
	"fmt"
	"strconv"
	"strings"
)

// DiffLine is one line of a difference. Kind is also its CSS class: "a" added, "d" deleted, "h" the head of
// a hunk in words, "" context.
type DiffLine struct {
	Kind   string
	Number int    // 1-based, in the new file, or in the old one for deleted lines; 0 for heads
	Text   string // without the marker
}

// ParseDiff reads the hunks of a unified diff of one file (GNU diffutils, "Detailed Description of Unified
// Format"). It never fails: a line that belongs to no hunk is left out, and hunk counts bound what a hunk
// may hold, so that a deleted line "-- x" is not taken for a file header.
func ParseDiff(unified string) []DiffLine {
	var out []DiffLine
	var oldAt, newAt, oldLeft, newLeft int
	for line := range strings.Lines(unified) {
		line = strings.TrimRight(line, "\r\n")
		if oldLeft <= 0 && newLeft <= 0 {
			h, ok := parseHunk(line)
			if !ok {
				continue
			}
			oldAt, oldLeft, newAt, newLeft = h.oldAt, h.oldLen, h.newAt, h.newLen
			out = append(out, DiffLine{Kind: "h", Text: h.words()})
			continue
		}
		marker, text := byte(' '), ""
		if line != "" {
			marker, text = line[0], line[1:]
		}
		switch marker {
		case '+':
			out = append(out, DiffLine{Kind: "a", Number: newAt, Text: text})
			newAt, newLeft = newAt+1, newLeft-1
		case '-':
			out = append(out, DiffLine{Kind: "d", Number: oldAt, Text: text})
			oldAt, oldLeft = oldAt+1, oldLeft-1
		case ' ':
			out = append(out, DiffLine{Number: newAt, Text: text})
			oldAt, newAt, oldLeft, newLeft = oldAt+1, newAt+1, oldLeft-1, newLeft-1
		}
	}
	return out
}

// Marker is the sign that a reader of plain text looks for.
func (l DiffLine) Marker() string {
	switch l.Kind {
	case "a":
		return "+ "
	case "d":
		return "- "
	}
	return "  "
}

type hunk struct {
	oldAt, oldLen, newAt, newLen int
	context                      string
}

func (h hunk) words() string {
	from, to, what := h.newAt, h.newAt+h.newLen-1, "line"
	if h.newLen == 0 {
		from, to, what = h.oldAt, h.oldAt+h.oldLen-1, "deleted line"
	}
	text := fmt.Sprintf("%s %d", what, from)
	if to > from {
		text = fmt.Sprintf("%ss %d to %d", what, from, to)
	}
	if h.context != "" {
		text += ", " + h.context
	}
	return text
}

// maxDiffLine bounds the numbers that a hunk may claim, so that sums stay far from overflow.
const maxDiffLine = 10_000_000

// parseHunk reads "@@ -12,5 +12,7 @@ context"; a missing length is 1.
func parseHunk(line string) (hunk, bool) {
	rest, ok := strings.CutPrefix(line, "@@ -")
	if !ok {
		return hunk{}, false
	}
	ranges, context, ok := strings.Cut(rest, " @@")
	if !ok {
		return hunk{}, false
	}
	before, after, ok := strings.Cut(ranges, " +")
	if !ok {
		return hunk{}, false
	}
	h := hunk{context: strings.TrimSpace(context)}
	var okOld, okNew bool
	h.oldAt, h.oldLen, okOld = parseRange(before)
	h.newAt, h.newLen, okNew = parseRange(after)
	return h, okOld && okNew
}

func parseRange(text string) (at, length int, ok bool) {
	first, second, both := strings.Cut(text, ",")
	at, err := strconv.Atoi(first)
	if err != nil || at < 0 || at > maxDiffLine {
		return 0, 0, false
	}
	length = 1
	if both {
		if length, err = strconv.Atoi(second); err != nil || length < 0 || length > maxDiffLine {
			return 0, 0, false
		}
	}
	return at, length, true
}
