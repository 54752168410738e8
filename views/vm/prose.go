package vm

import (
	"bytes"
	"html"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Prose turns the builder's Markdown into HTML that is safe to print raw: goldmark leaves raw HTML out, and
// bluemonday then keeps only text structure and links. Links lead away in a new tab and without a referrer;
// images are dropped, because a page makes no request to another origin.
func Prose(markdown string) string {
	var buf bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough)).Convert([]byte(markdown), &buf); err != nil {
		return "<p>" + html.EscapeString(markdown) + "</p>"
	}
	policy := bluemonday.NewPolicy()
	policy.AllowElements("p", "br", "ul", "ol", "li", "strong", "em", "del", "code", "pre", "blockquote",
		"h1", "h2", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td", "hr")
	policy.AllowAttrs("href").OnElements("a")
	policy.AllowURLSchemes("https", "http", "mailto")
	policy.RequireParseableURLs(true)
	policy.AddTargetBlankToFullyQualifiedLinks(true)
	policy.RequireNoReferrerOnLinks(true)
	return policy.Sanitize(buf.String())
}
