//go:build linux

package cluster

import "context"

// T is what a cluster needs of a test. A testing.TB is one; a program that runs clusters has its own, whose Fatalf ends
// the calling goroutine, whichever it is, and whose methods may be called concurrently.
type T interface {
	Name() string
	Helper()
	Context() context.Context
	Cleanup(func())
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}
