package query

import (
	"maps"
	"slices"
	"strings"
)

func newCompiler(s *Schema, p *Params) *compiler {
	return &compiler{schema: s, params: p, used: map[string]bool{}}
}

// Read compiles a select from rel.
func Read(s *Schema, rel *Relation, p *Params, o Options) (*Statement, error) {
	c := newCompiler(s, p)
	src := source{rel: rel, alias: "s"}
	sql, err := c.selectFrom(src, rel.sql()+" s", o, true)
	if err != nil {
		return nil, err
	}
	return &Statement{SQL: sql, Args: c.args}, nil
}

// selectFrom writes the statement that turns the rows of from into JSON. A read filters, orders and limits; the
// rows that a write returns are only ordered.
func (c *compiler) selectFrom(src source, from string, o Options, read bool) (string, error) {
	p, err := c.items(src, c.params.Select)
	if err != nil {
		return "", err
	}
	scope := c.params.Scope("")
	where := p.where
	if read {
		filters, err := c.conds(src, p.embeds, scope.Conds)
		if err != nil {
			return "", err
		}
		where = append(where, filters...)
	}
	order, err := c.order(src, c.params.Select, scope.Order)
	if err != nil {
		return "", err
	}
	body := " from " + from + strings.Join(p.joins, "") + whereClause(where)
	rows := "select " + strings.Join(p.cols, ", ") + body + p.groupBy()
	total := o.total("(select count(*)" + body + ")")
	if p.aggregated {
		total = o.total("(select count(*) from (" + rows + ") a)")
	}
	rows += order
	if read {
		rows += limits(scope, o.MaxRows)
	}
	return "select coalesce(json_agg(r), '[]')::text, count(*), " + total + " from (" + rows + ") r", nil
}

// total is the third column: sql when the count was asked for.
func (o Options) total(sql string) string {
	if o.Count {
		return sql
	}
	return "null::bigint"
}

// write wraps a data changing statement, which ends before its returning clause.
func (c *compiler) write(src source, change string, o Options) (*Statement, error) {
	if !o.Return {
		// Not a column: whoever may insert need not be allowed to read.
		sql := "with s as (" + change + " returning 1) select '[]'::text, count(*), " + o.total("count(*)") + " from s"
		return &Statement{SQL: sql, Args: c.args}, nil
	}
	tail, err := c.selectFrom(src, "s", o, false)
	if err != nil {
		return nil, err
	}
	// Only what the answer needs: reading the other columns may be forbidden.
	returning := "1"
	switch {
	case c.used["*"]:
		returning = "*"
		if strings.HasPrefix(change, "update") {
			returning = "u.*"
		}
	case len(c.used) > 0:
		names := slices.Sorted(maps.Keys(c.used))
		for i, n := range names {
			names[i] = quoteIdent(src.rel.Name) + "." + quoteIdent(n)
			if strings.HasPrefix(change, "update") || strings.HasPrefix(change, "delete") {
				names[i] = "u." + quoteIdent(n)
			}
		}
		returning = strings.Join(names, ", ")
	}
	return &Statement{SQL: "with s as (" + change + " returning " + returning + ") " + tail, Args: c.args}, nil
}

// Insert compiles an insert of the JSON array body, whose objects have the given keys.
// An unknown key is PGRST204.
func Insert(s *Schema, rel *Relation, p *Params, keys []string, body string, o Options) (*Statement, error) {
	c := newCompiler(s, p)
	if p.Columns != nil {
		keys = p.Columns
	}
	if err := rel.know(keys); err != nil {
		return nil, err
	}
	rows := c.arg(body) + "::jsonb"
	if o.MissingDefault {
		rows = c.withDefaults(rel, keys, rows)
	}
	names := quoteIdents(keys)
	change := "insert into " + rel.sql()
	if len(keys) > 0 {
		change += " (" + names + ")"
	}
	change += " select " + names + " from jsonb_populate_recordset(null::" + rel.sql() + ", " + rows + ") u"
	if o.Merge || o.Ignore {
		conflict, err := onConflict(rel, p.OnConflict, keys, o)
		if err != nil {
			return nil, err
		}
		change += conflict
	}
	return c.write(source{rel: rel, alias: "s"}, change, o)
}

// withDefaults puts each column's default beneath the object's own keys.
func (c *compiler) withDefaults(rel *Relation, keys []string, rows string) string {
	var defaults []string
	for _, k := range keys {
		if col := rel.Column(k); col.Default != "" && !col.Generated {
			defaults = append(defaults, c.arg(k)+", "+col.Default)
		}
	}
	if len(defaults) == 0 {
		return rows
	}
	return "(select jsonb_agg(jsonb_build_object(" + strings.Join(defaults, ", ") + ") || e) from jsonb_array_elements(" + rows + ") e)"
}

func onConflict(rel *Relation, target, keys []string, o Options) (string, error) {
	if len(target) == 0 {
		target = rel.Primary
	}
	if err := rel.know(target); err != nil {
		return "", err
	}
	clause := " on conflict"
	if len(target) > 0 {
		clause += " (" + quoteIdents(target) + ")"
	}
	if o.Ignore || len(target) == 0 || len(keys) == 0 {
		return clause + " do nothing", nil
	}
	var sets []string
	for _, k := range keys {
		sets = append(sets, quoteIdent(k)+" = excluded."+quoteIdent(k))
	}
	return clause + " do update set " + strings.Join(sets, ", "), nil
}

// know returns PGRST204 for the first name that is no column.
func (r *Relation) know(names []string) error {
	for _, n := range names {
		if r.Column(n) == nil {
			return refuse(400, "PGRST204", "Could not find the '%s' column of '%s' in the schema cache", n, r.Name)
		}
	}
	return nil
}

// errNoWhere guards against a forgotten filter, as pg-safeupdate does on the hosted service.
func errNoWhere(verb string) error { return refuse(400, "21000", "%s requires a WHERE clause", verb) }

// Update compiles an update of the filtered rows to the values of the JSON object body, which has the given keys.
// Without a filter it refuses with 21000.
func Update(s *Schema, rel *Relation, p *Params, keys []string, body string, o Options) (*Statement, error) {
	c := newCompiler(s, p)
	src := source{rel: rel, alias: "s"}
	if p.Columns != nil {
		keys = p.Columns
	}
	if err := rel.know(keys); err != nil {
		return nil, err
	}
	where, err := c.writeFilter(rel, "UPDATE")
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 { // nothing to set is nothing to do
		sql := "select '[]'::text, 0::bigint, " + o.total("0::bigint")
		return &Statement{SQL: sql}, nil
	}
	var sets []string
	for _, k := range keys {
		sets = append(sets, quoteIdent(k)+" = b."+quoteIdent(k))
	}
	change := "update " + rel.sql() + " u set " + strings.Join(sets, ", ") +
		" from jsonb_populate_record(null::" + rel.sql() + ", " + c.arg(body) + "::jsonb) b" + where
	return c.write(src, change, o)
}

// Delete compiles a delete of the filtered rows. Without a filter it refuses with 21000.
func Delete(s *Schema, rel *Relation, p *Params, o Options) (*Statement, error) {
	c := newCompiler(s, p)
	where, err := c.writeFilter(rel, "DELETE")
	if err != nil {
		return nil, err
	}
	return c.write(source{rel: rel, alias: "s"}, "delete from "+rel.sql()+" u"+where, o)
}

func (c *compiler) writeFilter(rel *Relation, verb string) (string, error) {
	filters, err := c.conds(source{rel: rel, alias: "u"}, nil, c.params.Scope("").Conds)
	if err != nil {
		return "", err
	}
	if len(filters) == 0 {
		return "", errNoWhere(verb)
	}
	c.used = map[string]bool{} // what a filter reads is not what the answer needs
	return whereClause(filters), nil
}

// Call compiles a call of fn with the values of the JSON object body, which has the given keys.
//
// A scalar result is wrapped as [{"v": result}] or, for a set, one object per row: see Function.
func Call(s *Schema, fn *Function, p *Params, keys []string, body string, o Options) (*Statement, error) {
	c := newCompiler(s, p)
	call, from := "public."+quoteIdent(fn.Name)+"(", ""
	var defs, args []string
	for _, a := range fn.Args {
		if !slices.Contains(keys, a.Name) {
			continue
		}
		defs = append(defs, quoteIdent(a.Name)+" "+a.Type)
		args = append(args, quoteIdent(a.Name)+" := b."+quoteIdent(a.Name))
	}
	call += strings.Join(args, ", ") + ")"
	if len(defs) > 0 {
		from = "jsonb_to_record(" + c.arg(body) + "::jsonb) b(" + strings.Join(defs, ", ") + ") cross join lateral "
	}
	if fn.Returns != ReturnsRows {
		from += call + " s(v)"
		rows := "select s.v from " + from
		if fn.Set {
			rows += limits(c.params.Scope(""), o.MaxRows)
		}
		sql := "select coalesce(json_agg(r), '[]')::text, count(*), " + o.total("count(*)") + " from (" + rows + ") r"
		return &Statement{SQL: sql, Args: c.args}, nil
	}
	sql, err := c.selectFrom(source{rel: fn.Rows, alias: "s"}, from+call+" s", o, true)
	if err != nil {
		return nil, err
	}
	return &Statement{SQL: sql, Args: c.args}, nil
}

// Function finds the overload of name that takes exactly the given arguments, those with defaults aside.
// None is PGRST202, several are PGRST203.
func (s *Schema) Function(name string, keys []string) (*Function, error) {
	var found []*Function
	for _, fn := range s.Functions[name] {
		if fn.takes(keys) {
			found = append(found, fn)
		}
	}
	signature := "public." + name + "(" + strings.Join(keys, ", ") + ")"
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, refuse(404, "PGRST202", "Could not find the function %s in the schema cache", signature)
	}
	return nil, refuse(300, "PGRST203", "Could not choose the best candidate function between: %d overloads of %s", len(found), signature)
}

func (f *Function) takes(keys []string) bool {
	for _, k := range keys {
		if !slices.ContainsFunc(f.Args, func(a Arg) bool { return a.Name == k }) {
			return false
		}
	}
	for _, a := range f.Args {
		if !a.Optional && !slices.Contains(keys, a.Name) {
			return false
		}
	}
	return true
}
