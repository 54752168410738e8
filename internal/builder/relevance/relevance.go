// Package relevance chooses the files of an app that a model should see with a request, so that it need not look for
// them first: each look costs a whole request.
//
// People describe a change by what they see on the screen ("the Save button on the customer page should..."), or by
// the thing that it is about. So each file is read as a search engine reads a document, by its path, the names
// it exports and uses, and above all the texts that it shows (text.go). Files are ranked by the words that they share
// with the request, rare words counting most, as BM25 does (Robertson and Zaragoza, The Probabilistic Relevance Framework,
// 2009). Then relevance flows along the imports (graph.go): who changes a form needs its page, its queries and its
// types. The best files that fit into the budget are picked.
//
// Everything here is pure, and fast enough to run with every request.
package relevance

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"overskill/internal/filetree"
	"overskill/internal/llm"
)

// Pick is one chosen file. Scores compare picks of one Rank only; the best has 1.
type Pick struct {
	Path  string
	Score float64
}

// Bounds and weights of Rank.
const (
	maxPicks   = 24
	worthwhile = 0.10 // of the best score; below, a file is rather noise
	thrift     = 0.3  // how much cheaper files come first, as a power of their tokens
	smallFile  = 300  // tokens; cheaper than this is not cheaper

	pathWeight     = 3.0
	exportWeight   = 2.0
	screenWeight   = 2.5
	identWeight    = 0.6
	aspectWeight   = 2.5
	phraseBonus    = 1.5 // for each two words that stand side by side on the screen as well
	namedBonus     = 40.0
	saturation     = 1.2
	lengthPenalty  = 0.3
	quietBase      = 0.45 // what the foundation's machinery keeps of its score
	neighbourShare = 0.35
)

// Rank returns the files that a model will probably need for a request, the best first, such that Render's text of
// them fits into budgetTokens by llm.EstimateTokens. A request that shares no word with the app, or a budget that
// nothing fits into, gets none. The foundation's components (src/components/ui) come only if the request names them.
func Rank(tree filetree.Tree, request string, budgetTokens int64) []Pick {
	return newIndex(tree).rank(request, budgetTokens)
}

// index is an app's files, read for searching.
type index struct {
	docs  []*doc
	links [][]int // for each, those that it imports
}

func newIndex(tree filetree.Tree) index {
	docs := read(tree)
	return index{docs, links(docs)}
}

func (x index) rank(request string, budgetTokens int64) []Pick {
	docs := x.docs
	q := parse(request)
	if len(docs) == 0 || len(q.terms) == 0 && len(q.raw) == 0 {
		return nil
	}
	scores := x.flow(score(docs, q))
	var order []candidate
	best := 0.0
	for i, s := range scores {
		if s > 0 {
			cost := llm.EstimateTokens(Numbered(docs[i].path, docs[i].content))
			order = append(order, candidate{Pick{docs[i].path, s}, cost, s / math.Pow(float64(cost+smallFile), thrift)})
			best = max(best, s)
		}
	}
	slices.SortFunc(order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.worth, a.worth), strings.Compare(a.Path, b.Path))
	})
	var out []Pick
	for _, c := range order {
		if c.Score < worthwhile*best || c.cost > budgetTokens { // a smaller one may still fit
			continue
		}
		budgetTokens -= c.cost
		c.Score /= best
		if out = append(out, c.Pick); len(out) == maxPicks {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Pick) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

// candidate is a file that may be picked: what it says, what it costs in tokens, and what it says for its cost.
type candidate struct {
	Pick
	cost  int64
	worth float64
}

// score compares each file with the request.
func score(docs []*doc, q query) []float64 {
	length := 0.0
	for _, d := range docs {
		length += float64(d.length)
	}
	length /= float64(len(docs))
	scores := make([]float64, len(docs))
	for term, weight := range q.terms {
		df := 0
		for _, d := range docs {
			if d.has(term) {
				df++
			}
		}
		if df == 0 {
			continue
		}
		n := float64(len(docs))
		idf := math.Log(1 + (n-float64(df)+0.5)/(float64(df)+0.5))
		for i, d := range docs {
			tf := pathWeight*d.inPath[term] + exportWeight*d.exports[term] + aspectWeight*d.aspects[term] +
				screenWeight*min(d.screen[term], 3) + identWeight*min(d.idents[term], 6)
			if tf > 0 {
				norm := saturation * (1 - lengthPenalty + lengthPenalty*float64(d.length)/length)
				scores[i] += weight * idf * tf * (saturation + 1) / (tf + norm)
			}
		}
	}
	for i, d := range docs {
		for _, pair := range q.pairs {
			if d.pairs[pair] {
				scores[i] += phraseBonus
			}
		}
		named := d.named(q)
		scores[i] *= quiet(d.path, named || d.namedByWords(q))
		if named {
			scores[i] += namedBonus
		}
	}
	return scores
}

// quiet is how much of its score a file of the foundation keeps. People rarely mean it: a request that
// says "button" means the button of a page, unless it says all buttons.
func quiet(path string, named bool) float64 {
	switch {
	case named:
		return 1
	case strings.HasPrefix(path, "src/components/ui/"):
		return 0
	case machinery(path):
		return quietBase
	}
	return 1
}

// machinery are the places of the foundation that most files use and few requests are about.
func machinery(path string) bool {
	for _, prefix := range []string{"src/components/ui/", "src/components/layout/", "src/lib/", "src/hooks/", "src/routes/app-router"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// Render writes the files of picks with numbered lines ("12| text"), each below a header with its path. paths are
// those that it could write. The text is material that other people wrote: whoever shows it to a model marks it as data.
func Render(tree filetree.Tree, picks []Pick) (text string, paths []string) {
	var b strings.Builder
	for _, p := range picks {
		content, ok := tree.Get(p.Path)
		if !ok || !filetree.IsText(content) {
			continue
		}
		b.WriteString(Numbered(p.Path, string(content)))
		paths = append(paths, p.Path)
	}
	return b.String(), paths
}

// Numbered writes one file as Render does.
func Numbered(path, content string) string {
	lines := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "== %s (%d lines)\n", path, len(lines))
	for i, line := range lines {
		fmt.Fprintf(&b, "%d| %s\n", i+1, strings.TrimSuffix(line, "\r"))
	}
	return b.String()
}

const maxNotes = 8 << 10

// Notes returns the app's own notes for whoever works on it, NOTES.md, at most 8 kB of it; "" if it has none.
func Notes(tree filetree.Tree) string {
	content, ok := tree.Get("NOTES.md")
	if !ok || !filetree.IsText(content) {
		return ""
	}
	return bound(strings.TrimSpace(string(content)), maxNotes)
}

// bound cuts a text at the end of a line, and says so.
func bound(text string, limit int) string {
	const more = "\n(cut here)"
	if len(text) <= limit {
		return text
	}
	text = text[:limit-len(more)]
	if i := strings.LastIndexByte(text, '\n'); i > 0 {
		text = text[:i]
	}
	return strings.ToValidUTF8(text, "") + more
}
