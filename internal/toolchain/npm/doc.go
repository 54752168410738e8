// Package npm installs packages from an npm registry without npm and without Node.
//
// It is in four layers, each in its own file:
//
//   - Registry (registry.go) talks HTTP. Where it talks to, and with which token, is npm's own configuration.
//   - Lock (lock.go) is package-lock.json, lockfileVersion 2 or 3; Resolve (resolve.go) makes or changes one
//     in the manner of npm 7.
//   - Store (store.go, extract.go) keeps every package once, verified by its sha512 and read-only.
//   - Store.Tree (tree.go) lays a lock out as node_modules, by hard links into the store.
//
// Two things are deliberately missing. Install scripts never run: a package is data here. And native addons
// for Node are not fetched, because there is no Node that could load them (see Lock.Needed).
//
// What is on disk is complete or absent: packages and trees are built under a temporary name and renamed, so
// a killed process or a full disk leaves garbage that the next start sweeps, never a half-installed package.
package npm
