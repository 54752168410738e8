package local

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"
)

func BenchmarkServe(b *testing.B) {
	s, _, _ := newServer(b)
	for _, bb := range []struct{ name, path, encoding string }{
		{"index", "/", ""}, {"script gzipped", "/assets/index-AB23CD45.js", "gzip"}, {"picture", "/assets/big.png", ""},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", site+bb.path, nil)
			r.Header.Set("Accept-Encoding", bb.encoding)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	s, _, _ := newServer(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		dist := build()
		for i := range 10 { // ten new files a version
			n++
			dist[fmt.Sprintf("assets/%d.js", i)] = fmt.Appendf(bytes.Repeat([]byte("x"), 20_000), "%d", n)
		}
		p := mustPlan(b, dist)
		b.StartTimer()
		if err := s.Put(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
