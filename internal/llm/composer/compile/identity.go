package compile

import (
	"cmp"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"overskill/internal/llm/composer/spec"
)

// identity writes what an app looks like before any page: its name, colours and icon.
func (a *app) identity() map[string]string {
	p := newPalette(a.Spec)
	return map[string]string{
		"index.html":         a.indexHTML(p),
		"public/favicon.svg": a.favicon(p),
		"src/tokens.css":     p.css(),
	}
}

// markup escapes text for HTML and SVG, and keeps placeholders from forming.
func markup(s string) string { return strings.ReplaceAll(html.EscapeString(s), "{{", "&#123;{") }

func (a *app) indexHTML(p palette) string {
	scheme := "light dark"
	if a.StartTheme() != "system" {
		scheme = a.StartTheme()
	}
	return fmt.Sprintf(`<!doctype html>
<html lang="%s">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
    <meta name="color-scheme" content="%s" />
    <meta name="theme-color" content="%s" />
    <meta name="description" content="%s" />
    <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
    <title>%s</title>
  </head>
  <body>
    <div id="root"></div>
    <script type="module" src="/src/main.tsx"></script>
  </body>
</html>
`, html.EscapeString(strings.SplitN(a.LocaleOrDefault(), "-", 2)[0]), scheme, p.canvas(), markup(a.Tagline), markup(a.Name))
}

// favicon is the app's initial on its colour: legible at 16 pixels, where a drawing is not.
func (a *app) favicon(p palette) string {
	initial := "A"
	for _, r := range a.Name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			initial = string(unicode.ToUpper(r))
			break
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="%s"/><text x="16" y="22.5" text-anchor="middle" font-family="ui-sans-serif, system-ui, sans-serif" font-size="19" font-weight="700" fill="%s">%s</text></svg>
`, p.light["primary"], p.light["primary-ink"], markup(initial))
}

var (
	localePattern   = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
)

// LocaleOrDefault is the spec's locale where it is one: Intl throws on anything else.
func (a *app) LocaleOrDefault() string {
	if localePattern.MatchString(a.Locale) {
		return a.Locale
	}
	return "en-US"
}

// CurrencyOrDefault is the spec's currency where it is one.
func (a *app) CurrencyOrDefault() string {
	if currencyPattern.MatchString(a.Currency) {
		return a.Currency
	}
	return "USD"
}

// StartTheme is what the app starts in: what was asked for, else what a dark background implies.
func (a *app) StartTheme() string {
	switch {
	case a.Theme.Mode == "light" || a.Theme.Mode == "dark":
		return a.Theme.Mode
	case a.Theme.Background == "":
		return "system"
	case parseHex(a.Theme.Background).dark():
		return "dark"
	}
	return "light"
}

// tones are the colours of badges.
var tones = []string{"neutral", "primary", "accent", "info", "success", "warning", "danger"}

// tone returns a badge's colour; what is not one is neutral.
func tone(s string) string {
	if slices.Contains(tones, s) {
		return s
	}
	return "neutral"
}

// HasMarks reports whether people vote or check in.
func (a *app) HasMarks() bool {
	return slices.ContainsFunc(a.Entities, func(e *entity) bool { return e.VoteTable != "" || e.CheckTable != "" })
}

// StatColumns is how many tiles stand side by side on wide screens.
func (a *app) StatColumns() int { return min(len(a.Stats), 4) }

// InputCols are the columns that a form writes, as a TypeScript type.
func (e *entity) InputCols() string { return quoted(e.Fields) }

func quoted(fields []*field) string {
	cols := make([]string, len(fields))
	for i, f := range fields {
		cols[i] = fmt.Sprintf("%q", f.Col)
	}
	return strings.Join(cols, " | ")
}

// SendType is what the public form sends.
func (e *entity) SendType() string {
	return fmt.Sprintf("Pick<%sRow, %s>", e.Type, quoted(e.publicFields()))
}

// PublicSort is the public view's column for the list's order.
func (e *entity) PublicSort() string {
	if f := e.field(e.Sort.Field); f != nil {
		return f.SortCol()
	}
	return "created_at"
}

// HasMoved reports whether a stock of the entity changes through movements; MovedCols names it.
func (e *entity) HasMoved() bool { return e.action(spec.Movement) != nil }

func (e *entity) MovedCols() string {
	return fmt.Sprintf("%q", e.field(e.action(spec.Movement).Field).Col)
}

// FieldProps are the attributes of the field's label.
func (f *field) FieldProps() string {
	label := f.Label
	if f.Unit != "" && f.isNumber() {
		label += " (" + f.Unit + ")"
	} else if f.Type == spec.Percent {
		label += " (%)"
	}
	s := " label=" + attr(label)
	if f.Required || f.Type == spec.Select {
		s += " " + textStart + "required" + textEnd // an attribute, not the rule of that name
	}
	if f.Hint != "" {
		s += " hint=" + attr(f.Hint)
	}
	if f.Rule() != "" {
		s += fmt.Sprintf(" error={form.error(%q)}", f.Key)
	}
	if f.Wide() {
		s += ` className="sm:col-span-2"`
	}
	return s
}

// TableComment begins a comment about the entity. A comment must not end early.
func (e *entity) TableComment() string { return comment(e.LabelPlural) }

func comment(s string) string {
	return strings.NewReplacer("*/", "* /", "\n", " ", "{{", "{ {", textStart, "", textEnd, "").Replace(s)
}

// ActionNames are what a component takes from the actions hook.
func (e *entity) ActionNames() string { return e.actionNames(true) }

func (e *entity) actionNames(selects bool) string {
	names := []string{"row"}
	if selects {
		for _, f := range e.EditableSelects() {
			names = append(names, f.Setter)
		}
	}
	for _, f := range e.Toggles() {
		names = append(names, f.Setter)
	}
	if e.VoteTable != "" {
		names = append(names, "vote")
	}
	if e.CheckTable != "" {
		names = append(names, "checkIn")
	}
	return strings.Join(names, ", ")
}

// BoardFields are shown on a card of the board.
func (e *entity) BoardFields() []*field {
	var out []*field
	for _, f := range e.ListFields() {
		if f != e.BoardField() && !f.isLong() && len(out) < 3 {
			out = append(out, f)
		}
	}
	return out
}

// AnyLabel is the filter's first choice.
func (f *field) AnyLabel() string { return f.Label + ": all" }

// ChildTitle is the heading of the rows that name another one through this ref.
func (f *field) ChildTitle() string {
	same := 0
	for _, other := range f.Target.Children {
		if other.Entity == f.Entity {
			same++
		}
	}
	if same > 1 {
		return f.Entity.LabelPlural + " (" + lowerFirst(f.Label) + ")"
	}
	return f.Entity.LabelPlural
}

// NoneYet says that a list under something is empty.
func (e *entity) NoneYet() string { return "No " + e.Plurals() + " yet." }

// LowLabel names the rows below their minimum.
func (e *entity) LowLabel() string {
	if low := e.action(spec.LowStock); low != nil {
		return cmp.Or(low.Label, "Low")
	}
	return "Low"
}

// EmptyText says what would be in a dashboard's list.
func (l *listWidget) EmptyText() string {
	if l.Due != nil {
		return l.Entity.LabelPlural + " with a " + lowerFirst(l.Due.Label) + " show up here, soonest first."
	}
	return "New " + l.Entity.Plurals() + " show up here."
}

// Component names of the dashboard's parts.
func (l *listWidget) Component() string { return pascal(l.Stem) + "Card" }

// attr writes an attribute's value.
func attr(s string) string {
	if strings.ContainsAny(s, "\"\\\n{}&<>") {
		return textStart + "{" + strings.Trim(str(s), textStart+textEnd) + "}" + textEnd
	}
	return textStart + `"` + s + `"` + textEnd
}

// pillFor writes a toggle as a pill. In a community only the owner of a row may press it.
func pillFor(pressed, iconName, label, onToggle, text string) string {
	return fmt.Sprintf("<TogglePill\n  pressed={%s}\n  icon={%s}\n  label={`%s: ${row.row_title}`}\n  onToggle={%s}\n>\n  %s\n</TogglePill>", pressed, iconName, inner(label), onToggle, text)
}

func togglePill(f ToggleField) string {
	pill := pillFor("row."+f.Col, "CheckIcon", f.Text, f.Setter, jsx(f.Text))
	if !f.Entity.app.community() {
		return pill
	}
	return "{row.mine && (\n  " + indent(2, pill) + "\n)}"
}

func votePill(e *entity) string {
	return pillFor("row.voted", "ThumbsUpIcon", e.VoteLabel(), "vote", jsx(e.VoteLabel())+"\n  <span>{row.vote_count}</span>")
}

func checkPill(e *entity) string {
	return "<div className=\"flex flex-wrap items-center gap-3 md:flex-nowrap\">\n  " +
		indent(2, pillFor("row.check_in_days.includes(today())", "CheckIcon", e.CheckInLabel(), "checkIn", jsx(e.CheckInLabel()))) +
		"\n  <WeekDots days={row.check_in_days} />\n  <span className=\"text-xs whitespace-nowrap text-muted tabular-nums\">{plural(streakOf(row.check_in_days), \"day\")} in a row</span>\n</div>"
}
