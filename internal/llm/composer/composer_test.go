package composer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/spec"
	"overskill/internal/llm/composer/understand"
)

// workshop runs the calls of a Composer on a file tree, as the agent does.
type workshop struct {
	t        *testing.T
	tree     filetree.Tree
	history  []llm.Message
	calls    []llm.ToolCall
	sql      []string
	plan     planInput
	pageSize int             // lines per os-view; 0 shows all
	refuse   map[string]bool // line-replaces of these paths fail
}

func tools(names ...string) []llm.Tool {
	var out []llm.Tool
	for _, n := range names {
		out = append(out, llm.Tool{Name: n})
	}
	return out
}

var (
	planTools  = tools(toolPlan, toolView, "os-search-files")
	buildTools = tools(toolView, "os-search-files", toolWrite, toolReplace, toolDelete, "os-rename", "os-add-dependency", "os-remove-dependency", toolMigrate)
)

// ask makes one request and runs its calls.
func (w *workshop) ask(system string, offered []llm.Tool) (text string, calls []llm.ToolCall) {
	w.t.Helper()
	var stop llm.StopReason
	usage := false
	err := New().Stream(context.Background(), llm.Request{System: []string{system}, Messages: w.history, Tools: offered}, func(e llm.Event) error {
		text += e.Text
		if e.Call != nil {
			calls = append(calls, *e.Call)
		}
		usage = usage || e.Usage != nil
		if stop != "" {
			w.t.Error("an event after the stop")
		}
		stop = e.Stop
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !usage || (stop == llm.ToolUse) != (len(calls) > 0) || stop == "" {
		w.t.Fatalf("usage %v, stop %q with %d calls", usage, stop, len(calls))
	}
	w.history = append(w.history, llm.Message{Role: llm.Assistant, Text: text, Calls: calls})
	if len(calls) > 0 {
		var results []llm.ToolResult
		before := w.tree
		for _, c := range calls {
			out, failed := w.run(c, before)
			results = append(results, llm.ToolResult{CallID: c.ID, Text: out, Failed: failed})
		}
		w.history = append(w.history, llm.Message{Role: llm.User, Results: results})
	}
	w.calls = append(w.calls, calls...)
	return text, calls
}

func (w *workshop) system() string {
	return "You build apps.\n" + strings.Join(w.tree.Paths(), "\n")
}

// turn sends one request through planning and building and returns the final text.
func (w *workshop) turn(request string) string {
	w.t.Helper()
	w.history = append(w.history, llm.Message{Role: llm.User, Text: request})
	w.calls, w.plan = nil, planInput{}
	system := w.system()
	for range 9 {
		if w.ask(system, planTools); w.plan.AppName != "" {
			break
		}
	}
	if w.plan.AppName == "" || w.plan.VersionName == "" {
		w.t.Fatalf("no plan for %q", request)
	}
	system = w.system()
	for range 9 {
		if text, calls := w.ask(system, buildTools); len(calls) == 0 {
			w.history = []llm.Message{{Role: llm.User, Text: request}, {Role: llm.Assistant, Text: text}} // the next turn sees plain text
			return text
		}
	}
	w.t.Fatalf("%q does not come to an end", request)
	return ""
}

// run is a small stand-in for the agent's tools; before is the tree as the reply saw it.
func (w *workshop) run(c llm.ToolCall, before filetree.Tree) (out string, failed bool) {
	var in struct {
		Path, Content, Name, SQL string
		FirstLine                int `json:"first_line"`
		Edits                    []editInput
	}
	if c.Name == toolPlan {
		return "noted", json.Unmarshal(c.Input, &w.plan) != nil
	}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return err.Error(), true
	}
	put := func(content string) (string, bool) {
		next, err := w.tree.With(in.Path, []byte(strings.ReplaceAll(content, "{{APP_ID}}", "12")))
		if err != nil {
			return err.Error(), true
		}
		w.tree = next
		return "written", false
	}
	now, there := w.tree.Get(in.Path)
	switch c.Name {
	case toolWrite:
		return put(in.Content)
	case toolMigrate:
		w.sql = append(w.sql, in.SQL)
		return "migrated", false
	case toolView:
		if !there {
			return "There is no such file.", true
		}
		return w.view(string(now), in.FirstLine), false
	case toolDelete:
		w.tree = w.tree.Without(in.Path)
		return "deleted", !there
	case toolReplace:
		if w.refuse[in.Path] {
			return "search does not match", true
		}
		was, _ := before.Get(in.Path)
		if string(was) != string(now) {
			return "a second call for the same file", true
		}
		text, made := replaceLines(string(was), in.Edits)
		if made == 0 {
			return "search does not match", true
		}
		_, failed := put(text)
		if made < len(in.Edits) {
			return fmt.Sprintf("%d of %d edits were made: 1. Do not send those again.", made, len(in.Edits)), failed
		}
		return "replaced", failed
	}
	return "unknown tool " + c.Name, true
}

func (w *workshop) view(content string, first int) string {
	lines := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	first = max(first, 1)
	var b strings.Builder
	for n := first; n <= len(lines); n++ {
		if w.pageSize > 0 && n-first == w.pageSize {
			fmt.Fprintf(&b, "(the file has %d lines; ask for more with first_line %d)\n", len(lines), n)
			break
		}
		fmt.Fprintf(&b, "%d| %s\n", n, lines[n-1])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (w *workshop) spec() spec.Spec {
	w.t.Helper()
	b, ok := w.tree.Get(spec.Path)
	if !ok {
		w.t.Fatal("the app has no spec")
	}
	s, err := spec.Decode(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// same checks that the tree holds exactly what the spec compiles to.
func (w *workshop) same(s spec.Spec) {
	w.t.Helper()
	files, err := compile.Files(s)
	if err != nil {
		w.t.Fatal(err)
	}
	for p, want := range files {
		got, _ := w.tree.Get(p)
		if d := cmp.Diff(strings.TrimRight(string(want), "\n"), strings.TrimRight(string(got), "\n")); d != "" {
			w.t.Errorf("%s differs (-want +got):\n%.600s", p, d)
		}
	}
	for _, p := range w.tree.Paths() {
		if _, ok := files[p]; !ok {
			w.t.Errorf("%s is left over", p)
		}
	}
}

func (w *workshop) count(tool string) (n int) {
	for _, c := range w.calls {
		if c.Name == tool {
			n++
		}
	}
	return n
}

const crm = "A CRM: clients with name, email, phone and notes; deals with a value, a stage (lead, proposal, won, lost) and a client. Send email reminders."

func TestFirstTurn(t *testing.T) {
	w := &workshop{t: t}
	text := w.turn(crm)
	w.same(understand.Prompt(crm))
	if len(w.sql) != 1 || !strings.Contains(w.sql[0], "app_{{APP_ID}}_") {
		t.Errorf("%d migrations", len(w.sql))
	}
	if w.count(toolView) > 0 {
		t.Error("it looked for a spec although there is no app")
	}
	if len(w.plan.Understood) == 0 || len(w.plan.Cannot) == 0 || len(w.plan.Changes) == 0 {
		t.Errorf("plan %+v", w.plan)
	}
	for _, want := range []string{"clients", "Not possible"} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q: %s", want, text)
		}
	}
	if strings.Contains(text, "!") {
		t.Errorf("an exclamation mark: %s", text)
	}
}

func TestFollowUps(t *testing.T) {
	for _, pageSize := range []int{0, 40} {
		w := &workshop{t: t, pageSize: pageSize}
		if pageSize == 40 { // long files come in parts, within the steps of a turn
			w.pageSize = 200
		}
		w.turn(crm)
		for _, request := range []string{"Add a company field to clients", "rename deals to jobs", "Make the primary color green", "Add suppliers", "remove suppliers", "Sort clients by name"} {
			old := w.spec()
			w.sql = nil
			w.turn(request)
			want, out := understand.FollowUp(old, request)
			if !out.Changed {
				t.Fatalf("%q is not understood: %+v", request, out)
			}
			w.same(want)
			_, sql, err := compile.Migration(&old, want)
			if err != nil {
				t.Fatal(err)
			}
			if (sql != "") != (len(w.sql) == 1) {
				t.Errorf("%q: %d migrations", request, len(w.sql))
			}
			if w.plan.VersionName != out.VersionName {
				t.Errorf("%q: version %q", request, w.plan.VersionName)
			}
		}
	}
}

// A small change costs lines, not files.
func TestFollowUpIsSmall(t *testing.T) {
	w := &workshop{t: t}
	w.turn(crm)
	w.turn("Add a company field to clients")
	size, whole := 0, 0
	for _, c := range w.calls {
		if c.Name == toolReplace || c.Name == toolWrite {
			size += len(c.Input)
		}
	}
	for _, p := range w.tree.Paths() {
		f, _ := w.tree.Get(p)
		whole += len(f)
	}
	if w.count(toolReplace) == 0 || size*5 > whole {
		t.Errorf("%d line replacements, %d of %d bytes", w.count(toolReplace), size, whole)
	}
	t.Logf("%d replacements, %d writes, %d bytes of an app of %d", w.count(toolReplace), w.count(toolWrite), size, whole)
}

func TestFollowUpNotUnderstood(t *testing.T) {
	w := &workshop{t: t}
	w.turn(crm)
	before := w.tree
	text := w.turn("please frobnicate the quux")
	if w.tree.Hash() != before.Hash() || len(w.plan.Changes) != 0 || len(w.plan.Cannot) == 0 || !strings.Contains(text, "Nothing was changed") {
		t.Errorf("plan %+v, text %s", w.plan, text)
	}
}

// What a person changed by hand stays where the edit does not fit, and the answer names the file.
func TestFollowUpKeepsHandWork(t *testing.T) {
	w := &workshop{t: t}
	w.turn(crm)
	old := w.spec()
	next, _ := understand.FollowUp(old, "Add a company field to clients")
	e, err := newEdit(old, next)
	if err != nil {
		t.Fatal(err)
	}
	var victim string
	for _, p := range e.changed {
		if strings.HasSuffix(p, ".tsx") && e.before[p] != nil {
			victim = p
		}
	}
	mine := []byte("export default function Mine() {\n  return null;\n}\n")
	if w.tree, err = w.tree.With(victim, mine); err != nil {
		t.Fatal(err)
	}
	text := w.turn("Add a company field to clients")
	if got, _ := w.tree.Get(victim); string(got) != string(mine) {
		t.Errorf("%s was overwritten", victim)
	}
	if !strings.Contains(text, victim) {
		t.Errorf("the answer does not name %s: %s", victim, text)
	}
}

// An edit that is refused though nobody touched the file is made again as a whole file.
func TestFailedEditIsWritten(t *testing.T) {
	w := &workshop{t: t, refuse: map[string]bool{}}
	w.turn(crm)
	for _, p := range w.tree.Paths() {
		if strings.HasSuffix(p, ".tsx") {
			w.refuse[p] = true
		}
	}
	old := w.spec()
	w.turn("Add a company field to clients")
	want, _ := understand.FollowUp(old, "Add a company field to clients")
	w.same(want)
}

// Asked again in the middle of a build, the Composer makes the same calls: a build can be resumed.
func TestSameCallsAgain(t *testing.T) {
	w := &workshop{t: t}
	w.history = []llm.Message{{Role: llm.User, Text: crm}}
	w.ask(w.system(), planTools)
	history := slices.Clone(w.history)
	_, first := w.ask(w.system(), buildTools)
	w.history = history
	_, again := w.ask(w.system(), buildTools) // the spec is in the tree by now
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("other calls (-first +again):\n%.400s", d)
	}
}

func TestForeignApp(t *testing.T) {
	w := &workshop{t: t}
	w.tree, _ = filetree.New(map[string][]byte{"src/features/x/x.ts": []byte("export {};\n")})
	before := w.tree
	w.turn("Add a due date")
	if w.tree.Hash() != before.Hash() || len(w.plan.Cannot) == 0 {
		t.Errorf("plan %+v", w.plan)
	}
}

func TestRecoveryIsHonest(t *testing.T) {
	w := &workshop{t: t}
	w.turn(crm)
	w.history = []llm.Message{{Role: llm.User, Text: crm}}
	w.tree = filetree.Tree{}
	w.ask(w.system(), planTools)
	w.ask(w.system(), buildTools)
	w.ask(w.system(), buildTools)
	w.history = append(w.history, llm.Message{Role: llm.User, Text: "The build failed: src/x.tsx:1 unexpected token"})
	text, calls := w.ask(w.system(), buildTools)
	if len(calls) > 0 || !strings.Contains(text, "cannot repair") {
		t.Errorf("%d calls, text %q", len(calls), text)
	}
}

func TestStreamStops(t *testing.T) {
	req := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: crm}}, Tools: planTools}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := New().Stream(ctx, req, func(llm.Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	broken := errors.New("the line is dead")
	if err := New().Stream(context.Background(), req, func(llm.Event) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("emit's error: %v", err)
	}
}

// Whatever is understood must compile, and a change of it too.
func TestEveryPromptCompiles(t *testing.T) {
	b, err := os.ReadFile("understand/testdata/prompts.txt")
	if err != nil {
		t.Fatal(err)
	}
	prompts := []string{"", "make me something cool", "<script>alert(1)</script> notes app called \"Robert'); DROP TABLE apps;--\"", "{{APP_NAME}} ${x}"}
	for _, part := range strings.Split("\n"+string(b), "\n> ")[1:] {
		prompt, _, _ := strings.Cut(part, "\n")
		prompts = append(prompts, prompt)
	}
	for _, p := range prompts {
		s := understand.Prompt(p)
		if _, err := compile.Files(s); err != nil {
			t.Errorf("%q: %v", p, err)
		}
		if _, _, err := compile.Migration(nil, s); err != nil {
			t.Errorf("%q: %v", p, err)
		}
		next, out := understand.FollowUp(s, "Add a due date and a rating from 1 to 5")
		if _, err := newEdit(s, next); err != nil || !out.Changed {
			t.Errorf("%q: changed %v, %v", p, out.Changed, err)
		}
	}
}

func FuzzHunks(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Add("a\n\n\nb\n", "a\n\nnew\n\nb\n")
	f.Add("", "x\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before+after, "\r\x00") || strings.TrimSpace(before) == "" {
			return // tool inputs hold neither, and an empty file is written, not edited
		}
		before, after = strings.TrimSuffix(before, "\n")+"\n", strings.TrimSuffix(after, "\n")+"\n"
		old := strings.Split(strings.TrimSuffix(before, "\n"), "\n")
		var out []string
		at := 0
		for _, h := range hunksOf(before, after) {
			if h.first <= at || h.last > len(old) || strings.Join(old[h.first-1:h.last], "\n") != h.search {
				t.Fatalf("hunk %+v after line %d of %q", h, at, before)
			}
			if e := editsOf([]hunk{h})[0]; e.LastLine == 0 && h.first+strings.Count(strings.TrimSuffix(h.search, "\n"), "\n") != h.last {
				t.Fatalf("%+v does not say that it ends at line %d", e, h.last)
			}
			out = append(out, old[at:h.first-1]...)
			if h.replace != "" || h.search == "" {
				out = append(out, strings.Split(h.replace, "\n")...)
			}
			at = h.last
		}
		out = append(out, old[at:]...)
		if got := strings.Join(out, "\n") + "\n"; strings.TrimSpace(got) != strings.TrimSpace(after) {
			t.Errorf("%q to %q gives %q", before, after, got)
		}
	})
}
