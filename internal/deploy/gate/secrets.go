package gate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// hit is a secret in a file, by its place.
type hit struct {
	kind       string // "a Stripe secret key"
	begin, end int
	severity   model.Severity
	guess      bool // it only looks like one
	own        string
}

// secrets looks for secrets in what visitors download and in the server code.
func secrets(in Input) []model.Finding {
	needles := ownNeedles(in.Secrets)
	var out []model.Finding
	for _, name := range sortedKeys(in.Files) {
		content := in.Files[name]
		hits := own(content, needles)
		if filetree.IsText(content) {
			hits = append(hits, shapes(content)...)
			hits = append(hits, guesses(content, hits)...)
		}
		for _, h := range hits[:min(len(hits), maxHits)] {
			if len(out) == maxHits {
				in.Source = filetree.Tree{} // for so many nobody reads where they come from, and it is searched for each
			}
			out = append(out, inBundle(in.Source, name, content, h))
		}
	}
	if len(in.Server) > 0 {
		for _, h := range append(own(in.Server, needles), shapes(in.Server)...) {
			out = append(out, inServer(in.Source, in.Server, h))
		}
	}
	return out
}

// inBundle words a finding about a secret that visitors can download.
func inBundle(source filetree.Tree, name string, content []byte, h hit) model.Finding {
	f := model.Finding{Rule: "secret_in_bundle", Severity: h.severity}
	f.File, f.Line = placeOf(source, name, content, h)
	what := h.kind + starts(content, h)
	switch {
	case h.own != "":
		f.Title = fmt.Sprintf("The value of %s is in what visitors download.", h.own)
		what = "the value of " + h.own
	case h.guess:
		f.Title = fmt.Sprintf("%s may be in what visitors download.", upper(what))
	default:
		f.Title = fmt.Sprintf("%s is in what visitors download.", upper(what))
	}
	f.Why = "Whoever opens the app can read it there, and use it as if they were you."
	f.Cure = "Let a server function use it, from an environment variable without VITE_, and take it out of the source. If it was published before, replace it at its issuer: it counts as known."
	if h.kind == googleKey {
		f.Why = "Google's keys for browsers are public by nature, but work on every site unless they are restricted."
		f.Cure = "In Google's console, restrict it to the app's address and to the services that the app uses. If it is a key for a server, move it there."
	}
	f.Prompt = fmt.Sprintf("There is %s in the code that visitors download (%s). Move everything that uses it into a server function under worker/, which reads it from an environment variable without the VITE_ prefix, let the pages call that function below /api/, and remove the value from the source.", withoutStart(what, h), at(f.File, f.Line))
	return f
}

// inServer words a finding about a secret that is written into server code. Visitors cannot read it there.
func inServer(source filetree.Tree, content []byte, h hit) model.Finding {
	f := model.Finding{Rule: "secret_in_server_code", Severity: model.SeverityWarn}
	f.File, f.Line = placeOf(source, "worker/", content, h)
	what := h.kind
	f.Title = fmt.Sprintf("%s is written into the server code.", upper(h.kind+starts(content, h)))
	if h.own != "" {
		f.Title, what = fmt.Sprintf("The value of %s is written into the server code.", h.own), "the value of "+h.own
	}
	f.Why = "Whoever may read the app's source can read it, and it stays in the history when it is changed."
	f.Cure = "Read it from an environment variable, and take it out of the source."
	f.Prompt = fmt.Sprintf("The server code has %s written into it (%s). Read it from env instead, as an environment variable without the VITE_ prefix, and remove the value from the source.", what, at(f.File, f.Line))
	return f
}

// starts tells two keys of a kind apart, by the first four characters of those that are long enough to lose them.
func starts(content []byte, h hit) string {
	if h.own != "" || h.guess || h.end-h.begin < 20 {
		return ""
	}
	return fmt.Sprintf(" (%s…)", content[h.begin:h.begin+4])
}

func withoutStart(what string, h hit) string {
	if h.own != "" {
		return what
	}
	return h.kind
}

// placeOf says where a secret comes from: the first source file that has the same text, or else where it was found.
func placeOf(source filetree.Tree, name string, content []byte, h hit) (string, int) {
	secret := content[h.begin:h.end]
	for _, p := range source.Paths() {
		if b, _ := source.Get(p); filetree.IsText(b) {
			if i := bytes.Index(b, secret); i >= 0 {
				return p, lineAt(b, i)
			}
		}
	}
	if name == "worker/" { // the bundle of it is no file that anyone knows
		return name, 0
	}
	return name, lineAt(content, h.begin)
}

// needle is one way in which one of the app's secrets can be written.
type needle struct {
	name string
	text []byte
	word bool // too ordinary to be looked for inside of other words
}

// minOwn is the length in bytes below which a value is too ordinary to be looked for.
const minOwn = 8

func ownNeedles(secrets map[string]string) (out []needle) {
	for _, name := range sortedKeys(secrets) {
		v := secrets[name]
		if len(v) < minOwn || plain(v) && !secretName(name) {
			continue // such as production or localhost, which are in every bundle
		}
		seen := map[string]bool{}
		add := func(text string) {
			if !seen[text] {
				seen[text] = true
				out = append(out, needle{name, []byte(text), len(text) < 16})
			}
		}
		add(v)
		add(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(v)), "="))
		add(base64.RawURLEncoding.EncodeToString([]byte(v)))
		add(url.QueryEscape(v))
		add(url.PathEscape(v))
		if quoted, err := json.Marshal(v); err == nil { // line breaks of a PEM file
			add(string(quoted[1 : len(quoted)-1]))
		}
	}
	return out
}

// plain reports whether a value is an ordinary word.
func plain(v string) bool {
	return len(v) <= 16 && !strings.ContainsFunc(v, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' && r != '_' })
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, w := range []string{"secret", "password", "passwd", "token", "key"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// own finds the app's own secrets, each at its first place only.
func own(content []byte, needles []needle) (out []hit) {
	done := map[string]bool{}
	for _, n := range needles {
		if done[n.name] {
			continue
		}
		for from := 0; ; {
			i := bytes.Index(content[from:], n.text)
			if i < 0 {
				break
			}
			begin, end := from+i, from+i+len(n.text)
			if n.word && (begin > 0 && wordByte(content[begin-1]) || end < len(content) && wordByte(content[end])) {
				from = begin + 1
				continue
			}
			done[n.name] = true
			out = append(out, hit{kind: "one of the app's secrets", begin: begin, end: end, severity: model.SeverityBlock, own: n.name})
			break
		}
	}
	return out
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func lineAt(b []byte, offset int) int { return 1 + bytes.Count(b[:offset], []byte("\n")) }

func at(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s, line %d", file, line)
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
