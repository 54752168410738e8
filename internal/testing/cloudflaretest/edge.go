package cloudflaretest

import (
	"strings"

	"overskill/internal/testing/miniflaretest"
)

// Worker returns a version as Miniflare runs it, with what its buckets hold now.
func (a *Account) Worker(name string, v *Version) miniflaretest.Worker {
	w := miniflaretest.Worker{
		Name: name, Main: v.Main, CompatibilityDate: v.CompatibilityDate, CompatibilityFlags: v.CompatibilityFlags,
		Vars: map[string]string{}, Buckets: map[string]map[string]miniflaretest.Object{},
	}
	for _, m := range v.Modules {
		w.Modules = append(w.Modules, miniflaretest.Module(m))
	}
	for _, b := range v.Bindings {
		switch b.Type {
		case "plain_text", "secret_text":
			w.Vars[b.Name] = b.Text
		case "assets":
			w.AssetsBinding = b.Name
		case "r2_bucket":
			w.Buckets[b.Name] = map[string]miniflaretest.Object{}
			for key, content := range a.Objects(b.BucketName) {
				_, meta := a.bucket.read(b.BucketName, key)
				w.Buckets[b.Name][key] = miniflaretest.Object{ContentType: meta["Content-Type"], Content: content}
			}
		}
	}
	if len(v.Assets) > 0 {
		w.Assets = map[string][]byte{}
		for p, asset := range v.Assets {
			w.Assets[strings.TrimPrefix(p, "/")] = asset.Content
		}
	}
	return w
}
