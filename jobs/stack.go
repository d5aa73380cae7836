package jobs

import (
	"bytes"
	"runtime"
	"strings"
)

const maxStacks = 16 << 20 // bytes of all goroutines' stacks that are searched for one

// goroutineID names the calling goroutine as stack traces do.
func goroutineID() string {
	var buf [64]byte
	id, _, _ := strings.Cut(strings.TrimPrefix(string(buf[:runtime.Stack(buf[:], false)]), "goroutine "), " ")
	return id
}

// stackOf is the stack of another goroutine, or what there is to say about it. It stops the world for a moment: for
// rare events only.
func stackOf(id string) string {
	var all []byte
	for size := 64 << 10; ; size *= 4 {
		all = make([]byte, size)
		n := runtime.Stack(all, true)
		all = all[:n]
		if n < size || size >= maxStacks {
			break
		}
	}
	for part := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.HasPrefix(part, []byte("goroutine "+id+" ")) {
			return string(part)
		}
	}
	return "goroutine " + id + ": its stack was not found"
}
