// Package workerd runs apps in Cloudflare's own runtime, on this machine.
//
// The runtime is workerd, one binary from its npm package. Each app gets a process of its own, started by the first
// request and ended when nobody asked for a while: workerd runs all Workers of a process on one thread, so an endless
// loop in one app would stop every app beside it, and nothing but SIGKILL helps against that.
//
//	visitor ──> Runtime.Serve ──http.sock──> workerd ──bucket.sock──> the files of the version (R2)
//	                  │                         │
//	                  └──────beat.sock──────────┤
//	                                            └──out.sock──> the app's data API, or the public internet
//
// All sockets are Unix sockets in a folder that only our user may enter, so no other user and no other app can speak
// to an app's process. The process in turn can reach nothing but its two peers, which are ours: the guard behind
// out.sock dials public addresses only, judged after DNS, and hands what is sent to DataURL to the app's own data API.
//
// # How a process lives
//
// We open the sockets on which it listens and hand them over as file descriptors, so a request can connect before the
// runtime is ready and waits in the socket's queue. It is ready when it says so on its control descriptor. A new
// release is a new Key, and a new Key is a new process with sockets of its own: a request goes to the process of the
// release that it was meant for, and the one before ends after its last request. Nothing is ever sent to a process that
// was asked to stop, which is why a swap loses no request.
//
// # What ends it
//
//   - The watchdog asks beat.sock. A process that does not answer for Config.Watchdog is stuck in the app's code.
//   - Its private memory is read several times a second and held to Config.Memory, with a limit of the kernel behind it.
//   - It crashed, or somebody killed it. The next request starts it again; the second time it has to wait a little.
//   - Idleness, eviction by another app's request, and Close.
//   - Our own death, of whatever kind: the kernel kills it with us.
//
// A request that dies with its process gets a 503 and a sentence that says which of these it was.
//
// # Secrets
//
// Variables and secrets reach workerd through its configuration file: neither argv nor environ holds them. The file
// and what it embeds lie in a folder of mode 0700 for the tens of milliseconds of a start, and are removed when the
// process is ready. Values of secrets are blacked out in the lines that Logs returns.
package workerd
