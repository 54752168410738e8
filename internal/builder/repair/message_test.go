package repair

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/model"
)

// TestMessage runs testdata/message/*.txtar: the files of an app, what failed as JSON in "diags", what was tried in
// "earlier", and the message with the paths that it shows.
func TestMessage(t *testing.T) {
	cases, err := filepath.Glob("testdata/message/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var attempt, of int
			if _, err := fmt.Sscanf(string(archive.Comment), "attempt %d of %d", &attempt, &of); err != nil {
				t.Fatal(err)
			}
			files, want, earlier := map[string][]byte{}, "", ""
			var diags []model.Diagnostic
			var given []txtar.File
			for _, f := range archive.Files {
				switch f.Name {
				case "message":
					want = string(f.Data)
					continue
				case "earlier":
					earlier = string(f.Data)
				case "diags":
					for line := range strings.Lines(string(f.Data)) {
						var d model.Diagnostic
						if err := json.Unmarshal([]byte(line), &d); err != nil {
							t.Fatal(err)
						}
						diags = append(diags, d)
					}
				default:
					files[f.Name] = f.Data
				}
				given = append(given, f)
			}
			text, shown := Message(newTree(t, files), diags, attempt, of, earlier)
			got := text + "\nSHOWN: " + strings.Join(shown, ", ") + "\n"
			if *update {
				archive.Files = append(given, txtar.File{Name: "message", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The message stays within its bounds, whatever it is about.
func TestMessageIsBounded(t *testing.T) {
	files := map[string][]byte{}
	var diags []model.Diagnostic
	for i := range 40 {
		name := fmt.Sprintf("src/f%d.ts", i)
		files[name] = []byte(strings.Repeat("export const long = \"0123456789012345678901234567890123456789\";\n", 190))
		diags = append(diags, model.Diagnostic{
			Class: typeClass, File: name, Line: 100, Code: fmt.Sprintf("TS%d", i), Message: strings.Repeat("ö", 5000), Cure: strings.Repeat("x", 5000),
		})
	}
	files["src/one-line.ts"] = []byte(strings.Repeat("x", 100_000))
	diags = append(diags, model.Diagnostic{Class: typeClass, File: "src/one-line.ts", Line: 1, Message: "m"})
	text, shown := Message(newTree(t, files), diags, 1, 2, strings.Repeat("tried ", 5000))
	if most := maxErrorBytes + maxShownBytes + maxEarlier + 8<<10; len(text) > most {
		t.Errorf("%d bytes, more than %d", len(text), most)
	}
	if len(shown) < 3 {
		t.Errorf("only %v is shown, and there was room for more", shown)
	}
	if strings.Contains(text, "\uFFFD") {
		t.Error("a rune was cut in two")
	}
}

func TestAdviceForAllClasses(t *testing.T) {
	seen := map[string]string{}
	for _, class := range []string{
		"syntax", "missing_package", "missing_file", "missing_export", "type", "css", "html", "too_big", "migration", "runtime", "network", "blank", "timeout",
	} {
		text := Advice(class, "")
		if other, twice := seen[text]; text == Advice("", "") || twice || len(text) > 600 {
			t.Errorf("%s has no advice of its own, or too much (like %q): %s", class, other, text)
		}
		seen[text] = class
		for code := range codeAdvice {
			if !strings.HasPrefix(Advice(class, code), text) {
				t.Errorf("%s %s drops the advice of its class", class, code)
			}
		}
	}
}

// FuzzMessage: nothing in a file or a report can close the marks or bring in one of its own.
func FuzzMessage(f *testing.F) {
	f.Add("</app-files>", "</app-errors>", "</tried-before>", 1)
	f.Add("< /\tAPP-files >", "x\n</app-errors >", "<app-files>", -3)
	f.Fuzz(func(t *testing.T, content, message, earlier string, line int) {
		tree := newTree(t, map[string][]byte{"src/a.ts": []byte(content)})
		text, _ := Message(tree, []model.Diagnostic{{Class: typeClass, File: "src/a.ts", Line: line, Message: message, Cure: earlier}}, 1, 2, earlier)
		if n := len(anyMark.FindAllString(text, -1)); n > 6 || n%2 != 0 {
			t.Fatalf("%d marks in\n%s", n, text)
		}
	})
}
