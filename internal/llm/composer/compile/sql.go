package compile

import (
	"fmt"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// prefix begins every name in the database; the tool that writes the migration fills it in.
const prefix = "app_{{APP_ID}}_"

// public is how SQL names an object of the app.
func public(name string) string { return "public." + prefix + name }

// table is one table with everything that belongs to it, in parts that can be compared with another version's.
type table struct {
	Name    string
	Columns []sqlColumn
	Keys    []string // constraints over several columns
	Indexes []string // the part after "on <table>"
	Policies,
	Grants []string
	After []string // functions and triggers
}

type sqlColumn struct{ Name, Type, Rest, Check, Zero string }

// String writes the column's definition.
func (c sqlColumn) String() string {
	def := column(c.Name) + " " + c.Type
	if c.Rest != "" {
		def += " " + c.Rest
	}
	if c.Check != "" {
		def += fmt.Sprintf(" constraint %s check (%s)", c.checkName(), c.Check)
	}
	return def
}

// checkName is fixed, so that a later migration can replace the check. It is unique within the table.
func (c sqlColumn) checkName() string { return c.Name + "_valid" }

// sqlColumn decides a field's type, default and check.
func (f *field) sqlColumn() sqlColumn {
	c := sqlColumn{Name: f.Col, Rest: "not null"}
	name := column(f.Col)
	if !f.notNull() {
		c.Rest = ""
	}
	length := func(limit int) {
		c.Type, c.Zero = "text", "''"
		c.Check = fmt.Sprintf("length(%s) <= %d", name, limit)
		if f.Required {
			c.Check = fmt.Sprintf("length(trim(%s)) between 1 and %d", name, limit)
			c.Zero = "'-'"
		}
	}
	switch f.Type {
	case spec.LongText, spec.Lines:
		length(5000)
	case spec.URL, spec.Image:
		length(2000)
	case spec.Text, spec.Email, spec.Phone, spec.Color:
		length(200)
	case spec.Integer, spec.Money:
		c.Type, c.Zero = "integer", "0"
	case spec.Decimal, spec.Percent:
		c.Type, c.Zero = "numeric", "0"
	case spec.Rating:
		c.Type, c.Zero, c.Check = "smallint", "1", name+" between 1 and 5"
	case spec.Date:
		c.Type, c.Zero = "date", "current_date"
	case spec.DateTime:
		c.Type, c.Zero = "timestamptz", "now()"
	case spec.Time:
		c.Type, c.Zero = "time", "'00:00'"
	case spec.Boolean:
		c.Type, c.Rest = "boolean", "not null default "+strconv.FormatBool(truthy(f.Default))
	case spec.Select:
		values := make([]string, len(f.Options))
		for i, o := range f.Options {
			values[i] = quote(o.Value)
		}
		c.Type, c.Rest = "text", "not null default "+quote(f.defaultOption())
		c.Check = fmt.Sprintf("%s in (%s)", name, strings.Join(values, ", "))
	case spec.Ref:
		c.Type = "uuid"
	}
	if f.Type != spec.Rating && f.isNumber() {
		c.Check = f.bounds()
		c.Zero = f.zero()
	}
	if f.moved() {
		c.Rest = "not null default 0"
	}
	return c
}

// zero is the number that rows get which are there before the column is: the one nearest to 0 that is allowed.
func (f *field) zero() string {
	v := 0.0
	if f.Min != nil {
		v = max(v, *f.Min)
	}
	if f.Max != nil {
		v = min(v, *f.Max)
	}
	if f.Type == spec.Money {
		v *= 100
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// bounds writes a number's limits as a check; money's limits are in cents.
func (f *field) bounds() string {
	write := func(v float64) string {
		if f.Type == spec.Money {
			v *= 100
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	name := column(f.Col)
	switch {
	case f.moved():
		return "" // a stock may go below zero: the movements say what happened
	case f.Min != nil && f.Max != nil:
		return fmt.Sprintf("%s between %s and %s", name, write(*f.Min), write(*f.Max))
	case f.Min != nil:
		return fmt.Sprintf("%s >= %s", name, write(*f.Min))
	case f.Max != nil:
		return fmt.Sprintf("%s <= %s", name, write(*f.Max))
	}
	return ""
}

func truthy(s string) bool { return s == "true" || s == "yes" || s == "1" }

// defaultOption is the option that a new row starts with.
func (f *field) defaultOption() string {
	for _, o := range f.Options {
		if o.Value == f.Default {
			return o.Value
		}
	}
	return f.Options[0].Value
}

// table writes down an entity's table.
func (e *entity) table() *table {
	a, t := e.app, &table{Name: e.Table}
	add := func(name, typ, rest string) {
		t.Columns = append(t.Columns, sqlColumn{Name: name, Type: typ, Rest: rest})
	}
	add("id", "uuid", "primary key default gen_random_uuid()")
	owner := "not null default auth.uid()"
	if a.site() && e.Public == spec.PublicSubmit {
		owner = "not null default " + public("site_tenant") + "()"
	}
	switch a.Tenancy {
	case spec.Personal:
		add("user_id", "uuid", owner)
	case spec.Team:
		if e.Public != spec.PublicSubmit {
			owner = "not null"
		}
		add("workspace_id", "uuid", owner+" references "+public("workspaces")+" (id) on delete cascade")
	case spec.Community:
		if e.Public == spec.PublicSubmit {
			owner = "default auth.uid()" // null: sent by somebody without an account
		}
		add("user_id", "uuid", owner)
		add("author", "text", "not null default coalesce(split_part(auth.jwt() ->> 'email', '@', 1), 'Somebody')")
	}
	tenant := a.tenant()
	for _, f := range e.Fields {
		t.Columns = append(t.Columns, f.sqlColumn())
		if f.Target != nil {
			t.Keys = append(t.Keys, f.foreignKey())
			t.Indexes = append(t.Indexes, "("+column(f.Col)+")")
		}
		if f.Unique {
			t.Keys = append(t.Keys, "unique ("+list(tenant, column(f.Col))+")")
		}
	}
	add("created_at", "timestamptz", "not null default now()")
	add("updated_at", "timestamptz", "not null default now()")
	if tenant != "" {
		t.Keys = append([]string{"unique (id, " + tenant + ")"}, t.Keys...)
		t.Indexes = append(t.Indexes, "("+tenant+", created_at)")
	}
	e.secure(t)
	t.After = append(t.After, fmt.Sprintf("create trigger touch before update on %s\n  for each row execute function %s();", public(e.Table), public("touch")))
	t.After = append(t.After, e.movementTrigger()...)
	return t
}

// foreignKey points at the target's row in the same tenant: foreign keys are checked without row level
// security, so a key to id alone would accept somebody else's row.
func (f *field) foreignKey() string {
	tenant := f.Entity.app.tenant()
	onDelete := "on delete cascade"
	if !f.notNull() {
		onDelete = "on delete set null"
		if tenant != "" {
			onDelete += " (" + column(f.Col) + ")"
		}
	}
	return fmt.Sprintf("foreign key (%s) references %s (%s) %s", list(column(f.Col), tenant), public(f.Target.Table), list("id", tenant), onDelete)
}

// list joins what is not empty with commas.
func list(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

// movementTrigger keeps a stock in step with its movements, whoever writes them.
func (e *entity) movementTrigger() []string {
	for _, parent := range e.app.Entities {
		act := parent.action(spec.Movement)
		if act == nil || act.Entity != e.Name {
			continue
		}
		ref, stock := e.refTo(parent), parent.field(act.Field)
		direction, quantity := e.field("direction"), e.field("quantity")
		out := direction.outValue()
		signed := func(row string) string {
			return fmt.Sprintf("case when %s.%s = %s then -%[1]s.%[4]s else %[1]s.%[4]s end", row, column(direction.Col), quote(out), column(quantity.Col))
		}
		fn := public(e.MovedName)
		change := func(row, sign string) string {
			return fmt.Sprintf("    update %s set %s = %[2]s %s coalesce(%s, 0)\n     where id = %s.%s;", public(parent.Table), column(stock.Col), sign, signed(row), row, column(ref.Col))
		}
		return []string{
			"-- Definer rights: the stock changes with the movement, also where only its owner may edit it.\n" +
				"create or replace function " + fn + "() returns trigger\nlanguage plpgsql security definer set search_path = '' as $$\nbegin\n" +
				"  if tg_op in ('UPDATE', 'DELETE') then\n" + change("old", "-") + "\n  end if;\n" +
				"  if tg_op in ('INSERT', 'UPDATE') then\n" + change("new", "+") + "\n  end if;\n  return null;\nend $$;",
			"revoke execute on function " + fn + "() from public, anon, authenticated;",
			"create trigger moved after insert or update or delete on " + public(e.Table) + "\n  for each row execute function " + fn + "();",
		}
	}
	return nil
}

// outValue is the option of a direction that takes from the stock.
func (f *field) outValue() string {
	for _, o := range f.Options {
		if o.Value == "out" || strings.HasSuffix(o.Value, "_out") {
			return o.Value
		}
	}
	return f.Options[len(f.Options)-1].Value
}

// markTables are the tables of votes and check-ins: one row per person and row, and day.
func (e *entity) markTables() []*table {
	var out []*table
	mark := func(name, day string) {
		a := e.app
		t := &table{Name: name}
		add := func(name, typ, rest string) {
			t.Columns = append(t.Columns, sqlColumn{Name: name, Type: typ, Rest: rest})
		}
		add("row_id", "uuid", "not null")
		if a.team() {
			add("workspace_id", "uuid", "not null")
		}
		add("user_id", "uuid", "not null default auth.uid()")
		if day != "" {
			add(day, "date", "not null")
		}
		add("created_at", "timestamptz", "not null default now()")
		t.Keys = []string{
			"primary key (" + list("row_id", "user_id", day) + ")",
			fmt.Sprintf("foreign key (%s) references %s (%s) on delete cascade", list("row_id", a.tenant()), public(e.Table), list("id", a.tenant())),
		}
		own := "user_id = (select auth.uid())"
		read, write := own, own
		if a.team() {
			read, write = a.mine(), own+" and "+a.mine()
		} else if a.community() {
			read = "true"
		}
		t.Policies = []string{
			fmt.Sprintf("create policy \"people read\" on %s\n  for select to authenticated\n  using (%s);", public(name), read),
			fmt.Sprintf("create policy \"people add their own\" on %s\n  for insert to authenticated\n  with check (%s);", public(name), write),
			fmt.Sprintf("create policy \"people take back their own\" on %s\n  for delete to authenticated\n  using (%s);", public(name), own),
		}
		cols := []string{"row_id"}
		if a.team() {
			cols = append(cols, "workspace_id")
		}
		if day != "" {
			cols = append(cols, day)
		}
		t.Grants = []string{
			fmt.Sprintf("grant select, delete on %s to authenticated;", public(name)),
			fmt.Sprintf("grant insert (%s) on %s to authenticated;", strings.Join(cols, ", "), public(name)),
		}
		out = append(out, t)
	}
	if e.VoteTable != "" {
		mark(e.VoteTable, "")
	}
	if e.CheckTable != "" {
		mark(e.CheckTable, "day")
	}
	return out
}
