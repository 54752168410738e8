package query

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds how deep logic operators and embedded relations may nest.
const maxDepth = 12

// Field is a column, or a path into a JSON column: data->address->>city.
type Field struct {
	Name string
	Path []Step
}

// Step is one arrow of a JSON path.
type Step struct {
	Key  string
	Text bool // ->> rather than ->
}

// Item is one entry of a select list.
type Item struct {
	Star      bool
	Field     Field
	Alias     string
	Cast      string
	Aggregate string // count, sum, avg, min, max or ""
	Embed     *Embed
}

// Embed is a related relation inside a select list.
type Embed struct {
	Alias  string
	Target string // a relation, a foreign key's name, or the column that holds the key
	Hint   string // chooses between several foreign keys
	Inner  bool   // parents without a match are left out
	Spread bool   // its columns become columns of the parent
	Items  []Item
}

// Key is the name under which the embedded rows appear, and by which filters address them.
func (e *Embed) Key() string {
	if e.Alias != "" {
		return e.Alias
	}
	return e.Target
}

// Cond is a filter, or several joined by a logic operator.
type Cond struct {
	Not      bool
	Logic    string // "and", "or", or "" for a filter
	Children []Cond
	Filter   Filter
}

// Filter compares one field.
type Filter struct {
	Field    Field
	Op       string // eq, in, fts, ...
	Modifier string // any or all; for full text search the language
	Value    string
}

// Order is one sort key.
type Order struct {
	Embed string // key of an embedded to-one relation whose field it is, or ""
	Field Field
	Desc  bool
	Nulls string // "first", "last" or ""
}

// Scope holds what a query string says about one relation: the requested one, or an embedded one.
type Scope struct {
	Conds  []Cond
	Order  []Order
	Limit  *int64
	Offset int64
}

// Params is a parsed query string.
type Params struct {
	Select     []Item // nil means *
	Columns    []string
	OnConflict []string
	Scopes     map[string]*Scope // by dotted path of embeds; "" is the requested relation
}

// Scope returns the scope of a path; it is never nil.
func (p *Params) Scope(path string) *Scope {
	if s := p.Scopes[path]; s != nil {
		return s
	}
	return &Scope{}
}

func (p *Params) scope(path string) *Scope {
	s := p.Scopes[path]
	if s == nil {
		s = &Scope{}
		p.Scopes[path] = s
	}
	return s
}

// ParseParams parses a query string. Its errors are *Error with status 400.
func ParseParams(q url.Values) (*Params, error) {
	p := &Params{Scopes: map[string]*Scope{}}
	// Sorted, so that equal requests give equal SQL, which Postgres then has prepared already.
	for _, key := range slices.Sorted(maps.Keys(q)) {
		for _, value := range q[key] {
			if err := p.add(key, value); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *Params) add(key, value string) error {
	var err error
	switch key {
	case "select":
		p.Select, err = ParseSelect(value)
		return err
	case "columns":
		p.Columns = list(value)
		return nil
	case "on_conflict":
		p.OnConflict = list(value)
		return nil
	case "apikey": // Supabase's gateway accepts the key here
		return nil
	}
	path, name := splitKey(key)
	s := p.scope(path)
	switch name {
	case "order":
		s.Order, err = ParseOrder(value)
	case "limit":
		var n int64
		if n, err = count(name, value); err == nil {
			s.Limit = &n
		}
	case "offset":
		s.Offset, err = count(name, value)
	case "or", "and", "not.or", "not.and":
		var c Cond
		c, err = parseLogic(name, value, 0)
		s.Conds = append(s.Conds, c)
	default:
		var c Cond
		c, err = ParseFilter(name, value)
		s.Conds = append(s.Conds, c)
	}
	return err
}

// splitKey separates the embeds' path from the name: "a.b.title" is title of b within a. Dots inside quotes
// and behind a JSON arrow belong to the name.
func splitKey(key string) (path, name string) {
	head := key
	if i := index(key, "->"); i >= 0 {
		head = key[:i]
	}
	parts := split(head, '.')
	n := len(parts) - 1
	if n >= 1 && parts[n-1] == "not" && (parts[n] == "or" || parts[n] == "and") {
		n--
	}
	if n <= 0 {
		return "", key
	}
	path = strings.Join(parts[:n], ".")
	return path, key[len(path)+1:]
}

func count(name, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, syntax("failed to parse %s parameter (%s)", name, value)
	}
	return n, nil
}

// ParseSelect parses a select list: columns, aliases, casts, JSON paths, aggregates and embedded relations.
func ParseSelect(s string) ([]Item, error) { return parseSelect(s, 0) }

func parseSelect(s string, depth int) ([]Item, error) {
	if depth > maxDepth {
		return nil, syntax("select is nested more than %d deep", maxDepth)
	}
	items := []Item{}
	for _, part := range split(s, ',') {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		item, err := parseItem(part, depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func parseItem(s string, depth int) (Item, error) {
	if s == "*" {
		return Item{Star: true}, nil
	}
	if open := index(s, "("); open > 0 && strings.HasSuffix(s, ")") && !aggregated(s) {
		return parseEmbed(s[:open], s[open+1:len(s)-1], depth)
	}
	var it Item
	if i := index(s, ":"); i > 0 && !strings.HasPrefix(s[i:], "::") {
		it.Alias, s = unquote(s[:i]), s[i+1:]
	}
	if i := index(s, "::"); i > 0 {
		it.Cast, s = s[i+2:], s[:i]
	}
	if s == "count()" {
		it.Aggregate = "count"
		return it, nil
	}
	if name, ok := strings.CutSuffix(s, "()"); ok {
		i := strings.LastIndexByte(name, '.')
		if i <= 0 || !isAggregate(name[i+1:]) {
			return it, syntax("unknown aggregate in %q", s)
		}
		it.Aggregate, s = name[i+1:], name[:i]
	}
	var err error
	it.Field, err = parseField(s)
	return it, err
}

// aggregated reports whether s ends in an aggregate's call, such as total.sum()::text.
func aggregated(s string) bool {
	if i := index(s, "::"); i > 0 {
		s = s[:i]
	}
	return strings.HasSuffix(s, "()") && isAggregate(strings.TrimSuffix(s[strings.LastIndexAny(s, ".:")+1:], "()"))
}

func isAggregate(s string) bool {
	return slices.Contains([]string{"count", "sum", "avg", "min", "max"}, s)
}

func parseEmbed(head, body string, depth int) (Item, error) {
	e := &Embed{}
	if rest, ok := strings.CutPrefix(head, "..."); ok {
		e.Spread, head = true, rest
	}
	if i := index(head, ":"); i > 0 {
		e.Alias, head = unquote(head[:i]), head[i+1:]
	}
	parts := split(head, '!')
	if len(parts) == 0 || parts[0] == "" {
		return Item{}, syntax("an embedded relation lacks its name")
	}
	e.Target = unquote(parts[0])
	for _, h := range parts[1:] {
		switch h {
		case "inner":
			e.Inner = true
		case "left":
		default:
			e.Hint = unquote(h)
		}
	}
	var err error
	e.Items, err = parseSelect(body, depth+1)
	return Item{Embed: e}, err
}

func parseField(s string) (Field, error) {
	var f Field
	arrow := index(s, "->")
	if arrow < 0 {
		f.Name = unquote(strings.TrimSpace(s))
	} else {
		f.Name = unquote(strings.TrimSpace(s[:arrow]))
		for rest := s[arrow:]; rest != ""; {
			step := Step{Text: strings.HasPrefix(rest, "->>")}
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, "->"), ">")
			if i := index(rest, "->"); i >= 0 {
				step.Key, rest = rest[:i], rest[i:]
			} else {
				step.Key, rest = rest, ""
			}
			step.Key = unquote(step.Key)
			if step.Key == "" || (step.Text && rest != "") {
				return f, syntax("failed to parse JSON path (%s)", s)
			}
			f.Path = append(f.Path, step)
		}
	}
	if f.Name == "" {
		return f, syntax("failed to parse column name (%s)", s)
	}
	return f, nil
}

// ParseOrder parses the value of an order parameter.
func ParseOrder(s string) ([]Order, error) {
	var orders []Order
	for _, part := range split(s, ',') {
		o := Order{}
		if open := index(part, "("); open > 0 { // customers(name).desc
			end := strings.LastIndexByte(part, ')')
			if end < open {
				return nil, syntax("failed to parse order (%s)", s)
			}
			o.Embed, part = unquote(part[:open]), part[open+1:end]+part[end+1:]
		}
		head, tail := part, ""
		// Modifiers follow the last arrow: a JSON key may hold dots only in quotes.
		if i := index(part, "."); i >= 0 {
			head, tail = part[:i], part[i+1:]
		}
		field, err := parseField(head)
		if err != nil {
			return nil, err
		}
		o.Field = field
		for _, m := range split(tail, '.') {
			switch m {
			case "asc":
			case "desc":
				o.Desc = true
			case "nullsfirst":
				o.Nulls = "first"
			case "nullslast":
				o.Nulls = "last"
			default:
				return nil, syntax("failed to parse order (%s)", s)
			}
		}
		orders = append(orders, o)
	}
	return orders, nil
}
