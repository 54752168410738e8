package npm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk is a shop that answers about advisories too: by package, those whose versions were asked for.
type desk struct {
	*shop
	known  map[string]map[string]string // package -> version -> advisory
	status atomic.Int64                 // other than 0: the answer to the next questions
	kind   string                       // the answer's content type
	answer string                       // "" is what is known
	mu     sync.Mutex
	asked  []string // bodies
	auth   string
}

func newDesk(t *testing.T) (*desk, *Auditor) {
	d := &desk{shop: newShop(t), kind: "application/json", known: map[string]map[string]string{}}
	d.trouble = d.serve
	store := d.store()
	return d, NewAuditor(store.Registry)
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/-/npm/v1/security/advisories/bulk") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.auth = append(d.asked, string(body)), r.Header.Get("Authorization")
	if status := int(d.status.Load()); status != 0 {
		w.WriteHeader(status)
		return true
	}
	w.Header().Set("Content-Type", d.kind)
	if d.answer != "" {
		_, _ = io.WriteString(w, d.answer)
		return true
	}
	var versions map[string][]string
	if r.Method != http.MethodPost || json.Unmarshal(body, &versions) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return true
	}
	found := map[string][]json.RawMessage{}
	for name, list := range versions {
		for _, v := range list {
			if a := d.known[name][v]; a != "" {
				found[name] = append(found[name], json.RawMessage(a))
			}
		}
	}
	_ = json.NewEncoder(w).Encode(found)
	return true
}

func (d *desk) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

const (
	oldWeakness = `{"id":1,"url":"https://reports.example/1","title":"Prototype\n Pollution in a","severity":"high","vulnerable_versions":"<1.2.0","cwe":["CWE-1321"],"cvss":{"score":7.5,"vectorString":null}}`
	newWeakness = `{"id":2,"url":"javascript:alert(1)","title":"Steals","severity":"surprising","vulnerable_versions":"=1.2.0","cwe":"CWE-506"}`
)

func TestAuditTellsWhatIsKnown(t *testing.T) {
	d, auditor := newDesk(t)
	d.known["a"] = map[string]string{"1.0.0": oldWeakness, "1.2.0": newWeakness}
	for _, v := range []string{"1.0.0", "1.2.0", "1.10.0", "1.3.0", "2.0.0-rc.1"} {
		d.offer("a", v, Manifest{})
	}
	d.offer("a", "1.4.0", Manifest{Deprecated: "broken"})
	installed := map[string][]string{"a": {"1.0.0", "1.0.0"}, "b": {"2.0.0"}, "../c": {"1.0.0"}, "d": {"a b"}}
	got := auditor.Audit(t.Context(), installed)
	if got.Unchecked != "" || time.Since(got.At) > time.Minute {
		t.Errorf("%+v", got)
	}
	// What cures one weakness has another, which only the second question brings to light.
	want := []Advisory{
		{Package: "a", Range: "<1.2.0", Severity: "high", Title: "Prototype Pollution in a", URL: "https://reports.example/1"},
		{Package: "a", Range: "=1.2.0", Severity: "moderate", Title: "Steals", Malicious: true},
	}
	if diff := cmp.Diff(want, got.Advisories); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"1.0.0", "1.2.0", "1.3.0", "1.10.0"}}, got.Releases); diff != "" {
		t.Error(diff)
	}
	if d.asked[0] != `{"a":["1.0.0"],"b":["2.0.0"]}` {
		t.Errorf("asked for %s", d.asked[0])
	}

	before := d.questions()
	for range 3 {
		if again := auditor.Audit(t.Context(), installed); again != got {
			t.Error("another answer to the same")
		}
	}
	if n := d.questions(); n != before {
		t.Errorf("asked %d times more for what is known", n-before)
	}
	auditor.now = func() time.Time { return time.Now().Add(auditFresh + time.Minute) }
	if auditor.Audit(t.Context(), installed); d.questions() == before {
		t.Error("an answer of yesterday counts")
	}
}

// TestAuditSaysWhatItCouldNotSee: whatever a registry answers instead of advisories must never look like none.
func TestAuditSaysWhatItCouldNotSee(t *testing.T) {
	tests := map[string]struct {
		status int
		kind   string
		answer string
		lasts  time.Duration
		says   string
	}{
		"bad request":    {status: 400, lasts: unofferedFresh, says: "answers no questions"},
		"forbidden":      {status: 403, lasts: unofferedFresh, says: "answers no questions"},
		"not found":      {status: 404, lasts: unofferedFresh, says: "answers no questions"},
		"not allowed":    {status: 405, lasts: unofferedFresh, says: "answers no questions"},
		"not built":      {status: 501, lasts: unofferedFresh, says: "answers no questions"},
		"too many":       {status: 429, lasts: troubledFresh, says: "in time"},
		"broken":         {status: 503, lasts: troubledFresh, says: "in time"},
		"a page":         {kind: "text/html", answer: "<!doctype html>", lasts: unofferedFresh, says: "answers no questions"},
		"null":           {answer: "null", lasts: unofferedFresh, says: "answers no questions"},
		"no JSON":        {answer: "{", lasts: troubledFresh, says: "in time"},
		"a list":         {answer: "[]", lasts: troubledFresh, says: "in time"},
		"another object": {answer: `{"error":"later"}`, lasts: troubledFresh, says: "in time"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, auditor := newDesk(t)
			d.status.Store(int64(tt.status))
			d.answer = tt.answer
			if tt.kind != "" {
				d.kind = tt.kind
			}
			installed := map[string][]string{"a": {"1.0.0"}}
			got := auditor.Audit(t.Context(), installed)
			if !strings.Contains(got.Unchecked, tt.says) || len(got.Advisories) != 0 || strings.Contains(got.Unchecked, d.url) {
				t.Errorf("%+v", got)
			}
			before := d.questions()
			auditor.now = func() time.Time { return time.Now().Add(tt.lasts - 10*time.Second) }
			if auditor.Audit(t.Context(), installed); d.questions() != before {
				t.Error("asked again too early")
			}
			auditor.now = func() time.Time { return time.Now().Add(tt.lasts + 10*time.Second) }
			if auditor.Audit(t.Context(), installed); d.questions() == before {
				t.Error("never asked again")
			}
		})
	}
}

func TestAuditGivesASecondChance(t *testing.T) {
	d, auditor := newDesk(t)
	d.known["a"] = map[string]string{"1.0.0": oldWeakness}
	d.status.Store(503)
	serve := d.trouble
	d.trouble = func(w http.ResponseWriter, r *http.Request) bool {
		defer d.status.Store(0)
		return serve(w, r)
	}
	got := auditor.Audit(t.Context(), map[string][]string{"a": {"1.0.0"}})
	// The releases cannot be read, since nobody offers the package: the advisory stays.
	if got.Unchecked != "" || len(got.Advisories) != 1 || len(got.Releases) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestAuditKeepsNamesAtHome: packages of a company's own registry are asked about there only, with its own token.
func TestAuditKeepsNamesAtHome(t *testing.T) {
	home, _ := newDesk(t)
	d, _ := newDesk(t) // the default registry of the process now
	home.status.Store(404)
	t.Setenv("npm_config_@acme:registry", home.url)
	dir := t.TempDir()
	npmrc := strings.TrimPrefix(home.url, "http:") + "/:_authToken=own-token\n"
	if err := os.WriteFile(filepath.Join(dir, ".npmrc"), []byte(npmrc), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := NewRegistry(dir, http.DefaultTransport.(*http.Transport).Clone(), impatient)
	if err != nil {
		t.Fatal(err)
	}
	if r.base("@acme/x") != home.url && r.base("@acme/x") != home.url+"/" {
		t.Fatalf("the scope's registry is %s", r.base("@acme/x"))
	}
	got := NewAuditor(r).Audit(t.Context(), map[string][]string{"a": {"1.0.0"}, "@acme/x": {"1.0.0"}})
	if diff := cmp.Diff([][]string{{`{"@acme/x":["1.0.0"]}`}, {`{"a":["1.0.0"]}`}}, [][]string{home.asked, d.asked}); diff != "" {
		t.Error(diff)
	}
	if home.auth != "Bearer own-token" || d.auth != "" {
		t.Errorf("the scope's registry was sent %q, the other %q", home.auth, d.auth)
	}
	if !strings.Contains(got.Unchecked, "@acme/x") {
		t.Errorf("%+v", got)
	}
}

func TestAuditEndsWithWhoAsked(t *testing.T) {
	d, auditor := newDesk(t)
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	d.trouble = func(http.ResponseWriter, *http.Request) bool { <-hold; return false }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got := auditor.Audit(ctx, map[string][]string{"a": {"1.0.0"}}); got.Unchecked == "" {
		t.Error("an audit that was given up looks complete")
	}
}

func TestAuditsAreBounded(t *testing.T) {
	_, auditor := newDesk(t)
	for i := range maxAudits + 20 {
		auditor.Audit(t.Context(), map[string][]string{"a": {fmt.Sprintf("1.0.%d", i)}})
	}
	if len(auditor.known) != maxAudits || len(auditor.until) != maxAudits {
		t.Errorf("%d audits, %d times", len(auditor.known), len(auditor.until))
	}
}

func FuzzParseAdvisories(f *testing.F) {
	f.Add([]byte(`{"a":[` + oldWeakness + `,` + newWeakness + `]}`))
	f.Add([]byte(`{"a":[null],"b":null}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, err := parseAdvisories(answer, map[string][]string{"a": {"1.0.0"}})
		for _, a := range got {
			if err != nil || a.Package != "a" || a.Severity == "" || len(a.Title) > 4*200 || strings.ContainsAny(a.Title, "\n\r\t") || a.URL != "" && !strings.HasPrefix(a.URL, "https://") {
				t.Errorf("%+v, %v", a, err)
			}
		}
	})
}
