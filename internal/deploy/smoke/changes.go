package smoke

import (
	"slices"
	"strings"

	"overskill/internal/model"
)

// maxChanges is how many lines, and how many errors, are reported of one kind.
const maxChanges = 20

// Compare reports what a new version changed for visitors. A line of text that only moved is no change, nor is one
// that differs in a time, a date or an identifier made at random. An empty before was never looked at: nothing is
// said to be new then. The order of the routes in a snapshot does not matter; routes and errors are reported sorted,
// lines in the order in which the page shows them.
func Compare(before, after Snapshot) model.Changes {
	out := model.Changes{Against: before.Version, Opened: len(after.Routes)}
	if len(before.Routes) == 0 {
		return out
	}
	old := byRoute(before)
	for _, now := range after.Routes {
		was, both := old[now.Route]
		if !both {
			continue
		}
		page := model.PageChange{Route: now.Route, PictureDiff: difference(was.Picture, now.Picture)}
		page.TextAdded, page.TextGone = compareText(was.Lines, now.Lines)
		if page.PictureDiff > 0 || len(page.TextAdded)+len(page.TextGone) > 0 {
			out.Pages = append(out.Pages, page)
		}
	}
	slices.SortFunc(out.Pages, func(a, b model.PageChange) int { return strings.Compare(a.Route, b.Route) })
	out.RoutesAdded, out.RoutesGone = missing(after, before), missing(before, after)
	out.ErrorsNew, out.ErrorsCured = newErrors(before, after), curedErrors(before, after)
	return out
}

func byRoute(s Snapshot) map[string]RouteView {
	out := map[string]RouteView{}
	for _, v := range s.Routes {
		out[v.Route] = v
	}
	return out
}

// missing returns the routes of a that b does not have, sorted. The address of a single record, such as /orders/17,
// says what the app's data was, and nothing about the app.
func missing(a, b Snapshot) []string {
	has := map[string]bool{}
	for _, v := range b.Routes {
		has[v.Route] = true
	}
	for _, r := range b.Unopened {
		has[r] = true
	}
	var out []string
	for _, v := range a.Routes {
		if !has[v.Route] && !isRecord(v.Route) {
			out = append(out, v.Route)
		}
	}
	for _, r := range a.Unopened {
		if !has[r] && !isRecord(r) {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func isRecord(route string) bool {
	for part := range strings.SplitSeq(route, "/") {
		if part != "" && (strings.Trim(part, "0123456789") == "" || lasting(part) != part) {
			return true
		}
	}
	return false
}

// compareText returns the lines that came and those that went, as multisets: three equal lines where there were two
// is one line more.
func compareText(before, after []string) (added, gone []string) {
	addedAt, goneAt := surplus(after, before), surplus(before, after)
	a, g := len(addedAt), len(goneAt)
	// A snapshot that is full ends somewhere in the page: what was pushed over its end, or came from there, did not
	// change.
	if len(after) >= maxTextLines {
		goneAt = slices.DeleteFunc(goneAt, func(i int) bool { return i >= len(before)-a })
	}
	if len(before) >= maxTextLines {
		addedAt = slices.DeleteFunc(addedAt, func(i int) bool { return i >= len(after)-g })
	}
	return pick(after, addedAt), pick(before, goneAt)
}

// surplus returns the places of the lines that a has more often than b.
func surplus(a, b []string) (at []int) {
	left := map[string]int{}
	for _, l := range b {
		left[lasting(l)]++
	}
	for i, l := range a {
		key := lasting(l)
		if left[key]--; left[key] < 0 {
			at = append(at, i)
		}
	}
	return at
}

func pick(lines []string, at []int) (out []string) {
	for _, i := range at {
		if len(out) < maxChanges {
			out = append(out, lines[i])
		}
	}
	return out
}

// newErrors returns the errors that a route has now and had not. On a route that is new itself, an error that other
// routes had before, such as one of the frame around all pages, is not new.
func newErrors(before, after Snapshot) []string {
	old := byRoute(before)
	anywhere := map[string]bool{}
	for _, v := range before.Routes {
		for _, e := range v.Errors {
			anywhere[e] = true
		}
	}
	return collect(after.Routes, func(route, text string) bool {
		was, both := old[route]
		if both {
			return !slices.Contains(was.Errors, text)
		}
		return !anywhere[text]
	})
}

// curedErrors returns the errors of routes that both have, and that nothing meets any more.
func curedErrors(before, after Snapshot) []string {
	now := byRoute(after)
	anywhere := map[string]bool{}
	for _, v := range after.Routes {
		for _, e := range v.Errors {
			anywhere[e] = true
		}
	}
	return collect(before.Routes, func(route, text string) bool {
		_, both := now[route]
		return both && !anywhere[text]
	})
}

// collect returns the errors of routes that are wanted, each once with the first route that has it, sorted.
func collect(routes []RouteView, wanted func(route, text string) bool) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range slices.SortedFunc(slices.Values(routes), func(a, b RouteView) int { return strings.Compare(a.Route, b.Route) }) {
		for _, text := range v.Errors {
			if !seen[text] && wanted(v.Route, text) {
				seen[text] = true
				out = append(out, onRoute(v.Route, text))
			}
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxChanges)]
}

// onRoute says where a message belongs. Those of the start page stand as they are.
func onRoute(route, text string) string {
	if route == "/" {
		return text
	}
	return "On " + route + ": " + text
}
