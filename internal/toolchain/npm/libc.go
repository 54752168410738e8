package npm

import "path/filepath"

// libc tells musl from glibc by the loader that lies in /lib.
func libc() string {
	if m, _ := filepath.Glob("/lib/ld-musl-*"); len(m) > 0 {
		return "musl"
	}
	return "glibc"
}
