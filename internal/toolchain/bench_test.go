package toolchain

import (
	"fmt"
	"strings"
	"testing"

	"overskill/internal/toolchain/npm"
)

// BenchmarkBuildProduction changes a file before every build, as a turn does. Packages and Tailwind are warm.
func BenchmarkBuildProduction(b *testing.B) {
	tc, tree := open(b), fixture(b)
	build(b, tc, tree, Production)
	app, _ := tree.Get("src/App.tsx")
	i := 0
	for b.Loop() {
		i++
		build(b, tc, with(b, tree, "src/App.tsx", strings.Replace(string(app), "More", fmt.Sprint("More ", i), 1)), Production)
	}
}

// BenchmarkBuildProductionFresh adds and removes classes, so that Tailwind starts anew every second time.
func BenchmarkBuildProductionFresh(b *testing.B) {
	tc, tree := open(b), fixture(b)
	build(b, tc, tree, Production)
	app, _ := tree.Get("src/App.tsx")
	i := 0
	for b.Loop() {
		i++
		build(b, tc, with(b, tree, "src/App.tsx", strings.Replace(string(app), "panel", fmt.Sprintf("panel w-[%dpx]", i), 1)), Production)
	}
}

func BenchmarkBuildDevelopmentRebuild(b *testing.B) {
	tc, tree := open(b), fixture(b)
	build(b, tc, tree, Development)
	app, _ := tree.Get("src/App.tsx")
	i := 0
	for b.Loop() {
		i++
		build(b, tc, with(b, tree, "src/App.tsx", strings.Replace(string(app), "panel", fmt.Sprintf("panel w-[%dpx]", i), 1)), Development)
	}
}

// BenchmarkInstallWarm lays out a lock whose packages are all in the store.
func BenchmarkInstallWarm(b *testing.B) {
	tc, tree := open(b), fixture(b)
	if _, err := tc.Install(b.Context(), tree, nil); err != nil {
		b.Fatal(err)
	}
	raw, _ := tree.Get("package-lock.json")
	lock, err := npm.ParseLock(raw)
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i++ // another place for a small package makes another tree
		lock.Packages[fmt.Sprintf("node_modules/alias-%d", i)] = &npm.Entry{
			Name: "clsx", Version: lock.Packages["node_modules/clsx"].Version, Integrity: lock.Packages["node_modules/clsx"].Integrity,
		}
		if _, err := tc.store.Tree(b.Context(), lock, nil); err != nil {
			b.Fatal(err)
		}
		delete(lock.Packages, fmt.Sprintf("node_modules/alias-%d", i))
	}
}

func BenchmarkTypecheck(b *testing.B) {
	tc, tree := open(b), fixture(b)
	for b.Loop() {
		if found, err := tc.Typecheck(b.Context(), tree, nil); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkBuildServer bundles the tests' server code: four routes and zod. Packages are warm.
func BenchmarkBuildServer(b *testing.B) {
	tc, tree := open(b), withServer(b, serverFiles)
	b.Logf("%d bytes", len(buildServer(b, tc, tree, Production).Code))
	for b.Loop() {
		buildServer(b, tc, tree, Production)
	}
}

// BenchmarkTypecheckServer is BenchmarkTypecheck for an app with server code: two projects.
func BenchmarkTypecheckServer(b *testing.B) {
	tc, tree := open(b), withServer(b, serverFiles)
	if _, err := tc.Install(b.Context(), tree, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if found, err := tc.Typecheck(b.Context(), tree, nil); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
