package pgtest

import "syscall"

// sharedMemory is a file system in memory on every Linux.
const sharedMemory = "/dev/shm"

// tempRoot returns where the clusters of test processes live: in memory if there is room (Docker
// gives 64 MB unless told otherwise), since databases are made of many small files, and creating
// them in memory took a tenth of the time; else "", the default.
func tempRoot() string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &st); err != nil || uint64(st.Bsize)*st.Bavail < 1<<30 {
		return ""
	}
	return sharedMemory
}
