package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// TS is the type of the column's values.
func (f *field) TS() string {
	t := "string"
	switch {
	case f.Type == spec.Boolean:
		t = "boolean"
	case f.Type == spec.Select:
		t = f.TypeName
	case f.isNumber():
		t = "number"
	}
	if !f.notNull() {
		t += " | null"
	}
	return t
}

// Wide reports whether the input takes the form's whole width.
func (f *field) Wide() bool { return f.isLong() || f == f.Entity.TitleField }

// FormFields are the inputs of the dialog: pairs of short ones stand side by side.
func (e *entity) FormFields() []*field { return e.Fields }

// Moved, Ref, Bool, Long, Img tell templates what they are looking at.
func (f *field) Moved() bool { return f.moved() }
func (f *field) Ref() bool   { return f.Target != nil }
func (f *field) Bool() bool  { return f.Type == spec.Boolean }
func (f *field) Long() bool  { return f.isLong() }
func (f *field) Img() bool   { return f.Type == spec.Image }
func (f *field) Lines() bool { return f.Type == spec.Lines }

// Ordered reports whether the lines are steps.
func (f *field) Ordered() bool {
	return strings.Contains(f.Name, "step") || strings.Contains(f.Name, "instruction") || strings.Contains(f.Name, "direction")
}

// NotNull reports whether the column always has a value.
func (f *field) NotNull() bool { return f.notNull() }

// Initial is the form's text for the field: of the row, or of a new one. known is the row or what is known of it.
func (f *field) Initial(known string) string {
	v := known + "." + f.Col
	if known != "" {
		v = known + "?." + f.Col
	}
	def := str(f.Default)
	switch {
	case f.Type == spec.Boolean:
		return fmt.Sprintf(`%s ? "true" : ""`, paren(v, strconv.FormatBool(truthy(f.Default))))
	case f.Type == spec.Select:
		return fmt.Sprintf("%s ?? %s", v, str(f.defaultOption()))
	case f.Type == spec.Money:
		if f.Default != "" {
			return fmt.Sprintf("%s ? centsToInput(%s ?? null) : %s", known, v, def)
		}
		return fmt.Sprintf("centsToInput(%s ?? null)", v)
	case f.Type == spec.DateTime:
		return fmt.Sprintf("momentToInput(%s ?? null)", v)
	case f.Type == spec.Time:
		return fmt.Sprintf(`%s?.slice(0, 5) ?? %s`, v, def)
	case f.Type == spec.Date && f.Default == "today":
		return fmt.Sprintf(`%s ? (%s ?? "") : today()`, known, v)
	case f.isNumber() && f.Default != "":
		return fmt.Sprintf(`%s ? (%s?.toString() ?? "") : %s`, known, v, def)
	case f.isNumber():
		return v + `?.toString() ?? ""`
	case f.Type == spec.Color && f.Default == "":
		return fmt.Sprintf(`%s ?? "#4f46e5"`, v)
	case f.Default != "" && f.Type != spec.Date && f.Type != spec.Ref:
		return fmt.Sprintf("%s ?? %s", v, def)
	}
	return v + ` ?? ""`
}

func paren(v, fallback string) string {
	if fallback == "false" {
		return v
	}
	return "(" + v + " ?? " + fallback + ")"
}

// Blank is the form's text for the field of a new row.
func (f *field) Blank() string {
	switch {
	case f.Type == spec.Boolean:
		if truthy(f.Default) {
			return `"true"`
		}
		return `""`
	case f.Type == spec.Select:
		return str(f.defaultOption())
	case f.Type == spec.Date && f.Default == "today":
		return "today()"
	case f.Type == spec.Color && f.Default == "":
		return `"#4f46e5"`
	case f.Type == spec.Date, f.Type == spec.DateTime, f.Type == spec.Ref:
		return `""`
	}
	return str(f.Default)
}

// Value turns the form's text into the column's value.
func (f *field) Value() string {
	v := "values." + f.Key
	required := f.notNull()
	switch f.Type {
	case spec.Boolean:
		return v + ` === "true"`
	case spec.Select:
		return v + " as " + f.TypeName
	case spec.Money:
		return orZero("parseMoney("+v+")", required)
	case spec.Integer, spec.Decimal, spec.Percent, spec.Rating:
		return orZero("parseNumber("+v+")", required)
	case spec.DateTime:
		if required {
			return "new Date(" + v + ").toISOString()"
		}
		return "inputToMoment(" + v + ")"
	case spec.Date, spec.Time, spec.Ref, spec.Color:
		if required {
			return v
		}
		return v + " || null"
	}
	if required {
		return v + ".trim()"
	}
	return v + ".trim() || null"
}

func orZero(expr string, required bool) string {
	if required {
		return expr + " ?? 0"
	}
	return expr
}

// Rule is the form's check of the field, or "".
func (f *field) Rule() string {
	var rules []string
	if f.Required && f.Type != spec.Boolean && f.Type != spec.Select && (f.Type != spec.Ref || f.notNull()) {
		rules = append(rules, "required("+str("the "+lowerFirst(f.Label))+")")
	}
	switch f.Type {
	case spec.Text:
		rules = append(rules, "maxLength(200)")
	case spec.LongText, spec.Lines:
		rules = append(rules, "maxLength(5000)")
	case spec.Email:
		rules = append(rules, "email")
	case spec.Phone:
		rules = append(rules, "phone")
	case spec.URL, spec.Image:
		rules = append(rules, "url")
	case spec.Money:
		rules = append(rules, "money")
	case spec.Integer:
		rules = append(rules, "integer")
	case spec.Decimal, spec.Percent:
		rules = append(rules, "decimal")
	}
	if (f.Min != nil || f.Max != nil) && f.isNumber() && f.Type != spec.Rating && !f.moved() {
		rules = append(rules, fmt.Sprintf("between(%s, %s)", number(f.Min), number(f.Max)))
	}
	switch len(rules) {
	case 0:
		return ""
	case 1:
		return rules[0]
	}
	return "all(" + strings.Join(rules, ", ") + ")"
}

func number(v *float64) string {
	if v == nil {
		return "null"
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// Control is the input, bound to the form.
func (f *field) Control() string {
	bind := fmt.Sprintf("{...form.bind(%q)}", f.Key)
	e := f.Entity
	switch f.Type {
	case spec.LongText:
		return "<Textarea " + bind + " />"
	case spec.Lines:
		return `<Textarea placeholder="One per line" rows={5} ` + bind + " />"
	case spec.Email:
		return `<Input type="email" autoComplete="off" ` + bind + " />"
	case spec.Phone:
		return `<Input type="tel" autoComplete="off" ` + bind + " />"
	case spec.URL, spec.Image:
		return `<Input type="url" placeholder="https://" ` + bind + " />"
	case spec.Integer:
		return `<Input inputMode="numeric" ` + bind + " />"
	case spec.Decimal, spec.Percent:
		return `<Input inputMode="decimal" ` + bind + " />"
	case spec.Money:
		return `<Input inputMode="decimal" placeholder="0.00" ` + bind + " />"
	case spec.Rating:
		return "<RatingInput " + bind + " />"
	case spec.Date:
		return `<Input type="date" ` + bind + " />"
	case spec.DateTime:
		return `<Input type="datetime-local" ` + bind + " />"
	case spec.Time:
		return `<Input type="time" ` + bind + " />"
	case spec.Color:
		return `<Input type="color" className="w-20 p-1" ` + bind + " />"
	case spec.Select:
		return fmt.Sprintf("<Select %s>\n  {%s.map(({ value, label }) => (\n    <option key={value} value={value}>\n      {label}\n    </option>\n  ))}\n</Select>", bind, f.Choices)
	case spec.Ref:
		scope, call := "", "suggest"+f.Target.Many
		if e.app.team() {
			scope = "\n  scope={workspace.id}"
			call = fmt.Sprintf("(text) => suggest%s(workspace.id, text)", f.Target.Many)
		}
		return fmt.Sprintf("<RefPicker\n  topic=%q%s\n  placeholder=%s\n  initialTitle={known?.%s ?? \"\"}\n  suggest={%s}\n  %s\n/>",
			f.Target.Table, scope, attr("Find "+article(lowerFirst(f.Target.Label))), f.TitleCol, call, bind)
	}
	return "<Input " + bind + " />"
}

// Cell shows the field of a row: in tables, cards and facts. With edit, what one press can change is a control.
func (f *field) Cell(edit bool) string {
	v := "row." + f.Col
	e := f.Entity
	switch f.Type {
	case spec.Email:
		return fmt.Sprintf("<EmailLink email={%s} />", v)
	case spec.Phone:
		return fmt.Sprintf("<PhoneLink phone={%s} />", v)
	case spec.URL:
		return fmt.Sprintf("<WebLink url={%s} />", v)
	case spec.Image:
		return fmt.Sprintf("<Picture url={%s} alt={row.row_title} />", v)
	case spec.Integer, spec.Decimal, spec.Percent:
		unit := f.Unit
		if f.Type == spec.Percent {
			unit = "%"
		}
		if unit != "" {
			unit = " unit=" + attr(unit)
		}
		return fmt.Sprintf("<Amount value={%s}%s />", v, unit) + f.lowBadge()
	case spec.Money:
		return fmt.Sprintf("<Money cents={%s} />", v)
	case spec.Rating:
		return fmt.Sprintf("<Rating value={%s} />", v)
	case spec.Date, spec.DateTime, spec.Time:
		if f.Type == spec.Date && f == e.DueField() && e.HasOpen() {
			return fmt.Sprintf("<DueDay day={%s} open={row.is_open} />", v)
		}
		format := map[spec.FieldType]string{spec.Date: "formatDay", spec.DateTime: "formatExact", spec.Time: "formatTime"}[f.Type]
		return fmt.Sprintf("<Maybe value={%s}>{%s}</Maybe>", v, format)
	case spec.Boolean:
		return fmt.Sprintf(`{%s ? "Yes" : "No"}`, v)
	case spec.Select:
		if edit && e.Editable(f) {
			control := fmt.Sprintf("<BadgeSelect label={`%s: ${row.row_title}`} choices={%s} value={%s} onChange={%s} />", inner(f.Label), f.Choices, v, f.Setter)
			if e.app.community() {
				return fmt.Sprintf("{row.mine ? (\n  %s\n) : (\n  <ChoiceBadge choices={%s} value={%s} />\n)}", control, f.Choices, v)
			}
			return control
		}
		return fmt.Sprintf("<ChoiceBadge choices={%s} value={%s} />", f.Choices, v)
	case spec.Color:
		return fmt.Sprintf("<Swatch color={%s} />", v)
	case spec.Ref:
		return fmt.Sprintf("<RefLink to={%s} title={row.%s} />", f.linkTo(v), f.TitleCol)
	case spec.Lines, spec.LongText:
		return fmt.Sprintf(`<span className="line-clamp-2 max-w-64">{%s || "—"}</span>`, v)
	}
	return fmt.Sprintf(`{%s || "—"}`, v)
}

// linkTo is the address of what a ref names, or null.
func (f *field) linkTo(v string) string {
	to := fmt.Sprintf("paths.%sDetail(%s)", camel(f.Target.Type), v)
	if f.notNull() {
		return to
	}
	return v + " && " + to
}

// lowBadge marks a stock below its minimum.
func (f *field) lowBadge() string {
	low := f.Entity.action(spec.LowStock)
	if low == nil || low.Field != f.Name {
		return ""
	}
	return "\n{row.below_minimum && <Badge tone=\"warning\" className=\"ml-1.5\">" + jsx(orLabel(low.Label, "Low")) + "</Badge>}"
}

func orLabel(label, fallback string) string {
	if label == "" {
		return fallback
	}
	return label
}

// Plain shows the field where the app's own controls are not at hand: on public pages.
func (f *field) Plain() string {
	if f.Target != nil {
		return fmt.Sprintf(`{row.%s || "—"}`, f.TitleCol)
	}
	if f.Type == spec.Date {
		return fmt.Sprintf("<Maybe value={row.%s}>{formatDay}</Maybe>", f.Col)
	}
	if low := f.Entity.action(spec.LowStock); low != nil && low.Field == f.Name {
		return fmt.Sprintf("<Amount value={row.%s} />", f.Col)
	}
	return f.Cell(false)
}

// Right reports whether the column lines up at its right edge.
func (f *field) Right() bool { return f.isNumber() && f.Type != spec.Rating }

// Editable reports whether the list changes the select in place.
func (e *entity) Editable(f *field) bool {
	return f.Type == spec.Select && (slices.Contains(e.ListFields(), f) || f.Name == e.Board)
}

// EditableSelects are the selects that one press changes.
func (e *entity) EditableSelects() []*field {
	var out []*field
	for _, f := range e.Selects() {
		if e.Editable(f) {
			out = append(out, f)
		}
	}
	return out
}

// ToggleField is a boolean that one press flips.
type ToggleField struct {
	*field
	Text string
}

// Toggles are the booleans that one press flips.
func (e *entity) Toggles() []ToggleField {
	var out []ToggleField
	for _, f := range e.Fields {
		if act := f.toggleOf(); act != nil {
			out = append(out, ToggleField{f, orLabel(act.Label, f.Label)})
		}
	}
	return out
}

// VoteLabel and CheckInLabel are what the buttons say.
func (e *entity) VoteLabel() string    { return e.actionLabel(spec.Vote, "Vote") }
func (e *entity) CheckInLabel() string { return e.actionLabel(spec.CheckIn, "Done today") }

func (e *entity) actionLabel(kind spec.ActionKind, fallback string) string {
	if act := e.action(kind); act != nil {
		return orLabel(act.Label, fallback)
	}
	return fallback
}

// HasActions reports whether anything changes in place.
func (e *entity) HasActions() bool {
	return len(e.EditableSelects()) > 0 || len(e.Toggles()) > 0 || e.VoteTable != "" || e.CheckTable != ""
}

// isChild reports whether rows are listed on the page of what they belong to.
func (e *entity) isChild() bool {
	return slices.ContainsFunc(e.Fields, func(f *field) bool { return f.Target != nil })
}
