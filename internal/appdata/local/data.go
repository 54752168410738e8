package local

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"overskill/internal/fault"
)

// Table describes one table or view of an app to its builder.
type Table struct {
	Name     string // without the app_<id>_ prefix
	FullName string
	View     bool
	Rows     int64 // exact for small tables, Postgres' estimate above some thousand; -1 for a view
	Columns  []TableColumn
	Policies []Policy
}

// TableColumn is one column of a Table.
type TableColumn struct {
	Name    string
	Type    string
	NotNull bool
	Primary bool
	Default string // SQL, or ""
}

// Policy is one row level security policy of a Table.
type Policy struct {
	Name    string
	Command string   // ALL, SELECT, INSERT, UPDATE or DELETE
	Roles   []string // anon, authenticated, public
	Using   string   // SQL, or ""
	Check   string   // SQL, or ""
}

// RowPage is a page of a table's rows.
type RowPage struct {
	Columns []string
	Rows    [][]*string // as text; nil is null
	Total   int64
}

// exactBelow is up to which estimate rows are counted rather than estimated.
const exactBelow = 10_000

// Tables lists the app's tables and views by name.
func (s *Server) Tables(ctx context.Context, appID int64) ([]Table, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	known, err := s.exists(ctx, appID)
	if err != nil || !known {
		return nil, err
	}
	owner := s.role(appID, "owner")
	rows, err := s.admin.Query(ctx, `
		select c.relname, c.relkind in ('v', 'm'), c.reltuples::bigint, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
		       coalesce(a.attnum = any(k.conkey), false), coalesce(pg_get_expr(d.adbin, d.adrelid), '')
		  from pg_class c
		  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
		  left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
		 where c.relowner = to_regrole($1) and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
		 order by c.relname, a.attnum`, owner)
	if err != nil {
		return nil, fmt.Errorf("list tables of app %d: %w", appID, err)
	}
	var tables []Table
	var t Table
	var col TableColumn
	_, err = pgx.ForEachRow(rows, []any{&t.FullName, &t.View, &t.Rows, &col.Name, &col.Type, &col.NotNull, &col.Primary, &col.Default}, func() error {
		if n := len(tables); n == 0 || tables[n-1].FullName != t.FullName {
			t.Name = strings.TrimPrefix(t.FullName, fmt.Sprintf("app_%d_", appID))
			tables = append(tables, t)
		}
		last := &tables[len(tables)-1]
		last.Columns = append(last.Columns, col)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tables of app %d: %w", appID, err)
	}
	if err := s.addPolicies(ctx, owner, tables); err != nil {
		return nil, err
	}
	return tables, s.countRows(ctx, appID, tables)
}

func (s *Server) addPolicies(ctx context.Context, owner string, tables []Table) error {
	rows, err := s.admin.Query(ctx, `
		select p.tablename, p.policyname, p.cmd, p.roles::text[], coalesce(p.qual, ''), coalesce(p.with_check, '')
		  from pg_policies p join pg_class c on c.relname = p.tablename and c.relnamespace = p.schemaname::regnamespace
		 where p.schemaname = 'public' and c.relowner = to_regrole($1) order by 1, 2`, owner)
	if err != nil {
		return err
	}
	var table string
	var p Policy
	_, err = pgx.ForEachRow(rows, []any{&table, &p.Name, &p.Command, &p.Roles, &p.Using, &p.Check}, func() error {
		for i := range tables {
			if tables[i].FullName == table {
				tables[i].Policies = append(tables[i].Policies, p)
			}
		}
		p = Policy{}
		return nil
	})
	return err
}

// countRows counts the small tables and leaves the estimate of the large ones.
func (s *Server) countRows(ctx context.Context, appID int64, tables []Table) error {
	return s.asService(ctx, appID, func(conn *pgx.Conn) error {
		for i := range tables {
			t := &tables[i]
			if t.View {
				t.Rows = -1
				continue
			}
			if t.Rows > exactBelow {
				continue
			}
			// Never analyzed may still be large: counting stops at the threshold.
			sql := fmt.Sprintf("select count(*) from (select from public.%s limit %d) t", pgx.Identifier{t.FullName}.Sanitize(), exactBelow)
			if err := conn.QueryRow(ctx, sql).Scan(&t.Rows); err != nil {
				return fmt.Errorf("count %s: %w", t.FullName, err)
			}
		}
		return nil
	})
}

// asService runs fn read-only with the app's service role: not as the superuser, since reading a view runs code
// that the app wrote.
func (s *Server) asService(ctx context.Context, appID int64, fn func(*pgx.Conn) error) error {
	a := s.app(appID)
	if err := s.ensure(ctx, a); err != nil {
		return err
	}
	who := &caller{role: "service_role", claims: jwt.MapClaims{"role": "service_role"}}
	return s.asCaller(ctx, a, who, true, http.MethodGet, "/", nil, fn)
}

// Rows returns rows of a table or view, by its short or full name, in the order of its first columns. At most 1000.
// An unknown name is a fault of kind NotFound.
func (s *Server) Rows(ctx context.Context, appID int64, table string, limit, offset int) (*RowPage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	schema, err := s.catalog(ctx, s.app(appID))
	if err != nil {
		return nil, err
	}
	rel := schema.Relations[table]
	if rel == nil {
		rel = schema.Relations[fmt.Sprintf("app_%d_%s", appID, table)]
	}
	if rel == nil {
		return nil, fault.New(fault.NotFound, "There is no table called %q.", table)
	}
	page := &RowPage{}
	var cols, keys []string
	for _, c := range rel.Columns {
		page.Columns = append(page.Columns, c.Name)
		cols = append(cols, pgx.Identifier{c.Name}.Sanitize()+"::text")
	}
	for _, k := range rel.Primary {
		keys = append(keys, pgx.Identifier{k}.Sanitize())
	}
	order := ""
	if len(keys) > 0 {
		order = " order by " + strings.Join(keys, ", ")
	}
	name := "public." + pgx.Identifier{rel.Name}.Sanitize()
	err = s.asService(ctx, appID, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "select count(*) from "+name).Scan(&page.Total); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, "select "+strings.Join(cols, ", ")+" from "+name+order+" limit $1 offset $2", min(max(limit, 0), maxRows), max(offset, 0))
		if err != nil {
			return err
		}
		page.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]*string, error) {
			cells := make([]*string, len(cols))
			targets := make([]any, len(cols))
			for i := range cells {
				targets[i] = &cells[i]
			}
			return cells, row.Scan(targets...)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("rows of %s: %w", rel.Name, err)
	}
	return page, nil
}
