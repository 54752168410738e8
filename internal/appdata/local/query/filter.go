package query

import "strings"

// comparisons are the operators that compare a field with one value of the field's own type.
var comparisons = map[string]string{
	"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=",
	"cs": "@>", "cd": "<@", "ov": "&&",
	"sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-",
	"isdistinct": "is distinct from",
}

// patterns compare a field with a text pattern.
var patterns = map[string]string{"like": "like", "ilike": "ilike", "match": "~", "imatch": "~*"}

// searches are the full text operators and the function that reads their query.
var searches = map[string]string{
	"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery",
}

var isValues = map[string]string{
	"null": "null", "not_null": "not null", "true": "true", "false": "false", "unknown": "unknown",
}

// ParseFilter parses one filter, such as field "price" with expression "not.gte.10".
func ParseFilter(field, expr string) (Cond, error) {
	f, err := parseField(field)
	if err != nil {
		return Cond{}, err
	}
	c := Cond{Filter: Filter{Field: f}}
	if rest, ok := strings.CutPrefix(expr, "not."); ok {
		c.Not, expr = true, rest
	}
	op, value, ok := strings.Cut(expr, ".")
	if open := strings.IndexByte(op, '('); ok && open > 0 {
		// The modifier may hold a dot only in a language's name, which we do not have.
		mod, closed := parens(op[open:])
		if !closed {
			return c, syntax("failed to parse filter (%s)", expr)
		}
		c.Filter.Modifier, op = mod, op[:open]
	}
	c.Filter.Op, c.Filter.Value = op, value
	if !ok || !c.Filter.valid() {
		return c, syntax("failed to parse filter (%s)", expr)
	}
	return c, nil
}

// valid checks what can be checked without a schema.
func (f Filter) valid() bool {
	_, comparison := comparisons[f.Op]
	_, pattern := patterns[f.Op]
	_, search := searches[f.Op]
	switch {
	case f.Op == "is":
		_, ok := isValues[strings.ToLower(f.Value)]
		return ok && f.Modifier == ""
	case f.Op == "in":
		_, ok := parens(f.Value)
		return ok && f.Modifier == ""
	case search:
		return true
	case comparison, pattern:
		if f.Modifier == "" {
			return true
		}
		braces := strings.HasPrefix(f.Value, "{") && strings.HasSuffix(f.Value, "}") && len(f.Value) >= 2
		return braces && (f.Modifier == "any" || f.Modifier == "all") && f.Op != "isdistinct"
	}
	return false
}

// parseLogic parses "or" or "and", perhaps negated, with its parenthesised operands.
func parseLogic(op, body string, depth int) (Cond, error) {
	var c Cond
	if rest, ok := strings.CutPrefix(op, "not."); ok {
		c.Not, op = true, rest
	}
	c.Logic = op
	inner, ok := parens(body)
	if !ok {
		return c, syntax("failed to parse logic tree (%s)", body)
	}
	if depth > maxDepth {
		return c, syntax("logic is nested more than %d deep", maxDepth)
	}
	for _, part := range split(inner, ',') {
		child, err := parseOperand(strings.TrimSpace(part), depth)
		if err != nil {
			return c, err
		}
		c.Children = append(c.Children, child)
	}
	if len(c.Children) == 0 {
		return c, syntax("failed to parse logic tree (%s)", body)
	}
	return c, nil
}

func parseOperand(s string, depth int) (Cond, error) {
	for _, op := range []string{"and", "or", "not.and", "not.or"} {
		if rest, ok := strings.CutPrefix(s, op); ok && strings.HasPrefix(rest, "(") {
			return parseLogic(op, rest, depth+1)
		}
	}
	// The first dot behind the JSON path, if there is one, ends the field.
	dot := index(s, ".")
	if dot < 0 {
		return Cond{}, syntax("failed to parse logic tree (%s)", s)
	}
	c, err := ParseFilter(s[:dot], s[dot+1:])
	if err == nil && c.Filter.Op != "in" && c.Filter.Modifier == "" {
		c.Filter.Value = unquote(c.Filter.Value) // commas and parentheses hide in quotes here
	}
	return c, err
}
