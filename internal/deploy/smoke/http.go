package smoke

import (
	"bytes"
	"context"
	"mime"
	"net/url"

	"golang.org/x/net/html"
	"golang.org/x/sync/errgroup"
)

// roots are the ids of the elements that frameworks render into. probe looks for them too.
var roots = []string{"root", "app", "__next"}

// walk asks for every route over HTTP: the check that remains where no browser opens them. It returns how many were
// asked for.
func (c *Checker) walk(ctx context.Context, base *url.URL, routes []string, r *Report) int {
	some := routes[:min(len(routes), maxOpened)]
	found := make([]fetched, len(some))
	var g errgroup.Group
	g.SetLimit(fetchAtOnce)
	for i, route := range some {
		g.Go(func() error { found[i] = c.fetchPage(ctx, base, route); return nil })
	}
	_ = g.Wait() // what went wrong is in found
	want := rootOf(found[0].body)
	for i, f := range found {
		kind, _, _ := mime.ParseMediaType(f.kind)
		switch {
		case f.err != nil:
			r.problem(classNetwork, "", "%s", onRoute(some[i], "The page "+f.failure()+"."))
		case kind != "text/html":
			r.problem(classNetwork, "", "%s", onRoute(some[i], "The page is no HTML: its type is "+bounded(f.kind)+"."))
		case rootOf(f.body) != want || want == "" && !hasBody(f.body):
			r.problem(classBlank, "", "%s", onRoute(some[i], "The page has no element that the app could show itself in."))
		}
	}
	return len(some)
}

// rootOf returns the id of the element that a page's framework renders into, or "".
func rootOf(page []byte) string {
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken:
			for _, a := range z.Token().Attr {
				if a.Key != "id" {
					continue
				}
				for _, id := range roots {
					if a.Val == id {
						return id
					}
				}
			}
		}
	}
}

// hasBody reports whether a page has an element that shows something, or a script that may make one.
func hasBody(page []byte) bool {
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "html", "head", "title", "meta", "link", "style", "base", "noscript":
			default:
				return true
			}
		}
	}
}
