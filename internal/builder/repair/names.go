package repair

import (
	"regexp"
	"slices"
	"strings"
)

// plain is a name without what does not change its meaning: case and underscores.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// likeName returns the one export that is the same word: equal, or different in case and underscores only.
func likeName(name string, exports map[string]bool) string {
	if exports[name] && name != "default" {
		return name
	}
	return only(exports, func(e string) bool { return plain(e) == plain(name) })
}

// nearName returns the one export that a name is a misspelling of, or "".
func nearName(name string, exports map[string]bool) string {
	if like := likeName(name, exports); like != "" {
		return like
	}
	return only(exports, func(e string) bool { return misspelt(name, e) })
}

// only returns the one name, the default aside, that fits; "" if there is none or more than one.
func only(names map[string]bool, fits func(string) bool) string {
	found := ""
	for n := range names {
		if n == "default" || !fits(n) {
			continue
		}
		if found != "" {
			return ""
		}
		found = n
	}
	return found
}

var camel = regexp.MustCompile(`[A-Z]+(?:[^A-Za-z0-9]|$)|[A-Z]?[a-z]+|[A-Z]+|\d+`)

// words splits a name in camel case or with underscores into lower-case words.
func words(name string) []string {
	var out []string
	for _, w := range camel.FindAllString(name, -1) {
		if w = strings.ToLower(strings.Trim(w, "_$")); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// misspelt reports whether one name is a slip of the other: the same words but for a letter in one of them. What
// is a word of its own is no slip: getTask is not setTask, tasks not task, save not saved, Step2 not Step3.
func misspelt(wrong, right string) bool {
	a, b := words(wrong), words(right)
	if len(a) != len(b) {
		return false
	}
	slips := 0
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		if slips++; !slip(a[i], b[i]) {
			return false
		}
	}
	return slips == 1
}

// slip reports whether two different words differ as a typing error would: by one letter, or two in a long word,
// after the first, and not by an ending.
func slip(a, b string) bool {
	if len(a) < 4 || len(b) < 3 || a[0] != b[0] || a[0] <= '9' {
		return false
	}
	short, long := a, b
	if len(short) > len(long) {
		short, long = long, short
	}
	if rest, ok := strings.CutPrefix(long, short); ok && rest != short[len(short)-1:] {
		return false // an ending; a letter typed twice is none
	}
	limit := 1
	if len(short) >= 8 {
		limit = 2
	}
	return distance(a, b) <= limit
}

// distance counts insertions, deletions, substitutions and swaps of neighbours between two words of ASCII letters.
func distance(a, b string) int {
	var before, last []int
	for i := range len(a) + 1 {
		row := make([]int, len(b)+1)
		for j := range row {
			switch {
			case i == 0 || j == 0:
				row[j] = i + j
				continue
			case a[i-1] == b[j-1]:
				row[j] = last[j-1]
			default:
				row[j] = 1 + min(last[j-1], last[j], row[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// iconWords are the words of an icon's name, and what is put before or behind them: icon packages export each icon
// under several names, with "Icon" behind it or the library before it, and move words about from one version to the next.
func iconWords(name string) (own []string, affix string) {
	w := words(name)
	switch n := len(w); {
	case n > 1 && w[n-1] == "icon":
		return w[:n-1], "icon"
	case n > 1 && w[0] == "lucide":
		return w[1:], "lucide"
	}
	return w, ""
}

// isIcons reports whether a package is one of icons, where a near name is a near picture.
func isIcons(spec string) bool {
	return strings.Contains(spec, "lucide") || strings.Contains(spec, "icons")
}

// nearIcon returns the icon whose words are nearest to those of the name, if nearly all are the same and there is
// one such icon only.
func nearIcon(name string, exports map[string]bool) string {
	if near := nearName(name, exports); near != "" {
		return near
	}
	want, affix := iconWords(name)
	best, score, tie := "", 0.0, false
	for e := range exports {
		have, other := iconWords(e)
		s := likeness(want, have)
		if other == affix {
			s += 0.001
		}
		switch {
		case e == "default":
		case s > score:
			best, score, tie = e, s, false
		case s == score:
			tie = true
		}
	}
	if score < 0.75 || tie {
		return ""
	}
	return best
}

// likeness is 1 for the same words in the same order and falls with each word that only one has.
func likeness(a, b []string) float64 {
	same := 0
	rest := slices.Clone(b)
	for _, w := range a {
		if i := slices.IndexFunc(rest, func(r string) bool { return r == w || len(w) > 3 && (r == w+"s" || w == r+"s" || slip(w, r)) }); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
			same++
		}
	}
	score := 2 * float64(same) / float64(len(a)+len(b))
	if slices.Equal(a[:min(len(a), len(b))], b[:min(len(a), len(b))]) {
		score += 0.01
	}
	return score
}
