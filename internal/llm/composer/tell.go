package composer

import (
	"encoding/json"
	"strings"

	"overskill/internal/llm/composer/spec"
	"overskill/internal/llm/composer/understand"
)

// What the person reads is Markdown: one or two plain sentences, then short lists where there is something to list.

// firstText tells what a new app can do, what was assumed, what it cannot do, and which files were refused.
func firstText(t turn, s spec.Spec) string {
	var b strings.Builder
	b.WriteString(opening(s))
	assumed := s.Assumed
	if understand.Vague(s) {
		assumed = nil
	}
	section(&b, "Assumed", assumed, 6)
	section(&b, "Not possible", s.Cannot, 6)
	section(&b, "Could not be written", refused(t.built()), 6)
	return b.String()
}

// opening says in a sentence what the app is.
func opening(s spec.Spec) string {
	if understand.Vague(s) {
		return "I could not tell from this what the app should keep, so it starts as a list of ideas. " +
			"Tell me what you want to keep track of and I start over, for example: *boats with a name and a weight, outings with a date, a boat and a distance in km*."
	}
	var names []string
	for _, e := range s.Entities {
		names = append(names, lower(e.LabelPlural))
	}
	how := "They have a list, a form, a page for each one and a dashboard."
	if len(names) > 1 {
		how = "Each has a list, a form and pages of its own, and a dashboard sums them up."
	}
	return "**" + s.Name + "** keeps " + and(names) + ". " + how + " Sign up in the preview and press \"Load sample data\" to see it filled."
}

// section adds a titled list of at most max lines, or nothing when there are none.
func section(b *strings.Builder, title string, list []string, max int) {
	if len(list) == 0 {
		return
	}
	b.WriteString("\n\n**" + title + "**\n")
	for _, l := range list[:min(len(list), max)] {
		b.WriteString("\n- " + oneLine(l, 300))
	}
}

// refused lists what the failed calls were about, each once: files by path, a migration as the database. What a later
// call mended is left out.
func refused(built []done) []string {
	state := map[string]bool{}
	var order []string
	for _, d := range built {
		what := subject(d)
		if what == "" {
			continue
		}
		if _, seen := state[what]; !seen {
			order = append(order, what)
		}
		state[what] = d.failed
	}
	var out []string
	for _, w := range order {
		if state[w] {
			out = append(out, w)
		}
	}
	return out
}

// subject is what a call was to change, or "" for a call that changes nothing.
func subject(d done) string {
	if d.call.Name == toolMigrate {
		return "the database"
	}
	var in writeInput
	if d.call.Name == toolView || json.Unmarshal(d.call.Input, &in) != nil || in.Path == "" {
		return ""
	}
	return "`" + in.Path + "`"
}

// changeText tells what a change did, and which files stayed as they were.
func changeText(out understand.Outcome, left []string) string {
	var b strings.Builder
	b.WriteString(strings.Join(out.Understood, " "))
	section(&b, "Not possible", out.Cannot, 6)
	if len(left) > 0 {
		for i, l := range left {
			if strings.Contains(l, "/") || strings.Contains(l, ".") {
				left[i] = "`" + l + "`"
			}
		}
		section(&b, "Left as it was", left, 8)
		b.WriteString("\n\nThese were changed by hand, or the change was refused. The rest is done.")
	}
	return strings.TrimSpace(b.String())
}

// refusal says that nothing was changed, and what can be asked for.
func refusal(out understand.Outcome) string {
	parts := []string{strings.TrimSpace("Nothing was changed. " + strings.Join(out.Understood, " "))}
	for _, c := range out.Cannot {
		if c == understand.CanDo {
			parts = append(parts, c)
			continue
		}
		parts[0] += " " + c
	}
	return strings.Join(parts, "\n\n")
}

// versionName names the first version by what it holds: "Rowing Club: boats, members and outings".
func versionName(s spec.Spec) string {
	if understand.Vague(s) {
		return "A list of ideas to start from"
	}
	var names []string
	for _, e := range s.Entities {
		names = append(names, lower(e.LabelPlural))
	}
	if len(names) == 1 {
		e := s.Entities[0]
		var fields []string
		for _, f := range e.Fields {
			if f.Name != e.Title && len(fields) < 3 {
				fields = append(fields, lower(f.Label))
			}
		}
		if len(fields) > 0 {
			names[0] += " with " + and(fields)
		}
	}
	long := s.Name + ": " + and(names)
	if strings.EqualFold(s.Name, s.Entities[0].LabelPlural) && len(names) == 1 {
		long = names[0]
	}
	for len([]rune(long)) > 80 && len(names) > 1 {
		names = names[:len(names)-1]
		long = s.Name + ": " + strings.Join(names, ", ") + " and more"
	}
	return oneLine(upper(long), 80)
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

func upper(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToUpper(string(r[0])) + string(r[1:])
}
