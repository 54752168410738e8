package edit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"

	"overskill/internal/builder/edit"
	"overskill/internal/llm"
	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/understand"
	"overskill/templates"
)

// What line edits save: changes as people ask for them, made to whole apps, once as the os-line-replace call
// that a model would send and once as os-write with the whole file. Every change is really applied.
//
// The choice is not ours file by file. A change is described by what it does ("a field in a form"), and it is made
// in every file of every app in which there is such a place; the foundation, which all apps share, counts once.
// Whether the files so reached are larger than the apps' files on the whole is logged beside the result.
//
// A call quotes the lines that change and nothing more, as the tool's description asks; "with context" adds one
// unchanged line above and below each place, as cautious models do.

// change is a request as it turned out in one file.
type change struct {
	asked, path string
	old, new    string
}

// savingsChanges makes the apps and finds every change in them. sizes are the bytes of every source file.
func savingsChanges(t testing.TB) (changes []change, sizes []int, files []string) {
	t.Helper()
	all := requests()
	used := make([]bool, len(all))
	for i, prompt := range savingsPrompts {
		s := understand.Prompt(prompt)
		own, err := compile.Files(s)
		if err != nil {
			t.Fatal(err)
		}
		v := templates.Values{AppName: s.Name, AppSlug: "app", AppID: 12, TeamID: 1}
		app, err := templates.Foundation(v)
		if err != nil {
			t.Fatal(err)
		}
		for p, c := range own {
			app[p] = templates.Fill(c, v)
		}
		source := 0
		for _, p := range slices.Sorted(maps.Keys(app)) {
			if !strings.HasPrefix(p, "src/") && p != "index.html" {
				continue
			}
			source++
			if _, mine := own[p]; !mine && i > 0 {
				continue
			}
			sizes = append(sizes, len(app[p]))
			for k, r := range all {
				if after, ok := r.apply(p, string(app[p])); ok {
					used[k] = true
					changes = append(changes, change{r.asked, p, string(app[p]), after})
				}
			}
		}
		files = append(files, fmt.Sprintf("%d source files, %d of them its own", source, len(own)))
	}
	for k, r := range all {
		if !used[k] {
			t.Errorf("%q is not asked of any file any more: its expressions fit nothing", r.asked)
		}
	}
	return changes, sizes, files
}

// apply makes the change, if the file has all the places that it needs.
func (r request) apply(path, content string) (string, bool) {
	if !r.in.MatchString(path) {
		return "", false
	}
	before := content
	for _, s := range r.subs {
		re := regexp.MustCompile(s.old)
		at := re.FindStringSubmatchIndex(content)
		if at == nil {
			return "", false
		}
		content = content[:at[0]] + string(re.ExpandString(nil, s.new, content, at)) + content[at[1]:]
	}
	return content, content != before
}

// call is the input of os-line-replace.
type call struct {
	Path  string `json:"path"`
	Edits []part `json:"edits"`
}

type part struct {
	FirstLine int     `json:"first_line"`
	LastLine  int     `json:"last_line,omitempty"` // left out where search says it
	Search    string  `json:"search"`
	Replace   *string `json:"replace,omitempty"`
	Below     *string `json:"below,omitempty"` // lines added under those of search
	text      string  // what is to stand there
}

// wire is the edit as a model sends it: without what the rest of it says, and an insertion as such.
func (p part) wire() part {
	last := p.FirstLine + strings.Count(strings.TrimSuffix(p.Search, "\n"), "\n")
	whole := !strings.Contains(p.Search, "\n...\n") && p.LastLine == last
	if whole {
		p.LastLine = 0
	}
	if added, found := strings.CutPrefix(p.text, p.Search+"\n"); found && whole && added != "" {
		p.Below = &added
	} else {
		p.Replace = &p.text
	}
	return p
}

// meant is how the tool reads an edit.
func (p part) meant() edit.Edit {
	e := edit.Edit{Search: p.Search, FirstLine: p.FirstLine, LastLine: p.LastLine}
	if p.LastLine == 0 {
		e.LastLine = p.FirstLine + strings.Count(strings.TrimSuffix(p.Search, "\n"), "\n")
	}
	if p.Below != nil {
		e.Replace = strings.TrimSuffix(p.Search, "\n") + "\n" + *p.Below
	} else {
		e.Replace = *p.Replace
	}
	return e
}

// edits writes the change as line edits, with so many unchanged lines around each place.
func (c change) edits(context int) []part {
	old := strings.Split(strings.TrimSuffix(c.old, "\n"), "\n")
	line := map[int]int{} // byte offset to line
	at := 0
	for i, l := range old {
		line[at] = i
		at += len(l) + 1
	}
	line[len(c.old)] = len(old)
	var out []part
	end := 0 // the first line after the place before
	for _, e := range udiff.Lines(c.old, c.new) {
		first, last := line[e.Start], line[e.End]
		above := min(context, first-end)
		for strings.TrimSpace(strings.Join(old[first-above:last], "")) == "" && first-above > end {
			above++ // an insertion repeats the line above it
		}
		below := min(context, len(old)-last)
		replace := slices.Concat(old[first-above:first], splitText(e.New), old[last:last+below])
		search := old[first-above : last+below]
		if len(search) > 8 { // a long stretch: its ends
			search = slices.Concat(search[:2], []string{"..."}, search[len(search)-2:])
		}
		next := part{FirstLine: first - above + 1, LastLine: last + below, Search: strings.Join(search, "\n"), text: strings.Join(replace, "\n")}
		if n := len(out); n > 0 && next.FirstLine <= end && len(search) <= 8 { // they touch: one edit
			prev := &out[n-1]
			shared := end - next.FirstLine + 1
			prev.Search += "\n" + strings.Join(search[shared:], "\n")
			prev.text += "\n" + strings.Join(replace[shared:], "\n")
			prev.LastLine = next.LastLine
		} else {
			out = append(out, next)
		}
		end = last + below
	}
	return out
}

func splitText(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// message is what a model writes for this call.
func message(t testing.TB, name string, input any) llm.Message {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as models write JSON
	if err := enc.Encode(input); err != nil {
		t.Fatal(err)
	}
	return llm.Message{Calls: []llm.ToolCall{{Name: name, Input: llm.RawInput(strings.TrimSpace(b.String()))}}}
}

// inputBytes measures a message by nothing but the JSON of its call.
func inputBytes(m llm.Message) int64 { return int64(len(m.Calls[0].Input)) }

// messages applies the change by line edits, and returns the call and that which writes the whole file.
func (c change) messages(t testing.TB, context int) (lines, whole llm.Message) {
	t.Helper()
	var edits []edit.Edit
	input := call{Path: c.path}
	for _, e := range c.edits(context) {
		e = e.wire()
		edits = append(edits, e.meant())
		input.Edits = append(input.Edits, e)
	}
	out, _, err := edit.Apply(c.path, []byte(c.old), edits)
	if err != nil {
		t.Fatalf("%s in %s: %v", c.asked, c.path, err)
	}
	if string(out) != c.new {
		t.Fatalf("%s in %s gives another file:\n%s", c.asked, c.path, udiff.Unified("want", "got", c.new, string(out)))
	}
	return message(t, "os-line-replace", input), message(t, "os-write", map[string]string{"path": c.path, "content": c.new})
}

// quartiles returns minimum, lower quartile, median and upper quartile.
func quartiles[T int | float64](values []T) (lowest, p25, median, p75 T) {
	s := slices.Sorted(slices.Values(values))
	return s[0], s[len(s)/4], s[len(s)/2], s[len(s)*3/4]
}

// savings is the distribution of the shares saved, in percent, and the share of all tokens together.
type savings struct{ lowest, p25, median, p75, total float64 }

func measureSavings(t testing.TB, changes []change, context int, size func(llm.Message) int64) (s savings) {
	t.Helper()
	var all []float64
	var calls, whole int64
	for _, c := range changes {
		lines, file := c.messages(t, context)
		a, b := size(lines), size(file)
		all = append(all, 100*(1-float64(a)/float64(b)))
		calls, whole = calls+a, whole+b
	}
	s.lowest, s.p25, s.median, s.p75 = quartiles(all)
	s.total = 100 * (1 - float64(calls)/float64(whole))
	return s
}

func (s savings) String() string {
	return fmt.Sprintf("median %.1f%%, quartiles %.1f%% and %.1f%%, worst %.1f%%; of all together %.1f%%", s.median, s.p25, s.p75, s.lowest, s.total)
}

// tokensOf estimates a message as it counts in a request.
func tokensOf(m llm.Message) int64 { return llm.Estimate(llm.Request{Messages: []llm.Message{m}}) }

// TestSavings applies every change and holds the median to a floor well below what was measured, so that a
// regression of the calls' form is noticed while another wording of the templates is not.
func TestSavings(t *testing.T) {
	changes, sizes, files := savingsChanges(t)
	if len(changes) < 60 {
		t.Fatalf("only %d changes", len(changes))
	}
	var edited []int
	kinds := map[string]int{}
	for _, c := range changes {
		edited = append(edited, len(c.old))
		kinds[c.asked]++
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		of := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.asked != k })
		t.Logf("%3d x %-45s %s", len(of), k, measureSavings(t, of, 0, tokensOf))
	}
	for _, size := range [][2]int{{0, 2000}, {2000, 4000}, {4000, 1 << 20}} {
		of := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return len(c.old) < size[0] || len(c.old) >= size[1] })
		t.Logf("%3d in files of %d to %d bytes: %s", len(of), size[0], size[1], measureSavings(t, of, 0, tokensOf))
	}
	plain, careful := measureSavings(t, changes, 0, tokensOf), measureSavings(t, changes, 1, tokensOf)
	t.Logf("%d changes of %d kinds in %d apps: %s", len(changes), len(kinds), len(files), strings.Join(files, "; "))
	t.Logf("output tokens saved: %s", plain)
	t.Logf("bytes of input saved: %s", measureSavings(t, changes, 0, inputBytes))
	t.Logf("with a line of context around each place: %s", careful)
	_, a, b, c := quartiles(edited)
	t.Logf("bytes of the edited files: median %d, quartiles %d and %d", b, a, c)
	_, a, b, c = quartiles(sizes)
	t.Logf("bytes of all source files: median %d, quartiles %d and %d", b, a, c)
	if plain.median < 85 {
		t.Errorf("line edits save %.1f%% in the median", plain.median)
	}
}

// BenchmarkSavings reports the shares as metrics; an operation is one change, applied and counted.
func BenchmarkSavings(b *testing.B) {
	changes, _, _ := savingsChanges(b)
	s := measureSavings(b, changes, 0, tokensOf)
	i := 0
	for b.Loop() {
		changes[i%len(changes)].messages(b, 0)
		i++
	}
	b.ReportMetric(s.median, "saved_median_%")
	b.ReportMetric(s.p25, "saved_p25_%")
	b.ReportMetric(s.p75, "saved_p75_%")
	b.ReportMetric(s.lowest, "saved_min_%")
	b.ReportMetric(s.total, "saved_total_%")
	b.ReportMetric(float64(len(changes)), "edits")
}
