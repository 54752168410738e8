package plan

import (
	"regexp"
	"slices"
	"strings"
)

// HeadersFile and RedirectsFile are the files of a build, at its root, in which an app says what it wants of its
// server. They have the syntax of Cloudflare Pages. They are read when the plan is made and are not served.
const (
	HeadersFile   = "/_headers"
	RedirectsFile = "/_redirects"
)

// Rules are an app's own wishes, in the order of its files. The Worker and the local server read the same table.
//
// They count for what is served from the build. The endpoints, the data and the server code of the app answer before
// them, and a header is added to an asset only: a missing script that inherits a year of caching would be missing for a
// year.
type Rules struct {
	Headers   []HeaderRule   `json:"headers,omitempty"`
	Redirects []RedirectRule `json:"redirects,omitempty"`
}

// HeaderRule changes the headers of the assets whose paths it matches: of each, first what Unset names goes, then what
// Set lists comes. The first rule that sets a header replaces ours, later ones add to it, with a comma.
type HeaderRule struct {
	For   Text     `json:"for"`
	Unset []string `json:"unset,omitempty"` // lower case
	Set   []Line   `json:"set,omitempty"`
}

// Line is one header to set.
type Line struct {
	Name  string `json:"name"` // lower case
	Value Text   `json:"value"`
}

// RedirectRule sends a path elsewhere. The first one that matches counts.
type RedirectRule struct {
	From   Text `json:"from"`
	To     Text `json:"to"`
	Status int  `json:"status"` // 301, 302, 303, 307, 308; or 200: the asset at To answers, under the path that was asked for
}

// Text is a text with holes: literal, name of a hole, literal, name... As a pattern, a hole takes part of one segment
// of a path, and the hole called splat takes anything; all of it is decoded. As a replacement, the holes hold what the
// pattern of the same rule took.
type Text []string

// splat is the name of what "*" takes.
const splat = "splat"

// Fixed reports whether the text has no holes.
func (t Text) fixed() bool { return len(t) == 1 }

// fill returns the text with its holes filled by what was found under their names.
func (t Text) fill(found map[string]string, encode func(string) string) string {
	if t.fixed() {
		return t[0]
	}
	var b strings.Builder
	for i, part := range t {
		if i%2 == 1 {
			part = encode(found[part])
		}
		b.WriteString(part)
	}
	return b.String()
}

// Matcher is Rules, ready to be applied. It is safe for concurrent use.
type Matcher struct {
	headers   []matchedHeader
	fixed     map[string]RedirectRule // the redirects before the first with holes, by path
	redirects []matchedRedirect       // the others
}

type matchedHeader struct {
	match *matcher
	rule  HeaderRule
}

type matchedRedirect struct {
	match *matcher
	rule  RedirectRule
}

// Matcher prepares the rules.
func (r Rules) Matcher() *Matcher {
	m := &Matcher{fixed: map[string]RedirectRule{}}
	for _, h := range r.Headers {
		m.headers = append(m.headers, matchedHeader{newMatcher(h.For), h})
	}
	for i, rule := range r.Redirects {
		if !rule.From.fixed() {
			for _, rest := range r.Redirects[i:] {
				m.redirects = append(m.redirects, matchedRedirect{newMatcher(rest.From), rest})
			}
			break
		}
		if _, earlier := m.fixed[rule.From[0]]; !earlier {
			m.fixed[rule.From[0]] = rule
		}
	}
	return m
}

// Redirect returns where a decoded path is sent. Of a status 200 it is the decoded path of an asset; otherwise it is
// what a Location header says, with the query of the request unless the rule has its own. ok is false when no rule
// matches.
func (m *Matcher) Redirect(path, query string) (to string, status int, ok bool) {
	if rule, ok := m.fixed[path]; ok {
		return location(rule, nil, query), rule.Status, true
	}
	for _, r := range m.redirects {
		if found, ok := r.match.find(path); ok {
			return location(r.rule, found, query), r.rule.Status, true
		}
	}
	return "", 0, false
}

// location fills a redirect's target. A target on the own site cannot become another site's address by what was taken
// from the path: two slashes at its beginning would be read as one.
func location(r RedirectRule, found map[string]string, query string) string {
	if r.Status == 200 {
		return r.To.fill(found, func(s string) string { return s })
	}
	to := r.To.fill(found, escape)
	if strings.HasPrefix(to, "/") {
		to = "/" + strings.TrimLeft(to, "/")
	}
	to, fragment, has := strings.Cut(to, "#")
	if query != "" && !strings.Contains(to, "?") {
		to += "?" + query
	}
	if has {
		to += "#" + fragment
	}
	return to
}

// headers is what Apply changes: an http.Header, for this package knows no network.
type headers interface {
	Get(name string) string
	Set(name, value string)
	Del(name string)
}

// Apply changes the headers of the asset that answers at a decoded path. In a preview, what says who may find and frame
// the site stays ours: it is shown inside of the builder.
func (m *Matcher) Apply(environment, path string, h headers) {
	var mine map[string]bool
	for _, r := range m.headers {
		found, ok := r.match.find(path)
		if !ok {
			continue
		}
		for _, name := range r.rule.Unset {
			if mayChange(environment, name) {
				h.Del(name)
			}
		}
		for _, line := range r.rule.Set {
			if !mayChange(environment, line.Name) {
				continue
			}
			value := line.Value.fill(found, escape)
			if old := h.Get(line.Name); mine[line.Name] && old != "" {
				value = old + ", " + value
			}
			h.Set(line.Name, value)
			if mine == nil {
				mine = map[string]bool{}
			}
			mine[line.Name] = true
		}
	}
}

func mayChange(environment, name string) bool {
	return environment == production || !slices.Contains(previewHeaders, name)
}

// previewHeaders are those that rules change in production only.
var previewHeaders = []string{"x-robots-tag", "x-frame-options"}

// matcher finds out whether a path fits a pattern, and what is in its holes.
type matcher struct {
	fixed string
	re    *regexp.Regexp // nil: the path is fixed
	names []string
}

func newMatcher(t Text) *matcher {
	if t.fixed() {
		return &matcher{fixed: t[0]}
	}
	m := &matcher{}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i, part := range t {
		switch {
		case i%2 == 0:
			b.WriteString(regexp.QuoteMeta(part))
		case part == splat:
			b.WriteString("(.*)")
		default:
			b.WriteString("([^/]+)")
		}
		if i%2 == 1 {
			m.names = append(m.names, part)
		}
	}
	b.WriteString(`\z`)
	m.re = regexp.MustCompile(b.String()) // literals are quoted, and the rest is ours
	return m
}

func (m *matcher) find(path string) (map[string]string, bool) {
	if m.re == nil {
		return nil, path == m.fixed
	}
	groups := m.re.FindStringSubmatch(path)
	if groups == nil {
		return nil, false
	}
	found := make(map[string]string, len(m.names))
	for i, name := range m.names {
		found[name] = groups[i+1]
	}
	return found, true
}

// escape writes part of a path for a URL or a header: what encodeURI leaves, without "?" and "#", stays.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(";,/:@&=+$-_.!~*'()", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}
