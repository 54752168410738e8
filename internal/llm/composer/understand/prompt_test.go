package understand

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"overskill/internal/llm/composer/spec"
)

// promptCase is one paragraph of testdata/prompts.txt.
type promptCase struct {
	prompt string
	wants  []string
}

func readCases(t testing.TB, path string) []promptCase {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []promptCase
	for _, part := range strings.Split("\n"+string(b), "\n> ")[1:] {
		prompt, rest, _ := strings.Cut(part, "\n")
		for strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "|") { // a prompt with bullets or a table
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			prompt += "\n" + line
		}
		c := promptCase{prompt: prompt}
		for line := range strings.Lines(rest) {
			line = strings.TrimSpace(line)
			switch {
			case line == "" || line[0] == '#':
			case strings.Contains(strings.Fields(line)[0], ":"):
				c.wants = append(c.wants, strings.Fields(line)...)
			default:
				c.wants = append(c.wants, line)
			}
		}
		out = append(out, c)
	}
	return out
}

func TestPromptUnderstands(t *testing.T) {
	cases := readCases(t, "testdata/prompts.txt")
	if len(cases) < 30 {
		t.Fatalf("testdata holds %d prompts, want 30 or more", len(cases))
	}
	models := map[string]string{}
	for _, c := range cases {
		t.Run(clip(c.prompt, 40), func(t *testing.T) {
			s := Prompt(c.prompt)
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.wants {
				if problem := missing(&s, w); problem != "" {
					t.Errorf("%s: %s\n%s", w, problem, sketch(s))
				}
			}
			model := sketch(s)
			if other, same := models[model]; same {
				t.Errorf("same data as for %q:\n%s", other, model)
			}
			models[model] = c.prompt
		})
	}
}

// missing says how a spec falls short of one expectation, or "".
func missing(s *spec.Spec, want string) string {
	word, arg, _ := strings.Cut(want, " ")
	got := ""
	switch word {
	case "tenancy":
		got = string(s.Tenancy)
	case "name":
		got = s.Name
	case "primary":
		got = s.Theme.Primary
	case "background":
		got = s.Theme.Background
	case "mode":
		got = s.Theme.Mode
	case "entities": // exactly these, in any order
		names := make([]string, 0, len(s.Entities))
		for _, e := range s.Entities {
			names = append(names, e.Name)
		}
		want := strings.Fields(arg)
		slices.Sort(names)
		slices.Sort(want)
		if slices.Equal(names, want) {
			return ""
		}
		return fmt.Sprintf("got %q", names)
	case "possible":
		if len(s.Cannot) == 0 {
			return ""
		}
		return fmt.Sprintf("cannot says %q", s.Cannot)
	case "cannot":
		if strings.Contains(strings.ToLower(strings.Join(s.Cannot, " ")), arg) {
			return ""
		}
		return fmt.Sprintf("cannot says %q", s.Cannot)
	case "action":
		entity, kind, _ := strings.Cut(arg, ".")
		if e, ok := s.Entity(entity); ok {
			for _, a := range e.Actions {
				if string(a.Kind) == kind {
					return ""
				}
			}
		}
		return "no such action"
	case "widget":
		for _, w := range s.Dashboard {
			if arg == strings.TrimSuffix(string(w.Kind)+" "+w.Entity+"."+w.Field, ".") {
				return ""
			}
		}
		return "no such widget"
	default:
		return missingField(s, want)
	}
	if got != arg {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}

func missingField(s *spec.Spec, want string) string {
	path, typ, _ := strings.Cut(want, ":")
	entity, name, _ := strings.Cut(path, ".")
	e, ok := s.Entity(entity)
	if !ok {
		return "no such entity"
	}
	f, ok := e.Field(name)
	if !ok {
		return "no such field"
	}
	typ, arg, _ := strings.Cut(strings.TrimSuffix(typ, ")"), "(")
	if string(f.Type) != typ {
		return fmt.Sprintf("type %s", f.Type)
	}
	switch {
	case arg != "" && typ == "ref" && f.Ref != arg:
		return "refers to " + f.Ref
	case arg != "" && typ == "select":
		var values []string
		for _, o := range f.Options {
			values = append(values, o.Value)
		}
		if got := strings.Join(values, "|"); got != arg {
			return "options " + got
		}
	}
	return ""
}

// sketch writes the data of a spec in a few lines.
func sketch(s spec.Spec) string {
	var b strings.Builder
	for _, e := range s.Entities {
		fmt.Fprintf(&b, "%s:", e.Name)
		for _, f := range e.Fields {
			fmt.Fprintf(&b, " %s:%s%s", f.Name, f.Type, f.Ref)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestPromptTakesAnything(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "blank": " \n\t ", "punctuation": "((((;;;:::,,,\"\"'/ / /", "zero bytes": "todo\x00app\x00", "not utf-8": "caf\xe9 app \xff with \xfe",
		"chinese": "我想要一个待办事项应用", "arabic": "أريد تطبيقا لإدارة المهام", "russian": "Сделай мне приложение для учета расходов", "emoji": "🎉🎉 app for 🐶 with 🦴",
		"html": "<b>todo</b> app with <script>alert('x')</script> title & <img src=x onerror=alert(1)>", "sql": "'; DROP TABLE users; -- select * from notes where 1=1",
		"long": strings.Repeat("clients with name, email and phone; ", 4000), "one word": strings.Repeat("a", 100_000), "many fields": "thing with " + manyWords(200),
		"many things": "an app with " + strings.Repeat("alphas, betas, gammas, deltas, epsilons, zetas, etas, thetas, iotas, kappas, lambdas, mus, nus, xis, ", 3),
		"reserved":    "track orders with id, user_id, created at, updated at, workspace_id, id", "digits": "123 456 789", "templates": "{{APP_NAME}} with ${x} and %s",
		"circle": "people with a company; companies with a person", "self": "employees with a name and an employee",
	} {
		t.Run(name, func(t *testing.T) {
			s := Prompt(text)
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			if s.Name == "" || s.Tagline == "" || len(s.Dashboard) == 0 {
				t.Errorf("name %q, tagline %q, %d widgets", s.Name, s.Tagline, len(s.Dashboard))
			}
		})
	}
}

func manyWords(n int) string {
	var w []string
	for i := range n {
		w = append(w, fmt.Sprintf("field%d", i))
	}
	return strings.Join(w, ", ")
}

// Every archetype must stand on its own: the words that it matches give a valid app with its main entity.
func TestArchetypes(t *testing.T) {
	for _, a := range archetypes() {
		t.Run(a.key, func(t *testing.T) {
			if len(a.match) == 0 || a.line == "" || a.title == "" {
				t.Fatal("an archetype needs match, line and a title")
			}
			s := Prompt("an app: " + a.match[0])
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, e := range a.entities {
				for _, f := range e.fields {
					if f.Type == spec.Select && len(f.Options) == 0 {
						t.Errorf("%s.%s has no options", e.name, f.Name)
					}
				}
			}
		})
	}
}

func TestLexiconIsKnown(t *testing.T) {
	rules := set("type unit options choice class nouns icon tone done same cannot")
	for line := range strings.Lines(lexiconText) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		head, rest, ok := strings.Cut(line, ":")
		rule, _, _ := strings.Cut(head, " ")
		if !ok || !rules[rule] || strings.TrimSpace(rest) == "" {
			t.Errorf("lexicon line %q is no rule", line)
		}
	}
}

func BenchmarkPrompt(b *testing.B) {
	cases := readCases(b, "testdata/prompts.txt")
	Prompt("") // reads the vocabulary
	for i := 0; b.Loop(); i++ {
		Prompt(cases[i%len(cases)].prompt)
	}
}

func FuzzPrompt(f *testing.F) {
	for _, c := range readCases(f, "testdata/prompts.txt") {
		f.Add(c.prompt)
	}
	f.Add("a (b (c, d), e/f/g) with ; : . \"x")
	f.Fuzz(func(t *testing.T, text string) {
		s := prompt(text)
		if err := s.Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzFollowUp(f *testing.F) {
	base := Prompt("A CRM: clients with name, email, phone; deals with a value, a stage (lead, won, lost) and a client")
	for _, s := range []string{"Add a due date to deals", "rename deals to jobs", "remove client", "sort by value", "make it blue", "Add a page called Projects", "change the title to X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		next, out := FollowUp(base, text)
		if err := next.Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if !out.Changed && string(next.Encode()) != string(base.Encode()) {
			t.Errorf("%q changed the spec and says it did not", text)
		}
		if out.Changed && (len(out.Understood) == 0 || out.VersionName == "") || !out.Changed && len(out.Cannot) == 0 {
			t.Errorf("%q: %+v", text, out)
		}
	})
}
