package relevance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"overskill/internal/filetree"
)

const (
	migrations = "supabase/migrations/"
	maxSchema  = 6 << 10
)

// Schema tells an app's tables in short, as its migrations leave them, one line each: the columns with their types ("?"
// may be null, "pk" primary key, "-> x" refers to x), and whether row level security is on. Names are without the
// prefix that all tables of an app share. It reads "create table", "alter table" and "drop table" and the names of views, and
// passes over what it does not understand; it is "" without tables and at most 6 kB.
func Schema(tree filetree.Tree) string {
	s := schema{tables: map[string]*table{}}
	for _, name := range tree.Paths() { // in the order of their times
		if content, _ := tree.Get(name); strings.HasPrefix(name, migrations) && strings.HasSuffix(name, ".sql") && filetree.IsText(content) {
			for _, statement := range statements(string(content)) {
				s.run(statement)
			}
		}
	}
	return s.String()
}

type schema struct {
	tables map[string]*table
	order  []string
	views  []string
}

type table struct {
	columns []column
	rls     bool
}

type column struct {
	name, kind string
	null, pk   bool
	refers     string
}

func (s *schema) String() string {
	var b strings.Builder
	for i, name := range s.order {
		t := s.tables[name]
		var cols []string
		for _, c := range t.columns {
			cols = append(cols, c.String())
		}
		rls := "RLS"
		if !t.rls {
			rls = "no RLS"
		}
		line := fmt.Sprintf("%s (%s): %s\n", name, rls, strings.Join(cols, ", "))
		if b.Len()+len(line) > maxSchema-600 {
			fmt.Fprintf(&b, "... and %d more tables: %s\n", len(s.order)-i, clip(strings.Join(s.order[i:], ", "), 300))
			break
		}
		b.WriteString(line)
	}
	if len(s.views) > 0 {
		b.WriteString("views: " + clip(strings.Join(s.views, ", "), 250) + "\n")
	}
	return b.String()
}

func clip(text string, limit int) string {
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}

func (c column) String() string {
	text := c.name + " " + c.kind
	if c.pk {
		text += " pk"
	} else if c.null {
		text += "?"
	}
	if c.refers != "" {
		text += " -> " + c.refers
	}
	return text
}

// statements splits SQL into statements of tokens: words in lower case, quoted names as they are, single
// characters, and "'" for any string.
func statements(sql string) [][]string {
	var out [][]string
	var now []string
	for _, t := range tokens(sql) {
		if t == ";" {
			out, now = append(out, now), nil
			continue
		}
		now = append(now, t)
	}
	return append(out, now)
}

var sqlToken = regexp.MustCompile(`(?s)^(?:\s+|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$|(?:[\pL_]|\{\{\w+\}\})(?:[\pL\d_$]|\{\{\w+\}\})*|\d[\d.]*|.)`)

func tokens(sql string) []string {
	var out []string
	for len(sql) > 0 {
		m := sqlToken.FindStringSubmatchIndex(sql)
		if m == nil { // not UTF-8
			return out
		}
		t := sql[:m[1]]
		sql = sql[m[1]:]
		switch {
		case strings.TrimSpace(t) == "", strings.HasPrefix(t, "--"), strings.HasPrefix(t, "/*"):
		case strings.HasPrefix(t, "$") && len(t) > 1: // a body
			if i := strings.Index(sql, t); i >= 0 {
				sql = sql[i+len(t):]
			}
			out = append(out, "'")
		case t[0] == '\'':
			out = append(out, "'")
		case t[0] == '"':
			out = append(out, strings.ReplaceAll(strings.Trim(t, `"`), `""`, `"`))
		case strings.Contains(t, "{{"):
			out = append(out, t)
		default:
			out = append(out, strings.ToLower(t))
		}
	}
	return out
}

// cursor reads the tokens of one statement.
type cursor []string

// skip passes over these words if they come next, in order, and reports whether they did.
func (c *cursor) skip(words ...string) bool {
	if len(*c) < len(words) || !slices.Equal((*c)[:len(words)], words) {
		return false
	}
	*c = (*c)[len(words):]
	return true
}

func (c *cursor) next() string {
	if len(*c) == 0 {
		return ""
	}
	t := (*c)[0]
	*c = (*c)[1:]
	return t
}

var appPrefix = regexp.MustCompile(`(?i)^app_(?:\{\{\w+\}\}|\d+)_`)

// name reads a table's name, without schema and prefix.
func (c *cursor) name() string {
	n := c.next()
	for c.skip(".") {
		n = c.next()
	}
	return appPrefix.ReplaceAllString(n, "")
}

func (s *schema) run(statement []string) {
	c := cursor(statement)
	switch {
	case c.skip("create"):
		s.create(c)
	case c.skip("alter", "table"):
		c.skip("if", "exists")
		c.skip("only")
		s.alter(c)
	case c.skip("drop", "table"):
		c.skip("if", "exists")
		for name := c.name(); name != ""; name = c.name() {
			s.drop(name)
			if !c.skip(",") {
				break
			}
		}
	case c.skip("drop", "view"):
		c.skip("if", "exists")
		name := c.name()
		s.views = slices.DeleteFunc(s.views, func(v string) bool { return v == name })
	}
}

func (s *schema) create(c cursor) {
	c.skip("or", "replace")
	c.skip("unlogged")
	switch {
	case c.skip("table"):
		c.skip("if", "not", "exists")
		name := c.name()
		if name == "" || s.tables[name] != nil || !c.skip("(") {
			return
		}
		t := &table{}
		s.tables[name], s.order = t, append(s.order, name)
		for _, item := range items(c) {
			t.define(item)
		}
	case c.skip("view"):
		if name := c.name(); name != "" && !slices.Contains(s.views, name) {
			s.views = append(s.views, name)
		}
	}
}

// items splits what stands between parentheses at its own commas; the opening one is read.
func items(c cursor) []cursor {
	var out []cursor
	depth, start := 0, 0
	for i, t := range c {
		switch t {
		case "(":
			depth++
		case ")":
			if depth--; depth < 0 {
				return append(out, c[start:i])
			}
		case ",":
			if depth == 0 {
				out, start = append(out, c[start:i]), i+1
			}
		}
	}
	return append(out, c[start:])
}

// Words that begin a constraint of a table, and those that end the type of a column.
var (
	tableConstraints  = []string{"constraint", "primary", "unique", "check", "foreign", "exclude", "like"}
	columnConstraints = []string{"constraint", "primary", "unique", "check", "references", "not", "null", "default", "generated", "collate"}
)

// define adds a column, or notes the constraints that concern columns.
func (t *table) define(c cursor) {
	if len(c) == 0 {
		return
	}
	if slices.Contains(tableConstraints, c[0]) {
		t.constrain(c)
		return
	}
	col := column{name: c.next(), null: true}
	for len(c) > 0 && !slices.Contains(columnConstraints, c[0]) {
		w := c.next()
		if col.kind != "" && strings.TrimLeft(w, "(),[].") != "" && !strings.HasSuffix(col.kind, "(") && !strings.HasSuffix(col.kind, ".") && !strings.HasSuffix(col.kind, ",") {
			col.kind += " "
		}
		col.kind += w
	}
	for len(c) > 0 {
		switch {
		case c.skip("not", "null"):
			col.null = false
		case c.skip("primary", "key"):
			col.null, col.pk = false, true
		case c.skip("references"):
			col.refers = c.name()
		default:
			c.next()
		}
	}
	t.columns = append(t.columns, col)
}

// constrain applies "primary key (a, b)" and "foreign key (a, b) references x".
func (t *table) constrain(c cursor) {
	if c.skip("constraint") {
		c.next()
	}
	primary := c.skip("primary", "key")
	if !primary && !c.skip("foreign", "key") || !c.skip("(") {
		return
	}
	var names []string
	for len(c) > 0 && !c.skip(")") {
		names = append(names, c.next())
	}
	refers := ""
	if c.skip("references") {
		refers = c.name()
	}
	for i := range t.columns {
		col := &t.columns[i]
		if k := slices.Index(names, col.name); k < 0 {
			continue
		} else if primary {
			col.pk, col.null = true, false
		} else if k == 0 {
			col.refers = refers // of a key of several columns the first is what people mean
		}
	}
}

func (s *schema) drop(name string) {
	delete(s.tables, name)
	s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == name })
}

func (s *schema) alter(c cursor) {
	name := c.name()
	t := s.tables[name]
	if t == nil {
		return
	}
	if c.skip("rename", "to") {
		to := c.name()
		if i := slices.Index(s.order, name); i >= 0 && to != "" {
			s.order[i] = to
			delete(s.tables, name)
			s.tables[to] = t
		}
		return
	}
	for _, action := range items(c) {
		t.alter(action)
	}
}

// alter applies one action of "alter table".
func (t *table) alter(c cursor) {
	find := func(name string) int {
		return slices.IndexFunc(t.columns, func(col column) bool { return col.name == name })
	}
	switch {
	case c.skip("enable", "row", "level"):
		t.rls = true
	case c.skip("disable", "row", "level"):
		t.rls = false
	case c.skip("add"):
		c.skip("column")
		c.skip("if", "not", "exists")
		if len(c) > 0 && find(c[0]) < 0 {
			t.define(c)
		}
	case c.skip("drop", "constraint"):
	case c.skip("drop"):
		c.skip("column")
		c.skip("if", "exists")
		if i := find(c.next()); i >= 0 {
			t.columns = slices.Delete(t.columns, i, i+1)
		}
	case c.skip("rename"):
		c.skip("column")
		from := c.next()
		if i := find(from); i >= 0 && c.skip("to") && len(c) > 0 {
			t.columns[i].name = c.next()
		}
	case c.skip("alter"):
		c.skip("column")
		i := find(c.next())
		switch {
		case i < 0:
		case c.skip("set", "not", "null"):
			t.columns[i].null = false
		case c.skip("drop", "not", "null"):
			t.columns[i].null = true
		case c.skip("type"), c.skip("set", "data", "type"):
			t.columns[i].kind = c.next()
		}
	}
}
