package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/builder/edit"
	"overskill/internal/filetree"
	"overskill/internal/llm"
	"overskill/internal/model"
)

// TestReadReplace reads calls as models write them.
func TestReadReplace(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"first_line":1,"search":"a","replace":"b"},`, 51), ",")
	for _, test := range []struct {
		name, input string
		problem     string   // of the call
		problems    []string // of its edits, "" for those that can be tried
		edits       []edit.Edit
	}{
		{"one line", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","replace":"b"}]}`, "", []string{""}, []edit.Edit{{Search: "a", FirstLine: 3, LastLine: 3, Replace: "b"}}},
		{"search tells the end", `{"path":"a.ts","edits":[{"first_line":3,"search":"a\nb\nc\n","replace":""}]}`, "", []string{""}, []edit.Edit{{Search: "a\nb\nc\n", FirstLine: 3, LastLine: 5}}},
		{"the end is said", `{"path":"a.ts","edits":[{"first_line":3,"last_line":4,"search":"a\n","replace":"b\n"}]}`, "", []string{""}, []edit.Edit{{Search: "a\n", FirstLine: 3, LastLine: 4, Replace: "b\n"}}},
		{"leaves out", `{"path":"a.ts","edits":[{"first_line":3,"last_line":9,"search":"a\n ... \nb","replace":"c"}]}`, "", []string{""}, []edit.Edit{{Search: "a\n ... \nb", FirstLine: 3, LastLine: 9, Replace: "c"}}},
		{"leaves the end open", `{"path":"a.ts","edits":[{"first_line":3,"search":"a\n...\nb","replace":"c"}]}`, "", []string{"last_line must say"}, []edit.Edit{{}}},
		{"spread is no ellipsis", `{"path":"a.ts","edits":[{"first_line":3,"search":"{...props}","replace":"c"}]}`, "", []string{""}, []edit.Edit{{Search: "{...props}", FirstLine: 3, LastLine: 3, Replace: "c"}}},
		{"below", `{"path":"a.ts","edits":[{"first_line":3,"last_line":7,"search":"a\nb\n","below":"c\n"}]}`, "", []string{""}, []edit.Edit{{Search: "a\nb\n", FirstLine: 3, LastLine: 4, Replace: "a\nb\nc\n"}}},
		{"nothing below", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","below":""}]}`, "", []string{"neither may be empty"}, []edit.Edit{{}}},
		{"below nothing", `{"path":"a.ts","edits":[{"first_line":3,"search":"","below":"a"}]}`, "", []string{"neither may be empty"}, []edit.Edit{{}}},
		{"below what is left out", `{"path":"a.ts","edits":[{"first_line":3,"last_line":9,"search":"a\n...\nb","below":"c"}]}`, "", []string{"quote the line above"}, []edit.Edit{{}}},
		{"both", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","below":"b","replace":"c"}]}`, "", []string{"both replace and below"}, []edit.Edit{{}}},
		{"neither", `{"path":"a.ts","edits":[{"first_line":3,"search":"a"}]}`, "", []string{"neither replace nor below"}, []edit.Edit{{}}},
		{
			"one of two", `{"path":"a.ts","edits":[{"line":3,"search":"a","replace":"b"},{"first_line":3,"search":"a","replace":"b"}]}`, "",
			[]string{`edits[0]: There is no input "line". There are: first_line, last_line, search, replace, below.`, ""},
			[]edit.Edit{{}, {Search: "a", FirstLine: 3, LastLine: 3, Replace: "b"}},
		},
		{"a copied note", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","replace":"` + leftOut + `: 3 lines)"}]}`, "", []string{stubText}, []edit.Edit{{}}},
		{"NUL", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","replace":"\u0000"}]}`, "", []string{"NUL"}, []edit.Edit{{}}},
		{"wrong type", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","replace":3}]}`, "", []string{"replace must be a string"}, []edit.Edit{{}}},

		{"single", `{"path":"a.ts","search":"a","first_line":3,"last_line":3,"replace":"b"}`, "", []string{""}, []edit.Edit{{Search: "a", FirstLine: 3, LastLine: 3, Replace: "b"}}},
		{"single, short", `{"path":"a.ts","search":"a","first_line":3,"below":"b"}`, "", []string{""}, []edit.Edit{{Search: "a", FirstLine: 3, LastLine: 3, Replace: "a\nb"}}},
		{"single with a member more", `{"path":"a.ts","search":"a","line":3,"replace":"b"}`, `There is no input "line". There are: path, first_line`, nil, nil},
		{"single and a list", `{"path":"a.ts","search":"a","edits":[]}`, `There is no input "search". There are: path, edits, removing.`, nil, nil},
		{"no edits", `{"path":"a.ts","edits":[]}`, "edits holds 0 edits", nil, nil},
		{"edits missing", `{"path":"a.ts"}`, "edits holds 0 edits", nil, nil},
		{"too many", `{"path":"a.ts","edits":[` + many + `]}`, "edits holds 51 edits; 1 to 50", nil, nil},
		{"edits in a string", `{"path":"a.ts","edits":"[]"}`, "edits must be a list, not a string.", nil, nil},
		{"cut", `{"path":"a.ts","edits":[{"first`, "not the JSON object", nil, nil},
		{"long reason", `{"path":"a.ts","edits":[{"first_line":3,"search":"a","replace":"b"}],"removing":"` + strings.Repeat("x", 201) + `"}`, "201 characters", []string{""}, []edit.Edit{{Search: "a", FirstLine: 3, LastLine: 3, Replace: "b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, problem := readReplace([]byte(test.input))
			if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("problem %q", problem)
			}
			if test.problem != "" && test.problems == nil {
				return
			}
			for i, e := range got.edits {
				if want := test.problems[i]; (e.problem == "") != (want == "") || !strings.Contains(e.problem, want) {
					t.Errorf("edit %d: problem %q", i, e.problem)
				}
			}
			if diff := cmp.Diff(test.edits, got.planned(func(b []byte) []byte { return b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// All edits of a call use the numbers of the file as it was, and are one call in the record.
func TestEditsOfOneCall(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{replaceAll("src/App.tsx",
		at(8, "      <p>Hello</p>", "      <p>Hi</p>"),
		in{"first_line": 1, "search": "import { useState } from \"react\";", "below": "import \"./a\";\nimport \"./b\";"},
		at(4, "  const [n, setN] = useState(0);", "  const [n, setN] = useState(1);"),
	)}}, step{text: "Done."})
	res := w.build()
	want := strings.NewReplacer("Hello", "Hi", "useState(0)", "useState(1)", "\"react\";\n", "\"react\";\nimport \"./a\";\nimport \"./b\";\n").Replace(appSource)
	if diff := cmp.Diff(want, content(t, res.Tree, "src/App.tsx")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := w.results(1)[0]; got.Failed || !strings.HasPrefix(got.Text, "All 3 edits were made.\nEdit 1: Replaced line 8; the new text is now line 10.\nEdit 2: ") {
		t.Errorf("%+v", got)
	}
	rec := w.journal.calls[0]
	if len(w.journal.calls) != 1 || rec.Added != 4 || rec.Removed != 2 || rec.Path != "src/App.tsx" {
		t.Errorf("%+v", rec)
	}
	for _, line := range []string{"-      <p>Hello</p>", "+      <p>Hi</p>", "+import \"./b\";", "+  const [n, setN] = useState(1);"} {
		if !strings.Contains(rec.Detail, line) {
			t.Errorf("the call's diff lacks %q:\n%s", line, rec.Detail)
		}
	}
}

// Edits that fit are made though others of the call do not, and its first line says so. The second such reply lets
// the model write the whole file, as it reads by then.
func TestEditsMadeInPart(t *testing.T) {
	part := func(n int) llm.ToolCall {
		return replaceAll("src/App.tsx", at(5, "no such line", "x"), at(8, fmt.Sprintf("      <p>%s</p>", []string{"Hello", "Hi 1"}[n-1]), fmt.Sprintf("      <p>Hi %d</p>", n)), at(8, "      <p>", "y"), in{"first_line": 9, "search": "    </main>"})
	}
	w := newWorld(t, step{calls: []llm.ToolCall{part(1)}}, step{calls: []llm.ToolCall{part(2)}},
		step{calls: []llm.ToolCall{replaceAll("src/main.tsx", at(1, "no such line", "x"), at(2, "nor this", "x")), replaceAll("src/App.tsx", at(1, "import { useState } from \"react\";", "import { useState } from 'react';"))}},
		step{text: "Done."})
	res := w.build()
	first, second, third := w.results(1)[0], w.results(2)[0], w.results(3)[0]
	if first.Failed || !strings.HasPrefix(first.Text, "1 of 4 edits were made: 2. Do not send those again, only what failed") ||
		!strings.Contains(first.Text, "Edit 1 was not made. ") || !strings.Contains(first.Text, "5|   return (") || !strings.Contains(first.Text, "Edit 4 was not made. It has neither") {
		t.Errorf("%+v", first)
	}
	if !strings.Contains(second.Text, "you may write the whole file with os-write now") || !strings.Contains(second.Text, "8|       <p>Hi 2</p>") {
		t.Errorf("%+v", second)
	}
	if !third.Failed || !strings.HasPrefix(third.Text, "None of the 2 edits was made.\n") || !strings.Contains(third.Text, "The others were made (1 of the 3 edits of this reply)") {
		t.Errorf("%+v", third)
	}
	if got := content(t, res.Tree, "src/App.tsx"); !strings.Contains(got, "Hi 2") || strings.Contains(got, "Hello") {
		t.Errorf("%s", got)
	}
	if rec := w.journal.calls[0]; !rec.OK || rec.Added != 1 || rec.Removed != 1 {
		t.Errorf("%+v", rec)
	}
}

// What was made of a call is read from its record.
func TestMadeEdits(t *testing.T) {
	text, made := tellEdits([]answer{{true, "a"}, {false, "b"}, {false, "b"}, {true, "c"}})
	if want := "\nEdit 1: a\nEdit 2 was not made. b\nEdit 3 was not made, for the same reason.\nEdit 4: c"; made != 2 || !strings.HasSuffix(text, want) {
		t.Errorf("%d: %s", made, text)
	}
	for _, test := range []struct {
		rec  model.ToolCall
		want []int
	}{
		{model.ToolCall{OK: true, Result: text}, []int{0, 3}},
		{model.ToolCall{OK: true, Result: "All 4 edits were made."}, []int{0, 1, 2, 3}},
		{model.ToolCall{Result: "None of the 4 edits was made."}, nil},
		{model.ToolCall{OK: true, Result: "5 of 6 edits were made: 1, 99999999999999999999, 9. "}, []int{0}},
	} {
		if diff := cmp.Diff(test.want, madeEdits(test.rec, 4)); diff != "" {
			t.Errorf("%q: %s", test.rec.Result, diff)
		}
	}
}

// A file that was edited in part is known as it is then: whoever changes it later makes it stale.
func TestSightOfEditsMadeInPart(t *testing.T) {
	for _, corrected := range []bool{false, true} {
		w := newWorld(t,
			step{calls: []llm.ToolCall{call("os-view", in{"path": "src/App.tsx"}), replaceAll("src/App.tsx", at(8, "      <p>Hello</p>", "      <p>Hi</p>"), at(1, "nothing like it", "x"))}},
			step{text: "Done."},
			step{calls: []llm.ToolCall{replaceAll("src/App.tsx", at(8, "      <p>Hi</p>", "      <p>Ho</p>"))}}, step{text: "Done."})
		res := w.build()
		w.input.Tree = res.Tree
		if corrected {
			var err error
			if w.input.Tree, err = res.Tree.With("src/App.tsx", []byte(strings.Replace(content(t, res.Tree, "src/App.tsx"), "useState(0)", "useState<number>(0)", 1))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Recover(t.Context(), w.input, Recovery{Attempt: 1, Text: "Hi is wrong."}); err != nil {
			t.Fatal(err)
		}
		if got := w.results(3)[0]; got.Failed != corrected || corrected && !strings.Contains(got.Text, "corrected automatically") {
			t.Errorf("corrected=%v: %+v", corrected, got)
		}
	}
}

// A reply that was interrupted behind a call that was made in part goes on with numbers moved by what was made of it.
func TestResumeBehindEditsMadeInPart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, step{calls: []llm.ToolCall{
		replaceAll("src/twice.txt", in{"first_line": 1, "search": "one", "below": "new"}, at(2, "nothing like it", "x\ny\nz")),
		replaceAll("src/twice.txt", at(4, "same", "other")), // the third line reads like it
	}}, step{text: "Done."})
	w.app(map[string]string{"src/twice.txt": "one\ntwo\nsame\nsame\nsame\n"})
	w.journal.cancelAt, w.journal.cancel = 2, cancel
	if _, err := Build(ctx, w.input, Plan{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	var err error
	if w.input.Tree, err = filetree.New(w.journal.files); err != nil {
		t.Fatal(err)
	}
	res := w.build()
	if got, want := content(t, res.Tree, "src/twice.txt"), "one\nnew\ntwo\nsame\nother\nsame\n"; got != want || len(w.journal.calls) != 2 {
		t.Errorf("%q after %d calls", got, len(w.journal.calls))
	}
}

// Edits that failed before a process ended count as misses of their file in the next.
func TestMissesAreRemembered(t *testing.T) {
	edits := func(from, to string) step {
		return step{calls: []llm.ToolCall{replaceAll("src/App.tsx", at(8, "      <p>"+from+"</p>", "      <p>"+to+"</p>"), at(1, "nothing like it", "x"))}}
	}
	w := newWorld(t, edits("Hello", "Hi"), step{text: "Done."}, edits("Hi", "Ho"), step{text: "Done."})
	w.input.Tree = w.build().Tree
	if _, err := Recover(t.Context(), w.input, Recovery{Attempt: 1, Text: "Hi is wrong."}); err != nil {
		t.Fatal(err)
	}
	if got := w.results(3)[0]; got.Failed || !strings.Contains(got.Text, "you may write the whole file with os-write now") {
		t.Errorf("%+v", got)
	}
}
