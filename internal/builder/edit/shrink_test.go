package edit

import (
	"fmt"
	"strings"
	"testing"
)

// numberedLines returns lines first to last, each another text.
func numberedLines(first, last int, format string) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

func TestShrinks(t *testing.T) {
	hundred := numberedLines(1, 100, "line %d")
	var backwards strings.Builder
	for i := 100; i > 0; i-- {
		fmt.Fprintf(&backwards, "line %d\n", i)
	}
	tests := []struct {
		name, old, new string
		before, after  int
		much           bool
	}{
		{"nothing changed", hundred, hundred, 100, 100, false},
		{"everything gone", hundred, "", 100, 0, true},
		{"half is gone", hundred, numberedLines(1, 50, "line %d"), 100, 50, false},
		{"one more than half", hundred, numberedLines(1, 49, "line %d"), 100, 49, true},
		{"the upper half is gone", hundred, numberedLines(52, 100, "line %d"), 100, 49, true},
		{"39 lines", numberedLines(1, 39, "line %d"), "line 1\n", 39, 1, false},
		{"40 lines", numberedLines(1, 40, "line %d"), "line 1\n", 40, 1, true},
		{"40 lines, one of them blank", numberedLines(1, 39, "line %d") + "\n", "line 1\n", 39, 1, false},
		{"moved", hundred, backwards.String(), 100, 100, false},
		{"indented", hundred, numberedLines(1, 100, "\t\tline %d"), 100, 100, false},
		{"only blank lines gone", strings.ReplaceAll(hundred, "\n", "\n\n\n"), hundred, 100, 100, false},
		{"blank lines instead", hundred, strings.Repeat("\n", 100), 100, 0, true},
		{"windows line ends", hundred, strings.ReplaceAll(hundred, "\n", "\r\n"), 100, 100, false},
		{"rewritten, as long", hundred, numberedLines(1, 100, "row %d"), 100, 100, false},
		{"rewritten, half as long", hundred, numberedLines(1, 50, "row %d"), 100, 50, false},
		{"rewritten, shorter", hundred, numberedLines(1, 49, "row %d"), 100, 49, true},
		{"twice is not once", strings.Repeat("</div>\n", 80), strings.Repeat("</div>\n", 30), 80, 30, true},
		{"a stub", hundred, "export default function App() {\n  return null;\n}\n", 100, 3, true},
		{"new file", "", hundred, 0, 100, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after, much := Shrinks([]byte(test.old), []byte(test.new))
			if before != test.before || after != test.after || much != test.much {
				t.Errorf("Shrinks = %d, %d, %v; want %d, %d, %v", before, after, much, test.before, test.after, test.much)
			}
		})
	}
}
