package local_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func execute(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// benchmark measures the handler without a network between it and the client.
func benchmark(b *testing.B, method, path, body string, status int) {
	s := open(b)
	migrate(b, s, 12, "1.sql", checksSQL(b, 12))
	c := serve(b, s, 12)
	person, _ := c.signUp("a@example.com")
	person.want(201, "", "POST", "/rest/v1/app_12_todos", `[{"title":"a"},{"title":"b"},{"title":"c"}]`)
	person.want(201, "", "POST", "/rest/v1/app_12_items", `{"todo_id":1,"label":"x"}`)
	handler := s.Handler(12)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+person.token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != status {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	benchmark(b, http.MethodGet, "/rest/v1/app_12_todos?select=title,items:app_12_items(label)&done=is.false&order=id.desc&limit=20", "", 200)
}

func BenchmarkInsert(b *testing.B) {
	benchmark(b, http.MethodPost, "/rest/v1/app_12_items", `{"todo_id":1,"label":"x"}`, 201)
}
