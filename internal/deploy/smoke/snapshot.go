package smoke

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a snapshot, so that it can be stored with every version.
const (
	maxTextLines  = 400
	maxLineLength = 200      // characters
	maxPictures   = 60 << 10 // bytes of all pictures together
)

// Snapshot is how an app looked to a visitor: what the next version is compared with. It is stored as JSON.
type Snapshot struct {
	Version string      `json:"version,omitempty"`
	Routes  []RouteView `json:"routes,omitempty"` // that were opened, the start page first
	// Unopened are routes that the app has, but that nobody looked at: there were too many, or the time was up.
	Unopened []string `json:"unopened,omitempty"`
}

// RouteView is how one route looked.
type RouteView struct {
	Route   string `json:"route"`
	EndPath string `json:"end_path,omitempty"` // where the page itself went; "" when it stayed
	SignIn  bool   `json:"sign_in,omitempty"`  // it went to a page where one signs in
	Title   string `json:"title,omitempty"`
	// Lines is the text that can be read, line by line: at most 400 lines of 200 characters, spaces made single.
	Lines []string `json:"lines,omitempty"`
	// Errors is what went wrong, warnings too, without what differs from one time to the next: numbers, hashes, ports.
	Errors []string `json:"errors,omitempty"`
	// Picture is the first screen at 1280x800, made coarse: see newPicture. At most 8 kB; nil when there is none.
	Picture []byte `json:"picture,omitempty"`
}

// textLines splits what a page shows into lines worth comparing.
func textLines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.Join(strings.Fields(strings.ToValidUTF8(l, "")), " ")
		if l == "" {
			continue
		}
		if len(out) == maxTextLines {
			break
		}
		out = append(out, shorten(l))
	}
	return out
}

func shorten(line string) string {
	if utf8.RuneCountInString(line) <= maxLineLength {
		return line
	}
	return string([]rune(line)[:maxLineLength])
}

const months = `(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|september|october|november|december)`

// passing are the parts of a text that differ although nobody changed anything, with what stands for them. The order
// counts: a date with a time is taken before its parts.
var passing = []struct {
	match *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<id>"},
	{regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?`), "<date>"},
	{regexp.MustCompile(`\b\d{1,2}([./])\d{1,2}[./]\d{2,4}\b`), "<date>"},
	{regexp.MustCompile(`(?i)\b` + months + `\.? \d{1,2}(?:st|nd|rd|th)?(?:,? \d{4})?\b`), "<date>"},
	{regexp.MustCompile(`(?i)\b\d{1,2}(?:st|nd|rd|th|\.)? ` + months + `\b\.?(?:,? \d{4})?`), "<date>"},
	{regexp.MustCompile(`(?i)\b(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?,? <date>`), "<date>"},
	{regexp.MustCompile(`(?i)\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\b\.?)?`), "<time>"},
	{regexp.MustCompile(`(?i)\b(?:\d+|an?|one|a few) ?(?:s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|weeks?|months?|years?) ago\b`), "<time>"},
	{regexp.MustCompile(`(?i)\bin (?:\d+|an?|one|a few) (?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b`), "<time>"},
	{regexp.MustCompile(`(?i)\b(?:just|right) now\b`), "<time>"},
	{regexp.MustCompile(`\b\d+(?:\.\d+)? ?ms\b`), "<time>"},
	{regexp.MustCompile(`\b1\d{9}(?:\d{3})?\b`), "<time>"}, // seconds or milliseconds since 1970
}

// mayPass matches every text in which passing or word can find anything.
var mayPass = regexp.MustCompile(`(?i)\d| ago\b| now\b|\bin (?:an?|one) `)

// word matches what may be an identifier that a program made up.
var word = regexp.MustCompile(`[0-9A-Za-z_]{8,}`)

// lasting returns a text with placeholders for what passes: times, dates, and identifiers made at random.
func lasting(text string) string {
	if !mayPass.MatchString(text) {
		return text // most lines of most pages
	}
	for _, p := range passing {
		text = p.match.ReplaceAllString(text, p.as)
	}
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if madeUp(w) {
			return "<id>"
		}
		return w
	})
}

// madeUp reports whether a word of letters and digits was made by a program. Names such as "iPhone15ProMax" have
// their digits together; in random words they lie among the letters.
func madeUp(w string) bool {
	digits, runs, letters, hex := 0, 0, 0, true
	last := false
	for _, r := range w {
		is := r >= '0' && r <= '9'
		if is {
			digits++
			if !last {
				runs++
			}
		} else {
			letters++
			hex = hex && (r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F')
		}
		last = is
	}
	switch {
	case digits == 0 || letters == 0:
		return false
	case hex:
		return runs > 1 || digits > 1
	}
	return digits >= 2 && runs >= 2
}

// What differs in an error from one time to the next, besides what passes in a text.
var (
	assetHash = regexp.MustCompile(`([/\w])-[\w-]{8}(\.\w+)`)
	place     = regexp.MustCompile(`(?::\d+)+\b`) // a port, or a line and a column
	status    = regexp.MustCompile(`\bstatus \d{3}\b`)
	number    = regexp.MustCompile(`\d+`)
)

// stableErrors returns the messages of problems in a form in which the same error is the same text. A status code
// stays: a 500 where there was a 404 is something else.
func stableErrors(problems []problem) []string {
	var out []string
	for _, p := range problems {
		if p.extra {
			continue
		}
		first, _, _ := strings.Cut(p.Message, "\n") // the rest is a stack
		if text := stableError(first); text != "" {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func stableError(text string) string {
	text = assetHash.ReplaceAllString(text, "$1$2")
	text = place.ReplaceAllString(text, "")
	text = lasting(text)
	codes := status.FindAllString(text, -1)
	text = status.ReplaceAllString(text, "status \x00")
	text = number.ReplaceAllString(text, "N")
	for _, c := range codes {
		text = strings.Replace(text, "status \x00", c, 1)
	}
	return shorten(strings.Join(strings.Fields(text), " "))
}

// limit keeps the pictures within maxPictures, in the order of the routes.
func (s *Snapshot) limit() {
	sum := 0
	for i := range s.Routes {
		if sum += len(s.Routes[i].Picture); sum > maxPictures {
			s.Routes[i].Picture = nil
		}
	}
}
