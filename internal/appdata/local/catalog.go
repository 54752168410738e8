package local

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"overskill/internal/appdata/local/query"
)

// catalog returns what the app may reach. It is read once and again after a change. An app that never had a
// migration has an empty one, and gets no roles.
func (s *Server) catalog(ctx context.Context, a *app) (*query.Schema, error) {
	if schema := a.schema.Load(); schema != nil && !a.stale.Load() {
		return schema, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if schema := a.schema.Load(); schema != nil && !a.stale.Load() {
		return schema, nil
	}
	// Cleared first: a change during the reading makes it stale again.
	a.stale.Store(false)
	schema, err := s.readCatalog(ctx, a)
	if err != nil {
		a.stale.Store(true)
		return nil, fmt.Errorf("read schema of app %d: %w", a.id, err)
	}
	a.schema.Store(schema)
	return schema, nil
}

func (s *Server) readCatalog(ctx context.Context, a *app) (*query.Schema, error) {
	schema := &query.Schema{Relations: map[string]*query.Relation{}, Functions: map[string][]*query.Function{}}
	known, err := s.exists(ctx, a.id)
	if err != nil || !known {
		return schema, err
	}
	if err := s.ensureLocked(ctx, a); err != nil {
		return nil, err
	}
	owner := s.role(a.id, "owner")
	rowTypes, err := s.readRelations(ctx, owner, schema)
	if err != nil {
		return nil, err
	}
	if err := s.readKeys(ctx, owner, schema); err != nil {
		return nil, err
	}
	return schema, s.readFunctions(ctx, owner, schema, rowTypes)
}

// readRelations fills in tables and views and returns them, and composite types, by their oid.
func (s *Server) readRelations(ctx context.Context, owner string, schema *query.Schema) (map[uint32]*query.Relation, error) {
	rows, err := s.admin.Query(ctx, `
		select c.oid, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, null),
		       coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> '' or a.attgenerated <> ''
		  from pg_class c
		  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
		 where c.relowner = to_regrole($1) and c.relnamespace = 'public'::regnamespace
		   and c.relkind in ('r', 'p', 'v', 'm', 'c')
		 order by c.oid, a.attnum`, owner)
	if err != nil {
		return nil, err
	}
	byOID := map[uint32]*query.Relation{}
	var oid uint32
	var name, kind string
	var col query.Column
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &kind, &col.Name, &col.Type, &col.Default, &col.Generated}, func() error {
		rel := byOID[oid]
		if rel == nil {
			rel = &query.Relation{Name: name, View: kind == "v" || kind == "m"}
			byOID[oid] = rel
			if kind != "c" {
				schema.Relations[name] = rel
			}
		}
		rel.Columns = append(rel.Columns, col)
		return nil
	})
	return byOID, err
}

// readKeys fills in primary keys and foreign keys.
func (s *Server) readKeys(ctx context.Context, owner string, schema *query.Schema) error {
	rows, err := s.admin.Query(ctx, `
		select k.conname, k.contype::text, a.relname, coalesce(b.relname, ''),
		       array(select attname::text from unnest(k.conkey) with ordinality u(n, o)
		               join pg_attribute on attrelid = k.conrelid and attnum = n order by o),
		       array(select attname::text from unnest(k.confkey) with ordinality u(n, o)
		               join pg_attribute on attrelid = k.confrelid and attnum = n order by o),
		       exists (select from pg_constraint u
		                where u.conrelid = k.conrelid and u.contype in ('p', 'u') and u.conkey <@ k.conkey)
		  from pg_constraint k
		  join pg_class a on a.oid = k.conrelid
		  left join pg_class b on b.oid = k.confrelid
		 where k.contype in ('p', 'f') and k.conparentid = 0
		   and a.relowner = to_regrole($1) and a.relnamespace = 'public'::regnamespace
		 order by k.conname`, owner)
	if err != nil {
		return err
	}
	var fk query.ForeignKey
	var kind string
	_, err = pgx.ForEachRow(rows, []any{&fk.Name, &kind, &fk.From, &fk.To, &fk.FromColumns, &fk.ToColumns, &fk.Unique}, func() error {
		if kind == "f" {
			schema.ForeignKeys = append(schema.ForeignKeys, fk)
		} else if rel := schema.Relations[fk.From]; rel != nil {
			rel.Primary = fk.FromColumns
		}
		fk.FromColumns, fk.ToColumns = nil, nil // the next row must not write into these
		return nil
	})
	return err
}

// procedure is a row of pg_proc.
type procedure struct {
	name, volatility, returns, kind string
	set                             bool
	rowType                         uint32
	argNames, argModes, argTypes    []string
	inputs, defaults                int
}

func (s *Server) readFunctions(ctx context.Context, owner string, schema *query.Schema, rowTypes map[uint32]*query.Relation) error {
	rows, err := s.admin.Query(ctx, `
		select p.proname, p.provolatile::text, t.typname, t.typtype::text, p.proretset, t.typrelid,
		       coalesce(p.proargnames, '{}'), coalesce(p.proargmodes::text[], '{}'),
		       array(select format_type(x, null) from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality u(x, o) order by o),
		       p.pronargs, p.pronargdefaults
		  from pg_proc p
		  join pg_type t on t.oid = p.prorettype
		 where p.proowner = to_regrole($1) and p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
		   and t.typname not in ('trigger', 'event_trigger')
		 order by p.oid`, owner)
	if err != nil {
		return err
	}
	var p procedure
	_, err = pgx.ForEachRow(rows, []any{
		&p.name, &p.volatility, &p.returns, &p.kind, &p.set, &p.rowType, &p.argNames, &p.argModes, &p.argTypes, &p.inputs, &p.defaults,
	}, func() error {
		if fn := p.function(rowTypes); fn != nil {
			schema.Functions[p.name] = append(schema.Functions[p.name], fn)
		}
		p = procedure{}
		return nil
	})
	return err
}

// function says how /rpc/ may call the procedure, or nil when it cannot: arguments without names, or a result
// whose columns only the caller would know.
func (p *procedure) function(rowTypes map[uint32]*query.Relation) *query.Function {
	fn := &query.Function{Name: p.name, Set: p.set, ReadOnly: p.volatility != "v"}
	out := &query.Relation{}
	input := 0
	for i, typ := range p.argTypes {
		mode := "i"
		if i < len(p.argModes) {
			mode = p.argModes[i]
		}
		name := ""
		if i < len(p.argNames) {
			name = p.argNames[i]
		}
		if mode == "i" || mode == "b" || mode == "v" {
			if name == "" {
				return nil
			}
			input++
			fn.Args = append(fn.Args, query.Arg{Name: name, Type: typ, Optional: input > p.inputs-p.defaults})
		}
		if mode == "o" || mode == "b" || mode == "t" {
			out.Columns = append(out.Columns, query.Column{Name: name, Type: typ})
		}
	}
	switch {
	case p.returns == "void":
		fn.Returns = query.ReturnsVoid
	case len(out.Columns) > 0:
		fn.Returns, fn.Rows = query.ReturnsRows, out
	case p.kind == "c" && rowTypes[p.rowType] != nil:
		fn.Returns, fn.Rows = query.ReturnsRows, rowTypes[p.rowType]
	case p.returns == "record":
		return nil
	}
	return fn
}
