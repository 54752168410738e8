package compile

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// Migration writes the SQL that brings a database from one spec to the next: the whole schema when old is nil,
// else what changed. sql is "" when nothing changes in the database; name then is "" too. name is snake_case
// and says what the migration does; the caller puts a time before it.
//
// Names in the SQL carry the placeholder {{APP_ID}}. Data is kept wherever the column stays: a field that
// disappears takes its column with it, and a column whose type cannot take the old values is made anew.
// A change of tenancy is refused: it would hand rows to other people.
func Migration(old *spec.Spec, new spec.Spec) (name, sql string, err error) {
	next, err := resolve(new)
	if err != nil {
		return "", "", err
	}
	if old == nil {
		return "init", next.schema(), nil
	}
	prev, err := resolve(*old)
	if err != nil {
		return "", "", fmt.Errorf("the spec before: %w", err)
	}
	if prev.Tenancy != next.Tenancy {
		return "", "", fmt.Errorf("an app with %s rows cannot become one with %s rows: its data would change hands", prev.Tenancy, next.Tenancy)
	}
	return next.changes(prev)
}

// schema writes everything.
func (a *app) schema() string {
	var b strings.Builder
	b.WriteString(a.preamble())
	b.WriteString(section("tables"))
	b.WriteString(a.baseTables())
	tables := a.tables()
	for _, t := range tables {
		b.WriteString(t.create())
	}
	b.WriteString(section("row level security"))
	for _, t := range tables {
		b.WriteString(t.secure())
	}
	b.WriteString(section("triggers"))
	b.WriteString(touchFunction)
	for _, t := range tables {
		b.WriteString(t.after())
	}
	b.WriteString(a.readSide())
	b.WriteString(a.grants())
	return b.String() + reload
}

const reload = "\nnotify pgrst, 'reload schema';\n"

func section(title string) string {
	return "\n-- " + strings.Repeat("-", 64) + " " + title + "\n\n"
}

func (a *app) preamble() string {
	whose := map[spec.Tenancy]string{
		spec.Personal:  "A row belongs to the person who made it.",
		spec.Team:      "A row belongs to a workspace; a person reaches it only as a member.",
		spec.Community: "Everyone who signed up reads all rows; a row is changed by whoever made it.",
	}[a.Tenancy]
	anon := "Nothing is granted to people without an account."
	if a.public() {
		anon = "People without an account get exactly what the public pages need."
	}
	return fmt.Sprintf("-- Every object is named %s*, so many apps can share one database.\n-- Every table has row level security. %s\n-- %s\n", prefix, whose, anon)
}

// tables are the tables of all entities, parents first.
func (a *app) tables() []*table {
	var out []*table
	for _, e := range a.Entities {
		out = append(out, e.table())
		out = append(out, e.markTables()...)
	}
	return out
}

func (t *table) create() string {
	lines := []string{}
	for _, c := range t.Columns {
		lines = append(lines, "  "+c.String())
	}
	for _, k := range t.Keys {
		lines = append(lines, "  "+k)
	}
	s := "create table " + public(t.Name) + " (\n" + strings.Join(lines, ",\n") + "\n);\n"
	for _, index := range t.Indexes {
		s += "create index on " + public(t.Name) + " " + index + ";\n"
	}
	return s + "\n"
}

func (t *table) secure() string {
	s := "alter table " + public(t.Name) + " enable row level security;\n"
	for _, p := range t.Policies {
		s += p + "\n"
	}
	return s + "\n"
}

func (t *table) after() string {
	if len(t.After) == 0 {
		return ""
	}
	return strings.Join(t.After, "\n") + "\n\n"
}

// baseTables are what the tenancy itself needs.
func (a *app) baseTables() string {
	s := ""
	if a.team() {
		s = teamSQL
	}
	if a.site() {
		if a.team() {
			s += teamSiteSQL
		} else {
			s += personalSiteSQL
		}
	}
	return s
}

// readSide writes the views and the dashboard's function.
func (a *app) readSide() string {
	s := section("views to read from") +
		"-- Pages read flat views and write to tables: one row is one line on screen, with a search_text\n" +
		"-- that holds every word a person might type. security_invoker makes them obey the policies.\n\n"
	for _, v := range a.views() {
		s += v.create() + "\n\n"
	}
	return s + a.statsFunction() + "\n"
}

// grants takes back what a database may grant by default, then grants exactly.
func (a *app) grants() string {
	var names []string
	tables := a.tables()
	for _, t := range tables {
		names = append(names, public(t.Name))
	}
	for _, v := range a.views() {
		names = append(names, public(v.Name))
	}
	s := section("grants") + "revoke all on\n  " + strings.Join(names, ",\n  ") + "\n  from public, anon, authenticated;\n"
	for _, t := range tables {
		s += strings.Join(t.Grants, "\n") + "\n"
	}
	for _, v := range a.views() {
		to := "authenticated"
		if v.Anon {
			to = "anon, authenticated"
		}
		s += "grant select on " + public(v.Name) + " to " + to + ";\n"
	}
	s += "revoke execute on function " + a.statsSignature() + " from public, anon;\n"
	return s + "grant execute on function " + a.statsSignature() + " to authenticated;\n"
}

// changes writes the way from prev to a.
func (a *app) changes(prev *app) (name, sql string, err error) {
	if a.schema() == prev.schema() {
		return "", "", nil
	}
	var b strings.Builder
	for _, v := range slices.Backward(prev.views()) {
		b.WriteString("drop view if exists " + public(v.Name) + " cascade;\n")
	}
	b.WriteString("drop function if exists " + prev.statsSignature() + ";\n")
	if a.site() && !prev.site() {
		base := a.baseTables()
		b.WriteString("\n" + strings.TrimPrefix(base, prev.baseTables()))
	}
	before := map[string]*table{}
	for _, t := range prev.tables() {
		before[t.Name] = t
	}
	var what []string
	tables := a.tables()
	for _, t := range tables {
		was := before[t.Name]
		delete(before, t.Name)
		if was == nil {
			what = append(what, "add_"+t.Name)
			b.WriteString("\n" + t.create() + t.secure() + t.after())
			continue
		}
		altered, words := t.alter(was)
		b.WriteString(altered)
		what = append(what, words...)
	}
	for _, t := range slices.Backward(prev.tables()) {
		if before[t.Name] != nil {
			what = append(what, "drop_"+t.Name)
			b.WriteString("\ndrop table " + public(t.Name) + " cascade;\n")
		}
	}
	b.WriteString(a.readSide() + a.grants() + reload)
	if len(what) == 0 {
		what = []string{"update_views"}
	}
	name = strings.Join(what, "_")
	if len(name) > 60 {
		name = strings.TrimRight(name[:60], "_")
	}
	return name, b.String(), nil
}

// alter writes what changes in one table, and words for the migration's name.
func (t *table) alter(was *table) (sql string, words []string) {
	var b strings.Builder
	name := public(t.Name)
	old := map[string]sqlColumn{}
	for _, c := range was.Columns {
		old[c.Name] = c
	}
	for _, c := range t.Columns {
		o, had := old[c.Name]
		delete(old, c.Name)
		switch {
		case had && o == c:
		case !had:
			words = append(words, "add_"+c.Name+"_to_"+t.Name)
			b.WriteString(c.add(name))
		case !castable(o.Type, c.Type):
			words = append(words, "change_"+c.Name)
			fmt.Fprintf(&b, "alter table %s drop column %s cascade;\n", name, column(c.Name))
			b.WriteString(c.add(name))
		default:
			words = append(words, "change_"+c.Name)
			b.WriteString(c.change(name, o))
		}
	}
	for _, c := range was.Columns {
		if _, gone := old[c.Name]; gone {
			words = append(words, "remove_"+c.Name+"_from_"+t.Name)
			fmt.Fprintf(&b, "alter table %s drop column %s cascade;\n", name, column(c.Name))
		}
	}
	for _, k := range t.Keys {
		if !slices.Contains(was.Keys, k) {
			fmt.Fprintf(&b, "alter table %s add %s;\n", name, k)
		}
	}
	for _, i := range t.Indexes {
		if !slices.Contains(was.Indexes, i) {
			fmt.Fprintf(&b, "create index on %s %s;\n", name, i)
		}
	}
	if !slices.Equal(t.Policies, was.Policies) {
		for _, p := range was.Policies {
			fmt.Fprintf(&b, "drop policy if exists %s on %s;\n", strings.SplitAfterN(strings.TrimPrefix(p, "create policy "), `" `, 2)[0], name)
		}
		b.WriteString(strings.Join(t.Policies, "\n") + "\n")
	}
	for _, after := range t.After {
		if !slices.Contains(was.After, after) {
			b.WriteString(after + "\n")
		}
	}
	if b.Len() == 0 {
		return "", nil
	}
	return "\n" + b.String(), words
}

// add writes a new column of a table that may hold rows already: a value that must be there gets one, and
// the default goes again.
func (c sqlColumn) add(table string) string {
	if !strings.Contains(c.Rest, "not null") || strings.Contains(c.Rest, "default") {
		return fmt.Sprintf("alter table %s add column %s;\n", table, c)
	}
	if c.Zero == "" { // a ref: rows that are there name nothing yet
		c.Rest = strings.Replace(c.Rest, "not null", "", 1)
		return fmt.Sprintf("alter table %s add column %s;\n", table, c)
	}
	with := c
	with.Rest += " default " + c.Zero
	return fmt.Sprintf("alter table %s add column %s;\nalter table %[1]s alter column %[3]s drop default;\n", table, with, column(c.Name))
}

// change writes the way from one definition of a column to another that can take its values.
func (c sqlColumn) change(table string, o sqlColumn) string {
	var b strings.Builder
	name := column(c.Name)
	if o.Check != "" {
		fmt.Fprintf(&b, "alter table %s drop constraint if exists %s;\n", table, o.checkName())
	}
	if o.Type != c.Type {
		if strings.Contains(o.Rest, "default") {
			fmt.Fprintf(&b, "alter table %s alter column %s drop default;\n", table, name)
		}
		fmt.Fprintf(&b, "alter table %s alter column %s type %s using %[2]s::%[3]s;\n", table, name, c.Type)
	}
	if o.Rest != c.Rest {
		value, has := c.defaultValue()
		if has {
			fmt.Fprintf(&b, "alter table %s alter column %s set default %s;\n", table, name, value)
		} else if strings.Contains(o.Rest, "default") {
			fmt.Fprintf(&b, "alter table %s alter column %s drop default;\n", table, name)
		}
		wants, had := strings.Contains(c.Rest, "not null"), strings.Contains(o.Rest, "not null")
		switch {
		case wants && !had && has:
			fmt.Fprintf(&b, "update %s set %s = %s where %[2]s is null;\n", table, name, value)
		case wants && !had && c.Zero != "":
			fmt.Fprintf(&b, "update %s set %s = %s where %[2]s is null;\n", table, name, c.Zero)
		}
		if wants && !had && (has || c.Zero != "") {
			fmt.Fprintf(&b, "alter table %s alter column %s set not null;\n", table, name)
		} else if had && !wants {
			fmt.Fprintf(&b, "alter table %s alter column %s drop not null;\n", table, name)
		}
	}
	if c.Check != "" {
		if value, has := c.defaultValue(); has && strings.Contains(c.Check, " in (") {
			// Rows in a state that no longer exists go back to the first one.
			fmt.Fprintf(&b, "update %s set %s = %s where not (%s);\n", table, name, value, c.Check)
		}
		// not valid: rows from before stay as they are, new ones obey.
		fmt.Fprintf(&b, "alter table %s add constraint %s check (%s) not valid;\n", table, c.checkName(), c.Check)
	}
	return b.String()
}

// defaultValue returns what a row gets that says nothing about the column.
func (c sqlColumn) defaultValue() (value string, has bool) {
	_, value, has = strings.Cut(c.Rest, "default ")
	value, _, _ = strings.Cut(value, " references ")
	return value, has
}

// castable reports whether every value of one type is a value of the other.
func castable(from, to string) bool {
	return from == to || to == "text" || from == "integer" && to == "numeric" || from == "smallint" && (to == "integer" || to == "numeric") || from == "date" && to == "timestamptz"
}
