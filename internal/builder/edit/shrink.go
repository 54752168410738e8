package edit

import "strings"

const shrinkable = 40 // lines; of a shorter file half is soon gone for good reasons

// Shrinks reports whether new hollows old out, as a model does that rewrites a long file from memory. Lines
// that are blank do not count, and neither does space around a line: code that was moved or indented anew is
// still there, and a line that stood twice must stand twice.
//
// It is much when old has at least 40 lines, more than half of them are gone, and what was written instead is
// less than half of what is gone. A file that says the same in other words, line by line, did not shrink.
// The two counts are of all lines, for a sentence such as "from 120 lines to 31".
func Shrinks(old, new []byte) (before, after int, much bool) {
	left := map[string]int{}
	for line := range strings.Lines(string(old)) {
		if line = strings.TrimSpace(line); line != "" {
			left[line]++
			before++
		}
	}
	kept := 0
	for line := range strings.Lines(string(new)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		after++
		if left[line] > 0 {
			left[line]--
			kept++
		}
	}
	gone, written := before-kept, after-kept
	return before, after, before >= shrinkable && 2*gone > before && 2*written < gone
}
