package cloudflare

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"overskill/internal/testing/miniflaretest"
)

// namespace stands in for a dispatch namespace, which Miniflare does not have, and can take R2 away. Scripts are functions
// here; one that is not there is an error when it is got, as with Cloudflare.
const namespace = `import dispatcher from "./dispatcher.js";
const scripts = {
  "os-7-todo--d3": () => new Response("todo 3"),
  "os-8-shop--d1": async (request) => new Response(request.method + " " + new URL(request.url).pathname + " " + await request.text(), { status: 201, headers: { "x-app": "shop" } }),
  "os-9-broken--d1": () => { throw new Error("what nobody may read"); },
};
const APPS = { get(name) {
  if (!scripts[name]) throw new Error("Worker not found.");
  return { async fetch(request) { return scripts[name](request); } };
} };
export default { fetch(request, env) {
  const down = { get() { throw new Error("R2 is down"); } };
  return dispatcher.fetch(request, { APPS, BUCKET: request.headers.get("r2") === "down" ? down : env.BUCKET });
} };`

// TestDispatcher runs the Worker that stands in front of a dispatch namespace.
func TestDispatcher(t *testing.T) {
	routes := map[string]miniflaretest.Object{}
	for host, script := range map[string]string{
		"todo.apps.example.com": "os-7-todo--d3", "www.shop.example": "os-8-shop--d1", "broken.apps.example.com": "os-9-broken--d1", "gone.apps.example.com": "os-4-gone--d1",
	} {
		routes[routeKey(host)] = miniflaretest.Object{ContentType: "text/plain", Content: []byte(script)}
	}
	address, err := miniflaretest.Start(t).Serve(miniflaretest.Worker{
		Name: "dispatch", Main: "namespace.js", CompatibilityDate: "2026-04-01", Buckets: map[string]map[string]miniflaretest.Object{"BUCKET": routes},
		Modules: []miniflaretest.Module{
			{Name: "namespace.js", Type: "application/javascript+module", Content: []byte(namespace)},
			{Name: "dispatcher.js", Type: "application/javascript+module", Content: dispatcherScript},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, host, path, body, r2 string
		status                             int
		want                               string
	}{
		{"R2 is down before a host is known", "GET", "todo.apps.example.com", "/", "", "down", 503, "This app cannot be reached right now.\n"},
		{"a host", "GET", "todo.apps.example.com", "/", "", "", 200, "todo 3"},
		{"a custom domain, with everything of the request", "POST", "www.shop.example", "/api/x?y=1", "a body", "", 201, "POST /api/x a body"},
		{"a host that nobody has", "GET", "else.apps.example.com", "/", "", "", 404, "There is no app at this address.\n"},
		{"a script that was removed", "GET", "gone.apps.example.com", "/", "", "", 404, "There is no app at this address.\n"},
		{"an app that throws", "GET", "broken.apps.example.com", "/", "", "", 500, "This app failed.\n"},
		{"R2 is down, and the host is known", "GET", "todo.apps.example.com", "/", "", "down", 200, "todo 3"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, strings.TrimSuffix(address, "/")+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		req.Header.Set("r2", c.r2)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(body); res.StatusCode != c.status || got != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.name, res.StatusCode, got, c.status, c.want)
		}
		if c.status >= 400 && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached: %q", c.name, res.Header.Get("Cache-Control"))
		}
	}
}
