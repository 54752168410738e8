package relevance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
)

func TestSchema(t *testing.T) {
	tests := []struct{ name, sql, want string }{
		{"nothing", "select 1; -- create table x (id int);", ""},
		{
			"a table with all that columns have",
			`-- A list; with a semicolon
			create table if not exists public.app_{{APP_ID}}_todos (
				id uuid primary key default gen_random_uuid(),
				title text not null check (length(trim(title)) between 1 and 80), -- note, with comma
				price numeric(10, 2) default 0,
				tags text[] not null default '{a,b;}',
				"Due Date" timestamp with time zone,
				project_id uuid references app_{{APP_ID}}_projects (id) on delete cascade,
				unique (id, title)
			);
			alter table public.app_{{APP_ID}}_todos enable row level security;`,
			"todos (RLS): id uuid pk, title text, price numeric(10,2)?, tags text[], Due Date timestamp with time zone?, project_id uuid? -> projects\n",
		},
		{
			"keys of the table",
			`create table app_7_members (
				shop_id uuid not null, user_id uuid not null default auth.uid(), role public.role_kind,
				constraint pk primary key (shop_id, user_id),
				foreign key (shop_id, user_id) references public.app_7_shops (id, owner));`,
			"members (no RLS): shop_id uuid pk -> shops, user_id uuid pk, role public.role_kind?\n",
		},
		{
			"later changes",
			`create table a (id int primary key, x text, y text, z text); create table b (id int primary key); create table c (id int);
			alter table only a add column if not exists w text not null default 'it''s; fine', drop column x, rename y to yy;
			alter table a rename column z to zz; alter table a alter column yy set not null, alter column zz type varchar;
			alter table a add constraint k check (w <> ''), drop constraint k; alter table if exists c rename to d;
			alter table nowhere add column q int; alter table a add v int; alter table a add v int;
			drop table if exists b, public.nowhere cascade; alter table d enable row level security; alter table d disable row level security;`,
			"a (no RLS): id int pk, yy text, zz varchar?, w text, v int?\nd (no RLS): id int?\n",
		},
		{
			"bodies, views and noise",
			`create or replace function f() returns void language plpgsql as $body$ begin create table no (id int); end; $body$;
			create table t (id int); create view app_{{APP_ID}}_t_list with (security_invoker = true) as select * from t;
			create or replace view app_{{APP_ID}}_t_list as select 1; create view gone as select 1; drop view gone;
			create index on t (id); create policy p on t for select using (id in (select 1)); /* create table z (id int); */`,
			"t (no RLS): id int?\nviews: t_list\n",
		},
		{"broken", "create table (; create table x (id int, ; alter table x add; create table y", "x (no RLS): id int?\n"},
		{"unclosed", "create table x (a text default 'never closed, b int); $$ open", "x (no RLS): a text?, b int?\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := newTree(t, map[string]string{"supabase/migrations/20261101000000_a.sql": test.sql, "supabase/seed.sql": "create table seed (id int);"})
			if diff := cmp.Diff(test.want, Schema(tree)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSchemaReadsMigrationsInOrder(t *testing.T) {
	tree := newTree(t, map[string]string{
		"supabase/migrations/20261102000000_b.sql": "alter table a drop column x;",
		"supabase/migrations/20261101000000_a.sql": "create table a (id int, x int);",
	})
	if got := Schema(tree); got != "a (no RLS): id int?\n" {
		t.Error(got)
	}
}

// The Composer's migrations are the ones that most apps have.
func TestSchemaOfComposedApps(t *testing.T) {
	trees := composed(t)
	got := Schema(trees[0])
	for _, want := range []string{"clients (RLS): id uuid pk", "dogs (RLS)", "walks (RLS)", "breed text", "-> clients", "-> dogs", "views: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestSchemaIsBounded(t *testing.T) {
	var sql strings.Builder
	for i := range 300 {
		fmt.Fprintf(&sql, "create table t%d (%s);\ncreate view v%d as select 1;\n", i, strings.TrimSuffix(strings.Repeat("some_column text,", 10), ","), i)
	}
	got := Schema(newTree(t, map[string]string{"supabase/migrations/1.sql": sql.String()}))
	if len(got) > maxSchema || !strings.Contains(got, "more tables: t") {
		t.Errorf("%d bytes:\n%s", len(got), got[len(got)-500:])
	}
	one := Schema(newTree(t, map[string]string{"supabase/migrations/1.sql": "create table huge (" + strings.Repeat("c text,", 5000) + "d text);"}))
	if len(one) > maxSchema || !strings.Contains(one, "huge") {
		t.Errorf("%d bytes:\n%.300s", len(one), one)
	}
}

func FuzzSchema(f *testing.F) {
	f.Add("create table app_{{APP_ID}}_x (id uuid primary key, y text references z); alter table x rename y to z;")
	f.Add("$a$ ' \" ( -- /* create table \xff")
	f.Fuzz(func(t *testing.T, sql string) {
		tree, err := filetree.New(map[string][]byte{"supabase/migrations/1.sql": []byte(sql)})
		if err != nil {
			return
		}
		if got := Schema(tree); len(got) > maxSchema {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
