package repair

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"overskill/internal/model"
	"overskill/internal/testing/golden"
)

// TestMessage runs testdata/message/*.txtar: the files of an app, what failed as JSON in "diags", what was tried in
// "earlier", and the message with the paths that it shows.
func TestMessage(t *testing.T) {
	isResult := func(name string) bool { return name == "message" }
	golden.Cases(t, "testdata/message/*.txtar", *update, isResult, func(t *testing.T, given *txtar.Archive) []txtar.File {
		var attempt, of int
		if _, err := fmt.Sscanf(string(given.Comment), "attempt %d of %d", &attempt, &of); err != nil {
			t.Fatal(err)
		}
		files, earlier := map[string][]byte{}, ""
		var diags []model.Diagnostic
		for _, f := range given.Files {
			switch f.Name {
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
		}
		text, shown := Message(newTree(t, files), diags, attempt, of, earlier)
		return []txtar.File{{Name: "message", Data: []byte(text + "\nSHOWN: " + strings.Join(shown, ", ") + "\n")}}
	})
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
