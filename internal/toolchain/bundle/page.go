package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	xhtml "golang.org/x/net/html"

	"overskill/internal/filetree"
	"overskill/internal/model"
)

// page is index.html, cut at the places where the build changes it.
type page struct {
	entries []string // of the bundle: app paths, or names of inline scripts
	parts   []part
	head    int // index into parts before which the loads are written
	tree    filetree.Tree
}

// part is a piece of index.html: text to be copied, or a local asset's tag.
type part struct {
	text  string
	asset string // the app path that text links to, "" for none
	href  string // as written in text
}

// readPage finds the entry points in index.html.
func (b *build) readPage() (*page, []model.Diagnostic) {
	src, ok := b.in.Tree.Get("index.html")
	if !ok {
		return nil, []model.Diagnostic{{
			Class: "html", File: "index.html", Message: "The app has no index.html.",
			Cure: `Create index.html with <script type="module" src="/src/main.tsx"></script> in its body.`,
		}}
	}
	p := &page{head: -1, tree: b.in.Tree}
	b.inline = map[string]string{}
	r := &pageReader{build: b, page: p, z: xhtml.NewTokenizer(bytes.NewReader(src)), src: src}
	if err := r.read(); err != nil {
		return nil, []model.Diagnostic{{Class: "html", File: "index.html", Message: "index.html cannot be read: " + err.Error()}}
	}
	if len(r.problems) == 0 && len(p.entries) == 0 {
		r.problems = append(r.problems, model.Diagnostic{
			Class: "html", File: "index.html", Message: "index.html loads no module script, so the app would be an empty page.",
			Cure: `Add <script type="module" src="/src/main.tsx"></script> to its body.`,
		})
	}
	if p.head < 0 {
		p.head = 0
	}
	return p, r.problems
}

// pageReader walks over the tags. Everything that it does not understand is copied byte for byte.
type pageReader struct {
	build    *build
	page     *page
	z        *xhtml.Tokenizer
	src      []byte
	offset   int
	problems []model.Diagnostic
}

func (r *pageReader) read() error {
	for {
		t := r.z.Next()
		if t == xhtml.ErrorToken {
			if err := r.z.Err(); !errors.Is(err, io.EOF) {
				return err
			}
			if rest := string(r.src[min(r.offset, len(r.src)):]); rest != "" { // a tag that never ends
				r.page.parts = append(r.page.parts, part{text: rest})
			}
			return nil
		}
		raw := string(r.z.Raw())
		at := r.offset
		r.offset += len(raw)
		tag, attrs := "", map[string]string(nil)
		if t == xhtml.StartTagToken || t == xhtml.SelfClosingTagToken || t == xhtml.EndTagToken {
			tag, attrs = r.tag()
		}
		switch {
		case t == xhtml.EndTagToken && tag == "head":
			r.page.head = len(r.page.parts)
		case t == xhtml.StartTagToken && tag == "script":
			if r.script(raw, attrs, at) {
				continue
			}
		case t != xhtml.EndTagToken && tag == "link":
			if r.link(raw, attrs, at) {
				continue
			}
		case t != xhtml.EndTagToken && (tag == "img" || tag == "source" || tag == "video" || tag == "audio"):
			r.asset(raw, attrs["src"], at)
			continue
		}
		r.page.parts = append(r.page.parts, part{text: raw})
	}
}

func (r *pageReader) tag() (string, map[string]string) {
	name, more := r.z.TagName()
	tag := string(name)
	attrs := map[string]string{}
	for more {
		var k, v []byte
		k, v, more = r.z.TagAttr()
		attrs[string(k)] = string(v)
	}
	return tag, attrs
}

// local returns the app path of an address in index.html, if it is one of the app's.
func local(address string) (string, bool) {
	if address == "" || strings.HasPrefix(address, "//") || strings.HasPrefix(address, "#") || scheme.MatchString(address) {
		return "", false
	}
	address, _, _ = strings.Cut(address, "?")
	return strings.TrimPrefix(path.Clean("/"+address), "/"), true
}

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// script takes module scripts out of the page; the bundle replaces them.
func (r *pageReader) script(raw string, attrs map[string]string, at int) bool {
	src, module := attrs["src"], attrs["type"] == "module"
	p, isLocal := local(src)
	switch {
	case !module && isLocal && !r.build.in.Tree.Has("public/"+p):
		r.warn(at, fmt.Sprintf("index.html loads the script %s, which does not exist.", src), "")
		return false
	case !module, src != "" && !isLocal:
		return false
	case src == "":
		name := fmt.Sprintf("index-inline-%d.tsx", len(r.build.inline))
		if r.z.Next() == xhtml.TextToken {
			text := r.z.Raw()
			r.offset += len(text)
			r.build.inline[name] = string(text)
			r.z.Next()
		}
		r.offset += len(r.z.Raw()) // the end tag
		r.page.entries = append(r.page.entries, name)
		return true
	case r.build.in.Tree.Has("public/"+p) && !r.build.in.Tree.Has(p):
		return false
	}
	if !r.build.in.Tree.Has(p) {
		d := r.build.missingFile(src, p)
		d.File, d.Snippet = "index.html", raw
		d.Line, d.Column, _ = position(r.src, at)
		r.problems = append(r.problems, d)
		return false
	}
	if !slices.Contains(r.page.entries, p) {
		r.page.entries = append(r.page.entries, p)
	}
	if r.z.Next() == xhtml.TextToken { // white space between the tags
		r.offset += len(r.z.Raw())
		r.z.Next()
	}
	r.offset += len(r.z.Raw())
	return true
}

// link takes stylesheets of the app out of the page and keeps other links.
func (r *pageReader) link(raw string, attrs map[string]string, at int) bool {
	href := attrs["href"]
	p, isLocal := local(href)
	if isLocal && attrs["rel"] == "stylesheet" && r.build.in.Tree.Has(p) && !r.build.in.Tree.Has("public/"+p) {
		r.page.entries = append(r.page.entries, p)
		return true
	}
	if attrs["rel"] == "modulepreload" && isLocal && r.build.in.Tree.Has(p) {
		return true // of a source file; the bundle has its own
	}
	r.asset(raw, href, at)
	return true
}

// asset copies a tag; a file of the app outside of public/ that it names becomes a part of the site.
func (r *pageReader) asset(raw, href string, at int) {
	p, isLocal := local(href)
	t := part{text: raw}
	switch {
	case !isLocal || p == "" || r.build.in.Tree.Has("public/"+p):
	case r.build.in.Tree.Has(p):
		t.asset, t.href = p, href
	case path.Ext(p) != "":
		r.warn(at, fmt.Sprintf("index.html names %s, which does not exist.", href), "Put the file into public/, or remove the tag.")
	}
	r.page.parts = append(r.page.parts, t)
}

func (r *pageReader) warn(at int, message, cure string) {
	line, column, text := position(r.src, at)
	r.build.warnings = append(r.build.warnings, model.Diagnostic{
		Class: "html", File: "index.html", Line: line, Column: column, Snippet: strings.TrimSpace(text), Message: message, Cure: cure, Warning: true,
	})
}

// render writes index.html with the bundle's loads at the end of its head. Assets that the page itself names
// are added to files.
func (p *page) render(l loads, env map[string]string, mode string, files map[string][]byte) (page []byte, assets []string) {
	var tags strings.Builder
	for _, s := range l.scripts {
		fmt.Fprintf(&tags, "    <script type=\"module\" crossorigin src=\"/%s\"></script>\n", html.EscapeString(s))
	}
	for _, s := range l.preloads {
		fmt.Fprintf(&tags, "    <link rel=\"modulepreload\" crossorigin href=\"/%s\">\n", html.EscapeString(s))
	}
	for _, s := range l.styles {
		fmt.Fprintf(&tags, "    <link rel=\"stylesheet\" crossorigin href=\"/%s\">\n", html.EscapeString(s))
	}
	var out strings.Builder
	for i, t := range p.parts {
		if i == p.head {
			s := strings.TrimRight(out.String(), " \t")
			out.Reset()
			out.WriteString(s)
			out.WriteString(tags.String())
			out.WriteString("  ")
		}
		if t.asset != "" {
			content, _ := p.tree.File(t.asset)
			ext := path.Ext(t.asset)
			name := "assets/" + strings.TrimSuffix(path.Base(t.asset), ext) + "-" + content.Hash[:8] + ext
			files[name] = content.Content
			t.text = strings.Replace(t.text, t.href, "/"+name, 1)
			assets = append(assets, name)
		}
		out.WriteString(t.text)
	}
	if p.head >= len(p.parts) {
		out.WriteString(tags.String())
	}
	return []byte(substitute(out.String(), env, mode)), assets
}

var placeholder = regexp.MustCompile(`%([A-Za-z_]\w*)%`)

// substitute replaces %VITE_X% and Vite's own names; unknown ones stay as they are.
func substitute(s string, env map[string]string, mode string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		name := strings.Trim(m, "%")
		switch name {
		case "MODE":
			return mode
		case "BASE_URL":
			return "/"
		}
		if v, ok := env[name]; ok && strings.HasPrefix(name, "VITE_") {
			return html.EscapeString(v)
		}
		return m
	})
}
