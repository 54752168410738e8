// Package bundle turns an app's files into what a browser loads, with esbuild as a library.
//
// It follows Vite's conventions, because the apps are Vite projects: index.html is the entry, /public is copied
// as it is, import.meta.env holds VITE_ variables, small assets become data URLs, and everything else is named by
// its content so that it can be cached for ever. An app that builds here also builds with Vite, and the
// other way round; where something of Vite's is missing, the build says so and fails (unsupported.go), because
// an app that builds and then breaks in the browser is the worst outcome.
//
// The sources never touch the disk. They are served to esbuild from memory under a namespace of their own
// (sources.go); packages are real files below Input.Dir, which esbuild finds by its own resolver. Problems of
// the app's code come back as diagnostics with a cure where one is known (problems.go).
//
// A development build keeps packages apart: they are bundled once per set of imports (vendor.go), and a change
// of the app's code costs only its own files.
//
// An app may have server code next to its page, in worker/. It is a bundle of its own, one module for Cloudflare's
// runtime (server.go), and the two never mix: a page that imports from worker/ does not build.
package bundle
