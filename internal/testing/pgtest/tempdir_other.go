//go:build !linux

package pgtest

// tempRoot returns where the clusters of test processes live; "" is the default.
func tempRoot() string { return "" }
