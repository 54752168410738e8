package access

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// question is one request to a site, and reply what the guard answers, or what the app behind it was shown.
type question struct {
	Name    string            `json:"name"`
	Access  string            `json:"access"` // the rule, as JSON; "" without one
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`

	want string // status, and what else is expected: location, or a word of the body
}

type reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

const (
	site    = "https://preview-todo.example.org"
	browser = "text/html,application/xhtml+xml,*/*;q=0.8"
)

var (
	now    = time.Now()
	key    = bytes.Repeat([]byte{7}, 32)
	closed = Rule{Mode: Private, Key: key, Epoch: 3}
)

func locked(t *testing.T) Rule {
	t.Helper()
	hash, err := HashPassword("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	return Rule{Mode: Password, Key: key, Epoch: 3, PasswordHash: hash}
}

func questions(t *testing.T) []question {
	text := func(r Rule) string {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const host = "preview-todo.example.org"
	token := closed.Token(host, time.Hour, now)
	session := closed.prove(forSession, host, now.Add(time.Hour))
	cookie := func(v string) map[string]string {
		return map[string]string{"Accept": browser, "Cookie": Cookie + "=" + v}
	}
	html := map[string]string{"Accept": browser}
	get := func(name, url, want string, headers map[string]string) question {
		return question{Name: name, Access: text(closed), Method: "GET", URL: url, Headers: headers, want: want}
	}
	with := func(r Rule, q question) question { q.Access = text(r); return q }
	method := func(m string, q question) question { q.Method = m; return q }

	other := closed
	other.Epoch = 4
	foreign := closed
	foreign.Key = bytes.Repeat([]byte{8}, 32)
	keyless := Rule{Mode: Private, Epoch: 3}
	bad := func(name, tok string) []question {
		return []question{
			get(name+" in a link", site+"/?_access="+tok, "401 does not work any more", html),
			get(name+" in a header", site+"/", "401 private", map[string]string{"Accept": browser, Header: tok}),
			get(name+" in a cookie", site+"/", "401 private", cookie(tok)),
		}
	}
	flipped := "A" + token[1:]
	if token[0] == 'A' {
		flipped = "B" + token[1:]
	}
	qs := []question{
		{Name: "no binding", Method: "GET", URL: site + "/x", want: "200"},
		{Name: "broken binding", Access: "{", Method: "GET", URL: site + "/x", want: "503"},
		with(Rule{}, get("zero rule", site+"/x", "200", html)),
		with(Rule{Mode: Public, Key: key}, get("public", site+"/x?a=1", "200", html)),
		with(Rule{Mode: Public, Key: key}, get("public, a link from before", site+"/x?a=1&_access="+token, "303 /x?a=1", html)),
		with(Rule{Mode: Public, Key: key}, get("public, a parameter of the app's", site+"/x?_access=staff", "200", html)),
		with(Rule{Mode: Public, Key: key}, get("public, credentials are taken away", site+"/x", "200", map[string]string{"Cookie": "a=1; __os_access=x; b=2", Header: "x"})),
		with(Rule{Mode: "secret", Key: key}, get("unknown mode", site+"/", "401 private", html)),
		with(keyless, get("no key", site+"/?_access="+token, "401", html)),

		get("nothing, document", site+"/", "401 private", html),
		get("nothing, image", site+"/logo.png", "401 private", map[string]string{"Accept": "image/*"}),
		get("nothing, json", site+"/api/x", `401 {"error":`, map[string]string{"Accept": "application/json"}),
		get("nothing, range", site+"/v.mp4", "401", map[string]string{"Range": "bytes=0-1"}),
		get("nothing, service worker", site+"/sw.js", "401", map[string]string{"Service-Worker": "script"}),
		get("nothing, form page of a private site", site+"/_access", "401 private", html),
		method("HEAD", get("nothing, HEAD", site+"/", "401", html)),
		method("POST", get("nothing, POST", site+"/api/x", "401", nil)),
		method("DELETE", get("nothing, DELETE", site+"/api/x", "401", nil)),
		method("OPTIONS", get("nothing, OPTIONS", site+"/api/x", "401", nil)),

		get("link", site+"/?_access="+token, "303 /", html),
		get("link with a query", site+"/a%20b?x=1&_access="+token+"&y=%2F", "303 /a%20b?x=1&y=%2F", html),
		get("link, upper case host", "https://Preview-Todo.Example.Org/?_access="+token, "303 /", html),
		get("link on localhost", "http://preview-todo.localhost:8787/x?_access="+closed.Token("preview-todo.localhost:8787", time.Hour, now), "303 /x", html),
		get("link on plain http", "http://preview-todo.example.org/x?_access="+token, "303 /x", html),
		get("link behind a proxy", "http://preview-todo.example.org/x?_access="+token, "303 /x", map[string]string{"X-Forwarded-Proto": "https"}),
		get("link to another site", site+"//evil.example/x?_access="+token, "303 /evil.example/x", html),
		get("link to another site, dots", site+"/.//evil.example/x?_access="+token, "303", html),
		get("two tokens, the first counts", site+"/?_access=x&_access="+token, "401 does not", html),
		method("HEAD", get("link, HEAD", site+"/?_access="+token, "303 /", html)),
		method("POST", get("link, POST", site+"/?_access="+token, "401 does not", html)),
		get("bad link with a session", site+"/x?_access=old&y=1", "303 /x?y=1", cookie(session)),

		get("header", site+"/x", "200", map[string]string{Header: token}),
		method("POST", get("header, POST", site+"/api/x", "200", map[string]string{Header: token})),
		get("session", site+"/x", "200", cookie(session)),
		get("session among cookies", site+"/x", "200", map[string]string{"Cookie": "theme=dark; __os_access=forged;  __os_access=" + session + "; a=b"}),
		method("POST", get("session, POST", site+"/api/x", "200", cookie(session))),
		get("session as a link", site+"/?_access="+session, "401 does not", html),
		get("session as a header", site+"/", "401", map[string]string{Header: session}),
		get("link as a session", site+"/", "401", cookie(token)),
		get("session of another site", "https://preview-other.example.org/", "401", cookie(session)),
		get("session of another port", "https://preview-todo.example.org:8443/", "401", cookie(session)),
		with(other, get("session of another epoch", site+"/", "401", cookie(session))),
		with(other, get("link of another epoch", site+"/?_access="+token, "401 does not", html)),
		with(foreign, get("session of another app's key", site+"/", "401", cookie(session))),
		get("expired session", site+"/", "401", cookie(closed.prove(forSession, host, now.Add(-time.Second)))),
	}
	for name, tok := range map[string]string{
		"empty": "", "one character": "A", "truncated": token[:53], "longer": token + "A", "not base64": strings.Repeat("!", 54),
		"flipped": flipped, "padded": token + "==", "other last bits": token[:53] + "_", "with a break": token[:20] + "%0A" + token[21:],
		"expired": closed.Token(host, -time.Second, now), "other host": closed.Token("preview-other.example.org", time.Hour, now),
		"other port": closed.Token(host+":8443", time.Hour, now), "other epoch": other.Token(host, time.Hour, now),
		"other key": foreign.Token(host, time.Hour, now), "mac only": strings.Repeat("A", 11) + token[11:],
	} {
		if token[:53]+"_" == tok && strings.HasSuffix(token, "_") {
			continue
		}
		qs = append(qs, bad(name, tok)...)
	}
	for i := range qs {
		if strings.HasPrefix(qs[i].Name, "empty in a link") {
			qs[i].want = "401 private" // without a token there is no link to speak of
		}
	}
	return append(qs, passwordQuestions(t, text, token)...)
}

func passwordQuestions(t *testing.T, text func(Rule) string, token string) (out []question) {
	rule := locked(t)
	ask := func(name, method, url, body, want string, headers map[string]string) {
		if headers == nil {
			headers = map[string]string{"Accept": browser}
		}
		if body != "" {
			headers["Content-Type"] = "application/x-www-form-urlencoded"
		}
		out = append(out, question{Name: name, Access: text(rule), Method: method, URL: url, Headers: headers, Body: body, want: want})
	}
	const good = "password=open+sesame"
	session := rule.prove(forSession, "preview-todo.example.org", now.Add(time.Hour))
	ask("form", "GET", site+`/a"b'<c>?x=1&y='2'`, "", "401 name=\"next\"", nil)
	ask("form for an old link", "GET", site+"/a?x=1&_access=old", "", `401 value="/a?x=1"`, nil)
	ask("form for a POST", "POST", site+"/a?x=1", "x", `401 value="/"`, nil)
	ask("form at its own path", "GET", site+"/_access", "", `401 value="/"`, nil)
	ask("form at its own path, inside", "GET", site+"/_access", "", "303 /", map[string]string{"Cookie": Cookie + "=" + session})
	ask("no page", "GET", site+"/logo.png", "", "401 password", map[string]string{"Accept": "image/*"})
	ask("link", "GET", site+"/x?_access="+token, "", "303 /x", nil)
	ask("header", "GET", site+"/x", "", "200", map[string]string{Header: token})
	ask("session", "GET", site+"/x", "", "200", map[string]string{"Cookie": Cookie + "=" + session})
	ask("password", "POST", site+"/_access", good+"&next=/a%3Fx%3D1", "303 /a?x=1", nil)
	ask("password, localhost", "POST", "http://todo.localhost/_access", good, "303 /", nil)
	ask("empty password", "POST", site+"/_access", "password=&next=/a", `401 value="/a"`, nil)
	ask("no body", "POST", site+"/_access", "", "401", nil)
	ask("large body", "POST", site+"/_access", good+"&next=/"+strings.Repeat("a", 5000), "413", nil)
	for _, next := range []string{
		"//evil.example", "/%5Cevil.example", "%5C%5Cevil.example", "https://evil.example", "/%09/evil.example", "javascript:alert(1)",
		"%2F%2Fevil.example", "/%0d%0aSet-Cookie:x", "evil.example", "/" + strings.Repeat("a", 2100), "", "/%C3%A9",
	} {
		ask("next "+next[:min(len(next), 30)], "POST", site+"/_access", good+"&next="+next, "303 /", nil)
	}
	for range 5 {
		ask("wrong password", "POST", site+"/_access", "password=open+sesam&next=/a", "401 That is not the password", nil)
	}
	ask("right password after five wrong ones", "POST", site+"/_access", good, "429 too often", nil)
	ask("another site is not affected", "POST", "https://other.example.org/_access", good, "303 /", nil)

	rule.PasswordHash = "pbkdf2-sha256$900000" + rule.PasswordHash[len("pbkdf2-sha256$100000"):]
	ask("hash with more iterations than a Worker may do", "POST", "https://a.example.org/_access", good, "401", nil)
	rule.PasswordHash = ""
	ask("no hash", "POST", "https://b.example.org/_access", good, "401", nil)
	rule = locked(t)
	rule.Key = nil
	ask("password without a key", "POST", "https://c.example.org/_access", good, "401", nil)
	return out
}

// TestGuard asks the Guard and the script in Runtime the same questions, and wants the same answers of both.
func TestGuard(t *testing.T) {
	asked := questions(t)
	guard := new(Guard)
	inWorker := fromWorker(t, asked)
	for i, q := range asked {
		got, js := fromGuard(t, guard, q), inWorker[i]
		if q.Access == "{" { // in Go a Rule is never a broken text
			got = js
		}
		checkReply(t, q, got)
		for _, r := range []*reply{&got, &js} {
			r.Headers["set-cookie"] = maskSession(t, q, r.Headers["set-cookie"])
		}
		if strings.Contains(q.Name, "dots") || strings.Contains(q.URL, "'<c>") { // browsers write such paths in another way before they send them
			got.Headers["location"], js.Headers["location"], got.Body, js.Body = "", "", "", ""
		}
		if diff := cmp.Diff(got, js); diff != "" {
			t.Errorf("%s: %s %s %v: Go -, Worker +\n%s", q.Name, q.Method, q.URL, q.Headers, diff)
		}
	}
}

// checkReply compares with what the question wants: a status, then a location or a part of the body.
func checkReply(t *testing.T, q question, got reply) {
	t.Helper()
	status, rest, _ := strings.Cut(q.want, " ")
	if http.StatusText(got.Status) == "" || status != statusOf(got) {
		t.Errorf("%s: %s %s answers %d, want %s", q.Name, q.Method, q.URL, got.Status, q.want)
	}
	switch {
	case got.Status == http.StatusSeeOther:
		if rest != "" && got.Headers["location"] != rest {
			t.Errorf("%s: goes to %q, want %q", q.Name, got.Headers["location"], rest)
		}
	case rest != "" && !strings.Contains(got.Body, rest):
		t.Errorf("%s: the body lacks %q:\n%s", q.Name, rest, got.Body)
	}
	if got.Status != http.StatusOK && got.Headers["cache-control"] != "no-store" {
		t.Errorf("%s: may be cached", q.Name)
	}
	if got.Status == http.StatusOK && (strings.Contains(got.Body, Cookie) || strings.Contains(strings.ToLower(got.Body), "overskill-access")) {
		t.Errorf("%s: the app is shown what let the request in:\n%s", q.Name, got.Body)
	}
}

func statusOf(r reply) string {
	return string([]byte{byte('0' + r.Status/100), byte('0' + r.Status/10%10), byte('0' + r.Status%10)})
}

// maskSession checks the proof in a Set-Cookie, which holds the time, and takes it out.
func maskSession(t *testing.T, q question, line string) string {
	t.Helper()
	if line == "" {
		return ""
	}
	c, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatalf("%s: %v", q.Name, err)
	}
	var rule Rule
	if err := json.Unmarshal([]byte(q.Access), &rule); err != nil {
		t.Fatal(err)
	}
	host := strings.ToLower(strings.Split(q.URL, "/")[2])
	if !rule.proves(forSession, c.Value, host, now.Add(Session-time.Minute)) || rule.proves(forSession, c.Value, host, now.Add(Session+time.Minute)) {
		t.Errorf("%s: the session %q is not good for twelve hours", q.Name, line)
	}
	c.Value, c.Raw = "x", ""
	if !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.MaxAge != int(Session/time.Second) {
		t.Errorf("%s: wrong cookie %s", q.Name, line)
	}
	own := strings.HasPrefix(q.URL, "https:") || strings.Contains(q.URL, ".localhost") || q.Headers["X-Forwarded-Proto"] != ""
	if c.Secure != own || c.Partitioned != own || (c.SameSite == http.SameSiteNoneMode) != own {
		t.Errorf("%s: wrong attributes for an iframe: %s", q.Name, line)
	}
	return c.String()
}

// shown are the headers that both must send alike.
var shown = []string{
	"cache-control", "content-type", "content-security-policy", "location", "referrer-policy", "retry-after", "set-cookie", "www-authenticate",
	"x-content-type-options", "x-robots-tag",
}

func fromGuard(t *testing.T, g *Guard, q question) reply {
	t.Helper()
	r := httptest.NewRequest(q.Method, strings.NewReplacer("'", "%27", `"`, "%22").Replace(q.URL), strings.NewReader(q.Body))
	if strings.HasPrefix(q.URL, "https:") {
		r.TLS = &tls.ConnectionState{}
	}
	for k, v := range q.Headers {
		r.Header.Set(k, v)
	}
	var rule Rule
	if q.Access != "" && q.Access != "{" {
		if err := json.Unmarshal([]byte(q.Access), &rule); err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	g.Handler(rule, http.HandlerFunc(app)).ServeHTTP(w, r)
	out := reply{Status: w.Code, Headers: map[string]string{}, Body: w.Body.String()}
	for _, name := range shown {
		out.Headers[name] = w.Header().Get(name)
	}
	return out
}

// app answers with the headers that it is shown.
func app(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "cookie="+r.Header.Get("Cookie")+" token="+r.Header.Get(Header))
}

// needNode skips a test where there is no Node. CI has it, and there its absence is a failure.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("Node is missing in CI")
	}
	t.Skip("no Node is installed; CI runs this")
}

const ask = `
import { readFileSync, writeFileSync } from "node:fs";
const out = [];
for (const q of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const request = new Request(q.url, { method: q.method, headers: q.headers || {}, body: q.body || undefined });
  let r = await guard(request, q.access ? { ACCESS: q.access } : {});
  if (r === null) {
    const h = withoutAccess(request).headers;
    r = new Response("cookie=" + (h.get("cookie") || "") + " token=" + (h.get("overskill-access") || ""));
    r.headers.set("content-type", "text/plain");
  }
  const headers = {};
  for (const name of SHOWN) headers[name] = r.headers.get(name) || "";
  out.push({ status: r.status, headers, body: await r.text() });
}
writeFileSync(process.argv[3], JSON.stringify(out));
`

// fromWorker asks the script in Node, whose Request, Response and WebCrypto are those of the web platform.
func fromWorker(t *testing.T, asked []question) (out []reply) {
	t.Helper()
	needNode(t)
	dir := t.TempDir()
	names, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	program := string(Runtime) + "const SHOWN = " + string(names) + ";\n" + ask
	script, in, result := filepath.Join(dir, "ask.mjs"), filepath.Join(dir, "in.json"), filepath.Join(dir, "out.json")
	for name, content := range map[string][]byte{script: []byte(program), in: given} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if msg, err := exec.CommandContext(t.Context(), "node", script, in, result).CombinedOutput(); err != nil {
		t.Fatalf("node: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil || len(out) != len(asked) {
		t.Fatalf("node answered %d of %d questions: %v", len(out), len(asked), err)
	}
	return out
}

// TestSamePages keeps the words of both servers the same: those that no question asked for too.
func TestSamePages(t *testing.T) {
	for _, p := range []*struct{ title, text string }{
		{passwordPage.title, passwordPage.text},
		{privatePage.title, privatePage.text},
		{expiredPage.title, expiredPage.text},
		{tooLargePage.title, tooLargePage.text},
	} {
		for _, words := range []string{p.title, p.text} {
			if !bytes.Contains(Runtime, []byte(words)) {
				t.Errorf("the script lacks %q", words)
			}
		}
	}
	if left := regexp.MustCompile(`\{\{|<!--`).FindString(privatePage.html()); left != "" {
		t.Errorf("the page has %q left", left)
	}
}
