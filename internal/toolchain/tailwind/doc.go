// Package tailwind compiles Tailwind CSS 4 stylesheets without Node.
//
// Tailwind 4 has two halves. A scanner finds everything in the sources that could be a class name; a compiler,
// written in JavaScript, turns the stylesheet plus those names into CSS. The scanner here is Go (scan.go). The
// compiler is the app's own: the version that its lock names, from its own node_modules, run in QuickJS, which
// is plain Go too. So the output is Tailwind's, and an app may pin the version that it wants.
//
// Loading that compiler and reading a stylesheet costs a few hundred milliseconds; adding names to a compiler
// that has read it costs a few. A Pool therefore keeps compilers warm for a while and gives their memory back
// when nobody has asked for a minute (pool.go). A compiler only ever accumulates names, so it is used again
// for an exact build only if what it has seen before cannot show in the output (compiler.go).
package tailwind
