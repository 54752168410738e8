package deploy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overskill/internal/deploy/local"
	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/smoke"
	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/testing/browsertest"
)

// releases is a Store: every version by its number, and the one that the preview shows.
type releases struct {
	versions map[int64]local.Release
	preview  atomic.Int64
}

func (r *releases) ByVersion(_ context.Context, slug string, id int64) (local.Release, error) {
	rel, ok := r.versions[id]
	if !ok || rel.Slug != slug {
		return local.Release{}, fault.New(fault.NotFound, "There is no such version.")
	}
	return rel, nil
}

func (r *releases) Current(ctx context.Context, slug string, env model.Environment) (local.Release, error) {
	if env != model.Preview {
		return local.Release{}, fault.New(fault.NotFound, "It is not published.")
	}
	return r.ByVersion(ctx, slug, r.preview.Load())
}

func (r *releases) ByDeployment(context.Context, string, int64) (local.Release, error) {
	return local.Release{}, fault.New(fault.NotFound, "It is not published.")
}

func (r *releases) Domain(context.Context, string) (local.Release, error) {
	return local.Release{}, fault.New(fault.NotFound, "It has no domain.")
}

func bundle(script string) map[string][]byte {
	return map[string][]byte{
		"index.html":             []byte(`<!doctype html><title>Todo</title><link rel="icon" href="/favicon.svg"><script type="module" src="/assets/app-AB23CD45.js"></script><div id="root"></div>`),
		"assets/app-AB23CD45.js": []byte(script),
		"assets/lazy.js":         []byte(`export default "lazily"`),
		"assets/photo.png":       []byte(strings.Repeat("not a picture", 10_000)), // too big to be embedded
		"favicon.svg":            []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`),
	}
}

// TestFromBuildToLiveURL walks the order that the package comment describes: a good version goes live, a broken
// one after it is found at its own address and changes nothing.
func TestFromBuildToLiveURL(t *testing.T) {
	browsertest.Need(t)
	store := &releases{versions: map[int64]local.Release{}}
	server, err := local.New(local.Config{Dir: t.TempDir(), Store: store, API: func(int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"title":"milk"}]`) })
	}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	checker, err := smoke.New(smoke.Config{Profiles: t.TempDir(), Appear: 200 * time.Millisecond, Blank: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := checker.Close(); err != nil {
			t.Error(err)
		}
	}()

	// deploy does what a pipeline does with a build, and returns what the check found.
	deploy := func(id int64, number, script string) (plan.Plan, smoke.Report) {
		t.Helper()
		p, err := plan.Make(bundle(script), []string{"assets/app-AB23CD45.js"}, plan.Options{AppID: 7, VersionID: id, Slug: "todo", VersionNumber: number, Environment: "preview"})
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Put(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		store.versions[id] = local.Release{AppID: 7, VersionID: id, Slug: "todo", Version: number, Hash: p.Hash}
		r, err := checker.Verify(t.Context(), smoke.Target{
			URL: "http://" + local.CandidateHost("todo", id, "localhost") + ":" + port, Version: number, Hash: p.Hash, Assets: p.Hashes(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK {
			store.preview.Store(id)
		}
		return p, r
	}

	p, r := deploy(1, "1.0.0", `const rows = await (await fetch("/rest/v1/todos")).json();
		const lazy = await import("/assets/lazy.js");
		document.getElementById("root").textContent = rows[0].title + " " + lazy.default;`)
	if !r.OK || !r.Opened || len(r.Problems) != 0 || len(r.Screenshot) == 0 {
		t.Fatalf("good version: %+v", r.Problems)
	}
	t.Logf("checked in %v", r.Duration)
	live := smoke.Target{URL: "http://" + local.Host("todo", model.Preview, "localhost") + ":" + port, Version: "1.0.0", Hash: p.Hash, Assets: p.Hashes()}
	if r, err := checker.Verify(t.Context(), live); err != nil || !r.OK {
		t.Fatalf("preview: %+v, %v", r.Problems, err)
	}

	_, r = deploy(2, "1.0.1", `missing_function()`)
	if r.OK || !slices.ContainsFunc(r.Problems, func(d model.Diagnostic) bool {
		return d.Class == "runtime" && d.File == "assets/app-AB23CD45.js" && d.Line == 1
	}) {
		t.Errorf("broken version: %+v", r.Problems)
	}
	if r, err := checker.Verify(t.Context(), live); err != nil || !r.OK {
		t.Errorf("the version before it must stay live: %+v, %v", r.Problems, err)
	}

	var big *plan.TooBigError
	if _, err := plan.Make(map[string][]byte{"index.html": make([]byte, 1_000_000)}, nil, plan.Options{}); !errors.As(err, &big) {
		t.Errorf("got %v", err)
	}
}
