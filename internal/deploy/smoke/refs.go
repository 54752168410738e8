package smoke

import (
	"cmp"
	"io"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"overskill/internal/model"
)

// reference is a file of the same origin that a page names.
type reference struct {
	path     string // decoded, absolute
	optional bool   // the page works without it
}

// references returns the scripts, styles, pictures and icons that a page loads from base's own origin, in their
// order. It reads any bytes: what is not HTML has no references.
func references(page io.Reader, base *url.URL) []reference {
	var out []reference
	z := html.NewTokenizer(page)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			attr := map[string]string{}
			for _, a := range tok.Attr {
				if _, twice := attr[a.Key]; !twice { // the first one counts
					attr[a.Key] = a.Val
				}
			}
			var target string
			optional := false
			switch tok.Data {
			case "script", "img":
				target = attr["src"]
			case "link":
				var loads bool
				if loads, optional = linkLoads(attr["rel"]); loads {
					target = attr["href"]
				}
			}
			if p, ok := ownPath(target, base); ok {
				out = append(out, reference{p, optional})
			}
		}
	}
}

// linkLoads reports whether a browser loads a link with this rel, and whether the page works without it.
func linkLoads(rel string) (loads, optional bool) {
	for r := range strings.FieldsSeq(strings.ToLower(rel)) {
		switch r {
		case "stylesheet", "modulepreload", "preload":
			return true, false
		case "icon", "apple-touch-icon", "manifest", "mask-icon":
			loads, optional = true, true
		}
	}
	return loads, optional
}

// ownPath resolves a reference against base and returns its path if it stays on the same origin.
func ownPath(ref string, base *url.URL) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(ref))
	if ref == "" || err != nil {
		return "", false
	}
	u = base.ResolveReference(u)
	return u.Path, origin(u) == origin(base) && strings.HasPrefix(u.Path, "/") && u.Path != "/"
}

func byFile(a, b model.Diagnostic) int { return cmp.Compare(a.File, b.File) }
