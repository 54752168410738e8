package query

import (
	"errors"
	"flag"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted results")

// library is the schema of the cases: books have an author and, through a junction, tags.
func library() *Schema {
	rel := func(name string, cols ...string) *Relation {
		r := &Relation{Name: name, Primary: []string{"id"}}
		for _, c := range cols {
			n, typ, _ := strings.Cut(c, " ")
			r.Columns = append(r.Columns, Column{Name: n, Type: typ})
		}
		return r
	}
	return &Schema{
		Relations: map[string]*Relation{
			"books":     rel("books", "id bigint", "title text", "author_id bigint", "data jsonb", "words tsvector", "labels text[]"),
			"authors":   rel("authors", "id bigint", "name text", "boss_id bigint"),
			"tags":      rel("tags", "id bigint", "label text"),
			"book_tags": rel("book_tags", "book_id bigint", "tag_id bigint"),
		},
		ForeignKeys: []ForeignKey{
			{Name: "books_author", From: "books", To: "authors", FromColumns: []string{"author_id"}, ToColumns: []string{"id"}},
			{Name: "authors_boss", From: "authors", To: "authors", FromColumns: []string{"boss_id"}, ToColumns: []string{"id"}},
			{Name: "bt_book", From: "book_tags", To: "books", FromColumns: []string{"book_id"}, ToColumns: []string{"id"}},
			{Name: "bt_tag", From: "book_tags", To: "tags", FromColumns: []string{"tag_id"}, ToColumns: []string{"id"}},
		},
	}
}

func compileRead(table, raw string) (string, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return "", err
	}
	p, err := ParseParams(q)
	if err != nil {
		return "", err
	}
	s := library()
	st, err := Read(s, s.Relations[table], p, Options{})
	if err != nil {
		return "", err
	}
	out := st.SQL
	out = strings.TrimPrefix(out, "select coalesce(json_agg(r), '[]')::text, count(*), null::bigint from (")
	out = strings.TrimSuffix(out, ") r")
	for _, a := range st.Args {
		out += "\n" + a
	}
	return out, nil
}

// Each case of testdata/read.txtar is a request (table, then query string) and the SQL with its arguments, or the error.
func TestRead(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/read.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], &archive.Files[i+1]
		t.Run(in.Name, func(t *testing.T) {
			table, raw, _ := strings.Cut(strings.TrimSpace(string(in.Data)), "?")
			got, err := compileRead(table, raw)
			if err != nil {
				got = err.Error()
			}
			if *update {
				want.Data = []byte(got + "\n")
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want.Data)), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile("testdata/read.txtar", txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzRead: whatever the query string, there is SQL or a refusal, and no text of the client's in the SQL.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"select=*,authors!inner(name,...boss(name))&authors.name=eq.x&or=(a.eq.1,not.and(b.in.(1,2),c.is.null))&order=title.desc.nullslast&limit=3",
		"select=data->a->>b::text,count(),x:title.max()&data->>'x'=like(any).{a,b}",
		`title=in.("a,b",'c')&words=wfts(english).cat`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		sql, err := compileRead("books", raw)
		var refusal *Error
		if err != nil {
			var escape url.EscapeError
			if errors.As(err, &refusal) && refusal.Status >= 500 {
				t.Fatalf("%q gave %d", raw, refusal.Status)
			} else if refusal == nil && !errors.As(err, &escape) && !strings.Contains(err.Error(), "semicolon") {
				t.Fatalf("%q gave a plain error: %v", raw, err)
			}
			return
		}
		sql, _, _ = strings.Cut(sql, "\n")
		if strings.Count(sql, "(") != strings.Count(sql, ")") && !strings.Contains(sql, `"`) {
			t.Fatalf("%q gave unbalanced SQL: %s", raw, sql)
		}
	})
}

// FuzzFilter: a filter's value never becomes part of the SQL.
func FuzzFilter(f *testing.F) {
	f.Add("eq", "1); drop table books; --")
	f.Add("in", `(1,"a\"b",})`)
	f.Add("like(any)", `{a,"b}`)
	f.Add("fts(english)", "cat & dog")
	f.Fuzz(func(t *testing.T, op, value string) {
		marker := "zqzq" + value
		sql, err := compileRead("books", "title="+url.QueryEscape(op+"."+marker))
		if err != nil {
			return
		}
		if first, _, _ := strings.Cut(sql, "\n"); strings.Contains(first, "zqzq") {
			t.Fatalf("the value is in the SQL: %s", first)
		}
	})
}

func FuzzSelect(f *testing.F) {
	f.Add("a,b:c->d->>e::text,f(g,h!inner(*)),i.sum()")
	f.Fuzz(func(t *testing.T, s string) {
		_, err := ParseSelect(s)
		var refusal *Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if _, err = ParseOrder(s); err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
	})
}
