package toolchain

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain/bundle"
)

// place is how browsers name a place in a bundle, such as "http://host/assets/index-ABCD1234.js:40:117".
var place = regexp.MustCompile(`(?:https?://[^\s/()]+/)?(assets/[\w.@~-]+\.js):(\d+):(\d+)`)

// Locate says in terms of the app's source what a browser said in terms of its bundle: the file, line and column of
// a diagnostic and the places in its message. served is what was built from in. It builds once more, with source
// maps, so it is for when something went wrong.
func (t *Toolchain) Locate(ctx context.Context, in BuildInput, served map[string][]byte, found []model.Diagnostic) ([]model.Diagnostic, error) {
	dir, err := t.Install(ctx, in.Tree, nil)
	if err != nil {
		return nil, err
	}
	release, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	input := t.input(dir, in)
	input.SourceMaps = true
	out, problems, err := bundle.Build(ctx, input)
	if err != nil || len(problems) > 0 {
		return nil, machinery(err, "bundle with source maps")
	}
	located := make([]model.Diagnostic, len(found))
	for i, d := range found {
		located[i] = locate(d, in.Tree, served, out.Maps)
	}
	return located, nil
}

func locate(d model.Diagnostic, tree filetree.Tree, served map[string][]byte, maps *bundle.Maps) model.Diagnostic {
	source := func(file string, line, column int) (string, int, int, bool) {
		return maps.Source(file, len(served[file]), line, column)
	}
	src, line, column, ok := source(d.File, d.Line, max(d.Column, 1))
	d.Message = place.ReplaceAllStringFunc(d.Message, func(text string) string {
		m := place.FindStringSubmatch(text)
		l, _ := strconv.Atoi(m[2])
		c, _ := strconv.Atoi(m[3])
		s, sl, sc, found := source(m[1], l, c)
		if !found {
			return text
		}
		if !ok { // the first frame of the app's own
			src, line, column, ok = s, sl, sc, true
		}
		return s + ":" + strconv.Itoa(sl) + ":" + strconv.Itoa(sc)
	})
	if !ok {
		return d
	}
	d.File, d.Line, d.Column = src, line, column
	if content, there := tree.Get(src); there {
		if lines := strings.Split(string(content), "\n"); line <= len(lines) {
			d.Snippet = strings.TrimSpace(lines[line-1])
		}
	}
	return d
}
