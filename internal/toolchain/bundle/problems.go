package bundle

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"overskill/internal/model"
)

// diagnose turns esbuild's messages into diagnostics.
func (b *build) diagnose(messages []api.Message, warning bool) []model.Diagnostic {
	var out []model.Diagnostic
	for _, m := range messages {
		d, ok := m.Detail.(model.Diagnostic)
		if !ok {
			d = b.classify(m)
		}
		if l := m.Location; l != nil {
			if file := strings.TrimPrefix(l.File, namespace+":"); d.File == "" {
				d.File = file
			}
			if d.Line == 0 && l.Line > 0 {
				d.Line, d.Column, d.Snippet = l.Line, l.Column+1, strings.TrimSpace(l.LineText)
			}
		}
		if warning && strings.HasPrefix(d.File, "node_modules/") {
			continue // nobody here can do anything about a package's style
		}
		d.Warning = warning
		out = append(out, d)
	}
	return out
}

var (
	unresolved = regexp.MustCompile(`^Could not resolve "(.+)"$`)
	noExport   = regexp.MustCompile(`^No matching export in "(.+)" for import "(.+)"$`)
)

// classify finds out what sort of problem a message of esbuild's own tells of.
func (b *build) classify(m api.Message) model.Diagnostic {
	if s := unresolved.FindStringSubmatch(m.Text); s != nil {
		return b.missingPackage(s[1])
	}
	if s := noExport.FindStringSubmatch(m.Text); s != nil {
		file, name := strings.TrimPrefix(strings.TrimPrefix(s[1], namespace+":"), barrelNamespace+":"), s[2]
		d := model.Diagnostic{Class: "missing_export", Message: fmt.Sprintf("%s does not export %q.", file, name)}
		switch {
		case name == "default":
			d.Cure = "Import it by name, in braces, or give the file a default export."
		case strings.HasPrefix(file, "node_modules/"):
			d.Cure = "The installed version of the package has no such export. Use one that it has."
		default:
			d.Cure = fmt.Sprintf("Export %s from %s, or correct the name. If it is a type, write import type.", name, file)
		}
		return d
	}
	d := model.Diagnostic{Class: "syntax", Message: m.Text}
	if m.Location != nil && path.Ext(m.Location.File) == ".css" {
		d.Class = "css"
	}
	for _, n := range m.Notes {
		if n.Text != "" {
			d.Cure = n.Text
			break
		}
	}
	return d
}

// packageName returns the package of an import.
func packageName(id string) string {
	parts := strings.SplitN(id, "/", 3)
	if strings.HasPrefix(id, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func (b *build) missingPackage(id string) model.Diagnostic {
	name := packageName(id)
	if builtins[strings.TrimPrefix(id, "node:")] || strings.HasPrefix(id, "node:") {
		return model.Diagnostic{
			Class: "missing_package", Message: fmt.Sprintf("%q is a part of Node.js, which browsers do not have.", id),
			Cure: "Use the browser's own functions instead.",
		}
	}
	if b.installed(name) {
		return model.Diagnostic{
			Class: "missing_file", Message: fmt.Sprintf("The package %s has nothing to import at %q.", name, id),
			Cure: fmt.Sprintf("Import what the installed version of %s offers.", name),
		}
	}
	return model.Diagnostic{
		Class: "missing_package", Message: fmt.Sprintf("The package %s is not among the app's dependencies.", name),
		Cure: fmt.Sprintf("Add %s to the dependencies, or remove the import.", name),
	}
}

func (b *build) installed(name string) bool {
	_, err := os.Stat(filepath.Join(b.in.Dir, "node_modules", filepath.FromSlash(name)))
	return err == nil
}

// missingFile tells of an import of a file that is not there, and of one that may be meant.
func (b *build) missingFile(id, target string) model.Diagnostic {
	d := model.Diagnostic{Class: "missing_file", Message: fmt.Sprintf("There is no file for the import %q (looked for %s).", id, target)}
	stem := strings.ToLower(strings.TrimSuffix(path.Base(target), path.Ext(target)))
	for _, p := range b.in.Tree.Paths() {
		base := path.Base(p)
		if strings.ToLower(strings.TrimSuffix(base, path.Ext(base))) == stem && p != target {
			d.Cure = fmt.Sprintf("Create it, or import %s, which exists.", p)
			return d
		}
	}
	d.Cure = "Create the file, or correct the import."
	return d
}
