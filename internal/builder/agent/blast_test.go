package agent

import (
	"fmt"
	"strings"
	"testing"

	"overskill/internal/filetree"
	"overskill/internal/llm"
)

// long is a module of n lines of code, each another one.
func long(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "export const value%d = %d;\n", i, i*i)
	}
	return b.String()
}

// app is a turn on an app with these files besides the usual ones.
func (w *world) app(files map[string]string) {
	w.t.Helper()
	for p, content := range files {
		w.journal.files[p] = []byte(content)
	}
	tree, err := filetree.New(w.journal.files)
	if err != nil {
		w.t.Fatal(err)
	}
	w.input.Base, w.input.Tree = tree, tree
}

// with adds an input to a call.
func with(c llm.ToolCall, name string, value any) llm.ToolCall {
	var input in
	decodeInto(c.Input, &input)
	input[name] = value
	return call(c.Name, input)
}

var shop = map[string]string{
	"src/lib/money.ts":      "export function cents(n: number) {\n  return n / 100;\n}\nexport const currency = \"USD\";\nexport default cents;\n",
	"src/pages/Cart.tsx":    "import cents, { currency } from \"@/lib/money\";\nexport default function Cart() {\n  return <p>{cents(5)} {currency}</p>;\n}\n",
	"src/pages/Home.tsx":    "import { cents } from \"../lib/money\";\nexport default function Home() {\n  return <p>{cents(5)}</p>;\n}\n",
	"src/styles.css":        "p { color: red; }\n",
	"src/main.tsx":          "import { App } from \"./App\";\nimport \"./styles.css\";\nApp();\n",
	"src/lib/values.ts":     long(100),
	"src/lib/unused.ts":     "export const nobody = 1;\n",
	"src/lib/short.ts":      long(30),
	"docs/notes.md":         strings.Repeat("A line of notes.\n", 3) + long(60),
	"src/pages/Settings.ts": long(50),
}

// TestBlastRadius sends one reply each. fail lists the calls that must be refused; the others must be made.
func TestBlastRadius(t *testing.T) {
	lessMoney := write("src/lib/money.ts", "export function cents(n: number) {\n  return n / 100;\n}\nexport default cents;\n")
	newCart := write("src/pages/Cart.tsx", "import cents from \"@/lib/money\";\nexport default function Cart() {\n  return <p>{cents(5)}</p>;\n}\n")
	badCart := write("src/pages/Cart.tsx", "import cents from \"@/lib/money\";\nexport default function Cart() {\n  return <p>;\n}\n")
	half := write("src/lib/values.ts", long(20))
	tests := []struct {
		name  string
		calls []llm.ToolCall
		fail  map[int]string
	}{
		{"an export in use goes", []llm.ToolCall{lessMoney}, map[int]string{0: "currency: src/pages/Cart.tsx"}},
		{"its importer follows", []llm.ToolCall{lessMoney, newCart}, nil},
		{"its importer went before", []llm.ToolCall{newCart, lessMoney}, nil},
		{"its importer would follow and is broken", []llm.ToolCall{lessMoney, badCart}, map[int]string{0: "currency: src/pages/Cart.tsx", 1: "would not parse"}},
		{"its importer is deleted", []llm.ToolCall{lessMoney, call("os-delete", in{"path": "src/pages/Cart.tsx"})}, nil},
		{"an export nobody uses goes", []llm.ToolCall{write("src/lib/unused.ts", "export const somebody = 1;\n")}, nil},
		{"by an edit", []llm.ToolCall{replaceLines("src/lib/money.ts", "export const currency = \"USD\";", 4, 4, "")}, map[int]string{0: "currency: src/pages/Cart.tsx"}},
		{"an edit renames it everywhere", []llm.ToolCall{
			replaceLines("src/lib/money.ts", "export const currency = \"USD\";", 4, 4, "export const unit = \"USD\";"),
			replaceLines("src/pages/Cart.tsx", "import cents, { currency } from \"@/lib/money\";", 1, 1, "import cents, { unit as currency } from \"@/lib/money\";"),
		}, nil},
		{"of an edit and its importer the importer fails", []llm.ToolCall{
			replaceLines("src/lib/money.ts", "export const currency = \"USD\";", 4, 4, "export const unit = \"USD\";"),
			replaceLines("src/pages/Cart.tsx", "nothing like it", 1, 1, "import cents, { unit } from \"@/lib/money\";"),
			write("src/a.ts", "export {};\n"),
		}, map[int]string{0: "was not changed", 1: "None of the 2 edits of this reply was made."}},
		{"a refused call takes another down with it", []llm.ToolCall{ // Cart may not lose most of itself, so money may not lose currency
			lessMoney, write("src/pages/Cart.tsx", "export default function Cart() {\n  return <p>… rest of the code</p>;\n}\n// ... rest of the code\n"),
		}, map[int]string{0: "currency", 1: "leaves code out"}},
		{"a file in use is deleted", []llm.ToolCall{call("os-delete", in{"path": "src/lib/money.ts"})}, map[int]string{0: "src/lib/money.ts was not deleted"}},
		{"a stylesheet in use is deleted", []llm.ToolCall{call("os-delete", in{"path": "src/styles.css"})}, map[int]string{0: "the file: src/main.tsx"}},
		{"with its import", []llm.ToolCall{
			call("os-delete", in{"path": "src/styles.css"}), replaceLines("src/main.tsx", "import \"./styles.css\";", 2, 2, ""),
		}, nil},
		{"a file is renamed, its importers come later", []llm.ToolCall{call("os-rename", in{"from": "src/lib/money.ts", "to": "src/lib/cash.ts"})}, nil},

		{"most of a file vanishes", []llm.ToolCall{half}, map[int]string{0: "has 100 lines of text and would be left with 20"}},
		{"for a reason", []llm.ToolCall{with(half, "removing", "The person asked for the first twenty values only.")}, nil},
		{"for a blank reason", []llm.ToolCall{with(half, "removing", " ")}, map[int]string{0: "more than half"}},
		{"for too long a reason", []llm.ToolCall{with(half, "removing", strings.Repeat("x", 201))}, map[int]string{0: "201 characters"}},
		{"by edits, each a little", []llm.ToolCall{
			replaceLines("src/lib/values.ts", "export const value0 = 0;\n...\nexport const value29 = 841;", 1, 30, ""),
			write("src/a.ts", "export {};\n"),
			replaceLines("src/lib/values.ts", "export const value40 = 1600;\n...\nexport const value69 = 4761;", 41, 70, ""),
		}, map[int]string{0: "more than half", 2: "more than half"}},
		{"by one edit with a reason", []llm.ToolCall{
			with(replaceLines("src/lib/values.ts", "export const value0 = 0;\n...\nexport const value69 = 4761;", 1, 70, ""), "removing", "moved to src/a.ts"),
		}, nil},
		{"less than half goes", []llm.ToolCall{write("src/lib/values.ts", long(60))}, nil},
		{"of a short file", []llm.ToolCall{write("src/lib/short.ts", long(2))}, nil},
		{"it is written anew", []llm.ToolCall{write("src/lib/values.ts", strings.ReplaceAll(long(100), "value", "number"))}, nil},
		{"a long file is deleted", []llm.ToolCall{call("os-delete", in{"path": "src/pages/Settings.ts"})}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, step{calls: test.calls}, step{text: "Done."})
			w.app(shop)
			w.build()
			for i, r := range w.results(1) {
				says, mustFail := test.fail[i]
				if r.Failed != mustFail || !strings.Contains(r.Text, says) {
					t.Errorf("call %d failed=%v: %s", i, r.Failed, r.Text)
				}
				if changed := len(w.journal.changes[i]) > 0; changed == mustFail {
					t.Errorf("call %d changed files: %v", i, changed)
				}
			}
		})
	}
}

// What the turn itself has written may be made smaller, until the model is called back to mend it.
func TestShrinkingOwnWork(t *testing.T) {
	w := newWorld(t,
		step{calls: []llm.ToolCall{write("src/new.ts", long(100))}}, step{calls: []llm.ToolCall{write("src/new.ts", long(40))}}, step{text: "Done."},
		step{calls: []llm.ToolCall{write("src/new.ts", long(5))}}, step{text: "Well."})
	res := w.build()
	if got := content(t, res.Tree, "src/new.ts"); got != long(40) {
		t.Errorf("%d bytes", len(got))
	}
	w.input.Tree = res.Tree
	res, err := Recover(t.Context(), w.input, Recovery{Attempt: 1, Text: "value7 is wrong."})
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, res.Tree, "src/new.ts"); got != long(40) || !strings.Contains(w.results(4)[0].Text, "more than half") {
		t.Errorf("a feature went so that an error goes: %d bytes", len(got))
	}
}

func TestLocks(t *testing.T) {
	w := newWorld(t, step{calls: []llm.ToolCall{
		write("src/App.tsx", "export {};\n"), replaceLines("src/App.tsx", "      <p>Hello</p>", 8, 8, "x"),
		call("os-delete", in{"path": "src/App.tsx"}), call("os-rename", in{"from": "src/App.tsx", "to": "src/B.tsx"}),
		call("os-rename", in{"from": "public/logo.png", "to": "src/new.png"}),
		call("os-add-dependency", in{"name": "clsx"}), write("src/a.ts", "export {};\n"), call("os-view", in{"path": "src/App.tsx"}),
	}}, step{text: "Done."})
	w.input.Locked = []string{"src/App.tsx", "package.json", "src/new.png"}
	res := w.build()
	for i, r := range w.results(1) {
		if locked := i < 6; r.Failed != locked || locked && !strings.Contains(r.Text, "only people change it") {
			t.Errorf("call %d failed=%v: %s", i, r.Failed, r.Text)
		}
	}
	if got := content(t, res.Tree, "src/App.tsx"); got != appSource {
		t.Errorf("a locked file changed: %s", got)
	}
	if system := w.model.requests[0].System[1]; !strings.Contains(system, "Locked by people: you cannot change\nsrc/App.tsx\n") {
		t.Errorf("the model does not know: %s", system)
	}
}
