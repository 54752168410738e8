package compile

import (
	"fmt"
	"strings"
	"unicode"
)

// maxName bounds the part of a table's or view's name that comes from a spec, so that the longest name built
// from it ("app_" + a 64-bit id + "_" + name + "_check_ins") stays within PostgreSQL's 63 bytes.
const maxName = 28

// pascal turns "stock_movement" into "StockMovement".
func pascal(snake string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(snake, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// camel turns "stock_movement" into "stockMovement".
func camel(snake string) string {
	p := pascal(snake)
	return strings.ToLower(p[:1]) + p[1:]
}

// kebab turns "stock_movement" into "stock-movement".
func kebab(snake string) string { return strings.ReplaceAll(snake, "_", "-") }

// taken hands out names that are not in use yet.
type taken map[string]bool

// reserve marks names as in use and returns t.
func (t taken) reserve(names ...string) taken {
	for _, n := range names {
		t[n] = true
	}
	return t
}

// pick returns the first of the candidates that is free, or the last one with a number after it.
func (t taken) pick(candidates ...string) string {
	for _, c := range candidates {
		if !t[c] {
			t[c] = true
			return c
		}
	}
	last := candidates[len(candidates)-1]
	for n := 2; ; n++ {
		if c := fmt.Sprintf("%s_%d", last, n); !t[c] {
			t[c] = true
			return c
		}
	}
}

// clip shortens a snake_case name to maxName bytes.
func clip(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.TrimRight(name, "_")
}

// lowerFirst writes a label inside a sentence: "Stock movement" becomes "stock movement", "SKU" stays.
func lowerFirst(label string) string {
	r := []rune(label)
	if len(r) == 0 || len(r) > 1 && unicode.IsUpper(r[1]) {
		return label
	}
	r[0] = unicode.ToLower(r[0])
	return string(r)
}

// upperFirst begins a sentence with a label.
func upperFirst(label string) string {
	r := []rune(label)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// article returns "a" or "an" with the label, by its first letter.
func article(label string) string {
	if label != "" && strings.ContainsRune("aeiouAEIOU", rune(label[0])) {
		return "an " + label
	}
	return "a " + label
}

// sqlReserved are the words of the specs' likely field names that PostgreSQL accepts as a column only in quotes.
var sqlReserved = map[string]bool{
	"all": true, "analyse": true, "analyze": true, "and": true, "any": true, "array": true, "as": true, "asc": true,
	"asymmetric": true, "authorization": true, "binary": true, "both": true, "case": true, "cast": true, "check": true,
	"collate": true, "collation": true, "column": true, "concurrently": true, "constraint": true, "create": true,
	"cross": true, "current_catalog": true, "current_date": true, "current_role": true, "current_schema": true,
	"current_time": true, "current_timestamp": true, "current_user": true, "default": true, "deferrable": true,
	"desc": true, "distinct": true, "do": true, "else": true, "end": true, "except": true, "false": true, "fetch": true,
	"for": true, "foreign": true, "freeze": true, "from": true, "full": true, "grant": true, "group": true,
	"having": true, "ilike": true, "in": true, "initially": true, "inner": true, "intersect": true, "into": true,
	"is": true, "isnull": true, "join": true, "lateral": true, "leading": true, "left": true, "like": true,
	"limit": true, "localtime": true, "localtimestamp": true, "natural": true, "not": true, "notnull": true,
	"null": true, "offset": true, "on": true, "only": true, "or": true, "order": true, "outer": true, "overlaps": true,
	"placing": true, "primary": true, "references": true, "returning": true, "right": true, "select": true,
	"session_user": true, "similar": true, "some": true, "symmetric": true, "system_user": true, "table": true,
	"tablesample": true, "then": true, "to": true, "trailing": true, "true": true, "union": true, "unique": true,
	"user": true, "using": true,
	// Words that are allowed as a column's name but read as something else inside an expression.
	"between": true, "bigint": true, "bit": true, "boolean": true, "char": true, "character": true, "coalesce": true,
	"dec": true, "decimal": true, "exists": true, "extract": true, "float": true, "greatest": true, "grouping": true,
	"inout": true, "int": true, "integer": true, "interval": true, "least": true, "national": true, "nchar": true,
	"none": true, "normalize": true, "nullif": true, "numeric": true, "out": true, "overlay": true, "position": true,
	"precision": true, "real": true, "row": true, "setof": true, "smallint": true, "substring": true, "time": true,
	"timestamp": true, "treat": true, "trim": true, "values": true, "varchar": true, "xmlattributes": true,
	"xmlconcat": true, "xmlelement": true, "xmlexists": true, "xmlforest": true, "xmlnamespaces": true, "xmlparse": true,
	"xmlpi": true, "xmlroot": true, "xmlserialize": true, "xmltable": true, "json": true, "json_array": true,
	"json_exists": true, "json_object": true, "json_query": true, "json_scalar": true, "json_serialize": true,
	"json_table": true, "json_value": true, "merge_action": true, "day": true, "hour": true, "minute": true,
	"month": true, "second": true, "year": true,
	"variadic": true, "verbose": true, "when": true, "where": true, "window": true, "with": true,
}

// column writes a column's name in SQL.
func column(name string) string {
	if sqlReserved[name] {
		return `"` + name + `"`
	}
	return name
}

// quote writes a text literal in SQL.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
