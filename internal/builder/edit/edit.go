// Package edit is LineReplace: it changes a range of lines in a text file, and refuses when it is not sure.
//
// A language model that changes three lines of a long file should not have to write the file again. It names
// the lines that it means twice, by number and by what they say:
//
//	search        the lines as they are now; a long stretch may be its first lines, a line "...", its last lines
//	first, last   their numbers in the file as it was read, 1-based and inclusive
//	replace       the lines to stand there instead; "" deletes them
//
// Models miscount lines and lose indentation, so a match is looked for on a ladder, each rung a little less
// strict than the one before, and never by similarity:
//
//  1. at the range: exactly; with trailing space ignored; with one indentation shift over all lines
//  2. anywhere: the same three, if there is exactly one such place. The shift is reported.
//
// All edits that a reply makes to one file are planned together, against the file as it was read, so that one
// edit does not move the lines under the next. Edits that fit are made even when others do not, for sending them
// again would cost the model what they are there to save. The result must not be broken: blank, hollowed out by a
// comment such as "rest of code", or no longer parsing where the file did parse, judged by esbuild's parser. The
// edits to blame for that are withdrawn; if they cannot be told from the others, all are. Every refusal explains
// itself to the model that has to correct it.
package edit

import "slices"

// Edit asks for lines FirstLine to LastLine, which read Search, to become Replace.
type Edit struct {
	Search    string // the lines as they are; between them may be one line that is only "..."
	FirstLine int    // 1-based, in the file as it was read
	LastLine  int    // inclusive
	// Replace holds the new lines; "" deletes. One final newline is ignored, in Search too, unless the range has one
	// line more than the search and that line is blank: then it stands for the blank line, in both.
	Replace string
}

// Batch is the outcome of planning all edits of one reply to one file. It is immutable.
type Batch struct {
	file     file
	placed   []placed // those that can be made, by position in the file
	results  []Result // of those that are made, by Edit
	failures []Failure
	edits    int
}

// placed is an edit together with where its lines were found.
type placed struct {
	edit int
	match
	asked   int      // lines in the range that was asked for
	replace []string // re-indented to fit the file
}

// Apply makes the edits to content, the text of the file called path, whose extension chooses the parser.
// It returns the new content and what was done, by edit in the order given. The error is nil or an *Error
// that lists the edits that were refused; the others are made all the same, and out holds them. When none
// is made, out is content.
func Apply(path string, content []byte, edits []Edit) (out []byte, applied []Result, err error) {
	b := Plan(path, content, edits)
	return b.Content(len(edits)), b.Applied(), b.Err()
}

// Plan does everything that Apply does, but leaves it to the caller to take the content edit by edit.
func Plan(path string, content []byte, edits []Edit) Batch {
	b := Batch{file: parseFile(path, content), edits: len(edits)}
	for i, e := range edits {
		if p, fail := b.file.place(e); fail != nil {
			fail.Edit = i
			b.failures = append(b.failures, *fail)
		} else {
			p.edit = i
			b.placed = append(b.placed, p)
		}
	}
	b.refuseOverlaps()
	slices.SortFunc(b.placed, func(x, y placed) int { return x.first - y.first })
	b.refuseBroken()
	b.describe()
	return b
}

// Content returns the file with those of the first n edits that can be made.
// Content(0) is the file as it was read.
func (b Batch) Content(n int) []byte {
	use := make([]placed, 0, len(b.placed))
	for _, p := range b.placed {
		if p.edit < n {
			use = append(use, p)
		}
	}
	return b.file.with(use)
}

// Applied describes the edits that are made, by their place in the slice given to Plan.
func (b Batch) Applied() []Result { return slices.Clone(b.results) }

// Err returns nil when every edit is made, else an *Error.
func (b Batch) Err() error {
	if len(b.failures) == 0 {
		return nil
	}
	return &Error{Path: b.file.path, Edits: b.edits, Failures: slices.Clone(b.failures), Applied: b.Applied()}
}

// refuseOverlaps lets the earlier of two edits of the same lines stand, as if the later had come a moment later.
func (b *Batch) refuseOverlaps() {
	var kept []placed
	for _, p := range b.placed {
		i := slices.IndexFunc(kept, func(k placed) bool { return p.first <= k.last && k.first <= p.last })
		if i < 0 {
			kept = append(kept, p)
			continue
		}
		k := kept[i]
		b.failures = append(b.failures, b.file.fail(p.edit, Overlap, p.first, p.last,
			"Edits %d and %d of this reply change the same lines (%s and %s). Join them into one edit.",
			k.edit+1, p.edit+1, span(k.first, k.last), span(p.first, p.last)))
	}
	b.placed = kept
}

// refuseBroken withdraws the edits that would break the file: those that are to blame if that can be told, else all.
func (b *Batch) refuseBroken() {
	for len(b.placed) > 0 {
		broken := b.file.breakage(b.placed)
		if broken == nil {
			return
		}
		guilty := b.file.guilty(b.placed, broken.reason)
		text := broken.text(len(guilty))
		for _, p := range guilty {
			b.failures = append(b.failures, Failure{Edit: p.edit, Reason: broken.reason, Text: text})
		}
		b.placed = without(b.placed, guilty)
	}
}

// describe computes where the new lines stand in the new file.
func (b *Batch) describe() {
	delta := 0
	for _, p := range b.placed {
		r := Result{
			Edit: p.edit, FirstLine: p.first + 1, LastLine: p.last + 1, NewFirstLine: p.first + 1 + delta,
			Removed: p.last - p.first + 1, Added: len(p.replace), Asked: p.asked, Shift: p.shift, Loosened: p.loosened,
		}
		r.NewLastLine = r.NewFirstLine + r.Added - 1
		delta += r.Added - r.Removed
		b.results = append(b.results, r)
	}
	slices.SortFunc(b.results, func(x, y Result) int { return x.Edit - y.Edit })
	slices.SortFunc(b.failures, func(x, y Failure) int { return x.Edit - y.Edit })
}
