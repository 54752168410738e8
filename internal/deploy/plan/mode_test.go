package plan

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
)

func TestStaticAssets(t *testing.T) {
	dist := map[string][]byte{
		"index.html": size(300), "assets/app.js": other(1, 2_000_000), "at-limit.mp4": other(2, MaxAsset), "over.mp4": other(3, MaxAsset+1),
	}
	opt := options()
	opt.Mode = Assets
	p, err := Make(dist, []string{"assets/app.js"}, opt)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Place{}
	for _, a := range p.Assets {
		got[a.Path] = a.Place
	}
	want := map[string]Place{"/index.html": InAssets, "/assets/app.js": InAssets, "/at-limit.mp4": InAssets, "/over.mp4": InBucket}
	if diff := cmp.Diff(want, got); diff != "" || len(p.Modules()) != 0 || len(p.Notes) != 0 || p.Mode != Assets {
		t.Errorf("%s, %d modules, notes %q", diff, len(p.Modules()), p.Notes)
	}
	checkPlan(t, p, dist)
	embedded, err := Make(dist, []string{"assets/app.js"}, options())
	if err != nil {
		t.Fatal(err)
	}
	if embedded.Hash != p.Hash || embedded.Mode != Embed {
		t.Error("visitors get the same in both modes, so the hash must be the same")
	}
}

func TestTooManyFiles(t *testing.T) {
	dist := map[string][]byte{"index.html": nil}
	for i := range MaxAssetFiles {
		dist[fmt.Sprintf("icons/%d.svg", i)] = nil
	}
	opt := options()
	opt.Mode = Assets
	_, err := Make(dist, nil, opt)
	var big *TooBigError
	if !errors.As(err, &big) || big.Files != MaxAssetFiles+1 || big.Items[0].Path != "/icons" {
		t.Fatalf("got %v", err)
	}
	if text := fault.Text(err); !strings.Contains(text, "20001 files") || !strings.Contains(text, "20000 of 20001 files") {
		t.Errorf("a person reads %q", text)
	}
	delete(dist, "icons/0.svg") // the table of so many is the next limit
	if _, err := Make(dist, nil, opt); !errors.As(err, &big) || !strings.Contains(fault.Text(err), "the Worker lists each") {
		t.Errorf("got %v", err)
	}
}

func TestServerCode(t *testing.T) {
	dist := map[string][]byte{"index.html": size(300), "a.js": other(1, 40_000)}
	without, err := Make(dist, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.Server = []byte("export async function handle() {}\n")
	p, err := Make(dist, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, p, dist)
	if m := p.Modules()[0]; m.Name != ServerModule || m.Type != TypeModule || !bytes.Equal(m.Content, opt.Server) || len(p.Modules()) != 3 {
		t.Errorf("first module %s of type %s", m.Name, m.Type)
	}
	if p.Hash == without.Hash {
		t.Error("the hash must depend on the server code")
	}
	changed := opt
	changed.Server = []byte("export async function handle() { }\n")
	if again, err := Make(dist, nil, changed); err != nil || again.Hash == p.Hash {
		t.Errorf("the hash must depend on the server code: %v", err)
	}

	opt.Server = other('/', 850_000) // leaves no room for a.js
	p, err = Make(dist, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/index.html"}, embedded(p)); diff != "" {
		t.Error(diff)
	}
	for _, mode := range []Mode{Embed, Assets} {
		opt.Mode, opt.Server = mode, other('/', 900_000)
		var big *TooBigError
		if _, err := Make(dist, nil, opt); !errors.As(err, &big) || big.Items[0].Path != "/worker" || big.Diagnostics()[0].Cure == "" {
			t.Errorf("mode %s: %v", mode, err)
		}
	}
}

// TestRulesTooBig: two thousand long redirects are named as what fills the Worker.
func TestRulesTooBig(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "/%d /%s\n", i, strings.Repeat("x", 1000))
	}
	_, err := Make(map[string][]byte{"index.html": nil, "_redirects": []byte(b.String())}, nil, options())
	var big *TooBigError
	if !errors.As(err, &big) || big.Items[0].Path != RedirectsFile {
		t.Errorf("got %v", err)
	}
}
