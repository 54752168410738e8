package bundle

import (
	"path"
	"strings"

	"github.com/go-sourcemap/sourcemap"
)

// Maps finds the places in an app's source that places in its bundle were made from.
type Maps struct{ files []mapped }

type mapped struct {
	stem string // of the name, without the hash
	size int
	m    *sourcemap.Consumer
}

// newMaps keeps the source maps among the outputs of a build. Names of outputs hold hashes, which may differ from
// those of a build without maps; the contents but for these hashes are the same, and so are their sizes.
func newMaps(files map[string][]byte) *Maps {
	out := &Maps{}
	for p, content := range files {
		js, ok := strings.CutSuffix(p, ".map")
		if !ok {
			continue
		}
		if m, err := sourcemap.Parse("", content); err == nil {
			out.files = append(out.files, mapped{stem: stemOf(js), size: len(files[js]), m: m})
		}
	}
	return out
}

// stemOf is an output's path without the hash of its content.
func stemOf(p string) string {
	ext := path.Ext(p)
	stem := strings.TrimSuffix(p, ext)
	if i := strings.LastIndexByte(stem, '-'); i >= 0 {
		stem = stem[:i]
	}
	return stem + ext
}

// Source returns the file of the app and the place in it behind a place in an output of size bytes. Lines and columns
// count from 1. ok is false for what has no source in the app, such as a package.
func (m *Maps) Source(file string, size, line, column int) (src string, srcLine, srcColumn int, ok bool) {
	var fits []mapped
	for _, f := range m.files {
		if f.stem == stemOf(file) && f.size == size {
			fits = append(fits, f)
		}
	}
	if len(fits) != 1 {
		return "", 0, 0, false
	}
	src, _, srcLine, col, ok := fits[0].m.Source(line, column-1)
	_, src, own := strings.Cut(src, namespace+":")
	return src, srcLine, col + 1, ok && own
}
