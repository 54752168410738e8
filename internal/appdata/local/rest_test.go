package local_test

import (
	"net/url"
	"strings"
	"testing"
)

// librarySQL is an app with every kind of relationship and function.
const librarySQL = `
create type app_1_mood as enum ('sad', 'glad');
create table app_1_authors (id int primary key, name text not null, boss_id int references app_1_authors);
create table app_1_books (
  id int primary key, title text not null, author_id int references app_1_authors, mood app_1_mood default 'glad',
  data jsonb, labels text[] not null default '{}', pages int not null default 7, at timestamptz default '2026-01-02T03:04:05Z'
);
create table app_1_tags (id int primary key, label text not null);
create table app_1_book_tags (book_id int references app_1_books on delete cascade, tag_id int references app_1_tags, primary key (book_id, tag_id));
alter table app_1_authors enable row level security;
alter table app_1_books enable row level security;
alter table app_1_tags enable row level security;
alter table app_1_book_tags enable row level security;
create policy a on app_1_authors for all using (true) with check (true);
create policy a on app_1_books for all using (true) with check (true);
create policy a on app_1_tags for all using (true) with check (true);
create policy a on app_1_book_tags for all using (true) with check (true);
insert into app_1_authors values (1, 'Ann', null), (2, 'Bob', 1);
insert into app_1_books (id, title, author_id, data) values (1, 'Zen', 1, '{"a":[{"b":"x"}]}'), (2, 'Art', 2, null), (3, 'None', null, '{"a":5}');
insert into app_1_tags values (1, 'new'), (2, 'old');
insert into app_1_book_tags values (1, 1), (1, 2), (2, 2);
create function app_1_pairs(n int, step int default 1) returns table (a int, b int) language sql immutable as 'select i, i * step from generate_series(1, n) i';
create function app_1_names() returns setof text language sql stable as 'select name from app_1_authors order by 1';
create function app_1_nothing() returns void language sql as 'select null::void';
create function app_1_book(wanted int) returns app_1_books language sql stable as 'select * from app_1_books where id = wanted';
create function app_1_fail() returns int language plpgsql as $$ begin raise exception 'No tea' using errcode = 'PT418', hint = 'Try coffee'; end $$;
create view app_1_shelf with (security_invoker = true) as select id, upper(title) as loud from app_1_books;
`

// unwrapped joins the lines that Postgres breaks an array of rows into.
func unwrapped(json string) string { return strings.ReplaceAll(json, ", \n ", ",") }

func TestREST(t *testing.T) {
	s := open(t)
	migrate(t, s, 1, "1.sql", librarySQL)
	c := serve(t, s, 1)
	for _, tc := range []struct {
		name, request, want string
		header              []string
	}{
		{"to-one", "app_1_books?select=title,app_1_authors(name)&id=eq.1", `[{"title":"Zen","app_1_authors":{"name":"Ann"}}]`, nil},
		{"to-one by column", "app_1_books?select=writer:author_id(name)&id=eq.3", `[{"writer":null}]`, nil},
		{"many to many", "app_1_books?select=id,app_1_tags(label)&app_1_tags.order=label.desc&order=id&limit=2", `[{"id":1,"app_1_tags":[{"label":"old"},{"label":"new"}]},{"id":2,"app_1_tags":[{"label":"old"}]}]`, nil},
		{"children and parent", "app_1_authors?select=name,boss:boss_id(name),app_1_authors(name)&order=id", `[{"name":"Ann","boss":null,"app_1_authors":[{"name":"Bob"}]},{"name":"Bob","boss":{"name":"Ann"},"app_1_authors":[]}]`, nil},
		{"nested", "app_1_authors?select=app_1_books(app_1_tags(id))&id=eq.2", `[{"app_1_books":[{"app_1_tags":[{"id":2}]}]}]`, nil},
		{"spread", "app_1_books?select=title,...app_1_authors(author:name)&order=id&limit=1", `[{"title":"Zen","author":"Ann"}]`, nil},
		{"without a match", "app_1_books?select=id&app_1_authors=is.null&select=id,app_1_authors()", `[{"id":3}]`, nil},
		{"order by parent", "app_1_books?select=id,app_1_authors(id)&order=app_1_authors(name).desc.nullslast", `[{"id":2,"app_1_authors":{"id":2}},{"id":1,"app_1_authors":{"id":1}},{"id":3,"app_1_authors":null}]`, nil},
		{"aggregates", "app_1_books?select=pages.sum(),count(),id.max()", `[{"sum":21,"count":3,"max":3}]`, nil},
		{"json path", "app_1_books?select=x:data->a->0->>b&data->a->0->>b=eq.x", `[{"x":"x"}]`, nil},
		{"enum", "app_1_books?select=id&mood=in.(glad)&id=lt.2", `[{"id":1}]`, nil},
		{"any", "app_1_books?select=id&title=like(any).{Z*,Ar*}&order=id", `[{"id":1},{"id":2}]`, nil},
		{"logic", "app_1_books?select=id&or=(title.eq.\"Zen\",and(id.gte.2,not.or(id.eq.3)))&order=id", `[{"id":1},{"id":2}]`, nil},
		{"time in UTC", "app_1_books?select=at&id=eq.1", `[{"at":"2026-01-02T03:04:05+00:00"}]`, nil},
		{"view", "app_1_shelf?select=loud&id=eq.2", `[{"loud":"ART"}]`, nil},
		{"range header", "app_1_books?select=id&order=id", `[{"id":2},{"id":3}]`, []string{"Range", "1-2"}},
		{"csv", "app_1_books?select=id,title,mood&id=lt.3&order=id", "id,title,mood\n1,Zen,glad\n2,Art,glad", []string{"Accept", "text/csv"}},
		{"one", "app_1_books?select=id&id=eq.2", `{"id":2}`, []string{"Accept", "application/vnd.pgrst.object+json"}},
		{"table function", "rpc/app_1_pairs?n=2&step=3", `[{"a":1,"b":3},{"a":2,"b":6}]`, nil},
		{"filtered function", "rpc/app_1_pairs?n=4&a=gt.3&select=b", `[{"b":4}]`, nil},
		{"set of scalars", "rpc/app_1_names", `["Ann","Bob"]`, nil},
		{"row function", "rpc/app_1_book?wanted=1&select=title", `{"title":"Zen"}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, query, _ := strings.Cut(tc.request, "?")
			c := *c
			c.t = t
			got := c.do("GET", "/rest/v1/"+path+"?"+strings.NewReplacer(`"`, "%22", " ", "%20").Replace(query), "", tc.header...)
			if unwrapped(got.body) != tc.want || got.status/100 != 2 {
				t.Errorf("got %d %s\nwant %s", got.status, got.body, tc.want)
			}
		})
	}

	c.want(204, "", "POST", "/rest/v1/rpc/app_1_nothing", "")
	if e := c.want(418, "PT418", "POST", "/rest/v1/rpc/app_1_fail", "{}"); !strings.Contains(e.body, "Try coffee") {
		t.Error(e.body)
	}
	c.want(404, "PGRST202", "POST", "/rest/v1/rpc/app_1_pairs", `{"m":1}`)
	c.want(400, "PGRST102", "POST", "/rest/v1/app_1_tags", `[{"id":5,"label":"a"},{"id":6}]`)
	c.want(400, "PGRST102", "POST", "/rest/v1/app_1_tags", `nonsense`)
	c.want(409, "23505", "POST", "/rest/v1/app_1_tags", `{"id":1,"label":"again"}`)
	c.want(201, "", "POST", "/rest/v1/app_1_tags", `{"id":1,"label":"newer"}`, "Prefer", "resolution=merge-duplicates")
	c.want(201, "", "POST", "/rest/v1/app_1_tags", "id,label\n8,eight\n9,nine\n", "Content-Type", "text/csv")
	c.want(400, "PGRST124", "DELETE", "/rest/v1/app_1_tags?id=gte.8", "", "Prefer", "handling=strict, max-affected=1")
	if got := c.want(200, "", "DELETE", "/rest/v1/app_1_tags?id=gte.8&select=label&order=label", "", "Prefer", "return=representation"); unwrapped(got.body) != `[{"label":"eight"},{"label":"nine"}]` {
		t.Error(got.body)
	}
	if got := c.want(406, "PGRST116", "PATCH", "/rest/v1/app_1_books?id=gt.0", `{"pages":1}`, "Prefer", "return=representation", "Accept", "application/vnd.pgrst.object+json"); got.body == "" {
		t.Error("no body")
	}
	if got := c.do("GET", "/rest/v1/app_1_books?select=pages&id=eq.1", ""); got.body != `[{"pages":7}]` {
		t.Errorf("a refused update stayed: %s", got.body)
	}
	c.want(413, "", "POST", "/rest/v1/app_1_tags", strings.Repeat(" ", 11<<20))
}

// TestOddQueries: what clients get wrong is refused as theirs, and never reaches Postgres as broken SQL.
func TestOddQueries(t *testing.T) {
	s := open(t)
	migrate(t, s, 1, "1.sql", librarySQL)
	c := serve(t, s, 1)
	for _, q := range []string{
		"select=", "select=,,", "select=(", "select=)", "select=a(", "select=\"", "select=*,*", "select=id,id", "select=title:id,title",
		"select=app_1_authors", "select=app_1_authors()", "select=...app_1_authors(*)", "select=...app_1_tags(label)", "select=app_1_authors!nope(id)",
		"select=count", "select=count()", "select=id.sum()::text,title", "select=app_1_authors(count)", "select=data->", "select=data->>a->b", "select=data->-1",
		"select=id::text::int", "select=id::\"text\"", "select=x\"y:id", "select=title.nope()",
		"id=eq", "id=eq.", "id=eq.x", "id=eq.99999999999999999999", "id=in.()", "id=in.(", "id=in.(1,x)", "id=is.nul", "id=not.not.eq.1", "id=like.a*",
		"title=like(any).{", "title=like(some).{a}", "title=fts(klingon).x", "title=fts.a b !", "title=match.(", "title=eq.\x00", "data->>a=eq.\xff",
		"labels=cs.{", "labels=cs.[1]", "data=cs.{", "mood=eq.angry", "labels=ov.{\"a,b\"}", "labels=in.({a},{b})", "at=gt.yesterday", "at=gt.never",
		"or=()", "or=(", "or=id.eq.1", "or=(id)", "or=(id.eq.1", "and=(id.eq.1,)", "not.and=(id.eq.1)", "app_1_authors.or=(id.eq.1)",
		"order=", "order=,", "order=id.up", "order=id.desc.asc", "order=app_1_authors(name)", "order=nope(", "order=data->a", "order=id(",
		"limit=x", "limit=0", "limit=99999999999999999999", "offset=-1", "offset=9223372036854775807", "nope.limit=1", "nope.id=eq.1", ".=eq.1", "=eq.1", "->a=eq.1",
		"a.b.c.d.e.f=eq.1", "columns=nope", "on_conflict=nope", "\"id\"=eq.1", "select=\"id\"",
	} {
		for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
			name, value, _ := strings.Cut(q, "=")
			path := "/rest/v1/app_1_books?" + url.QueryEscape(name) + "=" + url.QueryEscape(value)
			body := ""
			if method != "GET" {
				path += "&id=eq.1000"
				body = `{"id":1000,"title":"t"}`
			}
			a := c.do(method, path, body, "Prefer", "return=representation,count=exact,resolution=merge-duplicates,missing=default")
			if a.status >= 500 || a.code() == "42601" && !strings.Contains(a.body, "tsquery") {
				t.Errorf("%s %q: %d %s", method, q, a.status, a.body)
			}
		}
	}
}
