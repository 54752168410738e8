package edit

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason says why an edit was refused.
type Reason string

// The reasons.
const (
	BadEdit   Reason = "bad_edit"  // the edit makes no sense by itself
	NotFound  Reason = "not_found" // the lines are not there
	Ambiguous Reason = "ambiguous" // they are there more than once, and not where they were said to be
	Overlap   Reason = "overlap"   // an earlier edit of the reply changes the same lines
	NoChange  Reason = "no_change" // the replacement is what stands there
	Blank     Reason = "blank"     // nothing would be left
	Omitted   Reason = "omitted"   // the replacement says "rest of code" instead of the code
	Syntax    Reason = "syntax"    // the file parses now and would not any more
)

// Result describes an edit that is made. Lines count from 1 and are inclusive.
type Result struct {
	Edit                      int // index into the edits
	FirstLine, LastLine       int // the replaced lines, in the file as it was read
	NewFirstLine, NewLastLine int // the new lines, in the file after all edits; last is first-1 if there are none
	Removed, Added            int
	Asked                     int      // lines in the range that was asked for; the search may quote fewer, or more
	Shift                     int      // lines were found so much further down than asked for
	Loosened                  Loosened // what the match overlooked
}

// String says it in a sentence or two.
func (r Result) String() string {
	var b strings.Builder
	switch {
	case r.Added == 0:
		fmt.Fprintf(&b, "Deleted %s.", span(r.FirstLine-1, r.LastLine-1))
	default:
		fmt.Fprintf(&b, "Replaced %s; the new text is now %s.", span(r.FirstLine-1, r.LastLine-1), span(r.NewFirstLine-1, r.NewLastLine-1))
	}
	if r.Shift != 0 {
		where := "below"
		if r.Shift < 0 {
			where = "above"
		}
		fmt.Fprintf(&b, " It was found %s %s where you said.", lines(max(r.Shift, -r.Shift)), where)
	}
	if r.Asked != r.Removed {
		fmt.Fprintf(&b, " The range had %s and the search %d: only what the search quotes was replaced.", lines(r.Asked), r.Removed)
	}
	if r.Loosened == Indentation {
		b.WriteString(" The indentation was adjusted to the file's.")
	}
	return b.String()
}

// Failure is one refused edit, explained to whoever has to correct it.
type Failure struct {
	Edit   int // index into the edits
	Reason Reason
	Text   string // why, and the real lines with their numbers
}

// Error lists the refused edits of a batch, and those that were made all the same.
type Error struct {
	Path     string
	Edits    int
	Failures []Failure // by Edit
	Applied  []Result  // by Edit
}

// Error tells everything that the model needs for its next try.
func (e *Error) Error() string {
	var b strings.Builder
	for i, f := range e.Failures {
		if e.Edits > 1 {
			fmt.Fprintf(&b, "Edit %d of %d was not made. ", f.Edit+1, e.Edits)
		}
		if i > 0 && f.Text == e.Failures[i-1].Text { // they failed together
			b.WriteString("The same holds for it.\n")
			continue
		}
		b.WriteString(f.Text)
		b.WriteByte('\n')
	}
	for _, r := range e.Applied {
		fmt.Fprintf(&b, "Edit %d of %d was made: %s\n", r.Edit+1, e.Edits, r)
	}
	if len(e.Applied) == 0 {
		b.WriteString("Nothing was changed.")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const around = 3 // lines of context in an error

// fail explains a refusal; the real lines first to last (from 0) are shown with their surroundings,
// unless first is negative.
func (f file) fail(edit int, reason Reason, first, last int, format string, args ...any) Failure {
	text := fmt.Sprintf(format, args...)
	if first >= 0 {
		text += "\n" + f.excerpt(first, last)
	}
	return Failure{Edit: edit, Reason: reason, Text: text}
}

// excerpt shows lines with numbers, in the manner in which files are shown to the model.
func (f file) excerpt(first, last int) string {
	return fmt.Sprintf("%s has %s; the lines around %d read:\n%s", f.path, lines(len(f.lines)), min(first+1, len(f.lines)),
		numbered(f.lines, first-around, min(last, len(f.lines))+around)) // a range may end anywhere
}

const (
	maxShown     = 40  // lines in one excerpt
	maxShownLine = 300 // bytes of one line
)

// numbered renders lines first to last, clamped to the file, as "12| text". The middle of a long stretch is left out.
func numbered(lines []string, first, last int) string {
	first, last = max(first, 0), min(last, len(lines)-1)
	if first > last { // past the end: show the end
		first = max(last-2*around, 0)
	}
	var b strings.Builder
	for i := first; i <= last; i++ {
		if cut := last - first + 1 - maxShown; cut > 0 && i == first+maxShown/2 {
			fmt.Fprintf(&b, "    (%d lines not shown)\n", cut)
			i += cut
		}
		fmt.Fprintf(&b, "%d| %s\n", i+1, shorten(lines[i]))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func shorten(line string) string {
	if len(line) <= maxShownLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxShownLine], "") + " (cut)"
}

func lines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}

// span names lines first to last, given from 0, as people count them.
func span(first, last int) string {
	if first >= last {
		return "line " + strconv.Itoa(first+1)
	}
	return fmt.Sprintf("lines %d to %d", first+1, last+1)
}

// list names line numbers, given from 0; past ten it stops.
func list(lines []int) string {
	var s []string
	for i, l := range lines {
		if i == 10 {
			s = append(s, "and more")
			break
		}
		s = append(s, strconv.Itoa(l+1))
	}
	return strings.Join(s, ", ")
}

func quote(line string) string { return "`" + shorten(strings.TrimSpace(line)) + "`" }
