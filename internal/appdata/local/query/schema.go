// Package query turns the query strings that supabase-js sends into SQL.
//
// It is the pure half of the data API: no clock, no network, no database. A request passes through two steps.
// Parsing (ParseParams, ParseSelect, ParseFilter, ParseOrder) knows only the grammar and yields a small tree.
// Compiling (Read, Insert, Update, Delete, Call) resolves the tree against a Schema and yields a Statement.
//
// Two rules keep it safe. Every identifier in the SQL was found in the Schema, which is read from Postgres'
// catalogue, or is an output name that is quoted here. Every value travels as a text parameter and is cast on
// the server to the type that the catalogue names. Nothing a client sent is ever part of the SQL's text.
//
// The grammar is PostgREST's: https://docs.postgrest.org/en/v13/references/api.html
package query

import (
	"fmt"
	"strings"
)

// Schema is what one app may reach: its tables, views and functions.
type Schema struct {
	Relations   map[string]*Relation
	Functions   map[string][]*Function // by name; several when overloaded
	ForeignKeys []ForeignKey
}

// Relation is a table, a view, or the row type that a function returns.
type Relation struct {
	Name    string // in schema public; "" for a function's own row type
	Columns []Column
	Primary []string // the primary key's columns, in its order
	View    bool
}

// Column is one column of a Relation.
type Column struct {
	Name      string
	Type      string // qualified SQL name without a length, such as "integer" or "public.app_1_status[]"
	Default   string // SQL expression from the catalogue, or ""
	Generated bool   // computed or an identity: never filled from a default
}

// Column returns the column called name, or nil.
func (r *Relation) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// ForeignKey says that rows of From point at rows of To.
type ForeignKey struct {
	Name        string
	From, To    string
	FromColumns []string
	ToColumns   []string
	Unique      bool // at most one row of From points at one row of To
}

// Function is something that /rpc/ may call.
type Function struct {
	Name     string
	Args     []Arg
	Returns  Returns
	Set      bool      // returns any number of rows
	ReadOnly bool      // declared stable or immutable
	Rows     *Relation // for ReturnsRows: the row's columns
}

// Arg is one argument of a Function.
type Arg struct {
	Name     string
	Type     string
	Optional bool // has a default
}

// Returns is the shape of a function's result.
type Returns int

const (
	ReturnsScalar Returns = iota
	ReturnsRows           // a row type: Function.Rows names its columns
	ReturnsVoid
)

// Error is a refusal in the shape that PostgREST clients expect.
type Error struct {
	Status  int     `json:"-"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Details *string `json:"details"`
	Hint    *string `json:"hint"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// WithDetails returns a copy of e that carries more for whoever debugs the app.
func (e Error) WithDetails(format string, args ...any) *Error {
	s := fmt.Sprintf(format, args...)
	e.Details = &s
	return &e
}

func refuse(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// syntax is the answer to a query string that does not follow the grammar.
func syntax(format string, args ...any) *Error { return refuse(400, "PGRST100", format, args...) }

// quoteIdent quotes an SQL identifier.
func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteIdents quotes each name and joins them with commas.
func quoteIdents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}

func (r *Relation) sql() string { return "public." + quoteIdent(r.Name) }
