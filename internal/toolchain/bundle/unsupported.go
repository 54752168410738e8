package bundle

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"overskill/internal/model"
)

// missing is something of Vite's that this bundler does not have. Each is refused with a cure, because a bundle
// in which it stands unexpanded would build and then break in the browser.
type missing struct {
	re            *regexp.Regexp
	message, cure string
}

var notSupported = []missing{
	{
		regexp.MustCompile(`\bimport\.meta\.glob(?:Eager)?\s*[(<]`),
		"import.meta.glob is not available here.",
		"Import the files one by one, or list them in a module of their own.",
	},
	{
		regexp.MustCompile(`new\s+(?:Shared)?Worker\s*\(\s*new\s+URL\s*\(`),
		"Web workers made of source files are not available here.",
		"Do the work on the page, in slices, or put a finished worker script into public/ and open it by its address.",
	},
	{
		regexp.MustCompile("new\\s+URL\\s*\\(\\s*(?:'\\.{1,2}/|\"\\.{1,2}/|`)[^)]*,\\s*import\\.meta\\.url\\s*\\)"),
		"new URL(..., import.meta.url) is not available here.",
		`Import the file instead: import address from "./picture.png".`,
	},
	{
		regexp.MustCompile(`from\s*["']virtual:[^"']+["']|import\s*["']virtual:[^"']+["']`),
		"Virtual modules come from Vite plugins, which do not run here.",
		"Remove the import and the plugin that it belongs to.",
	},
}

// unsupported finds the first use of something that is missing, outside of comments.
func unsupported(p string, src []byte) (model.Diagnostic, bool) {
	if !bytes.Contains(src, []byte("import.meta")) && !bytes.Contains(src, []byte("virtual:")) {
		return model.Diagnostic{}, false
	}
	for _, m := range notSupported {
		for _, at := range m.re.FindAllIndex(src, -1) {
			line, column, text := position(src, at[0])
			if t := strings.TrimSpace(text); strings.HasPrefix(t, "//") || strings.HasPrefix(t, "*") || strings.HasPrefix(t, "/*") {
				continue
			}
			return model.Diagnostic{
				Class: "syntax", File: p, Line: line, Column: column, Snippet: strings.TrimSpace(text), Message: m.message, Cure: m.cure,
			}, true
		}
	}
	return model.Diagnostic{}, false
}

// unsupportedQuery refuses import suffixes other than ?raw, ?url and ?inline.
func unsupportedQuery(p, suffix string) (model.Diagnostic, bool) {
	switch suffix {
	case "", "?inline", "?no-inline":
		return model.Diagnostic{}, false
	}
	if strings.HasPrefix(suffix, "?v=") || strings.HasPrefix(suffix, "?t=") {
		return model.Diagnostic{}, false
	}
	return model.Diagnostic{
		Class: "missing_file", File: p, Message: fmt.Sprintf("The import suffix %s is not available here.", suffix),
		Cure: "?raw, ?url and ?inline are. An SVG can be imported as an address for <img src>, or written as a component.",
	}, true
}

// position returns the line and column, from 1, and the line's text at a byte offset.
func position(src []byte, at int) (line, column int, text string) {
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
		end = at + i
	}
	return bytes.Count(src[:at], []byte("\n")) + 1, at - start + 1, string(src[start:end])
}
