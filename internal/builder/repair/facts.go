package repair

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"overskill/internal/model"
)

// facts is what diagnostics, mostly TypeScript's, say about one file that its imports alone do not show.
type facts struct {
	unused  map[string]bool   // local names of imports that nothing uses
	types   map[string]bool   // names that are types and imported or passed on as values
	absent  map[string]string // names that a package does not export: what TypeScript takes them for, or ""
	nowhere map[string]bool   // packages without a default export
	unknown []string          // names that are used and come from nowhere, in order
	react   bool              // React is used as a name without an import
	renames []rename
}

// rename is a wrong name at a place, and the right one.
type rename struct {
	line, column int
	code         string
	wrong, right string
}

// How TypeScript, and esbuild through package bundle, word what can be cured.
var (
	neverRead   = regexp.MustCompile(`^'([\w$]+)' is declared but (?:its value is never read|never used)\.`)
	mustBeType  = regexp.MustCompile(`^'([\w$]+)' is a type and must be imported using a type-only import`)
	noMember    = regexp.MustCompile(`^(?:Module )?'"([^"]+)"' has no exported member (?:named )?'([\w$]+)'\.(?: Did you mean '([\w$]+)'\?)?`)
	noMatching  = regexp.MustCompile(`^node_modules/\S+ does not export "([\w$]+)"\.`)
	noDefault   = regexp.MustCompile(`^Module '"([^"]+)"' has no default export\.`)
	noName      = regexp.MustCompile(`^Cannot find name '([\w$]+)'\.(?: Did you mean (?:the \w+ \w+ )?'([\w$.]+)'\?)?`)
	otherMember = regexp.MustCompile(`'([\w$]+)' does not exist (?:on|in) type '(?s:.*)'\. Did you mean (?:to write )?'([\w$]+)'\?`)
)

// readFacts sorts the diagnostics by file. Places are looked up in the files as they are in p.
func (p *project) readFacts(diags []model.Diagnostic) map[string]*facts {
	all := map[string]*facts{}
	for _, d := range diags {
		f := all[d.File]
		if f == nil {
			f = &facts{unused: map[string]bool{}, types: map[string]bool{}, absent: map[string]string{}, nowhere: map[string]bool{}}
			all[d.File] = f
		}
		if src := p.byPath[d.File]; src != nil {
			f.read(src, d)
		}
	}
	return all
}

func (f *facts) read(src *source, d model.Diagnostic) {
	switch d.Code {
	case "TS6133", "TS6196", "TS6192":
		f.readUnused(src, d)
	case "TS1484":
		if m := mustBeType.FindStringSubmatch(d.Message); m != nil {
			f.types[m[1]] = true
		}
	case "TS1205":
		if name := wordAt(src.text, offsetOf(src.text, d.Line, d.Column)); name != "" {
			f.types[name] = true
		}
	case "TS2305", "TS2614", "TS2724":
		if m := noMember.FindStringSubmatch(d.Message); m != nil {
			f.absent[m[2]] = m[3]
		}
	case "TS1192", "TS2613":
		if m := noDefault.FindStringSubmatch(d.Message); m != nil {
			f.nowhere[m[1]] = true
		}
	case "TS2304", "TS2552":
		m := noName.FindStringSubmatch(d.Message)
		if m == nil {
			return
		}
		f.unknown = append(f.unknown, m[1])
		if m[2] != "" {
			f.renames = append(f.renames, rename{d.Line, d.Column, d.Code, m[1], m[2]})
		}
	case "TS2686":
		f.react = f.react || strings.HasPrefix(d.Message, "'React' refers")
	case "TS2503":
		f.react = f.react || strings.HasPrefix(d.Message, "Cannot find namespace 'React'")
	case "TS2551", "TS2561", "TS2322":
		if m := otherMember.FindStringSubmatch(d.Message); m != nil {
			f.renames = append(f.renames, rename{d.Line, d.Column, d.Code, m[1], m[2]})
		}
	case "":
		if m := noMatching.FindStringSubmatch(d.Message); m != nil && m[1] != "default" {
			f.absent[m[1]] = ""
		}
	}
}

// readUnused notes the imports that nothing uses. The place tells an import from another variable of the name.
func (f *facts) readUnused(src *source, d model.Diagnostic) {
	at := offsetOf(src.text, d.Line, d.Column)
	for _, imp := range src.imports {
		if at < imp.at || at >= imp.end || imp.export || imp.bare {
			continue
		}
		if d.Code == "TS6192" { // all of them
			for _, local := range imp.locals() {
				f.unused[local] = true
			}
		} else if m := neverRead.FindStringSubmatch(d.Message); m != nil {
			f.unused[m[1]] = true
		}
	}
}

// offsetOf finds a line and column, 1-based, the column in UTF-16 units as TypeScript counts; -1 if there is none.
func offsetOf(text string, line, column int) int {
	if line < 1 || column < 1 {
		return -1
	}
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
	}
	for column--; column > 0; {
		r, size := utf8.DecodeRuneInString(text[at:])
		if size == 0 || r == '\n' {
			return -1
		}
		at += size
		column -= max(1, utf16.RuneLen(r))
	}
	return at
}

var identifier = regexp.MustCompile(`^[\p{L}_$][\p{L}\p{N}_$]*`)

// wordAt returns the whole identifier that begins at an offset, or "".
func wordAt(text string, at int) string {
	if at < 0 || at >= len(text) {
		return ""
	}
	if before, _ := utf8.DecodeLastRuneInString(text[:at]); at > 0 && identifier.MatchString(string(before)) {
		return ""
	}
	return identifier.FindString(text[at:])
}

// correct writes the right names in the places of wrong ones, where the wrong one stands there and is plainly the
// same word. skip holds names that have a better cure.
func (f *facts) correct(src *source, skip map[string]bool) (todo []replacement, fixed []Fixed) {
	done := map[int]bool{}
	for _, r := range f.renames {
		at := offsetOf(src.text, r.line, r.column)
		if wordAt(src.text, at) != r.wrong || done[at] || skip[r.wrong] || !sameMember(r.wrong, r.right, r.code) {
			continue
		}
		done[at] = true
		before := strings.TrimRight(src.text[:at], " \t\r\n")
		after := strings.TrimLeft(src.text[at+len(r.wrong):], " \t\r\n")
		text := r.right
		switch {
		case r.code == "TS2552", strings.HasSuffix(before, "."):
		case r.code == "TS2322":
			if !strings.HasPrefix(after, "=") { // not an attribute
				continue
			}
		case strings.HasPrefix(after, ":"):
		case strings.HasPrefix(after, ",") || strings.HasPrefix(after, "}"): // { titel } in an object or a pattern
			text += ": " + r.wrong
		default:
			continue
		}
		todo = append(todo, replacement{at, at + len(r.wrong), text})
		fixed = append(fixed, Fixed{File: src.path, What: fmt.Sprintf("%s on line %d now reads %s.", r.wrong, r.line, r.right)})
	}
	return todo, fixed
}

// sameMember reports whether right is plainly what wrong was meant to be. JSX has two names of its own for attributes
// of HTML.
func sameMember(wrong, right, code string) bool {
	if code == "TS2322" && (wrong == "class" && right == "className" || wrong == "for" && right == "htmlFor") {
		return true
	}
	return plain(wrong) == plain(right) || misspelt(wrong, right)
}
