package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// place decides where every asset goes. What the budget of the Worker must hold in any case is the script, with one line
// for every asset, and the server code.
func (w *worker) place(assets []Asset, critical map[string]bool) error {
	if w.opt.Mode == Assets {
		if err := placeAssets(assets); err != nil {
			return err
		}
	}
	used := int64(len(w.script(assets)) + len(w.opt.Server)) // nothing is embedded yet
	if used >= int64(w.opt.Budget) {
		return w.scriptTooBig(assets, used)
	}
	if w.opt.Mode == Assets {
		return nil
	}
	return w.embed(assets, critical, used)
}

// placeAssets puts into static assets what they take.
func placeAssets(assets []Asset) error {
	n := 0
	for i := range assets {
		if assets[i].Size <= MaxAsset {
			assets[i].Place = InAssets
			n++
		}
	}
	if n > MaxAssetFiles {
		return tooManyFiles(assets, n)
	}
	return nil
}

// embed moves assets into the script as long as the Worker stays under its budget: index.html, without which no page can
// open, then the rest by rank, smallest first.
func (w *worker) embed(assets []Asset, critical map[string]bool, used int64) error {
	budget := int64(w.opt.Budget)
	have := map[string]bool{} // modules by name: equal contents travel once
	for _, i := range byRank(assets, critical) {
		a := &assets[i]
		cost := embedCost(*a, have[moduleName(a.Hash)])
		switch {
		case used+cost < budget:
			a.Place = InWorker
			have[moduleName(a.Hash)] = true
			used += cost
		case a.Path == Index:
			return indexTooBig(*a, used+cost, budget)
		}
	}
	return nil
}

// byRank returns the positions of the assets that may be embedded, the most wanted first.
func byRank(assets []Asset, critical map[string]bool) []int {
	var order []int
	rank := make([]int, len(assets))
	for i, a := range assets {
		rank[i] = rankOf(a, critical[a.Path])
		if rank[i] <= rankSmall && (rank[i] <= rankEntryScript || a.Size <= MaxEmbedded) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(
			cmp.Compare(rank[i], rank[j]),
			cmp.Compare(assets[i].Size, assets[j].Size),
			cmp.Compare(assets[i].Path, assets[j].Path),
		)
	})
	return order
}

// The ranks, in the order in which a browser is held up by what is missing. The first three are critical: they
// may be of any size. Source maps come last and stay out: only developer tools ask for them.
const (
	rankIndex = iota
	rankEntryStyle
	rankEntryScript
	rankPage   // other HTML pages
	rankScript // chunks of other routes, and their styles
	rankSmall  // icons, fonts, small pictures, data
	rankNever
)

func rankOf(a Asset, critical bool) int {
	ext := strings.ToLower(path.Ext(a.Path))
	isStyle, isScript := ext == ".css", ext == ".js" || ext == ".mjs"
	switch {
	case a.Path == Index:
		return rankIndex
	case critical && isStyle:
		return rankEntryStyle
	case critical:
		return rankEntryScript
	case ext == ".map":
		return rankNever
	case ext == ".html" || ext == ".htm":
		return rankPage
	case isScript || isStyle:
		return rankScript
	}
	return rankSmall
}

// TooBigError says that a build cannot become a Worker, and which files are in the way.
type TooBigError struct {
	Bytes  int64 // the least that the Worker would weigh
	Budget int64 // what it may weigh: it must stay under
	Files  int   // how many files there are, when that is what is too much; otherwise 0
	Items  []TooBigItem
}

// TooBigItem is one reason, the heaviest first.
type TooBigItem struct {
	Path string
	Size int64 // bytes
	Cure string
}

// Error lists what is too big and what to do about it.
func (e *TooBigError) Error() string {
	var b strings.Builder
	b.WriteString(e.limit())
	for _, it := range e.Items {
		fmt.Fprintf(&b, "\n%s: %s. %s", it.Path, bytesText(it.Size), it.Cure)
	}
	return b.String()
}

func (e *TooBigError) limit() string {
	if e.Files > 0 {
		return fmt.Sprintf("The app has %d files, and it may have at most %d.", e.Files, MaxAssetFiles)
	}
	return fmt.Sprintf("The app needs at least %s in its Worker, and it must stay under %s.", bytesText(e.Bytes), bytesText(e.Budget))
}

// Unwrap makes the error a TooLarge fault with the same words.
func (e *TooBigError) Unwrap() error { return fault.New(fault.TooLarge, "%s", e.Error()) }

// Diagnostics returns one diagnostic of class too_big for each item.
func (e *TooBigError) Diagnostics() []model.Diagnostic {
	out := make([]model.Diagnostic, len(e.Items))
	for i, it := range e.Items {
		out[i] = model.Diagnostic{
			Class:   "too_big",
			File:    strings.TrimPrefix(it.Path, "/"),
			Message: fmt.Sprintf("%s is too big: %s. %s", it.Path, bytesText(it.Size), e.limit()),
			Cure:    it.Cure,
		}
	}
	return out
}

func indexTooBig(a Asset, total, budget int64) error {
	return &TooBigError{Bytes: total, Budget: budget, Items: []TooBigItem{{
		Path: a.Path, Size: a.Size,
		Cure: "Move pictures that are written into it as data: URLs to files, and inline scripts and styles to src/.",
	}}}
}

// scriptTooBig reports a Worker that is full before anything is embedded: by its server code, by the app's rules, and by
// the folders that hold most lines of its table.
func (w *worker) scriptTooBig(assets []Asset, used int64) error {
	e := &TooBigError{Bytes: used, Budget: int64(w.opt.Budget)}
	if n := int64(len(w.opt.Server)); n > e.Budget/10 {
		e.Items = append(e.Items, TooBigItem{
			Path: "/worker", Size: n, Cure: "Use fewer or smaller packages in server code, or only the parts of them that are needed.",
		})
	}
	if n := int64(len(quote(w.rules))); n > e.Budget/10 {
		e.Items = append(e.Items, TooBigItem{Path: RedirectsFile, Size: n, Cure: "Write rules with * and :name instead of one line for each path."})
	}
	slices.SortStableFunc(e.Items, func(a, b TooBigItem) int { return cmp.Compare(b.Size, a.Size) })
	e.Items = append(e.Items, folders(assets, "the Worker lists each")...)
	return e
}

// tooManyFiles reports more files than static assets take.
func tooManyFiles(assets []Asset, n int) error {
	return &TooBigError{Files: n, Items: folders(assets, fmt.Sprintf("static assets take %d", MaxAssetFiles))}
}

// folders names those with the most files. The cure of each says why that is too much.
func folders(assets []Asset, why string) (items []TooBigItem) {
	size := map[string]int64{}
	count := map[string]int{}
	for _, a := range assets {
		dir := path.Dir(a.Path)
		size[dir] += a.Size
		count[dir]++
	}
	dirs := sortedKeys(count)
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	for _, d := range dirs[:min(5, len(dirs))] {
		items = append(items, TooBigItem{
			Path: d, Size: size[d],
			Cure: fmt.Sprintf("It holds %d of %d files, and %s: publish fewer files, or put them into one.", count[d], len(assets), why),
		})
	}
	return items
}

// bytesText writes a number of bytes for people: 900,000 bytes is "900 kB".
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.4g kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.4g MB", float64(n)/1_000_000)
}
