package plan

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"overskill/internal/fault"
)

// The limits of Cloudflare Pages, and two of ours: a pattern of many holes takes long to match, and a log of a
// thousand wrong lines is read by nobody.
const (
	maxHeaderRules     = 100
	maxFixedRedirects  = 2000
	maxPatternRedirect = 100
	maxLine            = 2000 // characters
	maxHoles           = 8
	maxFileNotes       = 20
)

// readRules reads the two files. What is wrong with a line makes a note of it and nothing else: a build does not fail
// because of a header.
func readRules(headersFile, redirectsFile []byte) (Rules, []string) {
	var r Rules
	h := &reader{file: strings.TrimPrefix(HeadersFile, "/")}
	r.Headers = h.headers(headersFile)
	d := &reader{file: strings.TrimPrefix(RedirectsFile, "/")}
	r.Redirects = d.redirects(redirectsFile)
	return r, append(h.notes(), d.notes()...)
}

// reader reads a file line by line and remembers what is wrong.
type reader struct {
	file  string
	line  int
	wrong []string
	more  int
}

func (r *reader) say(line int, format string, args ...any) {
	if len(r.wrong) == maxFileNotes {
		r.more++
		return
	}
	r.wrong = append(r.wrong, fmt.Sprintf("%s, line %d: %s", r.file, line, fmt.Sprintf(format, args...)))
}

func (r *reader) notes() []string {
	if r.more > 0 {
		return append(r.wrong, fmt.Sprintf("%s: %d more lines are wrong.", r.file, r.more))
	}
	return r.wrong
}

// lines calls yield with each line that says something, trimmed.
func (r *reader) lines(content []byte, yield func(line string)) {
	text := strings.TrimPrefix(string(content), "\ufeff")
	for line := range strings.Lines(text) {
		r.line++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case !utf8.ValidString(line):
			r.say(r.line, "It is not UTF-8.")
		case utf8.RuneCountInString(line) > maxLine:
			r.say(r.line, "It has more than %d characters.", maxLine)
		default:
			yield(line)
		}
	}
}

func (r *reader) headers(content []byte) (out []HeaderRule) {
	at := 0            // the line of the rule that is being read
	var rule *Text     // its pattern; nil before the first and after a wrong one
	skipping := false  // the lines of a wrong rule
	var cur HeaderRule //
	end := func() {
		switch {
		case rule == nil:
		case len(cur.Set) == 0 && len(cur.Unset) == 0:
			r.say(at, "No header follows the path.")
		case len(out) == maxHeaderRules:
			r.say(at, "There may be %d rules; this one and what follows do not count.", maxHeaderRules)
		default:
			out = append(out, cur)
		}
		rule, cur = nil, HeaderRule{}
	}
	r.lines(content, func(line string) {
		if isPath(line) {
			end()
			at = r.line
			p, err := pattern(line)
			if err != nil {
				r.say(r.line, "%v", err)
				skipping = true
				return
			}
			rule, cur.For, skipping = &p, p, false
			return
		}
		if skipping {
			return
		}
		if rule == nil {
			r.say(r.line, "A header comes after the path that it is for.")
			return
		}
		if err := cur.add(line); err != nil {
			r.say(r.line, "%v", err)
		}
	})
	end()
	return out
}

// isPath tells a line that begins a rule from one with a header.
func isPath(line string) bool {
	scheme, _, ok := strings.Cut(line, "://")
	return line[0] == '/' || ok && !strings.ContainsAny(scheme, " \t:")
}

// add reads "Name: value" or "! Name".
func (h *HeaderRule) add(line string) error {
	if name, ok := strings.CutPrefix(line, "!"); ok {
		name = strings.ToLower(strings.TrimSpace(name))
		if err := checkHeader(name); err != nil {
			return err
		}
		h.Unset = append(h.Unset, name)
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fault.New(fault.Invalid, "Expected a header, as in \"Name: value\".")
	}
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	if err := checkHeader(name); err != nil {
		return err
	}
	if value == "" {
		return fault.New(fault.Invalid, "The header %s has no value; \"! %s\" removes it.", name, name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
		return fault.New(fault.Invalid, "The value of %s has characters that a header cannot have.", name)
	}
	h.Set = append(h.Set, Line{Name: name, Value: replacement(value, h.For)})
	return nil
}

var headerName = regexp.MustCompile("^[a-z0-9!#$%&'*+.^_`|~-]+$")

// ours are the headers that say how an answer is to be read, or that keep visitors safe from a file that somebody
// uploaded; a rule that changes them breaks the site.
var ours = []string{
	"x-content-type-options", "content-length", "content-encoding", "content-range", "accept-ranges", "transfer-encoding", "connection",
	"keep-alive", "upgrade", "trailer", "te", "host", "date", "etag", "last-modified", "location", "set-cookie", "age", "vary",
	"strict-transport-security",
}

func checkHeader(name string) error {
	switch {
	case !headerName.MatchString(name):
		return fault.New(fault.Invalid, "%q is not the name of a header.", name)
	case slices.Contains(ours, name):
		return fault.New(fault.Invalid, "The header %s cannot be changed.", name)
	}
	return nil
}

func (r *reader) redirects(content []byte) (out []RedirectRule) {
	fixed, holes := 0, 0
	seen := map[string]bool{}
	r.lines(content, func(line string) {
		rule, err := redirect(strings.Fields(line))
		if err != nil {
			r.say(r.line, "%v", err)
			return
		}
		key := strings.Join(rule.From, "\x00")
		switch {
		case seen[key]:
			r.say(r.line, "An earlier line has the same path, and the first one counts.")
			return
		case rule.From.fixed() && holes == 0: // behind a pattern, a fixed path counts as a pattern
			if fixed == maxFixedRedirects {
				r.say(r.line, "There may be %d redirects of fixed paths; this one does not count.", maxFixedRedirects)
				return
			}
			fixed++
		default:
			if holes == maxPatternRedirect {
				r.say(r.line, "There may be %d redirects with * or :name; this one does not count.", maxPatternRedirect)
				return
			}
			holes++
		}
		seen[key] = true
		out = append(out, rule)
	})
	return out
}

func redirect(fields []string) (RedirectRule, error) {
	rule := RedirectRule{Status: 302}
	if len(fields) != 2 && len(fields) != 3 {
		return rule, fault.New(fault.Invalid, "Expected a path, where it leads, and a status, as in \"/old /new 301\".")
	}
	var err error
	if rule.From, err = pattern(fields[0]); err != nil {
		return rule, err
	}
	if len(fields) == 3 {
		if rule.Status, err = strconv.Atoi(fields[2]); err != nil || !slices.Contains([]int{200, 301, 302, 303, 307, 308}, rule.Status) {
			return rule, fault.New(fault.Invalid, "The status %s is not one of 200, 301, 302, 303, 307 and 308.", fields[2])
		}
	}
	if rule.Status == 200 {
		return rewrite(rule, fields)
	}
	rule.To, err = target(fields[1], rule.From)
	if err == nil && fields[0] == fields[1] {
		err = fault.New(fault.Invalid, "It leads to itself.")
	}
	return rule, err
}

// rewrite reads the target of a status 200: a path of the site.
func rewrite(rule RedirectRule, fields []string) (RedirectRule, error) {
	if !strings.HasPrefix(fields[1], "/") || strings.HasPrefix(fields[1], "//") {
		return rule, fault.New(fault.Invalid, "A status 200 leads to a path of this app only. Let server code under worker/ ask other servers.")
	}
	if strings.ContainsAny(fields[1], "?#") {
		return rule, fault.New(fault.Invalid, "A status 200 leads to a path without \"?\" and \"#\".")
	}
	if fields[0] == "/*" && (fields[1] == "/" || fields[1] == Index) {
		return rule, fault.New(fault.Invalid, "Not needed: pages without a file of their own get index.html anyway, and with this rule scripts and pictures would too.")
	}
	literal, err := url.PathUnescape(fields[1])
	if err != nil || !utf8.ValidString(literal) {
		return rule, fault.New(fault.Invalid, "%q is not a path.", fields[1])
	}
	rule.To = replacement(literal, rule.From)
	return rule, nil
}

// target reads where a redirect leads: to a path, or to an address with http or https whose host is fixed.
func target(s string, from Text) (Text, error) {
	t := replacement(escapeNonASCII(s), from)
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.Contains(s, `\`) {
		return t, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fault.New(fault.Invalid, "%q is neither a path nor an address that begins with https:// and a fixed host.", s)
	}
	if _, rest, _ := strings.Cut(t[0], "://"); !t.fixed() && !strings.ContainsAny(rest, "/?#") {
		return nil, fault.New(fault.Invalid, "The host of %q must be fixed: whoever writes a link could choose it.", s)
	}
	return t, nil
}

func escapeNonASCII(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] > ' ' && s[i] < 0x7f {
			b.WriteByte(s[i])
		} else {
			b.WriteString(escape(s[i : i+1]))
		}
	}
	return b.String()
}

// hole is ":name" or "*".
var hole = regexp.MustCompile(`:[A-Za-z][A-Za-z0-9_]*|\*`)

// pattern reads the path of a rule. What is percent-encoded in it is decoded, for it is compared with decoded paths.
func pattern(s string) (Text, error) {
	switch {
	case !strings.HasPrefix(s, "/"):
		return nil, fault.New(fault.Invalid, "%q is not a path that begins with \"/\"; rules for other hosts are not supported.", s)
	case strings.ContainsAny(s, "?# \t"):
		return nil, fault.New(fault.Invalid, "The path %q must be without spaces, \"?\" and \"#\".", s)
	}
	var t Text
	rest := s
	for {
		at := hole.FindStringIndex(rest)
		literal := rest
		if at != nil {
			literal = rest[:at[0]]
		}
		decoded, err := url.PathUnescape(literal)
		if err != nil || !utf8.ValidString(decoded) {
			return nil, fault.New(fault.Invalid, "%q is not a path.", s)
		}
		t = append(t, decoded)
		if at == nil {
			return t, nil
		}
		name := strings.TrimPrefix(rest[at[0]:at[1]], ":")
		if name == "*" {
			name = splat
		} else if name == splat {
			return nil, fault.New(fault.Invalid, "A placeholder cannot be called :splat, for that is what * takes.")
		}
		for i := 1; i < len(t); i += 2 {
			if t[i] == name {
				return nil, fault.New(fault.Invalid, "%q has one of its * or :name twice.", s)
			}
		}
		if t = append(t, name); len(t) > 2*maxHoles {
			return nil, fault.New(fault.Invalid, "%q has more than %d of * and :name.", s, maxHoles)
		}
		rest = rest[at[1]:]
	}
}

// replacement reads a text whose holes are those of a pattern. Other names are text, such as the port of an address.
func replacement(s string, from Text) Text {
	t := Text{""}
	last := 0
	for _, at := range hole.FindAllStringIndex(s, -1) {
		name := strings.TrimPrefix(s[at[0]:at[1]], ":")
		known := false
		for i := 1; i < len(from); i += 2 {
			known = known || from[i] == name && s[at[0]] == ':'
		}
		if !known {
			continue
		}
		t[len(t)-1] = s[last:at[0]]
		t = append(t, name, "")
		last = at[1]
	}
	t[len(t)-1] = s[last:]
	return t
}
