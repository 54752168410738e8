package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// Advisory is a warning that a registry publishes about releases of a package.
type Advisory struct {
	Package   string
	Range     string // the releases, as an npm range: ">=1.0.0 <1.7.4"; "" where the registry names none
	Severity  string // critical, high, moderate, low or info; what registries call otherwise is moderate
	Malicious bool   // the releases were made to do harm; the others are mistakes
	Title     string // such as "Prototype Pollution in x", at most 200 characters, without line breaks
	URL       string // of the report, https; or ""
}

// maxAdvisories is how many bytes of advisories a registry may send. For 1500 packages npm's sends about 300 KB.
const maxAdvisories = 16 << 20

// errNoAdvisories means that a registry has no advisories to ask for, as most mirrors have none.
var errNoAdvisories = errors.New("the registry offers no advisories")

// wireAdvisory is an advisory as registries send it, as far as it is used.
type wireAdvisory struct {
	Range    string `json:"vulnerable_versions"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	URL      string `json:"url"`
	CWE      List   `json:"cwe"`
}

// advisories asks the registry at base for all that it knows of these versions. It is one attempt. The error is
// errNoAdvisories when asking again later is pointless.
func (r *Registry) advisories(ctx context.Context, base string, versions map[string][]string) ([]Advisory, error) {
	body, err := json.Marshal(versions)
	if err != nil {
		return nil, err
	}
	u := strings.TrimSuffix(base, "/") + "/-/npm/v1/security/advisories/bulk"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return nil, scrub(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	r.authorize(req)
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, scrub(err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == 429 || code == 408 || code >= 500 && code != http.StatusNotImplemented:
		return nil, &statusError{code: code}
	case code != http.StatusOK: // 400, 403, 404, 405, 501: the words of mirrors for it differ
		return nil, errNoAdvisories
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || !strings.HasSuffix(kind, "json") {
		return nil, errNoAdvisories // a page that a proxy has for every address
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAdvisories+1))
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAdvisories {
		return nil, fmt.Errorf("the registry sent more than %d MB of advisories", maxAdvisories>>20)
	}
	return parseAdvisories(answer, versions)
}

// parseAdvisories reads a registry's answer. Packages that nobody asked about are left out; an answer of another form
// is an error and not an empty list, which would say that all is well.
func parseAdvisories(answer []byte, asked map[string][]string) ([]Advisory, error) {
	var wire map[string][]wireAdvisory
	if err := json.Unmarshal(answer, &wire); err != nil {
		return nil, fmt.Errorf("read the registry's advisories: %w", err)
	}
	if wire == nil {
		return nil, errNoAdvisories // null
	}
	var out []Advisory
	for name, list := range wire {
		if asked[name] == nil {
			continue
		}
		for _, w := range list {
			a := Advisory{Package: name, Range: strings.TrimSpace(w.Range), Severity: strings.ToLower(w.Severity), Title: oneLine(w.Title)}
			if !slices.Contains([]string{"critical", "high", "moderate", "low", "info"}, a.Severity) {
				a.Severity = "moderate"
			}
			// 506 is embedded malicious code, 507 to 512 are its kinds; 912 is hidden functionality.
			a.Malicious = slices.ContainsFunc(w.CWE, func(c string) bool {
				return c >= "CWE-506" && c <= "CWE-512" && len(c) == len("CWE-506") || c == "CWE-912"
			})
			if strings.HasPrefix(w.URL, "https://") && !strings.ContainsFunc(w.URL, func(r rune) bool { return r <= ' ' || r > '~' }) {
				a.URL = w.URL
			}
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Advisory) int {
		return slices.Compare([]string{a.Package, a.URL, a.Range, a.Title}, []string{b.Package, b.URL, b.Range, b.Title})
	})
	return out, nil
}

// oneLine makes a title of other people fit for a sentence.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return s
}
