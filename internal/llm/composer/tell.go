package composer

import (
	"fmt"
	"strings"

	"overskill/internal/llm/composer/spec"
	"overskill/internal/llm/composer/understand"
)

// firstText tells what a new app can do, what was assumed, and what it cannot.
func firstText(t turn, s spec.Spec) string {
	var failed []string
	for _, d := range t.built() {
		if d.failed {
			failed = append(failed, strings.TrimSpace(d.call.Name+": "+oneLine(d.text, 160)))
		}
	}
	var names []string
	for _, e := range s.Entities {
		names = append(names, lower(e.LabelPlural))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s keeps %s, each with a list, a form and a page of its own, and has a dashboard. Sign up in the preview and press \"Load sample data\" to see it filled.", s.Name, and(names))
	if len(s.Assumed) > 0 {
		b.WriteString(" Assumed: " + strings.Join(s.Assumed[:min(3, len(s.Assumed))], " "))
	}
	if len(s.Cannot) > 0 {
		b.WriteString("\n\nNot possible with the Composer: " + strings.Join(s.Cannot, " "))
	}
	if len(failed) > 0 {
		b.WriteString("\n\nThis did not work: " + strings.Join(failed[:min(3, len(failed))], "; ") + ".")
	}
	return b.String()
}

// changeText tells what a change did, and which files stayed as they were.
func changeText(out understand.Outcome, left []string) string {
	text := strings.Join(out.Understood, " ")
	if len(out.Cannot) > 0 {
		text += "\n\nNot possible with the Composer: " + strings.Join(out.Cannot, " ")
	}
	if len(left) > 0 {
		text += "\n\nI left " + and(left) + " as they are: they were changed by hand, or the change was refused. The rest is done."
	}
	return strings.TrimSpace(text)
}

// refusal says that nothing was changed, and what can be asked for.
func refusal(out understand.Outcome) string {
	return strings.TrimSpace("Nothing was changed. " + strings.Join(append(out.Understood, out.Cannot...), " "))
}

func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func lower(s string) string {
	if len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' || s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToLower(string(r[0])) + string(r[1:])
}
