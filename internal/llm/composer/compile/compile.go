// Package compile turns a spec into an app: what the Composer model "writes".
//
// It is a pure function. Nothing is asked, measured or random: the same spec gives the same bytes, so a
// follow-up that changes one field changes only the files in which that field stands.
//
//	resolve   decides every name, column and relation once (app, entity, field)
//	tmpl/     is what files look like; a template's imports are found in its result
//	fields.go is what a field's type means: column, input, rule, display, sample
//	sql*.go   is the database: tables, policies, grants, flat views; migration.go compares two versions
//	theme.go  makes the prompt's colours into a whole palette with legible text
//
// The files stand on the foundation (package templates): they import its components by name and replace the
// few files in which the foundation says what an app is called and which pages it has.
package compile

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

//go:embed all:static
var static embed.FS

// Files returns all files of an app that are its own, by path, foundation files that it replaces included,
// without migrations. It reports a spec that does not validate, or whose parts do not fit together.
func Files(s spec.Spec) (map[string][]byte, error) {
	a, err := resolve(s)
	if err != nil {
		return nil, err
	}
	// A name may look like a placeholder; in the spec it must stay what it is.
	files := map[string][]byte{spec.Path: bytes.ReplaceAll(s.Encode(), []byte("{{"), []byte(`{\u007b`))}
	if err := a.staticFiles(files); err != nil {
		return nil, err
	}
	for path, content := range a.identity() {
		files[path] = []byte(content)
	}
	for _, p := range a.plan() {
		content, err := a.render(p.tmpl, p.module(), p.data)
		if err != nil {
			return nil, err
		}
		files[p.path] = content
	}
	return files, nil
}

// planned is one file to write from a template.
type planned struct {
	path, tmpl string
	data       any
}

// module is the name by which other files import this one.
func (p planned) module() string {
	m := strings.TrimPrefix(p.path, "src/")
	return "@/" + strings.TrimSuffix(strings.TrimSuffix(m, ".tsx"), ".ts")
}

// plan lists the files that come from templates.
func (a *app) plan() []planned {
	out := []planned{
		{"src/types/database.ts", "database.ts.tmpl", a},
		{"src/routes/paths.ts", "paths.ts.tmpl", a},
		{"src/routes/route-config.ts", "route-config.ts.tmpl", a},
		{"src/app.config.ts", "app.config.ts.tmpl", a},
		{"src/features/sample-data.ts", "sample-data.ts.tmpl", a},
		{"src/features/dashboard/dashboard-data.ts", "dashboard-data.ts.tmpl", a},
		{"src/pages/Dashboard.tsx", "Dashboard.tsx.tmpl", a},
	}
	for _, e := range a.Entities {
		dir := "src/features/" + e.Dir + "/"
		out = append(out,
			planned{dir + kebab(e.Name) + "-data.ts", "data.ts.tmpl", e},
			planned{dir + e.Type + "Dialog.tsx", "Dialog.tsx.tmpl", e},
			planned{dir + e.Type + "Table.tsx", "Table.tsx.tmpl", e},
			planned{"src/pages/" + e.Many + ".tsx", "ListPage.tsx.tmpl", e},
			planned{"src/pages/" + e.Type + "Detail.tsx", "DetailPage.tsx.tmpl", e})
		if len(e.Selects()) > 0 {
			out = append(out, planned{dir + kebab(e.Name) + "-choices.ts", "choices.ts.tmpl", e})
		}
		if e.HasActions() {
			out = append(out, planned{dir + "use" + e.Type + "Actions.ts", "actions.ts.tmpl", e})
		}
		if e.Board != "" {
			out = append(out, planned{dir + e.Type + "Board.tsx", "Board.tsx.tmpl", e})
		}
		if e.isChild() {
			out = append(out, planned{dir + e.Type + "List.tsx", "ChildList.tsx.tmpl", e})
		}
		switch e.Public {
		case spec.PublicSubmit:
			out = append(out, planned{"src/pages/public/" + e.Type + "Form.tsx", "PublicForm.tsx.tmpl", e})
		case spec.PublicRead:
			out = append(out, planned{"src/pages/public/Public" + e.Many + ".tsx", "PublicList.tsx.tmpl", e})
		}
	}
	return out
}

// staticFiles adds what a tenancy needs and no spec changes.
func (a *app) staticFiles(files map[string][]byte) error {
	var roots []string
	if a.team() {
		roots = append(roots, "static/team")
	} else if a.site() {
		roots = append(roots, "static/site")
	}
	for _, root := range roots {
		err := fs.WalkDir(static, root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files[strings.TrimPrefix(p, root+"/")], err = static.ReadFile(p)
			return err
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", root, err)
		}
	}
	return nil
}

// Order returns the paths in the order in which a person would write them: the app's identity and colours, the
// database and its types, helpers, features, pages, and the routes that tie them together last.
func Order(files map[string][]byte) []string {
	rank := func(p string) int {
		for i, prefix := range []string{
			".overskill/", "package.json", "index.html", "public/", "src/app.config.ts", "src/tokens.css", "supabase/",
			"src/types/", "src/lib/", "src/hooks/", "src/components/", "src/features/", "src/pages/", "src/routes/",
		} {
			if strings.HasPrefix(p, prefix) {
				return i
			}
		}
		return 7
	}
	// Within a feature: data and choices before what shows them.
	kind := func(p string) int {
		switch {
		case strings.HasSuffix(p, "-data.ts"), strings.HasSuffix(p, "-choices.ts"):
			return 0
		case strings.HasSuffix(p, ".ts"):
			return 1
		}
		return 2
	}
	dir := func(p string) string { return p[:strings.LastIndex(p, "/")+1] }
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(x, y string) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(dir(x), dir(y)), cmp.Compare(kind(x), kind(y)), cmp.Compare(x, y))
	})
	return paths
}
