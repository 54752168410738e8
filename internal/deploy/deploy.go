// Package deploy turns a build into a live URL, and proves that it is live.
//
// The parts are in the folders below, and each can be read alone:
//
//   - plan decides, without touching anything, where every file of a build goes: into the Worker script or into
//     object storage, with which headers, under which hash. It also says which file answers which request.
//   - local serves plans from this machine, exactly as the generated Worker would serve them.
//   - smoke fetches a deployed version back, compares it with its plan, and opens it in a real browser.
//
// A version goes live in this order: Make a plan, put it, verify it at its candidate address, and only then move
// the preview to it. Until that last step the version before it stays live, so a failure at any point takes
// nothing away from anyone.
package deploy
