package repair

import (
	"testing"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// FuzzTold feeds arbitrary modules with arbitrary words of a compiler about them: nothing panics, a module that parses
// still does, and one that does not is left alone.
func FuzzTold(f *testing.F) {
	messages := []struct{ code, before, after string }{
		{"TS6133", "'", "' is declared but its value is never read."},
		{"TS6192", "All imports in import declaration are unused.", ""},
		{"TS1484", "'", "' is a type and must be imported using a type-only import when 'verbatimModuleSyntax' is enabled."},
		{"TS1205", "Re-exporting a type when 'verbatimModuleSyntax' is enabled requires using 'export type'.", ""},
		{"TS2724", "'\"lucide-react\"' has no exported member named '", "'. Did you mean 'Home'?"},
		{"TS2304", "Cannot find name '", "'."},
		{"TS2552", "Cannot find name '", "'. Did you mean 'button'?"},
		{"TS2551", "Property '", "' does not exist on type 'X'. Did you mean 'length'?"},
		{"TS2322", "Type 'X' is no 'Y'.\n Property '", "' does not exist on type 'X'. Did you mean 'onClick'?"},
		{"TS2686", "'React' refers to a UMD global", ""},
		{"TS1192", "Module '\"lucide-react\"' has no default export.", ""},
		{"", "node_modules/lucide-react/x.js does not export \"", "\"."},
	}
	f.Add("import { Homee, type B } from 'lucide-react'\nexport default Homee", "Homee", 1, 10, 4)
	f.Add("import useAuth, { Button as B } from \"./components/ui/buton\"; // x\nB(useAuth)", "B", 1, 19, 0)
	f.Add("\"use client\"\nconst x = <Button onclick={consle.log} />", "onclick", 2, 19, 8)
	f.Add("import * as React from 'react'; export * from './lib'\nlenght: [].lenght", "lenght", 2, 12, 7)
	f.Fuzz(func(t *testing.T, text, name string, line, column, which int) {
		files := soundApp()
		files["src/x.tsx"] = []byte(text)
		files["package.json"] = []byte(`{"dependencies":{"react":"19","clsx":"2","lucide-react":"1","react-router":"7"}}`)
		tree, err := filetree.New(files)
		if err != nil {
			return
		}
		m := messages[max(0, which)%len(messages)]
		d := model.Diagnostic{Class: typeClass, File: "src/x.tsx", Line: line, Column: column, Code: m.code, Message: m.before + name + m.after}
		sound := edit.Check("src/x.tsx", []byte(text)) == nil
		after, fixed := Fix(tree, []model.Diagnostic{d}, Options{Exports: func(string) []string { return []string{"Home", "House", name + "s", "default"} }})
		content, _ := after.Get("src/x.tsx")
		switch {
		case !sound && string(content) != text:
			t.Fatalf("%q does not parse and was touched: %q", text, content)
		case sound && edit.Check("src/x.tsx", content) != nil:
			t.Fatalf("%q became %q: %s", text, content, edit.Check("src/x.tsx", content))
		case len(fixed) == 0 && after.Hash() != tree.Hash():
			t.Fatalf("%q was changed to %q without a word", text, content)
		}
		Missing(after, []model.Diagnostic{{Class: missingPackage, File: "src/x.tsx"}})
	})
}
