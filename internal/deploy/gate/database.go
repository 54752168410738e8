package gate

import (
	"fmt"
	"path"

	"overskill/internal/model"
)

// place is where something was said.
type place struct {
	file string
	line int
}

// table is one that visitors may reach through the data API: in schema public.
type table struct {
	place
	rls bool
}

// policy is what a row level security policy says.
type policy struct {
	place
	name, table string
	command     string // all, select, insert, update, delete
	roles       []string
	using       []token
	check       []token
	permissive  bool
}

// function is one that runs with its owner's rights.
type function struct {
	place
	name string
	safe bool // its search_path is fixed
}

// schema is the database as the migrations make it, as far as the rules ask.
type schema struct {
	tables    map[string]*table
	policies  map[string]*policy // by table and name
	functions map[string]*function
	file      string
}

// migrations is where the foundation keeps them.
const migrations = "supabase/migrations"

// database looks for what the migrations leave open.
func database(in Input) []model.Finding {
	s := schema{tables: map[string]*table{}, policies: map[string]*policy{}, functions: map[string]*function{}}
	for _, m := range in.Migrations {
		s.file = m.Name
		if p := path.Join(migrations, m.Name); in.Source.Has(p) {
			s.file = p
		}
		for _, st := range statements(m.SQL, 1) {
			s.apply(st)
		}
	}
	return s.findings()
}

// apply follows one statement.
func (s *schema) apply(st []token) {
	c := &cursor{tokens: st}
	switch {
	case c.take("do"):
		s.block(st)
	case c.take("create"):
		s.create(c)
	case c.take("alter"):
		s.alter(c)
	case c.take("drop"):
		s.drop(c)
	}
}

// block follows the statements of a DO block, from the first word on that changes something: behind begin, then, else.
func (s *schema) block(st []token) {
	for _, t := range st {
		if t.kind != text {
			continue
		}
		for _, inner := range statements(t.text, t.line) {
			for i, t := range inner {
				if t.is("create") || t.is("alter") || t.is("drop") {
					s.apply(inner[i:])
					break
				}
			}
		}
	}
}

func (s *schema) here(c *cursor) place {
	if c.at < len(c.tokens) {
		return place{s.file, c.tokens[c.at].line}
	}
	return place{s.file, c.tokens[0].line}
}

func (s *schema) create(c *cursor) {
	c.take("or", "replace")
	if c.peek().is("temp") || c.peek().is("temporary") || c.peek().is("local") || c.peek().is("global") {
		return
	}
	c.any("unlogged")
	switch {
	case c.take("table"):
		exists := c.take("if", "not", "exists")
		at := s.here(c)
		if in, name := c.name(); in == "public" && (s.tables[name] == nil || !exists) {
			s.tables[name] = &table{place: at}
		}
	case c.take("policy"):
		s.policy(c)
	case c.take("function"), c.take("procedure"):
		s.function(c)
	}
}

func (s *schema) policy(c *cursor) {
	p := &policy{place: s.here(c), command: "all", permissive: true}
	p.name = c.peek().text
	c.at++
	if !c.take("on") {
		return
	}
	in, name := c.name()
	if in != "public" {
		return
	}
	p.table = name
	s.clauses(c, p)
	s.policies[p.table+"\x00"+p.name] = p
}

// clauses reads what a policy says behind its table.
func (s *schema) clauses(c *cursor, p *policy) {
	for c.at < len(c.tokens) {
		switch {
		case c.take("as"):
			p.permissive = !c.peek().is("restrictive")
			c.at++
		case c.take("for"):
			p.command = c.peek().text
			c.at++
		case c.take("to"):
			p.roles = nil
			for more := true; more; more = c.sign(",") {
				p.roles = append(p.roles, c.peek().text)
				c.at++
			}
		case c.take("using"):
			p.using = c.parens()
		case c.take("with", "check"):
			p.check = c.parens()
		default:
			c.at++
		}
	}
}

func (s *schema) function(c *cursor) {
	f := &function{place: s.here(c)}
	in, name := c.name()
	args := c.parens()
	f.name = name
	id := functionID(in, name, args)
	delete(s.functions, id)
	rest := *c
	if !rest.seek("security", "definer") {
		return
	}
	f.safe = fixesPath(*c)
	s.functions[id] = f
}

// functionID tells functions of a name apart by how many arguments they have: their types can be written in many ways.
func functionID(in, name string, args []token) string {
	n, depth := 0, 0
	if len(args) > 0 {
		n = 1
	}
	for _, t := range args {
		if t.kind != sign {
			continue
		}
		switch t.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case ",":
			if depth == 0 {
				n++
			}
		}
	}
	return fmt.Sprintf("%s.%s/%d", in, name, n)
}

// fixesPath reports whether set search_path stands in what follows.
func fixesPath(c cursor) bool { return c.seek("set", "search_path") }

func (s *schema) alter(c *cursor) {
	switch {
	case c.take("table"):
		c.take("if", "exists")
		c.take("only")
		s.alterTable(c)
	case c.take("policy"):
		name := c.peek().text
		c.at++
		if c.take("on") {
			_, on := c.name()
			if p := s.policies[on+"\x00"+name]; p != nil {
				changed := *p
				changed.place = place{s.file, c.tokens[0].line}
				s.clauses(c, &changed)
				s.policies[on+"\x00"+name] = &changed
			}
		}
	case c.take("function"), c.take("procedure"):
		in, name := c.name()
		f := s.functions[functionID(in, name, c.parens())]
		if f != nil && fixesPath(*c) {
			f.safe = true
		}
		if rest := *c; f != nil && rest.seek("security", "invoker") {
			f.safe = true
		}
	}
}

func (s *schema) alterTable(c *cursor) {
	at := s.here(c)
	in, name := c.name()
	t := s.tables[name]
	if in != "public" || t == nil {
		return
	}
	switch rest := *c; {
	case c.take("rename", "to"):
		if _, to := c.name(); to != "" {
			delete(s.tables, name)
			s.tables[to] = t
			s.renamePolicies(name, to)
		}
	case c.take("set", "schema"):
		delete(s.tables, name)
	case rest.seek("enable", "row", "level", "security"):
		t.rls = true
	default:
		if rest := *c; rest.seek("disable", "row", "level", "security") {
			t.rls, t.place = false, at
		}
	}
}

func (s *schema) renamePolicies(from, to string) {
	for _, id := range sortedKeys(s.policies) {
		if p := s.policies[id]; p.table == from {
			delete(s.policies, id)
			p.table = to
			s.policies[to+"\x00"+p.name] = p
		}
	}
}

func (s *schema) drop(c *cursor) {
	switch {
	case c.take("table"):
		c.take("if", "exists")
		for more := true; more; more = c.sign(",") {
			if in, name := c.name(); in == "public" {
				delete(s.tables, name)
				for _, id := range sortedKeys(s.policies) {
					if s.policies[id].table == name {
						delete(s.policies, id)
					}
				}
			}
		}
	case c.take("policy"):
		c.take("if", "exists")
		name := c.peek().text
		c.at++
		if c.take("on") {
			_, on := c.name()
			delete(s.policies, on+"\x00"+name)
		}
	case c.take("function"), c.take("procedure"):
		c.take("if", "exists")
		in, name := c.name()
		delete(s.functions, functionID(in, name, c.parens()))
	}
}

// findings says what is open once all migrations have run.
func (s *schema) findings() (out []model.Finding) {
	for _, name := range sortedKeys(s.tables) {
		if t := s.tables[name]; !t.rls {
			out = append(out, model.Finding{
				Rule: "table_without_rls", Severity: model.SeverityBlock, File: t.file, Line: t.line,
				Title:  fmt.Sprintf("Everybody can read and change the table %s.", name),
				Why:    "Row level security is not switched on for it, so the key that is in every visitor's browser opens all of its rows.",
				Cure:   "Switch it on, and write a policy for what each person may do.",
				Prompt: fmt.Sprintf("The table %s has no row level security. Write a migration that enables it (alter table %s enable row level security) and adds policies so that people reach only the rows that are theirs.", name, name),
			})
		}
	}
	for _, id := range sortedKeys(s.policies) {
		out = append(out, s.policies[id].findings()...)
	}
	for _, id := range sortedKeys(s.functions) {
		if f := s.functions[id]; !f.safe {
			out = append(out, model.Finding{
				Rule: "security_definer_without_search_path", Severity: model.SeverityWarn, File: f.file, Line: f.line,
				Title:  fmt.Sprintf("The function %s runs with its owner's rights and looks names up where its caller says.", f.name),
				Why:    "Who may create a table or a function in a schema of the search path can make it run theirs with the owner's rights.",
				Cure:   "Add set search_path = '' to it, and write all names in it with their schema.",
				Prompt: fmt.Sprintf("Write a migration that redefines the function %s with set search_path = '' and with the schema in front of every name in it.", f.name),
			})
		}
	}
	return out
}
