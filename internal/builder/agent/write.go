package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/builder/codesearch"
	"overskill/internal/builder/edit"
	"overskill/internal/fault"
	"overskill/internal/filetree"
)

func writeTool() tool {
	return tool{
		name: "os-write",
		description: "Creates a file, or replaces all of an existing one. Write every line: what you leave out is gone. " +
			"To change parts of a file, use os-line-replace, which costs far less.",
		schema: `{"type":"object","additionalProperties":false,"required":["path","content"],"properties":{
			"path":{"type":"string","description":"relative to the app, such as src/pages/Home.tsx"},
			"content":{"type":"string","description":"the whole file"},
			"removing":` + removingSchema + `}}`,
		slow: true, // a migration is tried on a database
		run:  runWrite,
	}
}

func runWrite(ctx context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Path     string `json:"path"`
		Content  string `json:"content"`
		Removing string `json:"removing"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	old, existed := s.tree.Get(input.Path)
	content := s.in.Fill([]byte(input.Content))
	if problem := s.writable(input.Path); problem != "" {
		return failed(bounded(input.Path, filetree.MaxPathLen), "%s", problem)
	}
	switch {
	case strings.TrimSpace(input.Content) == "":
		return failed(input.Path, "The content is empty. To remove a file, use os-delete.")
	case copiesStub(input.Content):
		return failed(input.Path, "%s", stubText)
	case removingProblem(input.Removing) != "":
		return failed(input.Path, "%s", removingProblem(input.Removing))
	}
	if existed && bytes.Equal(old, content) {
		return outcome{path: input.Path, text: input.Path + " reads exactly like this already; nothing was changed."}
	}
	if problem := s.sound(input.Path, old, content); problem != "" {
		return failed(input.Path, "%s", problem)
	}
	tree, problem := s.put(ctx, input.Path, content)
	if problem != "" {
		return failed(input.Path, "%s", problem)
	}
	if !existed {
		return ok(input.Path, tree, "Created %s, %d lines.", input.Path, countLines(content))
	}
	return ok(input.Path, tree, "Replaced %s, %d lines before, %d now.%s", input.Path, countLines(old), countLines(content), thrift(old, content))
}

// sound refuses a whole file that is plainly not what it should be. The rehearsal of a reply has asked the same already.
func (s *session) sound(p string, old, content []byte) (problem string) {
	key := p + "\x00" + filetree.HashOf(old) + filetree.HashOf(content)
	problem, asked := s.checked[key]
	if !asked {
		problem = unsound(p, old, content)
		s.checked[key] = problem
	}
	return problem
}

func unsound(p string, old, content []byte) (problem string) {
	if o, found := edit.NewOmission(p, old, content); found {
		return fmt.Sprintf("Line %d leaves code out: %s. A file is written whole; to change parts of it, use os-line-replace. Nothing was written.",
			o.Line, bounded(o.Text, 200))
	}
	if bad := edit.Check(p, content); bad != nil && !jsonWithComments.MatchString(p) && (old == nil || edit.Check(p, old) == nil) {
		line := ""
		if lines := strings.Split(string(content), "\n"); bad.Line > 0 && bad.Line <= len(lines) {
			line = "\n" + fmt.Sprintf("%d| %s", bad.Line, bounded(lines[bad.Line-1], 300))
		}
		return fmt.Sprintf("%s would not parse: %s.%s\nNothing was written. Write it again without this mistake.", p, bad, line)
	}
	return ""
}

// jsonWithComments are files that are JSON by name and hold comments by custom.
var jsonWithComments = regexp.MustCompile(`(^|/)[tj]sconfig[^/]*\.json$|^\.vscode/`)

// thrift reminds the model of the cheaper tool when it wrote a long file to change a little.
func thrift(old, content []byte) string {
	lines := countLines(old)
	if lines < 60 {
		return ""
	}
	_, added, removed := textDiff("", string(old), string(content))
	if max(added, removed)*4 > lines {
		return ""
	}
	return fmt.Sprintf(" Only %d lines differ: next time use os-line-replace.", max(added, removed))
}

func countLines(b []byte) int {
	n := bytes.Count(b, []byte("\n"))
	if len(b) > 0 && b[len(b)-1] != '\n' {
		n++
	}
	return n
}

func deleteTool() tool {
	return tool{
		name:        "os-delete",
		description: "Deletes a file. Whatever imports it must change first, or in the same reply.",
		schema: `{"type":"object","additionalProperties":false,"required":["path"],"properties":{
			"path":{"type":"string"}}}`,
		run: runDelete,
	}
}

func runDelete(_ context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		Path string `json:"path"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	if !s.tree.Has(input.Path) {
		return s.noSuchFile(input.Path)
	}
	if problem := s.removable(input.Path); problem != "" {
		return failed(input.Path, "%s", problem)
	}
	tree := s.tree.Without(input.Path)
	return ok(input.Path, tree, "Deleted %s.", input.Path)
}

func renameTool() tool {
	return tool{
		name:        "os-rename",
		description: "Moves a file to another path. Imports of it are not changed: the answer names the files that have some.",
		schema: `{"type":"object","additionalProperties":false,"required":["from","to"],"properties":{
			"from":{"type":"string"},"to":{"type":"string"}}}`,
		run: runRename,
	}
}

func runRename(_ context.Context, s *session, raw json.RawMessage) outcome {
	var input struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	if problem := decode(raw, &input); problem != "" {
		return failed("", "%s", problem)
	}
	content, there := s.tree.Get(input.From)
	if !there {
		return s.noSuchFile(input.From)
	}
	if problem := s.removable(input.From); problem != "" {
		return failed(input.From, "%s", problem)
	}
	without := *s
	without.tree = s.tree.Without(input.From) // so that App.tsx may become app.tsx
	if problem := without.writable(input.To); problem != "" {
		return failed(bounded(input.To, filetree.MaxPathLen), "%s", problem)
	}
	if s.tree.Has(input.To) {
		return failed(input.To, "There is a file %s already. Delete it first if it is to be replaced.", input.To)
	}
	tree, err := without.tree.With(input.To, content)
	if err != nil {
		return failed(input.To, "%s", fault.Text(err))
	}
	out := ok(input.To, tree, "Renamed %s to %s.%s", input.From, input.To, importers(tree, input.From))
	out.from = input.From
	return out
}

// stubText refuses what was copied from a compacted conversation.
const stubText = "The text holds a note that stands in this conversation for something long. Nothing was written. View the file, and write every line."

// copiesStub reports whether a text holds such a note.
func copiesStub(text string) bool { return strings.Contains(text, leftOut) }

// importers names the files whose imports end in the name of p, so that the model can make them follow.
func importers(tree filetree.Tree, p string) string {
	base := p[strings.LastIndexByte(p, '/')+1:]
	stem, _, _ := strings.Cut(base, ".")
	res, err := codesearch.Search(tree, codesearch.Query{
		Pattern:       `(from|import)\b.*["'](\./|\.\./|@/)([^"']*/)?` + regexp.QuoteMeta(stem) + `(\.\w+)?["']`,
		CaseSensitive: true,
	})
	if err != nil || len(res.Matches) == 0 {
		return ""
	}
	var paths []string
	for _, m := range res.Matches {
		if !slices.Contains(paths, m.Path) && m.Path != p {
			paths = append(paths, m.Path)
		}
	}
	if len(paths) == 0 {
		return ""
	}
	return fmt.Sprintf(" These files seem to import it by its old path; change them: %s.", strings.Join(paths, ", "))
}
