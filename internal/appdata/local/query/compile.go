package query

import (
	"slices"
	"strconv"
	"strings"
)

// Statement is SQL with its parameters, all of them text.
//
// It yields one row of three columns: the JSON of the rows, how many rows that JSON holds, and how many rows
// there are without limit and offset (null unless Options.Count).
type Statement struct {
	SQL  string
	Args []string
}

// Options are what the headers of a request say.
type Options struct {
	Count          bool  // count all rows that match
	Return         bool  // a write answers with the rows
	Merge          bool  // on conflict update
	Ignore         bool  // on conflict do nothing
	MissingDefault bool  // an absent key means the column's default, not null
	MaxRows        int64 // at most so many rows are returned
}

// castTypes are the types a select list may cast to.
var castTypes = map[string]string{
	"text": "text", "varchar": "varchar", "int": "int4", "integer": "int4", "int2": "int2", "int4": "int4", "int8": "int8",
	"smallint": "int2", "bigint": "int8", "numeric": "numeric", "decimal": "numeric", "real": "float4",
	"float4": "float4", "float8": "float8", "double precision": "float8", "bool": "bool", "boolean": "bool",
	"date": "date", "time": "time", "timestamp": "timestamp", "timestamptz": "timestamptz", "interval": "interval",
	"uuid": "uuid", "json": "json", "jsonb": "jsonb", "text[]": "text[]", "int[]": "int4[]", "uuid[]": "uuid[]",
}

// compiler holds what grows while one statement is written.
type compiler struct {
	schema  *Schema
	params  *Params
	args    []string
	aliases int
	used    map[string]bool // columns of the requested relation that the statement reads; "*" for all
}

// source is a relation with the alias under which the statement knows it.
type source struct {
	rel   *Relation
	alias string
	path  string // of embeds, as filters address it
}

// parts are the pieces of one select.
type parts struct {
	cols, joins, where, group []string
	aggregated                bool
	embeds                    map[string]string // key -> SQL that is null when nothing was found
}

// arg adds a text parameter and returns its placeholder. Equal values share one, so that a JSON path reads
// the same in the select list and in group by.
func (c *compiler) arg(value string) string {
	i := slices.Index(c.args, value)
	if i < 0 {
		c.args = append(c.args, value)
		i = len(c.args) - 1
	}
	return "$" + strconv.Itoa(i+1) + "::text"
}

func (c *compiler) alias(prefix string) string {
	c.aliases++
	return prefix + strconv.Itoa(c.aliases)
}

func (c *compiler) use(src source, column string) {
	if src.path == "" {
		c.used[column] = true
	}
}

// field writes a field and returns it with its SQL type.
func (c *compiler) field(src source, f Field) (sql, typ string, err error) {
	col := src.rel.Column(f.Name)
	if col == nil {
		return "", "", refuse(400, "42703", "column %s.%s does not exist", src.name(), f.Name)
	}
	c.use(src, f.Name)
	sql, typ = src.alias+"."+quoteIdent(f.Name), col.Type
	if len(f.Path) == 0 {
		return sql, typ, nil
	}
	if typ != "json" && typ != "jsonb" {
		sql = "to_jsonb(" + sql + ")"
	}
	for _, step := range f.Path {
		op := "->"
		typ = "jsonb"
		if step.Text {
			op, typ = "->>", "text"
		}
		sql += op + c.arg(step.Key)
		if _, err := strconv.ParseInt(step.Key, 10, 32); err == nil {
			sql += "::int4"
		}
	}
	return "(" + sql + ")", typ, nil
}

func (s source) name() string {
	if s.rel.Name == "" {
		return "result"
	}
	return s.rel.Name
}

// cond writes a condition.
func (c *compiler) cond(src source, embeds map[string]string, cond Cond) (string, error) {
	var sql string
	if cond.Logic == "" {
		var err error
		if sql, err = c.filter(src, embeds, cond.Filter); err != nil {
			return "", err
		}
	} else {
		var terms []string
		for _, child := range cond.Children {
			term, err := c.cond(src, embeds, child)
			if err != nil {
				return "", err
			}
			terms = append(terms, term)
		}
		sql = "(" + strings.Join(terms, " "+cond.Logic+" ") + ")"
	}
	if cond.Not {
		sql = "(not " + sql + ")"
	}
	return sql, nil
}

func (c *compiler) filter(src source, embeds map[string]string, f Filter) (string, error) {
	if found, ok := embeds[f.Field.Name]; ok && f.Op == "is" && src.rel.Column(f.Field.Name) == nil {
		switch strings.ToLower(f.Value) {
		case "null", "not_null":
			return "(" + found + " is " + isValues[strings.ToLower(f.Value)] + ")", nil
		}
	}
	sql, typ, err := c.field(src, f.Field)
	if err != nil {
		return "", err
	}
	switch f.Op {
	case "is":
		return "(" + sql + " is " + isValues[strings.ToLower(f.Value)] + ")", nil
	case "in":
		inner, _ := parens(f.Value)
		return "(" + sql + " = any(" + c.arg(arrayLiteral(list(inner))) + "::" + typ + "[]))", nil
	}
	if fn, ok := searches[f.Op]; ok {
		language := ""
		if f.Modifier != "" {
			language = c.arg(f.Modifier) + "::regconfig, "
		}
		if typ != "tsvector" {
			sql = "to_tsvector(" + language + sql + "::text)"
		}
		return "(" + sql + " @@ " + fn + "(" + language + c.arg(f.Value) + "))", nil
	}
	op, value := comparisons[f.Op], f.Value
	if p, ok := patterns[f.Op]; ok {
		op, typ = p, "text"
		if f.Op == "like" || f.Op == "ilike" {
			value = strings.ReplaceAll(value, "*", "%")
		}
	}
	if f.Modifier != "" {
		return "(" + sql + " " + op + " " + f.Modifier + "(" + c.arg(arrayLiteral(list(value[1:len(value)-1]))) + "::" + typ + "[]))", nil
	}
	return "(" + sql + " " + op + " " + c.arg(value) + "::" + typ + ")", nil
}

// conds writes all conditions of a scope.
func (c *compiler) conds(src source, embeds map[string]string, conds []Cond) ([]string, error) {
	var out []string
	for _, cond := range conds {
		sql, err := c.cond(src, embeds, cond)
		if err != nil {
			return nil, err
		}
		out = append(out, sql)
	}
	return out, nil
}

// order writes the order by clause of a relation with its select list.
func (c *compiler) order(src source, items []Item, orders []Order) (string, error) {
	var keys []string
	for _, o := range orders {
		sql, err := c.orderKey(src, items, o)
		if err != nil {
			return "", err
		}
		if o.Desc {
			sql += " desc"
		}
		if o.Nulls != "" {
			sql += " nulls " + o.Nulls
		}
		keys = append(keys, sql)
	}
	if len(keys) == 0 {
		return "", nil
	}
	return " order by " + strings.Join(keys, ", "), nil
}

// orderKey writes one sort key. That of an embedded relation is looked up by itself: its select list may lack it.
func (c *compiler) orderKey(src source, items []Item, o Order) (string, error) {
	if o.Embed == "" {
		sql, _, err := c.field(src, o.Field)
		return sql, err
	}
	for _, it := range items {
		if it.Embed == nil || it.Embed.Key() != o.Embed {
			continue
		}
		ln, err := c.schema.link(src.rel, it.Embed)
		if err != nil {
			return "", err
		}
		if ln.many {
			return "", refuse(400, "PGRST118", "A related order on '%s' is not possible", o.Embed)
		}
		sub := source{rel: ln.target, alias: c.alias("t"), path: "order"}
		key, _, err := c.field(sub, o.Field)
		if err != nil {
			return "", err
		}
		from := ln.target.sql() + " " + sub.alias
		on := c.joinOn(src, sub, ln, &from)
		return "(select " + key + " from " + from + whereClause(on) + " limit 1)", nil
	}
	return "", refuse(400, "PGRST108", "'%s' is not an embedded resource in this request", o.Embed)
}

// items writes a select list.
func (c *compiler) items(src source, items []Item) (parts, error) {
	p := parts{embeds: map[string]string{}}
	if items == nil {
		items = []Item{{Star: true}}
	}
	for _, it := range items {
		var err error
		switch {
		case it.Star:
			c.use(src, "*")
			p.cols = append(p.cols, src.alias+".*")
		case it.Embed != nil:
			err = c.embed(src, it.Embed, &p)
		default:
			err = c.item(src, it, &p)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func (c *compiler) item(src source, it Item, p *parts) error {
	name, sql := it.Alias, ""
	bareCount := it.Aggregate == "" && it.Field.Name == "count" && len(it.Field.Path) == 0 && src.rel.Column("count") == nil
	if bareCount || (it.Aggregate == "count" && it.Field.Name == "") {
		sql, p.aggregated = "count(*)", true
		if name == "" {
			name = "count"
		}
	} else {
		var err error
		if sql, _, err = c.field(src, it.Field); err != nil {
			return err
		}
		if name == "" {
			name = it.outputName()
		}
		if it.Aggregate != "" {
			sql, p.aggregated = it.Aggregate+"("+sql+")", true
		} else {
			p.group = append(p.group, sql)
		}
	}
	if it.Cast != "" {
		typ, ok := castTypes[strings.ToLower(it.Cast)]
		if !ok {
			return refuse(400, "42704", "type %q does not exist", it.Cast)
		}
		sql += "::" + typ
	}
	p.cols = append(p.cols, sql+" as "+quoteIdent(name))
	return nil
}

// outputName is the key in the answer of an item without an alias.
func (it Item) outputName() string {
	if it.Aggregate != "" {
		return it.Aggregate
	}
	// A path ends in its last key that is no array index, as PostgREST names it.
	for i := len(it.Field.Path) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(it.Field.Path[i].Key); err != nil {
			return it.Field.Path[i].Key
		}
	}
	return it.Field.Name
}

// limits writes limit and offset; a cap of 0 is none.
func limits(s *Scope, most int64) string {
	limit := most
	if s.Limit != nil && (most == 0 || *s.Limit < most) {
		limit = *s.Limit
	}
	sql := ""
	if limit > 0 || s.Limit != nil {
		sql = " limit " + strconv.FormatInt(limit, 10)
	}
	if s.Offset > 0 {
		sql += " offset " + strconv.FormatInt(s.Offset, 10)
	}
	return sql
}

func whereClause(terms []string) string {
	if len(terms) == 0 {
		return ""
	}
	return " where " + strings.Join(terms, " and ")
}

// groupBy returns the group by clause that aggregates need beside plain columns.
func (p parts) groupBy() string {
	if !p.aggregated || len(p.group) == 0 {
		return ""
	}
	return " group by " + strings.Join(p.group, ", ")
}
