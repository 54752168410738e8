package workerd

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/model"
)

// BenchmarkServe asks one process for the files of an app and for its server code, with eight clients at a time.
func BenchmarkServe(b *testing.B) {
	site := target.Site{TeamID: 1, AppID: 7, Slug: "todo", Environment: model.Production}
	dist := map[string][]byte{
		"index.html": []byte("<!doctype html><title>Todo</title><div id=root></div>"), "assets/index-AB23CD45.js": bytes.Repeat([]byte("answer()\n"), 60_000),
	}
	p, err := plan.Make(dist, nil, plan.Options{AppID: site.AppID, VersionID: 42, Slug: site.Slug, VersionNumber: "1.0.3", Environment: string(site.Environment), Server: []byte(comparedServer)})
	if err != nil {
		b.Fatal(err)
	}
	address := placedHere(b, site, p)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	for _, bb := range []struct{ name, path string }{{"page", "/"}, {"script of 540 kB", "/assets/index-AB23CD45.js"}, {"server code", "/api/hello"}} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := client.Get(address + bb.path)
					if err != nil {
						b.Error(err)
						return
					}
					body, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if err != nil || res.StatusCode != http.StatusOK {
						b.Errorf("%s: %s %.100s %v", bb.path, res.Status, body, err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkStart is the time from a request to an app that does not run to its answer.
func BenchmarkStart(b *testing.B) {
	r := newRuntime(b, Config{})
	for n := 0; b.Loop(); n++ {
		app := appOf("1/production", hello(time.Now().String()))
		if status, body := ask(b, r, app, "/api/x"); status != http.StatusOK {
			b.Fatalf("%d %s", status, body)
		}
	}
}
