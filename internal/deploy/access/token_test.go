package access

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/fault"
)

func TestTokenTimes(t *testing.T) {
	at := time.Unix(1_700_000_000, 999_999_999)
	for _, tt := range []struct {
		name  string
		ttl   time.Duration
		after time.Duration
		want  bool
	}{
		{"at once", time.Minute, 0, true},
		{"just before its end", time.Minute, 59 * time.Second, true},
		{"at its end", time.Minute, time.Minute, false},
		{"no time", 0, 0, false},
		{"negative", -time.Hour, 0, false},
		{"the longest", MaxTTL, MaxTTL - time.Second, true},
		{"longer than the longest", 10 * MaxTTL, MaxTTL + time.Second, false},
		{"made in the future", time.Minute, -time.Hour, true},
	} {
		if got := closed.Valid(closed.Token("a.example", tt.ttl, at), "a.example", at.Add(tt.after)); got != tt.want {
			t.Errorf("%s: valid %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := (Rule{Mode: Private, Key: make([]byte, minKey-1)}).Token("a.example", time.Hour, at); got != "" {
		t.Errorf("a short key made the token %q", got)
	}
}

func TestTokenHosts(t *testing.T) {
	for _, tt := range []struct {
		made, used string
		want       bool
	}{
		{"a.example", "A.Example", true},
		{"A.EXAMPLE:443", "a.example", true},
		{"a.example:80", "a.example", true},
		{"a.example:8443", "a.example", false},
		{"a.example", "a.example:8443", false},
		{"a.example", "b.a.example", false},
		{"a.example", "a.example.", false},
		{"a.example\n3", "a.example", false},
		{"", "a.example", false},
	} {
		if got := closed.Valid(closed.Token(tt.made, time.Hour, now), tt.used, now); got != tt.want {
			t.Errorf("made for %q, used at %q: valid %v, want %v", tt.made, tt.used, got, tt.want)
		}
	}
}

func TestLink(t *testing.T) {
	for _, bad := range []string{"", "/x", "preview.example.org", "javascript:alert(1)", "ftp://a.example/", "https://", "http://a b/"} {
		if got, err := closed.Link(bad, time.Hour, now); !fault.Is(err, fault.Invalid) {
			t.Errorf("Link(%q) = %q, %v; want an Invalid fault", bad, got, err)
		}
	}
	for address, want := range map[string]string{
		"https://a.example/":                       "https://a.example/?_access=",
		"http://a.localhost:8787/x?y=1#z":          "http://a.localhost:8787/x?y=1&_access=",
		"https://a.example/x?_access=old&y=%2F&z=": "https://a.example/x?y=%2F&z=&_access=",
	} {
		got, err := closed.Link(address, time.Hour, now)
		if err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("Link(%q) = %q, %v; want %s", address, got, err, want)
			continue
		}
		u, err := url.Parse(got)
		if err != nil || !closed.Valid(u.Query().Get(Param), u.Host, now) {
			t.Errorf("the token in %q opens nothing: %v", got, err)
		}
	}
}

func TestPassword(t *testing.T) {
	for _, bad := range []string{"", "1234567", strings.Repeat("x", MaxPassword+1)} {
		if _, err := HashPassword(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("a password of %d bytes: %v, want an Invalid fault", len(bad), err)
		}
	}
	hash, err := HashPassword("correct horse ü")
	if err != nil {
		t.Fatal(err)
	}
	again, err := HashPassword("correct horse ü")
	if err != nil || again == hash {
		t.Errorf("two hashes of a password are the same: %v", err)
	}
	if !CheckPassword(hash, "correct horse ü") || !CheckPassword(again, "correct horse ü") {
		t.Error("the password is refused")
	}
	for _, wrong := range []string{"", "correct horse u", "correct horse ü ", strings.Repeat("x", 1<<20)} {
		if CheckPassword(hash, wrong) {
			t.Errorf("%.20q is taken for the password", wrong)
		}
	}
	part := strings.Split(hash, "$")
	for _, broken := range []string{
		"", "x", "$$$", strings.Join(part[:3], "$"), hash + "$", "md5$" + strings.Join(part[1:], "$"),
		strings.Join([]string{part[0], "0", part[2], part[3]}, "$"), strings.Join([]string{part[0], "100001", part[2], part[3]}, "$"),
		strings.Join([]string{part[0], part[1], "", part[3]}, "$"), strings.Join([]string{part[0], part[1], part[2], ""}, "$"),
	} {
		if CheckPassword(broken, "correct horse ü") || CheckPassword(broken, "") {
			t.Errorf("the hash %q fits", broken)
		}
	}
}

// try sends a password from an address and returns the status.
func try(g *Guard, rule Rule, from, password string) int {
	r := httptest.NewRequest(http.MethodPost, "http://todo.example/_access", strings.NewReader(url.Values{"password": {password}}.Encode()))
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	g.Handler(rule, http.NotFoundHandler()).ServeHTTP(w, r)
	return w.Code
}

func TestAttempts(t *testing.T) {
	rule := locked(t)
	at := now
	g := &Guard{Now: func() time.Time { return at }}
	for i := range 5 {
		if got := try(g, rule, "[2001:db8::1]:1", "wrong password"); got != http.StatusUnauthorized {
			t.Fatalf("attempt %d answers %d", i, got)
		}
	}
	for _, tt := range []struct {
		from string
		want int
	}{
		{"[2001:db8::1]:2", http.StatusTooManyRequests},
		{"[2001:db8::ffff:2]:1", http.StatusTooManyRequests}, // the same network
		{"[2001:db8:0:1::1]:1", http.StatusSeeOther},
		{"192.0.2.7:1", http.StatusSeeOther},
		{"[::ffff:192.0.2.7]:1", http.StatusSeeOther},
		{"not an address", http.StatusSeeOther},
	} {
		if got := try(g, rule, tt.from, "open sesame"); got != tt.want {
			t.Errorf("from %s: %d, want %d", tt.from, got, tt.want)
		}
	}
	at = at.Add(window)
	if got := try(g, rule, "[2001:db8::1]:1", "open sesame"); got != http.StatusSeeOther {
		t.Errorf("a minute later: %d", got)
	}
	var a attempts
	for i := range maxVisitors {
		if _, ok := a.take(strings.Repeat("x", i%7)+time.Duration(i).String(), at); !ok {
			t.Fatalf("visitor %d is refused", i)
		}
	}
	if _, ok := a.take("one more", at); ok || len(a.seen) > maxVisitors {
		t.Errorf("%d visitors are remembered", len(a.seen))
	}
	if _, ok := a.take("one more", at.Add(window)); !ok || len(a.seen) != 1 {
		t.Errorf("a minute later %d visitors are remembered", len(a.seen))
	}
}

// TestManyAtOnce guesses in parallel: that may be refused, but must not be a way around the limit.
func TestManyAtOnce(t *testing.T) {
	rule := locked(t)
	var g Guard
	var tried atomic.Int32
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			switch got := try(&g, rule, "192.0.2.1:1", "wrong password"); got {
			case http.StatusUnauthorized:
				tried.Add(1)
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			default:
				t.Errorf("a wrong password answers %d", got)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n > maxWrong || n == 0 {
		t.Errorf("%d wrong passwords were tried, the limit is %d", n, maxWrong)
	}
	if n := g.hashing.Load(); n != 0 {
		t.Errorf("%d are still being checked", n)
	}
}

// TestRevoke opens a site with a link, as a browser does, and then takes everything back.
func TestRevoke(t *testing.T) {
	rule := closed
	var mu sync.Mutex
	var g Guard
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := rule
		mu.Unlock()
		g.Handler(now, http.HandlerFunc(app)).ServeHTTP(w, r)
	}))
	defer srv.Close()
	link, err := rule.Link(srv.URL+"/x", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	get := func(address, cookie string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if cookie != "" {
			req.Header.Set("Cookie", Cookie+"="+cookie)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	res := get(link, "")
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 || res.Header.Get("Location") != "/x" {
		t.Fatalf("the link answers %d %v", res.StatusCode, res.Header)
	}
	session := res.Cookies()[0].Value
	if res := get(srv.URL+"/x", session); res.StatusCode != http.StatusOK {
		t.Fatalf("the session answers %d", res.StatusCode)
	}
	mu.Lock()
	rule.Epoch++
	mu.Unlock()
	if a, b := get(srv.URL+"/x", session), get(link, ""); a.StatusCode != http.StatusUnauthorized || b.StatusCode != http.StatusUnauthorized {
		t.Errorf("after it was taken back the session answers %d, the link %d", a.StatusCode, b.StatusCode)
	}
}

// TestRuleTravels is what a Worker's binding goes through.
func TestRuleTravels(t *testing.T) {
	b, err := json.Marshal(closed)
	if err != nil {
		t.Fatal(err)
	}
	var got Rule
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !got.Valid(closed.Token("a.example", time.Hour, now), "a.example", now) {
		t.Error("the rule does not survive JSON")
	}
	if b, err := json.Marshal(Rule{}); err != nil || string(b) != "{}" {
		t.Errorf("the zero rule is %s, %v", b, err)
	}
}

// FuzzValid looks for a text that opens a site and that Token did not make.
func FuzzValid(f *testing.F) {
	good := closed.Token("a.example", time.Hour, now)
	f.Add(good, "a.example")
	f.Add(good[:53], "a.example")
	f.Add(good[:20]+"\n"+good[20:], "a.example")
	f.Add(closed.prove(forSession, "a.example", now.Add(time.Hour)), "a.example")
	f.Add(strings.Repeat("_", 54), "\n")
	f.Fuzz(func(t *testing.T, token, host string) {
		if closed.Valid(token, host, now) && (token != good || origin(host) != "a.example") {
			t.Errorf("%q opens %q", token, host)
		}
	})
}

// FuzzNext looks for a path that leads to another site, read as browsers do.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c", "//e.example", "/\\e.example", "/\t/e.example", "\\\\e.example", "https:e.example", "/%2fe.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := safeNext(next)
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(got)
		if !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") || seen != got {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	session := closed.prove(forSession, "a.example", now.Add(time.Hour))
	r := httptest.NewRequest(http.MethodGet, "http://a.example/x", nil)
	r.Header.Set("Cookie", Cookie+"="+session)
	h := closed.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := httptest.NewRecorder()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkCheckPassword(b *testing.B) {
	hash, err := HashPassword("open sesame")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		CheckPassword(hash, "open sesame")
	}
}
