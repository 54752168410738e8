package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"overskill/internal/builder/edit"
	"overskill/internal/model"
)

// What os-line-replace takes, and what it says.

const maxEdits = 50 // in one call

func lineReplaceTool() tool {
	return tool{
		name: lineReplaceName,
		description: "Changes lines of a file; cheap, and the way to change existing code. Send all edits of a file in one call. " +
			"search holds the lines as they are now, no more than are needed, and first_line the number of the first of them as os-view " +
			"showed it, whatever the other edits do. Each edit has either replace, the lines to stand there instead (empty deletes them), " +
			"or below, lines to be added under those of search, which stay. Of a long stretch to be replaced write the first lines, a line " +
			"with only ..., the last lines, and give last_line, which is included.",
		schema: `{"type":"object","additionalProperties":false,"required":["path","edits"],"properties":{
			"path":{"type":"string"},
			"edits":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"object","additionalProperties":false,
				"required":["first_line","search"],"properties":{
				"first_line":{"type":"integer","minimum":1},
				"last_line":{"type":"integer","minimum":1,"description":"only with ... in search"},
				"search":{"type":"string","description":"lines of the file, exactly as they are"},
				"replace":{"type":"string","description":"the new lines, in full"},
				"below":{"type":"string","description":"lines to add, instead of replace"}}}},
			"removing":` + removingSchema + `}}`,
		slow: true,
		run: func(context.Context, *session, json.RawMessage) outcome {
			return failed("", "The edit was not planned.") // not reached: edits run through their batch
		},
	}
}

// removingSchema describes the input that lets a call remove more than half of a file.
const removingSchema = `{"type":"string","maxLength":200,"description":"only when more than half of the file is to vanish, ` +
	`and only because the person asked for it or the code moved: say which, and where to"}`

func removingProblem(s string) string {
	if n := len([]rune(s)); n > maxRemoving {
		return fmt.Sprintf("removing has %d characters; %d are allowed.", n, maxRemoving)
	}
	return ""
}

// replaceInput is a call of os-line-replace.
type replaceInput struct {
	path  string
	edits []editInput
}

// editInput is one edit of a call. The texts are pointers, since without one lines would vanish by an oversight.
type editInput struct {
	FirstLine int     `json:"first_line"`
	LastLine  int     `json:"last_line"` // once read, never 0 unless FirstLine is nonsense
	Search    string  `json:"search"`
	Replace   *string `json:"replace"`
	Below     *string `json:"below"`
	text      string  // what stands there afterwards
	problem   string  // why it cannot be tried
}

// readReplace reads a call. problem is what is wrong with it as a whole; each edit may have its own. Models that know
// the tool from elsewhere send a single edit without a list around it, and it is clear what they mean.
func readReplace(raw json.RawMessage) (in replaceInput, problem string) {
	var call struct {
		Path     string            `json:"path"`
		Edits    []json.RawMessage `json:"edits"`
		Removing string            `json:"removing"`
	}
	var single struct {
		Path string `json:"path"`
		editInput
		Removing string `json:"removing"`
	}
	if isSingle(raw) {
		if problem := decode(raw, &single); problem != "" {
			return replaceInput{path: single.Path}, problem
		}
		call.Path, call.Removing = single.Path, single.Removing
		in.edits = []editInput{single.editInput}
	} else if problem := decode(raw, &call); problem != "" {
		return replaceInput{path: call.Path}, problem
	}
	in.path = call.Path
	for i, one := range call.Edits {
		var e editInput
		if e.problem = decode(one, &e); e.problem != "" {
			e.problem = fmt.Sprintf("edits[%d]: %s", i, e.problem)
		}
		in.edits = append(in.edits, e)
	}
	if n := len(in.edits); n < 1 || n > maxEdits {
		return in, fmt.Sprintf("edits holds %d edits; 1 to %d can be made in one call.", n, maxEdits)
	}
	for i := range in.edits {
		in.edits[i].check()
	}
	return in, removingProblem(call.Removing)
}

// isSingle reports whether a call is one edit without a list. A call that is no JSON is not.
func isSingle(raw json.RawMessage) bool {
	var in struct {
		Edits  json.RawMessage `json:"edits"`
		Search json.RawMessage `json:"search"`
	}
	return json.Unmarshal(raw, &in) == nil && in.Edits == nil && in.Search != nil
}

// ellipsis is a line of a search that stands for lines left out, as package edit reads it.
var ellipsis = regexp.MustCompile(`(?m)^\s*\.\.\.\s*$`)

// check finds the last line and the new text, and what package edit cannot know to be wrong.
func (e *editInput) check() {
	if e.problem == "" {
		e.problem = e.mistake()
	}
	switch {
	case e.Replace != nil:
		e.text = *e.Replace
	case e.Below != nil:
		e.text = strings.TrimSuffix(e.Search, "\n") + "\n" + *e.Below
		e.LastLine = 0 // an insertion has its place under what search quotes
	}
	if e.LastLine == 0 {
		e.LastLine = e.FirstLine + max(1, countLines([]byte(e.Search))) - 1
	}
}

// mistake says why the edit cannot be tried, or "".
func (e *editInput) mistake() string {
	leavesOut := ellipsis.MatchString(e.Search)
	switch {
	case e.Replace == nil && e.Below == nil:
		return "It has neither replace nor below. An empty replace deletes the lines."
	case e.Replace != nil && e.Below != nil:
		return "It has both replace and below. Lines to be added belong into replace, too, or the edit has only below."
	case e.Below != nil && (*e.Below == "" || e.Search == ""):
		return "below adds its lines under those of search; neither may be empty."
	case e.Below != nil && leavesOut:
		return "With below, search leaves no lines out: quote the line above the new ones."
	case e.Below == nil && leavesOut && e.LastLine == 0:
		return "search leaves lines out, so last_line must say where it ends."
	case e.Below != nil && copiesStub(*e.Below), e.Replace != nil && copiesStub(*e.Replace), copiesStub(e.Search):
		return stubText
	}
	return ""
}

// planned are the edits for package edit. One that cannot be tried keeps its place as one that fits nowhere, so that
// the others are called by their right numbers.
func (in replaceInput) planned(fill func([]byte) []byte) []edit.Edit {
	out := make([]edit.Edit, len(in.edits))
	for i, e := range in.edits {
		if e.problem == "" {
			out[i] = edit.Edit{
				Search: string(fill([]byte(e.Search))), FirstLine: e.FirstLine, LastLine: e.LastLine, Replace: string(fill([]byte(e.text))),
			}
		}
	}
	return out
}

// answer is what became of one edit.
type answer struct {
	made bool
	text string
}

// tellEdits answers a call. Its first line says how much of it was made, for models and for madeEdits.
func tellEdits(answers []answer) (text string, made int) {
	if len(answers) == 1 {
		if answers[0].made {
			made = 1
		}
		return answers[0].text, made
	}
	var numbers []string
	for i, a := range answers {
		if a.made {
			numbers = append(numbers, strconv.Itoa(i+1))
		}
	}
	var b strings.Builder
	switch made = len(numbers); made {
	case len(answers):
		fmt.Fprintf(&b, "All %d edits were made.", made)
	case 0:
		fmt.Fprintf(&b, "None of the %d edits was made.", len(answers))
	default:
		fmt.Fprintf(&b, "%d of %d edits were made: %s. Do not send those again, only what failed; the lines below them have new numbers.",
			made, len(answers), strings.Join(numbers, ", "))
	}
	before := ""
	for i, a := range answers {
		switch {
		case a.made:
			fmt.Fprintf(&b, "\nEdit %d: %s", i+1, a.text)
			continue
		case a.text == before: // they failed together
			fmt.Fprintf(&b, "\nEdit %d was not made, for the same reason.", i+1)
			continue
		}
		fmt.Fprintf(&b, "\nEdit %d was not made. %s", i+1, a.text)
		before = a.text
	}
	return b.String(), made
}

// partly is the first line of a call of which some edits were made and others not.
var partly = regexp.MustCompile(`^\d+ of \d+ edits were made: ([\d, ]+)\.`)

// madeEdits reads from its record which of the n edits of a call were made, from 0.
func madeEdits(c model.ToolCall, n int) []int {
	if !c.OK {
		return nil
	}
	var made []int
	m := partly.FindStringSubmatch(c.Result)
	if m == nil {
		for i := range n {
			made = append(made, i)
		}
		return made
	}
	for _, number := range strings.Split(m[1], ", ") {
		if i, err := strconv.Atoi(number); err == nil && i >= 1 && i <= n {
			made = append(made, i-1)
		}
	}
	return made
}
