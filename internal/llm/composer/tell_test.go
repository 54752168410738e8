package composer

import (
	"encoding/json"
	"strings"
	"testing"

	"overskill/internal/llm"
	"overskill/internal/llm/composer/understand"
)

// What the person reads after a first version: what the app is, then lists, and no raw error of a tool.
func TestFirstText(t *testing.T) {
	s := understand.Prompt("Rowing club: boats with a name and a weight; members with phone; outings with a date and a boat. Send a text message to members.")
	path, err := json.Marshal(writeInput{Path: "src/App.tsx"})
	if err != nil {
		t.Fatal(err)
	}
	text := firstText(turn{done: []done{
		{call: llm.ToolCall{Name: toolWrite, Input: path}, text: "ERR_42: refused because of reasons", failed: true},
		{call: llm.ToolCall{Name: toolMigrate, Input: llm.RawInput(`{}`)}, failed: true},
	}}, s)
	for _, want := range []string{"**Rowing Club** keeps boats, members and outings.", "\n\n**Assumed**\n\n- ", "\n\n**Not possible**\n\n- Sending", "**Could not be written**\n\n- `src/App.tsx`\n- the database"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "ERR_42") {
		t.Errorf("it repeats the error of a tool:\n%s", text)
	}
}

func TestFirstTextOfNothing(t *testing.T) {
	for _, prompt := range []string{"", "hello", "What can you do?", "asdf qwer"} {
		if text := firstText(turn{}, understand.Prompt(prompt)); !strings.HasPrefix(text, "I could not tell") || strings.Contains(text, "**") {
			t.Errorf("%q: %s", prompt, text)
		}
	}
}

func TestVersionName(t *testing.T) {
	for prompt, want := range map[string]string{
		"Rowing club: boats with a name; outings with a date": "Rowing Club: boats and outings",
		"fishing log: where, what species, length in cm":      "Fishing Log: entries with location, species and length",
		"hello": "A list of ideas to start from",
	} {
		if got := versionName(understand.Prompt(prompt)); got != want {
			t.Errorf("%q: version %q, want %q", prompt, got, want)
		}
	}
	long := understand.Prompt("An app with " + strings.Repeat("extraordinarily long alphabets, magnificent betas, deltas, epsilons, ", 3))
	if n := len([]rune(versionName(long))); n > 80 {
		t.Errorf("the name has %d characters", n)
	}
}
