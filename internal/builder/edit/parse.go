package edit

import (
	"fmt"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Problem is why a file does not parse.
type Problem struct {
	Line, Column int // 1-based; 0 when unknown
	Text         string
}

func (p *Problem) String() string { return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Text) }

// loaders names esbuild's parser for an extension. A .js file may hold JSX in some projects and not in
// others, which is why a file is only held to what it satisfied before.
var loaders = map[string]api.Loader{
	".ts": api.LoaderTS, ".mts": api.LoaderTS, ".cts": api.LoaderTS, ".tsx": api.LoaderTSX,
	".js": api.LoaderJS, ".mjs": api.LoaderJS, ".cjs": api.LoaderJS, ".jsx": api.LoaderJSX,
	".css": api.LoaderCSS, ".json": api.LoaderJSON,
}

// Check parses a file by its extension: TypeScript, JavaScript, CSS or JSON. It returns the first problem,
// or nil when there is none or when it knows no parser for the file.
func Check(name string, content []byte) *Problem {
	loader, ok := loaders[strings.ToLower(path.Ext(name))]
	if !ok {
		return nil
	}
	res := api.Transform(string(content), api.TransformOptions{
		Loader: loader, Sourcefile: name, JSX: api.JSXPreserve, LogLevel: api.LogLevelSilent,
		TsconfigRaw: `{"compilerOptions":{"verbatimModuleSyntax":true}}`,
	})
	if len(res.Errors) > 0 {
		return problemOf(res.Errors[0])
	}
	for _, w := range res.Warnings {
		if w.ID == "css-syntax-error" { // CSS is never wrong to a browser: esbuild reports it as a warning
			return problemOf(w)
		}
	}
	return nil
}

func problemOf(m api.Message) *Problem {
	p := &Problem{Text: m.Text}
	if m.Location != nil {
		p.Line, p.Column = m.Location.Line, m.Location.Column+1
	}
	return p
}

// brokenBy returns the problem of new if old had none.
func brokenBy(name string, old, new []byte) *Problem {
	p := Check(name, new)
	if p == nil || Check(name, old) != nil {
		return nil
	}
	return p
}

func syntaxText(name string, p *Problem, out []byte, edits int) string {
	cause := "With this edit"
	if edits > 1 {
		cause = fmt.Sprintf("With these %d edits", edits)
	}
	text := fmt.Sprintf("%s %s would no longer parse: %s. The file stays as it is.", cause, name, p.Text)
	if p.Line > 0 {
		text += fmt.Sprintf(" Around line %d it would read:\n%s", p.Line,
			numbered(toLines(string(out)), p.Line-1-around, p.Line-1+around))
	}
	return text
}
