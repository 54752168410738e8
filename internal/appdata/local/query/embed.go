package query

import "strings"

// link is one way from a relation to a related one.
type link struct {
	target *Relation
	many   bool
	on     [][2]string // column of the parent = column of the target
	via    *junction   // for many to many
	name   string
}

// junction is the table between two relations that are related many to many.
type junction struct {
	rel      *Relation
	toParent [][2]string // column of the junction = column of the parent
	toTarget [][2]string // column of the junction = column of the target
}

// embed writes one embedded relation as a lateral join, so that it may filter, order and limit by itself.
func (c *compiler) embed(src source, e *Embed, p *parts) error {
	ln, err := c.schema.link(src.rel, e)
	if err != nil {
		return err
	}
	sub := source{rel: ln.target, alias: c.alias("t"), path: c.embedPath(src, e)}
	inner, err := c.items(sub, e.Items)
	if err != nil {
		return err
	}
	scope := c.params.Scope(sub.path)
	filters, err := c.conds(sub, inner.embeds, scope.Conds)
	if err != nil {
		return err
	}
	order, err := c.order(sub, e.Items, scope.Order)
	if err != nil {
		return err
	}
	from := ln.target.sql() + " " + sub.alias
	where := c.joinOn(src, sub, ln, &from)
	where = append(append(where, inner.where...), filters...)

	query := "select " + strings.Join(inner.cols, ", ") + " from " + from + strings.Join(inner.joins, "") +
		whereClause(where) + inner.groupBy() + order
	return c.attach(src, e, ln, query+limits(scope, 0), inner, p)
}

// attach joins the embedded query to its parent and adds its columns.
func (c *compiler) attach(src source, e *Embed, ln *link, query string, inner parts, p *parts) error {
	lat, row := c.alias("l"), c.alias("r")
	join := " left join lateral "
	if e.Spread {
		if ln.many {
			return refuse(400, "PGRST119", "A spread operation on %q is not possible: it is not a to-one relationship", e.Target)
		}
		if e.Inner {
			join = " join lateral "
		}
		p.joins = append(p.joins, join+"(select to_jsonb("+row+") as v, "+row+".* from ("+query+") "+row+" limit 1) "+lat+" on true")
		for _, name := range outputNames(ln.target, e.Items) {
			p.cols = append(p.cols, lat+"."+quoteIdent(name))
		}
		p.embeds[e.Key()] = lat + ".v"
		return nil
	}
	value := "(select to_json(" + row + ") from (" + query + ") " + row + " limit 1)"
	output := lat + ".v"
	if ln.many {
		value = "(select json_agg(" + row + ") from (" + query + ") " + row + ")"
		output = "coalesce(" + lat + ".v, '[]')"
	}
	p.joins = append(p.joins, join+"(select "+value+" as v) "+lat+" on true")
	if e.Inner {
		p.where = append(p.where, lat+".v is not null")
	}
	if len(e.Items) > 0 { // an empty list only filters, as in items!inner()
		p.cols = append(p.cols, output+" as "+quoteIdent(e.Key()))
	}
	p.embeds[e.Key()] = lat + ".v"
	return nil
}

// outputNames are the column names that a spread brings along.
func outputNames(rel *Relation, items []Item) []string {
	var names []string
	for _, it := range items {
		switch {
		case it.Star:
			for _, col := range rel.Columns {
				names = append(names, col.Name)
			}
		case it.Embed != nil:
			if !it.Embed.Spread {
				names = append(names, it.Embed.Key())
			}
		case it.Alias != "":
			names = append(names, it.Alias)
		default:
			names = append(names, it.outputName())
		}
	}
	return names
}

// embedPath is how the query string addresses the embed: by its alias, or by its target when it is filtered
// under that name.
func (c *compiler) embedPath(src source, e *Embed) string {
	prefix := ""
	if src.path != "" {
		prefix = src.path + "."
	}
	path := prefix + e.Key()
	if e.Alias != "" && c.params.Scopes[path] == nil {
		if byTarget := prefix + e.Target; c.params.Scopes[byTarget] != nil {
			return byTarget
		}
	}
	return path
}

// joinOn writes the conditions that tie the embedded rows to their parent, adding a junction to from.
func (c *compiler) joinOn(src, sub source, ln *link, from *string) []string {
	var where []string
	for _, pair := range ln.on {
		c.use(src, pair[0])
		where = append(where, src.alias+"."+quoteIdent(pair[0])+" = "+sub.alias+"."+quoteIdent(pair[1]))
	}
	if ln.via == nil {
		return where
	}
	j := c.alias("j")
	*from += " cross join " + ln.via.rel.sql() + " " + j
	for _, pair := range ln.via.toParent {
		c.use(src, pair[1])
		where = append(where, j+"."+quoteIdent(pair[0])+" = "+src.alias+"."+quoteIdent(pair[1]))
	}
	for _, pair := range ln.via.toTarget {
		where = append(where, j+"."+quoteIdent(pair[0])+" = "+sub.alias+"."+quoteIdent(pair[1]))
	}
	return where
}

// link finds the one relationship that an embed means. Without one the error is PGRST200, with several PGRST201.
func (s *Schema) link(parent *Relation, e *Embed) (*link, error) {
	found := s.directLinks(parent, e)
	if len(found) == 0 {
		found = s.junctionLinks(parent, e)
	}
	switch len(found) {
	case 1:
		return &found[0], nil
	case 0:
		return nil, refuse(400, "PGRST200", "Could not find a relationship between '%s' and '%s' in the schema cache",
			parent.Name, e.Target).WithDetails("Searched for a foreign key relationship between '%s' and '%s', but no matches were found.", parent.Name, e.Target)
	}
	names := make([]string, len(found))
	for i, l := range found {
		names[i] = e.Target + "!" + l.name
	}
	return nil, refuse(300, "PGRST201", "Could not embed because more than one relationship was found for '%s' and '%s'",
		parent.Name, e.Target).WithDetails("Try one of these: %s", strings.Join(names, ", "))
}

// directLinks follows foreign keys in both directions. In a table that points at itself the column's name
// means the one parent, and the table's name means the children.
func (s *Schema) directLinks(parent *Relation, e *Embed) []link {
	var found []link
	for _, fk := range s.ForeignKeys {
		if e.Hint != "" && e.Hint != fk.Name && !(len(fk.FromColumns) == 1 && e.Hint == fk.FromColumns[0]) {
			continue
		}
		self := fk.From == fk.To
		named := fk.Name == e.Target || (len(fk.FromColumns) == 1 && fk.FromColumns[0] == e.Target)
		if fk.From == parent.Name && (named || (fk.To == e.Target && !self)) && s.Relations[fk.To] != nil {
			found = append(found, link{target: s.Relations[fk.To], on: pairs(fk.FromColumns, fk.ToColumns), name: fk.Name})
		}
		if fk.To == parent.Name && fk.From == e.Target && s.Relations[fk.From] != nil {
			found = append(found, link{
				target: s.Relations[fk.From], many: !fk.Unique, on: pairs(fk.ToColumns, fk.FromColumns), name: fk.Name,
			})
		}
	}
	return found
}

func (s *Schema) junctionLinks(parent *Relation, e *Embed) []link {
	var found []link
	for i, a := range s.ForeignKeys {
		for k, b := range s.ForeignKeys {
			if i == k || a.From != b.From || a.To != parent.Name || b.To != e.Target {
				continue
			}
			if e.Hint != "" && e.Hint != a.From && e.Hint != a.Name && e.Hint != b.Name {
				continue
			}
			rel, target := s.Relations[a.From], s.Relations[b.To]
			if rel == nil || target == nil || rel.View {
				continue
			}
			found = append(found, link{target: target, many: true, name: a.From, via: &junction{
				rel: rel, toParent: pairs(a.FromColumns, a.ToColumns), toTarget: pairs(b.FromColumns, b.ToColumns),
			}})
		}
	}
	return found
}

func pairs(a, b []string) [][2]string {
	out := make([][2]string, len(a))
	for i := range a {
		out[i] = [2]string{a[i], b[i]}
	}
	return out
}
