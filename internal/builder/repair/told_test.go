package repair

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/testing/golden"
)

// TestTold runs testdata/told/*.txtar: cures that need a compiler's word. "told" is what TypeScript 7 said about these
// files, "exports" what installed packages export. Results are "fixed", "after/..." and "missing", the packages that the
// caller should add.
func TestTold(t *testing.T) {
	isResult := func(name string) bool {
		return name == "fixed" || name == "missing" || strings.HasPrefix(name, "after/")
	}
	golden.Cases(t, "testdata/told/*.txtar", *update, isResult, func(t *testing.T, given *txtar.Archive) []txtar.File {
		files := soundApp()
		var told []model.Diagnostic
		var opt Options
		for _, f := range given.Files {
			switch f.Name {
			case "told":
				told = parseTold(t, string(f.Data))
			case "exports":
				opt = parseExports(string(f.Data))
			default:
				files[f.Name] = f.Data
			}
		}
		return cureTold(t, newTree(t, files), told, opt)
	})
}

func cureTold(t *testing.T, tree filetree.Tree, told []model.Diagnostic, opt Options) (out results) {
	t.Helper()
	diags := append(Validate(tree), told...)
	after, fixed := Fix(tree, diags, opt)
	var b strings.Builder
	for _, f := range fixed {
		fmt.Fprintf(&b, "%s: %s\n", f.File, f.What)
	}
	out.put("fixed", b.String())
	for _, c := range after.Diff(tree) {
		content, _ := after.Get(c.Path)
		out.put("after/"+c.Path, string(content))
		if p := edit.Check(c.Path, content); p != nil {
			t.Errorf("%s does not parse: %s", c.Path, p)
		}
	}
	if missing := Missing(after, Validate(after)); len(missing) > 0 {
		out.put("missing", strings.Join(missing, "\n")+"\n")
	}
	again, _ := Fix(after, diags, opt)
	for _, c := range again.Diff(after) { // the same words about other lines must not cure what is sound
		content, _ := again.Get(c.Path)
		t.Errorf("a second time changes %s:\n%s", c.Path, content)
	}
	return out
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
