package agent

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/llm"
)

// sight is what the model knows of the files. Between two parts of a turn others change files, too: known mistakes are
// corrected without a model. An edit by line numbers of a file that is not any more what the model saw is refused.
type sight struct {
	stale  map[string]bool // files that are not what the model saw last
	misses map[string]int  // replies that failed to edit a file
	tree   filetree.Tree   // when the session began
	belief map[string]glimpse
	seenAt map[string]int // the message in which a file was shown or changed last
}

// glimpse is what the model saw of a file: its text, or some of its lines.
type glimpse struct {
	whole []byte
	lines map[int]string // by number, when whole is nil
}

// newSight reads from the conversation what the model saw before this session, and compares it with the files.
func newSight(s *session) *sight {
	v := &sight{stale: map[string]bool{}, misses: map[string]int{}, tree: s.tree, belief: map[string]glimpse{}, seenAt: map[string]int{}}
	for _, p := range s.in.Attached {
		if content, there := s.in.Base.Get(p); there {
			v.belief[p] = glimpse{whole: content}
		}
	}
	seq := 1
	for n, m := range s.said {
		v.recall(s, m, n, seq)
		seq += len(m.Calls)
	}
	for p, g := range v.belief {
		if content, there := s.tree.Get(p); there && !g.holds(content) {
			v.stale[p] = true
		}
	}
	return v
}

// holds reports whether a file still reads as it was seen.
func (g glimpse) holds(content []byte) bool {
	if g.whole != nil {
		return slices.Equal(textLines(g.whole), textLines(content))
	}
	lines := textLines(content)
	for n, text := range g.lines {
		if n > len(lines) || lines[n-1] != text {
			return false
		}
	}
	return true
}

// recall follows the calls of one reply, those that were run.
func (v *sight) recall(s *session, m llm.Message, n, seq int) {
	edits := map[string][]edit.Edit{}
	missed := map[string]bool{}
	for i := range m.Calls {
		c, ran := s.record[seq+i]
		if !ran {
			continue
		}
		var in struct {
			Path      string `json:"path"`
			FirstLine int    `json:"first_line"`
			LastLine  int    `json:"last_line"`
			Content   string `json:"content"`
			From      string `json:"from"`
			To        string `json:"to"`
		}
		if json.Unmarshal(c.Input, &in) != nil {
			continue
		}
		v.seenAt[in.Path] = n
		switch {
		case c.Name == lineReplaceName && !c.OK:
			missed[in.Path] = true
			delete(v.belief, in.Path) // the refusal showed how it reads
		case !c.OK:
		case c.Name == planName && s.in.Base.Len() == 0:
			clear(v.belief) // the foundation is laid now, under the name that the plan gives the app
		case c.Name == "os-view":
			v.belief[in.Path] = glimpseOf(c.Result, in.FirstLine <= 1 && in.LastLine == 0)
		case c.Name == "os-write":
			v.belief[in.Path] = glimpse{whole: s.in.Fill([]byte(in.Content))}
		case c.Name == lineReplaceName:
			call, _ := readReplace(c.Input) // it was run, so it can be read
			edits[in.Path] = append(edits[in.Path], call.planned(s.in.Fill)...)
			if partly.MatchString(c.Result) {
				missed[in.Path] = true
			}
		case c.Name == "os-rename":
			v.belief[in.To] = v.belief[in.From]
			v.seenAt[in.To] = n
			delete(v.belief, in.From)
		case c.Name == "os-delete":
			delete(v.belief, in.Path)
		case c.Name == "os-add-dependency", c.Name == "os-remove-dependency":
			delete(v.belief, "package.json")
		}
	}
	for p := range missed {
		v.misses[p]++
	}
	for p, list := range edits {
		v.edited(p, list)
	}
}

// edited makes the edits of a reply on what the model knew: those that fit, as they were then.
func (v *sight) edited(p string, edits []edit.Edit) {
	g := v.belief[p]
	delete(v.belief, p)
	if g.whole == nil {
		return
	}
	if out, made, _ := edit.Apply(p, g.whole, edits); len(made) > 0 {
		v.belief[p] = glimpse{whole: out}
	}
}

var viewedLine = regexp.MustCompile(`^(\d+)\| ?(.*)$`)

// glimpseOf reads the lines that os-view showed: all of the file, if it was asked for and not cut.
func glimpseOf(result string, all bool) glimpse {
	g := glimpse{lines: map[int]string{}}
	var text strings.Builder
	for line := range strings.SplitSeq(result, "\n") {
		m := viewedLine.FindStringSubmatch(line)
		if m == nil {
			all = false
			continue
		}
		n, _ := strconv.Atoi(m[1]) // digits; what does not fit is no line of any file
		g.lines[n] = m[2]
		text.WriteString(m[2] + "\n")
	}
	if all {
		g.whole = []byte(text.String())
	}
	return g
}

// textLines are the lines of a file as os-view shows them.
func textLines(content []byte) []string {
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, "\r")
	}
	return lines
}

// saw notes what a call of this session showed or changed.
func (v *sight) saw(out outcome, changed []Changed) {
	if out.shows {
		delete(v.stale, out.path)
	}
	for _, c := range changed {
		delete(v.stale, c.Path)
	}
}

// look notes that message n showed these files as they were then. What happened to them later is known from the calls.
func (v *sight) look(paths []string, n int) {
	for _, p := range paths {
		if v.seenAt[p] <= n {
			delete(v.stale, p)
		}
	}
}

// missed counts one more reply that failed to edit the file.
func (v *sight) missed(p string) int {
	v.misses[p]++
	return v.misses[p]
}

const maxStaleListed = 20

// staleOther lists the files that the model does not know any more, without those that it is shown now.
func (v *sight) staleOther(shown []string) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(v.stale)) {
		if !slices.Contains(shown, p) && len(out) < maxStaleListed {
			out = append(out, p)
		}
	}
	return out
}
