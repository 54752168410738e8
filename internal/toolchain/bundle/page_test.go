package bundle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
)

func TestPage(t *testing.T) {
	b := &build{in: Input{Tree: treeOf(t, map[string]string{
		"index.html": `<!DOCTYPE html>
<html>
  <head>
    <title>%VITE_NAME% %UNKNOWN%</title>
    <link rel="icon" href="./src/icon.png">
    <link rel="stylesheet" href="/src/extra.css" />
    <link rel="stylesheet" href="https://fonts.example/x.css" />
    <script src="https://cdn.example/x.js"></script>
    <script>window.a = "</p>";</script>
  </head>
  <body>
    <div id="root"></div>
    <script type="module" src="./src/main.tsx"> </script>
    <script type="module">import "/src/other.ts";</script>
    <img src="/gone.png">
  </body>
</html>
`,
		"src/main.tsx": "", "src/extra.css": "", "src/icon.png": "png",
	})}}
	p, problems := b.readPage()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := cmp.Diff([]string{"src/extra.css", "src/main.tsx", "index-inline-0.tsx"}, p.entries); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"index-inline-0.tsx": `import "/src/other.ts";`}, b.inline); d != "" {
		t.Error(d)
	}
	if len(b.warnings) != 1 || b.warnings[0].Line != 15 {
		t.Errorf("warnings: %+v", b.warnings)
	}
	files := map[string][]byte{}
	html, assets := p.render(loads{scripts: []string{"assets/main-1.js"}, preloads: []string{"assets/c.js"}, styles: []string{"assets/m.css"}},
		map[string]string{"VITE_NAME": "A & B"}, "production", files)
	want := `<!DOCTYPE html>
<html>
  <head>
    <title>A &amp; B %UNKNOWN%</title>
    <link rel="icon" href="/` + assets[0] + `">
    
    <link rel="stylesheet" href="https://fonts.example/x.css" />
    <script src="https://cdn.example/x.js"></script>
    <script>window.a = "</p>";</script>
    <script type="module" crossorigin src="/assets/main-1.js"></script>
    <link rel="modulepreload" crossorigin href="/assets/c.js">
    <link rel="stylesheet" crossorigin href="/assets/m.css">
  </head>
  <body>
    <div id="root"></div>
    
    
    <img src="/gone.png">
  </body>
</html>
`
	if d := cmp.Diff(want, string(html)); d != "" {
		t.Error(d)
	}
	if string(files[assets[0]]) != "png" {
		t.Error("the icon is not in the site")
	}
}

func TestPageProblems(t *testing.T) {
	for html, want := range map[string]string{
		"": "loads no module script", "<script type=module src=/src/gone.tsx></script>": "There is no file", "<p>": "loads no module script",
	} {
		b := &build{in: Input{Tree: treeOf(t, map[string]string{"index.html": html})}}
		_, problems := b.readPage()
		if len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%q: got %+v", html, problems)
		}
	}
	b := &build{}
	if _, problems := b.readPage(); len(problems) != 1 || problems[0].Class != "html" {
		t.Errorf("got %+v", problems)
	}
}

func treeOf(t testing.TB, files map[string]string) filetree.Tree {
	t.Helper()
	m := map[string][]byte{}
	for p, s := range files {
		m[p] = []byte(s)
	}
	tree, err := filetree.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// FuzzPage checks that what is not understood is copied byte for byte.
func FuzzPage(f *testing.F) {
	f.Add("<head></head><script type=module src=/a.js></script>")
	f.Add("<script type=module>")
	f.Add("<!-- <script> --><link href=x.png><img src=")
	f.Fuzz(func(t *testing.T, html string) {
		tree, err := filetree.Tree{}.With("index.html", []byte(html))
		if err != nil {
			return
		}
		b := &build{in: Input{Tree: tree}}
		p, _ := b.readPage()
		if p == nil {
			return
		}
		var out strings.Builder
		for _, part := range p.parts {
			out.WriteString(part.text)
		}
		if len(p.entries) == 0 && out.String() != html && !strings.Contains(html, "\x00") {
			t.Errorf("%q became %q", html, out.String())
		}
	})
}

func TestImportedNames(t *testing.T) {
	for clause, want := range map[string][]string{
		"React": {"default"}, "{ a, b as c }": {"a", "b"}, "React, { useState }": {"useState", "default"}, "* as x": {"*"}, "d, * as x": {"default", "*"},
		"{\n  a,\n  default as b\n}": {"a", "default"}, "*": {"*"}, "{}": nil,
	} {
		if d := cmp.Diff(want, importedNames(clause)); d != "" {
			t.Errorf("%s: %s", clause, d)
		}
	}
}
