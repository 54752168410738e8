package plan

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// header is a plain http.Header with lower-case names.
type header map[string]string

func (h header) Get(name string) string { return h[strings.ToLower(name)] }
func (h header) Set(name, value string) { h[strings.ToLower(name)] = value }
func (h header) Del(name string)        { delete(h, strings.ToLower(name)) }

func TestRedirect(t *testing.T) {
	rules, notes := readRules(nil, []byte(`
		# moved
		/old            /new                     301
		/short          /new#top
		/own            /new?a=1#top             307
		/blog/:year/:slug /posts/:slug?year=:year  308
		/docs/*         https://docs.example/:splat 301
		/port/:id       http://docs.example:8080/:id
		/go/*           /:splat
		/app/*          /app/index.html          200
		/raw/*          /files/:splat            200
		/caf%C3%A9      /café
		/a+b.c          /plus
		/:x-:y/z        /:y/:x/:z
		/old            /never
	`))
	if want := []string{"_redirects, line 15: An earlier line has the same path, and the first one counts."}; !cmp.Equal(notes, want) {
		t.Errorf("notes %q", notes)
	}
	m := rules.Matcher()
	tests := []struct {
		path, query string
		status      int // 0: no rule matches
		to          string
	}{
		{"/old", "", 301, "/new"},
		{"/old", "a=b", 301, "/new?a=b"},
		{"/old/", "", 0, ""},
		{"/older", "", 0, ""},
		{"/short", "a=b", 302, "/new?a=b#top"},
		{"/own", "a=b", 307, "/new?a=1#top"},
		{"/blog/2026/a b", "x", 308, "/posts/a%20b?year=2026"},
		{"/blog/2026/a/b", "", 0, ""},
		{"/blog//a", "", 0, ""},
		{"/docs/", "", 301, "https://docs.example/"},
		{"/docs/a/ü?#%", "q=1", 301, "https://docs.example/a/%C3%BC%3F%23%25?q=1"},
		{"/docs", "", 0, ""},
		{"/port/5", "", 302, "http://docs.example:8080/5"},
		{"/go//evil.example", "", 302, "/evil.example"},
		{"/go/\\evil.example", "", 302, "/%5Cevil.example"},
		{"/go/\r\nSet-Cookie: a=b", "", 302, "/%0D%0ASet-Cookie:%20a=b"},
		{"/app/x/y", "q", 200, "/app/index.html"},
		{"/raw/a b%", "q", 200, "/files/a b%"},
		{"/raw/\nx", "", 200, "/files/\nx"},
		{"/café", "", 302, "/caf%C3%A9"},
		{"/a+b.c", "", 302, "/plus"},
		{"/aab.c", "", 0, ""},
		{"/1-2-3/z", "", 302, "/3/1-2/:z"},
	}
	for _, tt := range tests {
		to, status, ok := m.Redirect(tt.path, tt.query)
		if to != tt.to || status != tt.status || ok != (tt.status != 0) {
			t.Errorf("%q ? %s = %d %q, want %d %q", tt.path, tt.query, status, to, tt.status, tt.to)
		}
	}
}

// TestRulesInOrder: a fixed path behind a pattern that takes it too must not win.
func TestRulesInOrder(t *testing.T) {
	rules, _ := readRules(nil, []byte("/a /1\n/b/* /2\n/b/c /3\n/a* /4\n/d /5"))
	m := rules.Matcher()
	for path, want := range map[string]string{"/a": "/1", "/b/c": "/2", "/ab": "/4", "/d": "/5"} {
		if to, _, _ := m.Redirect(path, ""); to != want {
			t.Errorf("%s = %s, want %s", path, to, want)
		}
	}
}

func TestApply(t *testing.T) {
	rules, notes := readRules([]byte("\ufeff"+strings.ReplaceAll(`
# everywhere
/*
  X-Custom: one
  X-Frame-Options: DENY
  X-Robots-Tag: none
/assets/*
	Cache-Control: public, max-age=60
	X-CUSTOM: two: three
/assets/:name.js
  ! Cache-Control
  ! X-Custom
  Link: </:name>; rel=x
  Content-Security-Policy: default-src 'self' https://a.example:8080
`, "\n", "\r\n")), nil)
	if len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
	before := header{"cache-control": "no-cache", "x-robots-tag": "noindex", "content-security-policy": "frame-ancestors 'self'"}
	tests := map[string]header{
		"preview /": before.with("x-custom", "one"),
		"production /": before.with("x-custom", "one", "x-frame-options", "DENY",
			"x-robots-tag", "none"),
		"preview /assets/a.css": before.with("x-custom", "one, two: three", "cache-control", "public, max-age=60"),
		"preview /assets/ä.js": before.without("cache-control").with("link", "</%C3%A4>; rel=x",
			"content-security-policy", "default-src 'self' https://a.example:8080"),
	}
	m := rules.Matcher()
	for name, want := range tests {
		env, path, _ := strings.Cut(name, " ")
		got := maps.Clone(before)
		m.Apply(env, path, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func (h header) with(pairs ...string) header {
	h = maps.Clone(h)
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = pairs[i+1]
	}
	return h
}

func (h header) without(name string) header {
	h = maps.Clone(h)
	delete(h, name)
	return h
}

// TestWrongLines: each is a note with the file and the line, and nothing else of it counts.
func TestWrongLines(t *testing.T) {
	long := strings.Repeat("x", 2001)
	for _, tt := range []struct{ content, want string }{
		{"/old", "Expected a path"},
		{"/a /b 301 x", "Expected a path"},
		{"/a /b 404", "status 404"},
		{"/a /b 301!", "status 301!"},
		{"/a /b -1", "status -1"},
		{"old /new", "begins with"},
		{"https://a.example/x /new", "other hosts"},
		{"/old?a=1 /new", `"?"`},
		{"/a javascript:alert(1)", "neither a path"},
		{"/a //evil.example", "neither a path"},
		{`/a /\evil.example`, "neither a path"},
		{"/a ftp://a.example/", "neither a path"},
		{"/a http:///x", "neither a path"},
		{"/a https://u:p@a.example/", "neither a path"},
		{"/:sub/x https://:sub.a.example/", "neither a path"},
		{"/x* https://a.example:splat", "neither a path"},
		{"/x/* https://:splat", "neither a path"},
		{"/a /a", "leads to itself"},
		{"/a https://b.example/ 200", "path of this app"},
		{"/a //b.example/ 200", "path of this app"},
		{"/a /b?x 200", `without "?"`},
		{"/* /index.html 200", "Not needed"},
		{"/* / 200", "Not needed"},
		{"/%zz /b", "not a path"},
		{"/%ff /b", "not a path"},
		{"/a /%zz 200", "not a path"},
		{"/*/* /b", "twice"},
		{"/:a/:a /b", "twice"},
		{"/:splat /b", "called :splat"},
		{"/:a/:b/:c/:d/:e/:f/:g/:h/:i /b", "more than 8"},
		{"/" + long + " /b", "more than 2000 characters"},
		{"/\xff /b", "not UTF-8"},
	} {
		r, notes := readRules(nil, []byte("\n"+tt.content))
		if len(r.Redirects) != 0 || len(notes) != 1 || !strings.HasPrefix(notes[0], "_redirects, line 2: ") || !strings.Contains(notes[0], tt.want) {
			t.Errorf("%.60s: %v, %q", tt.content, r.Redirects, notes)
		}
	}
	for _, tt := range []struct{ content, want string }{
		{"X-A: b", "comes after the path"},
		{"/a\n", "No header follows"},
		{"https://a.example/*\n  X-A: b\n  X-C: d", "other hosts"},
		{"/a\n  X-A", "Expected a header"},
		{"/a\n  X A: b", "not the name"},
		{"/a\n  : b", "not the name"},
		{"/a\n  !", "not the name"},
		{"/a\n  X-A:", "has no value"},
		{"/a\n  X-A: \u00e9", "cannot have"},
		{"/a\n  X-Content-Type-Options: none", "cannot be changed"},
		{"/a\n  ! x-content-type-OPTIONS", "cannot be changed"},
		{"/a\n  Set-Cookie: __os_access=1", "cannot be changed"},
		{"/a\n  Content-Length: 1", "cannot be changed"},
	} {
		r, notes := readRules([]byte(tt.content), nil)
		if len(r.Headers) != 0 || len(notes) == 0 || !strings.Contains(notes[0], tt.want) || !strings.HasPrefix(notes[0], "_headers, line ") {
			t.Errorf("%q: %v, %q", tt.content, r.Headers, notes)
		}
	}
	_, notes := readRules([]byte(strings.Repeat("nothing\n", 1000)), nil)
	if len(notes) != maxFileNotes+1 || !strings.Contains(notes[maxFileNotes], "980 more") {
		t.Errorf("%d notes, the last %q", len(notes), notes[len(notes)-1])
	}
}

func TestRuleLimits(t *testing.T) {
	var h, fixed, patterns strings.Builder
	for i := range 2200 {
		fmt.Fprintf(&h, "/%d\n  X-A: b\n", i)
		fmt.Fprintf(&fixed, "/%d /x\n", i)
		fmt.Fprintf(&patterns, "/p%d/* /x\n/f%d /x\n", i, i)
	}
	r, notes := readRules([]byte(h.String()), []byte(fixed.String()+patterns.String()))
	if len(r.Headers) != 100 || len(r.Redirects) != 2100 || len(notes) != 2*(maxFileNotes+1) {
		t.Errorf("%d rules for headers, %d redirects, %d notes", len(r.Headers), len(r.Redirects), len(notes))
	}
}

func TestRulesInPlan(t *testing.T) {
	dist := map[string][]byte{"index.html": size(10)}
	plain, err := Make(dist, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]string{"nothing": plain.Hash}
	for name, files := range map[string]map[string]string{
		"headers":   {"_headers": "/*\n X-A: b"},
		"redirects": {"/_redirects": "/a /b"},
		"both":      {"_headers": "/*\n X-A: b", "_redirects": "/a /b\nwrong"},
	} {
		with := maps.Clone(dist)
		for k, v := range files {
			with[k] = []byte(v)
		}
		p, err := Make(with, nil, options())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Assets) != 1 {
			t.Errorf("%s: the files themselves are served", name)
		}
		if wrong := name == "both"; wrong != (len(p.Notes) == 1) {
			t.Errorf("%s: notes %q", name, p.Notes)
		}
		for other, hash := range hashes {
			if p.Hash == hash {
				t.Errorf("%s and %s have the same hash", name, other)
			}
		}
		hashes[name] = p.Hash
	}
}

// FuzzRules reads files that nobody wrote: what counts of them keeps its promises for every path.
func FuzzRules(f *testing.F) {
	f.Add("/*\n X-A: :splat\n ! B", "/a/:b/* /:splat/:b 301\n/x/* https://a.example/:splat?q#f", "/a/b/c")
	f.Add("/a\n A: b", "/* /:splat", "//evil.example")
	f.Add("https://:a/*\n x:y", "/%2f* /\\:splat", "/\r\n")
	f.Fuzz(func(t *testing.T, headers, redirects, path string) {
		rules, notes := readRules([]byte(headers), []byte(redirects))
		for _, n := range notes {
			if !utf8.ValidString(n) && utf8.ValidString(headers+redirects) {
				t.Errorf("note %q", n)
			}
		}
		m := rules.Matcher()
		got := header{"x-content-type-options": "nosniff"}
		m.Apply(production, path, got)
		if got["x-content-type-options"] != "nosniff" {
			t.Errorf("the browser may guess now: %v", got)
		}
		for name, value := range got {
			if strings.ContainsAny(name+value, "\r\n\x00") {
				t.Errorf("header %q: %q", name, value)
			}
		}
		to, status, ok := m.Redirect(path, "")
		if !ok || status == 200 {
			return
		}
		if strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\r\n \\") || !strings.HasPrefix(to, "/") && !strings.HasPrefix(strings.ToLower(to), "http") {
			t.Errorf("%q leads to %q", path, to)
		}
	})
}
