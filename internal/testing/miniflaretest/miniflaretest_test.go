package miniflaretest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"overskill/internal/testing/miniflaretest"
)

func TestServe(t *testing.T) {
	edge := miniflaretest.Start(t)
	worker := miniflaretest.Worker{
		Name: "sample", Main: "index.js", CompatibilityDate: "2026-04-01", Vars: map[string]string{"WHO": "Ada"},
		Modules: []miniflaretest.Module{
			{Name: "m1", Type: "application/octet-stream", Content: []byte("data ")},
			{Name: "index.js", Type: "application/javascript+module", Content: []byte(`import data from "./m1";
export default { async fetch(request, env) {
  const object = await (await env.BUCKET.get("a/b.txt")).text();
  const asset = await (await env.ASSETS.fetch(new Request("http://x/page.html"))).text();
  return new Response(new TextDecoder().decode(data) + env.WHO + object + asset);
} };`)},
		},
		Buckets: map[string]map[string]miniflaretest.Object{"BUCKET": {"a/b.txt": {ContentType: "text/plain", Content: []byte(" object ")}}},
		Assets:  map[string][]byte{"/page.html": []byte("<p>")}, AssetsBinding: "ASSETS",
	}
	for range 2 { // two Workers in one process
		address, err := edge.Serve(worker)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "data Ada object <p>" {
			t.Errorf("%q, %v", body, err)
		}
	}
	worker.Modules[1].Content = []byte("export default {")
	if _, err := edge.Serve(worker); err == nil || !strings.Contains(err.Error(), "sample") {
		t.Errorf("a Worker that is no program: %v", err)
	}
}
