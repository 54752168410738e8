package cloudflare

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"overskill/internal/deploy/plan"
	"overskill/internal/fault"
	"overskill/internal/testing/cloudflaretest"
	"overskill/internal/testing/miniflaretest"
)

// wrangler runs Cloudflare's own tool against an account.
func wrangler(t *testing.T, a *cloudflaretest.Account, dir string, args ...string) string {
	t.Helper()
	out, err := miniflaretest.Wrangler(t, dir, []string{"CLOUDFLARE_API_BASE_URL=" + a.URL, "CLOUDFLARE_API_TOKEN=" + a.Token, "CLOUDFLARE_ACCOUNT_ID=" + a.ID}, args...)
	if err != nil {
		t.Errorf("wrangler %v: %v\n%s\n%v", args, err, out, a.Calls())
	}
	return out
}

// TestWranglerAndWeAgree lets Cloudflare's own wrangler and this client work on the same Worker, by turns.
func TestWranglerAndWeAgree(t *testing.T) {
	a := cloudflaretest.New(t)
	a.AddBucket("team-apps")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"wrangler.json": `{"name": "` + worker + `", "main": "index.js", "compatibility_date": "2026-04-01", "send_metrics": false, "vars": {"GREETING": "hello"},
			"r2_buckets": [{"binding": "BUCKET", "bucket_name": "team-apps"}], "workers_dev": true, "preview_urls": true,
			"assets": {"directory": "public", "binding": "ASSETS", "run_worker_first": true}}`,
		"index.js":      `import text from "./a.txt"; export default { fetch(r, env) { return new Response(text + env.GREETING); } };`,
		"a.txt":         "text ",
		"public/a.html": "<p>a", "public/b.css": "p{}", "public/c.css": "p{c:1}", "public/d.css": "p{d:1}",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wrangler(t, a, dir, "deploy")
	theirs := a.Live("", worker)
	if theirs == nil || len(theirs.Assets) != 4 || !a.Public(worker) {
		t.Fatalf("wrangler deployed %+v", theirs)
	}

	c := open(t, a, nil)
	placed := c.deploy(c.release(3, "1.2.3", plan.Embed))
	if a.Live("", worker).ID != theirs.ID {
		t.Error("our version is live before Promote")
	}
	c.promote(placed.ID)
	if out := wrangler(t, a, dir, "deployments", "list"); !strings.Contains(out, placed.ID) {
		t.Errorf("wrangler does not list what we promoted: %s", out)
	}
	if out := wrangler(t, a, dir, "versions", "list"); !strings.Contains(out, placed.ID) || !strings.Contains(out, "1.2.3") {
		t.Errorf("wrangler does not list our version: %s", out)
	}
	if out := wrangler(t, a, dir, "secret", "list"); !strings.Contains(out, "PAYMENT_KEY") || strings.Contains(out, secretValue) {
		t.Errorf("wrangler lists the secrets %s", out)
	}
	if _, err := c.Rollback(t.Context(), production(), theirs.ID); err != nil || a.Live("", worker).ID != theirs.ID {
		t.Errorf("we cannot go back to wrangler's version: %v", err)
	}
	wrangler(t, a, dir, "rollback", placed.ID, "--yes", "--message", "back")
	if a.Live("", worker).ID != placed.ID {
		t.Error("wrangler did not go back to our version")
	}
	wrangler(t, a, dir, "deploy")
	if a.Live("", worker).ID == placed.ID {
		t.Error("wrangler deployed nothing")
	}
	if err := c.Delete(t.Context(), production()); err != nil || a.Describe() != "" {
		t.Errorf("%v, left %s", err, a.Describe())
	}
	if _, err := c.Promote(t.Context(), production(), placed.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a deleted Worker: %v", err)
	}
}

// TestWhatWeUploadRuns runs what lies in the account, with its bucket and its static assets, under Miniflare.
func TestWhatWeUploadRuns(t *testing.T) {
	edge := miniflaretest.Start(t)
	for _, mode := range []plan.Mode{plan.Embed, plan.Assets} {
		t.Run(string(mode), func(t *testing.T) {
			a := cloudflaretest.New(t)
			c := open(t, a, nil)
			r := c.release(3, "1.2.3", mode)
			c.promote(c.deploy(r).ID)
			address, err := edge.Serve(a.Worker(worker, a.Live("", worker)))
			if err != nil {
				t.Fatal(err)
			}
			for _, asset := range r.Plan.Assets {
				if asset.Path == plan.Index {
					continue // answers at /
				}
				get(t, address, asset.Path, "", http.StatusOK, asset.ContentType, asset.Content)
			}
			index := indexOf(r.Plan)
			get(t, address, "/", "", http.StatusOK, index.ContentType, index.Content)
			get(t, address, "/some/page", "", http.StatusOK, index.ContentType, index.Content)
			film := "/assets/film-ZX98CV76.mp4"
			get(t, address, film, "bytes=4-7", http.StatusPartialContent, "video/mp4", []byte{0, 1, 2, 3})
			get(t, address, film, "bytes=-2", http.StatusPartialContent, "video/mp4", []byte{2, 3})
			get(t, address, film, "bytes=9000000-", http.StatusRequestedRangeNotSatisfiable, "", nil)
			res := get(t, address, "/_deployment", "", http.StatusOK, "", nil)
			if !bytes.Contains(res, []byte(r.Plan.Hash)) || !bytes.Contains(res, []byte("1.2.3")) {
				t.Errorf("/_deployment: %s", res)
			}
		})
	}
}

func indexOf(p plan.Plan) plan.Asset {
	for _, a := range p.Assets {
		if a.Path == plan.Index {
			return a
		}
	}
	return plan.Asset{}
}

// get asks for a path. A type or content that is empty is not compared.
func get(t *testing.T, address, path, ranges string, status int, contentType string, content []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(address, "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html, */*") // as a browser that opens a page
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || contentType != "" && res.Header.Get("Content-Type") != contentType || content != nil && !bytes.Equal(body, content) {
		t.Errorf("%s %s: %d %s, %d bytes (%v), want %d %s, %d bytes", path, ranges, res.StatusCode, res.Header.Get("Content-Type"), len(body), err, status, contentType, len(content))
	}
	return body
}
