package relevance

import (
	"path"
	"regexp"
	"strings"
)

var importPath = regexp.MustCompile(`(?:\bfrom|\bimport)\s*\(?\s*["']([^"'\n]+)["']`)

// links returns, for each file, the files that it imports, as far as they are among docs.
func links(docs []*doc) [][]int {
	at := map[string]int{}
	for i, d := range docs {
		at[d.path] = i
	}
	out := make([][]int, len(docs))
	for i, d := range docs {
		for _, m := range importPath.FindAllStringSubmatch(d.content, -1) {
			spec := m[1]
			var base string
			switch {
			case strings.HasPrefix(spec, "@/"):
				base = "src/" + spec[2:]
			case strings.HasPrefix(spec, "."):
				base = path.Join(path.Dir(d.path), spec)
			default:
				continue
			}
			for _, end := range []string{"", ".ts", ".tsx", ".js", ".jsx", "/index.ts", "/index.tsx"} {
				if j, ok := at[base+end]; ok && j != i {
					out[i] = append(out[i], j)
					break
				}
			}
		}
	}
	return out
}

// flow passes a share of each file's score on to its neighbours: what it imports, and who imports it. A file that many
// import, or that imports many, is nobody's neighbour in particular, so its share shrinks with their number. What
// a file is given does not add up: one good neighbour counts, not many poor ones.
func (x index) flow(scores []float64) []float64 {
	docs, imports := x.docs, x.links
	importers, own := make([]int, len(docs)), make([]int, len(docs))
	for i, to := range imports {
		for _, j := range to {
			importers[j]++
			if !machinery(docs[j].path) {
				own[i]++
			}
		}
	}
	given := make([]float64, len(docs))
	give := func(to int, amount float64) {
		if !strings.HasPrefix(docs[to].path, "src/components/ui/") {
			given[to] = max(given[to], amount)
		}
	}
	for i, to := range imports {
		for _, j := range to {
			if strings.HasPrefix(docs[j].path, "src/types/") { // the words in which the app's data is told: for whoever uses them
				give(j, 1.5*neighbourShare*scores[i])
			}
			give(j, neighbourShare*scores[i]/crowd(importers[j]))
			give(i, neighbourShare*scores[j]/crowd(importers[j])/crowd(own[i]-3))
		}
	}
	for i := range given {
		given[i] += scores[i]
	}
	return given
}

// crowd grows slowly with the number of neighbours beyond the first.
func crowd(n int) float64 { return 1 + 0.25*float64(max(0, n-1)) }
