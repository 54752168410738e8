package gate

import "strings"

// terms is what a licence asks of who publishes an app, from little to much. Of a choice the least counts, of a
// combination the most.
type terms int

const (
	free       terms = iota // keep the notice
	unclear                 // nothing is known
	reciprocal              // publish the app's own source under the same licence
	forbidden               // no use without an agreement, or none for money
)

// licence reads an SPDX expression (SPDX specification 3, annex B), and what people write instead of one.
func licence(expression string) terms {
	p := spdx{tokens: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(expression))}
	if len(p.tokens) == 0 {
		return unclear
	}
	if t, ok := loose[strings.ToLower(strings.Join(p.tokens, " "))]; ok {
		return t
	}
	t, ok := p.choice(0)
	if !ok || p.at != len(p.tokens) {
		return unclear
	}
	return t
}

type spdx struct {
	tokens []string
	at     int
}

// maxNesting bounds parentheses, so that an expression cannot exhaust the stack.
const maxNesting = 50

func (p *spdx) next(word string) bool {
	if p.at < len(p.tokens) && strings.EqualFold(p.tokens[p.at], word) {
		p.at++
		return true
	}
	return false
}

func (p *spdx) choice(depth int) (terms, bool) {
	t, ok := p.combination(depth)
	for ok && p.next("or") {
		var u terms
		u, ok = p.combination(depth)
		t = min(t, u)
	}
	return t, ok
}

func (p *spdx) combination(depth int) (terms, bool) {
	t, ok := p.single(depth)
	for ok && p.next("and") {
		var u terms
		u, ok = p.single(depth)
		t = max(t, u)
	}
	return t, ok
}

func (p *spdx) single(depth int) (terms, bool) {
	if p.at >= len(p.tokens) || depth > maxNesting {
		return unclear, false
	}
	if p.next("(") {
		t, ok := p.choice(depth + 1)
		return t, ok && p.next(")")
	}
	t := termsOf(p.tokens[p.at])
	p.at++
	if p.next("with") {
		if p.at >= len(p.tokens) {
			return unclear, false
		}
		if exception := strings.ToLower(p.tokens[p.at]); t == reciprocal && linking(exception) {
			t = free
		}
		p.at++
	}
	return t, true
}

// linking reports whether an exception lets other code be combined with the package.
func linking(exception string) bool {
	for _, e := range []string{"classpath-exception", "linking", "gcc-exception", "font-exception", "bison-exception", "llvm-exception", "universal-foss-exception", "autoconf-exception"} {
		if strings.Contains(exception, e) {
			return true
		}
	}
	return false
}

// termsOf knows the licences of nearly all npm packages. Those of libraries, such as LGPL and MPL, ask for the source of
// the package only.
func termsOf(id string) terms {
	id = strings.ToLower(strings.TrimSuffix(id, "+"))
	switch {
	case strings.HasPrefix(id, "agpl-"), strings.HasPrefix(id, "gpl-"), strings.HasPrefix(id, "sspl-"), strings.HasPrefix(id, "osl-"), strings.HasPrefix(id, "eupl-"), strings.HasPrefix(id, "cc-by-sa-"):
		return reciprocal
	case id == "unlicensed", strings.HasPrefix(id, "cc-by-nc"), strings.HasPrefix(id, "busl-"), strings.HasPrefix(id, "elastic-"), strings.HasPrefix(id, "polyform-"), strings.HasPrefix(id, "cc-by-nd"):
		return forbidden
	case id == "agpl", id == "gpl", id == "gplv2", id == "gplv3", id == "agplv3":
		return reciprocal
	}
	for _, known := range []string{"bsd-", "apache-", "mit-", "lgpl-", "mpl-", "epl-", "cc-by-", "cddl-", "ofl-", "artistic-", "ms-", "w3c", "afl-", "zpl-", "unicode-"} {
		if strings.HasPrefix(id, known) {
			return free
		}
	}
	if t, ok := loose[id]; ok {
		return t
	}
	return unclear
}

// loose are short names, and texts that are no SPDX but that packages have.
var loose = map[string]terms{
	"mit": free, "isc": free, "0bsd": free, "bsd": free, "unlicense": free, "cc0-1.0": free, "zlib": free, "wtfpl": free, "x11": free,
	"blueoak-1.0.0": free, "python-2.0": free, "psf-2.0": free, "bsl-1.0": free, "postgresql": free, "curl": free, "ncsa": free, "upl-1.0": free,
	"apache 2.0": free, "apache license 2.0": free, "apache license, version 2.0": free, "apache2": free, "apache": free, "mit license": free,
	"the mit license": free, "mit/x11": free, "bsd license": free, "public domain": free, "mpl": free, "lgpl": free, "mplv2": free, "lgplv3": free,
	"proprietary": forbidden, "commercial": forbidden, "gnu gplv3": reciprocal, "gnu agplv3": reciprocal,
}
