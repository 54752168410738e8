package repair

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/model"
)

// TestTold runs testdata/told/*.txtar: cures that need a compiler's word. "told" is what TypeScript 7 said about these
// files, "exports" what installed packages export. Results are "fixed", "after/..." and "missing", the packages that the
// caller should add.
func TestTold(t *testing.T) {
	cases, err := filepath.Glob("testdata/told/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := soundApp(), map[string]string{}
			var given []txtar.File
			var told []model.Diagnostic
			var opt Options
			for _, f := range archive.Files {
				switch {
				case f.Name == "fixed" || f.Name == "missing" || strings.HasPrefix(f.Name, "after/"):
					want[f.Name] = string(f.Data)
					continue
				case f.Name == "told":
					told = parseTold(t, string(f.Data))
				case f.Name == "exports":
					opt = parseExports(string(f.Data))
				default:
					files[f.Name] = f.Data
				}
				given = append(given, f)
			}
			got, order := cureTold(t, newTree(t, files), told, opt)
			if *update {
				archive.Files = given
				for _, section := range order {
					archive.Files = append(archive.Files, txtar.File{Name: section, Data: []byte(got[section])})
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func cureTold(t *testing.T, tree filetree.Tree, told []model.Diagnostic, opt Options) (got map[string]string, order []string) {
	t.Helper()
	got = map[string]string{}
	put := func(section, text string) {
		if text != "" {
			got[section] = text
			order = append(order, section)
		}
	}
	diags := append(Validate(tree), told...)
	after, fixed := Fix(tree, diags, opt)
	var b strings.Builder
	for _, f := range fixed {
		fmt.Fprintf(&b, "%s: %s\n", f.File, f.What)
	}
	put("fixed", b.String())
	for _, c := range after.Diff(tree) {
		content, _ := after.Get(c.Path)
		put("after/"+c.Path, string(content))
		if p := edit.Check(c.Path, content); p != nil {
			t.Errorf("%s does not parse: %s", c.Path, p)
		}
	}
	if missing := Missing(after, Validate(after)); len(missing) > 0 {
		put("missing", strings.Join(missing, "\n")+"\n")
	}
	again, _ := Fix(after, diags, opt)
	for _, c := range again.Diff(after) { // the same words about other lines must not cure what is sound
		content, _ := again.Get(c.Path)
		t.Errorf("a second time changes %s:\n%s", c.Path, content)
	}
	return got, order
}

var toldLine = regexp.MustCompile(`^(\S+)\((\d+),(\d+)\): error (\w+): (.*)`)

func parseTold(t *testing.T, text string) []model.Diagnostic {
	t.Helper()
	var out []model.Diagnostic
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, " ") {
			out[len(out)-1].Message += "\n" + line
			continue
		}
		m := toldLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a message of the compiler: %s", line)
		}
		d := model.Diagnostic{Class: typeClass, Code: m[4], File: m[1], Message: m[5]}
		if !strings.HasPrefix(d.Code, "TS") {
			d.Class, d.Code = d.Code, ""
		}
		d.Line, _ = strconv.Atoi(m[2])
		d.Column, _ = strconv.Atoi(m[3])
		out = append(out, d)
	}
	return out
}

func parseExports(text string) Options {
	names := map[string][]string{}
	for line := range strings.Lines(text) {
		pkg, list, _ := strings.Cut(line, ":")
		names[pkg] = strings.Fields(list)
	}
	return Options{Exports: func(spec string) []string { return names[spec] }}
}
