package agent

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/llm"
)

// TestTools runs one call each. ok says whether the call succeeds; says must be in its result; path and want are
// a file and its content afterwards ("" when it must not exist), checked when path is given.
func TestTools(t *testing.T) {
	long := strings.Repeat("x", filetree.MaxFileSize+1)
	tests := []struct {
		name       string
		call       llm.ToolCall
		ok         bool
		says       string
		path, want string
	}{
		{"write new", write("src/a.ts", "export const a = 1;\n"), true, "Created src/a.ts, 1 lines.", "src/a.ts", "export const a = 1;\n"},
		{"write over", write("src/main.tsx", "import \"./App\";\n"), true, "Replaced src/main.tsx, 2 lines before, 1 now.", "src/main.tsx", "import \"./App\";\n"},
		{"write fills", write("src/a.ts", "export const id = \"{{APP_ID}}\";\n"), true, "", "src/a.ts", "export const id = \"7\";\n"},
		{"write the same", write("src/App.tsx", appSource), true, "nothing was changed", "src/App.tsx", appSource},
		{"write broken", write("src/a.tsx", "export const a = <p>;\n"), false, "would not parse", "src/a.tsx", ""},
		{"write omission", write("src/App.tsx", "// ... rest of code\nexport {};\n"), false, "leaves code out", "src/App.tsx", appSource},
		{"write blank", write("src/a.ts", " \n"), false, "os-delete", "src/a.ts", ""},
		{"write NUL", write("src/a.txt", "a\x00b"), false, "NUL", "src/a.txt", ""},
		{"write too large", write("src/a.txt", long), false, "a file may have", "src/a.txt", ""},
		{"write outside", write("../a.ts", "a"), false, "not a usable path", "", ""},
		{"write absolute", write("/etc/passwd", "a"), false, "not a usable path", "", ""},
		{"write git", write(".git/config", "a"), false, "not part of the source", "", ""},
		{"write lock", write(lockFile, "{\"a\":1}"), false, "os-add-dependency", lockFile, "{}"},
		{"write onto folder", write("src", "a"), false, "is a folder", "src", ""},
		{"write into file", write("src/App.tsx/a.ts", "a"), false, "is a file", "", ""},
		{"write other case", write("src/app.tsx", "export {};\n"), false, "src/App.tsx, which differs only", "src/app.tsx", ""},
		{"write dependencies", write("package.json", `{"dependencies":{"react":"18.0.0"}}`), false, "os-add-dependency", "", ""},
		{"write package.json", write("package.json", `{"name":"a","dependencies":{"react":"19.0.0"}}`), true, "Replaced", "", ""},
		{"write tsconfig with comments", write("tsconfig.json", "{\n  // strict\n  \"a\": 1,\n}\n"), true, "Created", "", ""},
		{"write old migration", write("supabase/migrations/20260101000000_init.sql", "select 1;"), false, "has run already", "", ""},
		{"write new migration", write("supabase/migrations/20270101000000_a.sql", "select 1;"), false, "os-migrate", "", ""},

		{"replace", replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "      <p>Hi {{APP_ID}}</p>"), true, "Replaced line 8", "src/App.tsx", strings.Replace(appSource, "Hello", "Hi 7", 1)},
		{"replace nowhere", replaceLines("src/App.tsx", "      <p>Bye</p>", 8, 8, "x"), false, "8|       <p>Hello</p>", "src/App.tsx", appSource},
		{"replace in no file", replaceLines("src/Ap.tsx", "a", 1, 1, "b"), false, "There is no file src/Ap.tsx", "", ""},
		{"replace in picture", replaceLines("public/logo.png", "a", 1, 1, "b"), false, "not text", "", ""},
		{"replace in lock", replaceLines(lockFile, "{}", 1, 1, "{ }"), false, "os-add-dependency", lockFile, "{}"},
		{"replace in old migration", replaceLines("supabase/migrations/20260101000000_init.sql", "create table app_7_todos ();", 1, 1, "select 1;"), false, "has run already", "", ""},
		{"replace dependencies", replaceLines("package.json", `{"dependencies":{"react":"19.0.0"}}`, 1, 1, `{"dependencies":{}}`), false, "os-remove-dependency", "", ""},
		{"replace with a word for a number", call("os-line-replace", `{"path":"a","search":"a","first_line":"one","last_line":1,"replace":""}`), false, "first_line must be a whole number, not a string.", "", ""},

		{"view", call("os-view", in{"path": "src/main.tsx"}), true, "1| import { App } from \"./App\";\n2| App();", "", ""},
		{"view range", call("os-view", in{"path": "src/App.tsx", "first_line": 8, "last_line": 8}), true, "8|       <p>Hello</p>", "", ""},
		{"view past the end", call("os-view", in{"path": "src/App.tsx", "first_line": 100}), false, "has 11 lines", "", ""},
		{"view folder", call("os-view", in{"path": "src"}), true, "src/App.tsx\nsrc/main.tsx", "", ""},
		{"view nothing", call("os-view", in{"path": "src/pages/app.jsx"}), false, "Did you mean src/App.tsx?", "", ""},
		{"view picture", call("os-view", in{"path": "public/logo.png"}), false, "not text", "", ""},
		{"search", call("os-search-files", in{"pattern": "usestate\\("}), true, "> 4|   const [n, setN]", "", ""},
		{"search with one glob", call("os-search-files", in{"pattern": "App", "include": "index.html"}), true, "No line of the 1 files", "", ""},
		{"search badly", call("os-search-files", in{"pattern": "("}), false, "not a regular expression", "", ""},

		{"delete", call("os-delete", in{"path": "public/logo.png"}), true, "Deleted", "public/logo.png", ""},
		{"delete what is in use", call("os-delete", in{"path": "src/App.tsx"}), false, "other files import it.\nApp: src/main.tsx", "src/App.tsx", appSource},
		{"delete nothing", call("os-delete", in{"path": "src/x.tsx"}), false, "There is no file", "", ""},
		{"delete essential", call("os-delete", in{"path": "index.html"}), false, "does not start without", "index.html", "<div id=root></div>\n"},
		{"delete old migration", call("os-delete", in{"path": "supabase/migrations/20260101000000_init.sql"}), false, "has run already", "", ""},
		{"rename", call("os-rename", in{"from": "src/App.tsx", "to": "src/Root.tsx"}), true, "import it by its old path; change them: src/main.tsx.", "src/Root.tsx", appSource},
		{"rename case", call("os-rename", in{"from": "src/App.tsx", "to": "src/app.tsx"}), true, "Renamed", "src/app.tsx", appSource},
		{"rename over", call("os-rename", in{"from": "src/App.tsx", "to": "src/main.tsx"}), false, "already", "src/App.tsx", appSource},
		{"rename out", call("os-rename", in{"from": "src/App.tsx", "to": "../App.tsx"}), false, "not a usable path", "src/App.tsx", appSource},

		{"add package", call("os-add-dependency", in{"name": "date-fns"}), true, "Added date-fns 1.2.3.", "package.json", `{"dependencies":{"date-fns":"1.2.3"}}`},
		{"add nothing", call("os-add-dependency", in{"name": "no-such-package"}), false, "There is no package no-such-package.", "", ""},
		{"add bad name", call("os-add-dependency", in{"name": "../evil"}), false, "not the name of an npm package", "", ""},
		{"remove used", call("os-remove-dependency", in{"name": "react"}), false, "src/App.tsx line 1", "", ""},
		{"remove", call("os-remove-dependency", in{"name": "unused"}), true, "Removed unused.", "", ""},

		{"migrate", call("os-migrate", in{"name": "Add Due-Date!", "sql": "alter table app_{{APP_ID}}_todos add due date;"}), true, "supabase/migrations/20261123120000_add_due_date.sql", "supabase/migrations/20261123120000_add_due_date.sql", "alter table app_7_todos add due date;\n"},
		{"migrate nothing", call("os-migrate", in{"name": "a", "sql": ""}), false, "sql is empty", "", ""},
		{"migrate without name", call("os-migrate", in{"name": "!", "sql": "select 1"}), false, "name is missing", "", ""},

		{"unknown tool", call("os-deploy", in{}), false, "There is no tool \"os-deploy\". There are: os-plan,", "", ""},
		{"plan while building", goodPlan(), false, "The plan stands", "", ""},
		{"unknown input", call("os-view", in{"file": "a"}), false, "There is no input \"file\". There are: path, first_line, last_line.", "", ""},
		{"no object", call("os-view", `[1]`), false, "not the JSON object", "", ""},
		{"cut input", call("os-view", `{"path": "src/`), false, "not the JSON object", "", ""},
		{"two objects", call("os-view", `{"path":"index.html"} {}`), false, "more than one", "", ""},
		{"not UTF-8", call("os-write", "{\"path\":\"a.txt\",\"content\":\"\xff\"}"), false, "not valid UTF-8", "a.txt", ""},
		{"no input", call("os-view", ""), false, "not the JSON object", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, step{calls: []llm.ToolCall{test.call}}, step{text: "Done."})
			res := w.build()
			got := w.results(1)[0]
			if got.Failed == test.ok || !strings.Contains(got.Text, test.says) {
				t.Errorf("failed=%v: %s", got.Failed, got.Text)
			}
			if rec := w.journal.calls[0]; rec.OK != test.ok || rec.Name != test.call.Name || rec.Seq != 2 {
				t.Errorf("recorded %+v", rec)
			}
			if !test.ok && len(w.journal.changes[0]) > 0 {
				t.Errorf("a failed call changed files: %v", w.journal.changes[0])
			}
			if test.path != "" {
				if got, _ := res.Tree.Get(test.path); string(got) != test.want {
					t.Errorf("%s is %q", test.path, got)
				}
			}
		})
	}
}

func TestMigrationsAreTriedAndOrdered(t *testing.T) {
	sql := func(name, text string) llm.ToolCall { return call("os-migrate", in{"name": name, "sql": text}) }
	w := newWorld(t,
		step{calls: []llm.ToolCall{sql("one", "select 1;"), sql("one", "select 2;"), sql("bad", "drop everything;"), sql("odd", "crash;")}},
		step{calls: []llm.ToolCall{
			replaceLines("supabase/migrations/20270101000001_one.sql", "select 1;", 1, 1, "drop everything;"),
			replaceLines("supabase/migrations/20270101000001_one.sql", "select 1;", 1, 1, "select 3;"),
		}},
		step{calls: []llm.ToolCall{replaceLines("supabase/migrations/20270101000001_one.sql", "select 1;", 1, 1, "select 3;")}},
		step{text: "Done."})
	w.input.MigrationNames = []string{"20270101000000_from_elsewhere"}
	var tried []string
	w.input.CheckMigration = func(_ context.Context, name, sql string) error {
		tried = append(tried, name+": "+strings.TrimSpace(sql))
		switch {
		case strings.HasPrefix(sql, "drop"):
			return fault.New(fault.Invalid, "Line 1: everything does not exist.")
		case strings.HasPrefix(sql, "crash"):
			return errors.New("secret connection string")
		}
		return nil
	}
	res := w.build()
	want := []string{
		"20270101000001_one: select 1;", "20270101000002_one: select 2;", "20270101000003_bad: drop everything;", "20270101000003_odd: crash;",
		"20270101000001_one: drop everything;", "20270101000001_one: select 3;",
	}
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := content(t, res.Tree, "supabase/migrations/20270101000001_one.sql"); got != "select 3;\n" {
		t.Errorf("a migration of this turn can be corrected: %q", got)
	}
	answers := w.results(1)
	if !strings.Contains(answers[2].Text, "Line 1: everything does not exist.") || !answers[2].Failed {
		t.Errorf("the model is not told why: %s", answers[2].Text)
	}
	if strings.Contains(answers[3].Text, "secret") {
		t.Errorf("an internal error reached the model: %s", answers[3].Text)
	}
}

// Line-replaces of one reply use the numbers of the file as it was before the reply, whatever stands between them,
// until another call writes the file.
func TestEditsOfOneReply(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{
			replaceLines("src/App.tsx", "import { useState } from \"react\";", 1, 1, "import { useState } from \"react\";\nimport \"./a\";\nimport \"./b\";"),
			call("os-view", in{"path": "index.html"}),
			replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "      <p>Hi</p>"),
			replaceLines("src/App.tsx", "nothing like it", 3, 3, "x"),
			write("src/main.tsx", "export const a = 1;\n"),
			replaceLines("src/main.tsx", "export const a = 1;", 1, 1, "export const a = 2;"),
		}},
		step{text: "Done."})
	res := w.build()
	want := strings.Replace(strings.Replace(appSource, "Hello", "Hi", 1), "\n", "\nimport \"./a\";\nimport \"./b\";\n", 1)
	if diff := cmp.Diff(want, content(t, res.Tree, "src/App.tsx")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := content(t, res.Tree, "src/main.tsx"); got != "export const a = 2;\n" {
		t.Errorf("an edit after a write means the file as written: %q", got)
	}
	answers := w.results(1)
	if answers[0].Failed || answers[2].Failed || !answers[3].Failed {
		t.Errorf("%+v", answers)
	}
	if !strings.Contains(answers[3].Text, "The others were made (3 of the 4 edits of this reply): do not send them again.") {
		t.Errorf("%s", answers[3].Text)
	}
	if rec := w.journal.calls[2]; rec.Added != 1 || rec.Removed != 1 || !strings.Contains(rec.Detail, "-      <p>Hello</p>\n+      <p>Hi</p>") {
		t.Errorf("each call's diff is its own: %+v", rec)
	}
}

func TestChanges(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{
			call("os-rename", in{"from": "src/App.tsx", "to": "src/Root.tsx"}),
			write("src/new.ts", "export {};\n"),
			write("src/new.ts", "export const n = 1;\n"),
			call("os-delete", in{"path": "src/new.ts"}),
			call("os-add-dependency", in{"name": "clsx"}),
			call("os-view", in{"path": "index.html"}),
		}},
		step{text: "Done."})
	w.build()
	type short struct {
		Path, From string
		Action     filetree.Action
		Deleted    bool
	}
	var got [][]short
	for _, list := range w.journal.changes {
		var s []short
		for _, c := range list {
			s = append(s, short{c.Path, c.From, c.Action, c.Deleted})
		}
		got = append(got, s)
	}
	want := [][]short{
		{{"src/App.tsx", "", filetree.Delete, true}, {"src/Root.tsx", "src/App.tsx", filetree.Rename, false}},
		{{"src/new.ts", "", filetree.Create, false}},
		{{"src/new.ts", "", filetree.Create, false}},
		{{"src/new.ts", "", filetree.Delete, true}},
		{{lockFile, "", filetree.Update, false}, {"package.json", "", filetree.Update, false}},
		nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if d := w.journal.calls[0]; d.Added != 0 || d.Removed != 0 {
		t.Errorf("a rename adds and removes no lines: %+v", d)
	}
	if d := w.journal.calls[4].Detail; strings.Contains(d, lockFile) || !strings.Contains(d, "clsx") {
		t.Errorf("detail of a package: %s", d)
	}
}

func TestDetailIsBounded(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.txt", strings.Repeat("a line of text\n", 5000))}}, step{text: "Done."})
	w.build()
	rec := w.journal.calls[0]
	if rec.Added != 5000 || len(rec.Detail) > maxDetail+40 || !strings.HasSuffix(rec.Detail, " more lines\n") {
		t.Errorf("%d lines, %d bytes", rec.Added, len(rec.Detail))
	}
	if rec.Millis < 1 || rec.StartedAt.IsZero() {
		t.Errorf("no time: %+v", rec)
	}
}

// A long file that is written again to change a line costs too much, and the model is told.
func TestThrift(t *testing.T) {
	var b strings.Builder
	for range 100 {
		b.WriteString("export {};\n")
	}
	changed := strings.Replace(b.String(), "export {};", "export const a = 1;", 1)
	w := newWorld(t, step{calls: []llm.ToolCall{write("src/a.ts", b.String()), write("src/a.ts", changed)}}, step{text: "Done."})
	w.build()
	if text := w.results(1)[1].Text; !strings.Contains(text, "Only 1 lines differ") {
		t.Error(text)
	}
}

// FuzzDecode feeds every tool arbitrary input: it must answer, keep the tree valid, and never panic.
func FuzzDecode(f *testing.F) {
	f.Add("os-write", `{"path":"a","content":"b"}`)
	f.Add("os-line-replace", `{"path":"src/App.tsx","edits":[{"first_line":4,"search":"","below":"x"},{"first_line":8,"search":"      <p>Hello</p>","replace":""},7]}`)
	f.Add("os-line-replace", `{"path":"src/App.tsx","search":"a","first_line":-1,"last_line":99999999,"replace":"\u0000"}`)
	f.Add("os-search-files", `{"pattern":"a","include":["[",1]}`)
	f.Add("os-rename", `{"from":"src/App.tsx","to":"src/App.tsx/x"}`)
	f.Fuzz(func(t *testing.T, name, input string) {
		tree, err := filetree.New(baseFiles())
		if err != nil {
			t.Fatal(err)
		}
		m := &script{steps: []step{{calls: []llm.ToolCall{call(name, input)}}, {text: "Done."}}}
		journal := &memory{files: baseFiles()}
		res, err := Build(context.Background(), Input{Model: m, Base: tree, Tree: tree, Journal: journal, Packages: packages{}}, Plan{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.Tree.Paths() {
			if filetree.ValidatePath(p) != nil {
				t.Fatalf("bad path %q", p)
			}
		}
		if !filetree.IsText([]byte(journal.calls[0].Result)) {
			t.Fatalf("the result cannot be stored: %q", journal.calls[0].Result)
		}
	})
}

// FuzzDecisions reads plans and questions: what is accepted is within its bounds.
func FuzzDecisions(f *testing.F) {
	f.Add(`{"app_name":"A","version_name":"B","understood":["c"],"assumed":[],"cannot":[],"changes":[]}`)
	f.Add(`{"question":"Which one?","choices":["a","b"]}`)
	f.Add(`{"question":"Which one?","choices":"a"}`)
	f.Fuzz(func(t *testing.T, input string) {
		if p, out := readPlan([]byte(input)); !out.failed && (p.AppName == "" || p.VersionName == "" || len(p.Changes) > maxPoints || p.Question != nil) {
			t.Errorf("%+v", p)
		}
		if p, out := readQuestion([]byte(input)); !out.failed && (p.Question.Text == "" || len(p.Question.Choices) < minChoices || len(p.Question.Choices) > maxChoices) {
			t.Errorf("%+v", p.Question)
		}
	})
}

// FuzzGlimpse shows a file and reads what was shown: it is the file.
func FuzzGlimpse(f *testing.F) {
	f.Add("a\n  b\n\n12| c\r\n", "x")
	f.Fuzz(func(t *testing.T, text, other string) {
		if !filetree.IsText([]byte(text)) || text == "" {
			return
		}
		s := &session{window: newWindow(llm.Limits{Context: 1 << 40, MaxOutput: 1})}
		out := s.showLines("a.txt", []byte(text), 0, 0)
		g := glimpseOf(out.text, true)
		if !g.holds([]byte(text)) {
			t.Errorf("%q was shown as %q and read as %q", text, out.text, g.whole)
		}
		if g.whole != nil && g.holds([]byte(other)) && strings.Join(textLines([]byte(other)), "\n") != strings.Join(textLines([]byte(text)), "\n") {
			t.Errorf("%q passes for %q", other, text)
		}
	})
}
